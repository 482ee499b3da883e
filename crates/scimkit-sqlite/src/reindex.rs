//! Rebuilds lookup keys, some rows at a time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rusqlite::{Connection, TransactionBehavior};
use scimkit_registry::{Resource, ResourceId, ResourceType};
use scimkit_sql::reference::{self, State};
use scimkit_store::{StoreError, TenantId};

use crate::{
    SchemaError, SqliteStore,
    definitions::{self, UNKEYED, is_open},
    error::Outcome,
    keys,
    statement::{DIALECT, each, execute},
};

/// The maximum number of rows per transaction.
const ROWS: u32 = 256;
/// The number of document bytes after which a transaction takes no further row.
const BYTES: usize = 1 << 20;
/// The maximum number of reported problems.
const PROBLEMS: usize = 100;

/// The outcome of [`SqliteStore::reindex`].
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Reindexed {
    /// The first 100 reasons why resources can't be looked up by keys, or share a value that should be unique. Such
    /// resources can still be found, by evaluating their documents.
    pub problems: Vec<SchemaError>,
    /// The number of resources with rebuilt keys, including soft-deleted ones.
    pub resources: u64,
}

impl SqliteStore {
    /// Rebuilds the lookup keys of a tenant's resources that were written under another schema.
    ///
    /// - Calling it is optional: resources with keys of another schema are found by evaluating their documents. Once no
    ///   process has used another schema for [`SqliteOptions::reindex_after`](crate::SqliteOptions::reindex_after),
    ///   queries that meet such resources rebuild keys, a few at a time.
    /// - It works in transactions of at most 256 resources, with other writes in between. If it is stopped, the rebuilt
    ///   keys remain, and the next call continues.
    /// - A process that still serves an older schema must evaluate the documents of the resources afterwards.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::StorageFull`], [`StoreError::Unavailable`] and [`StoreError::Backend`].
    pub async fn reindex(
        &self,
        tenant: &TenantId,
        kind: &Arc<ResourceType>,
    ) -> Result<Reindexed, StoreError> {
        let mut done = Reindexed::default();
        for state in [State::Live, State::Deleted] {
            // Rows without keys come last, because documents that did not match before may match now.
            for which in [Which::Outdated, Which::Unkeyed] {
                let mut after = Some(String::new());
                while let Some(from) = after {
                    let tenant = tenant.clone();
                    let kind = Arc::clone(kind);
                    let job = move |db: &mut Connection| {
                        slice(db, (tenant.as_str(), state), &kind, (which, &from))
                    };
                    let slice = self.workers.alone(job).await??;
                    done.resources += slice.keyed;
                    done.problems.extend(slice.problems);
                    done.problems.truncate(PROBLEMS);
                    after = slice.up_to;
                }
            }
        }
        Ok(done)
    }

    /// Rebuilds the keys of a few resources after a query, unless a rebuild is in progress.
    pub(crate) fn reindex_some(&self, tenant: &TenantId, kind: &Arc<ResourceType>) {
        let is_left_to_callers = self.reindex_after == Duration::MAX;
        if is_left_to_callers || self.is_reindexing.swap(true, Ordering::AcqRel) {
            return;
        }
        let running = Running(Arc::clone(&self.is_reindexing));
        let tenant = tenant.clone();
        let kind = Arc::clone(kind);
        let patience = self.reindex_after;
        let job = move |db: &mut Connection| {
            // After an error, documents are still evaluated, and the next query tries again.
            drop(reindex_unless_disturbing(
                db,
                tenant.as_str(),
                &kind,
                patience,
            ));
            drop(running);
        };
        drop(self.workers.aside(job));
    }
}

/// Resets the flag when it is dropped, even if the job never ran.
struct Running(Arc<AtomicBool>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Rebuilds one slice, unless another process uses another definition.
fn reindex_unless_disturbing(
    db: &mut Connection,
    tenant: &str,
    kind: &Arc<ResourceType>,
    patience: Duration,
) -> Outcome<()> {
    definitions::register(db, kind)?;
    if definitions::is_another_used(db, kind, patience.as_secs())? {
        return Ok(());
    }
    for state in [State::Live, State::Deleted] {
        let slice = slice(db, (tenant, state), kind, (Which::Outdated, ""))?;
        if slice.keyed > 0 {
            break;
        }
    }
    Ok(())
}

/// The rows whose keys are rebuilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    /// Rows with keys of another definition.
    Outdated,
    /// Rows without keys.
    Unkeyed,
}

#[derive(Debug, Default)]
struct Slice {
    keyed: u64,
    problems: Vec<SchemaError>,
    /// The id from which the next slice continues; `None` after the last slice.
    up_to: Option<String>,
}

/// Rebuilds the keys of the next rows in one transaction.
fn slice(
    db: &mut Connection,
    (tenant, state): (&str, State),
    kind: &Arc<ResourceType>,
    (which, after): (Which, &str),
) -> Outcome<Slice> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    definitions::register(&transaction, kind)?;
    let present = definitions::present(&transaction, (tenant, state), kind)?;
    let mut names = present.into_iter().map(|definition| definition.name);
    let Some(name) = names.find(|name| (name == UNKEYED) == (which == Which::Unkeyed)) else {
        return Ok(Slice::default());
    };
    // Rows with rebuilt keys no longer have the definition, but rows without keys still do.
    let after = if which == Which::Unkeyed { after } else { "" };
    let rows = rows(&transaction, (tenant, state), kind, (&name, after))?;
    let mut slice = Slice {
        up_to: rows.last().map(|(id, _)| id.clone()),
        ..Slice::default()
    };
    for (id, text) in rows {
        let id = ResourceId::from(id);
        let document = Resource::restore(text.as_bytes()).map_err(StoreError::backend)?;
        let row = (&id, &document);
        match keys::put_anew(&transaction, (tenant, state), kind, row)? {
            // The problem is reported once, when the rows without keys are tried.
            Some(_) if which == Which::Outdated => {}
            Some(misfit) => slice.problems.push(misfit),
            None => {
                slice.keyed += 1;
                if state == State::Live {
                    slice
                        .problems
                        .extend(keys::shared(&transaction, tenant, kind, row)?);
                }
            }
        }
        if state == State::Live {
            refresh(&transaction, tenant, kind, row)?;
        }
    }
    transaction.commit()?;
    Ok(slice)
}

/// Updates the other columns that the row derives from its document.
fn refresh(
    connection: &Connection,
    tenant: &str,
    kind: &Arc<ResourceType>,
    (id, document): (&ResourceId, &Resource),
) -> Outcome<()> {
    let display = keys::display(kind, document);
    let shape = is_open(kind, document).then(|| kind.fingerprint().to_string());
    let derived = (display.as_deref(), shape.as_deref());
    let statement = reference::set_derived(DIALECT, tenant, id.as_str(), derived);
    execute(connection, &statement)
}

/// Returns the ids and documents of the next rows with a definition, after an id.
fn rows(
    connection: &Connection,
    (tenant, state): (&str, State),
    kind: &ResourceType,
    (definition, after): (&str, &str),
) -> Outcome<Vec<(String, String)>> {
    let row = (tenant, kind.name());
    let statement = reference::documents_after(DIALECT, row, state, (definition, after), ROWS);
    let (mut found, mut bytes) = (Vec::new(), 0);
    each(connection, &statement, |row| {
        let (id, document): (String, String) = (row.get(0)?, row.get(1)?);
        bytes += document.len();
        found.push((id, document));
        Ok(bytes < BYTES)
    })?;
    Ok(found)
}
