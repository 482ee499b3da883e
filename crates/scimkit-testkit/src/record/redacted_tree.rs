//! Anonymised request bodies, with the order of members, repeated names and types preserved.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

use super::{
    placeholders::{Piece, Placeholders, joined},
    syntax, values,
};

/// A JSON value as it was written, except for whitespace and escapes.
#[derive(Debug)]
pub(super) enum Tree {
    Array(Vec<Tree>),
    /// `null`, a boolean, a number or a string.
    Leaf(Value),
    Object(Vec<(String, Tree)>),
}

/// The kind of a request body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Message {
    /// The operations of a PATCH or bulk request.
    Operations,
    Resource,
    Search,
}

impl Tree {
    /// Parses JSON; `None` for other text, or if it is nested deeper than 127 levels.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }

    /// Returns the value, or `None` if a name is repeated, which a value can't represent.
    pub(super) fn into_value(self) -> Option<Value> {
        Some(match self {
            Tree::Array(elements) => {
                let elements = elements.into_iter().map(Tree::into_value);
                Value::Array(elements.collect::<Option<_>>()?)
            }
            Tree::Leaf(value) => value,
            Tree::Object(members) => {
                let mut object = Map::new();
                for (name, value) in members {
                    if object.insert(name, value.into_value()?).is_some() {
                        return None;
                    }
                }
                Value::Object(object)
            }
        })
    }
}

/// Anonymises the body of a request.
pub(super) fn message(placeholders: &mut Placeholders, kind: Message, tree: Tree) -> Tree {
    let Tree::Object(members) = tree else {
        return value(placeholders, "", tree);
    };
    let redacted = members.into_iter().map(|(name, inner)| {
        let folded = name.to_lowercase();
        let inner = match (kind, folded.as_str(), inner) {
            (Message::Operations, "operations", Tree::Array(operations)) => {
                let operations = operations
                    .into_iter()
                    .map(|one| operation(placeholders, one));
                Tree::Array(operations.collect())
            }
            (Message::Search, "attributes" | "excludedattributes", Tree::Array(names)) => {
                let names = names
                    .into_iter()
                    .map(|name| text(placeholders, name, syntax::names));
                Tree::Array(names.collect())
            }
            (Message::Search, "count" | "startindex", Tree::Leaf(number @ Value::Number(_)))
            | (Message::Operations, "failonerrors", Tree::Leaf(number @ Value::Number(_))) => {
                Tree::Leaf(number)
            }
            (Message::Search, "cursor", inner) => {
                text(placeholders, inner, |placeholders, cursor| {
                    placeholders.cursor(cursor)
                })
            }
            (Message::Search, "filter", inner) => text(placeholders, inner, syntax::filter),
            (Message::Search, "sortby", inner) => text(placeholders, inner, syntax::names),
            (Message::Search, "sortorder", inner) if leaf_is(&inner, values::is_sort_order) => {
                inner
            }
            (_, _, inner) => value(placeholders, &folded, inner),
        };
        (self::name(placeholders, &name), inner)
    });
    Tree::Object(redacted.collect())
}

/// Anonymises one operation of a PATCH or bulk request.
fn operation(placeholders: &mut Placeholders, tree: Tree) -> Tree {
    let Tree::Object(members) = tree else {
        return value(placeholders, "", tree);
    };
    let named = |wanted: &str| {
        let found = members
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.and_then(|(_, inner)| match inner {
            Tree::Leaf(Value::String(text)) => Some(text.as_str()),
            _ => None,
        })
    };
    let attribute = named("path").map(syntax::attribute).unwrap_or_default();
    let method = named("method").map(str::to_ascii_uppercase);
    let is_bulk = method.is_some();
    let body = match method.as_deref() {
        Some("PATCH") => Message::Operations,
        _ => Message::Resource,
    };
    let redacted = members.into_iter().map(|(name, inner)| {
        let inner = match (name.to_lowercase().as_str(), inner) {
            ("op", inner) if leaf_is(&inner, is_op) => inner,
            ("method", inner) if leaf_is(&inner, is_method) => inner,
            ("path", inner) if is_bulk => text(placeholders, inner, |placeholders, path| {
                let target = syntax::target(placeholders, path, syntax::Endpoint::Unknown);
                vec![Piece::Put(target)]
            }),
            ("data", inner) if is_bulk => message(placeholders, body, inner),
            ("path", inner) => text(placeholders, inner, syntax::path),
            ("value", inner) => value(placeholders, &attribute, inner),
            (other, inner) => value(placeholders, other, inner),
        };
        (self::name(placeholders, &name), inner)
    });
    Tree::Object(redacted.collect())
}

