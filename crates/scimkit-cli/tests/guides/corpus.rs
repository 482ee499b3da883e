//! The requests of identity providers, which pages show as scenarios have them.

use std::{collections::BTreeSet, fs, sync::LazyLock};

use regex::Regex;
use serde_json::Value;

use crate::{page::Page, root};

/// What differs between a page and a scenario: ids.
static ID: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\{\{[^}]*\}\}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").unwrap()
});

/// Each operation and each attribute in a request of the page that no scenario of the provider has.
pub(crate) fn unknown(page: &Page, provider: &str) -> Vec<String> {
    let folder = root().join("crates/scimkit-testkit/corpus").join(provider);
    let mut known = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let scenario: Value = serde_json::from_str(&text).unwrap();
        for step in scenario["steps"].as_array().unwrap() {
            traits("", &step["request"]["body"], &mut known);
        }
    }
    let mut problems = Vec::new();
    for block in page.blocks.iter().filter(|block| block.language == "http") {
        let (head, body) = block.text.split_once("\n\n").unwrap_or((&block.text, ""));
        if head.starts_with("HTTP/") || body.is_empty() {
            continue;
        }
        let mut shown = BTreeSet::new();
        traits("", &serde_json::from_str(body).unwrap(), &mut shown);
        let line = block.line;
        let unknown = shown.difference(&known);
        problems.extend(
            unknown.map(|what| format!("docs/{}:{line}: no scenario has {what}", page.name())),
        );
    }
    problems
}

/// The names in a body with their paths, and operations with their paths and the kinds of their values.
fn traits(at: &str, value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) if members.contains_key("op") => {
            let path = members
                .get("path")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let path = ID.replace_all(path, "*");
            let value = members.get("value").unwrap_or(&Value::Null);
            found.insert(format!(
                "{} at `{path}` with {}",
                members["op"],
                kind(value)
            ));
            traits(&format!("{at}.value"), value, found);
        }
        Value::Object(members) => {
            for (name, value) in members {
                found.insert(format!("`{at}.{name}` with {}", kind(value)));
                traits(&format!("{at}.{name}"), value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| traits(at, item, found)),
        _ => {}
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
