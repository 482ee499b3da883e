//! The statements that rebuild the lookup keys of resources.

use super::{
    facts::{KeyDefinitions, State, restrict},
    operations::KeyRow,
    statement::{Builder, Parameter, Statement},
};
use crate::Dialect;

/// Selects one row or more if another live resource with a matching key definition has the key.
#[must_use]
pub fn other_holder<'a>(
    dialect: Dialect,
    tenant: &'a str,
    key: KeyRow<'a>,
    definitions: KeyDefinitions<'a>,
) -> Statement<'a> {
    let mut builder = Builder::new(dialect, tenant);
    builder.sql("SELECT 1 FROM lookup_key k");
    if !matches!(definitions, KeyDefinitions::Except([])) {
        builder.sql(" JOIN resource r ON r.tenant = k.tenant AND r.id = k.id");
    }
    builder.sql(" WHERE k.tenant = ").tenant();
    builder.sql(" AND k.kind = ").bind(key.kind);
    builder.sql(" AND k.attr = ").bind(key.attr);
    builder.sql(" AND k.value = ").bind(key.value);
    builder.sql(" AND k.id <> ").bind(key.id);
    restrict(&mut builder, definitions);
    builder.build()
}

/// Selects the ids and documents of resources with one key definition, after an id, in the order of their ids.
#[must_use]
pub fn documents_after<'a>(
    dialect: Dialect,
    (tenant, kind): (&'a str, &'a str),
    state: State,
    (definition, after): (&'a str, &'a str),
    limit: u32,
) -> Statement<'a> {
    let text = match state {
        State::Deleted => {
            "SELECT id, document FROM retired
             WHERE tenant = ?1 AND kind = ?2 AND keys = ?3 AND id > ?4 ORDER BY id LIMIT ?5"
        }
        State::Live => {
            "SELECT id, document FROM resource
             WHERE tenant = ?1 AND kind = ?2 AND keys = ?3 AND id > ?4 ORDER BY id LIMIT ?5"
        }
    };
    let [tenant, kind, definition, after] = [tenant, kind, definition, after].map(Parameter::from);
    let limit = Parameter::Integer(limit.into());
    Statement::fixed(dialect, text, [tenant, kind, definition, after, limit])
}

/// Records the definition of a resource's keys.
#[must_use]
pub fn set_key_definition<'a>(
    dialect: Dialect,
    tenant: &'a str,
    state: State,
    (id, definition): (&'a str, &'a str),
) -> Statement<'a> {
    let text = match state {
        State::Deleted => "UPDATE retired SET keys = ?3 WHERE tenant = ?1 AND id = ?2",
        State::Live => "UPDATE resource SET keys = ?3 WHERE tenant = ?1 AND id = ?2",
    };
    Statement::fixed(dialect, text, [tenant, id, definition].map(Parameter::from))
}

/// Updates the other columns that a live row derives from its document: the display name, and the text definition if
/// one is given.
#[must_use]
pub fn set_derived<'a>(
    dialect: Dialect,
    tenant: &'a str,
    id: &'a str,
    (display, shape): (Option<&'a str>, Option<&'a str>),
) -> Statement<'a> {
    let text = "UPDATE resource SET display = ?3, shape = coalesce(?4, shape)
         WHERE tenant = ?1 AND id = ?2";
    let parameters = [tenant.into(), id.into(), display.into(), shape.into()];
    Statement::fixed(dialect, text, parameters)
}
