//! Executes statements of [`scimkit_sql::reference`].

use rusqlite::{
    Connection, Row, params_from_iter,
    types::{ToSqlOutput, Value, ValueRef},
};
use scimkit_sql::reference::{Parameter, Statement};

use crate::error::Outcome;

/// Bytes of the text of a statement that is kept for the next time.
const LONGEST_KEPT: usize = 32_768;

/// Executes a statement that returns no rows.
pub(crate) fn execute(connection: &Connection, statement: &Statement<'_>) -> Outcome<()> {
    let mut prepared = connection.prepare_cached(&statement.text)?;
    prepared.execute(params_from_iter(statement.parameters.iter().map(bound)))?;
    Ok(())
}

/// Executes statements that return no rows.
pub(crate) fn execute_all<'s>(
    connection: &Connection,
    statements: impl IntoIterator<Item = Statement<'s>>,
) -> Outcome<()> {
    let mut statements = statements.into_iter();
    statements.try_for_each(|statement| execute(connection, &statement))
}

/// Visits the rows of a statement, as long as the visitor wants more.
pub(crate) fn each(
    connection: &Connection,
    statement: &Statement<'_>,
    mut visit: impl FnMut(&Row<'_>) -> Outcome<bool>,
) -> Outcome<()> {
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

fn bound<'p>(parameter: &'p Parameter<'_>) -> ToSqlOutput<'p> {
    match parameter {
        Parameter::Integer(value) => ToSqlOutput::Owned(Value::Integer(*value)),
        Parameter::Null => ToSqlOutput::Owned(Value::Null),
        Parameter::Real(value) => ToSqlOutput::Owned(Value::Real(*value)),
        Parameter::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
    }
}
