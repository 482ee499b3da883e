//! An open transaction on the rows of one tenant.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use scimkit_core::Version;
use scimkit_registry::{Predicate, ResourceId, ResourceType};
use scimkit_sql::{
    Dialect,
    reference::{self, micros},
    tables::{self, RetiredRow, RowOwner, RowStart, SideRow, SqlStatement, SqlValue, TableTenant},
};
use scimkit_store::{
    ConnectionId, RequestContext, StoreError,
    engine::{FoundRow, Members, NewMembers, Rejection, ResourceRow, RowRef, RowState, RowsError},
    rows::{EdgeRow, EdgesBy, LookupBy, SimpleTransaction, satisfying},
};

use crate::{
    DriverError, DriverErrorKind, SqlRow, Transaction,
    documents::{damaged, hash, integer, retired, text},
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
    /// The live rows that were found by their ids.
    seen: HashMap<ResourceId, FoundRow>,
    pub(crate) tables: Vec<TenantTable<'a>>,
    pub(crate) transaction: T,
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
            seen: HashMap::new(),
            tables,
            transaction,
        }
    }

    /// The id of the tenant.
    pub(crate) fn tenant(&self) -> &'a str {
        self.context.tenant.as_str()
    }

    /// Runs statements that no row of the application can make fail. The first ones fail while an import of the tenant is
    /// incomplete.
    pub(crate) async fn run(
        &mut self,
        mut statements: Vec<SqlStatement>,
    ) -> Result<Vec<Vec<SqlRow>>, RowsError> {
        if statements.is_empty() {
            return Ok(Vec::new());
        }
        if self.is_complete {
            return Ok(self.transaction.run(statements).await?);
        }
        // After the others, which may take the lock of the tenant.
        statements.push(tables::shared(reference::import(
            self.dialect,
            self.tenant(),
        )));
        let mut results = self.transaction.run(statements).await?;
        if results.pop().is_some_and(|rows| !rows.is_empty()) {
            return Err(StoreError::Importing.into());
        }
        self.is_complete = true;
        Ok(results)
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
    fn written_table(&self, kind: &ResourceType) -> Result<OwnTable<'a>, StoreError> {
        let feature = "resources of this tenant";
        self.table(kind)?.ok_or(StoreError::Unsupported { feature })
    }

    /// The rows with one of these ids, of any type, live or soft-deleted.
    async fn by_ids(&mut self, ids: &BTreeSet<ResourceId>) -> Result<Vec<FoundRow>, RowsError> {
        let ids: Vec<&str> = ids.iter().map(ResourceId::as_str).collect();
        let (mut statements, mut live) = (Vec::new(), Vec::new());
        for TenantTable { table, tenant } in &self.tables {
            let Some(tenant) = tenant else { continue };
            let keys: Vec<_> = ids.iter().filter_map(|id| table.sql.key(id)).collect();
            for keys in keys.chunks(LIST) {
                statements.push(table.sql.select(tenant, keys.to_vec()));
                live.push(Some(*table));
            }
            for ids in ids.chunks(LIST) {
                let kind = table.sql.kind().name();
                statements.push(tables::retired_by_ids(self.dialect, tenant.id(), kind, ids));
                live.push(None);
            }
        }
        let results = self.run(statements).await?;
        let (mut found, mut deleted) = (Vec::new(), Vec::new());
        for (rows, table) in results.into_iter().zip(live) {
            for row in rows {
                match table {
                    Some(table) => found.push(table.found(row)?),
                    None => deleted.push(retired(row)?),
                }
            }
        }
        for row in &found {
            self.seen.insert(row.head.id.clone(), row.clone());
        }
        // The application may have given the id to another row since.
        deleted.retain(|row| !self.seen.contains_key(&row.head.id));
        found.append(&mut deleted);
        Ok(found)
    }

    /// The live rows of a type that satisfy a predicate, in the order of their ids.
    pub(crate) async fn satisfying(
        &mut self,
        kind: &Arc<ResourceType>,
        predicate: &Predicate,
        owner: RowOwner<'_>,
    ) -> Result<Vec<FoundRow>, RowsError> {
        let Some((table, tenant)) = self.table(kind)? else {
            return Ok(Vec::new());
        };
        let plan = table.sql.plan(&tenant, kind, predicate);
        let mut found = Vec::new();
        let mut last: Option<ResourceId> = None;
        loop {
            let start = match &last {
                Some(last) => RowStart::After(None, last.to_string()),
                None => RowStart::Index(0),
            };
            let restriction = (plan.condition.as_ref(), owner);
            let statement = table
                .sql
                .page(&tenant, restriction, (kind, None), (&start, PIECE));
            let rows = self.run(vec![statement]).await?.pop().unwrap_or_default();
            let is_last = (rows.len() as u64) < PIECE;
            let rows = rows.into_iter().map(|row| table.found(row));
            let rows = rows.collect::<Result<Vec<_>, _>>()?;
            last = rows.last().map(|row| row.head.id.clone());
            found.extend(match &plan.residual {
                Some(residual) => satisfying(self.context, kind, residual, rows)?,
                None => {
                    let texts = rows.iter().map(|row| row.document.size());
                    let budget = &self.context.budget;
                    budget.charge(texts.sum()).map_err(StoreError::from)?;
                    rows
                }
            });
            if is_last {
                return Ok(found);
            }
        }
    }

    /// The soft-deleted rows of a type that satisfy a predicate.
    async fn retired(
        &mut self,
        kind: &Arc<ResourceType>,
        predicate: &Predicate,
    ) -> Result<Vec<FoundRow>, RowsError> {
        let limit = usize::try_from(PIECE).unwrap_or(usize::MAX);
        let mut found = Vec::new();
        let mut last: Option<ResourceId> = None;
        loop {
            let after = last.as_ref().map_or("", ResourceId::as_str);
            let statement =
                tables::retired_after(self.dialect, self.tenant(), kind.name(), (after, limit));
            let rows = self.run(vec![statement]).await?.pop().unwrap_or_default();
            let is_last = rows.len() < limit;
            let rows = rows.into_iter().map(retired);
            let rows = rows.collect::<Result<Vec<_>, _>>()?;
            last = rows.last().map(|row| row.head.id.clone());
            found.extend(satisfying(self.context, kind, predicate, rows)?);
            if is_last {
                return Ok(found);
            }
        }
    }

    /// Adds or changes a live row.
    async fn put_live(&mut self, row: &ResourceRow) -> Result<FoundRow, RowsError> {
        let (table, tenant) = self.written_table(&row.kind)?;
        let id = row.id.as_str();
        let key = table.sql.key(id).ok_or_else(|| {
            let detail = format!("`{id}` can't be the id of a row in this table");
            RowsError::from(rejected(&row.id, detail))
        })?;
        let before = match self.seen.remove(&row.id) {
            Some(row) => Some(row),
            None => self
                .by_ids(&BTreeSet::from([row.id.clone()]))
                .await?
                .into_iter()
                .find(|row| row.head.state == RowState::Live),
        };
        let after = row.document.tree().map_err(StoreError::from)?;
        let invalid = |error: StoreError| match error {
            StoreError::Invalid { detail } => RowsError::from(rejected(&row.id, detail)),
            error => RowsError::Failed(error),
        };
        let was = before.as_ref().map(|row| row.document.tree()).transpose();
        let was = was.map_err(StoreError::from)?;
        let edits = table
            .edits(was.as_deref(), &after, row.last_modified)
            .map_err(invalid)?;
        let rest = table.rest(&after).map_err(invalid)?;
        let columns = edits
            .iter()
            .map(|(name, value)| (name.as_str(), value.clone()));
        let mut statements = Vec::new();
        if before.is_some() {
            statements.extend(table.sql.update(&tenant, key.clone(), columns));
        } else {
            statements.push(table.sql.insert(&tenant, key.clone(), columns));
        }
        let kind = row.kind.name();
        let side = SideRow {
            connection: row.connection.as_ref().map(ConnectionId::as_str),
            created_us: micros(row.created),
            external_id: rest.external_id.as_deref(),
            // Known once the database has returned the row.
            hash: "",
            id,
            kind,
            modified_us: micros(row.last_modified),
            rest: rest.text.as_deref(),
            version: number(&row.version)?,
        };
        statements.push(tables::put_side_row(self.dialect, tenant.id(), &side));
        statements.push(tables::remove_retired(self.dialect, tenant.id(), kind, id));
        statements.push(table.sql.select(&tenant, vec![key]));
        let ran = self.transaction.run(statements).await;
        let mut results = ran.map_err(|error| rejection(table, &row.id, error))?;
        let now = results.pop().and_then(|mut rows| rows.pop());
        let now = now.ok_or_else(|| StoreError::backend("a row is gone after it was written"))?;
        let mut now = table.found(now)?;
        now.head.version = row.version.clone();
        let hash = hash(&now.document);
        let statement = tables::set_hash(self.dialect, tenant.id(), kind, id, &hash);
        self.run(vec![statement]).await?;
        self.seen.insert(row.id.clone(), now.clone());
        Ok(now)
    }

    /// Soft-deletes a row.
    async fn retire(&mut self, row: &ResourceRow) -> Result<FoundRow, RowsError> {
        let (_, tenant) = self.written_table(&row.kind)?;
        let text = row.document.text();
        let retired = RetiredRow {
            connection: row.connection.as_ref().map(ConnectionId::as_str),
            created_us: micros(row.created),
            document: std::str::from_utf8(text).map_err(StoreError::backend)?,
            id: row.id.as_str(),
            kind: row.kind.name(),
            retired_us: micros(row.last_modified),
            version: number(&row.version)?,
        };
        let insert = tables::insert_retired(self.dialect, tenant.id(), &retired);
        self.remove_live(&row.kind, &row.id, vec![insert]).await?;
        Ok(FoundRow::from(row.clone()))
    }

    /// Removes a live row, before further statements.
    async fn remove_live(
        &mut self,
        kind: &ResourceType,
        id: &ResourceId,
        further: Vec<SqlStatement>,
    ) -> Result<(), RowsError> {
        let (table, tenant) = self.written_table(kind)?;
        self.seen.remove(id);
        let mut statements = Vec::new();
        if let Some(key) = table.sql.key(id.as_str()) {
            statements.push(table.sql.delete(&tenant, key));
        }
        let (tenant, kind) = (tenant.id(), kind.name());
        statements.push(tables::remove_side_row(
            self.dialect,
            tenant,
            kind,
            id.as_str(),
        ));
        statements.extend(further);
        let ran = self.transaction.run(statements).await;
        ran.map(drop).map_err(|error| rejection(table, id, error))
    }

    /// Reserves identifiers that the database makes.
    pub(crate) async fn reserve(
        &mut self,
        kind: &ResourceType,
        count: usize,
    ) -> Result<Option<Vec<ResourceId>>, RowsError> {
        let Some((table, _)) = self.table(kind)?.filter(|(table, _)| table.makes_ids) else {
            return Ok(None);
        };
        let rows = self
            .run(table.sql.reserve(count))
            .await?
            .pop()
            .unwrap_or_default();
        let prefix = &table.sql.names().id_prefix;
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
        Ok(Some(ids.ok_or_else(|| damaged("id"))?))
    }
}

