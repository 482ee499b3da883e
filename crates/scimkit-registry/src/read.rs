//! Parsing of filters and paths: strictly first, and leniently only if this is necessary and accepted.

use scimkit_filter::{Filter, Leniency, ParseError, ParseLimits, ParseOptions, Path};

use crate::{Quirk, QuirkPolicy, RequestError};

/// Parses the text of a filter.
///
/// # Errors
/// `invalidFilter` if the text exceeds a limit, or does not follow the grammar and this is not tolerated.
///
/// # Example
/// ```
/// use scimkit_filter::ParseLimits;
/// use scimkit_registry::{Quirk, Tolerance, parse_filter};
///
/// let text = r#"emails[type eq "work"].value eq "b@x.example""#;
/// assert!(parse_filter(text, ParseLimits::default(), &Tolerance::ENTRA).is_ok());
///
/// let error = parse_filter(text, ParseLimits::default(), &Tolerance::STRICT).unwrap_err();
/// assert_eq!(error.quirk(), Some(Quirk::SubAfterBrackets));
/// ```
///
/// [RFC 7644 section 3.4.2.2](https://www.rfc-editor.org/rfc/rfc7644#section-3.4.2.2)
pub fn parse_filter<'t>(
    text: &'t str,
    limits: ParseLimits,
    t: &dyn QuirkPolicy,
) -> Result<Filter<'t>, RequestError> {
    read(limits, t, |options| Filter::parse_with(text, options)).map_err(|(problem, quirk)| {
        let error = RequestError::filter(format!("the filter can't be read: {problem}"));
        with_quirk(error, quirk)
    })
}

/// Parses the text of a path.
pub(crate) fn read_path<'t>(
    text: &'t str,
    limits: ParseLimits,
    t: &dyn QuirkPolicy,
) -> Result<Path<'t>, RequestError> {
    read(limits, t, |options| Path::parse_with(text, options)).map_err(|(problem, quirk)| {
        let error = RequestError::path(format!("the path can't be read: {problem}"));
        with_quirk(error, quirk)
    })
}

fn with_quirk(error: RequestError, quirk: Option<Quirk>) -> RequestError {
    match quirk {
        Some(quirk) => error.with_quirk(quirk),
        None => error,
    }
}

/// Parses strictly, and again with each leniency that turns out to be necessary.
fn read<T>(
    limits: ParseLimits,
    t: &dyn QuirkPolicy,
    parse: impl Fn(&ParseOptions) -> Result<T, ParseError>,
) -> Result<T, (ParseError, Option<Quirk>)> {
    let mut leniency = Leniency::STRICT;
    loop {
        let options = ParseOptions::default()
            .with_limits(limits)
            .with_leniency(leniency);
        let problem = match parse(&options) {
            Ok(read) => return Ok(read),
            Err(problem) => problem,
        };
        let Some((quirk, field)) = asked_for(&problem, &mut leniency).filter(|(_, on)| !**on)
        else {
            return Err((problem, None));
        };
        if !t.allow(quirk) {
            return Err((problem, Some(quirk)));
        }
        *field = true;
    }
}

/// Returns the leniency that would accept the text up to the next error.
fn asked_for<'l>(
    problem: &ParseError,
    leniency: &'l mut Leniency,
) -> Option<(Quirk, &'l mut bool)> {
    match problem.leniency()? {
        "bare_words" => Some((Quirk::BareWords, &mut leniency.bare_words)),
        "extra_whitespace" => Some((Quirk::ExtraWhitespace, &mut leniency.extra_whitespace)),
        "literal_case" => Some((Quirk::LiteralCase, &mut leniency.literal_case)),
        "sub_after_brackets" => Some((Quirk::SubAfterBrackets, &mut leniency.sub_after_brackets)),
        _ => None,
    }
}
