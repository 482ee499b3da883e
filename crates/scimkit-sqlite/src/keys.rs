//! Lookup keys of resources.

use std::sync::Arc;

use rusqlite::{Connection, params, params_from_iter, types as sql};
use scimkit_core::Uniqueness;
use scimkit_registry::{
    Attr, AttrId, Budget, Change, Key, Meter, Operator, Predicate, Resource, ResourceId,
    ResourceType, Scalar, View,
};
use scimkit_store::StoreError;
use serde_json::Value;

use crate::{
    SchemaError,
    definitions::{self, Keyed, UNKEYED},
    error::Outcome,
    layout::{Among, has_keys, is_single, stored},
};

/// What a change says of keys.
type Keys = [(AttrId, Vec<Key>)];

/// Refuses keys of unique attributes that another resource has; what has to be evaluated for that is
/// charged to the budget.
pub(crate) fn check_unique(
    connection: &Connection,
    (tenant, budget): (&str, &Budget),
    kind: &Arc<ResourceType>,
    own: &ResourceId,
    keys: &Keys,
) -> Outcome<()> {
    let sole = keys.iter().map(|(id, keys)| (kind.attr(*id), keys));
    let sole =
        sole.filter(|(attr, keys)| has_keys(kind, attr) && is_unique(attr) && !keys.is_empty());
    for (attr, keys) in sole {
        let stale = definitions::stale(connection, (tenant, "resource"), kind, [attr.id()])?;
        let found = match stale.is_empty() {
            true => has_key(connection, (tenant, kind), own, (attr, keys))?,
            false => {
                let meter = budget.meter();
                has_value(
                    (connection, &meter),
                    (tenant, kind),
                    own,
                    (attr, keys),
                    &stale,
                )?
            }
        };
        if found {
            let attr = attr.path().to_owned();
            return Err(StoreError::Taken { attr }.into());
        }
    }
    Ok(())
}

