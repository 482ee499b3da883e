//! The values of components above a store.

use crate::{
    Dialect,
    reference::{Parameter, Statement},
};

/// The first character after those that keys contain.
const AFTER_ALL: char = '\u{10ffff}';

/// Creates or replaces a value.
#[must_use]
pub fn put_key_value<'a>(
    dialect: Dialect,
    (tenant, collection, key): (&'a str, &'a str, &'a str),
    value: &'a str,
) -> Statement<'a> {
    let text = "INSERT INTO key_value (tenant, collection, key, value) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (tenant, collection, key) DO UPDATE SET value = excluded.value";
    let parameters = [tenant.into(), collection.into(), key.into(), value.into()];
    Statement::fixed(dialect, text, parameters)
}

/// Removes a value.
#[must_use]
pub fn remove_key_value<'a>(
    dialect: Dialect,
    (tenant, collection, key): (&'a str, &'a str, &'a str),
) -> Statement<'a> {
    let text = "DELETE FROM key_value WHERE tenant = ?1 AND collection = ?2 AND key = ?3";
    Statement::fixed(
        dialect,
        text,
        [tenant.into(), collection.into(), key.into()],
    )
}

/// Selects a value.
#[must_use]
pub fn key_value<'a>(
    dialect: Dialect,
    (tenant, collection, key): (&'a str, &'a str, &'a str),
) -> Statement<'a> {
    let text = "SELECT value FROM key_value WHERE tenant = ?1 AND collection = ?2 AND key = ?3";
    Statement::fixed(
        dialect,
        text,
        [tenant.into(), collection.into(), key.into()],
    )
}

/// Selects the keys and values of a collection whose keys start with a prefix and come after a key.
#[must_use]
pub fn key_values<'a>(
    dialect: Dialect,
    (tenant, collection): (&'a str, &'a str),
    (prefix, after): (&'a str, &'a str),
    limit: i64,
) -> Statement<'a> {
    let text = "SELECT key, value FROM key_value
         WHERE tenant = ?1 AND collection = ?2 AND key >= ?3 AND key < ?4 AND key > ?5
         ORDER BY key LIMIT ?6";
    let mut end = prefix.to_owned();
    end.push(AFTER_ALL);
    let parameters = [
        tenant.into(),
        collection.into(),
        prefix.into(),
        Parameter::Text(end.into()),
        after.into(),
        limit.into(),
    ];
    Statement::fixed(dialect, text, parameters)
}
