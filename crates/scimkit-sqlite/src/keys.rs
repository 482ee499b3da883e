//! The lookup keys of resources.

use std::sync::Arc;

use rusqlite::Connection;
use scimkit_core::Uniqueness;
use scimkit_registry::{
    Attr, AttrKeys, Budget, Change, Document, Key, Meter, Operator, Predicate, Resource,
    ResourceId, ResourceType, ResourceView, Scalar,
};
use scimkit_sql::reference::{self, KeyDefinitions, KeyRow, State};
use scimkit_store::StoreError;
use serde_json::Value;

use crate::{
    SchemaError,
    definitions::{self, UNKEYED},
    error::Outcome,
    statement::{DIALECT, each, execute, execute_all, exists},
};

/// The keys of changed attributes.
type Keys = [AttrKeys];

/// Fails if another resource has a key of a unique attribute. Evaluating documents is charged to the budget.
pub(crate) fn check_unique(
    connection: &Connection,
    (tenant, budget): (&str, &Budget),
    kind: &Arc<ResourceType>,
    own: &ResourceId,
    keys: &Keys,
) -> Outcome<()> {
    let sole = keys.iter().map(|list| (kind.attr(list.attr), &list.keys));
    let sole =
        sole.filter(|(attr, keys)| kind.has_keys(attr.id()) && is_unique(attr) && !keys.is_empty());
    for (attr, keys) in sole {
        let stale = definitions::stale(connection, (tenant, State::Live), kind, [attr.id()])?;
        let any = KeyDefinitions::Except(&[]);
        let found = if stale.is_empty() {
            has_key(connection, (tenant, kind), own, (attr, keys), any)?
        } else {
            let meter = budget.meter();
            has_value(
                (connection, &meter),
                (tenant, kind),
                own,
                (attr, keys),
                &stale,
            )?
        };
        if found {
            let attr = attr.path().to_owned();
            return Err(StoreError::Duplicate { attr }.into());
        }
    }
    Ok(())
}

