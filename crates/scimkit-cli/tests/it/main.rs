//! The command as a user meets it: arguments, exit status, output.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "the lints know tests, but not the functions beside them"
)]

mod check;
mod kept;
mod mapping;
mod output;
mod replay;
mod transfer;

use std::process::{Command, Output};

use serde_json::Value;

fn scimkit(arguments: &[&str]) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(env!("CARGO_BIN_EXE_scimkit"))
        .args(arguments)
        .env_remove("SCIMKIT_STORE")
        .env_remove("SCIMKIT_TOKEN")
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn a_filter_is_explained() {
    let (status, out, err) = scimkit(&["filter", "--", r#"USERNAME EQ "X" AND (title pr)"#]);
    assert_eq!((status, err.as_str()), (0, ""));
    let expected = "canonical  USERNAME eq \"X\" and title pr\n\n\
                    tree\n  and\n    USERNAME eq \"X\"\n    title pr\n\n\
                    bound to User\n  and\n    userName eq \"x\" (string)\n    title pr\n";
    assert_eq!(out, expected);
}

#[test]
fn each_outcome_has_its_exit_status() {
    let lenient = r#"emails[type eq "work"].value eq "x""#;
    let table: [(&[&str], i32); 8] = [
        (&["filter", "--", "title pr"], 0),
        (&["filter", "--", "title"], 2),
        (&["filter", "--", "nosuch pr"], 0),
        (&["filter", "--bind", "--", "nosuch pr"], 3),
        (&["filter", "--", lenient], 2),
        (&["filter", "--strict", "--", lenient], 2),
        (&["filter", "--lenient", "--bind", "--", lenient], 0),
        (&["filter", "--schema", "no such file", "--", "title pr"], 4),
    ];
    for (arguments, expected) in table {
        let (status, out, err) = scimkit(arguments);
        assert_eq!(status, expected, "{arguments:?}: {out}{err}");
    }
}

#[test]
fn a_mistake_is_pointed_at() {
    let (_, out, err) = scimkit(&["filter", "--", "userName eq bjensen"]);
    assert_eq!(out, "");
    assert!(
        err.ends_with("  userName eq bjensen\n              ^^^^^^^\n"),
        "{err}"
    );
}

#[test]
fn machines_get_json() {
    let (status, out, _) = scimkit(&["filter", "--json", "--", "not (active eq true)"]);
    let explained: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(status, 0);
    assert_eq!(explained["tree"]["not"][0], "active eq true");
    assert_eq!(explained["bound"]["not"][0], "active eq true (boolean)");
    assert_eq!(explained["problem"], Value::Null);

    let (status, out, _) = scimkit(&["filter", "--json", "--", "active eq"]);
    let explained: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((status, &explained["error"]["start"]), (2, &Value::from(9)));
}

#[test]
fn another_schema_can_be_bound_to() {
    let file = format!("{}/badge.json", env!("CARGO_TARGET_TMPDIR"));
    let schema = r#"{"id": "urn:example:2.0:Badge", "name": "Badge",
        "attributes": [{"name": "number", "type": "integer"}]}"#;
    std::fs::write(&file, schema).unwrap();
    let ask = |text| scimkit(&["filter", "--bind", "--schema", &file, "--", text]);
    let (status, out, _) = ask("number gt 5");
    assert_eq!(status, 0);
    assert!(
        out.ends_with("bound to Badge\n  number gt 5 (integer)\n"),
        "{out}"
    );
    assert_eq!(ask("userName pr").0, 3);
}
