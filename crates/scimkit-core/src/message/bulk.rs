//! Bulk requests and responses.

mod read;

use std::collections::HashSet;

use serde::{Serialize, Serializer, ser::SerializeStruct};
use serde_json::Value;

use self::read::{limit, read};
use super::{BULK_REQUEST, BULK_RESPONSE, is_mismatch};
use crate::{ErrorResponse, Version, error::excerpt, keyword::keywords};

/// The body of a bulk request.
///
/// An invalid operation has its own error, so that the others can be carried out.
///
/// # Example
///
/// ```
/// use scimkit_core::ScimType;
/// use scimkit_core::message::{BulkBounds, BulkMethod, BulkRequest};
///
/// let bounds = BulkBounds { depth: 16, operations: 2, values: 1_000 };
/// let body = br#"{
///     "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
///     "Operations": [
///         {"method": "POST", "path": "/Users", "bulkId": "qwerty", "data": {"userName": "Alice"}},
///         {"method": "GET", "path": "/Users"}
///     ]
/// }"#;
/// let bulk = BulkRequest::parse(body, bounds)?;
/// assert_eq!(bulk.operations[0].call.as_ref().unwrap().method, BulkMethod::Post);
/// let rejected = bulk.operations[1].call.as_ref().unwrap_err();
/// assert_eq!(rejected.detail, "`method`: `GET` is not `POST`, `PUT`, `PATCH` or `DELETE`");
///
/// let too_many = BulkRequest::parse(br#"{"Operations": [{}, {}, {}]}"#, bounds).unwrap_err();
/// assert_eq!(too_many.status, 413);
/// # Ok::<(), scimkit_core::ErrorResponse>(())
/// ```
///
/// [RFC 7644, section 3.7](https://www.rfc-editor.org/rfc/rfc7644#section-3.7)
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct BulkRequest {
    /// The number of errors after which the remaining operations are skipped; at least 1.
    pub fail_on_errors: Option<u32>,
    /// The operations, possibly none.
    pub operations: Vec<BulkOperation>,
    /// Whether `schemas` is missing or does not name [`BULK_REQUEST`]; a strict service rejects this.
    pub schemas_mismatch: bool,
}

/// The limits of a bulk request, besides its size in bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers build it and must choose each limit"
)]
pub struct BulkBounds {
    /// The maximum number of levels of arrays and objects in the `data` of an operation.
    pub depth: usize,
    /// The maximum number of operations.
    pub operations: usize,
    /// The maximum number of JSON values in total.
    pub values: usize,
}

impl BulkRequest {
    /// Parses a bulk request.
    ///
    /// - Operations are counted while they are read: none beyond the limit is stored.
    /// - The names of members and `method` ignore case; unknown members are ignored.
    /// - The caller decides whether to tolerate `schemas` that do not name a bulk request.
    ///
    /// # Errors
    ///
    /// - the text is not a JSON object or exceeds the limits of depth or values, `Operations` is missing or not an
    ///   array, a member is a duplicate, or `schemas` names another message: 400 `invalidSyntax`
    /// - `failOnErrors` is not a whole number of at least 1, or two `POST` operations share a `bulkId`: 400
    ///   `invalidValue`
    /// - there are more operations than the limit: 413
    pub fn parse(bytes: &[u8], bounds: BulkBounds) -> Result<Self, ErrorResponse> {
        let read = read(bytes, bounds)?;
        let schemas_mismatch = is_mismatch(read.schemas.as_ref(), BULK_REQUEST)?;
        let fail_on_errors = limit(read.fail_on_errors.as_ref())?;
        let operations = read.operations;
        let operations =
            operations.ok_or_else(|| ErrorResponse::invalid_syntax("`Operations` is missing"))?;
        check_bulk_ids(&operations)?;
        Ok(Self {
            fail_on_errors,
            operations,
            schemas_mismatch,
        })
    }
}

