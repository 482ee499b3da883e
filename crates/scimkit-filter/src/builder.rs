//! Filters made by code instead of text.

use crate::attribute::AttributePath;
use crate::error::ParseError;
use crate::literal;
use crate::options::{ParseLimits, ParseOptions};
use crate::tree::{Comparison, Filter, Literal, Operator, ValuePath};
use crate::walk::{Event, Group};
use std::borrow::Cow;
use std::convert::Infallible;

/// Filters by their operators. An attribute is an [`AttributePath`], or a text that [`AttributePath::parse`] reads; a
/// text that it does not read is an error, so that no filter made here prints as something else.
///
/// # Example
///
/// ```
/// use scimkit_filter::Filter;
///
/// let active = Filter::eq("active", true)?;
/// let named = Filter::sw("userName", "bj")?.or(Filter::present("title")?);
/// let work = Filter::value_path("emails", Filter::eq("type", "work")?)?;
/// let filter = active.and(named).and(work.negate());
/// assert_eq!(
///     filter.to_string(),
///     r#"active eq true and (userName sw "bj" or title pr) and not (emails[type eq "work"])"#,
/// );
/// assert!(Filter::eq(r#"id pr or userName"#, "x").is_err());
/// # Ok::<(), scimkit_filter::ParseError>(())
/// ```
impl<'a> Filter<'a> {
    /// `attribute operator value`
    ///
    /// # Errors
    ///
    /// `attribute` is a text and names no attribute.
    pub fn compare(
        attribute: impl TryInto<AttributePath<'a>, Error: Into<ParseError>>,
        operator: Operator,
        value: impl Into<Literal<'a>>,
    ) -> Result<Self, ParseError> {
        Ok(Self::Compare(Comparison {
            attribute: attribute.try_into().map_err(Into::into)?,
            operator,
            value: value.into(),
        }))
    }

    /// `attribute co value`
    ///
    /// # Errors
    ///
    /// As for [`compare`](Self::compare).
    pub fn co(
        attribute: impl TryInto<AttributePath<'a>, Error: Into<ParseError>>,
        value: impl Into<Literal<'a>>,
    ) -> Result<Self, ParseError> {
        Self::compare(attribute, Operator::Contains, value)
    }

    /// `attribute eq value`
    ///
    /// # Errors
    ///
    /// As for [`compare`](Self::compare).
    pub fn eq(
        attribute: impl TryInto<AttributePath<'a>, Error: Into<ParseError>>,
        value: impl Into<Literal<'a>>,
    ) -> Result<Self, ParseError> {
        Self::compare(attribute, Operator::Equal, value)
    }

    /// `attribute ew value`
    ///
    /// # Errors
    ///
    /// As for [`compare`](Self::compare).
    pub fn ew(
        attribute: impl TryInto<AttributePath<'a>, Error: Into<ParseError>>,
        value: impl Into<Literal<'a>>,
    ) -> Result<Self, ParseError> {
        Self::compare(attribute, Operator::EndsWith, value)
    }

    /// `attribute ge value`
    ///
    /// # Errors
    ///
    /// As for [`compare`](Self::compare).
    pub fn ge(
        attribute: impl TryInto<AttributePath<'a>, Error: Into<ParseError>>,
        value: impl Into<Literal<'a>>,
    ) -> Result<Self, ParseError> {
        Self::compare(attribute, Operator::GreaterOrEqual, value)
    }

    /// `attribute gt value`
    ///
    /// # Errors
    ///
    /// As for [`compare`](Self::compare).
    pub fn gt(
        attribute: impl TryInto<AttributePath<'a>, Error: Into<ParseError>>,
        value: impl Into<Literal<'a>>,
    ) -> Result<Self, ParseError> {
        Self::compare(attribute, Operator::GreaterThan, value)
    }

    /// `attribute le value`
    ///
    /// # Errors
    ///
    /// As for [`compare`](Self::compare).
    pub fn le(
        attribute: impl TryInto<AttributePath<'a>, Error: Into<ParseError>>,
        value: impl Into<Literal<'a>>,
    ) -> Result<Self, ParseError> {
        Self::compare(attribute, Operator::LessOrEqual, value)
    }

    /// `attribute lt value`
    ///
    /// # Errors
    ///
    /// As for [`compare`](Self::compare).
    pub fn lt(
        attribute: impl TryInto<AttributePath<'a>, Error: Into<ParseError>>,
        value: impl Into<Literal<'a>>,
    ) -> Result<Self, ParseError> {
        Self::compare(attribute, Operator::LessThan, value)
    }

