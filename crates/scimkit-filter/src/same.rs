//! Equality: names and URNs ignore case, everything else is exact.
//!
//! RFC 7643, section 2.1 makes attribute names case-insensitive, and this crate treats schema URIs alike. Both are
//! ASCII.

use std::hash::{Hash, Hasher};

use crate::{attribute::AttributePath, path::Path, tree::Literal};

impl PartialEq for AttributePath<'_> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.name.eq_ignore_ascii_case(&other.name)
            && same(
                self.sub_attribute.as_deref(),
                other.sub_attribute.as_deref(),
            )
            && same(self.urn.as_deref(), other.urn.as_deref())
    }
}

impl Eq for AttributePath<'_> {}

impl Hash for AttributePath<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash(Some(&self.name), state);
        hash(self.sub_attribute.as_deref(), state);
        hash(self.urn.as_deref(), state);
    }
}

impl PartialEq for Path<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.name.eq_ignore_ascii_case(&other.name)
            && same(
                self.sub_attribute.as_deref(),
                other.sub_attribute.as_deref(),
            )
            && same(self.urn.as_deref(), other.urn.as_deref())
            && self.filter == other.filter
    }
}

impl Eq for Path<'_> {}

impl Hash for Path<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash(Some(&self.name), state);
        hash(self.sub_attribute.as_deref(), state);
        hash(self.urn.as_deref(), state);
        self.filter.hash(state);
    }
}

impl PartialEq for Literal<'_> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bool(one), Self::Bool(other)) => one == other,
            (Self::Null, Self::Null) => true,
            (Self::Number(one), Self::Number(other)) => one == other,
            (Self::String(one) | Self::Word(one), Self::String(other) | Self::Word(other)) => {
                one == other
            }
            _ => false,
        }
    }
}

impl Eq for Literal<'_> {}

impl Hash for Literal<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Bool(truth) => (0_u8, truth).hash(state),
            Self::Null => 1_u8.hash(state),
            Self::Number(lexeme) => (2_u8, lexeme).hash(state),
            Self::String(text) | Self::Word(text) => (3_u8, text).hash(state),
        }
    }
}

#[inline]
fn same(one: Option<&str>, other: Option<&str>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
        _ => false,
    }
}

/// Hashes `text` so that equal texts have equal hashes.
fn hash<H: Hasher>(text: Option<&str>, state: &mut H) {
    for byte in text.unwrap_or_default().bytes() {
        state.write_u8(byte.to_ascii_lowercase());
    }
    // No UTF-8 text contains these bytes: they separate this text from the next one, and `None` from the empty text.
    state.write_u8(if text.is_some() { 0xff } else { 0xfe });
}
