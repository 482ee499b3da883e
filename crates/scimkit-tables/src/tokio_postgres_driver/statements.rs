//! Statements on a connection.

use std::{collections::HashMap, error::Error as _, future::poll_fn, io, pin::pin, task::Poll};

use bytes::BytesMut;
use deadpool_postgres::ClientWrapper;
use futures_util::{
    FutureExt as _, TryFutureExt as _, TryStreamExt as _,
    future::{BoxFuture, MaybeDone, join_all, maybe_done},
};
use scimkit_core::parse_instant;
use scimkit_sql::tables::{SqlStatement, SqlValue};
use scimkit_store::rows::TransactionMode;
use tokio_postgres::{
    Error, Row, Statement,
    types::{Format, FromSql, IsNull, Kind, ToSql, Type},
};

use crate::{DriverError, DriverErrorKind, SqlRow, postgres};

/// The statements that a connection keeps prepared. They are forgotten together when there are more of them.
const PREPARED: usize = 500;

/// A failed call.
pub(super) struct Failure {
    pub(super) connection_is_unusable: bool,
    pub(super) error: DriverError,
}

/// Runs statements in an open transaction, or in a new one.
pub(super) async fn run(
    client: &ClientWrapper,
    begin: Option<TransactionMode>,
    statements: &[SqlStatement],
) -> Result<Vec<Vec<SqlRow>>, Failure> {
    if client.statement_cache.size() > PREPARED {
        client.statement_cache.clear();
    }
    if statements.iter().all(changes_no_definition) {
        return together(client, begin, statements).await;
    }
    // A statement can't be prepared before the table that it needs is created.
    let mut results = Vec::with_capacity(statements.len());
    let mut begin = begin;
    for (number, statement) in statements.iter().enumerate() {
        let ran = together(client, begin.take(), std::slice::from_ref(statement)).await;
        results.extend(ran.map_err(|failure| Failure {
            error: failure.error.with_statement(number),
            ..failure
        })?);
    }
    Ok(results)
}

fn changes_no_definition(statement: &SqlStatement) -> bool {
    let word = statement.text.split_whitespace().next().unwrap_or_default();
    ["DELETE", "INSERT", "SELECT", "UPDATE", "WITH"].contains(&word)
}

/// Sends all statements before it reads their answers.
async fn together(
    client: &ClientWrapper,
    begin: Option<TransactionMode>,
    statements: &[SqlStatement],
) -> Result<Vec<Vec<SqlRow>>, Failure> {
    let prepared = prepare(client, statements).await?;
    let mut requests = Vec::with_capacity(statements.len().saturating_add(1));
    if let Some(access) = begin {
        let begin = client.batch_execute(postgres::begin(access));
        let begun = begin.map_ok(|()| Vec::new());
        requests.push(maybe_done(begun.boxed()));
    }
    let before = requests.len();
    for (prepared, statement) in prepared.into_iter().zip(statements) {
        requests.push(maybe_done(rows(client, prepared, statement).boxed()));
    }
    send(&mut requests).await;
    let mut results = Vec::with_capacity(statements.len());
    for (number, request) in requests.into_iter().enumerate() {
        let mut request = pin!(request);
        request.as_mut().await;
        let rows = request.take_output().unwrap_or_else(|| Ok(Vec::new()));
        // Those after it fail, too, because the transaction is aborted.
        let rows = rows.map_err(|error| failure(error, number.checked_sub(before)))?;
        if number >= before {
            results.push(rows);
        }
    }
    Ok(results)
}

