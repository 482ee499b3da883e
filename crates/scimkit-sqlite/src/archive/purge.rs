//! Purges soft-deleted resources, some rows at a time.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rusqlite::{Connection as Db, TransactionBehavior};
use scimkit_sql::reference::{self, IdRange, State};
use scimkit_store::{StoreError, TenantId};

use super::{erase::last_id, export_records::is_kept};
use crate::{
    error::Outcome,
    journal,
    row::micros,
    statement::{DIALECT, all, execute, execute_all},
};

/// The outcome of a step.
#[derive(Debug)]
pub(super) struct Forgotten {
    pub(super) count: u64,
    /// The last id that was examined; `None` at the end.
    pub(super) up_to: Option<String>,
}

/// The steps of a purge. All rows are overwritten before the first one is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// See [`erase::blank`](super::erase::blank).
    Blank,
    Delete,
}

/// Examines a tenant's next soft-deleted rows after an id, and overwrites or removes those that were deleted before a
/// moment.
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
    let up_to = last_id(&transaction, State::Deleted, tenant.as_str(), after)?;
    let tenant = tenant.as_str();
    let before = micros(before);
    let range = IdRange {
        after,
        up_to: up_to.as_deref(),
    };
    let count = match step {
        Step::Blank => {
            let before = Some(before);
            let statement = reference::blank_rows(DIALECT, tenant, State::Deleted, range, before);
            execute(&transaction, &statement)?;
            0
        }
        Step::Delete => delete(&transaction, tenant, range, before)?,
    };
    transaction.commit()?;
    Ok(Forgotten { count, up_to })
}

/// Removes the rows of a range that were deleted before a moment, with their keys, and returns their number.
fn delete(db: &Db, tenant: &str, range: IdRange<'_>, before: i64) -> Outcome<u64> {
    let statement = reference::deleted_before(DIALECT, tenant, range, before);
    let old: Vec<(String, String)> = all(db, &statement, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut kinds: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (kind, id) in &old {
        journal::blank_entries_of(db, tenant, (kind, id))?;
        kinds.entry(kind).or_default().push(id);
    }
    for (kind, ids) in kinds {
        let keys = reference::remove_all_keys(DIALECT, (tenant, kind), State::Deleted, &ids);
        execute_all(db, keys)?;
        let rows = reference::remove_rows(DIALECT, tenant, State::Deleted, &ids);
        execute_all(db, rows)?;
    }
    Ok(old.len() as u64)
}