/// One operation of a bulk request.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct BulkOperation {
    /// The client's name for the operation, and for the resource that a `POST` creates.
    pub bulk_id: Option<String>,
    /// The request of the operation, or the reason why it is invalid.
    pub call: Result<BulkCall, ErrorResponse>,
    /// The beginning of the method as sent; `None` if it is not a string.
    pub method: Option<String>,
    /// The path below the service provider's root, as sent; present if `call` is `Ok`.
    pub path: Option<String>,
}

impl BulkOperation {
    /// Returns whether the operation is a `POST`; only then does its `bulkId` refer to a resource.
    #[must_use]
    pub fn creates(&self) -> bool {
        let named = self.method.as_deref().and_then(BulkMethod::from_keyword);
        named == Some(BulkMethod::Post)
    }
}

/// The request of one operation of a bulk request.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct BulkCall {
    /// The body; null for `DELETE`.
    pub data: Value,
    /// The method of the request.
    pub method: BulkMethod,
    /// The version that the resource must have, as in `If-Match`; `None` for `POST`.
    pub version: Option<String>,
}

/// The method of an operation in a bulk request.
///
/// [RFC 7644, section 3.7](https://www.rfc-editor.org/rfc/rfc7644#section-3.7)
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_enums, reason = "closed by RFC 7644, section 3.7")]
pub enum BulkMethod {
    /// Deletes a resource.
    Delete,
    /// Modifies a resource.
    Patch,
    /// Creates a resource.
    Post,
    /// Replaces a resource.
    Put,
}

keywords!(BulkMethod, "bulk method" {
    Delete => "DELETE",
    Patch => "PATCH",
    Post => "POST",
    Put => "PUT",
});

/// The response to a bulk request.
///
/// # Example
///
/// ```
/// use scimkit_core::ErrorResponse;
/// use scimkit_core::message::{BulkResponse, BulkResult};
///
/// let mut rejected = BulkResult::new(409);
/// rejected.bulk_id = Some("qwerty".into());
/// rejected.method = Some("POST".into());
/// rejected.response = Some(ErrorResponse::uniqueness("another resource has that value of `userName`"));
/// let json = serde_json::to_value(BulkResponse { operations: vec![rejected] })?;
/// assert_eq!(json["Operations"][0]["status"], "409");
/// assert_eq!(json["Operations"][0]["response"]["scimType"], "uniqueness");
/// assert_eq!(json["Operations"][0].get("location"), None);
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// [RFC 7644, section 3.7.3](https://www.rfc-editor.org/rfc/rfc7644#section-3.7.3)
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct BulkResponse {
    /// The result of each operation that was carried out.
    pub operations: Vec<BulkResult>,
}

/// The result of one operation.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct BulkResult {
    /// The URI of the resource; `None` for a `POST` that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The operation's method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The operation's `bulkId`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bulk_id: Option<String>,
    /// The current version of the resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// The HTTP status; a string in JSON.
    #[serde(serialize_with = "as_text")]
    pub status: u16,
    /// The error of the operation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<ErrorResponse>,
}

impl BulkResult {
    /// Creates a result with a status only.
    #[must_use]
    pub fn new(status: u16) -> Self {
        Self {
            location: None,
            method: None,
            bulk_id: None,
            version: None,
            status,
            response: None,
        }
    }
}

impl Serialize for BulkResponse {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut object = out.serialize_struct("BulkResponse", 2)?;
        object.serialize_field("schemas", &[BULK_RESPONSE])?;
        object.serialize_field("Operations", &self.operations)?;
        object.end()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn as_text<S: Serializer>(status: &u16, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(status)
}

/// References to a `bulkId` that two resources share would be ambiguous.
fn check_bulk_ids(operations: &[BulkOperation]) -> Result<(), ErrorResponse> {
    let mut ids = HashSet::new();
    for operation in operations {
        if operation.creates()
            && let Some(id) = &operation.bulk_id
            && !ids.insert(id.as_str())
        {
            let id = excerpt(id);
            return Err(ErrorResponse::invalid_value(format!(
                "`bulkId`: `{id}` occurs twice: each `POST` needs its own"
            )));
        }
    }
    Ok(())
}