/// Whether another resource has one of these keys.
fn has_key(
    connection: &Connection,
    (tenant, kind): (&str, &ResourceType),
    own: &ResourceId,
    (attr, keys): (&Attr, &[Key]),
) -> Outcome<bool> {
    let sql = "SELECT 1 FROM lookup_key
               WHERE tenant = ?1 AND kind = ?2 AND attr = ?3 AND value = ?4 AND id <> ?5";
    let mut statement = connection.prepare_cached(sql)?;
    for key in keys {
        let (kind, own) = (kind.name(), own.as_str());
        if statement.exists(params![tenant, kind, attr.path(), stored(key), own])? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The same while some rows have keys of other definitions: those are evaluated.
fn has_value(
    (connection, meter): (&Connection, &Meter<'_>),
    (tenant, kind): (&str, &ResourceType),
    own: &ResourceId,
    (attr, keys): (&Attr, &[Key]),
    stale: &[String],
) -> Outcome<bool> {
    let (kind_name, path, own) = (kind.name(), attr.path(), own.as_str());
    let mut sql = String::from(
        "SELECT 1 FROM lookup_key k JOIN resource r ON r.tenant = k.tenant AND r.id = k.id
         WHERE k.tenant = ?1 AND k.kind = ?2 AND k.id <> ?3 AND k.attr = ?4 AND k.value = ?5",
    );
    let mut values = [tenant, kind_name, own, path].map(text).to_vec();
    values.push(sql::Value::Null);
    Keyed::Except(stale).restrict(&mut sql, &mut values);
    let mut statement = connection.prepare_cached(&sql)?;
    for key in keys {
        if let Some(value) = values.get_mut(4) {
            *value = stored(key);
        }
        if statement.exists(params_from_iter(&values))? {
            return Ok(true);
        }
    }
    let compare = |key: &Key| Predicate::Compare {
        attr: attr.id(),
        op: Operator::Equal,
        value: key.clone(),
    };
    let equal = Predicate::Any(keys.iter().map(compare).collect());
    let mut sql = String::from(
        "SELECT r.document FROM resource r WHERE r.tenant = ?1 AND r.kind = ?2 AND r.id <> ?3",
    );
    let mut values = [tenant, kind_name, own].map(text).to_vec();
    Keyed::Only(stale).restrict(&mut sql, &mut values);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(&values))?;
    while let Some(row) = rows.next()? {
        let text = row.get_ref(0)?.as_str().map_err(StoreError::backend)?;
        let document = Resource::restore(text.as_bytes()).map_err(StoreError::backend)?;
        if kind.matches(&equal, View::of(&document), meter)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Gives a resource all keys of its document under the current definition; none, and a problem, if
/// the document does not fit the schema.
pub(crate) fn put_anew(
    connection: &Connection,
    (tenant, among): (&str, Among),
    kind: &Arc<ResourceType>,
    (id, document): (&ResourceId, &Resource),
) -> Outcome<Option<SchemaError>> {
    match among {
        Among::Live => remove(connection, tenant, kind, id)?,
        Among::Retired => forget(connection, tenant, kind, id)?,
    }
    let misfit = misfit(kind, id, document);
    let keys = match misfit {
        None => Change::create(Arc::clone(kind), document.clone()).keys(),
        Some(_) => Vec::new(),
    };
    match among {
        Among::Live => put(connection, tenant, kind, id, &keys)?,
        Among::Retired => put_retired(connection, tenant, kind, id.as_str(), &keys)?,
    }
    let definition = match misfit {
        None => definitions::current(kind),
        Some(_) => UNKEYED.to_owned(),
    };
    let table = among.table();
    let sql = format!("UPDATE {table} SET keys = ?3 WHERE tenant = ?1 AND id = ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    statement.execute(params![tenant, id.as_str(), definition])?;
    Ok(misfit)
}

/// A unique attribute of which another resource has the same value.
pub(crate) fn shared(
    connection: &Connection,
    tenant: &str,
    kind: &Arc<ResourceType>,
    (id, document): (&ResourceId, &Resource),
) -> Outcome<Option<SchemaError>> {
    let keys = Change::create(Arc::clone(kind), document.clone()).keys();
    for (attr, keys) in &keys {
        let attr = kind.attr(*attr);
        if has_keys(kind, attr)
            && is_unique(attr)
            && has_key(connection, (tenant, kind), id, (attr, keys))?
        {
            let (attr, kind) = (attr.path().to_owned(), kind.name().to_owned());
            let id = id.clone();
            return Ok(Some(SchemaError::NotUnique { attr, id, kind }));
        }
    }
    Ok(None)
}

/// Gives a resource other keys of these attributes, and none where there are none.
pub(crate) fn put(
    connection: &Connection,
    tenant: &str,
    kind: &ResourceType,
    id: &ResourceId,
    keys: &Keys,
) -> Outcome<()> {
    let kept = keys.iter().map(|(attr, keys)| (kind.attr(*attr), keys));
    for (attr, keys) in kept.filter(|(attr, _)| has_keys(kind, attr)) {
        connection
            .prepare_cached(
                // Left to itself the planner reads through every key of the attribute.
                "DELETE FROM lookup_key INDEXED BY lookup_key_by_id
                 WHERE tenant = ?1 AND kind = ?2 AND id = ?3 AND attr = ?4",
            )?
            .execute(params![tenant, kind.name(), id.as_str(), attr.path()])?;
        insert(connection, tenant, kind, id.as_str(), attr, keys)?;
    }
    Ok(())
}

/// Takes a resource's keys away.
pub(crate) fn remove(
    connection: &Connection,
    tenant: &str,
    kind: &ResourceType,
    id: &ResourceId,
) -> Outcome<()> {
    connection
        .prepare_cached(
            "DELETE FROM lookup_key INDEXED BY lookup_key_by_id
             WHERE tenant = ?1 AND kind = ?2 AND id = ?3",
        )?
        .execute(params![tenant, kind.name(), id.as_str()])?;
    Ok(())
}

/// Gives a retired resource its keys.
pub(crate) fn put_retired(
    connection: &Connection,
    tenant: &str,
    kind: &ResourceType,
    id: &str,
    keys: &Keys,
) -> Outcome<()> {
    let kept = keys.iter().map(|(attr, keys)| (kind.attr(*attr), keys));
    for (attr, keys) in kept.filter(|(attr, _)| has_keys(kind, attr)) {
        for key in keys {
            connection
                .prepare_cached(
                    "INSERT INTO retired_key (tenant, kind, attr, value, id)
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(params![tenant, kind.name(), attr.path(), stored(key), id])?;
        }
    }
    Ok(())
}

/// Forgets the keys of a resource that was retired.
pub(crate) fn forget(
    connection: &Connection,
    tenant: &str,
    kind: &ResourceType,
    id: &ResourceId,
) -> Outcome<()> {
    connection
        .prepare_cached(
            "DELETE FROM retired_key INDEXED BY retired_key_by_id
             WHERE tenant = ?1 AND kind = ?2 AND id = ?3",
        )?
        .execute(params![tenant, kind.name(), id.as_str()])?;
    Ok(())
}

/// What members and references show of a resource: its `displayName`, also where the type has none,
/// since another process may know it.
pub(crate) fn display(kind: &ResourceType, document: &Resource) -> Option<String> {
    let name = kind.named("displayName").map(|id| kind.attr(id).name());
    let value = document.as_map().get(name.unwrap_or("displayName"))?;
    value.as_str().map(str::to_owned)
}

/// Whether members and references may show the `displayName` of a type's resources.
pub(crate) fn shows_display(kind: &ResourceType) -> bool {
    let attr = kind.named("displayName").map(|id| kind.attr(id));
    attr.is_some_and(|attr| !attr.is_never_returned())
}

/// Why keys can't stand for a document: a value without a key, or a second one of a single-valued
/// attribute, would make a filter miss it.
pub(crate) fn misfit(
    kind: &ResourceType,
    id: &ResourceId,
    resource: &Resource,
) -> Option<SchemaError> {
    let mut keyed = kind.attributes().iter().filter(|attr| has_keys(kind, attr));
    let attr = keyed.find(|attr| {
        let values = values(kind, attr, resource);
        let fit = values.iter().all(|value| Scalar::of(attr, value).is_some());
        !fit || (is_single(kind, attr) && values.len() > 1)
    })?;
    let (attr, kind) = (attr.path().to_owned(), kind.name().to_owned());
    let id = id.clone();
    Some(SchemaError::Misfit { attr, id, kind })
}

fn text(text: &str) -> sql::Value {
    sql::Value::Text(text.to_owned())
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

fn insert(
    connection: &Connection,
    tenant: &str,
    kind: &ResourceType,
    id: &str,
    attr: &Attr,
    keys: &[Key],
) -> Outcome<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO lookup_key (tenant, kind, attr, value, id) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for key in keys {
        statement.execute(params![tenant, kind.name(), attr.path(), stored(key), id])?;
    }
    Ok(())
}

/// Whether only one resource may have a value of the attribute.
pub(crate) fn is_unique(attr: &Attr) -> bool {
    attr.definition().uniqueness != Uniqueness::None
}
