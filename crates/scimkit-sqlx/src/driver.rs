//! Transactions on the connections of a pool.

use std::fmt;

use scimkit_sql::{Dialect, tables::SqlStatement};
use scimkit_store::rows::TransactionMode;
use scimkit_tables::{Driver, DriverError, DriverErrorKind, SqlRow, Transaction};
use sqlx::{Pool, pool::PoolConnection};
use tokio::runtime::Handle;

use crate::backend::Backend;

/// A driver over a pool of the application: see [`SqlxPostgres`](crate::SqlxPostgres) and [`SqlxSqlite`](crate::SqlxSqlite).
///
/// - It needs a Tokio runtime.
/// - The limits of the pool hold: a connection that is not free in time is reported as busy.
/// - A transaction that is dropped is rolled back, before its connection returns to the pool.
pub struct SqlxDriver<DB: Backend> {
    pool: Pool<DB>,
}

impl<DB: Backend> SqlxDriver<DB> {
    /// Creates a driver over a pool.
    #[must_use]
    pub fn new(pool: Pool<DB>) -> Self {
        SqlxDriver { pool }
    }

    /// Returns the pool.
    #[must_use]
    pub fn pool(&self) -> &Pool<DB> {
        &self.pool
    }
}

impl<DB: Backend> Clone for SqlxDriver<DB> {
    fn clone(&self) -> Self {
        SqlxDriver::new(self.pool.clone())
    }
}

impl<DB: Backend> Driver for SqlxDriver<DB> {
    type Transaction = SqlxTransaction<DB>;

    async fn begin(&self, access: TransactionMode) -> Result<SqlxTransaction<DB>, DriverError> {
        let runtime = Handle::try_current();
        let runtime = runtime.map_err(|error| DriverError::new(DriverErrorKind::Other, error))?;
        let connection = self.pool.acquire().await.map_err(no_connection::<DB>)?;
        Ok(SqlxTransaction {
            access,
            connection: Some(connection),
            runtime,
            state: State::New,
        })
    }

    fn dialect(&self) -> Dialect {
        DB::DIALECT
    }
}

impl<DB: Backend> fmt::Debug for SqlxDriver<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlxDriver").finish_non_exhaustive()
    }
}

/// An open transaction of a [`SqlxDriver`].
pub struct SqlxTransaction<DB: Backend> {
    access: TransactionMode,
    /// None once the connection is no longer used.
    connection: Option<PoolConnection<DB>>,
    runtime: Handle,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing is open on the connection: `BEGIN` is sent with the first statements, or the transaction is committed.
    New,
    Open,
    /// A statement has failed or was not waited for: nothing more may run.
    Over,
}

impl<DB: Backend> Transaction for SqlxTransaction<DB> {
    async fn commit(mut self) -> Result<(), DriverError> {
        match self.state {
            State::New => return Ok(()),
            State::Open => {}
            State::Over => return Err(over()),
        }
        self.state = State::Over;
        let connection = self.connection.as_mut().ok_or_else(over)?;
        match DB::execute(connection, "COMMIT").await {
            Ok(()) => self.state = State::New,
            Err(error) => {
                let error = self.failed(error);
                return Err(match error.kind() {
                    // Without an answer it may be committed.
                    DriverErrorKind::Lost if self.connection.is_none() => {
                        DriverError::new(DriverErrorKind::Other, error)
                    }
                    _ => error,
                });
            }
        }
        Ok(())
    }

    async fn run(
        &mut self,
        statements: Vec<SqlStatement>,
    ) -> Result<Vec<Vec<SqlRow>>, DriverError> {
        let begins = match self.state {
            State::New => true,
            State::Open => false,
            State::Over => return Err(over()),
        };
        // Until the statements have succeeded, also if this future is dropped.
        self.state = State::Over;
        let connection = self.connection.as_mut().ok_or_else(over)?;
        if begins && let Err(error) = DB::execute(connection, DB::begin(self.access)).await {
            return Err(self.failed(error));
        }
        let mut results = Vec::with_capacity(statements.len());
        for (number, statement) in statements.into_iter().enumerate() {
            match DB::rows(connection, statement).await {
                Ok(rows) => results.push(rows),
                Err(error) => return Err(self.failed(error).with_statement(number)),
            }
        }
        self.state = State::Open;
        Ok(results)
    }
}

impl<DB: Backend> SqlxTransaction<DB> {
    /// The error of a statement. A connection that can't be used any more leaves the pool.
    fn failed(&mut self, error: sqlx::Error) -> DriverError {
        let (kind, is_unusable) = DB::classified(&error);
        if is_unusable {
            drop(self.connection.take().map(PoolConnection::detach));
        }
        DriverError::new(kind, error)
    }
}

impl<DB: Backend> Drop for SqlxTransaction<DB> {
    fn drop(&mut self) {
        // A connection returns to its pool by a task.
        let _runtime = self.runtime.enter();
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        if self.state == State::New {
            return;
        }
        // The transactions of sqlx are not used, because one whose `begin` is dropped stays open.
        drop(self.runtime.spawn(async move {
            let ended = DB::execute(&mut connection, "ROLLBACK").await;
            // An answer, even that there is no transaction any more, leaves none open.
            if ended.is_err_and(|error| error.as_database_error().is_none()) {
                drop(connection.detach());
            }
        }));
    }
}

impl<DB: Backend> fmt::Debug for SqlxTransaction<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlxTransaction")
            .field("access", &self.access)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

fn no_connection<DB: Backend>(error: sqlx::Error) -> DriverError {
    let kind = match (&error, DB::classified(&error)) {
        (sqlx::Error::PoolTimedOut, _) | (_, (DriverErrorKind::Busy, _)) => DriverErrorKind::Busy,
        _ => DriverErrorKind::Unavailable,
    };
    DriverError::new(kind, error)
}

fn over() -> DriverError {
    DriverError::new(DriverErrorKind::Other, "the transaction is over")
}
