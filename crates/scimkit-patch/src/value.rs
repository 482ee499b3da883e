//! Edits of a single value.

use scimkit_core::Mutability;
use scimkit_registry::{Attr, Meter, RequestError, ResourceType, weight};
use serde_json::{Map, Value};

use crate::{elements, refusal::immutable, step::Edit};

/// Returns the value of an attribute after an edit.
pub(crate) fn edited(
    kind: &ResourceType,
    attr: &Attr,
    old: Option<Value>,
    edit: &Edit,
    meter: &Meter<'_>,
) -> Result<Option<Value>, RequestError> {
    match edit {
        Edit::Append(more) => {
            let elements = elements::append(kind, attr, elements::array(old), more, meter)?;
            Ok(elements::assigned(elements))
        }
        Edit::Assign(value) => copied(value, meter).map(Some),
        Edit::Merge(_) => {
            let mut members = object(old);
            merge_or_clear(kind, &mut members, edit, meter)?;
            Ok(non_empty(members))
        }
        Edit::Take(listed) => {
            let elements = elements::take(kind, attr, elements::array(old), listed, meter)?;
            Ok(elements::assigned(elements))
        }
        Edit::Unset => Ok(None),
    }
}

/// Sets and unsets sub-attributes of one complex value, or all of them.
pub(crate) fn merge_or_clear(
    kind: &ResourceType,
    members: &mut Map<String, Value>,
    edit: &Edit,
    meter: &Meter<'_>,
) -> Result<(), RequestError> {
    let Edit::Merge(merged) = edit else {
        members.clear();
        return Ok(());
    };
    for (sub, value) in merged {
        let sub = kind.attr(*sub);
        let edit = match value {
            Some(value) => Edit::Assign(copied(value, meter)?),
            None => Edit::Unset,
        };
        edit_member(kind, sub, members, &edit, meter)?;
    }
    Ok(())
}

/// Edits one sub-attribute of one complex value.
pub(crate) fn edit_member(
    kind: &ResourceType,
    sub: &Attr,
    members: &mut Map<String, Value>,
    edit: &Edit,
    meter: &Meter<'_>,
) -> Result<(), RequestError> {
    meter.compare(0)?;
    if let (Edit::Assign(value), Some(place)) = (edit, members.get_mut(sub.name()))
        && sub.definition().mutability != Mutability::Immutable
    {
        *place = copied(value, meter)?;
        return Ok(());
    }
    let old = members.remove(sub.name());
    let edit = |old| edited(kind, sub, old, edit, meter);
    if let Some(new) = keeping(sub, old, meter, edit)? {
        members.insert(sub.name().to_owned(), new);
    }
    Ok(())
}

/// Edits a value, unless it is immutable and would change.
pub(crate) fn keeping(
    attr: &Attr,
    old: Option<Value>,
    meter: &Meter<'_>,
    edit: impl FnOnce(Option<Value>) -> Result<Option<Value>, RequestError>,
) -> Result<Option<Value>, RequestError> {
    if attr.definition().mutability != Mutability::Immutable || old.is_none() {
        return edit(old);
    }
    // The value is copied, and compared with the result.
    meter.charge(old.as_ref().map_or(0, weight).saturating_mul(2))?;
    let new = edit(old.clone())?;
    if new == old {
        Ok(new)
    } else {
        Err(immutable(attr))
    }
}

/// Returns a copy, which is charged before it is made.
pub(crate) fn copied(value: &Value, meter: &Meter<'_>) -> Result<Value, RequestError> {
    meter.charge(weight(value))?;
    Ok(value.clone())
}

pub(crate) fn object(value: Option<Value>) -> Map<String, Value> {
    match value {
        Some(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

pub(crate) fn non_empty(members: Map<String, Value>) -> Option<Value> {
    (!members.is_empty()).then_some(Value::Object(members))
}
