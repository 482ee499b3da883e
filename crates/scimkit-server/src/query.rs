//! From query strings to what the driver works on.

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

/// The parameters of the protocol, as it spells them.
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
    /// Its name, decoded; a known one as the protocol spells it.
    pub(crate) name: Cow<'q, str>,
    /// The value as it was sent.
    raw: &'q str,
    /// The value, decoded as forms are: a plus stands for a space.
    pub(crate) value: Cow<'q, str>,
}

impl Parameter<'_> {
    /// The filter that the value holds, where a raw plus may be one: next to `%20`, and where the
    /// filter can be read that way.
    fn filter(&self, writer: Writer<'_>) -> String {
        let Writer { scope, witness, .. } = writer;
        let both = self.raw.contains('+') && self.raw.contains("%20");
        if !both || !witness.tolerance().raw_plus {
            return self.value.clone().into_owned();
        }
        let text = percent_decode_str(self.raw).decode_utf8_lossy();
        // What this reading needs is noted when the filter is read for good.
        let trial = QuirkRecorder::new(*witness.tolerance());
        if parse_filter(&text, scope.settings.limits.filter, &trial).is_err() {
            return self.value.clone().into_owned();
        }
        witness.record(Quirk::RawPlus);
        text.into_owned()
    }
}

/// Decodes a name or value as forms are decoded.
///
/// # Errors
/// `invalidValue` for text that is not UTF-8: reading it anyway would replace characters.
fn form_decoded(text: &str) -> Result<Cow<'_, str>, ErrorResponse> {
    let decoded = match text.contains('+') {
        false => percent_decode_str(text).decode_utf8(),
        true => {
            let text = text.replace('+', " ");
            let decoded = percent_decode_str(&text).decode_utf8();
            decoded.map(|text| Cow::Owned(text.into_owned()))
        }
    };
    decoded.map_err(|_| ErrorResponse::invalid_value("the query is not UTF-8"))
}

/// Splits a query string into its parameters; `others` are names known beside those of the protocol.
///
/// # Errors
/// `invalidValue` for text that is not UTF-8, and for a known name in another case where the tolerance
/// does not accept that: overlooking a filter would answer with everybody.
pub(crate) fn parameters<'q>(
    text: Option<&'q str>,
    others: &[String],
    witness: &QuirkRecorder,
) -> Result<Vec<Parameter<'q>>, HandlerError> {
    let text = text.unwrap_or("");
    let mut parameters = Vec::new();
    for part in text.split('&').filter(|part| !part.is_empty()) {
        let (name, raw) = part.split_once('=').unwrap_or((part, ""));
        let (name, value) = (form_decoded(name)?, form_decoded(raw)?);
        let name = spelled(name, others, witness)?;
        parameters.push(Parameter { name, raw, value });
    }
    Ok(parameters)
}

/// The name of a parameter as the protocol spells it; one that is not known stays as it is.
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

/// Reads the parameters of a query string; those that the protocol does not know are ignored.
///
/// # Errors
/// What [`parameters`] rejects; `invalidValue` for a parameter given twice, in whatever case, or of the
/// wrong form; `invalidCount` for a `count` beside a cursor that is no number.
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
                let count = integer(name, value).map_err(|error| match by_cursor {
                    true => error.with_type(ScimType::InvalidCount),
                    false => error,
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

/// A whole number of any size; beyond what fits it is as good as the largest.
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
