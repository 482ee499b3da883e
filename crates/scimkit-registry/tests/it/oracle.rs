//! A naive evaluator: directly from the filter's text to JSON, with a list of the attributes.

use std::cmp::Ordering;

use proptest::prelude::*;
use scimkit_filter::{AttributePath, Comparison, Filter, Literal, Operator};
use serde_json::{Map, Value};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Type {
    Decimal,
    Exact,
    Flag,
    Instant,
    Integer,
    Primary,
    Text,
}

/// Attributes and their types; those of `parts` can also be in brackets.
const ATTRIBUTES: [(&str, Type); 15] = [
    ("label", Type::Text),
    ("exact", Type::Exact),
    ("flag", Type::Flag),
    ("count", Type::Integer),
    ("ratio", Type::Decimal),
    ("at", Type::Instant),
    ("labels", Type::Text),
    ("counts", Type::Integer),
    ("place.floor", Type::Integer),
    ("parts", Type::Text),
    ("parts.value", Type::Text),
    ("parts.weight", Type::Decimal),
    ("parts.primary", Type::Primary),
    ("parts.tags", Type::Text),
    ("urn:example:2.0:Extra:note", Type::Text),
];

/// The same instant twice, an earlier one, and a slightly later one.
pub(crate) const INSTANTS: [&str; 4] = [
    "2011-05-13T04:42:34Z",
    "2011-05-13T06:42:34+02:00",
    "1969-12-31T23:59:59Z",
    "2011-05-13T04:42:34.5Z",
];

pub(crate) fn filter() -> impl Strategy<Value = String> {
    let term = prop_oneof![
        6 => term(&ATTRIBUTES, ""),
        1 => joined(term(&ATTRIBUTES, "parts.").boxed())
            .prop_map(|inner| format!("parts[{inner}]")),
    ];
    joined(term.boxed())
}

fn joined(term: BoxedStrategy<String>) -> impl Strategy<Value = String> {
    term.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| format!("not ({inner})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) and ({b})")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("{a} or {b}")),
        ]
    })
}

/// Returns a test of one of the attributes with this prefix, named by the rest.
fn term(
    attributes: &'static [(&'static str, Type)],
    prefix: &'static str,
) -> impl Strategy<Value = String> {
    let known = attributes
        .iter()
        .filter_map(|(path, kind)| Some((path.strip_prefix(prefix)?, *kind)));
    prop::sample::select(known.collect::<Vec<_>>()).prop_flat_map(|(path, kind)| {
        let (operators, literals): (&[&str], &[&str]) = match kind {
            Type::Text | Type::Exact => (
                &["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"],
                &["\"\"", "\"a\"", "\"AB\"", "\"SS\"", "\"é\"", "\"b\"", "\"E\\u0301\""],
            ),
            Type::Flag | Type::Primary => (&["eq", "ne"], &["true", "false", "\"True\""]),
            Type::Integer | Type::Decimal => (
                &["eq", "ne", "gt", "ge", "lt", "le"],
                &["0", "1", "-1", "1.5", "-0.5", "1e0", "15e-1", "1e40"],
            ),
            Type::Instant => (
                &["eq", "ne", "gt", "ge", "lt", "le"],
                &[
                    "\"2011-05-13T04:42:34Z\"",
                    "\"2011-05-13T04:42:34.25Z\"",
                    "\"1969-12-31T23:59:59\"",
                ],
            ),
        };
        prop_oneof![
            1 => Just(format!("{path} pr")),
            1 => prop::sample::select(vec!["eq", "ne"]).prop_map(move |op| format!("{path} {op} null")),
            8 => (prop::sample::select(operators), prop::sample::select(literals))
                .prop_map(move |(op, literal)| format!("{path} {op} {literal}")),
        ]
    })
}

pub(crate) fn holds(filter: &Filter<'_>, document: &Map<String, Value>) -> bool {
    within(filter, document, "")
}

/// `members` is the document, or with a prefix the element of a complex attribute.
fn within(filter: &Filter<'_>, members: &Map<String, Value>, prefix: &str) -> bool {
    match filter {
        Filter::And(terms) => terms.iter().all(|term| within(term, members, prefix)),
        Filter::Or(terms) => terms.iter().any(|term| within(term, members, prefix)),
        Filter::Not(inner) => !within(inner, members, prefix),
        Filter::Present(path) => values(path, members).iter().any(present),
        Filter::Compare(comparison) => compared(comparison, members, prefix),
        Filter::ValuePath(path) => {
            let elements = values(&path.attribute, members);
            let prefix = format!("{}.", path.attribute);
            elements
                .iter()
                .any(|e| within(&path.filter, e.as_object().unwrap(), &prefix))
        }
    }
}

