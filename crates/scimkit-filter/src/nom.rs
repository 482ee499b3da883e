//! SCIM filters as nom parsers, for use in other grammars.
//!
//! Each function returns a parser for the start of its input, like nom's own parsers. It accepts the same texts as
//! [`Filter::parse_with`], [`Path::parse_with`] and [`AttributePath::parse`], under the same [`ParseLimits`] and the
//! same [`Leniency`](crate::Leniency).
//!
//! * A parser stops before the first byte that does not continue its value: before ` order by`, `)` or `,`. After `and`
//!   and `or` a filter must follow, so a grammar cannot have these words after a filter.
//! * Under [`Leniency::extra_whitespace`](crate::Leniency::extra_whitespace), [`filter`] and [`path`] skip leading
//!   blanks, and trailing ones at the end of the input and before `)` and `]`.
//! * [`ParseLimits::length`] limits the part that a parser consumes. The input may be longer.
//! * A text that does not match is an [`Err::Error`](nom::Err::Error), so that `alt` tries the next parser; a text
//!   that exceeds a limit is an [`Err::Failure`](nom::Err::Failure). No parser returns `Incomplete`.
//! * Errors are generic, like nom's. [`SyntaxError`] has the position and the expectation, and
//!   [`to_parse_error`](SyntaxError::to_parse_error) turns it into a [`ParseError`] with a position in the whole
//!   text. nom's own `Error` has only the position.
//!
//! The types of nom 8 are part of this module's API.
//!
//! # Example
//!
//! ```
//! use nom::bytes::complete::tag;
//! use nom::combinator::{all_consuming, opt};
//! use nom::sequence::preceded;
//! use nom::{Finish, Parser};
//! use scimkit_filter::nom::{SyntaxError, attribute, filter};
//! use scimkit_filter::{AttributePath, Filter, ParseOptions, ParseError};
//!
//! /// `userName sw "b" order by name.familyName`
//! fn search(text: &str) -> Result<(Filter<'_>, Option<AttributePath<'_>>), ParseError> {
//!     let options = ParseOptions::default();
//!     let order = preceded(tag(" order by "), attribute(options));
//!     all_consuming((filter(options), opt(order)))
//!         .parse(text)
//!         .finish()
//!         .map(|(_, search)| search)
//!         .map_err(|error: SyntaxError<'_>| error.to_parse_error(text))
//! }
//!
//! let (filter, order) = search(r#"userName sw "b" order by name.familyName"#)?;
//! assert_eq!(filter.to_string(), r#"userName sw "b""#);
//! assert_eq!(order, Some(AttributePath::parse("name.familyName")?));
//!
//! let error = search(r#"userName regex "b" order by name.familyName"#).unwrap_err();
//! assert_eq!((error.span(), error.found()), (9..14, "regex"));
//! # Ok::<(), ParseError>(())
//! ```

use std::fmt::{self, Display, Formatter};

use nom::{
    IResult,
    error::{ErrorKind as NomErrorKind, FromExternalError, ParseError as NomParseError},
};

use crate::{
    attribute::AttributePath,
    bytes,
    error::{self, ParseError, ParseErrorKind},
    fault::{Expected, Fault, Parsed},
    literal as literals,
    machine::{self, End},
    options::{ParseLimits, ParseOptions},
    parse,
    path::Path,
    token,
    tree::{Filter, Literal},
};

/// The number of bytes after [`ParseLimits::length`] that a parser may read to find where its value ends.
const LOOKAHEAD: usize = 16;

