//! The syntax tree of a filter.

use std::borrow::Cow;

use crate::attribute::{AttributePath, owned};

/// A filter as a tree.
///
/// * Parsing flattens: `a and b and c` is one [`And`](Self::And) of three, and so is `a and (b and c)`. A parsed tree
///   has no `And` directly inside an `And` and no `Or` directly inside an `Or`.
/// * The tree does not store other parentheses; printing adds the fewest that preserve the meaning.
/// * Printing and parsing a tree gives an equal tree. For a tree built in code this holds if it follows the rules
///   above, `And` and `Or` have two or more members, names and numbers are valid, and value paths contain no other
///   value path and no URN.
/// * Printing, comparing and dropping are recursive. [`ParseLimits`](crate::ParseLimits) bound the depth of a parsed
///   tree; the depth of a tree built in code is up to the caller.
/// * Equality is that of the syntax, with names and URNs in any case: `userName pr` is equal to `username pr`. Values
///   are compared exactly and numbers as written, so that `1.0` is not equal to `1`: whether a value ignores case,
///   and how numbers are compared, depends on the schema. `a pr and b pr` is not equal to `b pr and a pr`.
///
/// # Example
///
/// ```
/// use scimkit_filter::Filter;
///
/// let filter = Filter::parse(r#"(title pr AND not(active eq false)) or id eq "1""#)?;
/// assert_eq!(filter.to_string(), r#"title pr and not (active eq false) or id eq "1""#);
/// # Ok::<(), scimkit_filter::ParseError>(())
/// ```
///
/// `FILTER` of [RFC 7644, 3.4.2.2](https://www.rfc-editor.org/rfc/rfc7644#section-3.4.2.2).
#[derive(Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "closed by RFC 7644, figure 1")]
pub enum Filter<'a> {
    /// All of these match.
    // INVARIANT: two or more, none of them an `And`.
    And(Vec<Filter<'a>>),
    /// An attribute compared with a value.
    Compare(Comparison<'a>),
    /// The filter does not match.
    Not(Box<Filter<'a>>),
    /// Any of these matches.
    // INVARIANT: two or more, none of them an `Or`.
    Or(Vec<Filter<'a>>),
    /// The attribute has a value: `pr`.
    Present(AttributePath<'a>),
    /// One value of the attribute matches on its own: brackets.
    ValuePath(ValuePath<'a>),
}

/// An attribute compared with a value: `userName eq "bjensen"`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Comparison<'a> {
    /// The attribute.
    pub attribute: AttributePath<'a>,
    /// The operator.
    pub operator: Operator,
    /// The value.
    pub value: Literal<'a>,
}

/// A filter on single values of an attribute: `emails[type eq "work"]`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ValuePath<'a> {
    /// The attribute.
    pub attribute: AttributePath<'a>,
    /// The filter that one value has to match; its attributes are sub-attributes of [`attribute`](Self::attribute).
    // INVARIANT: contains no other value path and no URN.
    pub filter: Box<Filter<'a>>,
}

/// The comparison operators.
///
/// Table 3 of [RFC 7644, 3.4.2.2](https://www.rfc-editor.org/rfc/rfc7644#section-3.4.2.2), without `pr`, which has no
/// value and is [`Filter::Present`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_enums, reason = "closed by RFC 7644, figure 1")]
pub enum Operator {
    /// `co`
    Contains,
    /// `ew`
    EndsWith,
    /// `eq`
    Equal,
    /// `ge`
    GreaterOrEqual,
    /// `gt`
    GreaterThan,
    /// `le`
    LessOrEqual,
    /// `lt`
    LessThan,
    /// `ne`
    NotEqual,
    /// `sw`
    StartsWith,
}

/// The value of a comparison: a JSON value that is neither an array nor an object.
///
/// A [`Word`](Self::Word) is equal to the string with the same text, and is printed as this string.
///
/// `compValue` of [RFC 7644, 3.4.2.2](https://www.rfc-editor.org/rfc/rfc7644#section-3.4.2.2).
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "closed by RFC 7644, figure 1, and the one leniency that adds to it"
)]
pub enum Literal<'a> {
    /// `true` or `false`
    Bool(bool),
    /// `null`
    Null,
    /// A number as written, so that no precision is lost. Compared as text.
    // INVARIANT: a number by the grammar of JSON.
    Number(Cow<'a, str>),
    /// A string without its quotes and escapes. Borrowed, unless it has an escape.
    String(Cow<'a, str>),
    /// A word without quotes that represents a string: only with
    /// [`Leniency::bare_words`](crate::Leniency::bare_words).
    Word(Cow<'a, str>),
}

impl Comparison<'_> {
    /// Returns the same comparison without borrowed text.
    #[must_use]
    pub fn into_owned(self) -> Comparison<'static> {
        Comparison {
            attribute: self.attribute.into_owned(),
            operator: self.operator,
            value: self.value.into_owned(),
        }
    }
}

impl ValuePath<'_> {
    /// Returns the same value path without borrowed text.
    #[must_use]
    pub fn into_owned(self) -> ValuePath<'static> {
        ValuePath {
            attribute: self.attribute.into_owned(),
            filter: Box::new(self.filter.into_owned()),
        }
    }
}

impl Operator {
    /// All operators, in the order of the RFC.
    ///
    /// # Example
    ///
    /// ```
    /// use scimkit_filter::Operator;
    ///
    /// let parsed = Operator::ALL.iter().find(|operator| operator.as_str() == "sw");
    /// assert_eq!(parsed, Some(&Operator::StartsWith));
    /// ```
    pub const ALL: &'static [Operator] = &[
        Operator::Equal,
        Operator::NotEqual,
        Operator::Contains,
        Operator::StartsWith,
        Operator::EndsWith,
        Operator::GreaterThan,
        Operator::GreaterOrEqual,
        Operator::LessThan,
        Operator::LessOrEqual,
    ];

    /// Returns the operator as in the RFC, in lower case.
    ///
    /// # Example
    ///
    /// ```
    /// assert_eq!(scimkit_filter::Operator::StartsWith.as_str(), "sw");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Contains => "co",
            Self::EndsWith => "ew",
            Self::Equal => "eq",
            Self::GreaterOrEqual => "ge",
            Self::GreaterThan => "gt",
            Self::LessOrEqual => "le",
            Self::LessThan => "lt",
            Self::NotEqual => "ne",
            Self::StartsWith => "sw",
        }
    }
}

impl Literal<'_> {
    /// Returns the same value without borrowed text.
    #[must_use]
    pub fn into_owned(self) -> Literal<'static> {
        match self {
            Self::Bool(truth) => Literal::Bool(truth),
            Self::Null => Literal::Null,
            Self::Number(lexeme) => Literal::Number(owned(lexeme)),
            Self::String(text) => Literal::String(owned(text)),
            Self::Word(text) => Literal::Word(owned(text)),
        }
    }
}
