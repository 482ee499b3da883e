//! Filters built in code.

use std::{borrow::Cow, convert::Infallible};

use crate::{
    attribute::AttributePath,
    error::ParseError,
    literal,
    options::{ParseLimits, ParseOptions},
    tree::{Comparison, Filter, Literal, Operator, ValuePath},
    walk::{Event, Group},
};

/// Filters by their operators. An attribute is an [`AttributePath`] or a text for [`AttributePath::parse`]; a text
/// that it rejects is an error, so that every filter built here prints as itself.
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
    /// Returns `attribute operator value`.
    ///
    /// # Errors
    ///
    /// `attribute` is a text but not a valid attribute.
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

    /// Returns `attribute co value`.
    ///
    /// # Errors
    ///
    /// See [`compare`](Self::compare).
    pub fn co(
        attribute: impl TryInto<AttributePath<'a>, Error: Into<ParseError>>,
        value: impl Into<Literal<'a>>,
    ) -> Result<Self, ParseError> {
        Self::compare(attribute, Operator::Contains, value)
    }

    /// Returns `attribute eq value`.
    ///
    /// # Errors
    ///
    /// See [`compare`](Self::compare).
    pub fn eq(
        attribute: impl TryInto<AttributePath<'a>, Error: Into<ParseError>>,
        value: impl Into<Literal<'a>>,
    ) -> Result<Self, ParseError> {
        Self::compare(attribute, Operator::Equal, value)
    }

    /// Returns `attribute ew value`.
    ///
    /// # Errors
    ///
    /// See [`compare`](Self::compare).
    pub fn ew(
        attribute: impl TryInto<AttributePath<'a>, Error: Into<ParseError>>,
        value: impl Into<Literal<'a>>,
    ) -> Result<Self, ParseError> {
        Self::compare(attribute, Operator::EndsWith, value)
    }

    /// Returns `attribute ge value`.
    ///
    /// # Errors
    ///
    /// See [`compare`](Self::compare).
    pub fn ge(
        attribute: impl TryInto<AttributePath<'a>, Error: Into<ParseError>>,
        value: impl Into<Literal<'a>>,
    ) -> Result<Self, ParseError> {
        Self::compare(attribute, Operator::GreaterOrEqual, value)
    }

    /// Returns `attribute gt value`.
    ///
    /// # Errors
    ///
    /// See [`compare`](Self::compare).
    pub fn gt(
        attribute: impl TryInto<AttributePath<'a>, Error: Into<ParseError>>,
        value: impl Into<Literal<'a>>,
    ) -> Result<Self, ParseError> {
        Self::compare(attribute, Operator::GreaterThan, value)
    }

    /// Returns `attribute le value`.
    ///
    /// # Errors
    ///
    /// See [`compare`](Self::compare).
    pub fn le(
        attribute: impl TryInto<AttributePath<'a>, Error: Into<ParseError>>,
        value: impl Into<Literal<'a>>,
    ) -> Result<Self, ParseError> {
        Self::compare(attribute, Operator::LessOrEqual, value)
    }

    /// Returns `attribute lt value`.
    ///
    /// # Errors
    ///
    /// See [`compare`](Self::compare).
    pub fn lt(
        attribute: impl TryInto<AttributePath<'a>, Error: Into<ParseError>>,
        value: impl Into<Literal<'a>>,
    ) -> Result<Self, ParseError> {
        Self::compare(attribute, Operator::LessThan, value)
    }

    /// Returns `attribute ne value`.
    ///
    /// # Errors
    ///
    /// See [`compare`](Self::compare).
    pub fn ne(
        attribute: impl TryInto<AttributePath<'a>, Error: Into<ParseError>>,
        value: impl Into<Literal<'a>>,
    ) -> Result<Self, ParseError> {
        Self::compare(attribute, Operator::NotEqual, value)
    }

    /// Returns `attribute sw value`.
    ///
    /// # Errors
    ///
    /// See [`compare`](Self::compare).
    pub fn sw(
        attribute: impl TryInto<AttributePath<'a>, Error: Into<ParseError>>,
        value: impl Into<Literal<'a>>,
    ) -> Result<Self, ParseError> {
        Self::compare(attribute, Operator::StartsWith, value)
    }
    /// Returns `attribute pr`.
    ///
    /// # Errors
    ///
    /// See [`compare`](Self::compare).
    pub fn present(
        attribute: impl TryInto<AttributePath<'a>, Error: Into<ParseError>>,
    ) -> Result<Self, ParseError> {
        attribute.try_into().map(Self::Present).map_err(Into::into)
    }

    /// Returns `attribute[inner]`.
    ///
    /// # Errors
    ///
    /// See [`compare`](Self::compare); also, `inner` contains brackets or a URN, which can't be inside brackets.
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
        // Parsing its text gives the error, with the position.
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

    /// Returns `self and other`, with no `and` directly inside another.
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

    /// Returns `self or other`, with no `or` directly inside another.
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

    /// Returns `not (self)`.
    #[must_use]
    pub fn negate(self) -> Self {
        Self::Not(Box::new(self))
    }
}

impl<'a> Literal<'a> {
    /// Returns a number from its text, in the grammar of JSON.
    ///
    /// # Errors
    ///
    /// The text is not a number.
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