/// Polls every request once, in order: the first poll sends it.
async fn send<T>(requests: &mut [MaybeDone<BoxFuture<'_, T>>]) {
    poll_fn(|context| {
        for request in &mut *requests {
            // Answers are read later.
            let _: Poll<()> = request.poll_unpin(context);
        }
        Poll::Ready(())
    })
    .await;
}

/// The prepared statements, which are prepared together where the connection does not have them.
async fn prepare(
    client: &ClientWrapper,
    statements: &[SqlStatement],
) -> Result<Vec<Statement>, Failure> {
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    for (number, statement) in statements.iter().enumerate() {
        numbers.entry(&statement.text).or_insert(number);
    }
    let prepared = numbers
        .into_iter()
        .map(|(text, number)| async move { (text, number, client.prepare_cached(text).await) });
    let mut prepared = join_all(prepared).await;
    // The error of the first statement comes first.
    prepared.sort_unstable_by_key(|(_, number, _)| *number);
    let prepared = prepared.into_iter().map(|(text, number, prepared)| {
        let prepared = prepared.map_err(|error| failure(error, Some(number)))?;
        Ok((text, prepared))
    });
    let prepared: HashMap<_, _> = prepared.collect::<Result<_, Failure>>()?;
    let found = statements
        .iter()
        .filter_map(|statement| prepared.get(&*statement.text).cloned());
    Ok(found.collect())
}

async fn rows(
    client: &ClientWrapper,
    prepared: Statement,
    statement: &SqlStatement,
) -> Result<Vec<SqlRow>, Error> {
    let parameters = statement.parameters.iter().map(Bound);
    let mut rows = pin!(client.query_raw(&prepared, parameters).await?);
    let mut found = Vec::new();
    while let Some(row) = rows.try_next().await? {
        found.push(values(&row)?);
    }
    Ok(found)
}

fn values(row: &Row) -> Result<SqlRow, Error> {
    let values = (0..row.len()).map(|column| row.try_get(column).map(|Column(value)| value));
    values.collect()
}

/// Commits the open transaction.
pub(super) async fn commit(client: &ClientWrapper) -> Result<(), DriverError> {
    let committed = client.batch_execute("COMMIT").await;
    committed.map_err(|error| {
        let failure = failure(error, None);
        if failure.connection_is_unusable {
            // Without an answer it may be committed.
            DriverError::new(DriverErrorKind::Other, failure.error)
        } else {
            failure.error
        }
    })
}

/// The types in which a boolean is a word.
const WORDS: [Type; 5] = [
    Type::BPCHAR,
    Type::JSON,
    Type::JSONB,
    Type::TEXT,
    Type::VARCHAR,
];

/// A parameter, which the server reads as text of the type that it expects.
#[derive(Debug)]
struct Bound<'a>(&'a SqlValue);

impl ToSql for Bound<'_> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Send + Sync>> {
        match self.0 {
            SqlValue::Blob(bytes) => out.extend_from_slice(bytes),
            // What a boolean and an integer accept.
            SqlValue::Bool(value) if !WORDS.contains(kind) => {
                out.extend_from_slice(if *value { b"1" } else { b"0" });
            }
            SqlValue::Bool(value) => out.extend_from_slice(value.to_string().as_bytes()),
            SqlValue::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
            SqlValue::Null => return Ok(IsNull::Yes),
            SqlValue::Real(number) => out.extend_from_slice(number.to_string().as_bytes()),
            SqlValue::Text(text) => {
                // The server ignores the zone of a `timestamp`, and reads a `timestamptz` without a zone in that of the session.
                let is_instant = [Type::TIMESTAMP, Type::TIMESTAMPTZ].contains(kind);
                match is_instant.then(|| parse_instant(text)).flatten() {
                    Some(at) => out.extend_from_slice(at.to_rfc3339().as_bytes()),
                    None => out.extend_from_slice(text.as_bytes()),
                }
            }
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Send + Sync>> {
        self.to_sql(kind, out)
    }

    fn encode_format(&self, _: &Type) -> Format {
        match self.0 {
            SqlValue::Blob(_) => Format::Binary,
            _ => Format::Text,
        }
    }
}

/// A column of a row.
struct Column(SqlValue);

impl<'a> FromSql<'a> for Column {
    fn from_sql(
        kind: &Type,
        bytes: &'a [u8],
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let is_text = kind.name() == "citext" || matches!(kind.kind(), Kind::Enum(_));
        let value = postgres::from_binary(kind.oid(), is_text, bytes);
        let value = value.ok_or_else(|| format!("a column of the type `{kind}` can't be read"))?;
        Ok(Column(value))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Column(SqlValue::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// An error, with the number of the statement that failed.
fn failure(error: Error, statement: Option<usize>) -> Failure {
    let (kind, connection_is_unusable) = match error.as_db_error() {
        Some(answer) => {
            let answer = postgres::ServerError {
                code: answer.code().code(),
                constraint: answer.constraint(),
                detail: answer.detail(),
                routine: answer.routine(),
            };
            (answer.kind(), answer.ends_connection())
        }
        None if is_connection_lost(&error) => (DriverErrorKind::Lost, true),
        None => (DriverErrorKind::Other, false),
    };
    let error = DriverError::new(kind, error);
    Failure {
        connection_is_unusable,
        error: match statement {
            Some(number) => error.with_statement(number),
            None => error,
        },
    }
}

/// The error of a pool that can't connect.
pub(super) fn no_connection(error: Error) -> DriverError {
    let kind = match error.as_db_error() {
        Some(answer) => DriverErrorKind::from_sqlstate(answer.code().code(), None, None),
        None => DriverErrorKind::Unavailable,
    };
    let kind = match kind {
        DriverErrorKind::Busy => kind,
        _ => DriverErrorKind::Unavailable,
    };
    DriverError::new(kind, error)
}

fn is_connection_lost(error: &Error) -> bool {
    error.is_closed()
        || error
            .source()
            .is_some_and(|source| source.is::<io::Error>())
}
