//! Files that can't be opened or written, and readers that stop early.

use std::{fs, process::Stdio};

use serde_json::Value;

use crate::{command, scimkit, store::File};

/// The message of a command that fails with this exit code.
fn failure(arguments: &[&str], expected: i32) -> String {
    let (status, out, err) = scimkit(arguments);
    assert_eq!(
        (status, out.as_str()),
        (expected, ""),
        "{arguments:?}: {err}"
    );
    err
}

#[test]
fn error_says_why_a_file_can_not_be_opened() {
    let file = File::new();
    let folder = file.beside("");
    let missing = file.beside("missing/a.json");
    let absent = file.beside("absent.json");
    let scenario = file.beside("scenario.json");
    fs::write(
        &scenario,
        r#"{"idp": "test", "scenario": "none", "steps": []}"#,
    )
    .unwrap();
    for (path, expected) in [
        (&folder, "is a folder, expected a file"),
        (&missing, "missing` does not exist"),
        (&absent, "there is no file `"),
    ] {
        for (arguments, status) in [
            (vec!["filter", "--schema", path, "title pr"], 4),
            (vec!["mapping", "check", path], 2),
            (vec!["mapping", "explain", path, "--user", path], 2),
            (vec!["replay", "--schemas", path, &scenario], 2),
            (vec!["tenant", "import", path, "--store", "sqlite:never"], 2),
        ] {
            let err = failure(&arguments, status);
            assert!(err.contains(expected), "{arguments:?}: {err}");
        }
    }
}

#[test]
fn error_says_why_a_store_can_not_be_opened() {
    let file = File::new();
    let folder = format!("sqlite:{}", file.beside(""));
    let missing = format!("sqlite:{}", file.beside("missing/a.sqlite"));
    for (store, expected) in [
        (&folder, "is a folder, expected a file"),
        (&missing, "missing` does not exist"),
    ] {
        let err = failure(&["tenant", "create", "--store", store], 2);
        assert!(err.starts_with("error: can't open the store: "), "{err}");
        assert!(err.contains(expected), "{err}");
    }
    let (status, out, _) = scimkit(&["tenant", "list", "--json", "--store", &missing]);
    let printed: Value = serde_json::from_str(&out).unwrap();
    let problem = printed["error"].as_str().unwrap();
    assert!(status == 2 && problem.contains("does not exist"), "{out}");
}

/// `/sys` is read-only, also for root.
#[cfg(target_os = "linux")]
#[test]
fn error_says_that_a_file_is_not_writable() {
    for arguments in [
        &["tenant", "create", "--store", "sqlite:/sys/scimkit.sqlite"][..],
        &["man", "/sys/scimkit"],
    ] {
        let err = failure(arguments, 2);
        let expected = [
            "permission denied",
            "read-only file system",
            "not permitted",
        ];
        assert!(expected.iter().any(|text| err.contains(text)), "{err}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn full_disk_is_an_error() {
    let file = File::new();
    file.done("tenant create");
    let store = format!("sqlite:{}", file.path());
    let mapping = file.beside("mapping.toml");
    fs::write(&mapping, "[[User.map]]\nscim = 'title'\nfield = 'title'\n").unwrap();
    for arguments in [
        &["tenant", "export", "--store", &store][..],
        &["tenant", "list", "--json", "--store", &store],
        &["filter", "title pr"],
        &["filter", "title pr", "--json"],
        &["mapping", "check", &mapping],
        &["completions", "bash"],
    ] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full");
        let output = command(arguments).stdout(full.unwrap()).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {err}");
        assert!(err.starts_with("error: "), "{arguments:?}: {err}");
    }
}

#[test]
fn reader_that_stops_early_is_no_error() {
    let file = File::new();
    file.done("tenant create");
    let store = format!("sqlite:{}", file.path());
    for arguments in [
        &["tenant", "export", "--store", &store][..],
        &["tenant", "list", "--store", &store],
        &["filter", "title pr", "--json"],
        &["completions", "zsh"],
        &["--help"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command(arguments)
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {err}");
        assert_eq!(err, "", "{arguments:?}");
    }
}

#[test]
fn failed_export_leaves_no_file() {
    let file = File::new();
    file.done("tenant create");
    let path = file.beside("export.ndjson");
    let (status, _, err) = file.run(&format!("tenant export nobody --output {path}"));
    assert_eq!(status, 1, "{err}");
    assert!(!fs::exists(&path).unwrap());
    file.done(&format!("tenant export --output {path}"));
    let (status, _, err) = file.run(&format!("tenant export --output {path}"));
    assert!(status == 2 && err.contains("already exists"), "{err}");
}