/// Anonymises the value of an attribute.
fn value(placeholders: &mut Placeholders, attribute: &str, tree: Tree) -> Tree {
    layer(placeholders, attribute, tree, LAYERS)
}

/// The number of levels of JSON in strings that are parsed. Deeper levels are text, so that nesting is limited.
const LAYERS: u8 = 2;

fn layer(placeholders: &mut Placeholders, attribute: &str, tree: Tree, left: u8) -> Tree {
    match tree {
        Tree::Array(elements) => {
            let elements = elements.into_iter();
            let redacted = elements.map(|one| layer(placeholders, attribute, one, left));
            Tree::Array(redacted.collect())
        }
        Tree::Leaf(Value::String(text)) => {
            Tree::Leaf(layered(placeholders, attribute, &text, left).into())
        }
        Tree::Leaf(other) => {
            placeholders.saw(&at_attribute(attribute, &other));
            Tree::Leaf(match other {
                Value::Number(number) => Value::Number(placeholders.count(&number)),
                other => other,
            })
        }
        Tree::Object(members) => {
            let redacted = members.into_iter().map(|(name, inner)| {
                let attribute = format!("{attribute}.{}", name.to_lowercase());
                let inner = layer(placeholders, &attribute, inner, left);
                (self::name(placeholders, &name), inner)
            });
            Tree::Object(redacted.collect())
        }
    }
}

/// Returns the form in which a number or boolean is remembered: with its attribute, because others have the same value
/// with another meaning.
pub(super) fn at_attribute(attribute: &str, value: &Value) -> String {
    format!("{}={value}", values::last(attribute))
}

/// Anonymises a string, and JSON in a string as JSON.
pub(super) fn string(placeholders: &mut Placeholders, attribute: &str, text: &str) -> String {
    layered(placeholders, attribute, text, LAYERS)
}

fn layered(placeholders: &mut Placeholders, attribute: &str, text: &str, left: u8) -> String {
    placeholders.saw(text);
    if let Some(deeper) = left.checked_sub(1)
        && text.trim_start().starts_with(['{', '['])
        && let Some(tree) = Tree::parse(text.as_bytes())
    {
        return layer(placeholders, attribute, tree, deeper).to_string();
    }
    let pieces = values::text(placeholders, attribute, text);
    joined(text, pieces)
}

/// Anonymises the name of a member, unless it is an attribute name.
fn name(placeholders: &mut Placeholders, name: &str) -> String {
    match name {
        "" | "$ref" => name.to_owned(),
        _ => joined(name, syntax::path(placeholders, name)),
    }
}

/// Anonymises a string with `redact`, and anything else as a value.
fn text(
    placeholders: &mut Placeholders,
    tree: Tree,
    redact: impl FnOnce(&mut Placeholders, &str) -> Vec<Piece>,
) -> Tree {
    match tree {
        Tree::Leaf(Value::String(text)) => {
            placeholders.saw(&text);
            let pieces = redact(placeholders, &text);
            Tree::Leaf(joined(&text, pieces).into())
        }
        other => value(placeholders, "", other),
    }
}

fn leaf_is(tree: &Tree, test: impl FnOnce(&str) -> bool) -> bool {
    match tree {
        Tree::Leaf(Value::String(text)) => test(text),
        _ => false,
    }
}

fn is_op(text: &str) -> bool {
    ["add", "remove", "replace"]
        .iter()
        .any(|known| text.eq_ignore_ascii_case(known))
}

fn is_method(text: &str) -> bool {
    ["DELETE", "GET", "PATCH", "POST", "PUT"]
        .iter()
        .any(|known| text.eq_ignore_ascii_case(known))
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let comma = |at: usize| if at > 0 { "," } else { "" };
        match self {
            Tree::Array(elements) => {
                f.write_str("[")?;
                for (at, element) in elements.iter().enumerate() {
                    write!(f, "{}{element}", comma(at))?;
                }
                f.write_str("]")
            }
            Tree::Leaf(value) => value.fmt(f),
            Tree::Object(members) => {
                f.write_str("{")?;
                for (at, (name, value)) in members.iter().enumerate() {
                    write!(f, "{}{}:{value}", comma(at), Value::from(name.as_str()))?;
                }
                f.write_str("}")
            }
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Leaf(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Leaf(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Leaf(value.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut input: A) -> Result<Tree, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = input.next_entry()? {
            members.push(member);
        }
        Ok(Tree::Object(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut input: A) -> Result<Tree, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = input.next_element()? {
            elements.push(element);
        }
        Ok(Tree::Array(elements))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Leaf(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Leaf(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Leaf(Value::Null))
    }
}
