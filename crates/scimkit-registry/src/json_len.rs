//! The length of JSON texts, without building them.

use serde_json::{Map, Number, Value};

/// Returns the length of the compact text of a JSON object in bytes.
pub(crate) fn object_len(members: &Map<String, Value>) -> u64 {
    let inside = members
        .iter()
        .map(|(name, value)| string_len(name) + 1 + value_len(value));
    2 + separators(members.len()) + inside.sum::<u64>()
}

/// Returns an upper bound of the length of the compact text of a JSON value with this [weight](crate::weight).
///
/// A byte of text takes at most six bytes, as the escape of a control character. Any other value, and the punctuation
/// around a name and its value, takes less than the weight of six comparisons.
pub(crate) fn max_len(weight: u64) -> u64 {
    weight.saturating_mul(6)
}

/// Returns the length of the compact text of a JSON value in bytes.
pub(crate) fn value_len(value: &Value) -> u64 {
    match value {
        Value::Array(elements) => {
            2 + separators(elements.len()) + elements.iter().map(value_len).sum::<u64>()
        }
        Value::Bool(true) | Value::Null => 4,
        Value::Bool(false) => 5,
        Value::Number(number) => number_len(number),
        Value::Object(members) => object_len(members),
        Value::String(text) => string_len(text),
    }
}

fn separators(count: usize) -> u64 {
    count.saturating_sub(1) as u64
}

fn number_len(number: &Number) -> u64 {
    match (number.as_u64(), number.as_i64()) {
        (Some(number), _) => digits(number),
        (None, Some(number)) => 1 + digits(number.unsigned_abs()),
        (None, None) => number.to_string().len() as u64,
    }
}

fn digits(number: u64) -> u64 {
    1 + u64::from(number.checked_ilog10().unwrap_or(0))
}

fn string_len(text: &str) -> u64 {
    // A pass without branches, since hardly any text has escapes.
    let seen = text.bytes().fold(0, |seen, byte| seen | flag(byte));
    let escapes = match seen {
        0 => 0,
        _ => text.bytes().map(escape_len).sum(),
    };
    2 + text.len() as u64 + escapes
}

/// Returns a value other than 0 if the byte is escaped.
#[inline]
fn flag(byte: u8) -> u8 {
    u8::from(byte < b' ') | u8::from(byte == b'"') | u8::from(byte == b'\\')
}

/// Returns the length of an escape without the byte that it replaces.
fn escape_len(byte: u8) -> u64 {
    match byte {
        b'"' | b'\\' | b'\x08' | b'\t' | b'\n' | b'\x0c' | b'\r' => 1,
        0..b' ' => 5,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn length_is_that_of_the_compact_text() {
        let controls: String = (0..=0x7f_u8).map(char::from).collect();
        let values = [
            json!(null),
            json!([]),
            json!({}),
            json!([[], {}, "", true, false, null]),
            json!({"a": {"b": [1, 22, 333], "ü\"\\": controls}, "€": "ß😀"}),
            json!([0, 9, 10, 99, 100, u64::MAX, i64::MIN, -1, -9, -10]),
            json!([0.0, -0.5, 1.0e10, 1.5e-7, f64::MAX, f64::MIN_POSITIVE]),
        ];
        for value in values {
            let text = value.to_string();
            assert_eq!(value_len(&value), text.len() as u64, "{text}");
            assert!(
                max_len(crate::weight(&value)) >= text.len() as u64,
                "{text}"
            );
        }
    }
}
