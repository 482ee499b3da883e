//! Parsers for whole texts: filters, paths and attributes.

use crate::{
    attribute::AttributePath,
    bytes,
    error::ParseError,
    fault::{Expected, Fault, Parsed, fault},
    machine::{self, End},
    options::ParseOptions,
    path::Path,
    token,
    tree::Filter,
};

impl<'a> Filter<'a> {
    /// Parses a filter strictly, under the default limits.
    ///
    /// * Operators and `and`, `or`, `not` can have any case; `not` binds tighter than `and`, `and` tighter than `or`.
    /// * `not` needs a parenthesis, with or without one space before it.
    /// * Exactly one space separates tokens; there are no blanks before or after the filter, or next to its
    ///   parentheses on the inside.
    /// * A word is a keyword only in a keyword's position: `and eq "x"` compares an attribute called `and`.
    /// * Values follow the grammar of JSON, attributes that of [`AttributePath::parse`].
    /// * Brackets contain a filter without brackets and without URNs.
    ///
    /// # Errors
    ///
    /// The text is not a filter (`invalidFilter`) or exceeds a limit.
    ///
    /// # Example
    ///
    /// ```
    /// use scimkit_filter::Filter;
    ///
    /// let filter = Filter::parse(r#"emails[type eq "work" and not (value pr)]"#)?;
    /// assert!(matches!(filter, Filter::ValuePath(_)));
    ///
    /// let error = Filter::parse(r#"userName eq bjensen"#).unwrap_err();
    /// assert_eq!(error.found(), "bjensen");
    /// # Ok::<(), scimkit_filter::ParseError>(())
    /// ```
    pub fn parse(text: &'a str) -> Result<Self, ParseError> {
        Self::parse_with(text, &ParseOptions::default())
    }

    /// Parses a filter under `options`.
    ///
    /// # Errors
    ///
    /// See [`parse`](Self::parse), under the leniency and the limits of `options`.
    ///
    /// # Example
    ///
    /// ```
    /// use scimkit_filter::{ParseErrorKind, Filter, ParseLimits, ParseOptions};
    ///
    /// let options = ParseOptions::default().with_limits(ParseLimits::default().with_length(8));
    /// assert!(Filter::parse_with("title pr", &options).is_ok());
    /// let error = Filter::parse_with("userName pr", &options).unwrap_err();
    /// assert_eq!(error.kind(), ParseErrorKind::TooLong);
    /// ```
    pub fn parse_with(text: &'a str, options: &ParseOptions) -> Result<Self, ParseError> {
        filter(text, options)
    }
}

impl<'a> Path<'a> {
    /// Parses a path strictly, under the default limits.
    ///
    /// * Attributes follow the grammar of [`AttributePath::parse`](crate::AttributePath::parse).
    /// * Brackets contain a filter in the grammar of [`Filter::parse`], without URNs and without further brackets.
    /// * There is at most one sub-attribute, after the brackets if there are any. The grammar would allow one before
    ///   them as well, but no schema can have a complex attribute inside another, so such a path has no meaning.
    ///
    /// # Errors
    ///
    /// The text is not a path (`invalidPath`) or exceeds a limit.
    ///
    /// # Example
    ///
    /// ```
    /// use scimkit_filter::Path;
    ///
    /// assert!(Path::parse("members").is_ok());
    /// let error = Path::parse("/emails/0/value").unwrap_err();
    /// assert_eq!(error.expected(), "an attribute name");
    /// ```
    pub fn parse(text: &'a str) -> Result<Self, ParseError> {
        Self::parse_with(text, &ParseOptions::default())
    }

    /// Parses a path under `options`.
    ///
    /// # Errors
    ///
    /// See [`parse`](Self::parse), under the leniency and the limits of `options`.
    ///
    /// # Example
    ///
    /// ```
    /// use scimkit_filter::{Leniency, ParseOptions, Path};
    ///
    /// let lenient = ParseOptions::default().with_leniency(Leniency::LENIENT);
    /// let path = Path::parse_with("emails[ primary eq True ].value", &lenient)?;
    /// assert_eq!(path.to_string(), "emails[primary eq true].value");
    /// # Ok::<(), scimkit_filter::ParseError>(())
    /// ```
    pub fn parse_with(text: &'a str, options: &ParseOptions) -> Result<Self, ParseError> {
        path(text, options)
    }
}

