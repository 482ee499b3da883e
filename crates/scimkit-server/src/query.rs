//! Parsing of query strings.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use scimkit_core::{
    ErrorResponse, ScimType, excerpt,
    message::{SearchRequest, SortOrder},
};
use scimkit_registry::{
    Quirk, QuirkPolicy, QuirkRecorder, RequestError, RequestErrorKind, parse_filter,
};

use crate::{error::HandlerError, writer::Writer};

/// The parameters of the protocol, in its spelling.
const NAMES: [&str; 8] = [
    "attributes",
    "count",
    "cursor",
    "excludedAttributes",
    "filter",
    "sortBy",
    "sortOrder",
    "startIndex",
];

/// One parameter of a query string.
#[derive(Debug, Clone)]
pub(crate) struct Parameter<'q> {
    /// The decoded name; a known name has the spelling of the protocol.
    pub(crate) name: Cow<'q, str>,
    /// The value as sent.
    raw: &'q str,
    /// The value, decoded like a form: a plus stands for a space.
    pub(crate) value: Cow<'q, str>,
}

impl Parameter<'_> {
    /// Returns the filter in the value. A plus is taken literally if the value also contains `%20`, the tolerance
    /// accepts that, and the filter can be parsed this way.
    fn filter(&self, writer: Writer<'_>) -> String {
        let Writer {
            context, witness, ..
        } = writer;
        let both = self.raw.contains('+') && self.raw.contains("%20");
        if !both || !witness.tolerance().raw_plus {
            return self.value.clone().into_owned();
        }
        let text = percent_decode_str(self.raw).decode_utf8_lossy();
        // The quirks of this reading are recorded when the filter is parsed for real.
        let trial = QuirkRecorder::new(*witness.tolerance());
        if parse_filter(&text, context.settings.limits.filter, &trial).is_err() {
            return self.value.clone().into_owned();
        }
        witness.record(Quirk::RawPlus);
        text.into_owned()
    }
}

/// Decodes a name or value like a form.
///
/// # Errors
/// `invalidValue` for text that is not UTF-8: lossy decoding would replace characters.
fn form_decoded(text: &str) -> Result<Cow<'_, str>, ErrorResponse> {
    let decoded = if !text.contains('+') {
        percent_decode_str(text).decode_utf8()
    } else {
        let text = text.replace('+', " ");
        let decoded = percent_decode_str(&text).decode_utf8();
        decoded.map(|text| Cow::Owned(text.into_owned()))
    };
    decoded.map_err(|_| ErrorResponse::invalid_value("the query is not UTF-8"))
}

/// Splits a query string into its parameters; `others` are known names in addition to those of the protocol.
///
/// # Errors
/// `invalidValue` for text that is not UTF-8, and for a known name in another case unless the tolerance accepts
/// that: if a filter were ignored, the response would contain all resources.
pub(crate) fn parameters<'q>(
    text: Option<&'q str>,
    others: &[String],
    witness: &QuirkRecorder,
) -> Result<Vec<Parameter<'q>>, HandlerError> {
    let text = text.unwrap_or("");
    let mut parameters = Vec::new();
    for part in text.split('&').filter(|part| !part.is_empty()) {
        let (name, raw) = part.split_once('=').unwrap_or((part, ""));
        let name = form_decoded(name)?;
        let value = form_decoded(raw)?;
        let name = spelled(name, others, witness)?;
        parameters.push(Parameter { name, raw, value });
    }
    Ok(parameters)
}

/// Returns a parameter name in the spelling of the protocol; an unknown name stays unchanged.
fn spelled<'q>(
    name: Cow<'q, str>,
    others: &[String],
    witness: &QuirkRecorder,
) -> Result<Cow<'q, str>, RequestError> {
    let mut known = NAMES.into_iter().chain(others.iter().map(String::as_str));
    let Some(known) = known.find(|known| known.eq_ignore_ascii_case(&name)) else {
        return Ok(name);
    };
    if known == name {
        return Ok(name);
    }
    if witness.allow(Quirk::ParameterCase) {
        return Ok(Cow::Owned(known.to_owned()));
    }
    let detail = format!(
        "unknown query parameter `{}`: write `{known}`",
        excerpt(&name)
    );
    let problem = RequestError::new(RequestErrorKind::Value, detail);
    Err(problem.with_quirk(Quirk::ParameterCase))
}

/// Parses the parameters of a query string, and ignores unknown ones.
///
/// # Errors
/// The errors of [`parameters`]; `invalidValue` for a repeated parameter, whatever its case, or one with an invalid
/// value; `invalidCount` for a `count` next to a cursor if it is not a whole number.
pub(crate) fn search(
    text: Option<&str>,
    writer: Writer<'_>,
) -> Result<SearchRequest, HandlerError> {
    let parameters = parameters(text, &[], writer.witness)?;
    let by_cursor = parameters.iter().any(|one| one.name == "cursor");
    let mut search = SearchRequest::default();
    for parameter in parameters {
        let value = &*parameter.value;
        match &*parameter.name {
            "attributes" => search.attributes.extend(names(value)),
            "excludedAttributes" => search.excluded_attributes.extend(names(value)),
            name @ "count" => {
                let count = integer(name, value).map_err(|error| {
                    if by_cursor {
                        error.with_type(ScimType::InvalidCount)
                    } else {
                        error
                    }
                });
                once(name, &mut search.count, count?)?;
            }
            name @ "cursor" => once(name, &mut search.cursor, value.to_owned())?,
            name @ "filter" => once(name, &mut search.filter, parameter.filter(writer))?,
            name @ "sortBy" => once(name, &mut search.sort_by, value.to_owned())?,
            name @ "sortOrder" => once(name, &mut search.sort_order, order(value)?)?,
            name @ "startIndex" => once(name, &mut search.start_index, integer(name, value)?)?,
            _ => {}
        }
    }
    Ok(search)
}

fn names(list: &str) -> impl Iterator<Item = String> {
    list.split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
}

fn once<T>(name: &str, slot: &mut Option<T>, value: T) -> Result<(), ErrorResponse> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(ErrorResponse::invalid_value(format!(
            "`{name}` is given twice"
        ))),
    }
}

/// Parses a whole number of any size. A number that does not fit becomes the largest or smallest one that does.
fn integer(name: &str, text: &str) -> Result<i64, ErrorResponse> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(ErrorResponse::invalid_value(format!(
            "`{name}` is not a whole number"
        )));
    }
    let extreme = if text.starts_with('-') {
        i64::MIN
    } else {
        i64::MAX
    };
    Ok(text.parse().unwrap_or(extreme))
}

fn order(text: &str) -> Result<SortOrder, ErrorResponse> {
    match text {
        _ if text.eq_ignore_ascii_case("ascending") => Ok(SortOrder::Ascending),
        _ if text.eq_ignore_ascii_case("descending") => Ok(SortOrder::Descending),
        _ => Err(ErrorResponse::invalid_value(
            "`sortOrder` is neither `ascending` nor `descending`",
        )),
    }
}
