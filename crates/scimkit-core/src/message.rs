//! The protocol's messages: lists, searches, patches and bulk requests.
//!
//! The error message is [`ErrorResponse`]. Requests are built from a JSON value whose parts are moved, not cloned;
//! the names of members ignore case.
//!
//! [RFC 7644, section 3](https://www.rfc-editor.org/rfc/rfc7644#section-3)

mod bulk;
mod list;
mod patch;
mod search;

pub use bulk::{
    BulkBounds, BulkCall, BulkMethod, BulkOperation, BulkRequest, BulkResponse, BulkResult,
};
pub use list::ListResponse;
pub use patch::{PatchOperation, PatchOperationKind, PatchRequest};
pub use search::{SearchRequest, SortOrder};
use serde_json::{Map, Value};

use crate::{ErrorResponse, excerpt};

/// The URI of a bulk request.
pub const BULK_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
/// The URI of a bulk response.
pub const BULK_RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";
/// The URI of an error.
pub const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";
/// The URI of a list of resources.
pub const LIST_RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
/// The URI of a PATCH request.
pub const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// The URI of a search request.
pub const SEARCH_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

/// Moves the named members out of an object; names ignore ASCII case, other members are dropped.
///
/// A member that occurs twice, in two spellings, is ambiguous and rejected.
fn members<const N: usize>(
    object: Map<String, Value>,
    names: [&str; N],
) -> Result<[Option<Value>; N], ErrorResponse> {
    let mut found = [const { None }; N];
    for (name, value) in object {
        let known = names
            .iter()
            .zip(&mut found)
            .find(|(known, _)| known.eq_ignore_ascii_case(&name));
        if let Some((known, slot)) = known
            && slot.replace(value).is_some()
        {
            return Err(ErrorResponse::invalid_syntax(format!(
                "`{known}` occurs twice"
            )));
        }
    }
    Ok(found)
}

/// Returns the other SCIM message that the `schemas` of a body name, unless they name `own` as well.
///
/// `schemas` is an array or a single string. No tolerance accepts a body with another message: it was meant for
/// another endpoint.
///
/// # Example
///
/// ```
/// use scimkit_core::message::{PATCH_OP, SEARCH_REQUEST, other_message};
/// use serde_json::json;
///
/// let schemas = json!([SEARCH_REQUEST]);
/// assert_eq!(other_message(Some(&schemas), PATCH_OP), Some(SEARCH_REQUEST));
/// assert_eq!(other_message(Some(&schemas), SEARCH_REQUEST), None);
/// assert_eq!(other_message(Some(&json!(["urn:example:User"])), PATCH_OP), None);
/// ```
///
/// [RFC 7644, section 3.1](https://www.rfc-editor.org/rfc/rfc7644#section-3.1)
#[must_use]
pub fn other_message<'s>(schemas: Option<&'s Value>, own: &str) -> Option<&'s str> {
    const MESSAGES: &str = "urn:ietf:params:scim:api:messages:";
    let is_message = |name: &&str| {
        name.get(..MESSAGES.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(MESSAGES))
    };
    if names(schemas).any(|name| name.eq_ignore_ascii_case(own)) {
        None
    } else {
        names(schemas).find(is_message)
    }
}

/// Returns the URIs in `schemas`.
fn names(schemas: Option<&Value>) -> impl Iterator<Item = &str> {
    let list = match schemas {
        Some(Value::Array(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    list.iter().filter_map(Value::as_str)
}

/// Returns whether `schemas` is missing or does not name the message.
///
/// # Errors
/// `schemas` names another message: `invalidSyntax`.
fn is_mismatch(schemas: Option<&Value>, urn: &str) -> Result<bool, ErrorResponse> {
    if let Some(other) = other_message(schemas, urn) {
        let other = excerpt(other);
        let detail = format!("`schemas` names the message `{other}`, expected `{urn}`");
        return Err(ErrorResponse::invalid_syntax(detail));
    }
    let is_list = schemas.is_some_and(Value::is_array);
    Ok(!is_list || !names(schemas).any(|name| name.eq_ignore_ascii_case(urn)))
}

/// Returns the name of a JSON value's type for an error message.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "an array",
        Value::Bool(_) => "a boolean",
        Value::Null => "null",
        Value::Number(_) => "a number",
        Value::Object(_) => "an object",
        Value::String(_) => "a string",
    }
}
