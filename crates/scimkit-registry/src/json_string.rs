//! JSON text in a string, in place of the value itself.

use scimkit_core::parse_json;
use serde_json::Value;

use crate::{MAX_TEXT, Quirk, QuirkPolicy, RequestError};

/// Returns the object, or array of values, that was sent as JSON text in a string, if this is tolerated; any other
/// value unchanged.
///
/// The text may have [`MAX_TEXT`] bytes, 16 levels and 10,000 values.
///
/// # Example
/// ```
/// use scimkit_registry::{Tolerance, parse_json_string};
/// use serde_json::json;
///
/// let text = json!(r#"{"value": "admin"}"#);
/// assert_eq!(parse_json_string(text.clone(), &Tolerance::DEFAULT), json!({"value": "admin"}));
/// assert_eq!(parse_json_string(text.clone(), &Tolerance::STRICT), text);
/// assert_eq!(parse_json_string(json!("{curly}"), &Tolerance::DEFAULT), json!("{curly}"));
/// ```
#[must_use]
pub fn parse_json_string(value: Value, t: &dyn QuirkPolicy) -> Value {
    if !t.tolerance().json_strings {
        return value;
    }
    match read(&value) {
        Some(inner) => {
            t.record(Quirk::JsonStrings);
            inner
        }
        None => value,
    }
}

/// Returns the error for a value that should be an object; it names the quirk if the value is an object as text.
#[must_use]
pub fn but_for_text(problem: RequestError, value: &Value, t: &dyn QuirkPolicy) -> RequestError {
    let is_object = || read(value).is_some_and(|inner| inner.is_object());
    if !t.tolerance().json_strings && is_object() {
        problem.with_quirk(Quirk::JsonStrings)
    } else {
        problem
    }
}

/// Returns whether a value is the text of an array of possible complex values, which would be parsed if this were
/// tolerated.
pub(crate) fn is_array_text(value: &Value, t: &dyn QuirkPolicy) -> bool {
    let may_be_complex = |element: &Value| !element.is_boolean() && !element.is_number();
    let inner =
        || read(value).and_then(|inner| inner.as_array().map(|a| a.iter().all(may_be_complex)));
    !t.tolerance().json_strings && inner() == Some(true)
}

fn read(value: &Value) -> Option<Value> {
    const NESTING: usize = 16;
    const VALUES: usize = 10_000;
    let text = value.as_str().filter(|text| text.len() <= MAX_TEXT)?;
    let begins_like_json = text.trim_start().starts_with(['{', '[']);
    begins_like_json
        .then(|| parse_json(text.as_bytes(), NESTING, VALUES).ok())
        .flatten()
}
