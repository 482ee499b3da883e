//! A statement under construction.

use std::{borrow::Cow, iter, sync::OnceLock};

use scimkit_registry::Scalar;

use crate::Dialect;

/// The maximum number of rows per statement.
const ROWS: usize = 256;

/// The value of a placeholder.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a driver must be able to bind every parameter"
)]
pub enum Parameter<'a> {
    /// Bytes.
    Blob(&'a [u8]),
    /// An integer; a boolean is 0 or 1.
    Integer(i64),
    /// No value.
    Null,
    /// A decimal.
    Real(f64),
    /// A text.
    Text(Cow<'a, str>),
    /// An array of texts, for SQLite in the form of a JSON array.
    Texts(Vec<&'a str>),
}

impl From<bool> for Parameter<'_> {
    fn from(value: bool) -> Self {
        Parameter::Integer(i64::from(value))
    }
}

impl From<i64> for Parameter<'_> {
    fn from(value: i64) -> Self {
        Parameter::Integer(value)
    }
}

impl From<Option<i64>> for Parameter<'_> {
    fn from(value: Option<i64>) -> Self {
        value.map_or(Parameter::Null, Parameter::Integer)
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

/// The text of a statement with its parameters.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Statement<'a> {
    /// The parameters, in the order of their numbers.
    pub parameters: Vec<Parameter<'a>>,
    /// The SQL text.
    pub text: Cow<'static, str>,
}

impl<'a> Statement<'a> {
    /// Creates a statement with a text that does not depend on the parameters.
    ///
    /// The text is written for SQLite. For other databases, placeholders are translated and planner hints removed.
    pub(super) fn fixed<const N: usize>(
        dialect: Dialect,
        text: &'static str,
        parameters: [Parameter<'a>; N],
    ) -> Self {
        Statement {
            parameters: parameters.into(),
            text: match dialect {
                Dialect::Sqlite => Cow::Borrowed(text),
                Dialect::Postgres => Cow::Owned(translated(text)),
            },
        }
    }
}

/// Translates a text for SQLite to PostgreSQL.
fn translated(text: &str) -> String {
    let text = text.replace('?', "$").replace(CROSS_JOIN, JOIN);
    let text = text.replace(OR_FAIL, "");
    let mut parts = text.split(INDEXED_BY);
    let mut translated = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        // The name of the index ends at the next whitespace.
        let rest = part.find(char::is_whitespace).and_then(|at| part.get(at..));
        translated.push_str(rest.unwrap_or_default());
    }
    translated
}

/// Makes SQLite join tables in the order in which they are written.
const CROSS_JOIN: &str = " CROSS JOIN ";
const JOIN: &str = " JOIN ";

/// Makes SQLite keep rows that were changed before a failing one: see [`Builder::insert_into`].
const OR_FAIL: &str = " OR FAIL";

const INDEXED_BY: &str = " INDEXED BY ";

/// Builds a statement from text and placeholders, from left to right.
#[derive(Debug)]
pub(super) struct Builder<'a> {
    dialect: Dialect,
    parameters: Vec<Parameter<'a>>,
    text: String,
}

impl<'a> Builder<'a> {
    /// Starts a statement with the tenant as its first parameter.
    pub(super) fn new(dialect: Dialect, tenant: &'a str) -> Self {
        Builder::with(dialect, vec![Parameter::from(tenant)])
    }

    /// Starts a statement with these parameters.
    pub(super) fn with(dialect: Dialect, parameters: Vec<Parameter<'a>>) -> Self {
        Builder {
            dialect,
            parameters,
            text: String::with_capacity(256),
        }
    }