    /// `attribute ne value`
    ///
    /// # Errors
    ///
    /// As for [`compare`](Self::compare).
    pub fn ne(
        attribute: impl TryInto<AttributePath<'a>, Error: Into<ParseError>>,
        value: impl Into<Literal<'a>>,
    ) -> Result<Self, ParseError> {
        Self::compare(attribute, Operator::NotEqual, value)
    }

    /// `attribute sw value`
    ///
    /// # Errors
    ///
    /// As for [`compare`](Self::compare).
    pub fn sw(
        attribute: impl TryInto<AttributePath<'a>, Error: Into<ParseError>>,
        value: impl Into<Literal<'a>>,
    ) -> Result<Self, ParseError> {
        Self::compare(attribute, Operator::StartsWith, value)
    }
    /// `attribute pr`
    ///
    /// # Errors
    ///
    /// As for [`compare`](Self::compare).
    pub fn present(
        attribute: impl TryInto<AttributePath<'a>, Error: Into<ParseError>>,
    ) -> Result<Self, ParseError> {
        attribute.try_into().map(Self::Present).map_err(Into::into)
    }

    /// `attribute[inner]`
    ///
    /// # Errors
    ///
    /// As for [`compare`](Self::compare); also, `inner` holds brackets or a URN, which cannot stand in brackets.
    pub fn value_path(
        attribute: impl TryInto<AttributePath<'a>, Error: Into<ParseError>>,
        inner: Self,
    ) -> Result<Self, ParseError> {
        let attribute = attribute.try_into().map_err(Into::into)?;
        let misplaced = inner.walk().any(|event| match event {
            Event::Compare(comparison) => comparison.attribute.urn.is_some(),
            Event::Enter(group) => matches!(group, Group::ValuePath(_)),
            Event::Present(attribute) => attribute.urn.is_some(),
            Event::Between(_) | Event::Leave(_) => false,
        });
        let filter = Box::new(inner);
        let path = Self::ValuePath(ValuePath { attribute, filter });
        if !misplaced {
            return Ok(path);
        }
        // Read as text it is refused, with the place.
        let limits = ParseLimits::default()
            .with_depth(u16::MAX)
            .with_length(usize::MAX)
            .with_terms(u32::MAX);
        Filter::parse_with(
            &path.to_string(),
            &ParseOptions::default().with_limits(limits),
        )
        .map(Filter::into_owned)
    }

    /// `self and other`, with no `and` directly inside another.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let mut members = match self {
            Self::And(members) => members,
            one => vec![one],
        };
        match other {
            Self::And(more) => members.extend(more),
            one => members.push(one),
        }
        Self::And(members)
    }

    /// `self or other`, with no `or` directly inside another.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let mut members = match self {
            Self::Or(members) => members,
            one => vec![one],
        };
        match other {
            Self::Or(more) => members.extend(more),
            one => members.push(one),
        }
        Self::Or(members)
    }

    /// `not (self)`
    #[must_use]
    pub fn negate(self) -> Self {
        Self::Not(Box::new(self))
    }
}

impl<'a> Literal<'a> {
    /// A number by its text, in the grammar of JSON.
    ///
    /// # Errors
    ///
    /// The text is no number.
    ///
    /// # Example
    ///
    /// ```
    /// use scimkit_filter::{Filter, Literal};
    ///
    /// assert_eq!(Filter::gt("score", Literal::number("1.50")?)?.to_string(), "score gt 1.50");
    /// assert!(Literal::number("NaN").is_err());
    /// # Ok::<(), scimkit_filter::ParseError>(())
    /// ```
    pub fn number(text: &'a str) -> Result<Self, ParseError> {
        literal::whole_number(text)
    }
}

impl From<bool> for Literal<'_> {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<i32> for Literal<'_> {
    fn from(number: i32) -> Self {
        Self::from(i64::from(number))
    }
}

impl From<i64> for Literal<'_> {
    fn from(number: i64) -> Self {
        Self::Number(number.to_string().into())
    }
}

impl From<u64> for Literal<'_> {
    fn from(number: u64) -> Self {
        Self::Number(number.to_string().into())
    }
}

impl<'a> From<&'a str> for Literal<'a> {
    fn from(text: &'a str) -> Self {
        Self::String(Cow::Borrowed(text))
    }
}

impl From<String> for Literal<'_> {
    fn from(text: String) -> Self {
        Self::String(Cow::Owned(text))
    }
}

// An `AttributePath` converts into itself without an error.
impl From<Infallible> for ParseError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
