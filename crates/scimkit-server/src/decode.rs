//! From bytes, headers and query strings to what the driver works on.

use http::{
    HeaderMap,
    header::{CONTENT_LENGTH, HeaderName},
};
use percent_encoding::percent_decode_str;
use scimkit_core::{
    ETagList, Error, ScimType,
    message::{SearchRequest, SortOrder},
    parse_json,
};
use scimkit_store::Limits;
use serde_json::Value;

/// The length that the head announces, checked against the limit.
///
/// # Errors
/// 413 when it is over.
pub(crate) fn check_length(headers: &HeaderMap, limit: usize) -> Result<(), Error> {
    let length = headers.get(CONTENT_LENGTH).and_then(|h| h.to_str().ok());
    match length.and_then(|text| text.parse::<u64>().ok()) {
        Some(length) if length > limit as u64 => Err(too_large(limit)),
        _ => Ok(()),
    }
}

/// 413 for a body.
pub(crate) fn too_large(limit: usize) -> Error {
    Error::too_large(format!("the body is larger than {limit} bytes"))
}

/// Reads JSON under the limits.
///
/// # Errors
/// `invalidSyntax` for text that is not JSON or nested too deeply.
pub(crate) fn body(bytes: &[u8], limits: &Limits) -> Result<Value, Error> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Error::invalid_syntax("the request has no body"));
    }
    parse_json(bytes, limits.nesting, limits.values)
        .map_err(|problem| Error::invalid_syntax(format!("the body can't be read: {problem}")))
}

/// Reads the parameters of a query string; those that the protocol does not know are passed over.
///
/// # Errors
/// `invalidValue` for a parameter given twice or of the wrong form, and for text that is not UTF-8;
/// `invalidCount` for a `count` beside a cursor that is no number.
pub(crate) fn query(text: Option<&str>) -> Result<SearchRequest, Error> {
    let text = text.unwrap_or("");
    if percent_decode_str(text).decode_utf8().is_err() {
        // Reading it anyway would put other characters in the place of those that were meant.
        return Err(Error::invalid_value("the query is not UTF-8"));
    }
    let parameters = || form_urlencoded::parse(text.as_bytes());
    let by_cursor = parameters().any(|(name, _)| name == "cursor");
    let mut search = SearchRequest::default();
    for (name, value) in parameters() {
        match name.as_ref() {
            "attributes" => search.attributes.extend(names(&value)),
            "excludedAttributes" => search.excluded_attributes.extend(names(&value)),
            "count" => {
                let count = integer(&name, &value).map_err(|error| match by_cursor {
                    true => error.with_type(ScimType::InvalidCount),
                    false => error,
                });
                once(&name, &mut search.count, count?)?;
            }
            "cursor" => once(&name, &mut search.cursor, value.into_owned())?,
            "filter" => once(&name, &mut search.filter, value.into_owned())?,
            "sortBy" => once(&name, &mut search.sort_by, value.into_owned())?,
            "sortOrder" => once(&name, &mut search.sort_order, order(&value)?)?,
            "startIndex" => once(&name, &mut search.start_index, integer(&name, &value)?)?,
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

/// Reads `If-Match` or `If-None-Match`.
///
/// # Errors
/// 400 for text that is not a list of entity tags.
pub(crate) fn etags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<ETagList>, Error> {
    let mut lines = headers.get_all(name).iter().peekable();
    if lines.peek().is_none() {
        return Ok(None);
    }
    let bad = || Error::new(400, format!("`{name}` is not a list of entity tags"));
    let lines: Result<Vec<_>, _> = lines.map(|h| h.to_str().map_err(|_| bad())).collect();
    ETagList::parse(&lines?.join(","))
        .map(Some)
        .map_err(|_| bad())
}