impl<T: Transaction> SimpleTransaction for TableTransaction<'_, T> {
    async fn commit(self) -> Result<(), RowsError> {
        Ok(self.transaction.commit().await?)
    }

    async fn find(&mut self, by: &LookupBy) -> Result<Vec<FoundRow>, RowsError> {
        match by {
            LookupBy::Ids(ids) => self.by_ids(ids).await,
            LookupBy::Predicate {
                kind,
                predicate,
                state,
            } => match state {
                RowState::Deleted => self.retired(kind, predicate).await,
                RowState::Live => self.satisfying(kind, predicate, RowOwner::Any).await,
            },
        }
    }

    async fn put(&mut self, row: &ResourceRow) -> Result<FoundRow, RowsError> {
        match row.state {
            RowState::Deleted => self.retire(row).await,
            RowState::Live => self.put_live(row).await,
        }
    }

    async fn remove(&mut self, row: &RowRef) -> Result<(), RowsError> {
        let registry = &self.context.settings.registry;
        let feature = "this resource type";
        let kind = registry.resource_type(&row.kind).cloned();
        let kind = kind.ok_or(StoreError::Unsupported { feature })?;
        match row.state {
            RowState::Deleted => {
                let (tenant, id) = (self.tenant(), row.id.as_str());
                let remove = tables::remove_retired(self.dialect, tenant, &row.kind, id);
                self.run(vec![remove]).await?;
                Ok(())
            }
            RowState::Live => self.remove_live(&kind, &row.id, Vec::new()).await,
        }
    }

    async fn edges(&mut self, by: &EdgesBy) -> Result<Vec<EdgeRow>, RowsError> {
        self.find_edges(by).await
    }

    async fn link(&mut self, edges: &NewMembers) -> Result<(), RowsError> {
        self.add_edges(edges).await
    }

    async fn unlink(&mut self, edges: &Members) -> Result<(), RowsError> {
        self.remove_edges(edges).await
    }
}

