//! The state of a tenant whose import is not complete.

use rusqlite::{Connection as Db, OptionalExtension, params};
use scimkit_store::StoreError;

use crate::error::Outcome;

/// An import that was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attempt(i64);

/// Fails while an import of the tenant is not complete.
///
/// It is asked inside the transaction of each read and write: one lookup in a table that is nearly
/// always empty.
pub(crate) fn check_complete(db: &Db, tenant: &str) -> Outcome<()> {
    match is_there(db, tenant)? {
        true => Err(StoreError::Importing.into()),
        false => Ok(()),
    }
}

pub(crate) fn is_there(db: &Db, tenant: &str) -> Outcome<bool> {
    let mut statement = db.prepare_cached("SELECT 1 FROM import WHERE tenant = ?1")?;
    Ok(statement.exists([tenant])?)
}

/// Begins an import, or takes over what one has left.
pub(crate) fn begin(db: &Db, tenant: &str) -> Outcome<Attempt> {
    let sql = "INSERT INTO import (tenant, attempt, has_entry) VALUES (?1, random(), 0)
               ON CONFLICT (tenant) DO UPDATE SET attempt = excluded.attempt RETURNING attempt";
    let mut statement = db.prepare_cached(sql)?;
    Ok(Attempt(statement.query_row([tenant], |row| row.get(0))?))
}

/// Ends the import in progress, if there is one; its state stays.
pub(crate) fn supersede(db: &Db, tenant: &str) -> Outcome<()> {
    let sql = "UPDATE import SET attempt = random() WHERE tenant = ?1";
    db.prepare_cached(sql)?.execute([tenant])?;
    Ok(())
}

/// Whether it is still that import's turn.
pub(crate) fn is_current(db: &Db, tenant: &str, attempt: Attempt) -> Outcome<bool> {
    let sql = "SELECT 1 FROM import WHERE tenant = ?1 AND attempt = ?2";
    let mut statement = db.prepare_cached(sql)?;
    Ok(statement.exists(params![tenant, attempt.0])?)
}

/// Whether the import has brought the tenant's entry, and so every connection and token of the tenant.
pub(crate) fn has_entry(db: &Db, tenant: &str) -> Outcome<bool> {
    let sql = "SELECT has_entry FROM import WHERE tenant = ?1";
    let mut statement = db.prepare_cached(sql)?;
    let found = statement.query_row([tenant], |row| row.get(0)).optional()?;
    Ok(found.unwrap_or(false))
}

pub(crate) fn note_entry(db: &Db, tenant: &str) -> Outcome<()> {
    let sql = "UPDATE import SET has_entry = 1 WHERE tenant = ?1";
    db.prepare_cached(sql)?.execute([tenant])?;
    Ok(())
}

/// Notes that nothing is left of the import before.
pub(crate) fn start_again(db: &Db, tenant: &str) -> Outcome<()> {
    let sql = "UPDATE import SET has_entry = 0 WHERE tenant = ?1";
    db.prepare_cached(sql)?.execute([tenant])?;
    Ok(())
}

/// Makes the tenant visible.
pub(crate) fn end(db: &Db, tenant: &str) -> Outcome<()> {
    let sql = "DELETE FROM import WHERE tenant = ?1";
    db.prepare_cached(sql)?.execute([tenant])?;
    Ok(())
}
