//! A statement under construction.

use std::borrow::Cow;

use scimkit_registry::Scalar;

use crate::Dialect;

/// The largest number of rows of one statement.
const ROWS: usize = 256;

/// The value of a placeholder.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a driver must be able to bind every parameter"
)]
pub enum Parameter<'a> {
    /// An integer; a boolean is 0 or 1.
    Integer(i64),
    /// No value.
    Null,
    /// A decimal.
    Real(f64),
    /// A text.
    Text(Cow<'a, str>),
}

impl From<i64> for Parameter<'_> {
    fn from(value: i64) -> Self {
        Parameter::Integer(value)
    }
}

impl<'a> From<&'a str> for Parameter<'a> {
    fn from(text: &'a str) -> Self {
        Parameter::Text(Cow::Borrowed(text))
    }
}

impl<'a> From<Option<&'a str>> for Parameter<'a> {
    fn from(text: Option<&'a str>) -> Self {
        text.map_or(Parameter::Null, Parameter::from)
    }
}

impl<'a> From<&'a Scalar> for Parameter<'a> {
    fn from(scalar: &'a Scalar) -> Self {
        match scalar {
            Scalar::Bool(value) => Parameter::Integer(i64::from(*value)),
            Scalar::Decimal(value) => Parameter::Real(*value),
            Scalar::Instant(value) | Scalar::Integer(value) => Parameter::Integer(*value),
            Scalar::Text(value) => Parameter::from(value.as_str()),
        }
    }
}

/// The text of a statement, and its parameters in the order of their numbers.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Statement<'a> {
    /// The parameters.
    pub parameters: Vec<Parameter<'a>>,
    /// The SQL text.
    pub text: String,
}

/// Puts a statement together: text and placeholders from left to right.
#[derive(Debug)]
pub(super) struct Builder<'a> {
    dialect: Dialect,
    statement: Statement<'a>,
}

impl<'a> Builder<'a> {
    /// A statement whose first parameter is the tenant.
    pub(super) fn new(dialect: Dialect, tenant: &'a str) -> Self {
        Builder {
            dialect,
            statement: Statement {
                parameters: vec![Parameter::from(tenant)],
                text: String::with_capacity(256),
            },
        }
    }

    /// Adds text.
    pub(super) fn sql(&mut self, text: &str) -> &mut Self {
        self.statement.text.push_str(text);
        self
    }

    /// Adds the placeholder of the tenant.
    pub(super) fn tenant(&mut self) -> &mut Self {
        self.placeholder(1)
    }

    /// Adds a placeholder that was bound before.
    pub(super) fn placeholder(&mut self, number: usize) -> &mut Self {
        let text = &mut self.statement.text;
        self.dialect.push_placeholder(text, number);
        self
    }

    /// Adds a placeholder with its value.
    pub(super) fn bind(&mut self, value: impl Into<Parameter<'a>>) -> &mut Self {
        self.statement.parameters.push(value.into());
        self.placeholder(self.statement.parameters.len())
    }

    /// Binds values whose placeholders stand in a text that was made elsewhere.
    pub(super) fn bind_silently(&mut self, values: impl Iterator<Item = Parameter<'a>>) {
        self.statement.parameters.extend(values);
    }

    /// Adds ` (?, ?, ..)`.
    pub(super) fn list<P: Into<Parameter<'a>>>(
        &mut self,
        values: impl IntoIterator<Item = P>,
    ) -> &mut Self {
        self.sql(" (");
        for (at, value) in values.into_iter().enumerate() {
            if at > 0 {
                self.sql(", ");
            }
            self.bind(value);
        }
        self.sql(")")
    }

    /// Adds ` VALUES (tenant, ?, ..), (tenant, ?, ..)`.
    pub(super) fn rows<const N: usize>(
        &mut self,
        rows: impl IntoIterator<Item = [Parameter<'a>; N]>,
    ) -> &mut Self {
        for (at, row) in rows.into_iter().enumerate() {
            self.sql(if at == 0 { " VALUES (" } else { ", (" });
            self.tenant();
            for value in row {
                self.sql(", ").bind(value);
            }
            self.sql(")");
        }
        self
    }

    pub(super) fn build(self) -> Statement<'a> {
        self.statement
    }
}

/// Pieces of so many elements that there are few different statements, which are prepared once.
pub(super) fn pieces<T>(mut rest: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let length = rest.len().checked_ilog2().map(|log| 1 << log)?;
        let (piece, after) = rest.split_at_checked(ROWS.min(length))?;
        rest = after;
        Some(piece)
    })
}
