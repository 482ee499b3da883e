//! PATCH bodies.

use serde::{Serialize, Serializer, ser::SerializeStruct};
use serde_json::Value;

use super::{PATCH_OP, is_mismatch, kind_of, members};
use crate::{ErrorResponse, error::excerpt, keyword::keywords};

/// The body of a PATCH request.
///
/// Paths are texts and values are as sent; binding them to a schema gives them their meaning.
///
/// # Example
///
/// ```
/// use scimkit_core::ScimType;
/// use scimkit_core::message::{PatchOperationKind, PatchRequest};
/// use serde_json::json;
///
/// let patch = PatchRequest::from_value(json!({
///     "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
///     "Operations": [{ "op": "Replace", "path": "active", "value": false }],
/// }), 100)?;
/// assert_eq!(patch.operations[0].op, PatchOperationKind::Replace);
///
/// let error = PatchRequest::from_value(json!({ "Operations": [{ "op": "move" }] }), 100).unwrap_err();
/// assert_eq!(error.scim_type, Some(ScimType::InvalidSyntax));
/// assert_eq!(error.detail, "`Operations[0].op`: `move` is not `add`, `remove` or `replace`");
/// # Ok::<(), scimkit_core::ErrorResponse>(())
/// ```
///
/// [RFC 7644, section 3.5.2](https://www.rfc-editor.org/rfc/rfc7644#section-3.5.2)
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PatchRequest {
    /// The operations, in the order in which they apply; possibly none.
    pub operations: Vec<PatchOperation>,
    /// Whether `schemas` is missing or does not name [`PATCH_OP`]; a strict service rejects this.
    pub schemas_mismatch: bool,
}

impl PatchRequest {
    /// Reads a PATCH body and moves its values.
    ///
    /// Member names and `op` ignore case; unknown members are dropped. The caller decides whether to tolerate an
    /// empty list of operations, or `schemas` that do not name a patch.
    ///
    /// # Errors
    ///
    /// - the body or an operation is not an object, `Operations` is missing or not an array, `op` is missing or
    ///   unknown, a member is a duplicate, or `schemas` names another message: 400 `invalidSyntax`
    /// - `path` is not a string: 400 `invalidPath`
    /// - there are more than `max_operations`: 413
    pub fn from_value(body: Value, max_operations: usize) -> Result<Self, ErrorResponse> {
        let Value::Object(object) = body else {
            let kind = kind_of(&body);
            return Err(ErrorResponse::invalid_syntax(format!(
                "the patch is {kind}, not an object"
            )));
        };
        let [schemas, operations] = members(object, ["schemas", "Operations"])?;
        let schemas_mismatch = is_mismatch(schemas.as_ref(), PATCH_OP)?;
        let operations = match operations {
            Some(Value::Array(operations)) => operations,
            Some(other) => {
                let kind = kind_of(&other);
                return Err(ErrorResponse::invalid_syntax(format!(
                    "`Operations` is {kind}, not an array"
                )));
            }
            None => return Err(ErrorResponse::invalid_syntax("`Operations` is missing")),
        };
        let count = operations.len();
        if count > max_operations {
            return Err(ErrorResponse::too_large(format!(
                "{count} operations are more than {max_operations}"
            )));
        }
        let operations = operations
            .into_iter()
            .enumerate()
            .map(|(index, value)| operation(index, value));
        Ok(Self {
            operations: operations.collect::<Result<_, _>>()?,
            schemas_mismatch,
        })
    }
}

/// One operation of a PATCH.
///
/// [RFC 7644, section 3.5.2](https://www.rfc-editor.org/rfc/rfc7644#section-3.5.2)
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct PatchOperation {
    /// The kind of the operation.
    pub op: PatchOperationKind,
    /// The text of the path; `None` for the resource itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The value; a null that was sent differs from an absent value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

/// The kind of a PATCH operation.
///
/// [RFC 7644, section 3.5.2](https://www.rfc-editor.org/rfc/rfc7644#section-3.5.2)
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_enums, reason = "closed by RFC 7644, section 3.5.2")]
pub enum PatchOperationKind {
    /// Adds values.
    Add,
    /// Removes values.
    Remove,
    /// Replaces values.
    Replace,
}

keywords!(PatchOperationKind, "PATCH operation" {
    Add => "add",
    Remove => "remove",
    Replace => "replace",
});

impl Serialize for PatchRequest {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut object = out.serialize_struct("PatchRequest", 2)?;
        object.serialize_field("schemas", &[PATCH_OP])?;
        object.serialize_field("Operations", &self.operations)?;
        object.end()
    }
}

fn operation(index: usize, value: Value) -> Result<PatchOperation, ErrorResponse> {
    let Value::Object(object) = value else {
        let kind = kind_of(&value);
        return Err(ErrorResponse::invalid_syntax(format!(
            "`Operations[{index}]` is {kind}, not an object"
        )));
    };
    let [op, path, value] =
        members(object, ["op", "path", "value"]).map_err(|error| ErrorResponse {
            detail: format!("`Operations[{index}]`: {}", error.detail),
            ..error
        })?;
    let op = match op {
        Some(Value::String(word)) => PatchOperationKind::from_keyword(&word).ok_or_else(|| {
            let word = excerpt(&word);
            ErrorResponse::invalid_syntax(format!(
                "`Operations[{index}].op`: `{word}` is not `add`, `remove` or `replace`"
            ))
        })?,
        Some(other) => {
            let kind = kind_of(&other);
            return Err(ErrorResponse::invalid_syntax(format!(
                "`Operations[{index}].op` is {kind}, not a string"
            )));
        }
        None => {
            return Err(ErrorResponse::invalid_syntax(format!(
                "`Operations[{index}].op` is missing"
            )));
        }
    };
    let path = match path {
        None | Some(Value::Null) => None,
        Some(Value::String(path)) => Some(path),
        Some(other) => {
            let kind = kind_of(&other);
            return Err(ErrorResponse::invalid_path(format!(
                "`Operations[{index}].path` is {kind}, not a string"
            )));
        }
    };
    Ok(PatchOperation { op, path, value })
}
