//! The service provider's configuration.

use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct};

use crate::builtin;

/// The features of a service: the body of `/ServiceProviderConfig`.
///
/// - The default supports nothing. Clients act on this configuration, so it must be true.
/// - Writing JSON prints `schemas` and leaves `meta` to the server. Reading JSON treats an absent feature as
///   unsupported.
/// - `pagination` is from RFC 9865 and is omitted if it is `None`.
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
    /// The URI of the service's documentation.
    pub documentation_uri: Option<String>,
    /// Support for PATCH.
    pub patch: Supported,
    /// Support for bulk requests, and their limits.
    pub bulk: BulkSupport,
    /// Support for filters, and their limit.
    pub filter: FilterSupport,
    /// Support for changing passwords.
    pub change_password: Supported,
    /// Support for sorting.
    pub sort: Supported,
    /// Support for versions.
    pub etag: Supported,
    /// The ways for clients to authenticate.
    pub authentication_schemes: Vec<AuthenticationScheme>,
    /// Support for paging, if the service announces it.
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

/// The support for one feature.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct Supported {
    /// Whether the feature is supported.
    pub supported: bool,
}

/// The support for bulk requests and their limits.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BulkSupport {
    /// Whether bulk requests are supported.
    pub supported: bool,
    /// The maximum number of operations in one request.
    pub max_operations: u64,
    /// The maximum size of one request in bytes.
    pub max_payload_size: u64,
}

/// The support for filters and their limit.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct FilterSupport {
    /// Whether filters are supported.
    pub supported: bool,
    /// The maximum number of resources in one response.
    pub max_results: u64,
}

/// The ways to page through results.
///
/// [RFC 9865, section 4](https://www.rfc-editor.org/rfc/rfc9865#section-4)
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PaginationSupport {
    /// Whether a request can page by cursor.
    pub cursor: bool,
    /// Whether a request can page by index.
    pub index: bool,
    /// `cursor` or `index`: the method for requests that name neither.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_pagination_method: Option<String>,
    /// The number of resources on a page if the request has no `count`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_page_size: Option<u64>,
    /// The maximum number of resources on a page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_page_size: Option<u64>,
    /// The minimum number of seconds for which a cursor is valid.
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
    /// The description for readers.
    pub description: String,
    /// The URI of the specification.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec_uri: Option<String>,
    /// The URI of the documentation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub documentation_uri: Option<String>,
    /// Whether this is the preferred scheme.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub primary: bool,
}

impl AuthenticationScheme {
    /// Returns the scheme for HTTP Basic.
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

    /// Returns the scheme for OAuth bearer tokens.
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
