//! The statements about the definitions of lookup keys and texts.

use super::{
    facts::State,
    statement::{Parameter, Statement},
};
use crate::Dialect;

/// Selects when a key definition of a type was last used, in seconds since 1970, and whether a text definition of the
/// type exists.
#[must_use]
pub fn key_definition_use<'a>(
    dialect: Dialect,
    kind: &'a str,
    (keys, texts): (&'a str, &'a str),
) -> Statement<'a> {
    let text = "SELECT used_s, EXISTS (SELECT 1 FROM text_definition t
             WHERE t.kind = ?1 AND t.fingerprint = ?3)
         FROM key_definition WHERE kind = ?1 AND fingerprint = ?2";
    Statement::fixed(dialect, text, [kind, keys, texts].map(Parameter::from))
}

/// Selects when each other key definition of a type was last used, in seconds since 1970.
#[must_use]
pub fn other_key_definition_uses<'a>(
    dialect: Dialect,
    kind: &'a str,
    fingerprint: &'a str,
) -> Statement<'a> {
    let text = "SELECT used_s FROM key_definition WHERE kind = ?1 AND fingerprint <> ?2";
    Statement::fixed(dialect, text, [kind, fingerprint].map(Parameter::from))
}

/// Selects the attributes of a key definition, one per line: one row if the definition is recorded.
#[must_use]
pub fn key_definition<'a>(dialect: Dialect, kind: &'a str, fingerprint: &'a str) -> Statement<'a> {
    let text = "SELECT attributes FROM key_definition WHERE kind = ?1 AND fingerprint = ?2";
    Statement::fixed(dialect, text, [kind, fingerprint].map(Parameter::from))
}

/// Selects the fingerprint that an older release recorded for the keys of a tenant's resources of a type.
#[must_use]
pub fn older_key_definition<'a>(dialect: Dialect, tenant: &'a str, kind: &'a str) -> Statement<'a> {
    let text = "SELECT fingerprint FROM keys_before WHERE tenant = ?1 AND kind = ?2";
    Statement::fixed(dialect, text, [tenant, kind].map(Parameter::from))
}

/// Selects the distinct key definitions that a tenant's resources of a type use. It takes one step along an index per
/// definition, however many rows use it.
#[must_use]
pub fn used_key_definitions<'a>(
    dialect: Dialect,
    (tenant, kind): (&'a str, &'a str),
    state: State,
) -> Statement<'a> {
    let text = match state {
        State::Deleted => {
            "WITH RECURSIVE present (name) AS (
                 SELECT min(keys) FROM retired WHERE tenant = ?1 AND kind = ?2
                 UNION ALL
                 SELECT (SELECT min(t.keys) FROM retired t
                         WHERE t.tenant = ?1 AND t.kind = ?2 AND t.keys > present.name)
                 FROM present WHERE present.name IS NOT NULL)
             SELECT name FROM present WHERE name IS NOT NULL"
        }
        State::Live => {
            "WITH RECURSIVE present (name) AS (
                 SELECT min(keys) FROM resource WHERE tenant = ?1 AND kind = ?2
                 UNION ALL
                 SELECT (SELECT min(t.keys) FROM resource t
                         WHERE t.tenant = ?1 AND t.kind = ?2 AND t.keys > present.name)
                 FROM present WHERE present.name IS NOT NULL)
             SELECT name FROM present WHERE name IS NOT NULL"
        }
    };
    Statement::fixed(dialect, text, [tenant, kind].map(Parameter::from))
}

/// Selects one row if any of a tenant's resources of a type uses a key definition other than this one. It takes two
/// steps along an index, however many rows there are.
#[must_use]
pub fn has_other_key_definitions<'a>(
    dialect: Dialect,
    (tenant, kind): (&'a str, &'a str),
    state: State,
    fingerprint: &'a str,
) -> Statement<'a> {
    let text = match state {
        State::Deleted => {
            "SELECT 1 WHERE EXISTS (SELECT 1 FROM retired t
                 WHERE t.tenant = ?1 AND t.kind = ?2 AND t.keys < ?3)
             OR EXISTS (SELECT 1 FROM retired t
                 WHERE t.tenant = ?1 AND t.kind = ?2 AND t.keys > ?3)"
        }
        State::Live => {
            "SELECT 1 WHERE EXISTS (SELECT 1 FROM resource t
                 WHERE t.tenant = ?1 AND t.kind = ?2 AND t.keys < ?3)
             OR EXISTS (SELECT 1 FROM resource t
                 WHERE t.tenant = ?1 AND t.kind = ?2 AND t.keys > ?3)"
        }
    };
    Statement::fixed(
        dialect,
        text,
        [tenant, kind, fingerprint].map(Parameter::from),
    )
}

