//! Writes: each atomic alone, many in one transaction.

mod claim;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use rusqlite::{Connection, params};
use scimkit_registry::{Budget, Change, Resource, ResourceId, ResourceType};
use scimkit_store::{
    Batch, Claim, ConnectionId, Deletes, Document, Expect, How, OnFailure, Settings, StoreError,
    Stored, TenantId, Write, Written,
};
use tokio::sync::oneshot;

use self::claim::Claimed;
use crate::{
    definitions::{self, Texts},
    error::{Cause, Outcome},
    imports, keys,
    members::EdgeWriter,
    row::{Row, instant, micros, version},
};

type Answers = Vec<Result<Written, StoreError>>;

/// A batch on its way to the writing thread.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) answer: oneshot::Sender<Answers>,
    pub(crate) batch: Batch,
    pub(crate) budget: Budget,
    /// The connection on whose behalf.
    pub(crate) by: Option<ConnectionId>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) tenant: TenantId,
}

impl Work {
    /// How many writes it has.
    pub(crate) fn len(&self) -> usize {
        self.batch.writes.len()
    }
}

/// Carries batches out in one transaction, and answers once it is committed.
pub(crate) fn write_together(connection: &Connection, group: Vec<Work>) {
    // A future that was dropped waits for nothing: its writes are not done.
    let waiting = group
        .into_iter()
        .filter(|work| !work.answer.is_closed())
        .collect::<Vec<_>>();
    if waiting.is_empty() {
        return;
    }
    let mut done = Vec::with_capacity(waiting.len());
    let begun = connection.execute_batch("BEGIN IMMEDIATE");
    let mut outcome = begun.map_err(|error| Lost::from(&error));
    for work in waiting {
        let writes = work.len();
        let mut answers = Vec::with_capacity(writes);
        if outcome.is_ok() {
            let writer = Writer {
                at_us: micros(work.batch.at),
                budget: &work.budget,
                by: work.by.as_ref().map(ConnectionId::as_str),
                connection,
                settings: &work.settings,
                tenant: work.tenant.as_str(),
            };
            answers = match work.budget.check() {
                Ok(()) => writer.write_batch(work.batch),
                Err(reason) => (0..writes).map(|_| Err(reason.into())).collect(),
            };
            if connection.is_autocommit() {
                outcome = Err(Lost::by(&answers));
            }
        }
        done.push((work.answer, answers, writes));
    }
    let committed = |()| {
        connection
            .execute_batch("COMMIT")
            .map_err(|e| Lost::from(&e))
    };
    let outcome = outcome.and_then(committed);
    if outcome.is_err() && !connection.is_autocommit() {
        // Whatever is wrong with the commit, nothing of it may be left for the next transaction.
        drop(connection.execute_batch("ROLLBACK"));
    }
    for (answer, answers, writes) in done {
        let answers = match &outcome {
            Ok(()) => answers,
            Err(lost) => (0..writes).map(|_| Err(lost.store_error())).collect(),
        };
        drop(answer.send(answers));
    }
}

/// Why a transaction was not committed.
struct Lost {
    cause: Cause,
    text: String,
}

impl Lost {
    /// SQLite rolls a transaction back by itself when the disk is full or fails: the failure of one
    /// write is that of all.
    fn by(answers: &Answers) -> Self {
        let failures = answers.iter().filter_map(|answer| answer.as_ref().err());
        let mut causes = failures.map(|error| (Cause::of_store(error), error));
        match causes.find(|(cause, _)| *cause != Cause::Other) {
            Some((cause, error)) => {
                let source = std::error::Error::source(error);
                let text = source.map_or_else(|| error.to_string(), ToString::to_string);
                Lost { cause, text }
            }
            None => Lost::from(&lost()),
        }
    }

    fn store_error(&self) -> StoreError {
        let text = format!("the transaction failed: {}", self.text);
        self.cause.store_error(text)
    }
}

impl From<&rusqlite::Error> for Lost {
    fn from(error: &rusqlite::Error) -> Self {
        let (cause, text) = (Cause::of_sqlite(error), error.to_string());
        Lost { cause, text }
    }
}

fn lost() -> rusqlite::Error {
    let error = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ABORT_ROLLBACK);
    rusqlite::Error::SqliteFailure(error, None)
}

/// Writes of one batch, inside a transaction.
struct Writer<'a> {
    at_us: i64,
    budget: &'a Budget,
    by: Option<&'a str>,
    connection: &'a Connection,
    settings: &'a Settings,
    tenant: &'a str,
}

