//! Lookup keys made anew, some rows at a time.

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

/// Rows that one transaction gives keys at most.
const ROWS: u32 = 256;
/// Bytes of documents after which a transaction takes no further row.
const BYTES: usize = 1 << 20;
/// Problems that are reported at most.
const PROBLEMS: usize = 100;

/// The outcome of [`SqliteStore::reindex`].
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Reindexed {
    /// Why some resources still can't be looked up by keys, or share a value that should be unique:
    /// the first 100. They are served all the same, by evaluating their documents.
    pub problems: Vec<SchemaError>,
    /// How many resources were given new keys, deleted ones included that may come back.
    pub resources: u64,
}

impl SqliteStore {
    /// Makes the lookup keys of a tenant's resources anew where they were made under another schema.
    ///
    /// - Calling it is optional: resources with keys of another schema are found by evaluating
    ///   their documents, and once no process has used another schema for
    ///   [`SqliteOptions::reindex_after`](crate::SqliteOptions::reindex_after), queries that meet such resources
    ///   make keys anew, a few at a time.
    /// - It works in transactions of at most 256 resources with other writes between. If it is
    ///   stopped, what is done stays done, and the next call goes on from there.
    /// - While another process serves an older schema, that process has to evaluate the resources.
    ///
    /// # Errors
    /// [`StoreError::Busy`] and [`StoreError::Backend`].
    pub async fn reindex(
        &self,
        tenant: &TenantId,
        kind: &Arc<ResourceType>,
    ) -> Result<Reindexed, StoreError> {
        let mut done = Reindexed::default();
        for state in [State::Live, State::Deleted] {
            // Those without keys come last: what did not fit before may fit now.
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

    /// Makes keys of a few resources anew behind an answer, unless that is being done.
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
            // Whatever goes wrong here, documents are evaluated, and the next query tries again.
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

/// Says that nothing runs any more, also when the job was never run.
struct Running(Arc<AtomicBool>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// One slice, unless another process works under another definition.
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

/// Which rows get new keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    /// Those with keys of another definition.
    Outdated,
    /// Those without keys.
    Unkeyed,
}

#[derive(Debug, Default)]
struct Slice {
    keyed: u64,
    problems: Vec<SchemaError>,
    /// The id from which the next slice goes on; none if this was the last.
    up_to: Option<String>,
}

/// Gives the next rows new keys, in one transaction.
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
    // Rows that were given keys have left the definition; those without keys stay.
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
            // It is reported once: when the rows without keys are tried.
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

/// Renews what else the row derives from the document.
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

/// Ids and documents of the next rows of a definition, behind an id.
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
