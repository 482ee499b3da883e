//! Access to JSON documents by the paths of scenarios.

use serde_json::Value;

/// Returns the member with that name, preferably with the exact spelling, otherwise ignoring case.
pub(super) fn member<'v>(object: &'v Value, name: &str) -> Option<&'v Value> {
    let members = object.as_object()?;
    members.get(name).or_else(|| {
        let folded = name.to_lowercase();
        members
            .iter()
            .find(|(known, _)| known.to_lowercase() == folded)
            .map(|(_, value)| value)
    })
}

/// Returns the value at a path such as `$.Resources[0]['urn:example:2.0:User'].tag`.
pub(super) fn find<'v>(document: &'v Value, path: &str) -> Option<&'v Value> {
    let mut found = document;
    let mut rest = path.trim_start_matches('$');
    while !rest.is_empty() {
        let quoted = rest
            .strip_prefix("['")
            .and_then(|inner| inner.split_once("']"));
        let indexed = rest
            .strip_prefix('[')
            .and_then(|inner| inner.split_once(']'));
        if let Some((name, after)) = quoted {
            (found, rest) = (member(found, name)?, after);
        } else if let Some((index, after)) = indexed {
            (found, rest) = (found.as_array()?.get(index.parse::<usize>().ok()?)?, after);
        } else {
            let plain = rest.strip_prefix('.').unwrap_or(rest);
            let (name, after) = plain.split_at(plain.find(['.', '[']).unwrap_or(plain.len()));
            (found, rest) = (member(found, name)?, after);
        }
    }
    Some(found)
}

/// Returns whether a value is unassigned (RFC 7643 section 2.5).
pub(super) fn unassigned(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Array(elements)) => elements.is_empty(),
        Some(_) => false,
    }
}

pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "array",
        Value::Bool(_) => "boolean",
        Value::Null => "null",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::Object(_) => "object",
        Value::String(_) => "string",
    }
}

/// Returns the value as text that is short enough for a sentence.
pub(super) fn short(value: Option<&Value>) -> String {
    value.map_or_else(
        || "nothing".to_owned(),
        |value| clipped(&value.to_string(), 220),
    )
}

/// Returns the first characters of a text.
pub(super) fn clipped(text: &str, most: usize) -> String {
    match text
        .char_indices()
        .nth(most)
        .and_then(|(end, _)| text.get(..end))
    {
        Some(head) => format!("{head}..."),
        None => text.to_owned(),
    }
}
