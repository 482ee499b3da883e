//! Names, attributes, operators and blanks.

use std::borrow::Cow;

use memchr::{memchr_iter, memrchr};

use crate::{
    attribute::AttributePath,
    bytes::{self, ALPHA, BLANK, NAME, URN},
    fault::{Expected, Parsed, fault},
    tree::Operator,
};

/// An attribute as written in the text.
#[derive(Clone, Copy)]
pub(crate) struct Attribute<'a> {
    pub(crate) urn: Option<&'a str>,
    pub(crate) name: &'a str,
    pub(crate) sub: Option<&'a str>,
}

impl<'a> From<Attribute<'a>> for AttributePath<'a> {
    #[inline]
    fn from(Attribute { urn, name, sub }: Attribute<'a>) -> Self {
        Self {
            urn: urn.map(Cow::Borrowed),
            name: Cow::Borrowed(name),
            sub_attribute: sub.map(Cow::Borrowed),
        }
    }
}

/// Parses `attrPath`: a name with an optional sub-attribute and an optional URN before it.
#[inline(always)]
pub(crate) fn attribute(input: &str, expected: Expected) -> Parsed<'_, Attribute<'_>> {
    let (rest, name) = name(input, expected)?;
    if rest.as_bytes().first() == Some(&b':') {
        return qualified(input, name);
    }
    let (rest, sub) = sub(rest)?;
    Ok((
        rest,
        Attribute {
            urn: None,
            name,
            sub,
        },
    ))
}

/// Parses `subAttr`, if there is one.
#[inline(always)]
pub(crate) fn sub(input: &str) -> Parsed<'_, Option<&str>> {
    let Some(input) = input.strip_prefix('.') else {
        return Ok((input, None));
    };
    let (rest, sub) = name(input, Expected::Sub)?;
    Ok((rest, Some(sub)))
}

/// Parses `ATTRNAME`, or `$ref`, which RFC 7643 defines although this rule has no dollar sign.
#[inline]
pub(crate) fn name(input: &str, expected: Expected) -> Parsed<'_, &str> {
    if bytes::starts(input, ALPHA)
        && let Some((name, rest)) = input.split_at_checked(bytes::run(input, NAME))
    {
        return Ok((rest, name));
    }
    reference(input, expected)
}

#[cold]
fn reference(input: &str, expected: Expected) -> Parsed<'_, &str> {
    match input.split_at_checked(4) {
        Some((name, rest)) if name.eq_ignore_ascii_case("$ref") && !bytes::starts(rest, NAME) => {
            Ok((rest, name))
        }
        _ => fault(input, expected),
    }
}

/// Parses an attribute after a URN: everything up to the last colon is the URN. Its first colon follows `scheme`.
fn qualified<'a>(input: &'a str, scheme: &str) -> Parsed<'a, Attribute<'a>> {
    let mut end = scheme.len();
    let mut percent = false;
    let word = loop {
        let (_, rest) = input.split_at_checked(end).unwrap_or_default();
        end = end.wrapping_add(bytes::run(rest, URN));
        let (word, rest) = input.split_at_checked(end).unwrap_or_default();
        if !rest.starts_with('%') {
            break word;
        }
        percent = true;
        end = end.wrapping_add(1);
    };
    let split = memrchr(b':', word.as_bytes()).and_then(|colon| input.split_at_checked(colon));
    let Some((urn, tail)) = split else {
        return fault(input, Expected::Urn);
    };
    let known = scheme.len() == 3 && scheme.eq_ignore_ascii_case("urn");
    if !known || urn.len() < 5 || urn.ends_with(':') {
        return fault(input, Expected::Urn);
    }
    if percent && let Some(at) = bad_percent(urn) {
        return fault(
            input.get(at..).unwrap_or_default(),
            Expected::PercentEncoding,
        );
    }
    let (rest, name) = self::name(tail.get(1..).unwrap_or_default(), Expected::NameAfterUrn)?;
    let (rest, sub) = sub(rest)?;
    let urn = Some(urn);
    Ok((rest, Attribute { urn, name, sub }))
}

/// Returns the position of a `%` without its two digits.
fn bad_percent(urn: &str) -> Option<usize> {
    memchr_iter(b'%', urn.as_bytes()).find(|&at| {
        let digits = urn.bytes().skip(at).skip(1).take(2);
        digits.filter(u8::is_ascii_hexdigit).count() < 2
    })
}

/// Parses `compareOp`, or `pr`, which is `None`.
#[inline(always)]
pub(crate) fn operator(
    input: &str,
    expected: impl Fn() -> Expected,
) -> Parsed<'_, Option<Operator>> {
    let Some((&[first, second], _)) = input.as_bytes().split_first_chunk::<2>() else {
        return fault(input, expected());
    };
    // Setting this bit makes a letter lower case, and turns no other byte into a letter.
    let operator = match &[first | 0x20, second | 0x20] {
        b"co" => Some(Operator::Contains),
        b"eq" => Some(Operator::Equal),
        b"ew" => Some(Operator::EndsWith),
        b"ge" => Some(Operator::GreaterOrEqual),
        b"gt" => Some(Operator::GreaterThan),
        b"le" => Some(Operator::LessOrEqual),
        b"lt" => Some(Operator::LessThan),
        b"ne" => Some(Operator::NotEqual),
        b"pr" => None,
        b"sw" => Some(Operator::StartsWith),
        _ => return fault(input, expected()),
    };
    match input.get(2..) {
        Some(rest) if !bytes::starts(rest, NAME) => Ok((rest, operator)),
        _ => fault(input, expected()),
    }
}

/// Parses the one space between two tokens, or any blanks.
#[inline(always)]
pub(crate) fn blank(
    input: &str,
    many: bool,
    expected: impl FnOnce() -> Expected,
) -> Parsed<'_, ()> {
    match input.strip_prefix(' ') {
        Some(rest) if !bytes::starts(rest, BLANK) => Ok((rest, ())),
        _ => blanks(input, many, expected()),
    }
}

/// Parses blanks other than one space.
#[cold]
fn blanks(input: &str, many: bool, expected: Expected) -> Parsed<'_, ()> {
    match input.as_bytes().first() {
        Some(b' ' | b'\t') if many => Ok((bytes::trim_blanks(input), ())),
        Some(b' ') => fault(input.get(1..).unwrap_or_default(), Expected::OneBlank),
        Some(b'\t') => fault(input, Expected::OneBlank),
        _ => fault(input, expected),
    }
}

/// Parses blanks in a position in which the grammar has none.
#[inline(always)]
pub(crate) fn no_blank(input: &str, many: bool) -> Parsed<'_, ()> {
    match input.as_bytes().first() {
        Some(b' ' | b'\t') if many => Ok((bytes::trim_blanks(input), ())),
        Some(b' ' | b'\t') => fault(input, Expected::NoBlank),
        _ => Ok((input, ())),
    }
}
