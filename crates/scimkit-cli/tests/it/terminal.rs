//! Colours and progress bars: on terminals only.

use std::{
    fs::{File, OpenOptions},
    io::Read,
    os::fd::OwnedFd,
    process::Stdio,
    thread,
};

use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

use crate::{command, replay, store};

/// A terminal: the end of the person, and that of the process.
fn terminal() -> (OwnedFd, File) {
    let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&person).unwrap();
    unlockpt(&person).unwrap();
    let name = ptsname(&person, Vec::new()).unwrap();
    let process = OpenOptions::new()
        .read(true)
        .write(true)
        .open(name.to_str().unwrap());
    let size = Winsize {
        ws_row: 24,
        ws_col: 80,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&person, size).unwrap();
    (person, process.unwrap())
}

#[derive(Clone, Copy, PartialEq)]
enum Stream {
    Output,
    Error,
}

/// What a terminal shows of a command whose one stream it is, and the other stream.
fn shown(arguments: &[&str], variables: &[(&str, &str)], stream: Stream) -> (String, String) {
    let (person, process) = terminal();
    let mut command = command(arguments);
    command.env("TERM", "xterm-256color");
    command.envs(variables.iter().copied());
    command.stdin(Stdio::null());
    match stream {
        Stream::Output => command.stdout(process).stderr(Stdio::piped()),
        Stream::Error => command.stderr(process).stdout(Stdio::piped()),
    };
    let child = command.spawn().unwrap();
    // The command holds the process's end open.
    drop(command);
    let reader = thread::spawn(move || {
        let mut text = Vec::new();
        // Linux reports an error once nobody has the other end open.
        let _ = File::from(person).read_to_end(&mut text);
        String::from_utf8(text).unwrap()
    });
    let output = child.wait_with_output().unwrap();
    let other = match stream {
        Stream::Output => output.stderr,
        Stream::Error => output.stdout,
    };
    (reader.join().unwrap(), String::from_utf8(other).unwrap())
}

const ESCAPE: char = '\u{1b}';

#[test]
fn colours_are_for_terminals_without_no_color() {
    let fails = replay::file(
        "colours",
        &serde_json::json!({"steps": [replay::step("GET", "/Users", 404)]}),
    );
    let replay = ["replay", &fails];
    let help = ["--help"];
    let invalid = ["filter", "nosuch pr"];
    for (arguments, stream, plain) in [
        (&replay[..], Stream::Output, "FAIL test/colours: "),
        (&help, Stream::Output, "Usage: scimkit"),
        (&invalid, Stream::Error, "error: the filter does not bind"),
    ] {
        let (coloured, _) = shown(arguments, &[], stream);
        assert!(coloured.contains(ESCAPE), "{coloured}");
        assert!(!coloured.contains(plain), "{coloured}");
        for variables in [[("NO_COLOR", "1")], [("TERM", "dumb")]] {
            let (text, _) = shown(arguments, &variables, stream);
            assert!(!text.contains("[31m") && !text.contains("[1m"), "{text}");
            assert!(text.contains(plain), "{text}");
        }
        let piped = command(arguments).output().unwrap();
        assert!(!piped.stdout.contains(&0x1b) && !piped.stderr.contains(&0x1b));
    }
}

#[test]
fn json_has_no_colours_on_a_terminal() {
    let (out, _) = shown(&["filter", "title pr", "--json"], &[], Stream::Output);
    assert!(!out.contains(ESCAPE), "{out}");
    serde_json::from_str::<serde_json::Value>(&out).unwrap();
}

#[tokio::test]
async fn progress_is_drawn_on_a_terminal_alone() {
    let (from, token) = crate::transfer::directory().await;
    drop(token);
    let to = store::File::new();
    let lines = from.beside("lines.ndjson");
    let from_store = format!("sqlite:{}", from.path());
    let to_store = format!("sqlite:{}", to.path());
    let passes = replay::file(
        "progress",
        &serde_json::json!({"steps": [replay::step("GET", "/Users", 200)]}),
    );
    let url = replay::served();
    for (arguments, task) in [
        (
            &[
                "tenant",
                "export",
                "acme",
                "--output",
                &lines,
                "--store",
                &from_store,
            ][..],
            "exporting",
        ),
        (
            &["tenant", "import", &lines, "--store", &to_store],
            "importing",
        ),
        (
            &["tenant", "reindex", "acme", "--store", &to_store],
            "reindexing",
        ),
        (&["replay", &passes], "replaying"),
        (
            &["check", &url, "--token", replay::TOKEN, "--only", "read/"],
            "checking",
        ),
    ] {
        let (progress, out) = shown(arguments, &[], Stream::Error);
        assert!(progress.contains(task), "{arguments:?}: {progress:?}");
        assert!(!out.contains(task), "{arguments:?}: {out}");
        // On a terminal as well: no bar is left behind.
        let last = progress.rsplit(['\r', '\n']).next().unwrap();
        assert!(!last.contains(task), "{arguments:?}: {progress:?}");
    }
    let piped = command(&["replay", &passes]).output().unwrap();
    assert_eq!(String::from_utf8(piped.stderr).unwrap(), "");
}