/// Returns whether another resource with a matching key definition has one of these keys.
fn has_key(
    connection: &Connection,
    (tenant, kind): (&str, &ResourceType),
    own: &ResourceId,
    (attr, keys): (&Attr, &[Key]),
    definitions: KeyDefinitions<'_>,
) -> Outcome<bool> {
    for key in keys {
        let key = key_row((kind, attr), own, key);
        let statement = reference::other_holder(DIALECT, tenant, key, definitions);
        if exists(connection, &statement)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns the same as [`has_key`] while some rows have outdated keys, by evaluating those rows.
fn has_value(
    (connection, meter): (&Connection, &Meter<'_>),
    (tenant, kind): (&str, &ResourceType),
    own: &ResourceId,
    (attr, keys): (&Attr, &[Key]),
    stale: &[String],
) -> Outcome<bool> {
    let current = KeyDefinitions::Except(stale);
    if has_key(connection, (tenant, kind), own, (attr, keys), current)? {
        return Ok(true);
    }
    let compare = |key: &Key| Predicate::Compare {
        attr: attr.id(),
        op: Operator::Equal,
        value: key.clone(),
    };
    let equal = Predicate::Any(keys.iter().map(compare).collect());
    let others = KeyDefinitions::Only(stale);
    let statement = reference::documents(DIALECT, (tenant, kind.name()), others);
    let reader = kind.reader([attr.id()]);
    let mut found = false;
    each(connection, &statement, |row| {
        let id = row.get_ref(0)?.as_str().map_err(StoreError::backend)?;
        if id != own.as_str() {
            let text = row.get_ref(1)?.as_str().map_err(StoreError::backend)?;
            let values = reader.read(text.as_bytes());
            found = kind.matches(&equal, ResourceView::of_values(&values), meter)?;
        }
        Ok(!found)
    })?;
    Ok(found)
}

/// Replaces all keys of a resource by those of its document under the current definition. If the document does not
/// match the schema, the resource gets no keys, and the problem is returned.
pub(crate) fn put_anew(
    connection: &Connection,
    (tenant, state): (&str, State),
    kind: &Arc<ResourceType>,
    (id, document): (&ResourceId, &Resource),
) -> Outcome<Option<SchemaError>> {
    let own = [id.as_str()];
    let removed = reference::remove_all_keys(DIALECT, (tenant, kind.name()), state, &own);
    execute_all(connection, removed)?;
    let misfit = misfit(kind, id, document);
    if misfit.is_none() {
        let keys = Change::create(Arc::clone(kind), document.clone()).keys();
        insert(connection, (tenant, state), kind, id, &keys)?;
    }
    let definition = match misfit {
        None => definitions::current(kind),
        Some(_) => UNKEYED.to_owned(),
    };
    let row = (id.as_str(), definition.as_str());
    let statement = reference::set_key_definition(DIALECT, tenant, state, row);
    execute(connection, &statement)?;
    Ok(misfit)
}

/// Finds a unique attribute for which another resource has the same value.
pub(crate) fn shared(
    connection: &Connection,
    tenant: &str,
    kind: &Arc<ResourceType>,
    (id, document): (&ResourceId, &Resource),
) -> Outcome<Option<SchemaError>> {
    let keys = Change::create(Arc::clone(kind), document.clone()).keys();
    let any = KeyDefinitions::Except(&[]);
    for AttrKeys { attr, keys } in &keys {
        let attr = kind.attr(*attr);
        if kind.has_keys(attr.id())
            && is_unique(attr)
            && has_key(connection, (tenant, kind), id, (attr, keys), any)?
        {
            let attr = attr.path().to_owned();
            let kind = kind.name().to_owned();
            let id = id.clone();
            return Ok(Some(SchemaError::NotUnique { attr, id, kind }));
        }
    }
    Ok(None)
}

/// Adds keys to a resource that has none.
pub(crate) fn insert(
    connection: &Connection,
    (tenant, state): (&str, State),
    kind: &ResourceType,
    id: &ResourceId,
    keys: &Keys,
) -> Outcome<()> {
    let stored = keys.iter().filter(|list| kind.has_keys(list.attr));
    let rows: Vec<_> = stored
        .flat_map(|list| {
            let attr = kind.attr(list.attr);
            list.keys
                .iter()
                .map(move |key| key_row((kind, attr), id, key))
        })
        .collect();
    let statements = reference::insert_keys(DIALECT, tenant, state, &rows);
    execute_all(connection, statements)
}

fn key_row<'k>(
    (kind, attr): (&'k ResourceType, &'k Attr),
    id: &'k ResourceId,
    key: &'k Key,
) -> KeyRow<'k> {
    KeyRow {
        attr: attr.path(),
        id: id.as_str(),
        kind: kind.name(),
        value: key.into(),
    }
}

/// Returns the display name of a resource for members and references: its `displayName`, even if the type lacks the
/// attribute, because another process may know it.
pub(crate) fn display(kind: &ResourceType, document: &Resource) -> Option<String> {
    let name = kind
        .attribute_id("displayName")
        .map(|id| kind.attr(id).name());
    let value = document.as_map().get(name.unwrap_or("displayName"))?;
    value.as_str().map(str::to_owned)
}

/// Returns the `displayName` of a document, without parsing the document if the type has the attribute.
pub(crate) fn document_display(
    kind: &ResourceType,
    document: &Document,
) -> Outcome<Option<String>> {
    Ok(match kind.attribute_id("displayName") {
        Some(_) => document.display_name(kind),
        None => display(kind, &*document.tree()?),
    })
}

/// Returns the reason why keys can't represent a document. With a value that has no key, or a second value of a
/// single-valued attribute, a filter would miss the document.
pub(crate) fn misfit(
    kind: &ResourceType,
    id: &ResourceId,
    resource: &Resource,
) -> Option<SchemaError> {
    let mut keyed = kind
        .attributes()
        .iter()
        .filter(|attr| kind.has_keys(attr.id()));
    let attr = keyed.find(|attr| {
        let values = values(kind, attr, resource);
        let fit = values.iter().all(|value| Scalar::of(attr, value).is_some());
        !fit || (is_single(kind, attr) && values.len() > 1)
    })?;
    let attr = attr.path().to_owned();
    let kind = kind.name().to_owned();
    let id = id.clone();
    Some(SchemaError::Misfit { attr, id, kind })
}

fn values<'r>(kind: &ResourceType, attr: &Attr, resource: &'r Resource) -> Vec<&'r Value> {
    let Some(parent) = attr.parent() else {
        return elements(resource.get(kind, attr.id())).collect();
    };
    let subs = elements(resource.get(kind, parent)).filter_map(|e| e.get(attr.name()));
    subs.flat_map(|value| elements(Some(value))).collect()
}

fn elements(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    let many = value.and_then(Value::as_array);
    let one = value.filter(|_| many.is_none());
    many.into_iter().flatten().chain(one)
}

/// Returns whether the values of the attribute are unique.
pub(crate) fn is_unique(attr: &Attr) -> bool {
    attr.definition().uniqueness != Uniqueness::None
}

/// Returns whether a resource has at most one value of the attribute.
fn is_single(kind: &ResourceType, attr: &Attr) -> bool {
    let many = |attr: &Attr| attr.definition().multi_valued;
    !many(attr) && !attr.parent().is_some_and(|parent| many(kind.attr(parent)))
}