/// Returns a parser for an attribute, which accepts the same texts as [`AttributePath::parse`].
///
/// The parser never skips blanks around the attribute, not even leniently.
///
/// # Errors
///
/// The parser fails if the input does not start with an attribute, or if the attribute exceeds
/// [`ParseLimits::length`].
///
/// # Example
///
/// ```
/// use nom::Parser;
/// use nom::character::complete::char;
/// use nom::multi::separated_list1;
/// use scimkit_filter::nom::{SyntaxError, attribute};
/// use scimkit_filter::{AttributePath, ParseOptions};
///
/// let mut list = separated_list1(char::<_, SyntaxError<'_>>(','), attribute(ParseOptions::default()));
/// let (rest, attributes) = list.parse("userName,name.givenName;").unwrap();
/// assert_eq!(attributes, [AttributePath::parse("userName")?, AttributePath::parse("name.givenName")?]);
/// assert_eq!(rest, ";");
/// # Ok::<(), scimkit_filter::ParseError>(())
/// ```
pub fn attribute<'a, E>(
    options: ParseOptions,
) -> impl Fn(&'a str) -> IResult<&'a str, AttributePath<'a>, E> + Copy
where
    E: FromExternalError<&'a str, SyntaxError<'a>>,
{
    parser(options, |input, _| {
        let (rest, attribute) = token::attribute(input, Expected::Attribute)?;
        Ok((rest, attribute.into()))
    })
}

/// Returns a parser for a value: a string, a number, `true`, `false` or `null`, as in JSON.
///
/// [`Leniency::literal_case`](crate::Leniency::literal_case) applies. A word without quotes is a value only after
/// `eq` in a filter, so this parser rejects it.
///
/// # Errors
///
/// The parser fails if the input does not start with a value, or if the value exceeds [`ParseLimits::length`].
///
/// # Example
///
/// ```
/// use nom::Parser;
/// use nom::character::complete::char;
/// use nom::sequence::separated_pair;
/// use scimkit_filter::nom::{SyntaxError, attribute, literal};
/// use scimkit_filter::{Literal, ParseOptions};
///
/// let options = ParseOptions::default();
/// let mut assignment = separated_pair(attribute(options), char::<_, SyntaxError<'_>>('='), literal(options));
/// let (_, (attribute, value)) = assignment.parse(r#"title="a\u0062c""#).unwrap();
/// assert_eq!((&*attribute.name, value), ("title", Literal::String("abc".into())));
/// assert!(assignment.parse("title=abc").is_err());
/// ```
pub fn literal<'a, E>(
    options: ParseOptions,
) -> impl Fn(&'a str) -> IResult<&'a str, Literal<'a>, E> + Copy
where
    E: FromExternalError<&'a str, SyntaxError<'a>>,
{
    parser(options, |input, options| {
        literals::literal(input, options.leniency.literal_case)
    })
}

/// Returns a parser for a filter, which accepts the same texts as [`Filter::parse_with`].
///
/// # Errors
///
/// The parser fails if the input does not start with a filter, if no filter follows an `and` or an `or`, and if the
/// filter exceeds a limit.
///
/// # Example
///
/// A filter inside the parentheses of another grammar:
///
/// ```
/// use nom::Parser;
/// use nom::bytes::complete::tag;
/// use nom::character::complete::char;
/// use nom::sequence::delimited;
/// use scimkit_filter::ParseOptions;
/// use scimkit_filter::nom::{SyntaxError, filter};
///
/// let mut count = delimited(tag("count("), filter(ParseOptions::default()), char::<_, SyntaxError<'_>>(')'));
/// let (rest, filter) = count.parse(r#"count(active eq true and not (title pr)) > 3"#).unwrap();
/// assert_eq!(filter.to_string(), "active eq true and not (title pr)");
/// assert_eq!(rest, " > 3");
/// ```
pub fn filter<'a, E>(
    options: ParseOptions,
) -> impl Fn(&'a str) -> IResult<&'a str, Filter<'a>, E> + Copy
where
    E: FromExternalError<&'a str, SyntaxError<'a>>,
{
    parser(options, |input, options| {
        let (rest, ()) = token::no_blank(input, options.leniency.extra_whitespace)?;
        machine::filter(rest, options, End::Prefix)
    })
}

/// Returns a parser for the path of a PATCH operation, which accepts the same texts as [`Path::parse_with`].
///
/// # Errors
///
/// The parser fails if the input does not start with a path, or if the path exceeds a limit.
///
/// # Example
///
/// ```
/// use nom::Parser;
/// use nom::bytes::complete::tag;
/// use nom::sequence::preceded;
/// use scimkit_filter::nom::{SyntaxError, path};
/// use scimkit_filter::{ParseOptions, Path};
///
/// let mut removal = preceded(tag::<_, _, SyntaxError<'_>>("remove "), path(ParseOptions::default()));
/// let (rest, path) = removal.parse(r#"remove emails[type eq "work"].value;"#).unwrap();
/// assert_eq!(path, Path::parse(r#"emails[type eq "work"].value"#)?);
/// assert_eq!(rest, ";");
/// # Ok::<(), scimkit_filter::ParseError>(())
/// ```
pub fn path<'a, E>(
    options: ParseOptions,
) -> impl Fn(&'a str) -> IResult<&'a str, Path<'a>, E> + Copy
where
    E: FromExternalError<&'a str, SyntaxError<'a>>,
{
    parser(options, |input, options| {
        let (rest, ()) = token::no_blank(input, options.leniency.extra_whitespace)?;
        let (rest, path) = parse::path_token(rest, options)?;
        let rest = if options.leniency.extra_whitespace {
            bytes::trim_last_blanks(rest)
        } else {
            rest
        };
        Ok((rest, path))
    })
}

/// The error of a parser: a position in the input, and the expected text.
///
/// It is cheap to create and copy, so a grammar can try alternatives: `alt` returns the error furthest into the
/// input. It can also be the error of nom's own parsers.
///
/// # Example
///
/// ```
/// use nom::Finish;
/// use scimkit_filter::nom::{SyntaxError, filter};
/// use scimkit_filter::{ParseErrorKind, ParseLimits, ParseOptions};
///
/// let text = "where age eq 01";
/// let error: SyntaxError<'_> = filter(ParseOptions::default())(&text[6..]).finish().unwrap_err();
/// assert_eq!((error.kind(), error.rest()), (ParseErrorKind::Syntax, "01"));
/// assert_eq!(error.to_string(), "expected a number of JSON, found `01`");
/// assert_eq!(error.to_parse_error(text).span(), 13..15);
///
/// let options = ParseOptions::default().with_limits(ParseLimits::default().with_terms(1));
/// let error: SyntaxError<'_> = filter(options)("a pr and b pr").finish().unwrap_err();
/// assert_eq!(error.kind(), ParseErrorKind::TooManyTerms);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SyntaxError<'a> {
    fault: Fault<'a>,
    limits: ParseLimits,
}