    /// Appends text.
    pub(super) fn sql(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Makes SQLite use an index that its planner would not choose.
    pub(super) fn indexed_by(&mut self, index: &str) -> &mut Self {
        match self.dialect {
            Dialect::Postgres => self,
            Dialect::Sqlite => self.sql(INDEXED_BY).sql(index),
        }
    }

    /// Joins a table that SQLite must read after the previous ones.
    pub(super) fn join_in_order(&mut self, table: &str) -> &mut Self {
        let join = match self.dialect {
            Dialect::Postgres => JOIN,
            Dialect::Sqlite => CROSS_JOIN,
        };
        self.sql(join).sql(table)
    }

    /// Appends the placeholder of the tenant.
    pub(super) fn tenant(&mut self) -> &mut Self {
        self.placeholder(1)
    }

    /// Appends the placeholder of a parameter that is bound separately.
    pub(super) fn placeholder(&mut self, number: usize) -> &mut Self {
        self.dialect.push_placeholder(&mut self.text, number);
        self
    }

    /// Binds a value and appends its placeholder.
    pub(super) fn bind(&mut self, value: impl Into<Parameter<'a>>) -> &mut Self {
        self.parameters.push(value.into());
        self.placeholder(self.parameters.len())
    }

    /// Returns the number of the last placeholder.
    pub(super) fn last_number(&self) -> usize {
        self.parameters.len()
    }

    /// Binds values whose placeholders are in text that was built elsewhere.
    pub(super) fn bind_silently(&mut self, values: impl Iterator<Item = Parameter<'a>>) {
        self.parameters.extend(values);
    }

    /// Appends ` (?, ?, ..)`.
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

    /// Starts an insert. `into` contains the table and its columns.
    pub(super) fn insert_into(&mut self, into: &str) -> &mut Self {
        self.sql(match self.dialect {
            Dialect::Postgres => "INSERT INTO ",
            // A failing insert aborts its transaction anyway. So SQLite need not save each page that the insert
            // modifies, as it would to undo the rows before the failing one.
            Dialect::Sqlite => "INSERT OR FAIL INTO ",
        });
        self.sql(into)
    }

    /// Appends ` VALUES (tenant, ?, ..), (tenant, ?, ..)`.
    pub(super) fn rows<const N: usize>(
        &mut self,
        rows: impl IntoIterator<Item = [Parameter<'a>; N]>,
    ) -> &mut Self {
        for (at, row) in rows.into_iter().enumerate() {
            self.sql(if at == 0 { " VALUES (" } else { ", (" });
            self.tenant();
            for value in row {
                self.sql(", ").bind_next(value);
            }
            self.sql(")");
        }
        self
    }

    /// Binds a value and appends its placeholder, if all placeholders so far were bound in order.
    fn bind_next(&mut self, value: Parameter<'a>) -> &mut Self {
        match self.dialect {
            Dialect::Postgres => self.bind(value),
            // Without a number, which SQLite assigns: a statement may have a thousand placeholders.
            Dialect::Sqlite => {
                self.parameters.push(value);
                self.sql("?")
            }
        }
    }

    pub(super) fn build(self) -> Statement<'a> {
        Statement {
            parameters: self.parameters,
            text: self.text.into(),
        }
    }
}

/// Splits elements into pieces of a few fixed lengths, so that only a few statements must be prepared.
pub(super) fn pieces<T>(mut rest: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let length = rest.len().checked_ilog2().map(|log| 1 << log)?;
        let (piece, after) = rest.split_at_checked(ROWS.min(length))?;
        rest = after;
        Some(piece)
    })
}

/// The texts of a statement that depend only on the number of elements, each built once.
#[derive(Debug)]
pub(super) struct PieceTexts([OnceLock<String>; LENGTHS]);

/// The number of lengths of [`pieces`]: the powers of two up to [`ROWS`].
const LENGTHS: usize = ROWS.ilog2() as usize + 1;

impl PieceTexts {
    pub(super) const fn new() -> Self {
        PieceTexts([const { OnceLock::new() }; LENGTHS])
    }

    /// Returns a statement about a piece of that length, with the text of `build`.
    pub(super) fn statement<'a>(
        &'static self,
        dialect: Dialect,
        length: usize,
        parameters: Vec<Parameter<'a>>,
        build: impl FnOnce() -> Statement<'static>,
    ) -> Statement<'a> {
        let place = length
            .checked_ilog2()
            .and_then(|log| self.0.get(log as usize));
        let text = match (dialect, place) {
            (Dialect::Sqlite, Some(place)) => {
                Cow::Borrowed(place.get_or_init(|| build().text.into_owned()).as_str())
            }
            _ => build().text,
        };
        Statement { parameters, text }
    }
}

/// Returns placeholder rows for a statement of which only the text is used.
pub(super) fn blank_rows<const N: usize>(
    count: usize,
) -> impl Iterator<Item = [Parameter<'static>; N]> {
    iter::repeat_with(|| [const { Parameter::Null }; N]).take(count)
}

/// Returns the tenant and the columns of some rows, in the order in which [`Builder::rows`] binds them.
pub(super) fn row_parameters<'a, const N: usize>(
    tenant: &'a str,
    rows: impl ExactSizeIterator<Item = [Parameter<'a>; N]>,
) -> Vec<Parameter<'a>> {
    let mut parameters = Vec::with_capacity(1 + N * rows.len());
    parameters.push(Parameter::from(tenant));
    parameters.extend(rows.flatten());
    parameters
}

/// Inserts rows of a tenant. `into` contains the table and its columns, starting with the tenant.
pub(super) fn insert<'a, T, const N: usize>(
    dialect: Dialect,
    tenant: &'a str,
    (texts, into): (&'static PieceTexts, &'static str),
    rows: &[T],
    columns: impl Fn(&T) -> [Parameter<'a>; N],
) -> Vec<Statement<'a>> {
    let one = |piece: &[T]| {
        let parameters = row_parameters(tenant, piece.iter().map(&columns));
        texts.statement(dialect, piece.len(), parameters, || {
            let mut builder = Builder::new(dialect, "");
            builder.insert_into(into).rows(blank_rows::<N>(piece.len()));
            builder.build()
        })
    };
    pieces(rows).map(one).collect()
}
