//! The elements of a multi-valued attribute.

use std::collections::BTreeMap;

use scimkit_registry::{Attr, Error, ResourceType, Scalar};
use serde_json::{Map, Value};

use crate::{refusal::invalid, step::Edit, value::edit_member};

/// The elements with `more` added: what is there already stays as it is, and an element with the
/// same `value` and `type` is brought up to date.
pub(crate) fn append(
    kind: &ResourceType,
    attr: &Attr,
    mut elements: Vec<Value>,
    more: &[Value],
) -> Result<Vec<Value>, Error> {
    let known = elements
        .iter()
        .enumerate()
        .map(|(at, e)| (Identity::of(kind, attr, e), at));
    let mut known: BTreeMap<Identity, usize> = known.collect();
    let mut primary = Vec::new();
    for element in more {
        let at = *known
            .entry(Identity::of(kind, attr, element))
            .or_insert(elements.len());
        match (elements.get_mut(at), element) {
            (Some(Value::Object(members)), Value::Object(given)) => {
                for sub in kind.children(attr.id()) {
                    if let Some(value) = given.get(sub.name()) {
                        edit_member(kind, sub, members, &Edit::Assign(value.clone()))?;
                    }
                }
            }
            (Some(_), _) => {}
            (None, _) => elements.push(element.clone()),
        }
        if element.as_object().is_some_and(is_primary) {
            primary.push(at);
        }
    }
    settle_primary(attr, &mut elements, &primary)?;
    Ok(elements)
}

/// The elements without those listed: by `value` (and `type`, where both have one), or else by
/// everything that is listed of them.
pub(crate) fn take(
    kind: &ResourceType,
    attr: &Attr,
    mut elements: Vec<Value>,
    listed: &[Value],
) -> Vec<Value> {
    elements.retain(|element| !listed.iter().any(|gone| answers(kind, attr, element, gone)));
    elements
}

/// Leaves `primary` to the element that was just given it.
pub(crate) fn settle_primary(
    attr: &Attr,
    elements: &mut [Value],
    given: &[usize],
) -> Result<(), Error> {
    let Some(first) = given.first() else {
        return Ok(());
    };
    if given.iter().any(|at| at != first) {
        return Err(invalid(format!(
            "`{}` would have more than one primary value",
            attr.path()
        )));
    }
    for (at, element) in elements.iter_mut().enumerate() {
        if at != *first
            && let Some(members) = element.as_object_mut()
            && is_primary(members)
        {
            members.insert("primary".to_owned(), Value::Bool(false));
        }
    }
    Ok(())
}

pub(crate) fn is_primary(members: &Map<String, Value>) -> bool {
    members.get("primary") == Some(&Value::Bool(true))
}

/// The elements as a value, without the empty ones; `None` when none is left.
pub(crate) fn assigned(mut elements: Vec<Value>) -> Option<Value> {
    elements.retain(|e| !e.as_object().is_some_and(Map::is_empty));
    (!elements.is_empty()).then_some(Value::Array(elements))
}

pub(crate) fn array(value: Option<Value>) -> Vec<Value> {
    match value {
        Some(Value::Array(elements)) => elements,
        Some(one) => vec![one],
        None => Vec::new(),
    }
}

/// What makes two elements the same one.
///
/// The same `type` and `value` should not be there twice:
/// [RFC 7643 section 2.4](https://www.rfc-editor.org/rfc/rfc7643#section-2.4).
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Identity {
    Simple(Scalar),
    Valued(Scalar, Option<Scalar>),
    /// Everything in it, as text.
    Whole(String),
}

impl Identity {
    fn of(kind: &ResourceType, attr: &Attr, element: &Value) -> Self {
        if let Some(value) = part(kind, attr, element, "value") {
            return Identity::Valued(value, part(kind, attr, element, "type"));
        }
        match Scalar::of(attr, element) {
            Some(value) => Identity::Simple(value),
            None => Identity::Whole(element.to_string()),
        }
    }
}

fn answers(kind: &ResourceType, attr: &Attr, element: &Value, listed: &Value) -> bool {
    let both = |name| {
        (
            part(kind, attr, element, name),
            part(kind, attr, listed, name),
        )
    };
    match both("value") {
        (Some(value), Some(wanted)) => {
            value == wanted
                && match both("type") {
                    (Some(found), Some(wanted)) => found == wanted,
                    _ => true,
                }
        }
        (None, Some(_)) => false,
        (_, None) => match listed.as_object() {
            Some(members) => members
                .iter()
                .all(|(name, value)| element.get(name) == Some(value)),
            None => Identity::of(kind, attr, element) == Identity::of(kind, attr, listed),
        },
    }
}

fn part(kind: &ResourceType, attr: &Attr, element: &Value, name: &str) -> Option<Scalar> {
    let value = element.get(name)?;
    Scalar::of(
        kind.children(attr.id()).find(|sub| sub.name() == name)?,
        value,
    )
}
