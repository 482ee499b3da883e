//! `scimkit replay`: against the built-in server, a server behind a socket, and scripted ones.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use scimkit::{BearerTokens, MemoryStore, Server, Settings, Token};
use serde_json::{Value, json};

use crate::scimkit;

pub(crate) const TOKEN: &str = "a-token-for-tests";
const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scimkit-testkit/corpus");

/// A scenario of one step, in a file of that name.
pub(crate) fn file(name: &str, scenario: &Value) -> String {
    let mut scenario = scenario.clone();
    let members = scenario.as_object_mut().unwrap();
    members.insert("idp".to_owned(), json!("test"));
    members.insert("scenario".to_owned(), json!(name));
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.json"));
    fs::write(&file, scenario.to_string()).unwrap();
    file.to_str().unwrap().to_owned()
}

pub(crate) fn step(method: &str, path: &str, status: u16) -> Value {
    json!({"request": {"method": method, "path": path}, "expect": {"status": status}})
}

/// The quickstart's server in miniature, on a free port.
pub(crate) fn served() -> String {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let token = Token::from_secret(TOKEN).unwrap();
        let server = Server::new(
            Arc::new(MemoryStore::new()),
            Settings::new("https://scim.test/v2"),
        )
        .with_authentication(BearerTokens::new([token.digest()]));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build();
        runtime.unwrap().block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            let app: axum::Router = scimkit::axum::router("/scim/v2", server);
            axum::serve(listener, app).await.unwrap();
        });
    });
    format!("http://{}/scim/v2", told.recv().unwrap())
}

/// What a scripted server does with a request.
#[derive(Clone, Copy)]
pub(crate) enum Reaction {
    /// It closes the connection without a word.
    Close,
    /// It answers with these bytes and keeps the connection.
    Say(&'static str),
    /// It says nothing and waits.
    Wait,
}

pub(crate) const OK: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: application/scim+json\r\nContent-Length: 2\r\n\r\n{}";

/// A server that reacts to its requests in that order, and what it read: request line and body.
pub(crate) fn scripted(script: &'static [Reaction]) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    thread::spawn(move || {
        let mut script = script.iter();
        for connection in listener.incoming() {
            let mut reader = BufReader::new(connection.unwrap());
            while let Some(request) = read(&mut reader) {
                kept.lock().unwrap().push(request);
                match script.next() {
                    Some(Reaction::Say(answer)) => {
                        reader.get_mut().write_all(answer.as_bytes()).unwrap();
                    }
                    Some(Reaction::Wait) => thread::sleep(Duration::from_secs(5)),
                    Some(Reaction::Close) | None => break,
                }
            }
        }
    });
    (format!("http://{address}/base"), seen)
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).ok().filter(|read| *read > 0)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end().to_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(
        format!("{} {}", first.trim_end(), String::from_utf8(body).unwrap())
            .trim_end()
            .to_owned(),
    )
}

/// Replays these steps against a scripted server, without looking at its schemas first.
fn against(name: &str, script: &'static [Reaction], steps: &Value) -> (i32, String, Vec<String>) {
    let (url, seen) = scripted(script);
    let scenario = file(name, &json!({"steps": steps}));
    let (status, out, err) = scimkit(&["replay", "--timeout", "0.5", "--url", &url, &scenario]);
    assert_eq!(err, "");
    let seen = seen.lock().unwrap().clone();
    (status, out, seen)
}

