//! Writes rows.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use scimkit_core::Version;
use scimkit_registry::{Document, ResourceId, ResourceType};
use scimkit_sql::{
    reference::micros,
    tables::{self, RetiredRow, SideRow, SqlStatement},
};
use scimkit_store::{
    ConnectionId, StoreError,
    engine::{
        Applied, FoundRow, Operations, Rejection, ResourceRow, RowEdit, RowRef, RowState, RowsError,
    },
};

use crate::{
    DriverError, DriverErrorKind, Transaction,
    documents::known,
    table::BoundTable,
    transaction::{LIST, TableTransaction, TenantTable},
    values,
};

/// Statements that write, with the rows that may make them fail.
#[derive(Default)]
struct Changes<'a> {
    /// The rows that get another document.
    put: BTreeMap<ResourceId, Written>,
    statements: Vec<SqlStatement>,
    /// The numbers of the statements with which those of a row, or of no row, begin.
    subjects: Vec<(usize, Option<(ResourceId, &'a BoundTable)>)>,
}

/// A row that gets another document.
struct Written {
    is_exact: bool,
    kind: Arc<ResourceType>,
    /// What its side row knows of the document, which the database may have changed.
    known: String,
    version: Version,
}

impl<'a> Changes<'a> {
    /// The next statements are about a row, or about none.
    fn begin(&mut self, subject: Option<(ResourceId, &'a BoundTable)>) {
        self.subjects.push((self.statements.len(), subject));
    }

    fn rejection(&self, error: DriverError) -> RowsError {
        let failed = error.statement().and_then(|statement| {
            let mut subjects = self.subjects.iter().rev();
            subjects.find(|(first, _)| *first <= statement)
        });
        match failed {
            Some((_, Some((id, table)))) => rejection(table, id, error),
            _ => error.into(),
        }
    }
}

impl<'a, T: Transaction> TableTransaction<'a, T> {
    /// Applies operations with one call, which also returns the rows as they became. Adds the statements that have to
    /// run afterwards to the queue.
    pub(crate) async fn apply(&mut self, operations: &Operations) -> Result<Applied, RowsError> {
        self.see(operations).await?;
        let mut changes = Changes::default();
        for end in &operations.removed_ends {
            changes.statements.extend(self.removed_ends(end));
        }
        for edges in &operations.removed_edges {
            changes.statements.extend(self.removed_edges(edges));
        }
        let mut applied = Applied::default();
        for edit in operations.row_edits() {
            match edit {
                RowEdit::Bump(bump) => {
                    let row = self.seen.get(&bump.id).cloned().flatten();
                    let row = row.ok_or(StoreError::NotFound)?;
                    let registry = &self.context.settings.registry;
                    let kind = registry.resource_type(&bump.kind);
                    let row = row.bumped(kind.ok_or(StoreError::NotFound)?, bump);
                    self.touch(&row, &mut changes)?;
                    self.put_side_row(&row, &known(&row.document, &row.kind), &mut changes)?;
                    applied.push(bump.id.clone(), FoundRow::from(row));
                }
                RowEdit::Put(row) => match row.state {
                    RowState::Deleted => self.retire(row, &mut changes)?,
                    RowState::Live => self.put(row, &mut changes)?,
                },
                RowEdit::Remove(row) => self.remove(row, &mut changes)?,
            }
        }
        changes.begin(None);
        for edges in &operations.inserted_edges {
            changes.statements.extend(self.added_edges(edges));
        }
        let subjects = changes.subjects.iter();
        self.written
            .extend(subjects.filter_map(|(_, row)| row.clone()));
        self.run_changes(changes, &mut applied).await?;
        Ok(applied)
    }

    /// Applies operations, and the queue with them.
    pub(crate) async fn apply_now(&mut self, operations: &Operations) -> Result<(), RowsError> {
        self.apply(operations).await?;
        self.queue_results().await?;
        // The next operations are on other rows.
        self.seen.clear();
        Ok(())
    }

    /// Finds the rows that are written, unless the facts had them.
    async fn see(&mut self, operations: &Operations) -> Result<(), RowsError> {
        let written = operations.row_edits().filter_map(|edit| match edit {
            RowEdit::Bump(bump) => Some(&bump.id),
            RowEdit::Put(row) => Some(&row.id).filter(|_| row.state == RowState::Live),
            RowEdit::Remove(_) => None,
        });
        let new: BTreeSet<_> = written
            .filter(|id| !self.seen.contains_key(*id))
            .cloned()
            .collect();
        if !new.is_empty() {
            self.by_ids(new).await?;
        }
        Ok(())
    }

    async fn run_changes(
        &mut self,
        mut changes: Changes<'a>,
        applied: &mut Applied,
    ) -> Result<(), RowsError> {
        let written = changes.statements.len();
        let mut sources = Vec::new();
        for TenantTable { table, tenant } in &self.tables {
            let Some(tenant) = tenant else { continue };
            let name = table.sql.kind().name();
            let put = changes.put.iter();
            let put = put.filter(|(_, written)| written.kind.name() == name);
            let keys = put.filter_map(|(id, _)| table.sql.key(id.as_str()));
            let keys: Vec<_> = keys.collect();
            for keys in keys.chunks(LIST) {
                changes
                    .statements
                    .push(table.sql.select(tenant, keys.to_vec()));
                sources.push(*table);
            }
        }
        if changes.statements.is_empty() {
            return Ok(());
        }
        let statements = std::mem::take(&mut changes.statements);
        let ran = self.transaction.run(statements).await;
        let results = ran.map_err(|error| changes.rejection(error))?;
        for (table, rows) in sources.into_iter().zip(results.into_iter().skip(written)) {
            for row in rows {
                let mut row = table.found(row, self.context)?;
                let id = row.head.id.clone();
                let Some(written) = changes.put.remove(&id) else {
                    continue;
                };
                row.head.version = written.version;
                row.document = row.document.with_exactness(written.is_exact);
                let known = known(&row.document, &written.kind);
                if known != written.known {
                    let (tenant, kind) = (self.tenant(), written.kind.name());
                    let set = tables::set_hash(self.dialect, tenant, kind, id.as_str(), &known);
                    self.queue([set]);
                }
                self.seen.insert(id.clone(), Some(row.clone()));
                applied.push(id, row);
            }
        }
        if !changes.put.is_empty() {
            return Err(StoreError::backend("a row is gone after it was written").into());
        }
        Ok(())
    }

    /// Sets the time of a change that leaves the columns of the mapping as they are.
    fn touch(&self, row: &ResourceRow, changes: &mut Changes<'a>) -> Result<(), RowsError> {
        let (table, tenant) = self.written_table(&row.kind)?;
        let key = table.sql.key(row.id.as_str());
        let update = key.and_then(|key| table.sql.update(&tenant, key, table.times(false, row)));
        changes.begin(Some((row.id.clone(), table)));
        changes.statements.extend(update);
        Ok(())
    }

    /// Adds or changes a live row.
    fn put(&self, row: &ResourceRow, changes: &mut Changes<'a>) -> Result<(), RowsError> {
        let (table, tenant) = self.written_table(&row.kind)?;
        changes.begin(Some((row.id.clone(), table)));
        let id = row.id.as_str();
        let key = table.sql.key(id).ok_or_else(|| {
            let detail = format!("`{id}` can't be the id of a row in this table");
            rejected(&row.id, detail)
        })?;
        let before = self.seen.get(&row.id).and_then(Option::as_ref);
        // Nothing but what columns have.
        let mapped = |document: &Document| table.printer.mapped(document.text());
        let was = before.map(|row| mapped(&row.document));
        let after = mapped(&row.document);
        let edits = table
            .edits((was.as_ref(), &after), row.last_modified)
            .map_err(|error| invalid(&row.id, error))?;
        let (rows, columns): (Vec<_>, Vec<_>) = edits
            .into_iter()
            .partition(|(name, _)| table.sql.values(name).is_some());
        let columns = columns
            .iter()
            .map(|(name, value)| (name.as_str(), value.clone()))
            .chain(table.times(before.is_none(), row));
        let statement = if before.is_some() {
            table.sql.update(&tenant, key.clone(), columns)
        } else {
            Some(table.sql.insert(&tenant, key.clone(), columns))
        };
        changes.statements.extend(statement);
        let values = rows.iter().filter_map(|(name, _)| table.sql.values(name));
        let documents = (was.as_ref(), &after);
        changes.statements.extend(
            values.flat_map(|values| values::changes(table.sql.kind(), values, &key, documents)),
        );
        let known = known(&row.document, &row.kind);
        self.put_side_row(row, &known, changes)?;
        let written = Written {
            is_exact: row.document.is_exact(),
            kind: Arc::clone(&row.kind),
            known,
            version: row.version.clone(),
        };
        changes.put.insert(row.id.clone(), written);
        Ok(())
    }

    fn put_side_row(
        &self,
        row: &ResourceRow,
        hash: &str,
        changes: &mut Changes<'a>,
    ) -> Result<(), RowsError> {
        let (table, tenant) = self.written_table(&row.kind)?;
        let (id, kind) = (row.id.as_str(), row.kind.name());
        let rest = table
            .rest(&row.document)
            .map_err(|error| invalid(&row.id, error))?;
        let side = SideRow {
            connection: row.connection.as_ref().map(ConnectionId::as_str),
            created_us: micros(row.created),
            external_id: rest.external_id.as_deref(),
            hash,
            id,
            kind,
            modified_us: micros(row.last_modified),
            rest: rest.text.as_deref(),
            version: number(&row.version)?,
        };
        changes.statements.extend([
            tables::put_side_row(self.dialect, tenant.id(), &side),
            tables::remove_retired(self.dialect, tenant.id(), kind, id),
        ]);
        Ok(())
    }

    /// Soft-deletes a row.
    fn retire(&mut self, row: &ResourceRow, changes: &mut Changes<'a>) -> Result<(), RowsError> {
        let live = RowRef {
            id: row.id.clone(),
            kind: row.kind.name().into(),
            state: RowState::Live,
        };
        self.remove(&live, changes)?;
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
        let insert = tables::insert_retired(self.dialect, self.tenant(), &retired);
        changes.statements.push(insert);
        Ok(())
    }

    /// Removes a live or soft-deleted row.
    fn remove(&mut self, row: &RowRef, changes: &mut Changes<'a>) -> Result<(), RowsError> {
        let (id, dialect) = (row.id.as_str(), self.dialect);
        if row.state == RowState::Deleted {
            changes.begin(None);
            let remove = tables::remove_retired(dialect, self.tenant(), &row.kind, id);
            changes.statements.push(remove);
            return Ok(());
        }
        let registry = &self.context.settings.registry;
        let feature = "this resource type";
        let kind = registry.resource_type(&row.kind);
        let (table, tenant) =
            self.written_table(kind.ok_or(StoreError::Unsupported { feature })?)?;
        changes.begin(Some((row.id.clone(), table)));
        if let Some(key) = table.sql.key(id) {
            let values = table.sql.value_tables();
            let rows = values.map(|values| values.delete_all(key.clone()));
            changes.statements.extend(rows);
            changes.statements.push(table.sql.delete(&tenant, key));
        }
        let side = tables::remove_side_row(dialect, tenant.id(), &row.kind, id);
        changes.statements.push(side);
        self.seen.insert(row.id.clone(), None);
        Ok(())
    }
}

/// The error of a commit, which fails if a row violates a constraint that the database checks at the end. Which of
/// several rows does is not known, so they fail together.
pub(crate) fn commit_error(
    written: &BTreeMap<ResourceId, &BoundTable>,
    error: DriverError,
) -> RowsError {
    let Some((id, table)) = written.first_key_value() else {
        return error.into();
    };
    match rejection(table, id, error) {
        RowsError::Rejected(rejection) if written.len() > 1 => RowsError::Failed(rejection.into()),
        error => error,
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
    if columns.contains(&table.sql.table().id.name) && table.makes_ids() {
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

fn invalid(id: &ResourceId, error: StoreError) -> RowsError {
    match error {
        StoreError::Invalid { detail } => rejected(id, detail).into(),
        error => RowsError::Failed(error),
    }
}

fn rejected(id: &ResourceId, detail: String) -> Rejection {
    let id = id.clone();
    Rejection::Invalid { detail, id }
}

/// The number of the change that a version stands for.
fn number(version: &Version) -> Result<i64, StoreError> {
    version.as_str().parse().map_err(StoreError::backend)
}
