//! The syntax tree of a filter.

use crate::attribute::{AttributePath, owned};
use std::borrow::Cow;

/// A filter as a tree.
///
/// * Parsing flattens: `a and b and c` is one [`And`](Self::And) of three, and so is `a and (b and c)`. A tree from a
///   parser has no `And` directly inside an `And` and no `Or` directly inside an `Or`.
/// * Parentheses leave no other trace; printing sets the fewest that keep the meaning.
/// * Printing and parsing again gives an equal tree. For a tree made by hand that holds if it keeps the rules above,
///   `And` and `Or` have two members or more, names are names, numbers are numbers, and value paths hold no other and
///   no URN.
/// * Printing, comparing and dropping go down a tree by calling themselves. [`ParseLimits`](crate::ParseLimits) bound what a
///   parser builds; a tree made by hand is as deep as its maker lets it become.
/// * Equality is that of the syntax, with names and URNs in any case: `userName pr` is `username pr`. Values are compared
///   to the letter and numbers as they were written, so that `1.0` is not `1`: whether a value has case, and what a
///   number is compared with, is for a schema to say. `a pr and b pr` is not `b pr and a pr`.
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
    /// This does not match.
    Not(Box<Filter<'a>>),
    /// Any of these matches.
    // INVARIANT: two or more, none of them an `Or`.
    Or(Vec<Filter<'a>>),
    /// The attribute has a value: `pr`.
    Present(AttributePath<'a>),
    /// One value of the attribute matches all by itself: brackets.
    ValuePath(ValuePath<'a>),
}

/// An attribute compared with a value: `userName eq "bjensen"`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Comparison<'a> {
    /// What is compared.
    pub attribute: AttributePath<'a>,
    /// How.
    pub operator: Operator,
    /// With what.
    pub value: Literal<'a>,
}

/// A filter on the single values of an attribute: `emails[type eq "work"]`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ValuePath<'a> {
    /// Whose values.
    pub attribute: AttributePath<'a>,
    /// What one of them has to match; its attributes are sub-attributes of [`attribute`](Self::attribute).
    // INVARIANT: holds no other value path and no URN.
    pub filter: Box<Filter<'a>>,
}

/// How an attribute is compared with a value.
///
/// Table 3 of [RFC 7644, 3.4.2.2](https://www.rfc-editor.org/rfc/rfc7644#section-3.4.2.2), without `pr`, which compares
/// with nothing and is [`Filter::Present`].
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

/// What an attribute is compared with: a value of JSON that is neither an array nor an object.
///
/// A [`Word`](Self::Word) is equal to the string of the same text, which is how it prints.
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
    /// A number as it was written, so that nothing is lost to rounding. Compared as text.
    // INVARIANT: a number by the grammar of JSON.
    Number(Cow<'a, str>),
    /// A string without its quotes and escapes. Borrowed unless it held an escape.
    String(Cow<'a, str>),
    /// A word without quotes that stands for a string: only with [`Leniency::bare_words`](crate::Leniency::bare_words).
    Word(Cow<'a, str>),
}

impl Comparison<'_> {
    /// The same comparison, borrowing from nothing.
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
    /// The same value path, borrowing from nothing.
    #[must_use]
    pub fn into_owned(self) -> ValuePath<'static> {
        ValuePath {
            attribute: self.attribute.into_owned(),
            filter: Box::new(self.filter.into_owned()),
        }
    }
}

impl Operator {
    /// The operator as the RFC writes it, in lower case.
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
    /// The same value, borrowing from nothing.
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
