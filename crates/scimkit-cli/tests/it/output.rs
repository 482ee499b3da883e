//! Hostile names and responses do not reach the terminal unescaped.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    thread,
};

use serde_json::{Value, json};

use crate::{scimkit, store::File};

/// A title for the terminal, a cleared screen, C1, reordered and invisible text, and a forged line.
const HOSTILE: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{7f}\u{85}\u{202e}\u{2066}\u{200f}\u{61c}\u{2028}\u{2029}\u{feff}\u{200b}\r\nok   forged/line (1 steps)\nMUST:   999 passed";

fn assert_harmless(text: &str, of: &str) {
    for line in text.lines() {
        let hidden = |letter: &char| scimkit_testkit::is_invisible(*letter);
        assert_eq!(line.chars().find(hidden), None, "{of}: {line:?}");
        assert!(!line.starts_with("ok   forged"), "{of}: {text}");
        assert!(!line.starts_with("MUST:   999"), "{of}: {text}");
    }
}

/// A server whose every answer is hostile, with that status: as JSON, or as the bytes themselves.
fn hostile(status: u16, as_json: bool) -> String {
    let body = if as_json {
        // JSON need not escape what is no C0.
        let text = serde_json::to_string(HOSTILE).unwrap();
        format!("{{\"schemas\": [{text}],\n\"id\": {text},\n\"detail\": {text}, {text}: {text}}}")
    } else {
        HOSTILE.to_owned()
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut reader = BufReader::new(connection.unwrap());
            let mut length = 0;
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) == 0 {
                    break;
                }
                let line = line.trim_end().to_lowercase();
                if let Some(value) = line.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line.is_empty() {
                    break;
                }
            }
            let mut sent = vec![0; length];
            drop(reader.read_exact(&mut sent));
            let head = format!(
                "HTTP/1.1 {status} X\r\nContent-Type: text/x\u{9b}31m\r\nLocation: /\u{9b}\u{202e}\r\nETag: \"\u{9b}\"\r\n\
                 Content-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            drop(
                reader
                    .get_mut()
                    .write_all(&[head.as_bytes(), body.as_bytes()].concat()),
            );
        }
    });
    format!("http://{address}/base")
}

#[test]
fn hostile_server_can_not_steer_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("scenario.json");
    let steps = json!([{"request": {"method": "POST", "path": "/Users", "body": {"userName": HOSTILE}},
        "expect": {"status": [201, 404], "headers": {"location": "^never$"}, "body_subset": {"id": "another"}}}]);
    let document = json!({"idp": HOSTILE, "scenario": HOSTILE, "quirk": HOSTILE, "steps": steps});
    let skipped =
        json!({"idp": HOSTILE, "scenario": "skipped", "requires_schema": [HOSTILE], "steps": []});
    fs::write(&scenario, json!([document, skipped]).to_string()).unwrap();
    let scenario = scenario.to_str().unwrap();
    for (status, as_json) in [
        (200, true),
        (200, false),
        (201, true),
        (404, true),
        (500, false),
        (302, true),
    ] {
        let url = hostile(status, as_json);
        let commands: [&[&str]; 6] = [
            &[
                "check",
                &url,
                "--only",
                "create/|errors/|versions/|discovery/",
            ],
            &["check", &url, "--only", "create/", "--verbose"],
            &["check", &url, "--only", "create/", "--json"],
            &["replay", "--url", &url, scenario],
            &["replay", "--url", &url, scenario, "--verbose"],
            &["replay", "--url", &url, scenario, "--json"],
        ];
        for command in commands {
            let (code, out, err) = scimkit(command);
            assert!(code > 0, "{command:?}: {out}{err}");
            assert_harmless(&out, &format!("{command:?} {status}"));
            assert_harmless(&err, &format!("{command:?} {status}"));
            assert!(!out.is_empty(), "{command:?}");
            if command.contains(&"--json") {
                serde_json::from_str::<Value>(&out).unwrap();
            }
        }
    }
}

