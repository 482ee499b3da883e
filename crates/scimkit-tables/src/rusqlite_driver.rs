//! SQLite through rusqlite.

mod lane;
mod statements;

use std::{
    fmt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};
use scimkit_sql::{Dialect, tables::SqlStatement};
use scimkit_store::rows::TransactionMode;
use tokio::sync::oneshot;

use self::lane::{Lane, Lease};
use crate::{Driver, DriverError, DriverErrorKind, SqlRow, Transaction};

/// The connections that read, unless another number is given.
const READERS: usize = 4;
/// The time that a connection waits for a lock of another connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// A driver for SQLite, with connections and threads of its own.
///
/// One connection writes and others read, each on a thread, so that no statement blocks a task. The application uses
/// the same file through its own connections. In the journal mode `WAL`, which the application sets, readers and the
/// writer do not wait for each other.
///
/// # Example
/// ```
/// use scimkit_tables::RusqliteDriver;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("app.sqlite");
/// # rusqlite::Connection::open(&path)?;
/// let driver = RusqliteDriver::open(&path)?;
/// // Connections with settings of the application:
/// let driver = RusqliteDriver::with_connections(2, move || {
///     let connection = rusqlite::Connection::open(&path)?;
///     connection.pragma_update(None, "foreign_keys", true)?;
///     Ok(connection)
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RusqliteDriver {
    /// None if one connection does both.
    readers: Option<Arc<Lane>>,
    writer: Arc<Lane>,
}

impl RusqliteDriver {
    /// Opens an existing database file, with four connections to read.
    ///
    /// # Errors
    /// The file does not exist or can't be opened, or a thread can't be started.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, DriverError> {
        let path = path.as_ref().to_owned();
        RusqliteDriver::with_connections(READERS, move || {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(&path, flags)?;
            connection.busy_timeout(PATIENCE)?;
            Ok(connection)
        })
    }

    /// Creates a driver with the connections of a function: one to write and some to read.
    ///
    /// # Errors
    /// The function fails, or a thread can't be started.
    pub fn with_connections(
        readers: usize,
        connect: impl Fn() -> rusqlite::Result<Connection>,
    ) -> Result<Self, DriverError> {
        let connect = || connect().map_err(|error| statements::classified(error, None));
        let reading = (0..readers)
            .map(|_| connect())
            .collect::<Result<Vec<_>, _>>()?;
        Ok(RusqliteDriver {
            readers: if reading.is_empty() {
                None
            } else {
                Some(Lane::start("scim-tables-read", reading)?)
            },
            writer: Lane::start("scim-tables-write", vec![connect()?])?,
        })
    }

    /// Creates a driver with one connection that reads and writes, such as one to a database in memory.
    ///
    /// # Errors
    /// A thread can't be started.
    pub fn with_connection(connection: Connection) -> Result<Self, DriverError> {
        Ok(RusqliteDriver {
            readers: None,
            writer: Lane::start("scim-tables", vec![connection])?,
        })
    }

    /// Runs a job of the application on the connection that writes, between two transactions.
    ///
    /// # Errors
    /// [`DriverErrorKind::Busy`] if too many tasks wait for the connection; [`DriverErrorKind::Other`] if the job panics.
    pub async fn call<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> T + Send + 'static,
    ) -> Result<T, DriverError> {
        let lease = self.writer.lease().await?;
        let (answer, answered) = oneshot::channel();
        lease.send(Box::new(move |connection| {
            let result = job(connection);
            roll_back(connection);
            drop(answer.send(result));
        }))?;
        answered.await.map_err(|_| stopped())
    }
}

impl Driver for RusqliteDriver {
    type Transaction = RusqliteTransaction;

    async fn begin(&self, access: TransactionMode) -> Result<RusqliteTransaction, DriverError> {
        let lane = match (access, &self.readers) {
            (TransactionMode::Read, Some(readers)) => readers,
            _ => &self.writer,
        };
        Ok(RusqliteTransaction {
            access,
            is_dropped: Arc::default(),
            lease: lane.lease().await?,
            runs: Arc::default(),
            state: State::New,
        })
    }

    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }
}

impl fmt::Debug for RusqliteDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RusqliteDriver").finish_non_exhaustive()
    }
}

/// An open transaction of a [`RusqliteDriver`].
pub struct RusqliteTransaction {
    access: TransactionMode,
    /// Whether nobody waits for statements of the transaction any more.
    is_dropped: Arc<AtomicBool>,
    lease: Lease,
    /// Whether the thread is running statements of the transaction.
    runs: Arc<AtomicBool>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// `BEGIN` is sent with the first statements.
    New,
    Open,
    /// Committed, or a statement has failed: nothing more may run.
    Over,
}

impl RusqliteTransaction {
    /// Runs a job on the thread of the connection.
    async fn send<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> T + Send + 'static,
    ) -> Result<T, DriverError> {
        let (answer, answered) = oneshot::channel();
        let runs = Arc::clone(&self.runs);
        runs.store(true, Ordering::Release);
        self.lease.send(Box::new(move |connection| {
            let result = job(connection);
            runs.store(false, Ordering::Release);
            drop(answer.send(result));
        }))?;
        answered.await.map_err(|_| stopped())
    }
}

impl Transaction for RusqliteTransaction {
    async fn commit(mut self) -> Result<(), DriverError> {
        match self.state {
            State::New => return Ok(()),
            State::Open => {}
            State::Over => return Err(over()),
        }
        self.state = State::Over;
        self.send(statements::commit).await?
    }

    async fn run(
        &mut self,
        statements: Vec<SqlStatement>,
    ) -> Result<Vec<Vec<SqlRow>>, DriverError> {
        let begin = match self.state {
            State::New => Some(self.access),
            State::Open => None,
            State::Over => return Err(over()),
        };
        // Until the statements have succeeded, also if this future is dropped.
        self.state = State::Over;
        let is_dropped = Arc::clone(&self.is_dropped);
        let job = move |connection: &mut Connection| {
            statements::run(connection, begin, &statements, &is_dropped)
        };
        let rows = self.send(job).await??;
        self.state = State::Open;
        Ok(rows)
    }
}

impl Drop for RusqliteTransaction {
    fn drop(&mut self) {
        self.is_dropped.store(true, Ordering::Release);
        if self.runs.load(Ordering::Acquire) {
            // Nobody waits for the statement any more. Other jobs of the thread come after the one below.
            self.lease.interrupt();
        }
        // A thread that has stopped has closed its connection.
        drop(self.lease.send(Box::new(roll_back)));
    }
}

impl fmt::Debug for RusqliteTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RusqliteTransaction")
            .field("access", &self.access)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// Ends what is still open on a connection.
fn roll_back(connection: &mut Connection) {
    if !connection.is_autocommit() {
        // It fails only if the transaction has ended by itself.
        drop(connection.execute_batch("ROLLBACK"));
    }
}

fn over() -> DriverError {
    DriverError::new(DriverErrorKind::Other, "the transaction is over")
}

fn stopped() -> DriverError {
    DriverError::new(
        DriverErrorKind::Other,
        "the thread of the connection has stopped",
    )
}
