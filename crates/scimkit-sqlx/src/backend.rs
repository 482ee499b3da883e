//! What differs between databases.

use scimkit_sql::{Dialect, tables::SqlStatement};
use scimkit_store::rows::TransactionMode;
use scimkit_tables::{DriverErrorKind, SqlRow};

/// A database of sqlx.
pub trait Backend: sqlx::Database {
    /// The dialect of its statements.
    const DIALECT: Dialect;

    /// The statement that begins a transaction.
    fn begin(access: TransactionMode) -> &'static str;

    /// The kind of an error, and whether the connection can't be used any more.
    fn classified(error: &sqlx::Error) -> (DriverErrorKind, bool);

    /// Runs a statement without parameters and rows.
    fn execute(
        connection: &mut Self::Connection,
        sql: &'static str,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Runs a statement.
    fn rows(
        connection: &mut Self::Connection,
        statement: SqlStatement,
    ) -> impl Future<Output = Result<Vec<SqlRow>, sqlx::Error>> + Send;
}
