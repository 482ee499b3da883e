//! The protocol's error message.

use serde::{
    Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::SerializeStruct,
};
use serde_json::Value;

use crate::{keyword::keywords, message};

/// The SCIM error message: the body of the response to a failed request.
///
/// - `status` is a number here and a string in JSON, as the RFC requires; reading accepts both.
/// - `scimType` is omitted if it is `None`, `detail` if it is empty.
/// - Reading ignores an unknown `scimType`, so that the rest of the error is not lost.
///
/// # Example
///
/// ```
/// use scimkit_core::{ErrorResponse, ScimType};
///
/// let error = ErrorResponse::invalid_value("`active` is not a boolean");
/// assert_eq!((error.status, error.scim_type), (400, Some(ScimType::InvalidValue)));
/// assert_eq!(
///     serde_json::to_string(&error)?,
///     r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"400","scimType":"invalidValue","detail":"`active` is not a boolean"}"#,
/// );
/// assert!(serde_json::from_str::<ErrorResponse>(r#"{"status":"soon"}"#).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// [RFC 7644, section 3.12](https://www.rfc-editor.org/rfc/rfc7644#section-3.12)
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{detail}")]
pub struct ErrorResponse {
    /// The HTTP status.
    pub status: u16,
    /// The keyword for the error in the request.
    pub scim_type: Option<ScimType>,
    /// The description of the error for readers.
    pub detail: String,
}

impl ErrorResponse {
    /// Creates an error without a keyword.
    pub fn new(status: u16, detail: impl Into<String>) -> Self {
        Self {
            status,
            scim_type: None,
            detail: detail.into(),
        }
    }

    /// Sets the keyword.
    #[must_use]
    pub fn with_type(mut self, scim_type: ScimType) -> Self {
        self.scim_type = Some(scim_type);
        self
    }

    /// Returns a 403: the caller is not authorised.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(403, detail)
    }

    /// Returns a 500: the service failed.
    pub fn internal(detail: impl Into<String>) -> Self {
        Self::new(500, detail)
    }

    /// Returns a 400 `invalidFilter`: the filter can't be parsed or doesn't fit the schema.
    pub fn invalid_filter(detail: impl Into<String>) -> Self {
        Self::new(400, detail).with_type(ScimType::InvalidFilter)
    }

    /// Returns a 400 `invalidPath`: the path of a PATCH operation can't be parsed or names no attribute.
    pub fn invalid_path(detail: impl Into<String>) -> Self {
        Self::new(400, detail).with_type(ScimType::InvalidPath)
    }

    /// Returns a 400 `invalidSyntax`: the body is not the expected message.
    pub fn invalid_syntax(detail: impl Into<String>) -> Self {
        Self::new(400, detail).with_type(ScimType::InvalidSyntax)
    }

    /// Returns a 400 `invalidValue`: a value is missing or doesn't fit its attribute.
    pub fn invalid_value(detail: impl Into<String>) -> Self {
        Self::new(400, detail).with_type(ScimType::InvalidValue)
    }

    /// Returns a 400 `mutability`: the attribute's mutability forbids the change.
    pub fn mutability(detail: impl Into<String>) -> Self {
        Self::new(400, detail).with_type(ScimType::Mutability)
    }

    /// Returns a 400 `noTarget`: the filter of a PATCH path matches nothing.
    pub fn no_target(detail: impl Into<String>) -> Self {
        Self::new(400, detail).with_type(ScimType::NoTarget)
    }

    /// Returns a 404: there is no such resource or endpoint.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(404, detail)
    }

    /// Returns a 501: the service doesn't offer this operation.
    pub fn not_implemented(detail: impl Into<String>) -> Self {
        Self::new(501, detail)
    }

    /// Returns a 412: the resource does not have the version that the request expects.
    pub fn precondition_failed(detail: impl Into<String>) -> Self {
        Self::new(412, detail)
    }

    /// Returns a 400 `sensitive`: the request URI contains personal data.
    pub fn sensitive(detail: impl Into<String>) -> Self {
        Self::new(400, detail).with_type(ScimType::Sensitive)
    }

    /// Returns a 413: the body exceeds a limit.
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::new(413, detail)
    }

    /// Returns a 400 `tooMany`: the query has more results than the service computes.
    pub fn too_many(detail: impl Into<String>) -> Self {
        Self::new(400, detail).with_type(ScimType::TooMany)
    }

    /// Returns a 401: the caller is not authenticated.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(401, detail)
    }

    /// Returns a 409 `uniqueness`: another resource has the value.
    pub fn uniqueness(detail: impl Into<String>) -> Self {
        Self::new(409, detail).with_type(ScimType::Uniqueness)
    }
}

