//! Decoding of headers and bodies.

use bytes::{Buf, Bytes};
use http::{
    HeaderMap,
    header::{CONTENT_LENGTH, HeaderName},
};
use scimkit_core::{ETagList, ErrorResponse, parse_json};
use scimkit_registry::{Quirk, QuirkPolicy, QuirkRecorder, RequestError, RequestErrorKind};
use scimkit_store::RequestLimits;
use serde_json::Value;

/// Checks the announced length of the body against the limit.
///
/// # Errors
/// 413 if the length exceeds the limit.
pub(crate) fn check_length(headers: &HeaderMap, limit: usize) -> Result<(), ErrorResponse> {
    let length = headers.get(CONTENT_LENGTH).and_then(|h| h.to_str().ok());
    match length.and_then(|text| text.parse::<u64>().ok()) {
        Some(length) if length > limit as u64 => Err(too_large(limit)),
        _ => Ok(()),
    }
}

/// Returns the 413 for a body that is too large.
pub(crate) fn too_large(limit: usize) -> ErrorResponse {
    ErrorResponse::too_large(format!("the body is larger than {limit} bytes"))
}

/// Removes a UTF-8 byte order mark from the start of a body.
///
/// # Errors
/// `invalidSyntax` if the tolerance does not accept a byte order mark.
pub(crate) fn without_byte_order_mark(
    mut bytes: Bytes,
    witness: &QuirkRecorder,
) -> Result<Bytes, RequestError> {
    const MARK: &[u8] = "\u{feff}".as_bytes();
    if !bytes.starts_with(MARK) {
        return Ok(bytes);
    }
    if !witness.allow(Quirk::ByteOrderMark) {
        let detail = "the body begins with a byte order mark, which JSON does not have";
        let problem = RequestError::new(RequestErrorKind::Syntax, detail);
        return Err(problem.with_quirk(Quirk::ByteOrderMark));
    }
    bytes.advance(MARK.len());
    Ok(bytes)
}

/// Parses JSON within the limits.
///
/// # Errors
/// `invalidSyntax` for an empty body, and for text that is not JSON or exceeds the limits.
pub(crate) fn body(bytes: &[u8], limits: &RequestLimits) -> Result<Value, ErrorResponse> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(ErrorResponse::invalid_syntax("the request has no body"));
    }
    parse_json(bytes, limits.nesting, limits.values).map_err(|problem| {
        ErrorResponse::invalid_syntax(format!("the body can't be read: {problem}"))
    })
}

/// Parses `If-Match` or `If-None-Match`.
///
/// # Errors
/// 400 for text that is not a list of entity tags.
pub(crate) fn etags(
    headers: &HeaderMap,
    name: &HeaderName,
) -> Result<Option<ETagList>, ErrorResponse> {
    let mut lines = headers.get_all(name).iter().peekable();
    if lines.peek().is_none() {
        return Ok(None);
    }
    let bad = || ErrorResponse::new(400, format!("`{name}` is not a list of entity tags"));
    let lines: Result<Vec<_>, _> = lines.map(|h| h.to_str().map_err(|_| bad())).collect();
    ETagList::parse(&lines?.join(","))
        .map(Some)
        .map_err(|_| bad())
}
