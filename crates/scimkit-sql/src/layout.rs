//! Where a store keeps what SQL can compare.

use std::fmt::Debug;

use scimkit_registry::{Attr, ResourceType, Scalar};

use crate::Dialect;

/// Where a store keeps what SQL can compare.
///
/// Its names go into SQL as they are, so they never come from a request.
pub trait Layout: Debug {
    /// The database's way to spell things.
    fn dialect(&self) -> Dialect;

    /// The column of the resource's identifier in the statement around the condition, with the
    /// table's alias: `r.id`.
    fn id(&self) -> &str;

    /// Where the values of an attribute are, or `None` when SQL can't compare all of them.
    ///
    /// The values are as [`Scalar::of`] makes them: folded where the attribute is not case exact,
    /// instants in microseconds. For a complex attribute the answer tells whether it is present.
    fn source(&self, kind: &ResourceType, attr: &Attr) -> Option<ColumnSource>;
}

/// Where the values of an attribute are.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ColumnSource {
    /// In a column of the resource's own row that is never NULL.
    Column(&'static str),
    /// In a column of the resource's own row that is NULL for a resource without a value.
    Nullable(String),
    /// In another table: one row for each value, none for a resource without.
    Rows(KeyTable),
}

/// The rows of a table that hold the values of one attribute.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct KeyTable {
    /// Whether a resource has at most one of these rows with the same value.
    pub distinct: bool,
    /// The column of the resource's identifier: `k.id`.
    pub id: &'static str,
    /// Which rows: for each column the values that it may have.
    pub only: Vec<(&'static str, Vec<Scalar>)>,
    /// The table and its alias: `lookup_key k`.
    pub table: &'static str,
    /// The column of the value: `k.value`.
    pub value: &'static str,
}

impl KeyTable {
    /// All rows of a table, which has a column for the resource's identifier and one for the value.
    #[must_use]
    pub fn new(table: &'static str, id: &'static str, value: &'static str) -> Self {
        KeyTable {
            distinct: false,
            id,
            only: Vec::new(),
            table,
            value,
        }
    }

    /// Declares that a resource has at most one of these rows with the same value, so that a page can start from
    /// them: see [`Condition::lookup`](crate::Condition::lookup).
    #[must_use]
    pub fn distinct(mut self) -> Self {
        self.distinct = true;
        self
    }

    /// Only those whose column has one of these values.
    #[must_use]
    pub fn only(mut self, column: &'static str, values: Vec<Scalar>) -> Self {
        self.only.push((column, values));
        self
    }
}