fn compared(comparison: &Comparison<'_>, members: &Map<String, Value>, prefix: &str) -> bool {
    let Comparison {
        attribute,
        operator,
        value: literal,
    } = comparison;
    let full = format!("{prefix}{attribute}");
    let (_, kind) = ATTRIBUTES.iter().find(|(path, _)| *path == full).unwrap();
    let mut values = match full.as_str() {
        "parts" => values(&AttributePath::parse("parts.value").unwrap(), members),
        _ => values(attribute, members),
    };
    if *literal == Literal::Null {
        return values.iter().any(present) == (*operator == Operator::NotEqual);
    }
    if *kind == Type::Primary {
        // An element without `primary` is not primary.
        let elements = match prefix {
            "" => crate::oracle::values(&AttributePath::parse("parts").unwrap(), members),
            _ => vec![Value::Object(members.clone())],
        };
        let primary = |e: &Value| e.get("primary").cloned().unwrap_or(Value::Bool(false));
        values = elements.iter().map(primary).collect();
    }
    match operator {
        Operator::NotEqual => {
            let same = |value: &Value| test(*kind, Operator::Equal, value, literal);
            values.is_empty() || !values.iter().all(same)
        }
        operator => values
            .iter()
            .any(|value| test(*kind, *operator, value, literal)),
    }
}

/// Returns all values at a path, from all arrays.
fn values(path: &AttributePath<'_>, members: &Map<String, Value>) -> Vec<Value> {
    let holder = match &path.urn {
        None => Some(members),
        Some(urn) => members.get(urn.as_ref()).and_then(Value::as_object),
    };
    let mut found = flat(holder.and_then(|holder| holder.get(path.name.as_ref())));
    if let Some(sub) = &path.sub_attribute {
        found = found
            .iter()
            .flat_map(|value| flat(value.get(sub.as_ref())))
            .collect();
    }
    found
}

fn flat(value: Option<&Value>) -> Vec<Value> {
    match value {
        None => Vec::new(),
        Some(Value::Array(elements)) => elements.clone(),
        Some(one) => vec![one.clone()],
    }
}

fn present(value: &Value) -> bool {
    // No value in a document is empty, except for strings and objects and arrays of these.
    match value {
        Value::String(text) => !text.is_empty(),
        Value::Array(elements) => elements.iter().any(present),
        Value::Object(members) => members.values().any(present),
        _ => true,
    }
}

fn test(kind: Type, operator: Operator, value: &Value, literal: &Literal<'_>) -> bool {
    let ordering = match (kind, literal) {
        (Type::Text, Literal::String(wanted)) => {
            return test_text(operator, &lower(value.as_str().unwrap()), &lower(wanted));
        }
        (Type::Exact, Literal::String(wanted)) => {
            return test_text(operator, value.as_str().unwrap(), wanted);
        }
        (Type::Flag | Type::Primary, Literal::Bool(wanted)) => value.as_bool().cmp(&Some(*wanted)),
        (Type::Flag | Type::Primary, Literal::String(_)) => value.as_bool().cmp(&Some(true)),
        (Type::Integer | Type::Decimal, Literal::Number(wanted)) => value
            .as_f64()
            .unwrap()
            .partial_cmp(&wanted.parse().unwrap())
            .unwrap(),
        (Type::Instant, Literal::String(wanted)) => {
            rank(value.as_str().unwrap()).cmp(&rank(wanted))
        }
        _ => panic!("{literal:?}"),
    };
    orders(operator, ordering)
}

fn test_text(operator: Operator, text: &str, wanted: &str) -> bool {
    match operator {
        Operator::Contains => text.contains(wanted),
        Operator::EndsWith => text.ends_with(wanted),
        Operator::StartsWith => text.starts_with(wanted),
        operator => orders(operator, text.cmp(wanted)),
    }
}

fn orders(operator: Operator, ordering: Ordering) -> bool {
    match operator {
        Operator::Equal => ordering == Ordering::Equal,
        Operator::GreaterOrEqual => ordering != Ordering::Less,
        Operator::GreaterThan => ordering == Ordering::Greater,
        Operator::LessOrEqual => ordering != Ordering::Greater,
        Operator::LessThan => ordering == Ordering::Less,
        other => panic!("{other:?}"),
    }
}

/// Sufficient for the letters in the tests.
fn lower(text: &str) -> String {
    text.to_lowercase()
        .replace('ß', "ss")
        .replace("e\u{301}", "é")
}

/// Returns the rank of an instant among the others.
fn rank(text: &str) -> u8 {
    match text {
        "1969-12-31T23:59:59Z" | "1969-12-31T23:59:59" => 0,
        "2011-05-13T04:42:34Z" | "2011-05-13T06:42:34+02:00" => 1,
        "2011-05-13T04:42:34.25Z" => 2,
        "2011-05-13T04:42:34.5Z" => 3,
        other => panic!("{other}"),
    }
}
