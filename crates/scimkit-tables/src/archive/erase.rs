//! Removal of a tenant.

use scimkit_sql::{
    reference::{self, TenantTable},
    tables::{self, RowStart},
};
use scimkit_store::{
    StoreError, TenantId,
    archive::Erased,
    engine::{FoundRow, Operations, RowRef, RowsError},
    rows::TransactionMode,
};

use crate::{Driver, TableStore, Transaction, transaction::TableTransaction};

/// The side tables with rows of tenants.
const SIDE: [TenantTable; 12] = [
    TenantTable::TOKENS,
    TenantTable::CONNECTIONS,
    TenantTable::EDGES,
    TenantTable::RESOURCES,
    TenantTable::DELETED,
    TenantTable::JOURNAL,
    TenantTable::CONSUMERS,
    TenantTable::DEAD_LETTERS,
    TenantTable::KEY_VALUES,
    TenantTable::COUNTERS,
    TenantTable::TENANTS,
    TenantTable::IMPORTS,
];

/// The side tables with rows about resources.
const RESOURCES: [TenantTable; 2] = [TenantTable::EDGES, TenantTable::RESOURCES];

/// Removes all data of a tenant in one transaction.
pub(super) async fn erase<D: Driver>(
    store: &TableStore<D>,
    tenant: &TenantId,
) -> Result<Erased, StoreError> {
    let mut side = store.side(TransactionMode::Write).await?;
    let dialect = side.dialect;
    side.lock(tenant.as_str()).await?;
    let import = reference::import(dialect, tenant.as_str());
    let rows_of = |table| reference::has_rows(dialect, tenant.as_str(), table);
    let has_entries = side.is_known(tenant.as_str()).await?
        || side.exists(import).await?
        || side.exists(rows_of(TenantTable::DEAD_LETTERS)).await?
        || side.exists(rows_of(TenantTable::KEY_VALUES)).await?;
    let context = store.own_context(tenant);
    let mut rows = store.tables().rows_of(&context, side.transaction);
    rows.is_complete = true;
    let has_resources = rows.has_resources().await?;
    remove_rows(&mut rows).await.map_err(|error| match error {
        RowsError::Rejected(rejection) => {
            let id = rejection.id();
            StoreError::backend(format!("`{id}` can't be removed: {rejection}"))
        }
        other => other.into(),
    })?;
    rows.clear(&SIDE).await?;
    rows.transaction.commit().await?;
    if has_entries || has_resources {
        Ok(Erased::All)
    } else {
        Ok(Erased::Nothing)
    }
}

/// Removes the rows of the application with their memberships.
async fn remove_rows<T: Transaction>(rows: &mut TableTransaction<'_, T>) -> Result<(), RowsError> {
    for table in rows.own_tables() {
        let mut start = RowStart::Index(0);
        loop {
            let found = rows.piece(&table, &start).await?;
            let Some(last) = found.last() else { break };
            start = RowStart::After(None, last.head.id.to_string());
            let row = |row: FoundRow| RowRef {
                id: row.head.id,
                kind: row.head.kind,
                state: row.head.state,
            };
            let removed_rows: Vec<_> = found.into_iter().map(row).collect();
            let operations = Operations {
                removed_ends: removed_rows.clone(),
                removed_rows,
                ..Operations::default()
            };
            rows.apply_now(&operations).await?;
        }
    }
    Ok(())
}

impl<T: Transaction> TableTransaction<'_, T> {
    /// Removes the rows of the tenant from side tables.
    async fn clear(&mut self, side: &[TenantTable]) -> Result<(), RowsError> {
        let (dialect, tenant) = (self.dialect, self.tenant());
        let remove = |table: &TenantTable| {
            tables::shared(reference::remove_up_to(dialect, tenant, *table, None))
        };
        self.run(side.iter().map(remove).collect()).await?;
        Ok(())
    }

    /// Removes what the side tables have of rows that the application has removed.
    pub(super) async fn clear_stale(&mut self) -> Result<(), RowsError> {
        self.clear(&RESOURCES).await
    }
}
