//! Values: strings, numbers and JSON's `true`, `false` and `null`.

use std::borrow::Cow;

use nom::{
    Parser,
    branch::alt,
    bytes::complete::tag,
    character::complete::{char, digit1, one_of},
    combinator::{opt, recognize},
};

use crate::{
    bytes::{self, NAME},
    error::ParseError,
    fault::{Expected, Fault, Parsed, fault},
    options::ParseLimits,
    tree::Literal,
};

/// Parses `compValue`: a JSON value that is neither an array nor an object.
#[inline(always)]
pub(crate) fn literal(input: &str, any_case: bool) -> Parsed<'_, Literal<'_>> {
    match input.as_bytes().first() {
        Some(b'"') => string(input).map(|(rest, text)| (rest, Literal::String(text))),
        Some(b'-' | b'0'..=b'9') => number(input),
        _ => word(input, any_case),
    }
}

/// Parses a string without escapes, by far the most frequent value.
#[inline(always)]
pub(crate) fn plain_string(input: &str) -> Option<(&str, &str)> {
    let body = input.strip_prefix('"')?;
    let (text, special) = body.split_at_checked(bytes::plain(body))?;
    Some((special.strip_prefix('"')?, text))
}

/// Words that are never read as strings: keywords, and what programs print for booleans and missing values.
const RESERVED: [&str; 10] = [
    "and",
    "false",
    "nan",
    "nil",
    "none",
    "not",
    "null",
    "or",
    "true",
    "undefined",
];

/// Parses a word without quotes that can represent a string: see
/// [`Leniency::bare_words`](crate::Leniency::bare_words).
#[cold]
pub(crate) fn bare_word(input: &str) -> Option<(&str, &str)> {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '@');
    let end = input.find(|c| !is_part(c)).unwrap_or(input.len());
    let (word, rest) = input.split_at_checked(end)?;
    let ends = rest.is_empty() || rest.starts_with([' ', '\t', ')', ']']);
    let lettered = word.starts_with(char::is_alphanumeric) && word.contains(char::is_alphabetic);
    // A JSON literal ends where a name would end, so `true.x` begins with one.
    let first = word.get(..bytes::run(word, NAME)).unwrap_or(word);
    let is =
        |text: &str, words: &[&str]| words.iter().any(|known| text.eq_ignore_ascii_case(known));
    let reserved = is(first, &["false", "null", "true"]) || is(word, &RESERVED);
    (ends && lettered && !reserved && !is_number(word)).then_some((rest, word))
}

/// Returns whether a word is a number in some language, or the beginning of one: `1e5`, `1e`, `inf`, `0x10`.
fn is_number(word: &str) -> bool {
    let begun = word.starts_with(|c: char| c.is_ascii_digit())
        && word
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-' | '_'));
    let prefixed = |(prefix, radix): (&str, u32)| {
        let digits = word.get(prefix.len()..).filter(|digits| !digits.is_empty());
        let start = word
            .get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix));
        start && digits.is_some_and(|digits| digits.chars().all(|c| c.is_digit(radix)))
    };
    begun
        || word.parse::<f64>().is_ok()
        || [("0b", 2), ("0o", 8), ("0x", 16)].into_iter().any(prefixed)
}

#[inline(always)]
fn word(input: &str, any_case: bool) -> Parsed<'_, Literal<'_>> {
    let Some((word, rest)) = input.split_at_checked(bytes::run(input, NAME)) else {
        return fault(input, Expected::Value);
    };
    let literal = match word.as_bytes() {
        b"false" => Literal::Bool(false),
        b"null" => Literal::Null,
        b"true" => Literal::Bool(true),
        _ => return word_in_case(input, any_case),
    };
    Ok((rest, literal))
}