/// Selects whether an import of a tenant is incomplete, and whether any of its live resources of a type uses a key
/// definition other than this one: always one row.
#[must_use]
pub fn import_and_other_key_definitions<'a>(
    dialect: Dialect,
    (tenant, kind): (&'a str, &'a str),
    fingerprint: &'a str,
) -> Statement<'a> {
    let text = "SELECT EXISTS (SELECT 1 FROM import i WHERE i.tenant = ?1),
             EXISTS (SELECT 1 FROM resource t
                 WHERE t.tenant = ?1 AND t.kind = ?2 AND t.keys < ?3)
             OR EXISTS (SELECT 1 FROM resource t
                 WHERE t.tenant = ?1 AND t.kind = ?2 AND t.keys > ?3)";
    Statement::fixed(
        dialect,
        text,
        [tenant, kind, fingerprint].map(Parameter::from),
    )
}

/// Records a use of a key definition.
#[must_use]
pub fn record_key_definition_use<'a>(
    dialect: Dialect,
    (kind, fingerprint): (&'a str, &'a str),
    used_s: i64,
) -> Statement<'a> {
    let text = "UPDATE key_definition SET used_s = ?3 WHERE kind = ?1 AND fingerprint = ?2";
    let parameters = [kind.into(), fingerprint.into(), used_s.into()];
    Statement::fixed(dialect, text, parameters)
}

/// Adds a key definition.
#[must_use]
pub fn insert_key_definition<'a>(
    dialect: Dialect,
    (kind, fingerprint): (&'a str, &'a str),
    attributes: &'a str,
    used_s: i64,
) -> Statement<'a> {
    let text = "INSERT INTO key_definition (kind, fingerprint, attributes, used_s)
         VALUES (?1, ?2, ?3, ?4)";
    let parameters = [
        kind.into(),
        fingerprint.into(),
        attributes.into(),
        used_s.into(),
    ];
    Statement::fixed(dialect, text, parameters)
}

/// Adds a key definition under the fingerprint of the whole schema, if an older release recorded that fingerprint for
/// any tenant.
#[must_use]
pub fn insert_older_key_definition<'a>(
    dialect: Dialect,
    (kind, schema): (&'a str, &'a str),
    attributes: &'a str,
) -> Statement<'a> {
    let text = "INSERT INTO key_definition (kind, fingerprint, attributes, used_s)
         SELECT DISTINCT kind, fingerprint, ?3, 0 FROM keys_before
         WHERE kind = ?1 AND fingerprint = ?2
         ON CONFLICT DO NOTHING";
    let parameters = [kind, schema, attributes].map(Parameter::from);
    Statement::fixed(dialect, text, parameters)
}

/// Selects the attributes that a text definition contains, one per line: one row if the definition is recorded.
#[must_use]
pub fn text_definition<'a>(dialect: Dialect, kind: &'a str, fingerprint: &'a str) -> Statement<'a> {
    let text = "SELECT attributes FROM text_definition WHERE kind = ?1 AND fingerprint = ?2";
    Statement::fixed(dialect, text, [kind, fingerprint].map(Parameter::from))
}

/// Adds a text definition.
#[must_use]
pub fn insert_text_definition<'a>(
    dialect: Dialect,
    (kind, fingerprint): (&'a str, &'a str),
    attributes: &'a str,
) -> Statement<'a> {
    let text = "INSERT INTO text_definition (kind, fingerprint, attributes) VALUES (?1, ?2, ?3)";
    let parameters = [kind, fingerprint, attributes].map(Parameter::from);
    Statement::fixed(dialect, text, parameters)
}
