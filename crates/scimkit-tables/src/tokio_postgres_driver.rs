//! PostgreSQL through tokio-postgres.

mod statements;

use std::{
    fmt,
    task::{Context, Waker},
};

use deadpool_postgres::{Object, Pool, PoolError};
use scimkit_sql::{Dialect, tables::SqlStatement};
use scimkit_store::rows::TransactionMode;
use tokio::runtime::Handle;

use crate::{Driver, DriverError, DriverErrorKind, SqlRow, Transaction};

/// A driver for PostgreSQL over a pool of the application.
///
/// - Statements are sent together, and their answers read afterwards. Each connection prepares a statement once.
/// - The limits of the pool hold: give it a time to wait for a connection ([`Pool::timeouts`]), so that an overloaded
///   database is reported as busy.
/// - A transaction that is dropped is rolled back. If one of its statements is still running, its connection returns to
///   the pool after that statement.
/// - It needs a connection that keeps its session for a transaction. In front of PgBouncer's transaction pooling, version
///   1.21 or later of it keeps prepared statements.
///
/// # Example
/// ```
/// use deadpool_postgres::{Manager, Pool, Runtime};
/// use scimkit_tables::TokioPostgresDriver;
/// use tokio_postgres::NoTls;
///
/// let config: tokio_postgres::Config = "postgresql://app@localhost/app".parse()?;
/// let pool = Pool::builder(Manager::new(config, NoTls)).runtime(Runtime::Tokio1);
/// let pool = pool.wait_timeout(Some(std::time::Duration::from_secs(5))).build()?;
/// let driver = TokioPostgresDriver::new(pool);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TokioPostgresDriver {
    pool: Pool,
}

impl TokioPostgresDriver {
    /// Creates a driver over a pool.
    #[must_use]
    pub fn new(pool: Pool) -> Self {
        TokioPostgresDriver { pool }
    }

    /// Returns the pool.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.pool
    }
}

impl Driver for TokioPostgresDriver {
    type Transaction = TokioPostgresTransaction;

    async fn begin(
        &self,
        access: TransactionMode,
    ) -> Result<TokioPostgresTransaction, DriverError> {
        let client = self.pool.get().await.map_err(no_connection)?;
        Ok(TokioPostgresTransaction {
            access,
            client: Some(client),
            runtime: Handle::try_current().ok(),
            state: State::New,
        })
    }

    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }
}

impl fmt::Debug for TokioPostgresDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokioPostgresDriver")
            .finish_non_exhaustive()
    }
}

/// An open transaction of a [`TokioPostgresDriver`].
pub struct TokioPostgresTransaction {
    access: TransactionMode,
    /// None once the connection is no longer used.
    client: Option<Object>,
    runtime: Option<Handle>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// `BEGIN` is sent with the first statements.
    New,
    Open,
    /// Statements were sent, and their answers did not come yet.
    Running,
    /// A statement has failed: nothing more may run.
    Failed,
}

impl Transaction for TokioPostgresTransaction {
    async fn commit(mut self) -> Result<(), DriverError> {
        match (self.state, &self.client) {
            (State::New, _) => return Ok(()),
            (State::Open, Some(client)) => {
                self.state = State::Running;
                statements::commit(client).await?;
            }
            _ => return Err(over()),
        }
        // The transaction has ended, so the connection can return as it is.
        self.client = None;
        Ok(())
    }

    async fn run(
        &mut self,
        statements: Vec<SqlStatement>,
    ) -> Result<Vec<Vec<SqlRow>>, DriverError> {
        let begin = match self.state {
            State::New => Some(self.access),
            State::Open => None,
            State::Failed | State::Running => return Err(over()),
        };
        let client = self.client.as_ref().ok_or_else(over)?;
        // Until the statements have ended, also if this future is dropped.
        self.state = State::Running;
        let result = statements::run(client, begin, &statements).await;
        self.state = if result.is_ok() {
            State::Open
        } else {
            State::Failed
        };
        result.map_err(|failure| {
            if failure.connection_is_unusable {
                // Another one takes its place in the pool.
                drop(self.client.take().map(Object::take));
            }
            failure.error
        })
    }
}

impl Drop for TokioPostgresTransaction {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else {
            return;
        };
        if self.state == State::New {
            return;
        }
        let mut end = Box::pin(async move {
            if client.batch_execute("ROLLBACK").await.is_err() {
                drop(Object::take(client));
            }
        });
        // The first poll sends it, so it comes before every statement of the connection's next user.
        let mut context = Context::from_waker(Waker::noop());
        let is_sent = end.as_mut().poll(&mut context).is_pending();
        if is_sent
            && self.state == State::Running
            && let Some(runtime) = &self.runtime
        {
            // The connection stays with a task until the running statement ends, so that no other transaction waits for it.
            drop(runtime.spawn(end));
        }
    }
}

impl fmt::Debug for TokioPostgresTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokioPostgresTransaction")
            .field("access", &self.access)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

fn no_connection(error: PoolError) -> DriverError {
    match error {
        PoolError::Backend(error) => statements::no_connection(error),
        PoolError::Timeout(_) => DriverError::new(DriverErrorKind::Busy, error),
        error => DriverError::new(DriverErrorKind::Unavailable, error),
    }
}

fn over() -> DriverError {
    DriverError::new(DriverErrorKind::Other, "the transaction is over")
}
