//! The threads of a store: one writes, others read.

use std::{
    cell::RefCell,
    fmt,
    path::Path,
    sync::Arc,
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use rusqlite::{Connection, ErrorCode};
use scimkit_registry::Budget;
use scimkit_store::StoreError;
use tokio::sync::oneshot;

use crate::{
    OpenError, SqliteOptions,
    error::{Failure, Outcome},
    file::{self, DatabaseLocation},
    lanes::{Caller, Lane, Lanes, Next, Read, Task},
    remnants::{self, Remnants},
    watch::Watch,
    write::{Work, write_together},
};

/// The maximum number of batches that are committed together.
const MAX_BATCHES: usize = 64;
/// The number of writes after which a group accepts no further batch, so that no write waits for long.
const MAX_WRITES: usize = 1_024;
/// The time that the writing thread waits for work before it checks the file.
const IDLE: Duration = Duration::from_secs(5);
/// The time that the writing thread waits for work before it empties the write-ahead log.
const LOG_IDLE: Duration = Duration::from_secs(1);
/// The age of the log after which it is emptied even under constant load.
const LOG_AGE: Duration = Duration::from_secs(10);
/// The time that writes wait for readers of an older state, so that the log can be emptied.
const LOG_PATIENCE: Duration = Duration::from_millis(20);
/// The time that the writing thread waits before it overwrites more copies of removed rows, so that other processes
/// can write: SQLite makes them retry at intervals.
const PAUSE: Duration = Duration::from_millis(20);
/// The maximum time that a closed store continues to overwrite copies of removed rows.
const AT_END: Duration = Duration::from_secs(2);
/// The number of SQLite virtual machine instructions between two checks of a budget, about 50 microseconds.
const INSTRUCTIONS: u16 = 1_000;

/// The threads of one open file. Dropping this ends them, and drops the work that is queued.
pub(crate) struct Workers {
    lanes: Arc<Lanes>,
    options: SqliteOptions,
    place: DatabaseLocation,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    pub(crate) fn start(
        place: &DatabaseLocation,
        options: &SqliteOptions,
    ) -> Result<Self, OpenError> {
        let mut connection = file::open_writer(place, options)?;
        let readers = match place {
            DatabaseLocation::File(_) => {
                remnants::remember(&connection)?;
                options.readers.max(1)
            }
            // Data in memory belong to one connection, so the writing thread also reads.
            DatabaseLocation::Memory => {
                limit(&mut connection);
                0
            }
        };
        let lanes = Arc::new(Lanes::new(options.queue, readers));
        let mut workers = Workers {
            lanes: Arc::clone(&lanes),
            options: options.clone(),
            place: place.clone(),
            threads: Vec::new(),
        };
        let watch = match place {
            DatabaseLocation::File(path) => Some(Watch::new(path)),
            DatabaseLocation::Memory => None,
        };
        workers.spawn("scim-write", move || write_all(connection, &lanes, watch))?;
        if let DatabaseLocation::File(path) = place {
            for _ in 0..readers {
                workers.start_reader("scim-lookup", path, Lane::Lookup)?;
                workers.start_reader("scim-query", path, Lane::Query)?;
            }
        }
        Ok(workers)
    }

    fn start_reader(&mut self, name: &str, path: &Path, lane: Lane) -> Result<(), OpenError> {
        let mut connection = file::open_reader(path, &self.options)?;
        limit(&mut connection);
        let lanes = Arc::clone(&self.lanes);
        self.spawn(name, move || {
            while let Some(turn) = lanes.next_read(lane) {
                turn.run(&mut connection);
            }
        })
    }

    fn spawn(&mut self, name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), OpenError> {
        let thread = Builder::new()
            .name(name.to_owned())
            .spawn(body)
            .map_err(OpenError::Thread)?;
        self.threads.push(thread);
        Ok(())
    }

    /// Runs a job on a read-only connection, until the budget is exhausted or the future is dropped.
    ///
    /// The job receives its own part of the budget, which it charges for work outside of SQLite.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        (lane, caller): (Lane, Caller),
        budget: &Budget,
        job: impl FnOnce(&mut Connection, &Budget) -> Outcome<T> + Send + 'static,
    ) -> Result<Outcome<T>, StoreError> {
        let work = Cancelled(budget.part());
        let (answer, answered) = oneshot::channel();
        let budget = work.0.clone();
        let job = move |connection: &mut Connection| {
            drop(answer.send(limited(connection, &budget, job)));
        };
        let read = Read {
            budget: work.0.clone(),
            job: Box::new(job),
        };
        self.lanes.push_read(lane, caller, read)?;
        // A job whose budget ran out while it waited may have lost its place.
        let given_up = || work.0.check().map_or_else(StoreError::from, |()| stopped());
        answered.await.map_err(|_| given_up())
    }

    /// Runs a job on the writing connection, outside of any transaction.
    pub(crate) async fn alone<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.aside(move |connection| {
            // The caller no longer waits, so the job is skipped.
            if !answer.is_closed() {
                drop(answer.send(job(connection)));
            }
        })?;
        answered.await.map_err(|_| stopped())
    }

    /// Runs a job like [`Workers::alone`], without waiting for its result.
    pub(crate) fn aside(
        &self,
        job: impl FnOnce(&mut Connection) + Send + 'static,
    ) -> Result<(), StoreError> {
        self.lanes.push_task(Task::Alone(Box::new(job)))
    }

    /// Runs a long read on a separate thread and connection, so that no other read waits for it. A database in
    /// memory has only one connection, so there the job runs on the writing thread.
    pub(crate) fn apart(
        &self,
        job: impl FnOnce(Result<&mut Connection, StoreError>) + Send + 'static,
    ) -> Result<(), StoreError> {
        let DatabaseLocation::File(path) = &self.place else {
            return self.aside(|connection| job(Ok(connection)));
        };
        let path = path.clone();
        let options = self.options.clone();
        let body = move || match file::open_reader(&path, &options) {
            Ok(mut connection) => job(Ok(&mut connection)),
            Err(problem) => job(Err(problem.into())),
        };
        let thread = Builder::new().name("scim-read-apart".to_owned());
        thread.spawn(body).map_err(StoreError::backend)?;
        Ok(())
    }

    /// Returns whether the data are in a file, so that they can be read while the writing thread is busy.
    pub(crate) fn has_file(&self) -> bool {
        matches!(self.place, DatabaseLocation::File(_))
    }

    /// Queues writes; the result arrives through the channel of the work.
    pub(crate) fn write(&self, work: Work) -> Result<(), StoreError> {
        self.lanes.push_task(Task::Write(work))
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.lanes.close();
        for thread in self.threads.drain(..) {
            // A thread that panicked has already reported it.
            drop(thread.join());
        }
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers")
            .field("threads", &self.threads.len())
            .finish_non_exhaustive()
    }
}

