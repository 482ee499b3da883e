//! The protocol's messages: lists, searches, patches and bulk requests.
//!
//! The error message is [`Error`]. Requests are read from a JSON value that is moved, not cloned; the
//! names of their members ignore case.
//!
//! [RFC 7644, section 3](https://www.rfc-editor.org/rfc/rfc7644#section-3)

mod bulk;
mod list;
mod patch;
mod search;

use serde_json::{Map, Value};

use crate::{Error, excerpt};

pub use bulk::{
    BulkBounds, BulkCall, BulkMethod, BulkOperation, BulkRequest, BulkResponse, BulkResult,
};
pub use list::ListResponse;
pub use patch::{Op, Operation, PatchRequest};
pub use search::{SearchRequest, SortOrder};

/// The URI of a bulk request.
pub const BULK_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
/// The URI of a bulk response.
pub const BULK_RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";
/// The URI of an error.
pub const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";
/// The URI of a list of resources.
pub const LIST_RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
/// The URI of a PATCH body.
pub const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// The URI of a search in a body.
pub const SEARCH_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

/// Moves the named members out of an object; names ignore ASCII case, other members are dropped.
///
/// A member that is there twice in two spellings has no meaning and is refused.
fn members<const N: usize>(
    object: Map<String, Value>,
    names: [&str; N],
) -> Result<[Option<Value>; N], Error> {
    let mut found = [const { None }; N];
    for (name, value) in object {
        let known = names
            .iter()
            .zip(&mut found)
            .find(|(known, _)| known.eq_ignore_ascii_case(&name));
        if let Some((known, slot)) = known
            && slot.replace(value).is_some()
        {
            return Err(Error::invalid_syntax(format!("`{known}` is there twice")));
        }
    }
    Ok(found)
}

/// Whether `schemas` is missing, or is no list that names the message.
///
/// A body that says it is another message is refused.
fn is_misfit(schemas: Option<&Value>, urn: &str) -> Result<bool, Error> {
    const MESSAGES: &str = "urn:ietf:params:scim:api:messages:";
    let list = schemas.and_then(Value::as_array);
    let names = || list.into_iter().flatten().filter_map(Value::as_str);
    let is_message = |name: &&str| {
        name.get(..MESSAGES.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(MESSAGES))
    };
    if names().any(|name| name.eq_ignore_ascii_case(urn)) {
        return Ok(false);
    }
    match names().find(is_message) {
        None => Ok(true),
        Some(other) => {
            let other = excerpt(other);
            Err(Error::invalid_syntax(format!(
                "`schemas` names `{other}`, and not `{urn}`"
            )))
        }
    }
}

/// A JSON value's type, for an error message.
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
