//! The guides in `docs`, followed as a reader would: commands are typed, requests are sent, files are parsed, links are
//! followed.
//!
//! A `console` block starts its commands with `$ `. What follows a command is its output. `cargo run --example quickstart`
//! starts the example on a free port. An `http` block is a request to it, or the response to the request before. A `log`
//! block shows lines of its log. Wherever output is shown, `…` stands for any text, a date for any date, and an id for
//! the id that the server assigned. A response may show a part of the body.

#![cfg(unix)]
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "the lints know tests, but not the functions beside them"
)]

mod corpus;
mod expect;
mod links;
mod page;
mod quickstart;
mod session;
mod shell;

use std::{
    fs,
    path::{Path, PathBuf},
};

use page::Page;
use session::Session;

fn root() -> PathBuf {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    fs::canonicalize(root).unwrap()
}

/// All chapters, in the order of their file names.
fn pages() -> Vec<Page> {
    let entries = fs::read_dir(root().join("docs")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|name| name == "md"))
        .collect();
    paths.sort();
    paths.into_iter().map(Page::read).collect()
}

fn check(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n\n"));
}

#[test]
fn every_block_of_every_chapter_does_what_it_shows() {
    let problems: Vec<_> = pages()
        .iter()
        .filter_map(|page| Session::follow(page).err())
        .collect();
    check(&problems);
}

#[test]
fn requests_of_identity_providers_are_as_in_their_scenarios() {
    let pages = pages();
    let unknown = ["entra", "jumpcloud", "okta", "onelogin"].map(|provider| {
        let page = pages
            .iter()
            .find(|page| page.name() == format!("{provider}.md"));
        corpus::unknown(page.unwrap(), provider)
    });
    check(&unknown.concat());
}

#[test]
fn every_link_leads_to_a_heading() {
    check(&links::broken(&pages()));
}

#[test]
fn the_summary_lists_every_chapter() {
    let pages = pages();
    let summary = pages
        .iter()
        .find(|page| page.name() == "SUMMARY.md")
        .unwrap();
    let missing = pages
        .iter()
        .filter(|page| page.name() != "SUMMARY.md")
        .filter(|page| !summary.links.iter().any(|link| link.to == page.name()))
        .map(|page| format!("docs/SUMMARY.md does not list {}", page.name()));
    check(&missing.collect::<Vec<_>>());
}

/// Rust blocks are documentation tests of `scimkit::guide`, so a chapter with such a block must be in it.
#[test]
fn chapters_with_rust_are_modules_of_the_facade() {
    let guide = fs::read_to_string(root().join("crates/scimkit/src/guide.rs")).unwrap();
    let missing = pages()
        .into_iter()
        .filter(|page| page.blocks.iter().any(|block| block.language == "rust"))
        .filter(|page| !guide.contains(&format!("\"{}\"", page.name())))
        .map(|page| format!("crates/scimkit/src/guide.rs does not have {}", page.name()));
    check(&missing.collect::<Vec<_>>());
}

/// A word such as `run_that_fails` in the table of the vendors' guides is the name of a test.
#[test]
fn tests_that_the_vendors_guides_name_exist() {
    let page = fs::read_to_string(root().join("docs/vendor-guides.md")).unwrap();
    let words = page
        .lines()
        .filter(|line| line.starts_with('|'))
        .flat_map(|line| line.split('`'));
    let is_test = |word: &&str| {
        let is_name = |letter: char| letter.is_ascii_lowercase() || letter == '_';
        word.matches('_').count() > 2 && word.chars().all(is_name)
    };
    let mut sources = String::new();
    for folder in ["crates", "examples"] {
        read_tests(&root().join(folder), &mut sources);
    }
    let names: Vec<_> = words.filter(is_test).collect();
    assert!(names.len() > 20, "{names:?}");
    let missing = names
        .iter()
        .filter(|name| !sources.contains(&format!("fn {name}(")));
    check(
        &missing
            .map(|name| format!("no test `{name}`"))
            .collect::<Vec<_>>(),
    );
}

/// Adds the text of all files with tests below a folder.
fn read_tests(folder: &Path, sources: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.to_string_lossy();
        if path.is_dir() && !name.ends_with("target") {
            read_tests(&path, sources);
        } else if name.ends_with(".rs") && name.contains("test") {
            sources.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn the_list_of_examples_is_complete() {
    let text = fs::read_to_string(root().join("examples/README.md")).unwrap();
    let manifest = fs::read_to_string(root().join("examples/Cargo.toml")).unwrap();
    let manifest: toml::Table = toml::from_str(&manifest).unwrap();
    let examples = manifest["example"].as_array().unwrap();
    let missing = examples
        .iter()
        .map(|example| example["path"].as_str().unwrap())
        .filter(|path| !text.contains(&format!("({path})")))
        .map(|path| format!("examples/README.md does not link {path}"));
    check(&missing.collect::<Vec<_>>());
}