/// Parses `true`, `false` or `null` in another case.
#[cold]
fn word_in_case(input: &str, any_case: bool) -> Parsed<'_, Literal<'_>> {
    let words = [
        ("false", Literal::Bool(false)),
        ("null", Literal::Null),
        ("true", Literal::Bool(true)),
    ];
    let word = input.get(..bytes::run(input, NAME)).unwrap_or_default();
    let known = words
        .into_iter()
        .find(|(known, _)| word.eq_ignore_ascii_case(known));
    match known {
        Some((known, literal)) if any_case => {
            Ok((input.get(known.len()..).unwrap_or_default(), literal))
        }
        Some(_) => fault(input, Expected::LowerCaseLiteral),
        None => fault(input, Expected::Value),
    }
}

#[inline(never)]
fn number(input: &str) -> Parsed<'_, Literal<'_>> {
    // `opt(digit1)`, because `digit0` returns its two halves swapped at the end of a string.
    let integer = alt((tag("0"), recognize((one_of("123456789"), opt(digit1)))));
    let fraction = opt((char('.'), digit1));
    let exponent = opt((one_of("eE"), opt(one_of("+-")), digit1));
    let parsed: nom::IResult<&str, &str, ()> =
        recognize((opt(char('-')), integer, fraction, exponent)).parse(input);
    match parsed {
        // A number directly before a word is not a number: `01`, `1.`, `0x10`.
        Ok((rest, lexeme)) if !bytes::starts(rest, bytes::WORD) => {
            Ok((rest, Literal::Number(Cow::Borrowed(lexeme))))
        }
        _ => fault(input, Expected::Number),
    }
}

/// Parses a text that is a number as a whole.
pub(crate) fn whole_number(text: &str) -> Result<Literal<'_>, ParseError> {
    let read = match number(text) {
        Ok(("", number)) => return Ok(number),
        Ok((rest, _)) => rest,
        Err(_) => text,
    };
    let fault = Fault {
        expected: Expected::Number,
        rest: read,
    };
    Err(ParseError::new(text, fault, ParseLimits::default()))
}

/// Parses a string; `input` starts with its quote.
#[cold]
fn string(input: &str) -> Parsed<'_, Cow<'_, str>> {
    if let Some((rest, text)) = plain_string(input) {
        return Ok((rest, Cow::Borrowed(text)));
    }
    let mut text = String::new();
    let mut rest = input.get(1..).unwrap_or_default();
    loop {
        let Some((plain, special)) = rest.split_at_checked(bytes::plain(rest)) else {
            return fault(input, Expected::CloseQuote);
        };
        text.push_str(plain);
        let character;
        (rest, character) = match special.as_bytes().first() {
            None => return fault(input, Expected::CloseQuote),
            Some(b'"') => return Ok((special.get(1..).unwrap_or_default(), Cow::Owned(text))),
            Some(b'\\') => escape(special)?,
            Some(_) => return fault(special, Expected::EscapedControl),
        };
        text.push(character);
    }
}

/// Parses one escape; `input` starts with its backslash.
fn escape(input: &str) -> Parsed<'_, char> {
    let character = match input.as_bytes().get(1) {
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\x08',
        Some(b'f') => '\x0c',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unicode(input),
        _ => return fault(input, Expected::Escape),
    };
    Ok((input.get(2..).unwrap_or_default(), character))
}

fn unicode(input: &str) -> Parsed<'_, char> {
    let Some((rest, first)) = code_unit(input) else {
        return fault(input, Expected::Escape);
    };
    if let Some(character) = char::from_u32(u32::from(first)) {
        return Ok((rest, character));
    }
    // A code unit that is not a character by itself is half of a surrogate pair.
    let pair =
        code_unit(rest).map(|(rest, second)| (rest, char::decode_utf16([first, second]).next()));
    match pair {
        Some((rest, Some(Ok(character)))) => Ok((rest, character)),
        _ => fault(input, Expected::LowSurrogate),
    }
}

/// Parses `\u` and exactly four hexadecimal digits.
fn code_unit(input: &str) -> Option<(&str, u16)> {
    let (digits, rest) = input.strip_prefix("\\u")?.split_at_checked(4)?;
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    Some((rest, u16::from_str_radix(digits, 16).ok()?))
}
