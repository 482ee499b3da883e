//! An open transaction on the rows of one tenant.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use scimkit_registry::{ResourceId, ResourceType};
use scimkit_sql::{
    Dialect, reference,
    tables::{self, SqlStatement, SqlValue, TableTenant},
};
use scimkit_store::{
    RequestContext, StoreError,
    engine::{FoundRow, RowsError},
};

use crate::{
    SqlRow, Transaction,
    documents::{damaged, integer, text},
    table::BoundTable,
};

/// The maximum number of values in a list of a statement.
pub(crate) const LIST: usize = 200;
/// The rows that are read at once where documents are evaluated.
pub(crate) const PIECE: u64 = 256;

/// An open transaction on the rows of one tenant.
pub(crate) struct TableTransaction<'a, T> {
    pub(crate) dialect: Dialect,
    pub(crate) context: &'a RequestContext,
    /// Whether it is known that no import of the tenant is incomplete.
    pub(crate) is_complete: bool,
    /// The type whose live rows are the only ones that the next look-up by ids is about.
    pub(crate) only: Option<Arc<ResourceType>>,
    /// The statements that run before the next ones.
    queue: Vec<SqlStatement>,
    /// The results of those that ran before others.
    queue_results: Vec<Vec<SqlRow>>,
    /// The live rows that were found, and none for ids without one.
    pub(crate) seen: HashMap<ResourceId, Option<FoundRow>>,
    pub(crate) tables: Vec<TenantTable<'a>>,
    pub(crate) transaction: T,
    /// The rows that were written.
    pub(crate) written: BTreeMap<ResourceId, &'a BoundTable>,
}

/// A table, for one tenant.
pub(crate) struct TenantTable<'a> {
    pub(crate) table: &'a BoundTable,
    /// None if the table has no rows of the tenant.
    pub(crate) tenant: Option<Arc<TableTenant>>,
}

/// A table with rows of the tenant.
pub(crate) type OwnTable<'a> = (&'a BoundTable, Arc<TableTenant>);

impl<'a, T: Transaction> TableTransaction<'a, T> {
    pub(crate) fn new(
        transaction: T,
        dialect: Dialect,
        context: &'a RequestContext,
        tables: Vec<TenantTable<'a>>,
    ) -> Self {
        TableTransaction {
            dialect,
            context,
            is_complete: false,
            only: None,
            queue: Vec::new(),
            queue_results: Vec::new(),
            seen: HashMap::new(),
            tables,
            transaction,
            written: BTreeMap::new(),
        }
    }

    /// The id of the tenant.
    pub(crate) fn tenant(&self) -> &'a str {
        self.context.tenant.as_str()
    }

    /// Adds statements that run before the next ones, in the same call.
    pub(crate) fn queue(&mut self, statements: impl IntoIterator<Item = SqlStatement>) {
        self.queue.extend(statements);
    }

    /// The results of the queue, which runs now if no other statements have run since.
    pub(crate) async fn queue_results(&mut self) -> Result<Vec<Vec<SqlRow>>, RowsError> {
        self.run(Vec::new()).await?;
        Ok(std::mem::take(&mut self.queue_results))
    }

    /// Runs statements that no row of the application can make fail. The first ones fail while an import of the tenant is
    /// incomplete.
    pub(crate) async fn run(
        &mut self,
        statements: Vec<SqlStatement>,
    ) -> Result<Vec<Vec<SqlRow>>, RowsError> {
        let mut all = std::mem::take(&mut self.queue);
        let queued = all.len();
        all.extend(statements);
        if all.is_empty() {
            return Ok(Vec::new());
        }
        let was_complete = self.is_complete;
        if !was_complete {
            // After the others, which may take the lock of the tenant.
            let import = reference::import(self.dialect, self.tenant());
            all.push(tables::shared(import));
        }
        let mut results = self.transaction.run(all).await?;
        if !was_complete && results.pop().is_some_and(|rows| !rows.is_empty()) {
            return Err(StoreError::Importing.into());
        }
        self.is_complete = true;
        let own = results.split_off(queued.min(results.len()));
        self.queue_results.extend(results);
        Ok(own)
    }

    /// The table of a type with its tenant.
    pub(crate) fn table(&self, kind: &ResourceType) -> Result<Option<OwnTable<'a>>, StoreError> {
        let mut tables = self.tables.iter();
        let table = tables.find(|one| one.table.sql.kind().name() == kind.name());
        let feature = "this resource type";
        let table = table.ok_or(StoreError::Unsupported { feature })?;
        Ok(table.tenant.clone().map(|tenant| (table.table, tenant)))
    }

    /// The table of a type with its tenant, for a write.
    pub(crate) fn written_table(&self, kind: &ResourceType) -> Result<OwnTable<'a>, StoreError> {
        let feature = "resources of this tenant";
        self.table(kind)?.ok_or(StoreError::Unsupported { feature })
    }

    /// Reserves identifiers that the database makes.
    pub(crate) async fn reserve(
        &mut self,
        table: &BoundTable,
        count: usize,
    ) -> Result<Vec<ResourceId>, RowsError> {
        let rows = self
            .run(table.sql.reserve(count))
            .await?
            .pop()
            .unwrap_or_default();
        let prefix = table.sql.id_prefix();
        let id = |key: SqlValue| text(key).map(|key| ResourceId::from(format!("{prefix}{key}")));
        let mut keys = rows.into_iter().filter_map(|row| row.into_iter().next());
        let ids = match self.dialect {
            // The last one of them.
            Dialect::Sqlite => {
                let last = keys.next_back().as_ref().and_then(integer).unwrap_or(0);
                let count = i64::try_from(count).map_err(StoreError::backend)?;
                let first = last.saturating_sub(count).saturating_add(1);
                (first..=last).map(|n| id(SqlValue::Integer(n))).collect()
            }
            _ => keys.map(id).collect::<Option<Vec<_>>>(),
        };
        let ids = ids.filter(|ids| ids.len() == count);
        Ok(ids.ok_or_else(|| damaged("id"))?)
    }
}