#[test]
fn corpus_passes_in_process_and_over_a_socket() {
    let schemas = format!("{CORPUS}/schemas/extensions.json");
    let desk_plan = format!("{CORPUS}/field/schemas/desk-plan.json");
    let types = format!("{CORPUS}/field/schemas/resource-types-with-desk-plan.json");
    let folders: Vec<_> = fs::read_dir(CORPUS)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .map(|path| path.to_str().unwrap().to_owned())
        .collect();
    let mut own = vec!["replay", "--schemas", &schemas, "--schemas", &desk_plan];
    own.extend(["--resource-types", &types]);
    own.extend(folders.iter().map(String::as_str));
    let (status, out, err) = scimkit(&own);
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    assert!(
        out.contains("\n137/137 scenarios passed, 0 failed, 0 not run, 3 of another mode"),
        "{out}"
    );

    let url = served();
    let okta = format!("{CORPUS}/okta");
    // The file lies in the folder too: it is read once.
    let once = format!("{okta}/01-probe-startindex1-count2.json");
    let (status, out, err) = scimkit(&["replay", "--url", &url, "--token", TOKEN, &okta, &once]);
    assert_eq!((status, err.as_str()), (3, ""), "{out}");
    assert!(
        out.contains("not run okta/seed-knowbe4-custom-fields: schema not served: "),
        "{out}"
    );
    assert!(
        out.contains("\n22/22 scenarios passed, 0 failed, 1 not run, 0 of another mode"),
        "{out}"
    );
}

#[test]
fn replay_exit_status_tells_outcomes_apart() {
    let passes = file("passes", &json!({"steps": [step("GET", "/Users", 200)]}));
    let fails = file("fails", &json!({"steps": [step("GET", "/Users", 404)]}));
    let info = file(
        "info",
        &json!({"mode": "info", "steps": [step("GET", "/Users", 404)]}),
    );
    let rfc = file(
        "rfc",
        &json!({"mode": "rfc", "steps": [step("GET", "/Users", 404)]}),
    );
    let schema = file(
        "schema",
        &json!({"requires_schema": ["urn:none"], "steps": []}),
    );
    let auth = file(
        "auth",
        &json!({"requires": ["auth"], "steps": [step("GET", "/Users", 200)]}),
    );
    let malformed = file("malformed", &json!({"steps": [{}]}));
    let url = served();
    let table: [(&[&str], i32); 17] = [
        (&[&passes], 0),
        (&[&passes, &auth], 0),
        (&[&passes, &fails], 1),
        (&["--profile", "strict", &passes], 0),
        (&["--profile", "nobody", &passes], 2),
        (&["--only", "passes", &passes, &fails], 0),
        (&["--only", "nothing", &passes], 2),
        (&[&info], 2),
        (&["--mode", "info", &info], 1),
        (&["--mode", "all", &info, &rfc], 1),
        (&["--mode", "both", &rfc, &passes], 0),
        (&[&passes, &schema], 3),
        (&["--allow-skip", &passes, &schema], 0),
        (&[&malformed], 2),
        (&["no such file"], 2),
        (&["--url", "ftp://app.example", &passes], 2),
        (&["--url", &url, &auth], 2),
    ];
    for (arguments, expected) in table {
        let (status, out, err) = scimkit(&[&["replay"], arguments].concat());
        assert_eq!(status, expected, "{arguments:?}: {out}{err}");
    }
}

#[test]
fn failure_names_step_request_and_reason() {
    let mut last = step("PATCH", "/Users/{{run}}", 204);
    last["request"]["body"] = json!({"schemas": [], "Operations": []});
    let scenario = file("why", &json!({"steps": [step("GET", "/Users", 200), last]}));
    let (_, out, _) = scimkit(&["replay", &scenario]);
    let line = "FAIL test/why: step 2/2 PATCH /Users/{{run}}: status ";
    assert!(out.starts_with(line), "{out}");
    assert!(out.contains("expected 204; body {"), "{out}");
    assert!(out.contains("\n     PATCH /Users/"), "{out}");
    assert!(!out.contains("GET /Users"), "{out}");
    let (_, out, _) = scimkit(&["replay", "-v", &scenario]);
    assert!(out.contains("\n     GET /Users -> 200 {"), "{out}");
}

