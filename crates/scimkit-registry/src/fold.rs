//! Case folding and the scalars that filters, lookup keys and sorting compare.

use std::{borrow::Cow, cmp::Ordering};

use scimkit_core::DataType;
use serde_json::Value;

use crate::Attr;

/// The text without its case: Unicode default case folding, the same for comparison and uniqueness.
///
/// ```
/// assert_eq!(scimkit_registry::fold("Straße@EXAMPLE.com"), "strasse@example.com");
/// ```
#[must_use]
pub fn fold(text: &str) -> Cow<'_, str> {
    if !text.is_ascii() {
        return Cow::Owned(caseless::default_case_fold_str(text));
    }
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Cow::Owned(text.to_ascii_lowercase());
    }
    Cow::Borrowed(text)
}

/// A value ready to be compared: text is folded unless its attribute is case exact, instants are
/// microseconds since 1970 in UTC.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_enums, reason = "closed by the data types of RFC 7643 section 2.3")]
pub enum Scalar {
    /// A boolean.
    Bool(bool),
    /// A decimal.
    Decimal(f64),
    /// A dateTime, in microseconds since 1970-01-01T00:00:00Z.
    Instant(i64),
    /// An integer.
    Integer(i64),
    /// A string, reference or binary.
    Text(String),
}

/// A folded lookup key: what a store indexes and compares for uniqueness.
pub type Key = Scalar;

impl Scalar {
    /// The value of a stored JSON value under `attr`'s type and case rule; `None` when the value
    /// is not of that type.
    #[must_use]
    pub fn of(attr: &Attr, value: &Value) -> Option<Scalar> {
        match (attr.definition().data_type, value) {
            (DataType::Boolean, Value::Bool(b)) => Some(Scalar::Bool(*b)),
            (DataType::DateTime, Value::String(text)) => {
                scimkit_core::parse_instant(text).map(|t| Scalar::Instant(t.timestamp_micros()))
            }
            (DataType::Decimal, Value::Number(n)) => n.as_f64().map(Scalar::Decimal),
            (DataType::Integer, Value::Number(n)) => n.as_i64().map(Scalar::Integer),
            (DataType::String | DataType::Binary | DataType::Reference, Value::String(text)) => {
                Some(Scalar::text(attr, text))
            }
            _ => None,
        }
    }

    /// Text under `attr`'s case rule.
    #[must_use]
    pub fn text(attr: &Attr, text: &str) -> Scalar {
        Scalar::Text(if attr.definition().is_case_exact() {
            text.to_owned()
        } else {
            fold(text).into_owned()
        })
    }

    fn rank(&self) -> u8 {
        match self {
            Scalar::Bool(_) => 0,
            Scalar::Decimal(_) => 1,
            Scalar::Instant(_) => 2,
            Scalar::Integer(_) => 3,
            Scalar::Text(_) => 4,
        }
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Scalar {}

impl PartialOrd for Scalar {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scalar {
    /// By value within one type (text by code point), by type otherwise.
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Scalar::Bool(a), Scalar::Bool(b)) => a.cmp(b),
            // -0 and 0 are one number to a reader of JSON.
            (Scalar::Decimal(a), Scalar::Decimal(b)) => (a + 0.0).total_cmp(&(b + 0.0)),
            (Scalar::Instant(a), Scalar::Instant(b)) | (Scalar::Integer(a), Scalar::Integer(b)) => {
                a.cmp(b)
            }
            (Scalar::Text(a), Scalar::Text(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}
