//! Filter and path text: strictly first, and leniently only where that is needed and accepted.

use scimkit_filter::{Filter, Leniency, ParseError, ParseLimits, ParseOptions, Path};

use crate::{Error, Leeway, Quirk};

/// Reads the text of a filter.
///
/// # Errors
/// `invalidFilter` for text outside the grammar, but for what is tolerated, and beyond the limits.
///
/// # Example
/// ```
/// use scimkit_filter::Limits;
/// use scimkit_registry::{Quirk, Tolerance, read_filter};
///
/// let text = r#"emails[type eq "work"].value eq "b@x.example""#;
/// assert!(read_filter(text, Limits::default(), &Tolerance::ENTRA).is_ok());
///
/// let error = read_filter(text, Limits::default(), &Tolerance::STRICT).unwrap_err();
/// assert_eq!(error.quirk(), Some(Quirk::SubAfterBrackets));
/// ```
///
/// [RFC 7644 section 3.4.2.2](https://www.rfc-editor.org/rfc/rfc7644#section-3.4.2.2)
pub fn read_filter<'t>(
    text: &'t str,
    limits: ParseLimits,
    t: &dyn Leeway,
) -> Result<Filter<'t>, Error> {
    read(limits, t, |options| Filter::parse_with(text, options)).map_err(|(problem, quirk)| {
        let error = Error::filter(format!("the filter can't be read: {problem}"));
        with_quirk(error, quirk)
    })
}

/// Reads the text of a path.
pub(crate) fn read_path<'t>(
    text: &'t str,
    limits: ParseLimits,
    t: &dyn Leeway,
) -> Result<Path<'t>, Error> {
    read(limits, t, |options| Path::parse_with(text, options)).map_err(|(problem, quirk)| {
        let error = Error::path(format!("the path can't be read: {problem}"));
        with_quirk(error, quirk)
    })
}

fn with_quirk(error: Error, quirk: Option<Quirk>) -> Error {
    match quirk {
        Some(quirk) => error.but_for(quirk),
        None => error,
    }
}

/// Reads strictly, and again with each leniency that turns out to be needed.
fn read<T>(
    limits: ParseLimits,
    t: &dyn Leeway,
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
        if !t.lets_through(quirk) {
            return Err((problem, Some(quirk)));
        }
        *field = true;
    }
}

/// The leniency that would have got past the problem.
fn asked_for<'l>(
    problem: &ParseError,
    leniency: &'l mut Leniency,
) -> Option<(Quirk, &'l mut bool)> {
    match problem.leniency()? {
        "bare_words" => Some((Quirk::BareWords, &mut leniency.bare_words)),
        "blanks" => Some((Quirk::Blanks, &mut leniency.blanks)),
        "literal_case" => Some((Quirk::LiteralCase, &mut leniency.literal_case)),
        "sub_after_brackets" => Some((Quirk::SubAfterBrackets, &mut leniency.sub_after_brackets)),
        _ => None,
    }
}
