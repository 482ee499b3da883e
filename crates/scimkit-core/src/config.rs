//! The service provider's configuration.

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use crate::builtin;

/// What a service supports: the body of `/ServiceProviderConfig`.
///
/// - The default supports nothing; say what is true and no more, because clients act on it.
/// - Writing JSON prints `schemas` and leaves `meta` to the server; reading JSON takes an absent feature as unsupported.
/// - `pagination` is of RFC 9865 and left out when there is none.
///
/// # Example
///
/// ```
/// use scimkit_core::{AuthenticationScheme, FilterSupport, ServiceProviderConfig, Supported};
///
/// let config = ServiceProviderConfig {
///     patch: Supported { supported: true },
///     filter: FilterSupport { supported: true, max_results: 200 },
///     authentication_schemes: vec![AuthenticationScheme::oauth_bearer_token()],
///     ..ServiceProviderConfig::default()
/// };
/// let json = serde_json::to_value(&config)?;
/// assert_eq!(json["filter"]["maxResults"], 200);
/// assert_eq!(json["etag"]["supported"], false);
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// [RFC 7643, section 5](https://www.rfc-editor.org/rfc/rfc7643#section-5)
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, rename_all = "camelCase")]
pub struct ServiceProviderConfig {
    /// Where people read how to use the service.
    pub documentation_uri: Option<String>,
    /// PATCH.
    pub patch: Supported,
    /// Bulk requests and their limits.
    pub bulk: BulkSupport,
    /// Filters and their limit.
    pub filter: FilterSupport,
    /// Changing a password.
    pub change_password: Supported,
    /// Sorting.
    pub sort: Supported,
    /// Versions.
    pub etag: Supported,
    /// How clients authenticate.
    pub authentication_schemes: Vec<AuthenticationScheme>,
    /// Paging, when the service announces it.
    pub pagination: Option<PaginationSupport>,
}

impl Serialize for ServiceProviderConfig {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut object = out.serialize_struct("ServiceProviderConfig", 10)?;
        object.serialize_field("schemas", &[builtin::SERVICE_PROVIDER_CONFIG])?;
        if let Some(uri) = &self.documentation_uri {
            object.serialize_field("documentationUri", uri)?;
        }
        object.serialize_field("patch", &self.patch)?;
        object.serialize_field("bulk", &self.bulk)?;
        object.serialize_field("filter", &self.filter)?;
        object.serialize_field("changePassword", &self.change_password)?;
        object.serialize_field("sort", &self.sort)?;
        object.serialize_field("etag", &self.etag)?;
        object.serialize_field("authenticationSchemes", &self.authentication_schemes)?;
        if let Some(pagination) = &self.pagination {
            object.serialize_field("pagination", pagination)?;
        }
        object.end()
    }
}

/// Whether a feature is supported.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct Supported {
    /// Whether it is.
    pub supported: bool,
}

/// Whether bulk requests are supported, and how big they may be.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BulkSupport {
    /// Whether they are.
    pub supported: bool,
    /// The most operations in one request.
    pub max_operations: u64,
    /// The most bytes in one request.
    pub max_payload_size: u64,
}

/// Whether filters are supported, and how much they may return.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct FilterSupport {
    /// Whether they are.
    pub supported: bool,
    /// The most resources in one response.
    pub max_results: u64,
}

/// How results are paged.
///
/// [RFC 9865, section 4](https://www.rfc-editor.org/rfc/rfc9865#section-4)
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PaginationSupport {
    /// Whether pages can be asked for by cursor.
    pub cursor: bool,
    /// Whether pages can be asked for by index.
    pub index: bool,
    /// `cursor` or `index`: how a request that doesn't say is paged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_pagination_method: Option<String>,
    /// How many resources a page has when the request doesn't say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_page_size: Option<u64>,
    /// The most resources on a page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_page_size: Option<u64>,
    /// How many seconds a cursor is good for, at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor_timeout: Option<u64>,
}

/// One way for clients to authenticate.
///
/// # Example
///
/// ```
/// use scimkit_core::AuthenticationScheme;
///
/// assert_eq!(AuthenticationScheme::http_basic().kind, "httpbasic");
/// ```
///
/// [RFC 7643, section 5](https://www.rfc-editor.org/rfc/rfc7643#section-5)
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AuthenticationScheme {
    /// `oauth`, `oauth2`, `oauthbearertoken`, `httpbasic` or `httpdigest` (`type` in JSON).
    #[serde(rename = "type")]
    pub kind: String,
    /// The scheme's common name.
    pub name: String,
    /// What it is, for a person.
    pub description: String,
    /// Where it is specified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec_uri: Option<String>,
    /// Where people read how to use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub documentation_uri: Option<String>,
    /// Whether it is the one to prefer.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub primary: bool,
}

impl AuthenticationScheme {
    /// HTTP Basic.
    #[must_use]
    pub fn http_basic() -> Self {
        Self {
            kind: "httpbasic".into(),
            name: "HTTP Basic".into(),
            description: "User name and password with each request".into(),
            spec_uri: Some("https://www.rfc-editor.org/info/rfc7617".into()),
            ..Self::default()
        }
    }

    /// OAuth bearer tokens.
    #[must_use]
    pub fn oauth_bearer_token() -> Self {
        Self {
            kind: "oauthbearertoken".into(),
            name: "OAuth Bearer Token".into(),
            description: "A bearer token with each request".into(),
            spec_uri: Some("https://www.rfc-editor.org/info/rfc6750".into()),
            ..Self::default()
        }
    }
}
