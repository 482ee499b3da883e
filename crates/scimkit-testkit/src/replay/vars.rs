//! Placeholders and their values.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use uuid::Uuid;

/// The values of one run of a scenario, by name.
#[derive(Debug)]
pub(super) struct Vars(BTreeMap<String, Value>);

/// The maximum number of replacements in a text, for placeholders that refer to each other in a cycle.
const MOST_REPLACEMENTS: usize = 10_000;

impl Vars {
    pub(super) fn new() -> Self {
        let run: String = Uuid::new_v4()
            .simple()
            .to_string()
            .chars()
            .take(8)
            .collect();
        Vars(BTreeMap::from([("run".to_owned(), Value::String(run))]))
    }

    pub(super) fn set(&mut self, name: String, value: Value) {
        self.0.insert(name, value);
    }

    /// Returns the text with its placeholders replaced.
    ///
    /// # Errors
    /// A placeholder without a captured value.
    pub(super) fn text(&mut self, text: &str) -> Result<String, String> {
        self.replaced(text, |value| value)
    }

    /// Returns the path with its placeholders replaced by percent-encoded values.
    ///
    /// # Errors
    /// As for [`Vars::text`].
    pub(super) fn path(&mut self, path: &str) -> Result<String, String> {
        self.replaced(path, |value| encoded(&value))
    }

    /// Returns the tree with the placeholders in its strings and member names replaced.
    ///
    /// # Errors
    /// As for [`Vars::text`].
    pub(super) fn tree(&mut self, tree: &Value) -> Result<Value, String> {
        Ok(match tree {
            Value::Array(elements) => Value::Array(
                elements
                    .iter()
                    .map(|e| self.tree(e))
                    .collect::<Result<_, _>>()?,
            ),
            Value::Object(members) => {
                let mut replaced = serde_json::Map::new();
                for (name, value) in members {
                    replaced.insert(self.text(name)?, self.tree(value)?);
                }
                Value::Object(replaced)
            }
            Value::String(text) => Value::String(self.text(text)?),
            other => other.clone(),
        })
    }

    /// Replaces the innermost placeholders until there are none.
    fn replaced(
        &mut self,
        text: &str,
        encode: impl Fn(String) -> String,
    ) -> Result<String, String> {
        let mut text = text.to_owned();
        for _ in 0..MOST_REPLACEMENTS {
            let Some((head, name, tail)) = first_placeholder(&text) else {
                return Ok(text);
            };
            text = format!("{head}{}{tail}", encode(self.value(name.trim())?));
        }
        Err(format!("too many placeholder replacements in `{text}`"))
    }

    fn value(&mut self, name: &str) -> Result<String, String> {
        if name.starts_with("guid:") && !self.0.contains_key(name) {
            self.set(name.to_owned(), Value::String(Uuid::new_v4().to_string()));
        }
        match self.0.get(name) {
            None => Err(format!("no value captured for {{{{{name}}}}}")),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(other) => Ok(other.to_string()),
        }
    }
}

/// Percent-encodes all characters except the unreserved ones of RFC 3986.
pub(crate) fn encoded(text: &str) -> String {
    const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~');
    utf8_percent_encode(text, ENCODED).to_string()
}

/// Returns the first `{{name}}` without braces in its name, with the text before and after it.
fn first_placeholder(text: &str) -> Option<(&str, &str, &str)> {
    text.match_indices("}}").find_map(|(end, _)| {
        let head = text.get(..end)?;
        let tail = text.get(end + 2..)?;
        let (head, name) = head.rsplit_once("{{")?;
        (!name.is_empty() && !name.contains(['{', '}'])).then_some((head, name, tail))
    })
}
