//! `scimkit idp`: against our own server behind a socket, and against unreachable ones.

#[cfg(unix)]
use std::{
    io::{BufRead, BufReader, Read},
    process::{Command, Stdio},
};

use serde_json::Value;

#[cfg(unix)]
use crate::command;
use crate::{
    replay::{TOKEN, served},
    scimkit,
};

const PROVIDERS: [&str; 6] = [
    "entra",
    "entra-aad-opt-scim-062020",
    "jumpcloud",
    "okta",
    "okta-oin",
    "onelogin",
];

#[test]
fn no_identity_provider_finds_a_divergence_over_a_socket() {
    let url = served();
    for provider in PROVIDERS {
        let few = ["--users", "30", "--groups", "4", "--rounds", "4"];
        let (status, out, err) =
            scimkit(&[&["idp", provider, &url, "--token", TOKEN], &few[..]].concat());
        assert_eq!((status, err.as_str()), (0, ""), "{provider}: {out}");
        assert!(
            out.starts_with("ok   round 1, initial: 30 users, 4 groups, "),
            "{out}"
        );
        assert!(out.ends_with(" requests, 0 divergences\n"), "{out}");
    }
}

#[test]
fn divergences_are_reported_as_json() {
    let url = served();
    let options = ["--rounds", "1", "--users", "5", "--groups", "0", "--json"];
    let (status, out, err) =
        scimkit(&[&["idp", "okta", &url, "--token", TOKEN], &options[..]].concat());
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["holds"], true);
    assert_eq!(report["rounds"][0]["users"], 5, "{out}");
    assert_eq!(report["rounds"][0]["divergences"], Value::Array(Vec::new()));
}

#[test]
fn idp_exit_status_tells_outcomes_apart() {
    let url = served();
    let table: [(&[&str], i32, &str); 5] = [
        (&["entra", &url, "--token", "another"], 2, "status 401"),
        (
            &["entra", "http://127.0.0.1:9/scim/v2", "--token", TOKEN],
            2,
            "no response",
        ),
        (&["entra", "nowhere"], 2, "invalid URL"),
        (&["nobody", &url], 2, "possible values"),
        (&["entra", &url, "--rounds", "0"], 2, "--rounds"),
    ];
    for (arguments, expected, reason) in table {
        let (status, out, err) = scimkit(&[&["idp"], arguments].concat());
        assert_eq!(status, expected, "{arguments:?}: {out}{err}");
        assert!(err.contains(reason), "{arguments:?}: {err}");
    }
}

#[cfg(unix)]
#[test]
fn interrupt_stops_the_simulation_and_deletes_what_it_created() {
    let url = served();
    let options = ["--token", TOKEN, "--users", "20", "--rounds", "1000"];
    let mut command = command(&[&["idp", "onelogin", &url], &options[..]].concat());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    lines.read_line(&mut text).unwrap();
    assert!(text.starts_with("ok   round 1"), "{text}");
    let id = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &id]).status().unwrap();
    assert!(sent.success());
    lines.read_to_string(&mut text).unwrap();
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}{error}");
    assert!(
        text.ends_with(" divergences, stopped before the end\n"),
        "{text}"
    );
    assert!(
        error.ends_with("error: the simulation was stopped\n"),
        "{error}"
    );
    // Nothing of the company is left.
    let again = [
        "idp", "onelogin", &url, "--token", TOKEN, "--users", "5", "--rounds", "1",
    ];
    let (status, out, err) = scimkit(&again);
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
}
