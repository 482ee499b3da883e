//! Removal of soft-deleted resources.

use chrono::{DateTime, Utc};
use scimkit_sql::{
    reference::{self, IdRange, State},
    tables,
};
use scimkit_store::{StoreError, TenantId};

use crate::{
    Driver, TableStore, Transaction,
    side_tables::{Columns, SideTables},
};

/// The maximum number of resources that one transaction removes.
const ROWS: u32 = 1_000;

/// Removes the resources that were soft-deleted before a moment, and returns their number.
pub(super) async fn purge<D: Driver>(
    store: &TableStore<D>,
    tenant: &TenantId,
    before: DateTime<Utc>,
) -> Result<u64, StoreError> {
    let of = tenant.as_str();
    let before = reference::micros(before);
    {
        // This transaction ends before the next one begins, because a driver may have a single connection.
        let mut side = store.side_of(of).await?;
        if !side.is_known(of).await? {
            let context = store.own_context(tenant);
            let mut rows = store.tables().rows_of(&context, side.transaction);
            if !rows.has_resources().await? {
                return Err(StoreError::NotFound);
            }
        }
    }
    let mut purged: u64 = 0;
    let mut after = Some(String::new());
    while let Some(from) = after {
        let mut side = store.side_locked(of).await?;
        let (count, next) = side.purge_some(of, before, &from).await?;
        side.transaction.commit().await?;
        purged = purged.saturating_add(count);
        after = next;
    }
    let mut after = Some(0);
    while let Some(from) = after {
        let mut side = store.side_locked(of).await?;
        after = side.blank_deleted(of, before, from).await?;
        side.transaction.commit().await?;
    }
    Ok(purged)
}

impl<T: Transaction> SideTables<T> {
    /// Examines the next soft-deleted resources after an id. Returns the number of removed ones, and the last id that was
    /// examined; none at the end.
    async fn purge_some(
        &mut self,
        tenant: &str,
        before: i64,
        after: &str,
    ) -> Result<(u64, Option<String>), StoreError> {
        let dialect = self.dialect;
        let last = reference::last_id(dialect, tenant, State::Deleted, after, ROWS);
        let last = self.first(last).await?;
        let up_to = last.map(|row| Columns::new(row).text()).transpose()?;
        let range = IdRange {
            after,
            up_to: up_to.as_deref(),
        };
        let old = reference::deleted_before(dialect, tenant, range, before);
        let mut ids = Vec::new();
        let mut statements = Vec::new();
        for row in self.rows(old).await? {
            let mut columns = Columns::new(row);
            let (kind, id) = (columns.text()?, columns.text()?);
            let blank = reference::blank_entries_of(dialect, tenant, (&kind, &id));
            statements.push(tables::shared(blank));
            ids.push(id);
        }
        let removed: Vec<_> = ids.iter().map(String::as_str).collect();
        let remove = reference::remove_rows(dialect, tenant, State::Deleted, &removed);
        statements.extend(remove.into_iter().map(tables::shared));
        if !statements.is_empty() {
            self.transaction.run(statements).await?;
        }
        Ok((ids.len() as u64, up_to))
    }

    /// Blanks the entries of resources that were permanently deleted before a moment, for the next deletes after a number.
    /// Returns the number from which to continue.
    async fn blank_deleted(
        &mut self,
        tenant: &str,
        before: i64,
        after: i64,
    ) -> Result<Option<i64>, StoreError> {
        let range = (after, i64::from(ROWS));
        let deleted = reference::deleted_subjects(self.dialect, tenant, before, range);
        let deleted = self.rows(deleted).await?;
        let is_last = (deleted.len() as u64) < u64::from(ROWS);
        let (mut last, mut statements) = (None, Vec::new());
        for row in deleted {
            let mut columns = Columns::new(row);
            let (kind, id) = (columns.text()?, columns.text()?);
            let blank = reference::blank_entries_of(self.dialect, tenant, (&kind, &id));
            statements.push(tables::shared(blank));
            last = Some(columns.integer()?);
        }
        if !statements.is_empty() {
            self.transaction.run(statements).await?;
        }
        Ok(last.filter(|_| !is_last))
    }
}
