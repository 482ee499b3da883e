//! PostgreSQL.

use std::borrow::Cow;

use scimkit_sql::{
    Dialect,
    tables::{SqlStatement, SqlValue},
};
use scimkit_store::rows::TransactionMode;
use scimkit_tables::{DriverErrorKind, SqlRow, postgres};
use sqlx::{
    AssertSqlSafe, Column as _, Either, Encode, Executor as _, PgConnection, Postgres, Row as _,
    SqlSafeStr as _, Statement as _, Type, TypeInfo as _, ValueRef as _,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgDatabaseError, PgRow, PgTypeInfo, PgTypeKind, PgValueRef},
};

use crate::backend::Backend;

impl Backend for Postgres {
    const DIALECT: Dialect = Dialect::Postgres;

    fn begin(access: TransactionMode) -> &'static str {
        postgres::begin(access)
    }

    fn classified(error: &sqlx::Error) -> (DriverErrorKind, bool) {
        let answer = error.as_database_error();
        let answer = answer.and_then(|answer| answer.try_downcast_ref::<PgDatabaseError>());
        match (answer, error) {
            (Some(answer), _) => {
                let answer = postgres::ServerError {
                    code: answer.code(),
                    constraint: answer.constraint(),
                    detail: answer.detail(),
                    routine: answer.routine(),
                };
                (answer.kind(), answer.ends_connection())
            }
            (None, sqlx::Error::Io(_) | sqlx::Error::Tls(_)) => (DriverErrorKind::Lost, true),
            (None, sqlx::Error::Encode(_)) => (DriverErrorKind::Rejected, false),
            // What the library did not expect leaves the connection in an unknown state.
            (None, sqlx::Error::Protocol(_)) => (DriverErrorKind::Lost, true),
            (None, _) => (DriverErrorKind::Other, false),
        }
    }

    async fn execute(connection: &mut PgConnection, sql: &'static str) -> Result<(), sqlx::Error> {
        connection.execute(sql).await.map(drop)
    }

    async fn rows(
        connection: &mut PgConnection,
        statement: SqlStatement,
    ) -> Result<Vec<SqlRow>, sqlx::Error> {
        // It is text of ours, without text of a request.
        let text = AssertSqlSafe(statement.text).into_sql_str();
        // Parameters are sent in the types that the server expects.
        let prepared = connection.prepare(text).await?;
        let expected = match prepared.parameters() {
            Some(Either::Left(types)) => types,
            _ => &[],
        };
        let mut query = prepared.query();
        for (value, expected) in statement.parameters.iter().zip(expected) {
            let (oid, is_text) = form(expected);
            let bytes = postgres::to_binary(oid, is_text, value);
            query = query.bind(Bound {
                bytes: bytes.map_err(|problem| sqlx::Error::Encode(problem.into()))?,
                expected: expected.clone(),
            });
        }
        let rows = query.fetch_all(connection).await?;
        rows.iter().map(values).collect()
    }
}

/// The number of a type, and whether its binary form is text.
fn form(info: &PgTypeInfo) -> (u32, bool) {
    let mut info = Cow::Borrowed(info);
    while let PgTypeKind::Domain(base) = info.kind() {
        info = Cow::Owned(base.clone());
    }
    let is_text = info.name() == "citext" || matches!(info.kind(), PgTypeKind::Enum(_));
    (info.oid().map_or(0, |oid| oid.0), is_text)
}

/// A parameter in the binary form of its type.
struct Bound {
    bytes: Option<Vec<u8>>,
    expected: PgTypeInfo,
}

impl Encode<'_, Postgres> for Bound {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Ok(match &self.bytes {
            Some(bytes) => {
                buffer.extend_from_slice(bytes);
                IsNull::No
            }
            None => IsNull::Yes,
        })
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(self.expected.clone())
    }

    fn size_hint(&self) -> usize {
        self.bytes.as_ref().map_or(0, Vec::len)
    }
}

impl Type<Postgres> for Bound {
    fn type_info() -> PgTypeInfo {
        // Each value has its own: see `produces`.
        <str as Type<Postgres>>::type_info()
    }
}

fn values(row: &PgRow) -> Result<SqlRow, sqlx::Error> {
    let columns = row.columns().iter();
    let value = |index| {
        let decoded = row.try_get_raw(index).map(|value| self::value(&value))?;
        decoded.map_err(sqlx::Error::Decode)
    };
    columns.map(|column| value(column.ordinal())).collect()
}

fn value(value: &PgValueRef<'_>) -> Result<SqlValue, BoxDynError> {
    if value.is_null() {
        return Ok(SqlValue::Null);
    }
    let info = value.type_info();
    let (oid, is_text) = form(&info);
    let plain = postgres::from_binary(oid, is_text, value.as_bytes()?);
    plain.ok_or_else(|| format!("a column of the type `{}` can't be read", info.name()).into())
}
