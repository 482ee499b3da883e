//! Media types: what a body is, and what an answer shall be.

use http::{
    HeaderMap, HeaderValue,
    header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE},
};
use scimkit_core::Error;

const SCIM: &str = "application/scim+json";
const JSON: &str = "application/json";

/// The media type of the answer: `application/scim+json` unless `application/json` is preferred.
///
/// A range that names a type says more about it than a wildcard (RFC 9110 section 12.5.1).
pub(crate) fn answer_type(headers: &HeaderMap) -> HeaderValue {
    let (mut scim, mut json, mut any) = (None, None, None);
    let ranges = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|h| h.to_str().ok());
    for range in ranges.flat_map(|h| h.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or("");
        let slot = match name {
            _ if name.eq_ignore_ascii_case(SCIM) => &mut scim,
            _ if name.eq_ignore_ascii_case(JSON) => &mut json,
            "*/*" | "application/*" => &mut any,
            _ => continue,
        };
        *slot = Some(
            parts
                .find_map(weight)
                .unwrap_or(1.0)
                .max(slot.unwrap_or(0.0)),
        );
    }
    let (scim, json) = (scim.or(any), json.filter(|weight| *weight > 0.0));
    let prefers_json = json.is_some_and(|json| scim.is_none_or(|scim| json > scim));
    HeaderValue::from_static(if prefers_json { JSON } else { SCIM })
}

/// The weight that a parameter of a range gives it, if it does.
fn weight(parameter: &str) -> Option<f32> {
    let (name, value) = parameter.split_once('=')?;
    name.eq_ignore_ascii_case("q")
        .then(|| value.parse().ok())
        .flatten()
}

/// Checks that a body is JSON; one without a `Content-Type` is taken to be.
///
/// # Errors
/// 415 for another media type, and for a body that is compressed or otherwise coded.
pub(crate) fn check_body_type(headers: &HeaderMap) -> Result<(), Error> {
    let coded = |h: &HeaderValue| !h.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get(CONTENT_ENCODING).is_some_and(coded) {
        return Err(Error::new(415, "the body must not be compressed"));
    }
    let Some(header) = headers.get(CONTENT_TYPE) else {
        return Ok(());
    };
    let name = header
        .to_str()
        .unwrap_or("?")
        .split(';')
        .next()
        .unwrap_or("")
        .trim();
    if name.is_empty() || name.eq_ignore_ascii_case(SCIM) || name.eq_ignore_ascii_case(JSON) {
        return Ok(());
    }
    Err(Error::new(
        415,
        format!("the body must be {SCIM} or {JSON}"),
    ))
}
