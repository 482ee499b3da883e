//! From query strings to what the driver works on.

use percent_encoding::percent_decode_str;
use scimkit_core::{
    Error, ScimType, excerpt,
    message::{SearchRequest, SortOrder},
};
use scimkit_registry::{Error as RequestError, ErrorKind, Leeway, Quirk, Witness, read_filter};

use crate::{error::Problem, writer::Writer};

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

/// One parameter of a query string, still encoded.
#[derive(Debug, Clone)]
pub(crate) struct Parameter<'q> {
    /// Its name, decoded; a known one as the protocol spells it.
    pub(crate) name: String,
    value: &'q str,
}

impl Parameter<'_> {
    /// The value, decoded as forms are: a plus stands for a space.
    pub(crate) fn value(&self) -> String {
        form_decoded(self.value)
    }

    /// The filter that the value holds, where a raw plus may be one: next to `%20`, and where the
    /// filter can be read that way.
    fn filter(&self, writer: Writer<'_>) -> String {
        let Writer { scope, witness, .. } = writer;
        let both = self.value.contains('+') && self.value.contains("%20");
        if !both || !witness.tolerance().raw_plus {
            return self.value();
        }
        let text = percent_decode_str(self.value).decode_utf8_lossy();
        // What this reading needs is noted when the filter is read for good.
        let trial = Witness::of(*witness.tolerance());
        if read_filter(&text, scope.settings.limits.filter, &trial).is_err() {
            return self.value();
        }
        witness.needed(Quirk::RawPlus);
        text.into_owned()
    }
}

fn form_decoded(text: &str) -> String {
    let text = text.replace('+', " ");
    percent_decode_str(&text).decode_utf8_lossy().into_owned()
}

/// Splits a query string into its parameters; `others` are names known beside those of the protocol.
///
/// # Errors
/// `invalidValue` for text that is not UTF-8, and for a known name in another case where the tolerance
/// does not accept that: overlooking a filter would answer with everybody.
pub(crate) fn parameters<'q>(
    text: Option<&'q str>,
    others: &[String],
    witness: &Witness,
) -> Result<Vec<Parameter<'q>>, Problem> {
    let text = text.unwrap_or("");
    if percent_decode_str(text).decode_utf8().is_err() {
        // Reading it anyway would put other characters in the place of those that were meant.
        return Err(Error::invalid_value("the query is not UTF-8").into());
    }
    let mut parameters = Vec::new();
    for part in text.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let name = spelled(form_decoded(name), others, witness)?;
        parameters.push(Parameter { name, value });
    }
    Ok(parameters)
}

/// The name of a parameter as the protocol spells it; one that is not known stays as it is.
fn spelled(name: String, others: &[String], witness: &Witness) -> Result<String, RequestError> {
    let mut known = NAMES.into_iter().chain(others.iter().map(String::as_str));
    let Some(known) = known.find(|known| known.eq_ignore_ascii_case(&name)) else {
        return Ok(name);
    };
    if known == name || witness.lets_through(Quirk::ParameterCase) {
        return Ok(known.to_owned());
    }
    let detail = format!(
        "unknown query parameter `{}`: write `{known}`",
        excerpt(&name)
    );
    let problem = RequestError::new(ErrorKind::Value, detail);
    Err(problem.but_for(Quirk::ParameterCase))
}

/// Reads the parameters of a query string; those that the protocol does not know are ignored.
///
/// # Errors
/// What [`parameters`] rejects; `invalidValue` for a parameter given twice, in whatever case, or of the
/// wrong form; `invalidCount` for a `count` beside a cursor that is no number.
pub(crate) fn search(text: Option<&str>, writer: Writer<'_>) -> Result<SearchRequest, Problem> {
    let parameters = parameters(text, &[], writer.witness)?;
    let by_cursor = parameters.iter().any(|one| one.name == "cursor");
    let mut search = SearchRequest::default();
    for parameter in parameters {
        let (name, value) = (parameter.name.as_str(), parameter.value());
        match name {
            "attributes" => search.attributes.extend(names(&value)),
            "excludedAttributes" => search.excluded_attributes.extend(names(&value)),
            "count" => {
                let count = integer(name, &value).map_err(|error| match by_cursor {
                    true => error.with_type(ScimType::InvalidCount),
                    false => error,
                });
                once(name, &mut search.count, count?)?;
            }
            "cursor" => once(name, &mut search.cursor, value)?,
            "filter" => once(name, &mut search.filter, parameter.filter(writer))?,
            "sortBy" => once(name, &mut search.sort_by, value)?,
            "sortOrder" => once(name, &mut search.sort_order, order(&value)?)?,
            "startIndex" => once(name, &mut search.start_index, integer(name, &value)?)?,
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

fn once<T>(name: &str, slot: &mut Option<T>, value: T) -> Result<(), Error> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Error::invalid_value(format!("`{name}` is given twice"))),
    }
}

/// A whole number of any size; beyond what fits it is as good as the largest.
fn integer(name: &str, text: &str) -> Result<i64, Error> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Error::invalid_value(format!(
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

fn order(text: &str) -> Result<SortOrder, Error> {
    match text {
        _ if text.eq_ignore_ascii_case("ascending") => Ok(SortOrder::Ascending),
        _ if text.eq_ignore_ascii_case("descending") => Ok(SortOrder::Descending),
        _ => Err(Error::invalid_value(
            "`sortOrder` is neither `ascending` nor `descending`",
        )),
    }
}
