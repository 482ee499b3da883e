//! From a whole text to a filter, a path or an attribute.

use crate::attribute::AttributePath;
use crate::bytes;
use crate::error::ParseError;
use crate::fault::{Expected, Fault, Parsed, fault};
use crate::machine;
use crate::options::Options;
use crate::path::Path;
use crate::token;
use crate::tree::Filter;

pub(crate) fn filter<'a>(text: &'a str, options: &Options) -> Result<Filter<'a>, ParseError> {
    whole(text, options, |text| {
        let (rest, ()) = token::no_blank(text, options.leniency.blanks)?;
        machine::filter(rest, options)
    })
}

pub(crate) fn path<'a>(text: &'a str, options: &Options) -> Result<Path<'a>, ParseError> {
    whole(text, options, |text| {
        let (rest, ()) = token::no_blank(text, options.leniency.blanks)?;
        let (rest, path) = path_token(rest, options)?;
        end(rest, options, Expected::PathEnd).map(|(rest, ())| (rest, path))
    })
}

pub(crate) fn attribute<'a>(
    text: &'a str,
    options: &Options,
) -> Result<AttributePath<'a>, ParseError> {
    whole(text, options, |text| {
        let (rest, ()) = token::no_blank(text, options.leniency.blanks)?;
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

/// Runs a parser over the whole of a text that is not too long.
#[inline]
fn whole<'a, T>(
    text: &'a str,
    options: &Options,
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
        // Every parser here is a complete one, none asks for more input.
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

/// The part of a text that is beyond its limit, from a whole character on.
#[cold]
fn beyond(text: &str, length: usize) -> Fault<'_> {
    let rest = (0..=length)
        .rev()
        .find_map(|at| text.get(at..))
        .unwrap_or(text);
    Fault {
        expected: Expected::Length,
        rest,
    }
}

fn end<'a>(rest: &'a str, options: &Options, expected: Expected) -> Parsed<'a, ()> {
    let trimmed = bytes::trim_blanks(rest);
    if !trimmed.is_empty() {
        return fault(rest, expected);
    }
    token::no_blank(rest, options.leniency.blanks)
}

/// `PATH`
fn path_token<'a>(input: &'a str, options: &Options) -> Parsed<'a, Path<'a>> {
    let (rest, attribute) = token::attribute(input, Expected::Attribute)?;
    let AttributePath { urn, name, sub } = attribute.into();
    let (rest, filter, sub) = match rest.as_bytes().first() {
        Some(b'[') if sub.is_none() => {
            let (rest, filter) = machine::brackets(rest, options)?;
            let (rest, sub) = match rest.strip_prefix('.') {
                Some(rest) => {
                    token::name(rest, Expected::Sub).map(|(rest, sub)| (rest, Some(sub.into())))?
                }
                None => (rest, None),
            };
            (rest, Some(Box::new(filter)), sub)
        }
        Some(b'.') => return fault(rest, Expected::OneSub),
        Some(_) if sub.is_none() && !bytes::trim_blanks(rest).is_empty() => {
            return fault(rest, Expected::PathFilter);
        }
        _ => (rest, None, sub),
    };
    Ok((
        rest,
        Path {
            urn,
            name,
            filter,
            sub,
        },
    ))
}
