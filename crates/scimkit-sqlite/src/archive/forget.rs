//! What was retired long ago, taken away some rows at a time.

use chrono::{DateTime, Utc};
use rusqlite::{Connection as Db, OptionalExtension, TransactionBehavior, params};
use scimkit_store::{StoreError, TenantId};

use super::{
    dump::is_kept,
    erase::{ROWS, blanks},
};
use crate::{error::Outcome, row::micros};

/// What a step came to.
#[derive(Debug)]
pub(super) struct Forgotten {
    pub(super) count: u64,
    /// The id up to which it looked; none when that was the last.
    pub(super) up_to: Option<String>,
}

/// What is done to the rows: all are overwritten before the first one is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// See [`erase::blank`](super::erase::blank).
    Blank,
    Delete,
}

/// Looks at the next rows of a tenant behind an id, and overwrites or deletes those that were retired
/// before a moment.
pub(super) fn some(
    db: &mut Db,
    tenant: &TenantId,
    step: Step,
    before: DateTime<Utc>,
    after: &str,
) -> Outcome<Forgotten> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if !is_kept(&transaction, tenant)? {
        return Err(StoreError::NotFound.into());
    }
    let up_to = last_of_step(&transaction, tenant.as_str(), after)?;
    let mut count = 0;
    if step == Step::Blank {
        let sql = format!(
            "UPDATE retired SET {}
             WHERE tenant = ?1 AND id > ?2 AND (?3 IS NULL OR id <= ?3) AND retired_us < ?4",
            blanks("retired")
        );
        let range = params![tenant.as_str(), after, up_to, micros(before)];
        transaction.prepare_cached(&sql)?.execute(range)?;
        transaction.commit()?;
        return Ok(Forgotten { count, up_to });
    }
    for (kind, id) in old(&transaction, tenant.as_str(), before, (after, &up_to))? {
        let keys = "DELETE FROM retired_key INDEXED BY retired_key_by_id
                    WHERE tenant = ?1 AND kind = ?2 AND id = ?3";
        let key = params![tenant.as_str(), kind, id];
        transaction.prepare_cached(keys)?.execute(key)?;
        let row = "DELETE FROM retired WHERE tenant = ?1 AND id = ?2";
        let key = params![tenant.as_str(), id];
        transaction.prepare_cached(row)?.execute(key)?;
        count += 1;
    }
    transaction.commit()?;
    Ok(Forgotten { count, up_to })
}

fn last_of_step(db: &Db, tenant: &str, after: &str) -> Outcome<Option<String>> {
    let sql = format!(
        "SELECT id FROM retired WHERE tenant = ?1 AND id > ?2 ORDER BY id LIMIT 1 OFFSET {}",
        ROWS - 1
    );
    let mut statement = db.prepare_cached(&sql)?;
    let found = statement.query_row([tenant, after], |row| row.get(0));
    Ok(found.optional()?)
}

/// Type and id of those between two ids that were retired before a moment.
fn old(
    db: &Db,
    tenant: &str,
    before: DateTime<Utc>,
    (after, up_to): (&str, &Option<String>),
) -> Outcome<Vec<(String, String)>> {
    let sql = "SELECT kind, id FROM retired
               WHERE tenant = ?1 AND id > ?2 AND (?3 IS NULL OR id <= ?3) AND retired_us < ?4
               ORDER BY id";
    let mut statement = db.prepare_cached(sql)?;
    let range = params![tenant, after, up_to, micros(before)];
    let rows = statement.query_map(range, |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
