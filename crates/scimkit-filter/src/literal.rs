//! Values: strings, numbers and the three words of JSON.

use crate::bytes::{self, NAME};
use crate::fault::{Expected, Parsed, fault};
use crate::tree::Literal;
use memchr::memchr2;
use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::tag;
use nom::character::complete::{char, digit1, one_of};
use nom::combinator::{opt, recognize};
use std::borrow::Cow;

/// `compValue`: a value of JSON that is neither an array nor an object.
pub(crate) fn literal(input: &str, any_case: bool) -> Parsed<'_, Literal<'_>> {
    match input.as_bytes().first() {
        Some(b'"') => string(input).map(|(rest, text)| (rest, Literal::String(text))),
        Some(b'-' | b'0'..=b'9') => number(input),
        _ => word(input, any_case),
    }
}

fn word(input: &str, any_case: bool) -> Parsed<'_, Literal<'_>> {
    let Some((word, rest)) = input.split_at_checked(bytes::run(input, NAME)) else {
        return fault(input, Expected::Value);
    };
    let (literal, exact) = match word.len() {
        4 if word.eq_ignore_ascii_case("true") => (Literal::Bool(true), "true"),
        4 if word.eq_ignore_ascii_case("null") => (Literal::Null, "null"),
        5 if word.eq_ignore_ascii_case("false") => (Literal::Bool(false), "false"),
        _ => return fault(input, Expected::Value),
    };
    if word == exact || any_case {
        Ok((rest, literal))
    } else {
        fault(input, Expected::LowerCaseLiteral)
    }
}

fn number(input: &str) -> Parsed<'_, Literal<'_>> {
    // `opt(digit1)`, since `digit0` at the end of a string answers with its two halves swapped.
    let integer = alt((tag("0"), recognize((one_of("123456789"), opt(digit1)))));
    let fraction = opt((char('.'), digit1));
    let exponent = opt((one_of("eE"), opt(one_of("+-")), digit1));
    let parsed: Parsed<'_, &str> =
        recognize((opt(char('-')), integer, fraction, exponent)).parse(input);
    match parsed {
        // A number that runs into a word is no number: `01`, `1.`, `0x10`.
        Ok((rest, lexeme)) if !bytes::starts(rest, bytes::WORD) => {
            Ok((rest, Literal::Number(Cow::Borrowed(lexeme))))
        }
        _ => fault(input, Expected::Number),
    }
}

/// A string; `input` starts with its quote.
fn string(input: &str) -> Parsed<'_, Cow<'_, str>> {
    let body = input.get(1..).unwrap_or_default();
    let Some((text, rest)) =
        memchr2(b'"', b'\\', body.as_bytes()).and_then(|at| body.split_at_checked(at))
    else {
        return fault(input, Expected::CloseQuote);
    };
    let Some(rest) = rest.strip_prefix('"') else {
        return escaped(input, body);
    };
    if has_control(text) {
        return fault(first_control(text, body), Expected::EscapedControl);
    }
    Ok((rest, Cow::Borrowed(text)))
}

#[cold]
fn escaped<'a>(input: &'a str, body: &'a str) -> Parsed<'a, Cow<'a, str>> {
    let mut text = String::new();
    let mut rest = body;
    loop {
        let found = memchr2(b'"', b'\\', rest.as_bytes()).and_then(|at| rest.split_at_checked(at));
        let Some((plain, special)) = found else {
            return fault(input, Expected::CloseQuote);
        };
        if has_control(plain) {
            return fault(first_control(plain, rest), Expected::EscapedControl);
        }
        text.push_str(plain);
        if let Some(rest) = special.strip_prefix('"') {
            return Ok((rest, Cow::Owned(text)));
        }
        let character;
        (rest, character) = escape(special)?;
        text.push(character);
    }
}

/// One escape; `input` starts with its backslash.
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
    // What is no character by itself is half of a surrogate pair.
    let pair =
        code_unit(rest).map(|(rest, second)| (rest, char::decode_utf16([first, second]).next()));
    match pair {
        Some((rest, Some(Ok(character)))) => Ok((rest, character)),
        _ => fault(input, Expected::LowSurrogate),
    }
}

/// `\u` and exactly four hexadecimal digits.
fn code_unit(input: &str) -> Option<(&str, u16)> {
    let (digits, rest) = input.strip_prefix("\\u")?.split_at_checked(4)?;
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    Some((rest, u16::from_str_radix(digits, 16).ok()?))
}

/// Written without an early end, so that it runs over many bytes at once.
fn has_control(text: &str) -> bool {
    text.bytes()
        .fold(false, |found, byte| found | (byte < b' '))
}

/// `rest`, which starts with `text`, from the first control character of `text` on.
fn first_control<'a>(text: &str, rest: &'a str) -> &'a str {
    let at = text
        .bytes()
        .position(|byte| byte < b' ')
        .unwrap_or_default();
    rest.get(at..).unwrap_or_default()
}
