//! Export, import, purge and erasure of a tenant's data.

mod erase;
mod export;
mod import;
mod purge;

use chrono::{DateTime, Utc};
use futures_util::stream::try_unfold;
use scimkit_registry::ResourceType;
use scimkit_sql::{
    reference,
    tables::{self, RowOwner, RowStart},
};
use scimkit_store::{
    Archive, BoxFuture, RequestContext, StoreError, TenantId,
    archive::{ArchiveError, Erased, RecordSource, RecordStream},
    engine::{FoundRow, RowsError},
};

use self::export::Export;
use crate::{
    Driver, TableStore, Transaction,
    side_tables::SideTables,
    transaction::{OwnTable, PIECE, TableTransaction},
};

/// The data of a tenant are the rows of the application's tables, and what the side tables have of it.
///
/// - An export holds a connection of the driver until it ends, so a driver with a single connection serves nothing else
///   meanwhile. Rows that the application has added or changed since their last change through SCIM get the number after
///   that of the tenant's last change as their version. Members in a table of the application have the type `User`, whether
///   or not the client has sent it.
/// - An import is one transaction, so that the application never sees a part of a tenant. Until then, the records are in
///   memory. It fails with the line of the first resource whose type has no table, whose identifiers the database
///   makes, or whose row the database rejects. Values that the mapping does not give back are lost, as with a create.
/// - Erasing a tenant deletes its rows from the application's tables: all rows of a table without a column for the tenant.
///   It fails, and deletes nothing, if other tables of the application refer to one of these rows. What the database
///   leaves of deleted rows in its files is up to the application.
impl<D: Driver> Archive for TableStore<D> {
    fn export_records<'a>(&'a self, tenant: &'a TenantId) -> RecordStream<'a> {
        let export = Export::new(self, tenant);
        Box::pin(try_unfold(export, |mut export| async {
            let next = export.next().await?;
            Ok(next.map(|record| (record, export)))
        }))
    }

    fn erase_tenant<'a>(
        &'a self,
        tenant: &'a TenantId,
    ) -> BoxFuture<'a, Result<Erased, StoreError>> {
        Box::pin(erase::erase(self, tenant))
    }

    fn purge_deleted<'a>(
        &'a self,
        tenant: &'a TenantId,
        before: DateTime<Utc>,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(purge::purge(self, tenant, before))
    }

    fn import_records<'a>(
        &'a self,
        context: &'a RequestContext,
        source: RecordSource<'a>,
    ) -> BoxFuture<'a, Result<(), ArchiveError>> {
        Box::pin(import::import(self, context, source))
    }
}

impl<T: Transaction> SideTables<T> {
    /// Returns whether there are entries or numbers of a tenant.
    async fn is_known(&mut self, tenant: &str) -> Result<bool, StoreError> {
        let dialect = self.dialect;
        // A lock leaves a row without a change.
        let version = self.integer(reference::version(dialect, tenant)).await?;
        Ok(version.is_some_and(|version| version > 0)
            || self.exists(reference::tenant(dialect, tenant)).await?)
    }
}

impl<'a, T: Transaction> TableTransaction<'a, T> {
    /// The tables that can have rows of the tenant.
    fn own_tables(&self) -> Vec<OwnTable<'a>> {
        let tables = self.tables.iter();
        let own = tables.filter_map(|one| Some((one.table, one.tenant.clone()?)));
        own.collect()
    }

    /// The next rows of a table in the order of their ids: fewer than [`PIECE`] at the end.
    async fn piece(
        &mut self,
        (table, tenant): &OwnTable<'a>,
        start: &RowStart,
    ) -> Result<Vec<FoundRow>, RowsError> {
        let kind: &ResourceType = table.sql.kind();
        let all = (None, RowOwner::Any);
        let page = table.sql.page(tenant, all, (kind, None), (start, PIECE));
        let rows = self.run(vec![page]).await?.into_iter().flatten();
        Ok(rows
            .map(|row| table.found(row, self.context))
            .collect::<Result<_, _>>()?)
    }

    /// Returns whether there are live resources of the tenant, or soft-deleted ones.
    async fn has_resources(&mut self) -> Result<bool, RowsError> {
        let mut statements = Vec::new();
        for (table, tenant) in self.own_tables() {
            let kind = table.sql.kind();
            let all = (None, RowOwner::Any);
            let start = RowStart::Index(0);
            statements.push(table.sql.page(&tenant, all, (kind, None), (&start, 1)));
            let first = ("", 1);
            statements.push(tables::retired_after(
                self.dialect,
                tenant.id(),
                kind.name(),
                first,
            ));
        }
        let results = self.run(statements).await?;
        Ok(results.iter().any(|rows| !rows.is_empty()))
    }
}