#[test]
fn replay_prints_json() {
    let passes = file(
        "json-passes",
        &json!({"steps": [step("GET", "/Users", 200)]}),
    );
    let fails = file(
        "json-fails",
        &json!({"steps": [step("GET", "/Users", 404)]}),
    );
    let (status, out, _) = scimkit(&["replay", "--json", &fails, &passes]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(status, 1);
    assert_eq!(
        (&report["counts"]["passed"], &report["counts"]["failed"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(report["scenarios"][0]["request"], "GET /Users");
    assert_eq!(report["scenarios"][1]["result"], "passed");
}

#[test]
fn requests_are_sent_as_written() {
    let path = "/Users/%7e%41/../b?filter=userName%20Eq%20%22a+b%22&x";
    let body = json!({"request": {"method": "DELETE", "path": "/x", "raw_body": "[1 ]"},
                      "expect": {"status": 200}});
    let steps = json!([
        step("GET", path, 200),
        step("PURGE", "/x", 200),
        body,
        step("POST", "/x", 200),
        step("HEAD", "/x", 301),
        step("GET", "/x", 301),
        step("GET", "/x", 503),
    ]);
    static SCRIPT: &[Reaction] = &[
        Reaction::Say(OK),
        Reaction::Say(OK),
        Reaction::Say(OK),
        Reaction::Say(OK),
        Reaction::Say(OK),
        Reaction::Say("HTTP/1.1 301 Moved\r\nLocation: /elsewhere\r\nContent-Length: 9\r\n\r\n"),
        Reaction::Say("HTTP/1.1 301 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"),
        Reaction::Say("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"),
    ];
    let (status, out, seen) = against("verbatim", SCRIPT, &steps);
    assert_eq!(status, 0, "{out}");
    let expected = [
        "GET /base/Schemas HTTP/1.1",
        "GET /base/Users/%7e%41/../b?filter=userName%20Eq%20%22a+b%22&x HTTP/1.1",
        "PURGE /base/x HTTP/1.1",
        "DELETE /base/x HTTP/1.1 [1 ]",
        "POST /base/x HTTP/1.1",
        "HEAD /base/x HTTP/1.1",
        "GET /base/x HTTP/1.1",
        "GET /base/x HTTP/1.1",
    ];
    assert_eq!(seen, expected);
}

#[test]
fn request_is_sent_again_once_if_its_connection_was_closed() {
    static SCRIPT: &[Reaction] = &[Reaction::Say(OK), Reaction::Close, Reaction::Say(OK)];
    let (status, out, seen) = against("closed", SCRIPT, &json!([step("PUT", "/x", 200)]));
    assert_eq!((status, seen.len()), (0, 3), "{out}");
    assert!(
        out.contains("warning, 1 times: the server closed a kept-alive connection during"),
        "{out}"
    );

    static TWICE: &[Reaction] = &[Reaction::Say(OK), Reaction::Close, Reaction::Close];
    let (status, out, seen) = against("closed-twice", TWICE, &json!([step("GET", "/x", 200)]));
    assert_eq!((status, seen.len()), (1, 3), "{out}");
    assert!(out.contains("step 1/1 GET /x: no answer: "), "{out}");
}

#[test]
fn request_to_a_silent_server_times_out() {
    static SCRIPT: &[Reaction] = &[Reaction::Say(OK), Reaction::Wait];
    let started = Instant::now();
    let (status, out, _) = against("silent", SCRIPT, &json!([step("GET", "/x", 200)]));
    assert_eq!(status, 1);
    assert!(
        out.contains("GET /x: no answer: timed out after 0.5 s"),
        "{out}"
    );
    assert!(started.elapsed() < Duration::from_secs(4));
}

#[test]
fn unreachable_server_fails_the_scenario() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let scenario = file("nobody", &json!({"steps": [step("GET", "/x", 200)]}));
    let url = format!("http://{free}");
    let (status, out, _) = scimkit(&["replay", "--url", &url, &scenario]);
    assert_eq!(status, 1);
    assert!(out.contains("no answer: "), "{out}");
}
