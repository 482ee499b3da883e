//! The interface to a database library.

use std::{fmt, future::Future};

use scimkit_sql::{
    Dialect,
    tables::{SqlStatement, SqlValue},
};
use scimkit_store::rows::TransactionMode;

use crate::DriverError;

/// A row that a statement returns: its columns in order.
pub type SqlRow = Vec<SqlValue>;

/// The access of a store to a database through one database library.
///
/// All methods can be written as `async fn`. A driver knows no table: it runs statements and classifies errors.
///
/// [`scimkit_testkit::contract::sql_driver`](https://docs.rs/scimkit-testkit) contains the tests of this contract.
pub trait Driver: fmt::Debug + Send + Sync + 'static {
    /// An open transaction.
    type Transaction: Transaction;

    /// Begins a transaction.
    ///
    /// - With [`TransactionMode::Read`] it sees the rows of one moment: `REPEATABLE READ` in PostgreSQL.
    /// - With [`TransactionMode::Write`] each statement sees the rows that are committed when it begins, and the transaction
    ///   can wait for a lock: `READ COMMITTED` in PostgreSQL, `BEGIN IMMEDIATE` in SQLite.
    ///
    /// A driver may begin the transaction together with its first statements.
    ///
    /// # Errors
    /// [`DriverErrorKind::Busy`](crate::DriverErrorKind::Busy) if no connection is free for too long.
    fn begin(
        &self,
        access: TransactionMode,
    ) -> impl Future<Output = Result<Self::Transaction, DriverError>> + Send;

    /// Returns the dialect of the database.
    fn dialect(&self) -> Dialect;
}

/// An open transaction.
///
/// If it is dropped without [`commit`](Self::commit), it is rolled back before another transaction uses its connection.
/// The same holds if a future of one of its methods is dropped.
pub trait Transaction: Send + 'static {
    /// Makes the changes durable and visible.
    ///
    /// # Errors
    /// Nothing was committed, unless the kind of the error is [`Other`](crate::DriverErrorKind::Other): then it may be.
    fn commit(self) -> impl Future<Output = Result<(), DriverError>> + Send;

    /// Runs statements in order, and returns the rows of each: none for a statement that returns no rows.
    ///
    /// - Each statement sees the changes of those before. They are sent together if the database can do that.
    /// - A parameter is converted to the type that the database expects at its placeholder: an integer for any integer
    ///   type, text for dates, UUIDs, enums and JSON. One that does not fit is
    ///   [rejected](crate::DriverErrorKind::Rejected).
    ///
    /// # Errors
    /// The first statement that fails, with its [number](DriverError::statement). The transaction is over: no
    /// further statement runs, and it can't be committed.
    fn run(
        &mut self,
        statements: Vec<SqlStatement>,
    ) -> impl Future<Output = Result<Vec<Vec<SqlRow>>, DriverError>> + Send;
}
