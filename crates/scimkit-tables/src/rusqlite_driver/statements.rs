//! Statements on the thread of a connection.

use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::{
    Connection,
    types::{ToSql, ToSqlOutput, Value, ValueRef},
};
use scimkit_sql::tables::{SqlStatement, SqlValue};
use scimkit_store::rows::TransactionMode;

use crate::{DriverError, DriverErrorKind, SqlRow};

/// Runs statements in an open transaction, or in a new one.
pub(super) fn run(
    connection: &mut Connection,
    begin: Option<TransactionMode>,
    statements: &[SqlStatement],
    is_dropped: &AtomicBool,
) -> Result<Vec<Vec<SqlRow>>, DriverError> {
    if let Some(access) = begin {
        let begin = match access {
            TransactionMode::Read => "BEGIN",
            TransactionMode::Write => "BEGIN IMMEDIATE",
        };
        let begun = connection.execute_batch(begin);
        begun.map_err(|error| classified(error, None))?;
    }
    let mut results = Vec::with_capacity(statements.len());
    for (number, statement) in statements.iter().enumerate() {
        if connection.is_autocommit() {
            // SQLite rolls a transaction back by itself when the disk is full or fails.
            let reason = "SQLite has rolled the transaction back";
            return Err(DriverError::new(DriverErrorKind::Unavailable, reason));
        }
        if is_dropped.load(Ordering::Acquire) {
            let reason = "nobody waits for the result";
            return Err(DriverError::new(DriverErrorKind::Other, reason));
        }
        let rows = rows(connection, statement);
        results.push(rows.map_err(|error| classified(error, Some(number)))?);
    }
    Ok(results)
}

/// Commits the open transaction, or rolls it back.
pub(super) fn commit(connection: &mut Connection) -> Result<(), DriverError> {
    if connection.is_autocommit() {
        let reason = "SQLite has rolled the transaction back";
        return Err(DriverError::new(DriverErrorKind::Unavailable, reason));
    }
    let committed = connection.execute_batch("COMMIT");
    committed.map_err(|error| classified(error, None))
}

fn rows(connection: &Connection, statement: &SqlStatement) -> rusqlite::Result<Vec<SqlRow>> {
    let mut prepared = connection.prepare_cached(&statement.text)?;
    for (number, value) in (1..).zip(&statement.parameters) {
        prepared.raw_bind_parameter(number, Bound(value))?;
    }
    let columns = prepared.column_count();
    let mut rows = prepared.raw_query();
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let mut values = SqlRow::with_capacity(columns);
        for column in 0..columns {
            values.push(value(row.get_ref(column)?));
        }
        found.push(values);
    }
    Ok(found)
}

struct Bound<'a>(&'a SqlValue);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            SqlValue::Blob(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            SqlValue::Bool(value) => ToSqlOutput::Owned(Value::Integer(i64::from(*value))),
            SqlValue::Integer(number) => ToSqlOutput::Owned(Value::Integer(*number)),
            SqlValue::Null => ToSqlOutput::Owned(Value::Null),
            SqlValue::Real(number) => ToSqlOutput::Owned(Value::Real(*number)),
            SqlValue::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

fn value(value: ValueRef<'_>) -> SqlValue {
    match value {
        ValueRef::Blob(bytes) => SqlValue::Blob(bytes.to_vec()),
        ValueRef::Integer(number) => SqlValue::Integer(number),
        ValueRef::Null => SqlValue::Null,
        ValueRef::Real(number) => SqlValue::Real(number),
        // SQLite does not check that text is UTF-8.
        ValueRef::Text(text) => SqlValue::Text(match str::from_utf8(text) {
            Ok(text) => text.to_owned(),
            Err(_) => String::from_utf8_lossy(text).into_owned(),
        }),
    }
}

/// An error of SQLite, with the number of the statement that failed.
pub(super) fn classified(error: rusqlite::Error, statement: Option<usize>) -> DriverError {
    let kind = match error.sqlite_error() {
        Some(answer) => DriverErrorKind::from_sqlite(answer.extended_code, &error.to_string()),
        None => DriverErrorKind::Other,
    };
    let error = DriverError::new(kind, error);
    match statement {
        Some(number) => error.with_statement(number),
        None => error,
    }
}
