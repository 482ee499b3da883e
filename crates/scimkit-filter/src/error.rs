//! The error of this crate.

use std::{
    borrow::Cow,
    fmt::{self, Display, Formatter, Write as _},
    ops::Range,
};

use crate::{
    bytes::{self, WORD},
    fault::{Expected, Fault},
    options::ParseLimits,
};

/// The number of characters of the text that a picture shows before the position, and from it on.
const WINDOW: usize = 30;

/// The reason why a text is not a filter, a path or an attribute.
///
/// `{}` is one line for a log or for the `detail` of a response; `{:#}` adds a picture of the position. Both quote a
/// bounded part of the text, with its control characters made visible. The scimType of the response is
/// `invalidFilter` for a filter and `invalidPath` for a path; the caller knows which of them it parsed.
///
/// # Example
///
/// ```
/// use scimkit_filter::{ParseErrorKind, Filter};
///
/// let error = Filter::parse("title pr and age eq 01").unwrap_err();
/// assert_eq!(error.kind(), ParseErrorKind::Syntax);
/// assert_eq!(error.span(), 20..22);
/// assert_eq!(error.to_string(), "expected a number of JSON at character 21, found `01`");
/// assert!(format!("{error:#}").ends_with("\n  title pr and age eq 01\n                      ^^"));
/// ```
///
/// Based on [RFC 7644, 3.12](https://www.rfc-editor.org/rfc/rfc7644#section-3.12).
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub struct ParseError(Box<Details>);

/// The kinds of errors that a caller may want to distinguish.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// The text does not follow the grammar.
    Syntax,
    /// The nesting exceeds [`ParseLimits::depth`].
    TooDeep,
    /// The text exceeds [`ParseLimits::length`].
    TooLong,
    /// The number of terms exceeds [`ParseLimits::terms`].
    TooManyTerms,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Details {
    expected: Cow<'static, str>,
    found: String,
    kind: ParseErrorKind,
    leniency: Option<&'static str>,
    picture: String,
    place: usize,
    span: Range<usize>,
}

impl ParseError {
    /// Returns the kind of the error.
    #[must_use]
    pub fn kind(&self) -> ParseErrorKind {
        self.0.kind
    }

    /// Returns the invalid bytes of the text; empty and at the end if something is missing there.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.0.span.clone()
    }

    /// Returns the text at [`span`](Self::span), cut to about 30 characters and with its control characters made
    /// visible; empty at the end of the text.
    #[must_use]
    pub fn found(&self) -> &str {
        &self.0.found
    }

    /// Returns a description of the text that was expected instead.
    #[must_use]
    pub fn expected(&self) -> &str {
        &self.0.expected
    }

    /// Returns the field of [`Leniency`](crate::Leniency) that accepts this position, if there is one. The text after
    /// it was not read, so it may contain another error.
    #[must_use]
    pub fn leniency(&self) -> Option<&'static str> {
        self.0.leniency
    }

    #[cold]
    pub(crate) fn new(text: &str, fault: Fault<'_>, limits: ParseLimits) -> Self {
        let start = text.len().saturating_sub(fault.rest.len());
        let span = start..start.saturating_add(blamed(fault));
        let before = text.get(..start).unwrap_or_default();
        let found = text.get(span.clone()).unwrap_or_default();
        Self(Box::new(Details {
            expected: fault.expected.words(limits),
            found: excerpt(found),
            kind: kind(fault.expected),
            leniency: fault.expected.leniency(),
            picture: picture(before, fault.rest, found.chars().take(WINDOW).count()),
            place: before.chars().count().saturating_add(1),
            span,
        }))
    }
}

impl Display for ParseError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Details {
            expected,
            found,
            picture,
            place,
            ..
        } = &*self.0;
        write!(f, "expected {expected} at character {place}, found ")?;
        match found.as_str() {
            "" => f.write_str("the end of the text")?,
            found => write!(f, "`{found}`")?,
        }
        if f.alternate() {
            f.write_str(picture)?;
        }
        Ok(())
    }
}

pub(crate) fn kind(expected: Expected) -> ParseErrorKind {
    match expected {
        Expected::Depth => ParseErrorKind::TooDeep,
        Expected::Length => ParseErrorKind::TooLong,
        Expected::Terms => ParseErrorKind::TooManyTerms,
        _ => ParseErrorKind::Syntax,
    }
}

/// Returns the number of invalid bytes at the start of `fault.rest`.
pub(crate) fn blamed(Fault { expected, rest }: Fault<'_>) -> usize {
    let first = rest.chars().next().map_or(0, char::len_utf8);
    match expected {
        Expected::CloseQuote | Expected::Length => rest.len(),
        Expected::Escape | Expected::LowSurrogate => {
            let second = rest.chars().nth(1).map_or(0, char::len_utf8);
            let digits = if rest.starts_with("\\u") {
                hex_digits(rest)
            } else {
                0
            };
            first.saturating_add(second).saturating_add(digits)
        }
        Expected::Depth | Expected::NoBlank | Expected::OneBlank | Expected::PercentEncoding => {
            first
        }
        _ => bytes::run(rest, WORD).max(first),
    }
}

fn hex_digits(escape: &str) -> usize {
    escape
        .bytes()
        .skip(2)
        .take(4)
        .take_while(u8::is_ascii_hexdigit)
        .count()
}

fn excerpt(text: &str) -> String {
    let mut characters = text.chars();
    let mut excerpt: String = characters.by_ref().take(WINDOW).map(visible).collect();
    if characters.next().is_some() {
        excerpt.push('…');
    }
    excerpt
}

/// Returns two lines: the text around the position, and carets under the `width` invalid characters.
fn picture(before: &str, rest: &str, width: usize) -> String {
    let skipped = before
        .char_indices()
        .rev()
        .nth(WINDOW.saturating_sub(1))
        .map_or(0, |(at, _)| at);
    let lead: String = before
        .get(skipped..)
        .unwrap_or_default()
        .chars()
        .map(visible)
        .collect();
    let cut = if skipped > 0 { "…" } else { "" };
    let indent = lead.chars().count().saturating_add(cut.chars().count());
    let tail = excerpt(rest);
    let mut picture = format!("\n  {cut}{lead}{tail}\n  ");
    // Writing to a `String` does not fail.
    let _ = write!(
        picture,
        "{:indent$}{:^<width$}",
        "",
        "^",
        width = width.max(1)
    );
    picture
}

/// Replaces a character that a terminal would interpret or hide by a visible one of one column.
fn visible(character: char) -> char {
    match character {
        '\0'..='\x1f' => {
            char::from_u32(0x2400_u32.saturating_add(u32::from(character))).unwrap_or('\u{fffd}')
        }
        '\x7f' => '\u{2421}',
        '\u{80}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}' => '\u{fffd}',
        other => other,
    }
}
