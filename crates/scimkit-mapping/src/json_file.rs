//! From JSON to the tree of a mapping file.

use std::fmt;

use scimkit_core::excerpt;
use serde::{
    Deserialize,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::file_tree::{Item, Member, NESTING, Node, SyntaxError, TOO_DEEP};

/// Reads JSON.
pub(super) fn read(text: &str) -> Result<Node, Vec<SyntaxError>> {
    let raw: &RawValue = serde_json::from_str(text)
        .map_err(|e| vec![SyntaxError::new(offset(text, &e), message(&e))])?;
    node_of(raw.get(), text, NESTING).map_err(|error| vec![error])
}

/// Returns the byte offset of an error of serde_json.
fn offset(text: &str, error: &serde_json::Error) -> usize {
    let before = text.split('\n').take(error.line().saturating_sub(1));
    let start: usize = before.map(|line| line.len() + 1).sum();
    let mut at = (start + error.column().saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Returns the message of serde_json without its position.
fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or("").to_owned()
}

/// Reads the node of a piece of `whole`. Each level reads its piece again, therefore the depth is bounded.
fn node_of(piece: &str, whole: &str, nesting: usize) -> Result<Node, SyntaxError> {
    let at = (piece.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
    let error = |e: serde_json::Error| SyntaxError::new(at, message(&e));
    let deeper = || {
        nesting
            .checked_sub(1)
            .ok_or_else(|| SyntaxError::new(at, TOO_DEEP))
    };
    let item = match piece.as_bytes().first() {
        Some(b'{') => {
            let nesting = deeper()?;
            let members: Members<'_> = serde_json::from_str(piece).map_err(error)?;
            let mut table = Vec::with_capacity(members.0.len());
            let mut known = std::collections::HashSet::new();
            for (name, raw) in members.0 {
                let node = node_of(raw.get(), whole, nesting)?;
                // serde_json has no position of a name: the name ends before its value begins.
                let at = name_before(whole, node.at).unwrap_or(node.at);
                if !known.insert(name.clone()) {
                    let detail = format!(
                        "duplicate name `{}`: remove one of the members",
                        excerpt(&name)
                    );
                    return Err(SyntaxError::new(at, detail));
                }
                table.push(Member { at, name, node });
            }
            Item::Table(table)
        }
        Some(b'[') => {
            let nesting = deeper()?;
            let elements: Vec<&RawValue> = serde_json::from_str(piece).map_err(error)?;
            let elements = elements
                .into_iter()
                .map(|raw| node_of(raw.get(), whole, nesting));
            Item::List(elements.collect::<Result<_, _>>()?)
        }
        _ => match serde_json::from_str(piece).map_err(error)? {
            serde_json::Value::Bool(truth) => Item::Bool(truth),
            serde_json::Value::Number(number) => Item::Number(number),
            serde_json::Value::String(text) => Item::Text(text),
            _ => Item::Null,
        },
    };
    Ok(Node { at, item })
}

/// Returns the offset of the name whose value begins at `value`; `None` for a name with escapes.
fn name_before(whole: &str, value: usize) -> Option<usize> {
    let before = whole.get(..value)?.trim_end().strip_suffix(':')?.trim_end();
    let name = before.strip_suffix('"')?;
    let open = name.rfind('"')?;
    (!name.get(..open)?.ends_with('\\')).then_some(open)
}

struct Members<'j>(Vec<(String, &'j RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Vec<(String, &'de RawValue)>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut input: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = input.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        input.deserialize_map(Collect).map(Members)
    }
}
