//! Untrusted JSON: bounded in depth and in the number of values, without duplicate names in one object.

use std::{cell::Cell, fmt};

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value, map::Entry};

/// Parses one untrusted JSON text.
///
/// # Errors
///
/// The text is not JSON, is nested deeper than `depth` levels, has more than `values` values, or has a duplicate name
/// in one object, because either of its values could be the intended one.
///
/// # Example
///
/// ```
/// use scimkit_core::parse_json;
///
/// assert_eq!(parse_json(br#"{"active": true}"#, 16, 100)?["active"], true);
/// let duplicate = parse_json(br#"{"active": true, "active": false}"#, 16, 100).unwrap_err();
/// assert!(duplicate.to_string().starts_with("`active` occurs twice in one object"));
/// # Ok::<(), serde_json::Error>(())
/// ```
pub fn parse_json(bytes: &[u8], depth: usize, values: usize) -> Result<Value, serde_json::Error> {
    match std::str::from_utf8(bytes) {
        Ok(text) => read(serde_json::Deserializer::from_str(text), depth, values),
        // This reader reports where the text is not UTF-8.
        Err(_) => read(serde_json::Deserializer::from_slice(bytes), depth, values),
    }
}

fn read<'t>(
    mut reader: serde_json::Deserializer<impl serde_json::de::Read<'t>>,
    depth: usize,
    values: usize,
) -> Result<Value, serde_json::Error> {
    let values = &Cell::new(values);
    let value = Strict { depth, values }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// Appends a JSON string: the text between quotes, with the escapes that it needs.
///
/// # Example
///
/// ```
/// use scimkit_core::push_json_string;
///
/// let mut json = b"[".to_vec();
/// push_json_string(&mut json, r#"say "x""#);
/// assert_eq!(json, br#"["say \"x\"""#);
/// ```
pub fn push_json_string(json: &mut Vec<u8>, text: &str) {
    let is_escaped = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
    // Without an early exit, the compiler can check many bytes at once.
    if text.bytes().fold(false, |any, byte| any | is_escaped(byte)) {
        // Writing to a vector does not fail.
        let _ = serde_json::to_writer(json, text);
        return;
    }
    json.reserve(text.len() + 2);
    json.push(b'"');
    json.extend_from_slice(text.as_bytes());
    json.push(b'"');
}

/// The number of levels and values that are still allowed.
#[derive(Clone, Copy)]
pub(crate) struct Strict<'c> {
    pub(crate) depth: usize,
    pub(crate) values: &'c Cell<usize>,
}

impl Strict<'_> {
    fn inner<E: de::Error>(self) -> Result<Self, E> {
        let deeper = self
            .depth
            .checked_sub(1)
            .map(|depth| Strict { depth, ..self });
        deeper.ok_or_else(|| E::custom("arrays and objects are nested too deeply"))
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Value, D::Error> {
        let Some(left) = self.values.get().checked_sub(1) else {
            return Err(de::Error::custom("there are too many values"));
        };
        self.values.set(left);
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut input: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut members = Map::new();
        while let Some(name) = input.next_key::<String>()? {
            match members.entry(name) {
                Entry::Occupied(known) => {
                    let name = known.key();
                    let detail = format!("`{name}` occurs twice in one object");
                    return Err(de::Error::custom(detail));
                }
                Entry::Vacant(place) => drop(place.insert(input.next_value_seed(inner)?)),
            }
        }
        Ok(Value::Object(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut input: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut elements = Vec::new();
        while let Some(element) = input.next_element_seed(inner)? {
            elements.push(element);
        }
        Ok(Value::Array(elements))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
}

#[cfg(test)]
mod tests {
    use super::parse_json as parse;

    #[test]
    fn reads_what_serde_json_reads() {
        let text = r#"{"a":[1,-2,2.5,1e3,true,null,"é😀"],"b":{"c":{}}}"#;
        let plain: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(parse(text.as_bytes(), 16, 100).unwrap(), plain);
    }

    #[test]
    fn rejects_depth_duplicate_names_and_trailing_text() {
        assert!(parse(b"[[[]]]", 3, 100).is_ok());
        assert!(parse(b"[[[]]]", 2, 100).is_err());
        assert!(parse(&b"[".repeat(1 << 20), 16, 100).is_err());
        let duplicate = parse(br#"{"userName":"a","userName":"b"}"#, 16, 100).unwrap_err();
        assert!(duplicate.to_string().contains("`userName` occurs twice"));
        assert!(parse(b"{} {}", 16, 100).is_err());
        assert!(parse(b"[1, 2, {\"a\": 3}]", 16, 5).is_ok());
        assert!(parse(b"[1, 2, {\"a\": 3}]", 16, 4).is_err());
    }
}