impl<'a> AttributePath<'a> {
    /// Parses one attribute of `attributes`, `excludedAttributes` or `sortBy`.
    ///
    /// * A name is a letter, then letters, digits, `-` and `_`; `$ref` is a name as well, since RFC 7643 defines
    ///   sub-attributes of this name.
    /// * A URN starts with `urn:` in any case and consists of the characters that RFC 8141 allows.
    /// * The URN is everything before the last colon. The URN of a schema alone is therefore parsed as an attribute
    ///   named by the URN's last part: only the schemas tell whether a schema is meant.
    ///
    /// # Errors
    ///
    /// The text is not an attribute, has blanks at either end, or is longer than 32 KiB.
    ///
    /// # Example
    ///
    /// ```
    /// use scimkit_filter::AttributePath;
    ///
    /// assert_eq!(&*AttributePath::parse("members.$ref")?.name, "members");
    /// assert!(AttributePath::parse("name.familyName.length").is_err());
    /// # Ok::<(), scimkit_filter::ParseError>(())
    /// ```
    pub fn parse(text: &'a str) -> Result<Self, ParseError> {
        attribute(text, &ParseOptions::default())
    }
}

fn filter<'a>(text: &'a str, options: &ParseOptions) -> Result<Filter<'a>, ParseError> {
    whole(text, options, |text| {
        let (rest, ()) = token::no_blank(text, options.leniency.extra_whitespace)?;
        machine::filter(rest, options, End::Text)
    })
}

fn path<'a>(text: &'a str, options: &ParseOptions) -> Result<Path<'a>, ParseError> {
    whole(text, options, |text| {
        let (rest, ()) = token::no_blank(text, options.leniency.extra_whitespace)?;
        let (rest, path) = path_token(rest, options)?;
        let expected = match (&path.filter, &path.sub_attribute) {
            (None, Some(_)) if rest.starts_with('.') => Expected::OneSub,
            (None, None) => Expected::PathFilter,
            _ => Expected::PathEnd,
        };
        end(rest, options, expected).map(|(rest, ())| (rest, path))
    })
}

fn attribute<'a>(text: &'a str, options: &ParseOptions) -> Result<AttributePath<'a>, ParseError> {
    whole(text, options, |text| {
        let (rest, ()) = token::no_blank(text, options.leniency.extra_whitespace)?;
        let (rest, attribute) = token::attribute(rest, Expected::Attribute)?;
        let second = attribute.sub.is_some() && rest.starts_with('.');
        let expected = if second {
            Expected::OneSub
        } else {
            Expected::AttributeEnd
        };
        end(rest, options, expected).map(|(rest, ())| (rest, attribute.into()))
    })
}

/// Runs a parser on the whole of a text, if it is not too long.
#[inline]
fn whole<'a, T>(
    text: &'a str,
    options: &ParseOptions,
    parser: impl FnOnce(&'a str) -> Parsed<'a, T>,
) -> Result<T, ParseError> {
    let limits = options.limits;
    if text.len() > limits.length {
        return Err(ParseError::new(text, beyond(text, limits.length), limits));
    }
    match parser(text) {
        Ok((_, parsed)) => Ok(parsed),
        Err(nom::Err::Error(fault) | nom::Err::Failure(fault)) => {
            Err(ParseError::new(text, fault, limits))
        }
        // All parsers here are complete ones: none needs more input.
        Err(nom::Err::Incomplete(_)) => Err(ParseError::new(
            text,
            Fault {
                expected: Expected::Operand,
                rest: "",
            },
            limits,
        )),
    }
}

/// Returns the part of a text beyond its limit, starting at a whole character.
#[cold]
fn beyond(text: &str, length: usize) -> Fault<'_> {
    let rest = text.get(cut(text, length).len()..).unwrap_or_default();
    Fault {
        expected: Expected::Length,
        rest,
    }
}

/// Returns the whole characters in the first `length` bytes of a text.
#[cold]
pub(crate) fn cut(text: &str, length: usize) -> &str {
    (0..=length.min(text.len()))
        .rev()
        .find_map(|end| text.get(..end))
        .unwrap_or_default()
}

fn end<'a>(rest: &'a str, options: &ParseOptions, expected: Expected) -> Parsed<'a, ()> {
    let trimmed = bytes::trim_blanks(rest);
    if !trimmed.is_empty() {
        return fault(rest, expected);
    }
    token::no_blank(rest, options.leniency.extra_whitespace)
}

/// Parses `PATH`, up to the text that does not continue it.
pub(crate) fn path_token<'a>(input: &'a str, options: &ParseOptions) -> Parsed<'a, Path<'a>> {
    let (rest, attribute) = token::attribute(input, Expected::Attribute)?;
    let AttributePath {
        urn,
        name,
        sub_attribute,
    } = attribute.into();
    let (rest, filter, sub) = match rest.as_bytes().first() {
        Some(b'[') if sub_attribute.is_none() => {
            let (rest, filter) = machine::brackets(rest, options)?;
            let (rest, sub) = match rest.strip_prefix('.') {
                Some(rest) => {
                    token::name(rest, Expected::Sub).map(|(rest, sub)| (rest, Some(sub.into())))?
                }
                None => (rest, None),
            };
            (rest, Some(Box::new(filter)), sub)
        }
        _ => (rest, None, sub_attribute),
    };
    Ok((
        rest,
        Path {
            urn,
            name,
            filter,
            sub_attribute: sub,
        },
    ))
}
