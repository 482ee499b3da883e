//! The statements about incomplete imports.

use super::statement::{Parameter, Statement};
use crate::Dialect;

fn of_tenant<'a>(dialect: Dialect, tenant: &'a str, text: &'static str) -> Statement<'a> {
    Statement::fixed(dialect, text, [Parameter::from(tenant)])
}

/// Selects one row if an import of the tenant is incomplete.
#[must_use]
pub fn import(dialect: Dialect, tenant: &str) -> Statement<'_> {
    of_tenant(dialect, tenant, "SELECT 1 FROM import WHERE tenant = ?1")
}

/// Selects one row if the attempt with that number is the tenant's import in progress.
#[must_use]
pub fn import_attempt(dialect: Dialect, tenant: &str, attempt: i64) -> Statement<'_> {
    let text = "SELECT 1 FROM import WHERE tenant = ?1 AND attempt = ?2";
    let parameters = [Parameter::from(tenant), Parameter::from(attempt)];
    Statement::fixed(dialect, text, parameters)
}

/// Selects whether the tenant's import has stored the tenant's entry: 0 or 1, or no row without an import.
#[must_use]
pub fn import_has_entry(dialect: Dialect, tenant: &str) -> Statement<'_> {
    let text = "SELECT has_entry FROM import WHERE tenant = ?1";
    of_tenant(dialect, tenant, text)
}

/// Begins an import or takes it over, and returns the new attempt, a random number.
#[must_use]
pub fn begin_import(dialect: Dialect, tenant: &str) -> Statement<'_> {
    let text = match dialect {
        Dialect::Postgres => {
            "INSERT INTO import (tenant, attempt, has_entry)
             VALUES (?1, ('x' || substr(md5(gen_random_uuid()::text), 1, 16))::bit(64)::bigint, 0)
             ON CONFLICT (tenant) DO UPDATE SET attempt = excluded.attempt RETURNING attempt"
        }
        Dialect::Sqlite => {
            "INSERT INTO import (tenant, attempt, has_entry) VALUES (?1, random(), 0)
             ON CONFLICT (tenant) DO UPDATE SET attempt = excluded.attempt RETURNING attempt"
        }
    };
    of_tenant(dialect, tenant, text)
}

/// Ends the attempt in progress, if there is one. The import itself continues.
#[must_use]
pub fn supersede_import(dialect: Dialect, tenant: &str) -> Statement<'_> {
    let text = match dialect {
        Dialect::Postgres => {
            "UPDATE import SET attempt =
                 ('x' || substr(md5(gen_random_uuid()::text), 1, 16))::bit(64)::bigint
             WHERE tenant = ?1"
        }
        Dialect::Sqlite => "UPDATE import SET attempt = random() WHERE tenant = ?1",
    };
    of_tenant(dialect, tenant, text)
}

/// Records whether the import has stored the tenant's entry.
#[must_use]
pub fn set_import_has_entry(dialect: Dialect, tenant: &str, has_entry: bool) -> Statement<'_> {
    let text = "UPDATE import SET has_entry = ?2 WHERE tenant = ?1";
    let parameters = [Parameter::from(tenant), Parameter::from(has_entry)];
    Statement::fixed(dialect, text, parameters)
}

/// Ends the import, which makes the tenant visible.
#[must_use]
pub fn end_import(dialect: Dialect, tenant: &str) -> Statement<'_> {
    of_tenant(dialect, tenant, "DELETE FROM import WHERE tenant = ?1")
}