#[test]
fn names_and_paths_are_shown_with_escapes() {
    let file = File::new();
    let store = format!("sqlite:{}", file.path());
    let name = "A\u{1b}[2J\u{202e}\u{9b}\u{200b}B";
    let (_, out, err) = scimkit(&[
        "tenant", "create", "acme", "--name", name, "--store", &store,
    ]);
    let shown = r"A\u{1b}[2J\u{202e}\u{9b}\u{200b}B";
    if out.contains(shown) {
        let json = file.json("tenant list");
        assert_eq!(json["tenants"][0]["name"], name);
        let text = file.done("tenant list");
        assert_harmless(&text, "tenant list");
        assert!(text.contains(shown), "{text}");
        assert_harmless(&file.done("tenant list --json"), "tenant list --json");
    } else {
        // The administration may reject such a name; its message is harmless as well.
        assert!(!err.is_empty())
    }
    assert_harmless(&out, "tenant create");
    assert_harmless(&err, "tenant create");
    let bad = HOSTILE.replace('\u{0}', "");
    let sqlite = format!("sqlite:/nowhere/{bad}");
    let commands: [&[&str]; 14] = [
        &["check", &bad],
        &["replay", &bad],
        &["replay", "--only", &bad, "x"],
        &["filter", "--schema", &bad, "title pr"],
        &["filter", "--", &bad],
        &["filter", "--json", "--", &bad],
        &["mapping", "check", &bad],
        &["mapping", "explain", &bad, "--user", &bad],
        &["tenant", "show", &bad, "--store", &store],
        &["tenant", "show", &bad, "--store", &store, "--json"],
        &["tenant", "list", "--store", &sqlite],
        &["tenant", "import", &bad, "--store", &store],
        &["tenant", &bad],
        &["token", "revoke", "x", &bad, "--store", &bad],
    ];
    for command in commands {
        let (code, out, err) = scimkit(command);
        assert!(code > 0, "{command:?}: {out}{err}");
        assert_harmless(&out, &format!("{command:?}"));
        assert_harmless(&err, &format!("{command:?}"));
        assert!(!out.is_empty() || !err.is_empty(), "{command:?}");
    }
}

#[test]
fn mapping_and_its_values_are_shown_with_escapes() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let mapping = write(
        "mapping.toml",
        "[[User.map]]\nscim = \"userName\"\nfield = \"login\"\n\n[[User.map]]\nscim = \"displayName\"\nfield = \"shown\"\n",
    );
    let schema = "urn:ietf:params:scim:schemas:core:2.0:User";
    let user =
        json!({"schemas": [schema], "userName": "u", "displayName": HOSTILE, "title": HOSTILE});
    let user = write("user.json", &user.to_string());
    for more in [None, Some("--json")] {
        let command = ["mapping", "explain", &mapping, "--user", &user]
            .into_iter()
            .chain(more);
        let (code, out, err) = scimkit(&command.collect::<Vec<_>>());
        assert_eq!((code, &*err), (0, ""), "{out}");
        assert!(out.contains("owned"), "{out}");
        assert_harmless(&out, "mapping explain");
    }
    let broken = write(
        "broken.toml",
        &format!("[[User.map]]\nscim = {}\nfield = \"x\"\n", json!(HOSTILE)),
    );
    let (code, out, err) = scimkit(&["mapping", "check", &broken]);
    assert!(code > 0, "{out}{err}");
    assert_harmless(&out, "mapping check");
    assert_harmless(&err, "mapping check");
}

#[test]
fn scenario_can_not_choose_the_host_or_leave_the_base_path() {
    let url = hostile(404, true);
    let folder = tempfile::tempdir().unwrap();
    let requests = [
        json!({"method": "GET", "path": "/Users", "headers": {"Host": "elsewhere.example"}}),
        json!({"method": "GET", "path": "/Users", "headers": {"hOST": "elsewhere.example"}}),
        json!({"method": "GET", "path": "/../admin"}),
        json!({"method": "GET", "path": "/Users/../../admin"}),
        json!({"method": "GET", "path": "/%2e%2E/admin"}),
        json!({"method": "GET", "path": "/Users/%2e./%2e%2e/admin"}),
        json!({"method": "GET", "path": "@elsewhere.example/"}),
        json!({"method": "GET", "path": ":80@elsewhere.example/"}),
        json!({"method": "GET", "path": ".elsewhere.example/"}),
    ];
    for request in requests {
        let step = json!({"request": request, "expect": {"status": 404}});
        let scenario = folder.path().join("scenario.json");
        let document = json!({"idp": "test", "scenario": "x", "steps": [step]});
        fs::write(&scenario, document.to_string()).unwrap();
        let (code, out, _) = scimkit(&["replay", "--url", &url, scenario.to_str().unwrap()]);
        assert_eq!(code, 1, "{request}: {out}");
        assert!(!out.contains("-> 404"), "{request}: it was sent: {out}");
    }
}
