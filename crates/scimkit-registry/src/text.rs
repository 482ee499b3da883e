//! JSON text in a string, where the value itself belongs.

use scimkit_core::parse_json;
use serde_json::Value;

use crate::{Leeway, MAX_TEXT, Quirk};

/// An object, or an array of values, that was sent as JSON text in a string, where that is
/// tolerated; any other value as it is.
///
/// The text is bound by [`MAX_TEXT`] bytes and 16 levels.
///
/// # Example
/// ```
/// use scimkit_registry::{Tolerance, from_text};
/// use serde_json::json;
///
/// let text = json!(r#"{"value": "admin"}"#);
/// assert_eq!(from_text(text.clone(), &Tolerance::DEFAULT), json!({"value": "admin"}));
/// assert_eq!(from_text(text.clone(), &Tolerance::STRICT), text);
/// assert_eq!(from_text(json!("{curly}"), &Tolerance::DEFAULT), json!("{curly}"));
/// ```
#[must_use]
pub fn from_text(value: Value, t: &dyn Leeway) -> Value {
    match read(&value) {
        Some(inner) if t.lets_through(Quirk::JsonStrings) => inner,
        _ => value,
    }
}

/// Whether [`from_text`] would read the value, were that tolerated.
#[must_use]
pub fn is_json_text(value: &Value) -> bool {
    read(value).is_some()
}

fn read(value: &Value) -> Option<Value> {
    const NESTING: usize = 16;
    let text = value.as_str().filter(|text| text.len() <= MAX_TEXT)?;
    let begins_like_json = text.trim_start().starts_with(['{', '[']);
    begins_like_json
        .then(|| parse_json(text.as_bytes(), NESTING, text.len()).ok())
        .flatten()
}
