//! Lookup keys, and how they keep up with the schema.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};
use scimkit_core::Uniqueness;
use scimkit_registry::{Attr, AttrId, Change, Key, Resource, ResourceId, ResourceType, Scalar};
use scimkit_store::StoreError;
use serde_json::Value;

use crate::{
    SchemaError,
    error::{Failure, Outcome},
    layout::{has_keys, is_single, stored},
};

/// What a change says of keys.
type Keys = [(AttrId, Vec<Key>)];

/// Refuses keys of unique attributes that another resource has.
pub(crate) fn check_unique(
    connection: &Connection,
    tenant: &str,
    kind: &ResourceType,
    own: &ResourceId,
    keys: &Keys,
) -> Outcome<()> {
    let sole = keys.iter().map(|(id, keys)| (kind.attr(*id), keys));
    for (attr, keys) in sole.filter(|(attr, _)| has_keys(kind, attr) && is_sole(attr)) {
        for key in keys {
            let sql = "SELECT 1 FROM lookup_key
                       WHERE tenant = ?1 AND kind = ?2 AND attr = ?3 AND value = ?4 AND id <> ?5";
            let found = connection.prepare_cached(sql)?.exists(params![
                tenant,
                kind.name(),
                attr.path(),
                stored(key),
                own.as_str()
            ])?;
            if found {
                return Err(StoreError::Taken {
                    attr: attr.path().to_owned(),
                }
                .into());
            }
        }
    }
    Ok(())
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

/// Keeps a resource's keys apart, for when it may come back.
pub(crate) fn retire(
    connection: &Connection,
    tenant: &str,
    kind: &ResourceType,
    id: &ResourceId,
) -> Outcome<()> {
    connection
        .prepare_cached(
            "INSERT INTO retired_key (tenant, kind, attr, value, id)
             SELECT tenant, kind, attr, value, id FROM lookup_key INDEXED BY lookup_key_by_id
             WHERE tenant = ?1 AND kind = ?2 AND id = ?3",
        )?
        .execute(params![tenant, kind.name(), id.as_str()])?;
    remove(connection, tenant, kind, id)
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

/// What members and references show of a resource.
pub(crate) fn display(kind: &ResourceType, document: &Resource) -> Option<String> {
    let value = document.get(kind, kind.named("displayName")?)?;
    value.as_str().map(str::to_owned)
}

/// Checks that the keys of these types were made under the schemas they have now.
pub(crate) fn check_current<'k>(
    connection: &Connection,
    tenant: &str,
    kinds: impl IntoIterator<Item = &'k Arc<ResourceType>>,
) -> Outcome<()> {
    for kind in kinds {
        // Without an entry there is no resource either.
        if known(connection, tenant, kind)?.is_some_and(|known| known != current(kind)) {
            return Err(Failure::Outdated);
        }
    }
    Ok(())
}

/// Makes a type's keys anew from the documents when they were made under another schema.
///
/// The check is one lookup in the transaction of the write, so that processes with different schemas
/// never mix their keys.
pub(crate) fn keep_up(
    connection: &Connection,
    tenant: &str,
    kind: &Arc<ResourceType>,
) -> Outcome<()> {
    let known = known(connection, tenant, kind)?;
    if known.as_deref() == Some(current(kind).as_str()) {
        return Ok(());
    }
    if known.is_some() {
        rebuild(connection, tenant, kind)?;
    }
    connection
        .prepare_cached(
            "INSERT INTO kind (tenant, kind, fingerprint) VALUES (?1, ?2, ?3)
             ON CONFLICT (tenant, kind) DO UPDATE SET fingerprint = excluded.fingerprint",
        )?
        .execute(params![tenant, kind.name(), current(kind)])?;
    Ok(())
}

fn current(kind: &ResourceType) -> String {
    kind.fingerprint().to_string()
}

fn known(connection: &Connection, tenant: &str, kind: &ResourceType) -> Outcome<Option<String>> {
    let sql = "SELECT fingerprint FROM kind WHERE tenant = ?1 AND kind = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement
        .query_row(params![tenant, kind.name()], |row| row.get(0))
        .optional()?)
}

