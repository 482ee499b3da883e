//! Bulk requests and responses.

mod read;

use std::collections::HashSet;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use serde_json::Value;

use self::read::{limit, read};
use super::{BULK_REQUEST, BULK_RESPONSE, is_mismatch};
use crate::error::excerpt;
use crate::keyword::keywords;
use crate::{ErrorResponse, Version};

/// The body of a bulk request.
///
/// What is wrong with one operation is told by that operation, so that the others can be carried out.
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
/// let refused = bulk.operations[1].call.as_ref().unwrap_err();
/// assert_eq!(refused.detail, "`method`: `GET` is not `POST`, `PUT`, `PATCH` or `DELETE`");
///
/// let too_many = BulkRequest::parse(br#"{"Operations": [{}, {}, {}]}"#, bounds).unwrap_err();
/// assert_eq!(too_many.status, 413);
/// # Ok::<(), scimkit_core::ErrorResponse>(())
/// ```
///
/// [RFC 7644, section 3.7](https://www.rfc-editor.org/rfc/rfc7644#section-3.7)
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct BulkRequest {
    /// After how many errors the remaining operations are not performed; at least 1.
    pub fail_on_errors: Option<u32>,
    /// The operations; possibly none.
    pub operations: Vec<BulkOperation>,
    /// Whether `schemas` is missing, or is no list that names [`BULK_REQUEST`]; a strict service refuses
    /// that.
    pub schemas_mismatch: bool,
}

/// How big a bulk request may be, beside its bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a caller makes it, and must think of each bound"
)]
pub struct BulkBounds {
    /// Levels of arrays and objects in the `data` of an operation.
    pub depth: usize,
    /// Operations.
    pub operations: usize,
    /// JSON values in all.
    pub values: usize,
}

impl BulkRequest {
    /// Reads a bulk request.
    ///
    /// - Operations are counted as they are read: none beyond the bound is kept.
    /// - Names of members and `method` ignore case; members it doesn't know are read over.
    /// - Whether `schemas` that do not name it are tolerated is for the caller to decide.
    ///
    /// # Errors
    ///
    /// - text that is not a JSON object or is over the bounds of depth and values, `Operations` that are missing or not
    ///   an array, a member that is there twice, `schemas` that name another message: 400 `invalidSyntax`
    /// - `failOnErrors` that is not a whole number of at least 1, a `bulkId` that two `POST` operations share: 400
    ///   `invalidValue`
    /// - more operations than the bound: 413
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
    /// The client's name for the operation, and for the resource that a `POST` makes.
    pub bulk_id: Option<String>,
    /// What is to be done, or why that can't be told.
    pub call: Result<BulkCall, ErrorResponse>,
    /// The method as it was sent, at most its beginning; none when it is no text.
    pub method: Option<String>,
    /// The path below the service provider's root, as it was sent; there whenever `call` is.
    pub path: Option<String>,
}

impl BulkOperation {
    /// Whether it is a `POST`, which alone gives its `bulkId` a resource to stand for.
    #[must_use]
    pub fn creates(&self) -> bool {
        let named = self.method.as_deref().and_then(BulkMethod::from_keyword);
        named == Some(BulkMethod::Post)
    }
}

/// A request as an operation of a bulk request states it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct BulkCall {
    /// The body; null for `DELETE`.
    pub data: Value,
    /// The method.
    pub method: BulkMethod,
    /// The version that the resource must have, as `If-Match` would state it; none for `POST`.
    pub version: Option<String>,
}

/// The method of an operation of a bulk request.
///
/// [RFC 7644, section 3.7](https://www.rfc-editor.org/rfc/rfc7644#section-3.7)
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_enums, reason = "closed by RFC 7644, section 3.7")]
pub enum BulkMethod {
    /// Takes a resource away.
    Delete,
    /// Changes a resource.
    Patch,
    /// Makes a resource.
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

/// The answer to a bulk request.
///
/// # Example
///
/// ```
/// use scimkit_core::ErrorResponse;
/// use scimkit_core::message::{BulkResponse, BulkResult};
///
/// let mut refused = BulkResult::new(409);
/// refused.bulk_id = Some("qwerty".into());
/// refused.method = Some("POST".into());
/// refused.response = Some(ErrorResponse::uniqueness("another resource has that value of `userName`"));
/// let json = serde_json::to_value(BulkResponse { operations: vec![refused] })?;
/// assert_eq!(json["Operations"][0]["status"], "409");
/// assert_eq!(json["Operations"][0]["response"]["scimType"], "uniqueness");
/// assert_eq!(json["Operations"][0].get("location"), None);
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// [RFC 7644, section 3.7.3](https://www.rfc-editor.org/rfc/rfc7644#section-3.7.3)
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct BulkResponse {
    /// What came of each operation that was performed.
    pub operations: Vec<BulkResult>,
}

/// What came of one operation.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct BulkResult {
    /// Where the resource is; none for a `POST` that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The operation's method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The operation's `bulkId`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bulk_id: Option<String>,
    /// The version that the resource has now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// The HTTP status; text in JSON.
    #[serde(serialize_with = "as_text")]
    pub status: u16,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<ErrorResponse>,
}

impl BulkResult {
    /// A status and nothing else.
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

/// A `bulkId` that two resources share would make references to it mean either.
fn check_bulk_ids(operations: &[BulkOperation]) -> Result<(), ErrorResponse> {
    let mut ids = HashSet::new();
    for operation in operations {
        if operation.creates()
            && let Some(id) = &operation.bulk_id
            && !ids.insert(id.as_str())
        {
            let id = excerpt(id);
            return Err(ErrorResponse::invalid_value(format!(
                "`bulkId`: `{id}` is there twice: each `POST` needs its own"
            )));
        }
    }
    Ok(())
}