/// Returns the error when the store's threads have ended.
pub(crate) fn stopped() -> StoreError {
    StoreError::backend("the store has stopped")
}

/// A guard that cancels a budget when it is dropped, together with the future that waits for the work.
pub(crate) struct Cancelled(pub(crate) Budget);

impl Drop for Cancelled {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

thread_local! {
    /// The budget of the current job of the thread, if its statements are [limited].
    static BUDGET: RefCell<Option<Budget>> = const { RefCell::new(None) };
}

/// Makes a connection interrupt statements when the budget of a [limited] job is exhausted. This is set up once per
/// connection, since the setup costs more than a lookup.
fn limit(connection: &mut Connection) {
    let units = u64::from(INSTRUCTIONS) * Budget::COMPARISON;
    let is_over = move || {
        BUDGET.with_borrow(|budget| {
            let charged = budget.as_ref().map(|budget| budget.charge(units));
            charged.is_some_and(|charged| charged.is_err())
        })
    };
    // This fails only for connections that rusqlite did not open.
    let _ = connection.progress_handler(INSTRUCTIONS.into(), Some(is_over));
}

/// Runs a job whose statements are interrupted when the budget is exhausted; SQLite's instructions are charged to
/// it. Use it only for jobs that read: interrupting a write undoes its whole transaction.
fn limited<T>(
    connection: &mut Connection,
    budget: &Budget,
    job: impl FnOnce(&mut Connection, &Budget) -> Outcome<T>,
) -> Outcome<T> {
    budget.check()?;
    BUDGET.set(Some(budget.clone()));
    let outcome = job(connection, budget);
    BUDGET.set(None);
    if !connection.is_autocommit() {
        // The end of the transaction was also interrupted.
        connection.execute_batch("ROLLBACK")?;
    }
    match (outcome, budget.check()) {
        (Err(Failure::Sqlite(error)), Err(reason))
            if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) =>
        {
            Err(reason.into())
        }
        (outcome, _) => outcome,
    }
}