fn rebuild(connection: &Connection, tenant: &str, kind: &Arc<ResourceType>) -> Outcome<()> {
    connection
        .prepare_cached("DELETE FROM lookup_key WHERE tenant = ?1 AND kind = ?2")?
        .execute(params![tenant, kind.name()])?;
    let mut after = String::new();
    while let Some((id, document)) = next_document(connection, (tenant, "resource"), kind, &after)?
    {
        let resource = Resource::restore(document.as_bytes()).map_err(StoreError::backend)?;
        connection
            .prepare_cached(
                "UPDATE resource SET display = ?3, shape = CASE WHEN ?4 THEN ?5 ELSE shape END
                 WHERE tenant = ?1 AND id = ?2",
            )?
            .execute(params![
                tenant,
                id,
                display(kind, &resource),
                is_open(kind, &resource),
                current(kind)
            ])?;
        check_fit(kind, &id, &resource)?;
        let whole = Change::create(Arc::clone(kind), resource);
        for (attr, keys) in whole.keys() {
            let attr = kind.attr(attr);
            if has_keys(kind, attr) {
                let inserted = insert(connection, tenant, kind, &id, attr, &keys);
                inserted.map_err(|failure| not_unique(failure, kind, attr, &id))?;
            }
        }
        after = id;
    }
    rebuild_retired(connection, tenant, kind)
}

/// The same for those that may come back; a value that does not fit any more finds nobody.
fn rebuild_retired(connection: &Connection, tenant: &str, kind: &Arc<ResourceType>) -> Outcome<()> {
    connection
        .prepare_cached("DELETE FROM retired_key WHERE tenant = ?1 AND kind = ?2")?
        .execute(params![tenant, kind.name()])?;
    let mut after = String::new();
    while let Some((id, document)) = next_document(connection, (tenant, "retired"), kind, &after)? {
        let resource = Resource::restore(document.as_bytes()).map_err(StoreError::backend)?;
        let keys = Change::create(Arc::clone(kind), resource).keys();
        put_retired(connection, tenant, kind, &id, &keys)?;
        after = id;
    }
    Ok(())
}

/// Whether the schema, as it is now, shows everything that the document holds.
fn is_open(kind: &ResourceType, resource: &Resource) -> bool {
    let mut shown = resource.as_map().clone();
    kind.project(&mut shown, &kind.projection::<&str>(&[], &[]));
    shown == *resource.as_map()
}

/// The resource of a table that follows in the order of ids.
fn next_document(
    connection: &Connection,
    (tenant, table): (&str, &str),
    kind: &ResourceType,
    after: &str,
) -> Outcome<Option<(String, String)>> {
    let sql = format!(
        "SELECT id, document FROM {table} WHERE tenant = ?1 AND kind = ?2 AND id > ?3
         ORDER BY id LIMIT 1"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let found = statement.query_row(params![tenant, kind.name(), after], |row| {
        Ok((row.get(0)?, row.get(1)?))
    });
    Ok(found.optional()?)
}

/// A value without a key, or a second one of a single-valued attribute, would make a filter miss it.
fn check_fit(kind: &ResourceType, id: &str, resource: &Resource) -> Outcome<()> {
    for attr in kind.attributes().iter().filter(|attr| has_keys(kind, attr)) {
        let values = values(kind, attr, resource);
        let fit = values.iter().all(|value| Scalar::of(attr, value).is_some());
        if !fit || (is_single(kind, attr) && values.len() > 1) {
            let (attr, kind) = (attr.path().to_owned(), kind.name().to_owned());
            let misfit = SchemaError::Misfit {
                attr,
                id: ResourceId::from(id),
                kind,
            };
            return Err(StoreError::backend(misfit).into());
        }
    }
    Ok(())
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
        "INSERT INTO lookup_key (tenant, kind, attr, value, id, sole)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for key in keys {
        let sole = is_sole(attr);
        statement.execute(params![
            tenant,
            kind.name(),
            attr.path(),
            stored(key),
            id,
            sole
        ])?;
    }
    Ok(())
}

fn is_sole(attr: &Attr) -> bool {
    attr.definition().uniqueness != Uniqueness::None
}

fn not_unique(failure: Failure, kind: &ResourceType, attr: &Attr, id: &str) -> Failure {
    match &failure {
        Failure::Sqlite(error)
            if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) =>
        {
            let (attr, kind) = (attr.path().to_owned(), kind.name().to_owned());
            let id = ResourceId::from(id);
            StoreError::backend(SchemaError::NotUnique { attr, id, kind }).into()
        }
        _ => failure,
    }
}
