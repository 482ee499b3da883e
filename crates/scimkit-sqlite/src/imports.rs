//! The state of incomplete imports.

use rusqlite::Connection as Db;
use scimkit_sql::reference;
use scimkit_store::StoreError;

use crate::{
    error::Outcome,
    statement::{DIALECT, execute, exists, first},
};

/// An attempt to import a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attempt(i64);

/// Fails while an import of the tenant is incomplete.
///
/// Each read and write calls this in its transaction. It is one lookup in a table that is nearly always empty.
pub(crate) fn check_complete(db: &Db, tenant: &str) -> Outcome<()> {
    if is_there(db, tenant)? {
        Err(StoreError::Importing.into())
    } else {
        Ok(())
    }
}

pub(crate) fn is_there(db: &Db, tenant: &str) -> Outcome<bool> {
    exists(db, &reference::import(DIALECT, tenant))
}

/// Begins an import, or takes over an unfinished one.
pub(crate) fn begin(db: &Db, tenant: &str) -> Outcome<Attempt> {
    let attempt = first(db, &reference::begin_import(DIALECT, tenant), |row| {
        Ok(Attempt(row.get(0)?))
    })?;
    Ok(attempt.ok_or_else(|| StoreError::backend("an import has no attempt"))?)
}

/// Ends the attempt in progress, if there is one, but not the import.
pub(crate) fn supersede(db: &Db, tenant: &str) -> Outcome<()> {
    execute(db, &reference::supersede_import(DIALECT, tenant))
}

/// Returns whether this is still the current attempt.
pub(crate) fn is_current(db: &Db, tenant: &str, attempt: Attempt) -> Outcome<bool> {
    exists(db, &reference::import_attempt(DIALECT, tenant, attempt.0))
}

/// Returns whether the import has stored the tenant's entry, so that all connections and tokens of the tenant belong to
/// it.
pub(crate) fn has_entry(db: &Db, tenant: &str) -> Outcome<bool> {
    let statement = reference::import_has_entry(DIALECT, tenant);
    Ok(first(db, &statement, |row| Ok(row.get(0)?))?.unwrap_or(false))
}

/// Records that the import has stored the tenant's entry.
pub(crate) fn note_entry(db: &Db, tenant: &str) -> Outcome<()> {
    execute(db, &reference::set_import_has_entry(DIALECT, tenant, true))
}

/// Records that nothing is left of the previous import.
pub(crate) fn start_again(db: &Db, tenant: &str) -> Outcome<()> {
    execute(db, &reference::set_import_has_entry(DIALECT, tenant, false))
}

/// Makes the tenant visible.
pub(crate) fn end(db: &Db, tenant: &str) -> Outcome<()> {
    execute(db, &reference::end_import(DIALECT, tenant))
}
