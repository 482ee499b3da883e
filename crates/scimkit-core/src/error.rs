//! The protocol's error message.

use serde::de::Error as _;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::keyword::keywords;
use crate::message;

/// The SCIM error message: what a failed request is answered with.
///
/// - `status` is a number here and a string in JSON, as the RFC wants it; both are read.
/// - `scimType` is left out when there is none, `detail` when it is empty.
/// - A `scimType` this crate doesn't know is read as none: the error itself must not get lost over it.
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
    /// The keyword that says what was wrong with the request.
    pub scim_type: Option<ScimType>,
    /// What went wrong, for a person.
    pub detail: String,
}

impl ErrorResponse {
    /// An error without a keyword.
    pub fn new(status: u16, detail: impl Into<String>) -> Self {
        Self {
            status,
            scim_type: None,
            detail: detail.into(),
        }
    }

    /// Adds or replaces the keyword.
    #[must_use]
    pub fn with_type(mut self, scim_type: ScimType) -> Self {
        self.scim_type = Some(scim_type);
        self
    }

    /// 403: the caller may not do this.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(403, detail)
    }

    /// 500: the service failed.
    pub fn internal(detail: impl Into<String>) -> Self {
        Self::new(500, detail)
    }

    /// 400 `invalidFilter`: a filter that can't be read or doesn't fit the schema.
    pub fn invalid_filter(detail: impl Into<String>) -> Self {
        Self::new(400, detail).with_type(ScimType::InvalidFilter)
    }

    /// 400 `invalidPath`: the path of a PATCH operation that can't be read or names nothing.
    pub fn invalid_path(detail: impl Into<String>) -> Self {
        Self::new(400, detail).with_type(ScimType::InvalidPath)
    }

    /// 400 `invalidSyntax`: a body that is not the message it should be.
    pub fn invalid_syntax(detail: impl Into<String>) -> Self {
        Self::new(400, detail).with_type(ScimType::InvalidSyntax)
    }

    /// 400 `invalidValue`: a value that is missing or doesn't fit its attribute.
    pub fn invalid_value(detail: impl Into<String>) -> Self {
        Self::new(400, detail).with_type(ScimType::InvalidValue)
    }

    /// 400 `mutability`: a change that the attribute's mutability forbids.
    pub fn mutability(detail: impl Into<String>) -> Self {
        Self::new(400, detail).with_type(ScimType::Mutability)
    }

    /// 400 `noTarget`: a PATCH path whose filter matched nothing.
    pub fn no_target(detail: impl Into<String>) -> Self {
        Self::new(400, detail).with_type(ScimType::NoTarget)
    }

    /// 404: no such resource or endpoint.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(404, detail)
    }

    /// 501: the service doesn't offer this operation.
    pub fn not_implemented(detail: impl Into<String>) -> Self {
        Self::new(501, detail)
    }

    /// 412: the resource is not at the version the request expected.
    pub fn precondition_failed(detail: impl Into<String>) -> Self {
        Self::new(412, detail)
    }

    /// 400 `sensitive`: personal data in a request URI.
    pub fn sensitive(detail: impl Into<String>) -> Self {
        Self::new(400, detail).with_type(ScimType::Sensitive)
    }

    /// 413: a body over a limit.
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::new(413, detail)
    }

    /// 400 `tooMany`: a query with more results than the service computes.
    pub fn too_many(detail: impl Into<String>) -> Self {
        Self::new(400, detail).with_type(ScimType::TooMany)
    }

    /// 401: the caller is not known.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(401, detail)
    }

    /// 409 `uniqueness`: a value that another resource has.
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

/// The keyword that says what was wrong with a request.
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
    /// The cursor was good once (RFC 9865).
    ExpiredCursor,
    /// `count` is not what the cursor was made for (RFC 9865).
    InvalidCount,
    /// The cursor is not one of the service's (RFC 9865).
    InvalidCursor,
    /// The filter can't be read, or compares what can't be compared.
    InvalidFilter,
    /// The path of a PATCH operation is malformed.
    InvalidPath,
    /// The body is not the message it should be.
    InvalidSyntax,
    /// A value is missing or doesn't fit its attribute.
    InvalidValue,
    /// The protocol version is not supported.
    InvalidVers,
    /// The change is forbidden by the attribute's mutability.
    Mutability,
    /// The path's filter matched nothing.
    NoTarget,
    /// The request URI carries personal data.
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

/// The beginning of a text from outside, fit for an error message.
///
/// - At most 64 characters, and `…` where something was cut off.
/// - A control character is shown as `\u{fffd}`, so that it can't break a line of a log.
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