impl Serialize for ErrorResponse {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut object = out.serialize_struct("Error", 4)?;
        object.serialize_field("schemas", &[message::ERROR])?;
        object.serialize_field("status", &self.status.to_string())?;
        if let Some(scim_type) = self.scim_type {
            object.serialize_field("scimType", &scim_type)?;
        }
        if !self.detail.is_empty() {
            object.serialize_field("detail", &self.detail)?;
        }
        object.end()
    }
}

impl<'de> Deserialize<'de> for ErrorResponse {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire {
            status: Value,
            scim_type: Option<String>,
            detail: Option<String>,
        }

        let wire = Wire::deserialize(input)?;
        let status = match &wire.status {
            Value::Number(number) => number
                .as_u64()
                .and_then(|number| u16::try_from(number).ok()),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        Ok(Self {
            status: status.ok_or_else(|| D::Error::custom("`status` is not an HTTP status"))?,
            scim_type: wire.scim_type.as_deref().and_then(ScimType::from_keyword),
            detail: wire.detail.unwrap_or_default(),
        })
    }
}

/// The keyword for the error in a request.
///
/// Ten are from RFC 7644; RFC 9865 adds `expiredCursor`, `invalidCount` and
/// `invalidCursor`.
///
/// # Example
///
/// ```
/// use scimkit_core::ScimType;
///
/// assert_eq!(ScimType::InvalidVers.as_str(), "invalidVers");
/// assert_eq!(ScimType::from_keyword("invalidWish"), None);
/// ```
///
/// [RFC 7644, section 3.12, table 9](https://www.rfc-editor.org/rfc/rfc7644#section-3.12)
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum ScimType {
    /// The cursor has expired (RFC 9865).
    ExpiredCursor,
    /// `count` differs from the one that the cursor was created for (RFC 9865).
    InvalidCount,
    /// The service did not create this cursor (RFC 9865).
    InvalidCursor,
    /// The filter can't be parsed, or compares values that can't be compared.
    InvalidFilter,
    /// The path of a PATCH operation is malformed.
    InvalidPath,
    /// The body is not the expected message.
    InvalidSyntax,
    /// A value is missing or doesn't fit its attribute.
    InvalidValue,
    /// The protocol version is not supported.
    InvalidVers,
    /// The attribute's mutability forbids the change.
    Mutability,
    /// The path's filter matches nothing.
    NoTarget,
    /// The request URI contains personal data.
    Sensitive,
    /// The filter matches more than the service computes.
    TooMany,
    /// Another resource has this value.
    Uniqueness,
}

keywords!(ScimType, "SCIM error type" {
    ExpiredCursor => "expiredCursor",
    InvalidCount => "invalidCount",
    InvalidCursor => "invalidCursor",
    InvalidFilter => "invalidFilter",
    InvalidPath => "invalidPath",
    InvalidSyntax => "invalidSyntax",
    InvalidValue => "invalidValue",
    InvalidVers => "invalidVers",
    Mutability => "mutability",
    NoTarget => "noTarget",
    Sensitive => "sensitive",
    TooMany => "tooMany",
    Uniqueness => "uniqueness",
});

/// Returns the beginning of an untrusted text, safe to quote in an error message.
///
/// - The result has at most 64 characters, and `…` if the text was cut.
/// - Control characters become `\u{fffd}`, so that none can break a line of a log.
///
/// # Example
///
/// ```
/// use scimkit_core::excerpt;
///
/// assert_eq!(excerpt("bjensen"), "bjensen");
/// assert_eq!(excerpt("b\njensen"), "b\u{fffd}jensen");
/// assert_eq!(excerpt(&"x".repeat(1_000_000)).chars().count(), 65);
/// ```
#[must_use]
pub fn excerpt(text: &str) -> String {
    const LONGEST: usize = 64;
    let printable = |symbol: char| {
        if symbol.is_control() {
            '\u{fffd}'
        } else {
            symbol
        }
    };
    let mut start: String = text.chars().take(LONGEST).map(printable).collect();
    if text.chars().nth(LONGEST).is_some() {
        start.push('…');
    }
    start
}
