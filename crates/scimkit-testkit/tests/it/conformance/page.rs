//! The page with the proofs of each requirement.

use std::{collections::BTreeMap, fmt::Write};

use scimkit_testkit::conformance::{Requirement, RequirementLevel};

const HEAD: &str = "\
# Conformance

This page lists every requirement of level MUST and SHOULD on a service provider, in our words, and the tests that prove it for scimkit:

- `rfc/…` is a case in `crates/scimkit-testkit/conformance`, which `scimkit check` runs against any server.
- `protocol/…` is a case in `crates/scimkit-testkit/protocol`, for scimkit with further schemas or other settings.
- A path is a test or a check of the contract suite, in that file below `crates`.
- A text *in italics* is the reason why there is no test.

Every case runs against every store. A test keeps this page up to date; rewrite it with
`SCIMKIT_WRITE_DOCS=1 cargo test -p scimkit-testkit page_is_up_to_date`.
";

pub(super) fn of(requirements: &[Requirement], proofs: &BTreeMap<String, Vec<String>>) -> String {
    let mut page = format!("{HEAD}\n{}", summary(requirements, proofs));
    let mut section = "";
    for requirement in requirements {
        if requirement.section != section {
            section = &requirement.section;
            let place = requirement.place();
            let head = "| id | level | requirement | proven by |\n|---|---|---|---|";
            write!(page, "\n## {place}\n\n{head}\n").unwrap();
        }
        let Requirement {
            id,
            level,
            requirement: words,
            ..
        } = requirement;
        let level = level.as_str();
        let words = cell(words);
        let by = proven_by(requirement, proofs);
        writeln!(page, "| {id} | {level} | {words} | {by} |").unwrap();
    }
    page
}

/// Returns the numbers of proven requirements by level and kind of proof.
fn summary(requirements: &[Requirement], proofs: &BTreeMap<String, Vec<String>>) -> String {
    let mut text = "| level | requirements | proven for any server | proven by other cases or tests | not proven, with a reason |\n|---|---|---|---|---|\n".to_owned();
    for level in [RequirementLevel::Must, RequirementLevel::Should] {
        let (mut all, mut any, mut other, mut reason) = (0, 0, 0, 0);
        for requirement in requirements.iter().filter(|r| r.level == level) {
            let cases = proofs.get(&requirement.id).into_iter().flatten();
            all += 1;
            match &requirement.reason {
                Some(_) => reason += 1,
                None if cases.into_iter().any(|name| name.starts_with("rfc/")) => any += 1,
                None => other += 1,
            }
        }
        let level = level.as_str();
        writeln!(text, "| {level} | {all} | {any} | {other} | {reason} |").unwrap();
    }
    text
}

fn proven_by(requirement: &Requirement, proofs: &BTreeMap<String, Vec<String>>) -> String {
    if let Some(reason) = &requirement.reason {
        return format!("*{}*", cell(reason));
    }
    let cases = proofs.get(&requirement.id).into_iter().flatten();
    let all: Vec<_> = cases
        .chain(&requirement.tests)
        .map(|name| format!("`{name}`"))
        .collect();
    all.join(", ")
}

/// Escapes text for a cell of a table.
fn cell(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        if matches!(letter, '|' | '<' | '*' | '_' | '[' | '\\') {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}
