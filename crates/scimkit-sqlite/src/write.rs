//! Writes batches that the engine decides, many in one transaction.

mod answers;
mod facts;
mod operations;
mod rows;
#[cfg(test)]
mod tests;

use std::{slice, sync::Arc};

use rusqlite::Connection;
use scimkit_registry::{Budget, ResourceType};
use scimkit_store::{
    Batch, Settings, StoreError, TenantId, WriteOp,
    engine::{self, BatchAnswer, Decision, WriteRequest},
};
use tokio::sync::oneshot;

use self::rows::TenantRows;
use crate::{error::Cause, imports, statement::control};

/// A batch for the writing thread.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) answer: oneshot::Sender<BatchAnswer>,
    pub(crate) batch: Batch,
    pub(crate) budget: Budget,
    pub(crate) settings: Arc<Settings>,
    pub(crate) tenant: TenantId,
}

impl Work {
    /// Returns the number of writes in the batch.
    pub(crate) fn len(&self) -> usize {
        self.batch.writes.len()
    }
}

/// Commits batches in one transaction, and answers each once it is committed.
///
/// If that transaction fails, each batch is retried once in its own transaction, so that no batch fails because of
/// another.
pub(crate) fn write_together(connection: &Connection, group: Vec<Work>) {
    let mut pending: Vec<_> = group.into_iter().map(Pending::from).collect();
    // If the caller dropped its future, the batch is not written.
    pending.retain(Pending::is_wanted);
    if pending.is_empty() {
        return;
    }
    match commit(connection, &mut pending) {
        Ok(answers) => answer_all(pending, answers),
        Err(lost) if pending.len() > 1 && lost.may_succeed_alone() => {
            for mut one in pending.into_iter().filter(Pending::is_wanted) {
                one.decision.restart();
                let outcome = commit(connection, slice::from_mut(&mut one));
                match outcome {
                    Ok(answers) => answer_all([one], answers),
                    Err(lost) => one.fail(&lost),
                }
            }
        }
        Err(lost) => pending.into_iter().for_each(|one| one.fail(&lost)),
    }
}

fn answer_all(pending: impl IntoIterator<Item = Pending>, answers: Vec<BatchAnswer>) {
    for (one, answers) in pending.into_iter().zip(answers) {
        drop(one.answer.send(answers));
    }
}

/// A batch that waits for its commit.
struct Pending {
    answer: oneshot::Sender<BatchAnswer>,
    budget: Budget,
    decision: Decision,
    /// The distinct resource types of the writes.
    kinds: Vec<Arc<ResourceType>>,
    settings: Arc<Settings>,
    tenant: TenantId,
}

impl From<Work> for Pending {
    fn from(work: Work) -> Self {
        let mut kinds: Vec<Arc<ResourceType>> = Vec::new();
        for kind in work.batch.writes.iter().map(WriteOp::kind) {
            if !kinds.iter().any(|known| known.name() == kind.name()) {
                kinds.push(Arc::clone(kind));
            }
        }
        let mut request = WriteRequest::with_settings(&work.settings, work.batch);
        request.budget = work.budget.clone();
        Pending {
            answer: work.answer,
            budget: work.budget,
            decision: Decision::new(request),
            kinds,
            settings: work.settings,
            tenant: work.tenant,
        }
    }
}

impl Pending {
    /// Returns whether the caller still waits for the answer.
    fn is_wanted(&self) -> bool {
        !self.answer.is_closed()
    }

    /// Decides the batch and applies its operations. A failure of only this batch becomes its answer.
    ///
    /// # Errors
    /// The transaction must be rolled back.
    fn write(&mut self, connection: &Connection) -> Result<BatchAnswer, StoreError> {
        match self.decide(connection) {
            // Both are detected before anything is applied.
            Err(problem @ (StoreError::Exhausted(_) | StoreError::Importing)) => Ok(Err(problem)),
            decided => decided,
        }
    }

    fn decide(&mut self, connection: &Connection) -> Result<BatchAnswer, StoreError> {
        self.budget.check()?;
        imports::check_complete(connection, self.tenant.as_str())?;
        let mut rows = TenantRows::new(
            connection,
            (self.tenant.as_str(), &self.kinds),
            (&self.settings, &self.budget),
        );
        let mut answers = engine::write_blocking(&mut rows, &mut self.decision)?;
        Ok(answers.pop().unwrap_or_else(|| Ok(Vec::new())))
    }

    fn fail(self, lost: &Lost) {
        drop(self.answer.send(Err(lost.store_error())));
    }
}

/// Writes batches in one transaction.
///
/// # Errors
/// None of the batches is written.
fn commit(connection: &Connection, pending: &mut [Pending]) -> Result<Vec<BatchAnswer>, Lost> {
    control(connection, "BEGIN IMMEDIATE").map_err(|error| Lost::at_start(&error))?;
    let mut written = Vec::with_capacity(pending.len());
    let outcome = pending.iter_mut().try_for_each(|one| {
        written.push(one.write(connection).map_err(|error| Lost::by(&error))?);
        if connection.is_autocommit() {
            // SQLite itself rolls back a transaction if the disk is full or fails.
            Err(Lost::from(&rolled_back()))
        } else {
            Ok(())
        }
    });
    let outcome = outcome.and_then(|()| {
        let committed = control(connection, "COMMIT");
        committed.map_err(|error| Lost::from(&error))
    });
    if outcome.is_err() && !connection.is_autocommit() {
        // However the commit failed, the next transaction must start clean.
        drop(connection.execute_batch("ROLLBACK"));
    }
    outcome.map(|()| written)
}

/// The reason why a transaction was not committed.
struct Lost {
    cause: Cause,
    has_begun: bool,
    text: String,
}

impl Lost {
    fn at_start(error: &rusqlite::Error) -> Self {
        Lost {
            has_begun: false,
            ..Lost::from(error)
        }
    }

    fn by(error: &StoreError) -> Self {
        let source = std::error::Error::source(error);
        Lost {
            cause: Cause::of_store(error),
            has_begun: true,
            text: source.map_or_else(|| error.to_string(), ToString::to_string),
        }
    }

    /// Returns whether one of several batches may be the cause, which is not the case for a lock or a failing disk.
    fn may_succeed_alone(&self) -> bool {
        self.has_begun && matches!(self.cause, Cause::Full | Cause::Other)
    }

    fn store_error(&self) -> StoreError {
        let text = format!("the transaction failed: {}", self.text);
        self.cause.store_error(text)
    }
}

impl From<&rusqlite::Error> for Lost {
    fn from(error: &rusqlite::Error) -> Self {
        Lost {
            cause: Cause::of_sqlite(error),
            has_begun: true,
            text: error.to_string(),
        }
    }
}

fn rolled_back() -> rusqlite::Error {
    let error = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ABORT_ROLLBACK);
    rusqlite::Error::SqliteFailure(error, None)
}
