//! The columns and tables of a store that SQL can compare.

use std::{borrow::Cow, fmt::Debug};

use scimkit_registry::{Attr, ResourceType, Scalar};

use crate::Dialect;

/// Tells the compiler which columns and tables of a store SQL can compare.
///
/// The names become SQL text without quoting, so they must never come from a request.
pub trait Layout: Debug {
    /// Returns the SQL dialect of the database.
    fn dialect(&self) -> Dialect;

    /// Returns the column of the resource's identifier in the enclosing statement, with the alias of the table: `r.id`.
    fn id(&self) -> &str;

    /// Returns the source of an attribute's values, or `None` if SQL can't compare all of them.
    ///
    /// The stored values are those of [`Scalar::of`]: folded unless the attribute is case exact, instants in
    /// microseconds. For a complex attribute, the source shows whether the attribute is present.
    fn source(&self, kind: &ResourceType, attr: &Attr) -> Option<ColumnSource>;
}

/// The source of an attribute's values.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ColumnSource {
    /// A column of the resource's own row that is never NULL.
    Column(&'static str),
    /// A column of the resource's own row that is NULL for a resource without a value.
    Nullable(String),
    /// Another table, with one row per value.
    Rows(KeyTable),
}

/// The rows of a table that hold the values of one attribute.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct KeyTable {
    /// Whether a resource has at most one of these rows with the same value.
    pub distinct: bool,
    /// The column of the resource's identifier: `k.id`.
    pub id: Cow<'static, str>,
    /// The columns that select the rows, each with its allowed values.
    pub only: Vec<(&'static str, Vec<Scalar>)>,
    /// The table and its alias: `lookup_key k`.
    pub table: Cow<'static, str>,
    /// The column of the value: `k.value`.
    pub value: Cow<'static, str>,
}

impl KeyTable {
    /// Selects all rows of a table by its identifier column and its value column.
    #[must_use]
    pub fn new(
        table: impl Into<Cow<'static, str>>,
        id: impl Into<Cow<'static, str>>,
        value: impl Into<Cow<'static, str>>,
    ) -> Self {
        KeyTable {
            distinct: false,
            id: id.into(),
            only: Vec::new(),
            table: table.into(),
            value: value.into(),
        }
    }

    /// Declares that a resource has at most one of these rows with the same value, so that a page can start from
    /// them: see [`Condition::lookup`](crate::Condition::lookup).
    #[must_use]
    pub fn distinct(mut self) -> Self {
        self.distinct = true;
        self
    }

    /// Selects only the rows whose column has one of these values.
    #[must_use]
    pub fn only(mut self, column: &'static str, values: Vec<Scalar>) -> Self {
        self.only.push((column, values));
        self
    }
}
