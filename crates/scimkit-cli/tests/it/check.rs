//! `scimkit check`: against our own server behind a socket, and against unreachable ones.

use std::{fs, path::PathBuf};

use serde_json::Value;

use crate::{
    replay::{OK, Reaction, TOKEN, scripted, served},
    scimkit,
};

#[test]
fn our_server_conforms_over_a_socket() {
    let url = served();
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("junit.xml");
    let junit = file.to_str().unwrap();
    let level = "should";
    let own = [
        "check", &url, "--token", TOKEN, "--level", level, "--junit", junit,
    ];
    let (status, out, err) = scimkit(&own);
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    assert!(out.starts_with("MUST:   "), "{out}");
    assert!(out.contains(" passed, 0 failed, 0 skipped, "), "{out}");
    let written = fs::read_to_string(&file).unwrap();
    assert!(written.starts_with("<?xml "), "{written}");
    let case = "<testcase name=\"7644-3.6-01 DELETE returns 204 without body\" \
                classname=\"RFC 7644 section 3.6\"/>";
    assert!(written.contains(case), "{written}");
}

#[test]
fn selected_cases_are_reported_as_json() {
    let url = served();
    let part = [
        "check",
        &url,
        "--token",
        TOKEN,
        "--only",
        "7644-3[.]6-0[13]",
        "--json",
    ];
    let (status, out, err) = scimkit(&part);
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["counts"]["must"]["passed"], 2, "{out}");
    let first = &report["requirements"][0];
    assert_eq!(first["id"], "7644-3.6-01");
    assert_eq!(first["result"], "passed");
    assert_eq!(first["section"], "RFC 7644 section 3.6");
    assert_eq!(first["cases"][0], "rfc/delete/deleted");
}

#[test]
fn finding_shows_requirement_case_and_request() {
    // The first answer lets the check in, the second is the list of schemas.
    let (url, _) = scripted(&[Reaction::Say(OK), Reaction::Say(OK), Reaction::Say(OK)]);
    let (status, out, _) = scimkit(&["check", &url, "--only", "read/unknown"]);
    assert_eq!(status, 1, "{out}");
    let expected = "failed   7644-3.2-03 SHOULD, RFC 7644 section 3.2: ";
    assert!(out.starts_with(expected), "{out}");
    assert!(out.contains("rfc/read/unknown ("), "{out}");
    assert!(
        out.contains("): step 1/1 GET /Users/{{guid:nobody}}: "),
        "{out}"
    );
}

#[test]
fn junit_report_escapes_hostile_responses() {
    const NASTY: &str = "HTTP/1.1 500 E\r\nContent-Type: application/scim+json\r\nContent-Length: 23\r\n\r\n\
                         {\"detail\":\"<&]]>\u{9b}\u{ffff}\"}";
    let (url, _) = scripted(&[Reaction::Say(OK), Reaction::Say(OK), Reaction::Say(NASTY)]);
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("nasty.xml");
    let junit = file.to_str().unwrap();
    let (status, out, _) = scimkit(&[
        "check",
        &url,
        "--only",
        "read/unknown",
        "--level",
        "must",
        "--junit",
        junit,
    ]);
    assert_eq!(status, 1, "{out}");
    let written = fs::read_to_string(&file).unwrap();
    let counts = "tests=\"2\" skipped=\"1\" errors=\"0\" failures=\"1\"";
    assert!(written.contains(counts), "{written}");
    let said = "status 500, expected 404; body \
                {&quot;detail&quot;:&quot;&lt;&amp;]]&gt;\\u{9b}\u{fffd}&quot;}";
    for (element, level) in [("skipped", "SHOULD"), ("failure", "MUST")] {
        let message = format!("<{element} message=\"{level}: {said}\">");
        assert!(written.contains(&message), "{written}");
    }
}

#[test]
fn check_exit_status_tells_outcomes_apart() {
    let url = served();
    let table: [(&[&str], i32); 5] = [
        (&[&url, "--token", TOKEN, "--only", "read/"], 0),
        (&[&url, "--token", TOKEN, "--only", "no such case"], 2),
        (&[&url, "--token", "another"], 2),
        (&["http://127.0.0.1:9/scim/v2"], 2),
        (&["nowhere"], 2),
    ];
    for (arguments, expected) in table {
        let (status, out, err) = scimkit(&[&["check"], arguments].concat());
        assert_eq!(status, expected, "{arguments:?}: {out}{err}");
    }
}
