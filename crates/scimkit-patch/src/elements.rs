//! The elements of a multi-valued attribute.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use scimkit_registry::{
    Attr, ElementKey, ElementKeys, Meter, RequestError, ResourceType, Scalar, weight,
};
use serde_json::{Map, Value};

use crate::{
    refusal::invalid,
    step::Edit,
    value::{copied, edit_member},
};

/// Returns the elements with `more` added: existing ones stay unchanged, except that an element with the same `value`
/// and `type` is updated.
pub(crate) fn append(
    kind: &ResourceType,
    attr: &Attr,
    mut elements: Vec<Value>,
    more: &[Value],
    meter: &Meter<'_>,
) -> Result<Vec<Value>, RequestError> {
    charge_lookups(&elements, more, meter)?;
    let keys = ElementKeys::new(kind, attr);
    let mut known: BTreeMap<ElementKey, usize> = BTreeMap::new();
    for (at, element) in elements.iter().enumerate() {
        // If several elements have the same key, the first one is updated.
        known.entry(keys.key(element)).or_insert(at);
    }
    let mut primary = Vec::new();
    for element in more {
        let at = *known.entry(keys.key(element)).or_insert(elements.len());
        match (elements.get_mut(at), element) {
            (Some(Value::Object(members)), Value::Object(given)) => {
                for sub in kind.children(attr.id()) {
                    if let Some(value) = given.get(sub.name()) {
                        let edit = Edit::Assign(copied(value, meter)?);
                        edit_member(kind, sub, members, &edit, meter)?;
                    }
                }
            }
            (Some(_), _) => {}
            (None, _) => elements.push(copied(element, meter)?),
        }
        if element.as_object().is_some_and(is_primary) {
            primary.push(at);
        }
    }
    kind.check_count(attr.id(), elements.len())?;
    settle_primary(attr, &mut elements, &primary)?;
    Ok(elements)
}

/// Charges the lookup of each element by its key, which is made from its content.
fn charge_lookups(known: &[Value], given: &[Value], meter: &Meter<'_>) -> Result<(), RequestError> {
    for element in known.iter().chain(given) {
        // The key is created, folded, and compared with some others.
        meter.charge(weight(element).saturating_mul(4))?;
    }
    Ok(())
}

/// Returns the elements without the listed ones: by `value` (and `type`, if both have one), otherwise by all members
/// of the listed one.
pub(crate) fn take(
    kind: &ResourceType,
    attr: &Attr,
    mut elements: Vec<Value>,
    listed: &[Value],
    meter: &Meter<'_>,
) -> Result<Vec<Value>, RequestError> {
    charge_lookups(&elements, listed, meter)?;
    let listed = Listed::of(ElementKeys::new(kind, attr), listed);
    let named = elements.iter().map(|element| listed.names(element));
    let mut gone: Vec<bool> = named.collect();
    listed.mark_described(&elements, &mut gone, meter)?;
    let mut gone = gone.into_iter();
    elements.retain(|_| gone.next() != Some(true));
    Ok(elements)
}

/// Makes the new primary element the only one.
pub(crate) fn settle_primary(
    attr: &Attr,
    elements: &mut [Value],
    given: &[usize],
) -> Result<(), RequestError> {
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

/// Removes duplicates of simple values.
pub(crate) fn distinct(kind: &ResourceType, attr: &Attr, mut elements: Vec<Value>) -> Vec<Value> {
    let keys = ElementKeys::new(kind, attr);
    let mut known = BTreeSet::new();
    elements.retain(|element| known.insert(keys.key(element)));
    elements
}

/// Returns the elements as a value, without the empty ones; `None` if none is left.
pub(crate) fn assigned(mut elements: Vec<Value>) -> Option<Value> {
    elements.retain(|e| !e.is_null() && !e.as_object().is_some_and(Map::is_empty));
    (!elements.is_empty()).then_some(Value::Array(elements))
}

pub(crate) fn array(value: Option<Value>) -> Vec<Value> {
    match value {
        Some(Value::Array(elements)) => elements,
        Some(one) => vec![one],
        None => Vec::new(),
    }
}

/// The elements to remove, ordered for fast lookup: a request can list thousands, and comparing each with each
/// existing one would take quadratic time.
struct Listed<'a> {
    /// Elements without a `value`, by some of their sub-attributes.
    described: HashSet<&'a Map<String, Value>>,
    simple: BTreeSet<ElementKey>,
    keys: ElementKeys<'a>,
    /// The listed types of each `value`.
    valued: BTreeMap<Scalar, BTreeSet<Option<Scalar>>>,
}

impl<'a> Listed<'a> {
    fn of(keys: ElementKeys<'a>, listed: &'a [Value]) -> Self {
        let mut this = Listed {
            described: HashSet::new(),
            simple: BTreeSet::new(),
            keys,
            valued: BTreeMap::new(),
        };
        for element in listed {
            match (this.keys.key(element), element) {
                (ElementKey::Valued(value, of_type), _) => {
                    this.valued.entry(value).or_default().insert(of_type);
                }
                (_, Value::Object(members)) => {
                    this.described.insert(members);
                }
                (identity, _) => {
                    this.simple.insert(identity);
                }
            }
        }
        this
    }

    /// Returns whether the element is listed by its value.
    fn names(&self, element: &Value) -> bool {
        match self.keys.key(element) {
            ElementKey::Valued(value, of_type) => self.valued.get(&value).is_some_and(|types| {
                of_type.is_none() || types.contains(&None) || types.contains(&of_type)
            }),
            identity => self.simple.contains(&identity),
        }
    }

    /// Marks the elements that have all members of a listed one.
    fn mark_described(
        &self,
        elements: &[Value],
        gone: &mut [bool],
        meter: &Meter<'_>,
    ) -> Result<(), RequestError> {
        if self.described.is_empty() {
            return Ok(());
        }
        let mut places: HashMap<(&str, &Value), Vec<usize>> = HashMap::new();
        for (at, element) in elements.iter().enumerate() {
            for (name, value) in element.as_object().into_iter().flatten() {
                places.entry((name, value)).or_default().push(at);
            }
        }
        for members in &self.described {
            let having = |part: (&'a String, &'a Value)| {
                places
                    .get(&(part.0.as_str(), part.1))
                    .map_or(&[][..], Vec::as_slice)
            };
            let fewest = members.iter().map(having).min_by_key(|places| places.len());
            let cost = members.iter().map(|(_, value)| weight(value)).sum();
            for at in fewest.unwrap_or_default() {
                meter.charge(cost)?;
                if let (Some(gone), Some(element)) = (gone.get_mut(*at), elements.get(*at)) {
                    let has = |(name, value): (&String, &Value)| element.get(name) == Some(value);
                    *gone = *gone || members.iter().all(has);
                }
            }
        }
        Ok(())
    }
}
