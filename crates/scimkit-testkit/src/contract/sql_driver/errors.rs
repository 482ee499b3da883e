//! Errors, as far as a store tells them apart.

use scimkit_sql::tables::{SqlStatement, SqlValue};
use scimkit_tables::{Driver as SqlDriver, DriverError, DriverErrorKind};

use super::{
    super::fixture::{ensure, ensure_eq},
    fixture::{Fixture, said},
};

fn failure<D: SqlDriver>(
    fixture: &Fixture<'_, D>,
    statement: SqlStatement,
) -> Result<DriverError, String> {
    let error = fixture.write(vec![statement])?.err();
    error.ok_or_else(|| "the statement succeeded".to_owned())
}

pub(super) fn unique<D: SqlDriver>(fixture: &Fixture<'_, D>) -> Result<(), String> {
    fixture.create_names()?;
    fixture.must_write(vec![
        fixture.insert(1, "a"),
        SqlStatement::new("CREATE TABLE pairs (a integer NOT NULL, b integer NOT NULL)"),
        SqlStatement::new("CREATE UNIQUE INDEX pairs_both ON pairs (a, b)"),
        SqlStatement::new("INSERT INTO pairs VALUES (1, 2)"),
    ])?;
    let cases = [
        (fixture.insert(2, "a"), "names_name", vec!["name"]),
        (fixture.insert(1, "b"), "names_pkey", vec!["id"]),
        (
            SqlStatement::new("INSERT INTO pairs VALUES (1, 2)"),
            "pairs_both",
            vec!["a", "b"],
        ),
    ];
    for (statement, name, expected) in cases {
        let text = statement.text.clone();
        let error = failure(fixture, statement)?;
        let DriverErrorKind::Unique {
            columns,
            constraint,
        } = error.kind()
        else {
            return Err(format!("{text}: {} is no unique violation", said(&error)));
        };
        let is_named = match constraint {
            Some(constraint) => constraint == name,
            None => *columns == expected,
        };
        ensure!(
            is_named,
            "{text}: {constraint:?} and {columns:?} name neither {name} nor {expected:?}"
        );
        ensure_eq!(error.statement(), Some(0), "the number of the statement");
    }
    Ok(())
}

pub(super) fn rejected<D: SqlDriver>(fixture: &Fixture<'_, D>) -> Result<(), String> {
    fixture.create_names()?;
    let strict = if fixture.is_postgres() {
        "CREATE TABLE strict (n integer CHECK (n > 0), t varchar(3))"
    } else {
        "CREATE TABLE strict (n INTEGER CHECK (n > 0), t TEXT CHECK (length(t) < 4)) STRICT"
    };
    fixture.must_write(vec![SqlStatement::new(strict)])?;
    let insert = |n: SqlValue, t: &str| {
        fixture.sql(
            "INSERT INTO strict (n, t) VALUES (?1, ?2)",
            &[n, SqlValue::from(t)],
        )
    };
    let cases = [
        (fixture.insert(1, SqlValue::Null), "a value that is missing"),
        (
            insert(SqlValue::Integer(-1), "a"),
            "a value that a check excludes",
        ),
        (
            insert(SqlValue::Integer(1), "long"),
            "text that is too long",
        ),
        (insert(SqlValue::from("abc"), "a"), "text for an integer"),
    ];
    for (statement, case) in cases {
        let error = failure(fixture, statement)?;
        let kind = error.kind();
        ensure!(
            *kind == DriverErrorKind::Rejected,
            "{case}: {kind:?}, {}",
            said(&error)
        );
        ensure_eq!(error.statement(), Some(0), "the number of the statement");
    }
    Ok(())
}

pub(super) fn unknown_table<D: SqlDriver>(fixture: &Fixture<'_, D>) -> Result<(), String> {
    fixture.create_names()?;
    let error = failure(fixture, fixture.sql("SELECT id FROM unknown_table", &[]))?;
    ensure_eq!(
        *error.kind(),
        DriverErrorKind::Other,
        "the kind of the error"
    );
    fixture.must_write(vec![fixture.insert(1, "a")])?;
    ensure_eq!(fixture.count()?, 1, "the rows after a commit");
    Ok(())
}
