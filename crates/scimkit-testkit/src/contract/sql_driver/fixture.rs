//! A driver with short words for what the checks do.

use std::sync::OnceLock;

use scimkit_sql::{
    Dialect,
    tables::{SqlStatement, SqlValue},
};
use scimkit_store::{BoxFuture, rows::TransactionMode};
use scimkit_tables::{Driver as SqlDriver, DriverError, SqlRow, Transaction as _};

use super::{Connections, FutureDriver};

/// A driver under test.
pub(super) struct Fixture<'a, D> {
    connections: Connections,
    drive: &'a FutureDriver<'a>,
    pub(super) driver: D,
    /// The reason why the check does not apply.
    skipped: OnceLock<String>,
}

impl<'a, D: SqlDriver> Fixture<'a, D> {
    pub(super) fn new(driver: D, connections: Connections, drive: &'a FutureDriver<'a>) -> Self {
        Fixture {
            connections,
            drive,
            driver,
            skipped: OnceLock::new(),
        }
    }

    pub(super) fn skipped(&self) -> Option<&str> {
        self.skipped.get().map(String::as_str)
    }

    /// Ends the check as skipped unless two transactions can be open.
    pub(super) fn needs_connections(&self) -> Result<(), String> {
        if self.connections == Connections::Several {
            return Ok(());
        }
        let reason = "the driver has one connection";
        // The first reason stays.
        let _ = self.skipped.set(reason.to_owned());
        Err(reason.to_owned())
    }

    pub(super) fn wait<T: Send>(
        &self,
        future: impl Future<Output = T> + Send,
    ) -> Result<T, String> {
        let mut answer = None;
        let slot = &mut answer;
        let future: BoxFuture<'_, ()> = Box::pin(async move { *slot = Some(future.await) });
        (self.drive)(future);
        answer.ok_or_else(|| "the future was left unfinished".to_owned())
    }

    /// A statement with the placeholders of the dialect.
    pub(super) fn sql(&self, text: &str, parameters: &[SqlValue]) -> SqlStatement {
        let text = match self.driver.dialect() {
            Dialect::Postgres => text.replace('?', "$"),
            _ => text.to_owned(),
        };
        let statement = SqlStatement::new(text);
        parameters
            .iter()
            .cloned()
            .fold(statement, SqlStatement::with_parameter)
    }

    pub(super) fn is_postgres(&self) -> bool {
        self.driver.dialect() == Dialect::Postgres
    }

    pub(super) fn begin(&self, access: TransactionMode) -> Result<D::Transaction, String> {
        self.wait(self.driver.begin(access))?
            .map_err(|error| said(&error))
    }

    pub(super) fn run(
        &self,
        transaction: &mut D::Transaction,
        statements: Vec<SqlStatement>,
    ) -> Result<Result<Vec<Vec<SqlRow>>, DriverError>, String> {
        self.wait(transaction.run(statements))
    }

    /// Runs statements in a transaction and commits it.
    pub(super) fn write(
        &self,
        statements: Vec<SqlStatement>,
    ) -> Result<Result<Vec<Vec<SqlRow>>, DriverError>, String> {
        let mut transaction = self.begin(TransactionMode::Write)?;
        let rows = match self.run(&mut transaction, statements)? {
            Ok(rows) => rows,
            Err(error) => return Ok(Err(error)),
        };
        Ok(self.wait(transaction.commit())?.map(|()| rows))
    }

    /// The same, for statements that must succeed.
    pub(super) fn must_write(
        &self,
        statements: Vec<SqlStatement>,
    ) -> Result<Vec<Vec<SqlRow>>, String> {
        self.write(statements)?.map_err(|error| said(&error))
    }

    /// The rows of one statement in a transaction that reads.
    pub(super) fn read(&self, statement: SqlStatement) -> Result<Vec<SqlRow>, String> {
        let mut transaction = self.begin(TransactionMode::Read)?;
        let rows = self.run(&mut transaction, vec![statement])?;
        let mut rows = rows.map_err(|error| said(&error))?;
        rows.pop()
            .ok_or_else(|| "a statement without a result".to_owned())
    }

    /// The number of rows of the table of [`Fixture::create_names`].
    pub(super) fn count(&self) -> Result<i64, String> {
        let rows = self.read(self.sql("SELECT count(*) FROM names", &[]))?;
        match rows.as_slice() {
            [row] if matches!(row.as_slice(), [SqlValue::Integer(_)]) => Ok(integer(row)),
            other => Err(format!("count(*) returned {other:?}")),
        }
    }

    /// A table of numbers and unique names.
    pub(super) fn create_names(&self) -> Result<(), String> {
        let text = if self.is_postgres() {
            "CREATE TABLE names (id bigint PRIMARY KEY, name text NOT NULL,
                 CONSTRAINT names_name UNIQUE (name))"
        } else {
            "CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT"
        };
        self.must_write(vec![SqlStatement::new(text)]).map(drop)
    }

    pub(super) fn insert(&self, id: i64, name: impl Into<SqlValue>) -> SqlStatement {
        let text = "INSERT INTO names (id, name) VALUES (?1, ?2)";
        self.sql(text, &[SqlValue::Integer(id), name.into()])
    }
}

/// The first column of a row, if it is an integer.
pub(super) fn integer(row: &SqlRow) -> i64 {
    match row.first() {
        Some(SqlValue::Integer(number)) => *number,
        _ => i64::MIN,
    }
}

/// An error with what caused it.
pub(super) fn said(error: &DriverError) -> String {
    let source = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