impl Writer<'_> {
    fn write_batch(&self, batch: Batch) -> Answers {
        if let Err(failure) = imports::check_complete(self.connection, self.tenant) {
            let problem = StoreError::from(failure);
            return match problem {
                StoreError::Importing => {
                    let answers = batch.writes.iter();
                    answers.map(|_| Err(StoreError::Importing)).collect()
                }
                other => std::iter::once(Err(other))
                    .chain(batch.writes.iter().skip(1).map(|_| Err(StoreError::NotRun)))
                    .collect(),
            };
        }
        match batch.on_failure {
            OnFailure::Undo => self.write_or_undo(batch.writes),
            rule => self.write_each(batch.writes, rule),
        }
    }

    fn write_each(&self, writes: Vec<Write>, rule: OnFailure) -> Answers {
        let mut failures = 0;
        let one = |write| {
            let answer = match rule.stops(failures) {
                true => Err(StoreError::NotRun),
                // Outside of the transaction, the write would count at once.
                false if self.connection.is_autocommit() => Err(StoreError::backend(lost())),
                false => self.write(write).map_err(StoreError::from),
            };
            failures += u32::from(answer.is_err());
            answer
        };
        writes.into_iter().map(one).collect()
    }

    /// All of them, or none.
    fn write_or_undo(&self, writes: Vec<Write>) -> Answers {
        let mut answers = Vec::new();
        let count = writes.len();
        let outcome = self.atomic(|| {
            answers = self.write_each(writes, OnFailure::Undo);
            match answers.iter().any(Result::is_err) {
                true => Err(StoreError::NotRun.into()),
                false => Ok(()),
            }
        });
        if let Err(failure) = outcome {
            let done = answers.iter_mut().filter(|answer| answer.is_ok());
            done.for_each(|answer| *answer = Err(StoreError::NotRun));
            if answers.is_empty() {
                answers.push(Err(failure.into()));
            }
            answers.resize_with(count, || Err(StoreError::NotRun));
        }
        answers
    }

    fn write(&self, write: Write) -> Outcome<Written> {
        let kind = match &write {
            Write::Create { change, .. } | Write::Update { change, .. } => change.kind(),
            Write::Delete { kind, .. } => kind,
        };
        let kind = Arc::clone(kind);
        self.atomic(|| {
            definitions::register(self.connection, &kind)?;
            match write {
                Write::Create { change, claim, id } => {
                    self.create_or_take(id, &change, claim.as_deref())
                }
                Write::Delete { expect, id, kind } => self.delete(&kind, &id, &expect),
                Write::Update { change, expect, id } => self.update(&id, &change, &expect),
            }
        })
    }

    /// Does all of it or, when it fails, nothing.
    fn atomic<T>(&self, act: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
        self.run("SAVEPOINT one")?;
        let outcome = act();
        if self.connection.is_autocommit() {
            return outcome;
        }
        let undone = if outcome.is_err() {
            self.run("ROLLBACK TO one")
        } else {
            Ok(())
        };
        let closed = undone.and_then(|()| self.run("RELEASE one"));
        if closed.is_err() {
            // Half a write must not be committed with the others: the whole transaction is given up.
            drop(self.connection.execute_batch("ROLLBACK"));
        }
        outcome.and_then(|value| closed.map(|()| value))
    }

    fn run(&self, sql: &str) -> Outcome<()> {
        self.connection.prepare_cached(sql)?.execute([])?;
        Ok(())
    }

    fn create_or_take(
        &self,
        id: ResourceId,
        change: &Change,
        claim: Option<&Claim>,
    ) -> Outcome<Written> {
        let claimed = match claim {
            Some(claim) => self.claimed(change.kind(), claim)?,
            None => None,
        };
        match (claimed, claim) {
            (Some(Claimed::Live(id, how)), Some(claim)) => self.adopt((&id, how), change, claim),
            (
                Some(Claimed::Retired {
                    id,
                    created_us,
                    retired_us,
                }),
                _,
            ) => {
                self.unretire(change.kind(), &id)?;
                let at_us = (created_us, self.at_us.max(retired_us));
                self.create(id, change, How::Relinked, at_us)
            }
            _ => self.create(id, change, How::Created, (self.at_us, self.at_us)),
        }
    }

    fn create(
        &self,
        id: ResourceId,
        change: &Change,
        how: How,
        (created_us, modified_us): (i64, i64),
    ) -> Outcome<Written> {
        let kind = change.kind();
        let known = "SELECT 1 FROM resource WHERE tenant = ?1 AND id = ?2
                     UNION ALL SELECT 1 FROM retired WHERE tenant = ?1 AND id = ?2";
        let known = self
            .connection
            .prepare_cached(known)?
            .exists(params![self.tenant, id.as_str()])?;
        if known {
            return Err(StoreError::backend(format!("the id `{id}` is in use")).into());
        }
        keys::check_unique(
            self.connection,
            (self.tenant, self.budget),
            kind,
            &id,
            &change.keys(),
        )?;
        let mut document = Resource::default();
        change.apply(&mut document);
        let text = document.to_text();
        let number = self.next_version()?;
        self.connection
            .prepare_cached(
                "INSERT INTO resource
                 (tenant, kind, id, version, created_us, modified_us, display, document, shape,
                  connection, keys)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute(params![
                self.tenant,
                kind.name(),
                id.as_str(),
                number,
                created_us,
                modified_us,
                keys::display(kind, &document),
                text,
                kind.fingerprint().to_string(),
                self.by,
                definitions::current(kind)
            ])?;
        keys::put(self.connection, self.tenant, kind, &id, &change.keys())?;
        self.edit_edges(&id, change)?;
        let at = (instant(created_us)?, instant(modified_us)?);
        let document = Document::Text(text.into());
        let stored = Stored::new(Arc::clone(kind), id, version(number)?, at, document);
        Ok(Written::stored(how, stored))
    }

    fn update(&self, id: &ResourceId, change: &Change, expect: &Expect) -> Outcome<Written> {
        let kind = change.kind();
        let texts = Texts::new(self.connection, kind);
        let mut row = self.row(kind, id, expect)?;
        let document = changed(&row, change)?;
        keys::check_unique(
            self.connection,
            (self.tenant, self.budget),
            kind,
            id,
            &change.keys(),
        )?;
        let edges = self.edit_edges(id, change)?;
        if document.is_none() && edges == 0 && !change.sets_hidden() {
            return Ok(Written::stored(How::Unchanged, row.stored(&texts)?));
        }
        self.renew(&mut row)?;
        if let Some(document) = document {
            row.document = document.to_text();
            row.shape = texts.shape_after(&row.shape, &document)?;
            self.connection
                .prepare_cached(
                    "UPDATE resource SET display = ?3, document = ?4, shape = ?5
                     WHERE tenant = ?1 AND id = ?2",
                )?
                .execute(params![
                    self.tenant,
                    id.as_str(),
                    keys::display(kind, &document),
                    row.document,
                    row.shape
                ])?;
            keys::put_changed(self.connection, self.tenant, change, (id, &document))?;
        }
        Ok(Written::stored(How::Updated, row.stored(&texts)?))
    }

    /// Makes a new version of a resource.
    fn renew(&self, row: &mut Row) -> Outcome<()> {
        row.version = self.next_version()?;
        // A clock that was set back must not make a resource older.
        row.modified_us = row.modified_us.max(self.at_us);
        let sql =
            "UPDATE resource SET version = ?3, modified_us = ?4 WHERE tenant = ?1 AND id = ?2";
        self.connection.prepare_cached(sql)?.execute(params![
            self.tenant,
            row.id,
            row.version,
            row.modified_us
        ])?;
        Ok(())
    }

    fn delete(&self, kind: &ResourceType, id: &ResourceId, expect: &Expect) -> Outcome<Written> {
        self.row(kind, id, expect)?;
        match self.settings.deletes {
            Deletes::Erase => keys::remove(self.connection, self.tenant, kind, id)?,
            Deletes::Retire => self.retire(kind, id)?,
        }
        let owners = self.edge_writer(id, kind).take_out()?;
        let number = self.next_version()?;
        for owner in owners {
            self.connection
                .prepare_cached(
                    "UPDATE resource SET version = ?3, modified_us = max(modified_us, ?4)
                     WHERE tenant = ?1 AND id = ?2",
                )?
                .execute(params![self.tenant, owner, number, self.at_us])?;
        }
        self.connection
            .prepare_cached("DELETE FROM resource WHERE tenant = ?1 AND id = ?2")?
            .execute(params![self.tenant, id.as_str()])?;
        Ok(Written::deleted())
    }

    /// The resource, once it has a version that is expected.
    fn row(&self, kind: &ResourceType, id: &ResourceId, expect: &Expect) -> Outcome<Row> {
        let row = Row::find(self.connection, self.tenant, kind, id.as_str())?;
        let row = row.ok_or(StoreError::NotFound)?;
        expect.check(&row.version()?)?;
        Ok(row)
    }

    /// Edits the edges, and tells how many changed.
    fn edit_edges(&self, id: &ResourceId, change: &Change) -> Outcome<usize> {
        let writer = self.edge_writer(id, change.kind());
        change.edges().iter().map(|edges| writer.edit(edges)).sum()
    }

    fn edge_writer<'w>(&'w self, owner: &'w ResourceId, kind: &'w ResourceType) -> EdgeWriter<'w> {
        EdgeWriter {
            budget: self.budget,
            connection: self.connection,
            kind,
            owner,
            settings: self.settings,
            tenant: self.tenant,
        }
    }

    fn next_version(&self) -> Outcome<i64> {
        let sql = "INSERT INTO counter (tenant, version) VALUES (?1, 1)
                   ON CONFLICT (tenant) DO UPDATE SET version = version + 1 RETURNING version";
        let number = self
            .connection
            .prepare_cached(sql)?
            .query_row([self.tenant], |row| row.get(0));
        Ok(number?)
    }
}

/// The document after the change; `None` when that is the same.
fn changed(row: &Row, change: &Change) -> Outcome<Option<Resource>> {
    if change.set().is_empty() && change.unset().is_empty() {
        return Ok(None);
    }
    let before = row.tree()?;
    let mut after = before.clone();
    change.apply(&mut after);
    Ok((after != before).then_some(after))
}
