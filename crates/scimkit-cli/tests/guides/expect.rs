//! What a page shows, compared with what came.

use std::{cell::RefCell, collections::BTreeMap, sync::LazyLock};

use regex::{Captures, Regex, escape};
use serde_json::Value;

/// What differs from run to run: UUIDs, ids of tokens, times.
static VARIABLE: LazyLock<Regex> = LazyLock::new(|| {
    let uuid = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}";
    let time = r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?Z?";
    let token = "scim_[A-Za-z0-9_-]{48}";
    let short = r"\b[a-z0-9]{8}\b";
    Regex::new(&format!(
        "(?<uuid>{uuid})|(?<time>{time})|(?<token>{token})|(?<short>{short})|…"
    ))
    .unwrap()
});

/// The text that stands for another one in this run, by the text of the page.
#[derive(Debug, Default)]
pub(crate) struct Bindings {
    known: RefCell<BTreeMap<String, String>>,
}

impl Bindings {
    pub(crate) fn insert(&self, shown: &str, actual: &str) {
        self.known
            .borrow_mut()
            .insert(shown.to_owned(), actual.to_owned());
    }

    /// A text of the page, as it is in this run.
    pub(crate) fn apply(&self, text: &str) -> String {
        let known = self.known.borrow();
        let each = known.iter();
        each.fold(text.to_owned(), |text, (shown, actual)| {
            text.replace(shown, actual)
        })
    }

    /// Whether `actual` is what `shown` stands for; an id that was not seen before is remembered.
    pub(crate) fn fits(&self, shown: &str, actual: &str) -> bool {
        let shown = self.apply(&collapse(shown));
        let actual = collapse(actual);
        let mut pattern = String::from("^");
        let mut end = 0;
        let mut open = Vec::new();
        for found in VARIABLE.captures_iter(&shown) {
            let whole = found.get_match();
            pattern.push_str(&escape(&shown[end..whole.start()]));
            pattern.push_str(&self.part(&found, &mut open));
            end = whole.end();
        }
        pattern.push_str(&escape(&shown[end..]));
        pattern.push('$');
        let Some(found) = Regex::new(&pattern).unwrap().captures(&actual) else {
            return false;
        };
        for (index, shown) in open.iter().enumerate() {
            self.insert(shown, &found[index + 1]);
        }
        true
    }

    fn part(&self, found: &Captures<'_>, open: &mut Vec<String>) -> String {
        let text = &found[0];
        let kind = |name| found.name(name).is_some();
        let is_id = text.bytes().any(|b| b.is_ascii_digit())
            && text.bytes().any(|b| b.is_ascii_lowercase());
        let is_known = self.known.borrow().values().any(|actual| actual == text);
        if text == "…" {
            ".*?".to_owned()
        } else if kind("time") {
            // Digit by digit, and any fraction of a second.
            let digits = Regex::new(r"\\\.\d+|\d").unwrap();
            digits
                .replace_all(&escape(text), |part: &Captures<'_>| match &part[0] {
                    digit if digit.len() == 1 => r"\d",
                    _ => r"\.\d+",
                })
                .into_owned()
        } else if is_known || (kind("short") && !is_id) {
            escape(text)
        } else {
            open.push(text.to_owned());
            r"([A-Za-z0-9_-]+)".to_owned()
        }
    }

    /// Whether the JSON has everything that is shown.
    ///
    /// # Errors
    ///
    /// Where it has not.
    pub(crate) fn json(&self, at: &str, shown: &Value, actual: &Value) -> Result<(), String> {
        let differs = || {
            Err(format!(
                "at `{at}`: the page shows {shown}, the server sent {actual}"
            ))
        };
        match (shown, actual) {
            (Value::Object(shown), Value::Object(members)) => {
                for (name, value) in shown {
                    let Some(member) = members.get(name) else {
                        return Err(format!("at `{at}`: no `{name}` in {actual}"));
                    };
                    self.json(&format!("{at}.{name}"), value, member)?;
                }
                Ok(())
            }
            (Value::Array(shown), Value::Array(items)) if shown.len() == items.len() => {
                let pairs = shown.iter().zip(items).enumerate();
                for (index, (shown, item)) in pairs {
                    self.json(&format!("{at}[{index}]"), shown, item)?;
                }
                Ok(())
            }
            (Value::String(shown), Value::String(text)) if self.fits(shown, text) => Ok(()),
            (Value::String(_) | Value::Array(_), _) => differs(),
            _ if shown == actual => Ok(()),
            _ => differs(),
        }
    }

    /// Whether the lines are those that are shown, where `…` alone stands for any number of lines.
    pub(crate) fn lines(&self, shown: &[&str], actual: &[&str]) -> bool {
        match (shown, actual) {
            ([], []) => true,
            ([], _) => false,
            ([line], _) if line.trim() == "…" => true,
            ([line, shown @ ..], _) if line.trim() == "…" => {
                (0..=actual.len()).any(|skipped| self.lines(shown, &actual[skipped..]))
            }
            ([line, shown @ ..], [first, actual @ ..]) => {
                self.fits(line, first) && self.lines(shown, actual)
            }
            (_, []) => false,
        }
    }
}

/// Columns are as wide as their values, so runs of spaces count as one.
fn collapse(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    words.join(" ")
}
