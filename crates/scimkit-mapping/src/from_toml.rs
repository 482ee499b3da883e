//! From TOML to the tree of a mapping file.

use std::borrow::Cow;

use serde_json::Number;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::node::{Fault, Item, Member, NESTING, Node, TOO_DEEP};

/// Reads TOML; several things can be wrong at once.
pub(super) fn read(text: &str) -> Result<Node, Vec<Fault>> {
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
