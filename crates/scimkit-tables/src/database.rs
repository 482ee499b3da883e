//! Tables as a database of rows.

use std::{fmt, sync::Arc};

use scimkit_registry::{AttributeRole, Edge, ResourceId, ResourceType};
use scimkit_sql::tables::{JoinNames, JoinTable, KeyType};
use scimkit_store::{
    Capabilities, EdgeQuery, Page, Query, ReadOptions, RequestContext, StoreError, StoredResource,
    TenantId,
    engine::RowsError,
    rows::{RowDatabase, SimpleRows, TransactionMode},
};

use crate::{
    Driver, TableError,
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

    /// Checks that no two tables can have the same identifiers.
    pub(crate) fn check_ids(&self) -> Result<(), TableError> {
        for (at, table) in self.tables.iter().enumerate() {
            let names = table.sql.names();
            let is_same = |other: &&BoundTable| {
                let other = other.sql.names();
                let is_integer = names.id.key_type == KeyType::Integer;
                is_integer
                    && other.id.key_type == names.id.key_type
                    && other.id_prefix == names.id_prefix
            };
            if let Some(other) = self.tables.iter().take(at).find(is_same) {
                let other = &other.sql.names().table;
                return Err(TableError::Table {
                    problem: format!(
                        "its identifiers can be those of `{other}`: add `with_id_prefix`"
                    ),
                    table: names.table.clone(),
                });
            }
        }
        Ok(())
    }

    /// Binds the tables of memberships, each by the number of the table of its owners.
    pub(crate) fn join(&mut self, names: Vec<Option<JoinNames>>) -> Result<(), TableError> {
        let users = self
            .tables
            .iter()
            .find(|table| table.sql.kind().name() == "User");
        let users = users.map(|table| table.sql.clone());
        let dialect = self.driver.dialect();
        for (table, names) in self.tables.iter_mut().zip(names) {
            let Some(names) = names else { continue };
            let named = |problem: &str| TableError::Table {
                problem: problem.to_owned(),
                table: names.table.clone(),
            };
            let users = users
                .as_ref()
                .ok_or_else(|| named("the users have no table"))?;
            let attrs = table.sql.kind().attributes().iter();
            let mut attrs = attrs.filter(|attr| attr.parent().is_none());
            let attr = attrs.find(|attr| attr.role() == AttributeRole::Membership);
            let attr = attr.ok_or_else(|| named("the resources have no members"))?;
            let owner = (&table.sql, attr.path());
            table.members = Some(JoinTable::new(dialect, names.clone(), owner, users));
        }
        Ok(())
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
        support.caller_assigned_ids = table.is_some_and(|table| !table.makes_ids);
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
