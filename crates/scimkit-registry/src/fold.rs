//! Case folding and the scalars that filters, lookup keys and sorting compare.

use std::{borrow::Cow, cmp::Ordering};

use caseless::Caseless;
use serde_json::Value;
use unicode_normalization::{UnicodeNormalization, char::decompose_compatible};

use crate::{Attr, AttrId, node::Node};

/// Returns the text for comparisons and uniqueness that ignore case.
///
/// - Unicode default case folding between canonical normalizations, so that the encoding of accents is irrelevant as
///   well.
/// - Full-width and half-width forms become the forms that people type without an East Asian keyboard.
/// - Folding is idempotent.
///
/// # Example
/// ```
/// use scimkit_registry::fold_case;
///
/// assert_eq!(fold_case("Straße@EXAMPLE.com"), "strasse@example.com");
/// assert_eq!(fold_case("Zoe\u{308}"), fold_case("ZO\u{cb}"));
/// assert_ne!(fold_case("Zoe"), fold_case("Zoë"));
/// ```
///
/// [RFC 7644 section 5](https://www.rfc-editor.org/rfc/rfc7644#section-5),
/// [RFC 8265 section 3.3](https://www.rfc-editor.org/rfc/rfc8265#section-3.3)
#[must_use]
pub fn fold_case(text: &str) -> Cow<'_, str> {
    if !text.is_ascii() {
        let mut narrow = String::with_capacity(text.len());
        for letter in text.chars() {
            match letter {
                '\u{3000}' | '\u{ff01}'..='\u{ffee}' => {
                    decompose_compatible(letter, |part| narrow.push(part));
                }
                _ => narrow.push(letter),
            }
        }
        return Cow::Owned(narrow.nfd().default_case_fold().nfc().collect());
    }
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Cow::Owned(text.to_ascii_lowercase());
    }
    Cow::Borrowed(text)
}

/// Parses `true` or `false` in any case.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        return Some(true);
    }
    text.eq_ignore_ascii_case("false").then_some(false)
}

/// A value ready for comparison: text is folded unless its attribute is case exact, instants are microseconds since
/// 1970 in UTC.
///
/// Values of one type are ordered by value, text by code point; values of two types are never equal.
///
/// # Example
/// ```
/// use scimkit_registry::{Registry, Scalar};
/// use serde_json::json;
///
/// let registry = Registry::standard();
/// let user = registry.resource_type("User").unwrap();
/// let created = user.attr(user.attribute_id("meta.created").unwrap());
/// let instant = Scalar::of(created, &json!("1970-01-01T01:00:00+01:00"));
/// assert_eq!(instant, Some(Scalar::Instant(0)));
/// assert_eq!(Scalar::of(created, &json!("yesterday")), None);
/// ```
#[derive(Debug, Clone)]
#[expect(
    clippy::exhaustive_enums,
    reason = "closed by the data types of RFC 7643 section 2.3"
)]
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

/// A folded lookup key, which a store indexes and compares for uniqueness.
pub type Key = Scalar;

/// The keys of a resource under one attribute.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a pair with names")]
pub struct AttrKeys {
    /// The attribute.
    pub attr: AttrId,
    /// The keys.
    pub keys: Vec<Key>,
}

/// The value for databases: an instant as its microseconds.
impl From<Scalar> for Value {
    fn from(scalar: Scalar) -> Self {
        match scalar {
            Scalar::Bool(truth) => truth.into(),
            Scalar::Decimal(number) => number.into(),
            Scalar::Instant(number) | Scalar::Integer(number) => number.into(),
            Scalar::Text(text) => text.into(),
        }
    }
}

impl Scalar {
    /// Returns a stored JSON value under `attr`'s type and case rule; `None` if it is not of that type.
    #[must_use]
    pub fn of(attr: &Attr, value: &Value) -> Option<Scalar> {
        Node::Tree(value).scalar(attr)
    }

    /// Returns text under `attr`'s case rule.
    #[must_use]
    pub fn text(attr: &Attr, text: &str) -> Scalar {
        Scalar::Text(if attr.definition().is_case_exact() {
            text.to_owned()
        } else {
            fold_case(text).into_owned()
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
    /// Compares by value within one type (text by code point), otherwise by type.
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Scalar::Bool(a), Scalar::Bool(b)) => a.cmp(b),
            // -0 and 0 are the same number in JSON.
            (Scalar::Decimal(a), Scalar::Decimal(b)) => (a + 0.0).total_cmp(&(b + 0.0)),
            (Scalar::Instant(a), Scalar::Instant(b)) | (Scalar::Integer(a), Scalar::Integer(b)) => {
                a.cmp(b)
            }
            (Scalar::Text(a), Scalar::Text(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}
