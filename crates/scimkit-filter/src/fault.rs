//! An error inside the parser: a position and an expectation, both cheap to copy.

use std::borrow::Cow;

use crate::{
    options::{MAX_DEPTH, ParseLimits},
    tree::Operator,
};

/// The result of a token parser: `nom`'s result with a [`Fault`] as its error.
pub(crate) type Parsed<'a, T> = nom::IResult<&'a str, T, Fault<'a>>;

/// The position at which parsing failed (`rest` starts there), and the expected text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Fault<'a> {
    pub(crate) expected: Expected,
    pub(crate) rest: &'a str,
}

/// Returns the error of a parser that stopped at `rest`.
#[cold]
pub(crate) fn fault<T>(rest: &str, expected: Expected) -> Parsed<'_, T> {
    Err(nom::Err::Error(Fault { expected, rest }))
}

/// Everything that can be missing in a text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Expected {
    AndOrBracket,
    AndOrEnd,
    AndOrParenthesis,
    Attribute,
    AttributeEnd,
    Blank,
    /// A character that one of nom's own parsers expected, in a grammar that embeds this one.
    #[cfg(feature = "nom")]
    Char(char),
    CloseBracket,
    CloseParenthesis,
    CloseQuote,
    Depth,
    Escape,
    EscapedControl,
    Length,
    LowSurrogate,
    LowerCaseLiteral,
    NameAfterUrn,
    NoBlank,
    NoBrackets,
    NoSubAfterBrackets,
    NoUrn,
    /// One of nom's own parsers that failed, in a grammar that embeds this one.
    #[cfg(feature = "nom")]
    Nom(nom::error::ErrorKind),
    Number,
    OneBlank,
    OneSub,
    Operand,
    Operator,
    OperatorOrGroup,
    PathEnd,
    PathFilter,
    PercentEncoding,
    QuotedValue,
    Sub,
    Terms,
    Urn,
    Value,
}

impl Expected {
    /// Returns the name of the [`Leniency`](crate::Leniency) that accepts this position.
    pub(crate) fn leniency(self) -> Option<&'static str> {
        match self {
            Self::LowerCaseLiteral => Some("literal_case"),
            Self::NoBlank | Self::OneBlank => Some("extra_whitespace"),
            Self::NoSubAfterBrackets => Some("sub_after_brackets"),
            Self::QuotedValue => Some("bare_words"),
            _ => None,
        }
    }

    /// Returns the description that follows the word "expected".
    pub(crate) fn words(self, limits: ParseLimits) -> Cow<'static, str> {
        let words = match self {
            Self::AndOrBracket => "`and`, `or` or `]`",
            Self::AndOrEnd => "`and`, `or` or the end",
            Self::AndOrParenthesis => "`and`, `or` or `)`",
            Self::Attribute => "an attribute name",
            Self::AttributeEnd => "the end of the attribute",
            Self::Blank => "a blank",
            #[cfg(feature = "nom")]
            Self::Char(character) => return format!("`{character}`").into(),
            Self::CloseBracket => "`]` to close the value path first",
            Self::CloseParenthesis => "`)` to close the parenthesis first",
            Self::CloseQuote => "a closing double quote for this string",
            Self::Depth => {
                return format!("nesting no deeper than {}", limits.depth.min(MAX_DEPTH)).into();
            }
            Self::Escape => {
                r#"one of the escapes of JSON (`\"`, `\\`, `\/`, `\b`, `\f`, `\n`, `\r`, `\t` or `\u` and four digits)"#
            }
            Self::EscapedControl => {
                r"control characters of a string to be escaped (such as `\n` or `\u0000`)"
            }
            Self::Length => return format!("no more than {} bytes", limits.length).into(),
            Self::LowSurrogate => {
                r"a surrogate pair (`\ud800` to `\udbff`, then `\udc00` to `\udfff`)"
            }
            Self::LowerCaseLiteral => "`true`, `false` or `null` in lower case",
            Self::NameAfterUrn => "an attribute name after the last colon of the URN",
            Self::NoBlank => "no blank here",
            Self::NoBrackets => "an operator, since brackets do not nest",
            Self::NoSubAfterBrackets => "no sub-attribute after the brackets of a filter",
            #[cfg(feature = "nom")]
            Self::Nom(nom::error::ErrorKind::Eof) => "the end of the text",
            #[cfg(feature = "nom")]
            Self::Nom(kind) => return format!("a match of `{}`", kind.description()).into(),
            Self::NoUrn => "a sub-attribute without a URN inside brackets",
            Self::Number => "a number of JSON",
            Self::OneBlank => "one single space",
            Self::OneSub => "no second sub-attribute",
            Self::Operand => "an attribute, `(` or `not (`",
            Self::Operator => {
                let operators: Vec<_> = Operator::ALL
                    .iter()
                    .map(|operator| operator.as_str())
                    .collect();
                return format!("one of the operators `{}` and `pr`", operators.join("`, `"))
                    .into();
            }
            Self::OperatorOrGroup => "`(` after `not`",
            Self::PathEnd => "the end of the path",
            Self::PathFilter => "`.`, `[` or the end of the path",
            Self::PercentEncoding => "two hexadecimal digits after `%`",
            Self::Sub => "a sub-attribute name",
            Self::Terms => return format!("no more than {} terms", limits.terms).into(),
            Self::Urn => "a schema URN (`urn:` and a name) before the colon",
            Self::QuotedValue | Self::Value => {
                "a value: a string in double quotes, a number, `true`, `false` or `null`"
            }
        };
        Cow::Borrowed(words)
    }
}
