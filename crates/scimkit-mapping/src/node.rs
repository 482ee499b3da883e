//! TOML and JSON as one tree, with the place of everything in it.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize,
    de::{MapAccess, Visitor},
};
use serde_json::{Number, value::RawValue};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// A value in a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// Where it begins, in bytes.
    pub(super) at: usize,
    pub(super) item: Item,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item {
    Bool(bool),
    List(Vec<Node>),
    Null,
    Number(Number),
    /// INVARIANT: no name is there twice.
    Table(Vec<Member>),
    Text(String),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Member {
    pub(super) at: usize,
    pub(super) name: String,
    pub(super) node: Node,
}

impl Node {
    /// What it is, for a message.
    pub(super) fn called(&self) -> &'static str {
        match self.item {
            Item::Bool(_) => "a boolean",
            Item::List(_) => "an array",
            Item::Null => "null",
            Item::Number(_) => "a number",
            Item::Table(_) => "a table",
            Item::Text(_) => "text",
        }
    }

    /// As a JSON value.
    pub(super) fn json(&self) -> serde_json::Value {
        use serde_json::Value;
        match &self.item {
            Item::Bool(truth) => Value::Bool(*truth),
            Item::List(elements) => elements.iter().map(Node::json).collect(),
            Item::Null => Value::Null,
            Item::Number(number) => Value::Number(number.clone()),
            Item::Table(members) => members
                .iter()
                .map(|m| (m.name.clone(), m.node.json()))
                .collect(),
            Item::Text(text) => Value::from(text.as_str()),
        }
    }
}

/// How deep arrays and tables may be nested.
const NESTING: usize = 12;
/// What is wrong with a text, and where.
type Fault = (usize, String);

/// Reads TOML; several things can be wrong at once.
pub(super) fn toml(text: &str) -> Result<Node, Vec<Fault>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let fault = |e: toml::de::Error| {
            (
                e.span().map_or(0, |span| span.start),
                first_line(e.message()),
            )
        };
        return Err(errors.into_iter().map(fault).collect());
    }
    let at = table.span().start;
    let node = table_of(table.into_inner(), NESTING).map(|item| Node { at, item });
    node.map_err(|fault| vec![fault])
}

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or("").to_owned()
}

fn table_of(table: DeTable<'_>, nesting: usize) -> Result<Item, Fault> {
    let member = |(name, value): (Spanned<Cow<'_, str>>, Spanned<DeValue<'_>>)| {
        let at = name.span().start;
        let node = value_of(value, nesting)?;
        Ok(Member {
            at,
            name: name.into_inner().into_owned(),
            node,
        })
    };
    let mut members: Vec<Member> = table
        .into_iter()
        .map(member)
        .collect::<Result<_, Fault>>()?;
    members.sort_by_key(|member| member.at);
    Ok(Item::Table(members))
}

fn value_of(value: Spanned<DeValue<'_>>, nesting: usize) -> Result<Node, Fault> {
    let at = value.span().start;
    let deeper = || nesting.checked_sub(1).ok_or((at, TOO_DEEP.to_owned()));
    let item = match value.into_inner() {
        DeValue::String(text) => Item::Text(text.into_owned()),
        DeValue::Boolean(truth) => Item::Bool(truth),
        DeValue::Datetime(moment) => Item::Text(moment.to_string()),
        DeValue::Integer(integer) => {
            let read = i64::from_str_radix(integer.as_str(), integer.radix());
            Item::Number(
                read.map_err(|_| (at, "the number is too big".to_owned()))?
                    .into(),
            )
        }
        DeValue::Float(float) => {
            let read = float.as_str().parse().ok().and_then(Number::from_f64);
            Item::Number(read.ok_or((at, "it is no number that JSON has".to_owned()))?)
        }
        DeValue::Array(elements) => {
            let nesting = deeper()?;
            let elements = elements
                .into_iter()
                .map(|element| value_of(element, nesting));
            Item::List(elements.collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => table_of(table, deeper()?)?,
    };
    Ok(Node { at, item })
}

const TOO_DEEP: &str = "arrays and tables are nested too deeply";

/// Reads JSON.
pub(super) fn json(text: &str) -> Result<Node, Vec<Fault>> {
    let raw: &RawValue =
        serde_json::from_str(text).map_err(|e| vec![(offset(text, &e), trouble(&e))])?;
    node_of(raw.get(), text, NESTING).map_err(|fault| vec![fault])
}

/// Where serde_json stopped, in bytes.
fn offset(text: &str, error: &serde_json::Error) -> usize {
    let before = text.split('\n').take(error.line().saturating_sub(1));
    let start: usize = before.map(|line| line.len() + 1).sum();
    let mut at = (start + error.column().saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// What serde_json says, without its own place.
fn trouble(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or("").to_owned()
}

/// The node that a piece of `whole` stands for; each level reads its piece again, so the depth is
/// bounded.
fn node_of(piece: &str, whole: &str, nesting: usize) -> Result<Node, Fault> {
    let at = (piece.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
    let fault = |e: serde_json::Error| (at, trouble(&e));
    let deeper = || nesting.checked_sub(1).ok_or((at, TOO_DEEP.to_owned()));
    let item = match piece.as_bytes().first() {
        Some(b'{') => {
            let nesting = deeper()?;
            let members: Members<'_> = serde_json::from_str(piece).map_err(fault)?;
            let mut table = Vec::with_capacity(members.0.len());
            let mut known = std::collections::HashSet::new();
            for (name, raw) in members.0 {
                let node = node_of(raw.get(), whole, nesting)?;
                // serde_json tells no place of a name: it ends before its value begins.
                let at = name_before(whole, node.at).unwrap_or(node.at);
                if !known.insert(name.clone()) {
                    return Err((at, format!("`{name}` is there twice in one object")));
                }
                table.push(Member { at, name, node });
            }
            Item::Table(table)
        }
        Some(b'[') => {
            let nesting = deeper()?;
            let elements: Vec<&RawValue> = serde_json::from_str(piece).map_err(fault)?;
            let elements = elements
                .into_iter()
                .map(|raw| node_of(raw.get(), whole, nesting));
            Item::List(elements.collect::<Result<_, _>>()?)
        }
        _ => match serde_json::from_str(piece).map_err(fault)? {
            serde_json::Value::Bool(truth) => Item::Bool(truth),
            serde_json::Value::Number(number) => Item::Number(number),
            serde_json::Value::String(text) => Item::Text(text),
            _ => Item::Null,
        },
    };
    Ok(Node { at, item })
}

/// Where the name begins whose value begins at `value`; `None` when it has escapes.
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
