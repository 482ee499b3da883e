//! The nom parsers of filters and paths, compared with the parsers of whole texts.

use std::fmt::Debug;

use nom::IResult;
use scimkit_filter::{
    AttributePath, Filter, Leniency, ParseError, ParseOptions, Path,
    nom::{SyntaxError, attribute, filter, literal, path},
};

/// Checks text that a grammar may contain: what a nom parser reads is read the same by itself, and a nom parser that
/// reads a whole text agrees with the parser of whole texts.
///
/// # Panics
/// If a property does not hold.
pub fn nom(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let strict = ParseOptions::default();
    for options in [strict, strict.with_leniency(Leniency::LENIENT)] {
        agree(text, filter(options)(text), |text| {
            Filter::parse_with(text, &options)
        });
        agree(text, path(options)(text), |text| {
            Path::parse_with(text, &options)
        });
        if let Err(nom::Err::Error(error)) = literal::<SyntaxError<'_>>(options)(text) {
            assert!(
                text.ends_with(error.rest()),
                "the position is not in the text"
            );
        }
    }
    agree(text, attribute(strict)(text), AttributePath::parse);
}

fn agree<'a, T: Debug + PartialEq>(
    text: &'a str,
    read: IResult<&'a str, T, SyntaxError<'a>>,
    parse: impl Fn(&'a str) -> Result<T, ParseError>,
) {
    let whole = parse(text);
    match read {
        Ok((rest, value)) => {
            assert_eq!(rest.is_empty(), whole.is_ok(), "whole text: {whole:?}");
            let part = text.strip_suffix(rest).unwrap_or_default();
            assert_eq!(parse(part).as_ref(), Ok(&value), "the part `{part}`");
        }
        Err(nom::Err::Error(error) | nom::Err::Failure(error)) => {
            let error = error.to_parse_error(text);
            assert!(whole.is_err(), "nom: {error}");
            assert!(error.to_string().len() < 1_000, "the error is too long");
        }
        Err(incomplete) => unreachable!("{incomplete:?}"),
    }
}
