//! Media types of request bodies and responses.

use http::{
    HeaderMap, HeaderValue,
    header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE},
};
use scimkit_core::ErrorResponse;

const SCIM: &str = "application/scim+json";
const JSON: &str = "application/json";

/// The default media type of responses.
pub(crate) const ANSWER: HeaderValue = HeaderValue::from_static(SCIM);

/// Returns the media type of the response: `application/scim+json` unless the client prefers `application/json`.
///
/// A range that names a type takes precedence over a wildcard (RFC 9110 section 12.5.1).
///
/// # Errors
/// 406 if neither is acceptable.
pub(crate) fn answer_type(headers: &HeaderMap) -> Result<HeaderValue, ErrorResponse> {
    let (mut scim, mut json, mut any, mut all) = (None, None, None, None);
    let mut asked = false;
    let ranges = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|h| h.to_str().ok());
    for range in ranges.flat_map(|h| h.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or("");
        asked = asked || !name.is_empty();
        let slot = match name {
            _ if name.eq_ignore_ascii_case(SCIM) => &mut scim,
            _ if name.eq_ignore_ascii_case(JSON) => &mut json,
            _ if name.eq_ignore_ascii_case("application/*") => &mut any,
            "*/*" => &mut all,
            _ => continue,
        };
        *slot = Some(
            parts
                .find_map(weight)
                .unwrap_or(1.0)
                .max(slot.unwrap_or(0.0)),
        );
    }
    if !asked {
        return Ok(ANSWER);
    }
    let any = any.or(all);
    let weight = |named: Option<f32>| named.or(any).unwrap_or(0.0);
    let scim_weight = weight(scim);
    let json_weight = weight(json);
    if scim_weight <= 0.0 && json_weight <= 0.0 {
        let detail = format!("answers are {SCIM} or {JSON}; `Accept` allows neither");
        return Err(ErrorResponse::new(406, detail));
    }
    // A wildcard does not express a preference.
    let prefers_json = json_weight > scim_weight && (json.is_some() || scim_weight <= 0.0);
    Ok(HeaderValue::from_static(if prefers_json {
        JSON
    } else {
        SCIM
    }))
}

/// Returns the weight that a parameter assigns to its range, if it is a weight.
fn weight(parameter: &str) -> Option<f32> {
    let (name, value) = parameter.split_once('=')?;
    name.eq_ignore_ascii_case("q")
        .then(|| value.parse().ok())
        .flatten()
}

/// Checks that a body is JSON. A body without a `Content-Type` counts as JSON.
///
/// # Errors
/// 415 for another media type, or for a compressed or otherwise encoded body.
pub(crate) fn check_body_type(headers: &HeaderMap) -> Result<(), ErrorResponse> {
    let coded = |h: &HeaderValue| !h.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get(CONTENT_ENCODING).is_some_and(coded) {
        return Err(ErrorResponse::new(415, "the body must not be compressed"));
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
    Err(ErrorResponse::new(
        415,
        format!("the body must be {SCIM} or {JSON}"),
    ))
}
