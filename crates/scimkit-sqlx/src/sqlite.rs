//! SQLite.

use scimkit_sql::{
    Dialect,
    tables::{SqlStatement, SqlValue},
};
use scimkit_store::rows::TransactionMode;
use scimkit_tables::{DriverErrorKind, SqlRow};
use sqlx::{
    AssertSqlSafe, Column as _, Decode, Executor as _, Row as _, Sqlite, SqliteConnection,
    TypeInfo as _, ValueRef as _,
    error::BoxDynError,
    sqlite::{SqliteRow, SqliteValueRef},
};

use crate::backend::Backend;

impl Backend for Sqlite {
    const DIALECT: Dialect = Dialect::Sqlite;

    fn begin(access: TransactionMode) -> &'static str {
        match access {
            TransactionMode::Read => "BEGIN",
            TransactionMode::Write => "BEGIN IMMEDIATE",
        }
    }

    fn classified(error: &sqlx::Error) -> (DriverErrorKind, bool) {
        let kind = match error {
            sqlx::Error::Database(answer) => {
                let code = answer.code().and_then(|code| code.parse().ok());
                DriverErrorKind::from_sqlite(code.unwrap_or(0), answer.message())
            }
            sqlx::Error::WorkerCrashed => return (DriverErrorKind::Other, true),
            _ => DriverErrorKind::Other,
        };
        (kind, false)
    }

    async fn execute(
        connection: &mut SqliteConnection,
        sql: &'static str,
    ) -> Result<(), sqlx::Error> {
        connection.execute(sql).await.map(drop)
    }

    async fn rows(
        connection: &mut SqliteConnection,
        statement: SqlStatement,
    ) -> Result<Vec<SqlRow>, sqlx::Error> {
        // It is text of ours, without text of a request.
        let mut query = sqlx::query(AssertSqlSafe(statement.text));
        for value in statement.parameters {
            query = match value {
                SqlValue::Blob(bytes) => query.bind(bytes),
                SqlValue::Bool(value) => query.bind(i64::from(value)),
                SqlValue::Integer(number) => query.bind(number),
                SqlValue::Null => query.bind(None::<i64>),
                SqlValue::Real(number) => query.bind(number),
                SqlValue::Text(text) => query.bind(text),
            };
        }
        let rows = query.fetch_all(connection).await?;
        rows.iter().map(values).collect()
    }
}

fn values(row: &SqliteRow) -> Result<SqlRow, sqlx::Error> {
    let columns = row.columns().iter();
    let value = |index| {
        let decoded = row.try_get_raw(index).map(value)?;
        decoded.map_err(sqlx::Error::Decode)
    };
    columns.map(|column| value(column.ordinal())).collect()
}

fn value(value: SqliteValueRef<'_>) -> Result<SqlValue, BoxDynError> {
    if value.is_null() {
        return Ok(SqlValue::Null);
    }
    let name = value.type_info().name().to_owned();
    Ok(match name.as_str() {
        "INTEGER" => SqlValue::Integer(decode(value)?),
        "REAL" => SqlValue::Real(decode(value)?),
        "TEXT" => {
            // SQLite does not check that text is UTF-8.
            let bytes: &[u8] = decode(value)?;
            SqlValue::Text(String::from_utf8_lossy(bytes).into_owned())
        }
        _ => SqlValue::Blob(decode(value)?),
    })
}

fn decode<'r, T: Decode<'r, Sqlite>>(value: SqliteValueRef<'r>) -> Result<T, BoxDynError> {
    T::decode(value)
}
