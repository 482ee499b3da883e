//! Statements and values that own their data.

use std::borrow::Cow;

use scimkit_registry::Scalar;

use crate::{
    mapped_rows::literal,
    reference::{Parameter, Statement},
};

/// A plain value: the parameter of a statement, or a column of a row that it returns.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a driver must be able to bind every value"
)]
pub enum SqlValue {
    /// Bytes.
    Blob(Vec<u8>),
    /// A boolean. SQLite has none: it is bound as 0 or 1, and read as an integer.
    Bool(bool),
    /// An integer.
    Integer(i64),
    /// No value.
    Null,
    /// A decimal.
    Real(f64),
    /// Text, and all types that have a text form: dates, times, UUIDs, enums, JSON and exact decimals. A time with a time
    /// zone is RFC 3339 in UTC: `2026-01-02T03:04:05Z`.
    Text(String),
}

impl From<&str> for SqlValue {
    fn from(text: &str) -> Self {
        SqlValue::Text(text.to_owned())
    }
}

impl From<String> for SqlValue {
    fn from(text: String) -> Self {
        SqlValue::Text(text)
    }
}

impl From<i64> for SqlValue {
    fn from(number: i64) -> Self {
        SqlValue::Integer(number)
    }
}

impl From<bool> for SqlValue {
    fn from(value: bool) -> Self {
        SqlValue::Bool(value)
    }
}

impl<T: Into<SqlValue>> From<Option<T>> for SqlValue {
    fn from(value: Option<T>) -> Self {
        value.map_or(SqlValue::Null, T::into)
    }
}

impl From<Scalar> for SqlValue {
    fn from(scalar: Scalar) -> Self {
        match scalar {
            Scalar::Bool(value) => SqlValue::Bool(value),
            Scalar::Decimal(value) => SqlValue::Real(value),
            Scalar::Instant(value) | Scalar::Integer(value) => SqlValue::Integer(value),
            Scalar::Text(value) => SqlValue::Text(value),
        }
    }
}

impl From<Parameter<'_>> for SqlValue {
    fn from(parameter: Parameter<'_>) -> Self {
        match parameter {
            Parameter::Blob(bytes) => SqlValue::Blob(bytes.to_vec()),
            Parameter::Integer(number) => SqlValue::Integer(number),
            Parameter::Null => SqlValue::Null,
            Parameter::Real(number) => SqlValue::Real(number),
            Parameter::Text(text) => SqlValue::Text(text.into_owned()),
            Parameter::Texts(texts) => SqlValue::Text(serde_json::Value::from(texts).to_string()),
        }
    }
}

/// The text of a statement, and its parameters in the order of their numbers.
///
/// # Example
/// ```
/// use scimkit_sql::tables::{SqlStatement, SqlValue};
///
/// let statement = SqlStatement::new("SELECT name FROM person WHERE id = ?1").with_parameter("p-1");
/// assert_eq!(statement.parameters, [SqlValue::from("p-1")]);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SqlStatement {
    /// The parameters.
    pub parameters: Vec<SqlValue>,
    /// The SQL text, without text of a request.
    pub text: Cow<'static, str>,
}

impl SqlStatement {
    /// Creates a statement without parameters.
    #[must_use]
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        SqlStatement {
            parameters: Vec::new(),
            text: text.into(),
        }
    }

    /// Adds the next parameter.
    #[must_use]
    pub fn with_parameter(mut self, value: impl Into<SqlValue>) -> Self {
        self.parameters.push(value.into());
        self
    }
}

impl From<Statement<'_>> for SqlStatement {
    fn from(statement: Statement<'_>) -> Self {
        SqlStatement {
            parameters: statement
                .parameters
                .into_iter()
                .map(SqlValue::from)
                .collect(),
            text: statement.text,
        }
    }
}

/// The SQL text of a value.
pub(super) fn value_literal(value: &SqlValue) -> String {
    match value {
        SqlValue::Bool(true) => "TRUE".to_owned(),
        SqlValue::Bool(false) => "FALSE".to_owned(),
        SqlValue::Integer(number) => number.to_string(),
        SqlValue::Real(number) => number.to_string(),
        SqlValue::Text(text) => literal(text),
        SqlValue::Blob(_) | SqlValue::Null => "NULL".to_owned(),
    }
}