impl<'a> SyntaxError<'a> {
    /// Returns the kind of the error: syntax, or one of the limits.
    #[must_use]
    pub fn kind(self) -> ParseErrorKind {
        error::kind(self.fault.expected)
    }

    /// Returns the input from the position of the error on.
    #[must_use]
    pub fn rest(self) -> &'a str {
        self.fault.rest
    }

    /// Returns the error with its position in `text`: the whole text, of which [`rest`](Self::rest) is the end.
    #[must_use]
    pub fn to_parse_error(self, text: &str) -> ParseError {
        ParseError::new(text, self.fault, self.limits)
    }
}

impl Display for SyntaxError<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let error = self.to_parse_error(self.fault.rest);
        write!(f, "expected {}, found ", error.expected())?;
        match error.found() {
            "" => f.write_str("the end of the text"),
            found => write!(f, "`{found}`"),
        }
    }
}

impl std::error::Error for SyntaxError<'_> {}

impl<'a> NomParseError<&'a str> for SyntaxError<'a> {
    fn from_error_kind(rest: &'a str, kind: NomErrorKind) -> Self {
        let expected = Expected::Nom(kind);
        let fault = Fault { expected, rest };
        let limits = ParseLimits::default();
        Self { fault, limits }
    }

    fn append(_: &'a str, _: NomErrorKind, other: Self) -> Self {
        other
    }

    fn from_char(rest: &'a str, character: char) -> Self {
        let expected = Expected::Char(character);
        let fault = Fault { expected, rest };
        let limits = ParseLimits::default();
        Self { fault, limits }
    }

    fn or(self, other: Self) -> Self {
        if self.fault.rest.len() < other.fault.rest.len() {
            self
        } else {
            other
        }
    }
}

impl<'a> FromExternalError<&'a str, SyntaxError<'a>> for SyntaxError<'a> {
    fn from_external_error(_: &'a str, _: NomErrorKind, error: SyntaxError<'a>) -> Self {
        error
    }
}

/// Returns a parser for one value under `options`, with the caller's error type.
fn parser<'a, T, E>(
    options: ParseOptions,
    parse: fn(&'a str, &ParseOptions) -> Parsed<'a, T>,
) -> impl Fn(&'a str) -> IResult<&'a str, T, E> + Copy
where
    E: FromExternalError<&'a str, SyntaxError<'a>>,
{
    move |input| {
        bounded(input, &options, parse).map_err(|error| {
            let limits = options.limits;
            let make = |fault: Fault<'a>, kind| {
                E::from_external_error(fault.rest, kind, SyntaxError { fault, limits })
            };
            match error {
                nom::Err::Error(fault) | nom::Err::Failure(fault) => {
                    match error::kind(fault.expected) {
                        ParseErrorKind::Syntax => {
                            nom::Err::Error(make(fault, NomErrorKind::MapRes))
                        }
                        _ => nom::Err::Failure(make(fault, NomErrorKind::TooLarge)),
                    }
                }
                nom::Err::Incomplete(needed) => nom::Err::Incomplete(needed),
            }
        })
    }
}

/// Runs `parse` on the input up to the limit of its length, and a few bytes more.
fn bounded<'a, T>(
    input: &'a str,
    options: &ParseOptions,
    parse: fn(&'a str, &ParseOptions) -> Parsed<'a, T>,
) -> Parsed<'a, T> {
    let length = options.limits.length;
    let end = length.saturating_add(LOOKAHEAD);
    let window = match input.get(..end) {
        Some(window) => window,
        None if end < input.len() => parse::cut(input, end),
        None => input,
    };
    let place = |rest: &str| window.len().saturating_sub(rest.len());
    let from = |at: usize| input.get(at..).unwrap_or_default();
    let too_long = || Fault {
        expected: Expected::Length,
        rest: from(parse::cut(input, length).len()),
    };
    match parse(window, options) {
        Ok((rest, _)) if place(rest) > length => Err(nom::Err::Error(too_long())),
        Ok((rest, parsed)) => Ok((from(place(rest)), parsed)),
        Err(nom::Err::Error(fault) | nom::Err::Failure(fault)) => {
            let at = place(fault.rest);
            // An error beyond the limit may only be due to the cut.
            let beyond = at.saturating_add(error::blamed(fault)) > length;
            let rest = from(at);
            let fault = Fault { rest, ..fault };
            Err(nom::Err::Error(if beyond { too_long() } else { fault }))
        }
        Err(incomplete) => Err(incomplete),
    }
}
