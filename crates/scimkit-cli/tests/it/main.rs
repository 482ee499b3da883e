//! The command as its users run it: arguments, exit status, output.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "the lints exempt tests, but not their helper functions"
)]

mod activity;
mod check;
mod files;
mod generate;
mod idp;
mod map;
mod mapping;
mod output;
mod replay;
mod store;
mod sync;
mod tables;
#[cfg(target_os = "linux")]
mod terminal;
mod transfer;
mod webhook;

use std::process::{Command, Output};

use serde_json::Value;

/// The command, in an environment without settings of its own.
fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scimkit"));
    command.args(arguments);
    for variable in [
        "SCIMKIT_DATABASE",
        "SCIMKIT_STORE",
        "SCIMKIT_TOKEN",
        "SCIMKIT_WEBHOOK_KEYS",
        "NO_COLOR",
        "CLICOLOR",
        "CLICOLOR_FORCE",
        "CI",
    ] {
        command.env_remove(variable);
    }
    command
}

fn scimkit(arguments: &[&str]) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn filter_prints_canonical_form_tree_and_binding() {
    let (status, out, err) = scimkit(&["filter", "--", r#"USERNAME EQ "X" AND (title pr)"#]);
    assert_eq!((status, err.as_str()), (0, ""));
    let expected = "canonical  USERNAME eq \"X\" and title pr\n\n\
                    tree\n  and\n    USERNAME eq \"X\"\n    title pr\n\n\
                    bound to User\n  and\n    userName eq \"x\" (string)\n    title pr\n";
    assert_eq!(out, expected);
}

#[test]
fn filter_exit_status_tells_outcomes_apart() {
    let lenient = r#"emails[type eq "work"].value eq "x""#;
    let table: [(&[&str], i32); 9] = [
        (&["filter", "--", "title pr"], 0),
        (&["filter", "--", "title"], 2),
        (&["filter", "--", "nosuch pr"], 3),
        (&["filter", "--no-bind", "--", "nosuch pr"], 0),
        (&["filter", "--no-bind", "--", "title"], 2),
        (&["filter", "--", lenient], 2),
        (&["filter", "--strict", "--", lenient], 2),
        (&["filter", "--lenient", "--", lenient], 0),
        (&["filter", "--schema", "no such file", "--", "title pr"], 4),
    ];
    for (arguments, expected) in table {
        let (status, out, err) = scimkit(arguments);
        assert_eq!(status, expected, "{arguments:?}: {out}{err}");
    }
}

#[test]
fn filter_error_points_at_the_mistake() {
    let (_, out, err) = scimkit(&["filter", "--", "userName eq bjensen"]);
    assert_eq!(out, "");
    assert!(
        err.ends_with("  userName eq bjensen\n              ^^^^^^^\n"),
        "{err}"
    );
}

#[test]
fn filter_prints_json() {
    let (status, out, _) = scimkit(&["filter", "--json", "--", "not (active eq true)"]);
    let explained: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(status, 0);
    assert_eq!(explained["tree"]["not"][0], "active eq true");
    assert_eq!(explained["bound"]["not"][0], "active eq true (boolean)");
    assert_eq!(explained["error"], Value::Null);

    let (status, out, _) = scimkit(&["filter", "--json", "--", "active eq"]);
    let explained: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((status, &explained["start"]), (2, &Value::from(9)));
    assert!(explained["error"].is_string(), "{out}");

    let (status, out, err) = scimkit(&["filter", "--json", "--", "nosuch pr"]);
    let explained: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((status, &explained["bound"]), (3, &Value::Null));
    let problem = explained["error"].as_str().unwrap();
    assert!(
        problem.starts_with("the filter does not bind to User: "),
        "{out}"
    );
    assert_eq!(err, format!("error: {problem}\n"));

    let (status, out, _) = scimkit(&["filter", "--json", "--no-bind", "--", "nosuch pr"]);
    let explained: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((status, explained.as_object().unwrap().len()), (0, 2));

    let missing = ["filter", "--json", "--schema", "no such file", "title pr"];
    let (status, out, _) = scimkit(&missing);
    let explained: Value = serde_json::from_str(&out).unwrap();
    let problem = "there is no file `no such file`";
    assert_eq!((status, &explained["error"]), (4, &problem.into()));
}

#[test]
fn filter_binds_to_a_schema_file() {
    let file = format!("{}/badge.json", env!("CARGO_TARGET_TMPDIR"));
    let schema = r#"{"id": "urn:example:2.0:Badge", "name": "Badge",
        "attributes": [{"name": "number", "type": "integer"}]}"#;
    std::fs::write(&file, schema).unwrap();
    let ask = |text| scimkit(&["filter", "--schema", &file, "--", text]);
    let (status, out, _) = ask("number gt 5");
    assert_eq!(status, 0);
    assert!(
        out.ends_with("bound to Badge\n  number gt 5 (integer)\n"),
        "{out}"
    );
    assert_eq!(ask("userName pr").0, 3);
}
