//! The state of a tenant whose import is not complete.

use rusqlite::Connection as Db;
use scimkit_sql::reference;
use scimkit_store::StoreError;

use crate::{
    error::Outcome,
    statement::{DIALECT, execute, exists, first},
};

/// An import that was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attempt(i64);

/// Fails while an import of the tenant is not complete.
///
/// It is checked inside the transaction of each read and write: one lookup in a table that is nearly
/// always empty.
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

/// Begins an import, or takes over what one has left.
pub(crate) fn begin(db: &Db, tenant: &str) -> Outcome<Attempt> {
    let attempt = first(db, &reference::begin_import(DIALECT, tenant), |row| {
        Ok(Attempt(row.get(0)?))
    })?;
    Ok(attempt.ok_or_else(|| StoreError::backend("an import has no attempt"))?)
}

/// Ends the import in progress, if there is one; its state stays.
pub(crate) fn supersede(db: &Db, tenant: &str) -> Outcome<()> {
    execute(db, &reference::supersede_import(DIALECT, tenant))
}

/// Whether it is still that import's turn.
pub(crate) fn is_current(db: &Db, tenant: &str, attempt: Attempt) -> Outcome<bool> {
    exists(db, &reference::import_attempt(DIALECT, tenant, attempt.0))
}

/// Whether the import has brought the tenant's entry, and so every connection and token of the tenant.
pub(crate) fn has_entry(db: &Db, tenant: &str) -> Outcome<bool> {
    let statement = reference::import_has_entry(DIALECT, tenant);
    Ok(first(db, &statement, |row| Ok(row.get(0)?))?.unwrap_or(false))
}

/// Records that the import has stored the tenant's entry.
pub(crate) fn note_entry(db: &Db, tenant: &str) -> Outcome<()> {
    execute(db, &reference::set_import_has_entry(DIALECT, tenant, true))
}

/// Records that nothing is left of the import before.
pub(crate) fn start_again(db: &Db, tenant: &str) -> Outcome<()> {
    execute(db, &reference::set_import_has_entry(DIALECT, tenant, false))
}

/// Makes the tenant visible.
pub(crate) fn end(db: &Db, tenant: &str) -> Outcome<()> {
    execute(db, &reference::end_import(DIALECT, tenant))
}
