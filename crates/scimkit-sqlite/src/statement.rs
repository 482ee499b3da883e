//! Executes statements of [`scimkit_sql::reference`].

use rusqlite::{
    Connection, Row, params_from_iter,
    types::{ToSqlOutput, Value, ValueRef},
};
use scimkit_sql::{
    Dialect,
    reference::{Parameter, Statement},
};

use crate::error::Outcome;

/// The dialect of every statement.
pub(crate) const DIALECT: Dialect = Dialect::Sqlite;
/// The maximum length of a cached statement, in bytes of its text.
const LONGEST_KEPT: usize = 32_768;

/// Begins or ends a transaction with a cached statement.
pub(crate) fn control(connection: &Connection, text: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(text)?.execute([]).map(drop)
}

/// A read transaction, whose statements all see the same moment.
#[derive(Debug)]
pub(crate) struct Moment<'c>(&'c Connection);

impl<'c> Moment<'c> {
    pub(crate) fn begin(connection: &'c Connection) -> rusqlite::Result<Self> {
        control(connection, "BEGIN").map(|()| Moment(connection))
    }

    pub(crate) fn connection(&self) -> &'c Connection {
        self.0
    }
}

impl Drop for Moment<'_> {
    fn drop(&mut self) {
        if !self.0.is_autocommit() {
            // If the rollback is interrupted, it is retried after the job.
            let _ = control(self.0, "ROLLBACK");
        }
    }
}

/// Executes a statement that returns no rows.
pub(crate) fn execute(connection: &Connection, statement: &Statement<'_>) -> Outcome<()> {
    execute_counted(connection, statement).map(drop)
}

/// Executes statements that return no rows.
pub(crate) fn execute_all<'s>(
    connection: &Connection,
    statements: impl IntoIterator<Item = Statement<'s>>,
) -> Outcome<()> {
    let mut statements = statements.into_iter();
    statements.try_for_each(|statement| execute(connection, &statement))
}

/// Executes a statement that returns no rows, and returns the number of changed rows.
pub(crate) fn execute_counted(
    connection: &Connection,
    statement: &Statement<'_>,
) -> Outcome<usize> {
    let mut prepared = connection.prepare_cached(&statement.text)?;
    Ok(prepared.execute(params_from_iter(statement.parameters.iter().map(bound)))?)
}

/// Reads the first row of a statement, if it has any.
pub(crate) fn first<T>(
    connection: &Connection,
    statement: &Statement<'_>,
    read: impl FnOnce(&Row<'_>) -> Outcome<T>,
) -> Outcome<Option<T>> {
    let mut prepared = connection.prepare_cached(&statement.text)?;
    let mut rows = prepared.query(params_from_iter(statement.parameters.iter().map(bound)))?;
    rows.next()?.map(read).transpose()
}

/// Reads all rows of a statement.
pub(crate) fn all<T>(
    connection: &Connection,
    statement: &Statement<'_>,
    read: impl Fn(&Row<'_>) -> Outcome<T>,
) -> Outcome<Vec<T>> {
    let mut found = Vec::new();
    each(connection, statement, |row| {
        found.push(read(row)?);
        Ok(true)
    })?;
    Ok(found)
}

/// Returns whether a statement returns any row.
pub(crate) fn exists(connection: &Connection, statement: &Statement<'_>) -> Outcome<bool> {
    Ok(first(connection, statement, |_| Ok(()))?.is_some())
}

/// Visits the rows of a statement until the visitor returns `false`.
pub(crate) fn each(
    connection: &Connection,
    statement: &Statement<'_>,
    visit: impl FnMut(&Row<'_>) -> Outcome<bool>,
) -> Outcome<()> {
    try_each(connection, statement, visit)
}

/// Visits rows like [`each`], with a visitor that has its own error type.
pub(crate) fn try_each<E: From<rusqlite::Error>>(
    connection: &Connection,
    statement: &Statement<'_>,
    mut visit: impl FnMut(&Row<'_>) -> Result<bool, E>,
) -> Result<(), E> {
    let mut prepared = connection.prepare_cached(&statement.text)?;
    let mut rows = prepared.query(params_from_iter(statement.parameters.iter().map(bound)))?;
    while let Some(row) = rows.next()? {
        if !visit(row)? {
            break;
        }
    }
    drop(rows);
    if statement.text.len() > LONGEST_KEPT {
        prepared.discard();
    }
    Ok(())
}

/// Visits all rows of some statements.
pub(crate) fn each_of_all<'s>(
    connection: &Connection,
    statements: impl IntoIterator<Item = Statement<'s>>,
    mut visit: impl FnMut(&Row<'_>) -> Outcome<()>,
) -> Outcome<()> {
    let mut statements = statements.into_iter();
    statements.try_for_each(|one| each(connection, &one, |row| visit(row).map(|()| true)))
}

/// Converts a parameter to a value for SQLite.
fn bound<'p>(parameter: &'p Parameter<'_>) -> ToSqlOutput<'p> {
    match parameter {
        Parameter::Blob(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        Parameter::Integer(value) => ToSqlOutput::Owned(Value::Integer(*value)),
        Parameter::Null => ToSqlOutput::Owned(Value::Null),
        Parameter::Real(value) => ToSqlOutput::Owned(Value::Real(*value)),
        Parameter::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        Parameter::Texts(texts) => ToSqlOutput::Owned(Value::Text(json_array(texts))),
    }
}

/// Returns texts as a JSON array.
fn json_array(texts: &[&str]) -> String {
    // Serialising texts to a string can't fail.
    serde_json::to_string(texts).unwrap_or_default()
}

/// Returns the steps of the database's plan for a statement.
#[cfg(test)]
pub(crate) fn steps(connection: &Connection, statement: &Statement<'_>) -> Vec<String> {
    let sql = format!("EXPLAIN QUERY PLAN {}", statement.text);
    let mut prepared = connection.prepare(&sql).unwrap();
    let parameters = params_from_iter(statement.parameters.iter().map(bound));
    let steps = prepared.query_map(parameters, |row| row.get("detail"));
    steps.unwrap().map(Result::unwrap).collect()
}
