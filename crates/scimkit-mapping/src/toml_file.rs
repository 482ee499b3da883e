//! From TOML to the tree of a mapping file.

use std::borrow::Cow;

use serde_json::Number;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::file_tree::{Item, Member, NESTING, Node, SyntaxError, TOO_DEEP};

/// Reads TOML and returns all syntax errors.
pub(super) fn read(text: &str) -> Result<Node, Vec<SyntaxError>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let error = |e: toml::de::Error| {
            let at = e.span().map_or(0, |span| span.start);
            SyntaxError::new(at, first_line(e.message()))
        };
        return Err(errors.into_iter().map(error).collect());
    }
    let at = table.span().start;
    let node = table_of(table.into_inner(), NESTING).map(|item| Node { at, item });
    node.map_err(|error| vec![error])
}

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or("").to_owned()
}

fn table_of(table: DeTable<'_>, nesting: usize) -> Result<Item, SyntaxError> {
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
        .collect::<Result<_, SyntaxError>>()?;
    members.sort_by_key(|member| member.at);
    Ok(Item::Table(members))
}

fn value_of(value: Spanned<DeValue<'_>>, nesting: usize) -> Result<Node, SyntaxError> {
    let at = value.span().start;
    let deeper = || {
        nesting
            .checked_sub(1)
            .ok_or_else(|| SyntaxError::new(at, TOO_DEEP))
    };
    let item = match value.into_inner() {
        DeValue::String(text) => Item::Text(text.into_owned()),
        DeValue::Boolean(truth) => Item::Bool(truth),
        DeValue::Datetime(moment) => Item::Text(moment.to_string()),
        DeValue::Integer(integer) => {
            let read = i64::from_str_radix(integer.as_str(), integer.radix());
            Item::Number(
                read.map_err(|_| {
                    SyntaxError::new(at, "the number is too large: use a signed 64-bit integer")
                })?
                .into(),
            )
        }
        DeValue::Float(float) => {
            let read = float.as_str().parse().ok().and_then(Number::from_f64);
            Item::Number(read.ok_or_else(|| {
                SyntaxError::new(at, "the number is not finite: JSON has no such number")
            })?)
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
