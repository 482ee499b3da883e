//! Completion scripts and manual pages.

use std::fs;

use crate::{scimkit, store::File};

#[test]
fn completions_know_the_commands_of_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let (status, out, err) = scimkit(&["completions", shell]);
        assert_eq!((status, err.as_str()), (0, ""), "{shell}");
        for word in ["replay", "rotate", "older-than"] {
            assert!(out.contains(word), "{shell}: {word}");
        }
    }
    let (status, _, err) = scimkit(&["completions", "tcsh"]);
    assert!(
        status == 2 && err.contains("[possible values: bash"),
        "{err}"
    );
}

#[test]
fn man_writes_a_page_per_command() {
    let file = File::new();
    let folder = file.beside("man/man1");
    for _ in 0..2 {
        let (status, out, err) = scimkit(&["man", &folder]);
        assert_eq!((status, out.as_str(), err.as_str()), (0, "", ""));
    }
    for page in ["scimkit", "scimkit-check", "scimkit-tenant-purge"] {
        let text = fs::read_to_string(format!("{folder}/{page}.1")).unwrap();
        assert!(text.contains(".TH "), "{page}");
        assert!(text.contains("Exit status:"), "{page}");
    }
    let taken = file.beside("taken");
    fs::write(&taken, "").unwrap();
    let (status, _, err) = scimkit(&["man", &taken]);
    assert!(
        status == 2 && err.starts_with("error: can't write manual pages: "),
        "{err}"
    );
}