/// The reason why the database rejects a row, as far as the row is at fault.
fn rejection(table: &BoundTable, id: &ResourceId, error: DriverError) -> RowsError {
    let DriverErrorKind::Unique {
        columns,
        constraint,
    } = error.kind()
    else {
        return match error.kind() {
            DriverErrorKind::Rejected => {
                let reason = "the application's table does not accept the change";
                rejected(id, reason.to_owned()).into()
            }
            _ => error.into(),
        };
    };
    if columns.contains(&table.sql.names().id.name) && table.makes_ids {
        // The application was faster with the next id: a retry gets another one.
        return StoreError::Busy.into();
    }
    let attr = columns.iter().find_map(|column| table.attribute(column));
    let named = || {
        constraint
            .as_ref()
            .and_then(|name| table.attribute_of_constraint(name))
    };
    let attr = attr.or_else(named).or_else(|| constraint.clone());
    let attr = attr.unwrap_or_else(|| columns.join(", "));
    let id = id.clone();
    Rejection::Duplicate { attr, id }.into()
}

fn rejected(id: &ResourceId, detail: String) -> Rejection {
    let id = id.clone();
    Rejection::Invalid { detail, id }
}

/// The number of the change that a version stands for.
fn number(version: &Version) -> Result<i64, StoreError> {
    version.as_str().parse().map_err(StoreError::backend)
}
