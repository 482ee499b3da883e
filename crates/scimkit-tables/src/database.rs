//! Tables as a database of rows.

use std::{fmt, sync::Arc};

use scimkit_registry::{Attr, AttributeRole, Edge, ResourceId, ResourceType};
use scimkit_sql::tables::{JoinNames, JoinTable};
use scimkit_store::{
    Capabilities, EdgeQuery, Page, Query, ReadOptions, RequestContext, StoreError, StoredResource,
    TenantId,
    engine::RowsError,
    rows::{RowDatabase, SimpleRows, TransactionMode},
};

use crate::{
    Driver,
    own_statements::{OwnStatements, WriteRows},
    rows::TableRows,
    table::BoundTable,
    transaction::{TableTransaction, TenantTable},
};

/// The application's tables.
pub(crate) struct Tables<D> {
    pub(crate) driver: D,
    /// The statements of the application in each transaction that writes.
    pub(crate) own: Option<OwnStatements>,
    /// The tenant of tables without a column for it.
    pub(crate) single: TenantId,
    pub(crate) tables: Vec<BoundTable>,
}

impl<D: Driver> Tables<D> {
    /// The rows of a tenant inside an open transaction.
    pub(crate) fn rows_of<'a>(
        &'a self,
        context: &'a RequestContext,
        transaction: D::Transaction,
    ) -> TableTransaction<'a, D::Transaction> {
        let tenant = |table: &BoundTable| {
            let tenant = table
                .sql
                .tenant(context.tenant.as_str(), self.single.as_str());
            tenant.map(Arc::new)
        };
        let tables = self.tables.iter().map(|table| TenantTable {
            table,
            tenant: tenant(table),
        });
        let tables = tables.collect();
        TableTransaction::new(transaction, self.driver.dialect(), context, tables)
    }

    /// The rows of a tenant inside an open transaction that writes.
    pub(crate) fn write_rows<'a>(
        &'a self,
        context: &'a RequestContext,
        transaction: D::Transaction,
    ) -> WriteRows<'a, D::Transaction> {
        let rows = TableRows::new(self.rows_of(context, transaction));
        WriteRows::new(context, rows, self.own.as_ref())
    }

    pub(crate) async fn read_rows<'a>(
        &'a self,
        context: &'a RequestContext,
    ) -> Result<SimpleRows<'a, TableTransaction<'a, D::Transaction>>, StoreError> {
        let transaction = self.driver.begin(TransactionMode::Read).await?;
        let transaction = self.rows_of(context, transaction);
        Ok(SimpleRows::new(context, transaction))
    }

    /// Binds the tables of memberships.
    pub(crate) fn join(&mut self) {
        let is_users = |table: &&BoundTable| table.sql.kind().name() == "User";
        let Some(users) = self.tables.iter().find(is_users) else {
            return;
        };
        let users = users.sql.clone();
        let dialect = self.driver.dialect();
        for table in &mut self.tables {
            let mut attrs = table.sql.kind().attributes().iter();
            let is_membership =
                |attr: &&Attr| attr.parent().is_none() && attr.role() == AttributeRole::Membership;
            let attr = attrs.find(is_membership);
            if let (Some(attr), Some(members)) = (attr, &table.sql.table().members) {
                let names = JoinNames {
                    member: members.user.clone(),
                    owner: members.group.clone(),
                    table: members.table.clone(),
                };
                let owner = (&table.sql, attr.path());
                table.members = Some(JoinTable::new(dialect, names, owner, &users));
            }
        }
    }

    /// The table that has the resources of a type and tenant.
    pub(crate) fn table_of(&self, kind: &str, tenant: &TenantId) -> Option<&BoundTable> {
        let is_own = |table: &&BoundTable| {
            let own = table.sql.tenant(tenant.as_str(), self.single.as_str());
            table.sql.kind().name() == kind && own.is_some()
        };
        self.tables.iter().find(is_own)
    }

    fn table(&self, kind: &ResourceType) -> Option<&BoundTable> {
        let mut tables = self.tables.iter();
        tables.find(|table| table.sql.kind().name() == kind.name())
    }
}

impl<D: Driver> RowDatabase for Tables<D> {
    type Transaction<'a> = WriteRows<'a, D::Transaction>;

    async fn begin<'a>(
        &'a self,
        context: &'a RequestContext,
    ) -> Result<Self::Transaction<'a>, RowsError> {
        let transaction = self.driver.begin(TransactionMode::Write).await?;
        Ok(self.write_rows(context, transaction))
    }

    async fn edges(
        &self,
        context: &RequestContext,
        query: &EdgeQuery,
    ) -> Result<Vec<Vec<Edge>>, StoreError> {
        let mut rows = self.read_rows(context).await?;
        Ok(rows.edges_of_owners(query).await?)
    }

    async fn query(&self, context: &RequestContext, query: &Query) -> Result<Page, StoreError> {
        let mut rows = self.read_rows(context).await?;
        Ok(crate::list::page(&mut rows, context, query).await?)
    }

    async fn read(
        &self,
        context: &RequestContext,
        kind: &Arc<ResourceType>,
        id: &ResourceId,
        want: &ReadOptions,
    ) -> Result<StoredResource, StoreError> {
        let mut rows = self.read_rows(context).await?;
        rows.transaction_mut().only = Some(Arc::clone(kind));
        rows.read(kind, id, want).await
    }

    fn support(&self, kind: &ResourceType) -> Capabilities {
        let table = self.table(kind);
        let has_table = table.is_some();
        let mut support = Capabilities::full();
        support.capacities = has_table;
        support.existing_matches = has_table;
        support.cursor = has_table;
        support.filter = has_table;
        support.journal = true;
        support.owners = has_table;
        support.soft_delete = has_table;
        support.sort = has_table;
        support.written_edges = has_table;
        support.caller_assigned_ids = table.is_some_and(|table| !table.makes_ids());
        support
    }
}

impl<D: fmt::Debug> fmt::Debug for Tables<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tables")
            .field("driver", &self.driver)
            .finish_non_exhaustive()
    }
}