/// Takes the queued work and commits it together: one flush to the disk for many writes.
fn write_all(mut connection: Connection, lanes: &Lanes, mut watch: Option<Watch>) {
    let (mut log, mut remnants) = (Log::default(), Remnants::default());
    loop {
        let next = lanes.next_for_writer(log.due(&connection).unwrap_or(IDLE));
        if let (Next::Idle | Next::Task(_), Some(watch)) = (&next, &mut watch) {
            watch.look();
        }
        let first = match next {
            Next::Closed => {
                let since = Instant::now();
                while since.elapsed() < AT_END && remnants.overwrite_some(&connection) {}
                return;
            }
            Next::Idle => {
                log.is_idle = if Remnants::are_left(&connection) {
                    remnants.overwrite_some(&connection)
                } else {
                    log.empty(&connection);
                    true
                };
                continue;
            }
            Next::Read(turn) => {
                turn.run(&mut connection);
                continue;
            }
            Next::Task(task) => task,
        };
        let mut group = Vec::new();
        let mut next = Some(first);
        while let Some(task) = next.take() {
            match task {
                Task::Alone(job) => {
                    // Work that was queued earlier is done earlier.
                    write_together(&connection, std::mem::take(&mut group));
                    job(&mut connection);
                }
                Task::Write(work) => group.push(work),
            }
            let writes: usize = group.iter().map(Work::len).sum();
            if group.len() < MAX_BATCHES && writes < MAX_WRITES {
                next = lanes.next_task();
            }
        }
        write_together(&connection, group);
        remnants.written();
        log.written(&connection, &mut remnants);
    }
}

/// The times to empty the write-ahead log, which still contains deleted data.
#[derive(Debug, Default)]
struct Log {
    /// Whether nothing was written since the thread was last idle.
    is_idle: bool,
    /// The time since which the log contains data.
    since: Option<Instant>,
}

impl Log {
    /// Returns how long the writing thread may be idle before the log is emptied.
    fn due(&self, connection: &Connection) -> Option<Duration> {
        self.since?;
        if self.is_idle && Remnants::are_left(connection) {
            Some(PAUSE)
        } else {
            Some(LOG_IDLE)
        }
    }

    /// Records a write; under constant load, the log is emptied between two writes.
    fn written(&mut self, connection: &Connection, remnants: &mut Remnants) {
        self.is_idle = false;
        let since = *self.since.get_or_insert_with(Instant::now);
        if since.elapsed() >= LOG_AGE {
            remnants.overwrite_some(connection);
            self.empty(connection);
        }
    }

    fn empty(&mut self, connection: &Connection) {
        if self.since.is_some() {
            let is_empty = file::empty_log(connection, LOG_PATIENCE);
            // A reader still uses an older state, or removed rows are still to be overwritten: try again later.
            let is_over = is_empty && !Remnants::are_left(connection);
            self.since = (!is_over).then(Instant::now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{LOG_AGE, Log, PAUSE, Remnants};
    use crate::remnants::tests::removed;

    #[test]
    fn a_log_emptied_under_load_is_emptied_again_after_the_last_removed_rows() {
        let directory = tempfile::tempdir().unwrap();
        let db = removed(&directory.path().join("scim.db"), 50);
        let (mut log, mut remnants) = (Log::default(), Remnants::default());
        log.since = Instant::now().checked_sub(LOG_AGE);
        log.written(&db, &mut remnants);
        assert!(Remnants::are_left(&db));
        log.is_idle = true;
        assert_eq!(log.due(&db), Some(PAUSE));
        while remnants.overwrite_some(&db) {}
        log.empty(&db);
        assert_eq!(log.due(&db), None);
    }
}
