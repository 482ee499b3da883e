//! The tenant that the URL of a request names.

use http::{HeaderMap, HeaderName, header::HOST, request::Parts, uri::Authority};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use scimkit_server::TenantInPath;
use scimkit_store::TenantId;

/// The placeholder for the tenant in a base URL.
const TENANT: &str = "{tenant}";

/// The header in which a proxy passes on the host that the client requested.
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// All characters that are not unreserved in a URL (RFC 3986 section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The location of the tenant in the base URL of the connections.
#[derive(Debug, Clone)]
pub(crate) struct TenantLocation {
    base_url: String,
    forwarded: Forwarded,
    /// The parts of the host name before and after the tenant, in lower case.
    host: Option<(String, String)>,
    path: bool,
}

/// Returns the URL that the administrator of an identity provider enters for a tenant: the base URL, with the id of the
/// tenant in place of `{tenant}`.
///
/// # Example
/// ```
/// use scimkit_provision::tenant_url;
/// use scimkit_store::TenantId;
///
/// let acme = TenantId::from("acme");
/// let url = tenant_url("https://app.example/tenants/{tenant}/scim/v2/", &acme);
/// assert_eq!(url, "https://app.example/tenants/acme/scim/v2");
/// ```
#[must_use]
pub fn tenant_url(base_url: &str, tenant: &TenantId) -> String {
    TenantLocation::of(base_url.trim_end_matches('/')).base_url(tenant)
}

/// Whether `X-Forwarded-Host` is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forwarded {
    Trusted,
    Ignored,
}

impl TenantLocation {
    pub(crate) fn of(base_url: &str) -> Self {
        let behind_scheme = base_url
            .split_once("://")
            .map_or(base_url, |(_, rest)| rest);
        let (authority, path) = match behind_scheme.find('/') {
            Some(end) => behind_scheme.split_at(end),
            None => (behind_scheme, ""),
        };
        let host = authority.to_ascii_lowercase();
        let host = host.split_once(TENANT).map(|(before, behind)| {
            let behind = behind.split_once(':').map_or(behind, |(host, _)| host);
            (before.to_owned(), behind.to_owned())
        });
        TenantLocation {
            base_url: base_url.to_owned(),
            forwarded: Forwarded::Ignored,
            host,
            path: path.contains(TENANT),
        }
    }

    pub(crate) fn with_forwarded(mut self, forwarded: Forwarded) -> Self {
        self.forwarded = forwarded;
        self
    }

    /// Returns the base URL of a tenant's connections.
    pub(crate) fn base_url(&self, tenant: &TenantId) -> String {
        let tenant = utf8_percent_encode(tenant.as_str(), RESERVED).to_string();
        self.base_url.replace(TENANT, &tenant)
    }

    /// Returns whether the request was sent to the URL of that tenant, or to one that names no tenant.
    ///
    /// If the base URL names a tenant, a request that names none belongs to no tenant.
    pub(crate) fn is_of(&self, tenant: &TenantId, head: &Parts) -> bool {
        let in_path = head.extensions.get::<TenantInPath>();
        let path = match in_path {
            Some(TenantInPath(named)) => named == tenant.as_str(),
            None => !self.path,
        };
        let host = match &self.host {
            Some((before, behind)) => self.host_asked(head).is_some_and(|host| {
                let named = host.strip_prefix(before.as_str());
                named.and_then(|rest| rest.strip_suffix(behind.as_str())) == Some(tenant.as_str())
            }),
            None => true,
        };
        path & host
    }

    /// Returns the host name that the client requested, in lower case and without its port.
    fn host_asked(&self, head: &Parts) -> Option<String> {
        let forwarded = match self.forwarded {
            Forwarded::Trusted => head.headers.contains_key(FORWARDED_HOST),
            Forwarded::Ignored => false,
        };
        let authority = match head.uri.authority() {
            _ if forwarded => first_forwarded(&head.headers)?,
            Some(authority) => authority.clone(),
            None => host(&head.headers)?,
        };
        // `Authority` also accepts user information before the host, and any text as the port.
        let port = authority.as_str().strip_prefix(authority.host())?;
        let digits = port.strip_prefix(':').unwrap_or(port);
        let is_host = digits.bytes().all(|digit| digit.is_ascii_digit());
        is_host.then(|| authority.host().to_ascii_lowercase())
    }
}

/// Returns the host that the client requested from the first proxy; later proxies append theirs.
fn first_forwarded(headers: &HeaderMap) -> Option<Authority> {
    let value = headers.get(FORWARDED_HOST)?.to_str().ok()?;
    value.split(',').next()?.trim_ascii().parse().ok()
}

/// Returns the value of `Host`, unless there are several.
fn host(headers: &HeaderMap) -> Option<Authority> {
    let mut values = headers.get_all(HOST).iter();
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    value.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use http::{Request, header::HOST, request::Parts};
    use proptest::prelude::*;
    use scimkit_server::TenantInPath;
    use scimkit_store::TenantId;

    use super::TenantLocation;

    fn head(host: &[u8]) -> Option<Parts> {
        let request = Request::get("/Users").header(HOST, host).body(());
        request.ok().map(|request| request.into_parts().0)
    }

    #[test]
    fn a_base_url_has_the_tenant_where_the_template_has_it() {
        for (template, expected) in [
            ("https://app.example/scim/v2", "https://app.example/scim/v2"),
            ("https://{tenant}.app.example", "https://a%2Fb.app.example"),
            ("/t/{tenant}/scim", "/t/a%2Fb/scim"),
        ] {
            let base_url = TenantLocation::of(template).base_url(&TenantId::from("a/b"));
            assert_eq!(base_url, expected);
        }
    }

    proptest! {
        #[test]
        fn no_host_is_of_a_tenant_but_its_own(
            host in r"[aAb.\-:0-9\[\]@%/]{0,6}(\.(app|APP)\.example)?(\.|:|:[0-9]{1,5}|:x|/)?",
            tenant in "[ab0-9-]{1,4}",
        ) {
            let place = TenantLocation::of("https://{tenant}.app.example:8443/scim/v2");
            let Some(head) = head(host.as_bytes()) else { return Ok(()) };
            let lower = host.to_ascii_lowercase();
            let (name, port) = lower.split_once(':').unwrap_or((&lower, ""));
            let own = name == format!("{tenant}.app.example")
                && port.bytes().all(|digit| digit.is_ascii_digit());
            prop_assert_eq!(place.is_of(&TenantId::from(&*tenant), &head), own);
        }

        #[test]
        fn whatever_bytes_a_host_has_it_is_none(host in proptest::collection::vec(any::<u8>(), 0..80)) {
            let place = TenantLocation::of("https://{tenant}.app.example");
            if let Some(head) = head(&host) {
                prop_assert!(!place.is_of(&TenantId::from("acme"), &head));
            }
        }

        #[test]
        fn no_path_is_of_a_tenant_but_its_own(named in any::<String>(), tenant in any::<String>()) {
            let place = TenantLocation::of("https://app.example/{tenant}/scim/v2");
            let mut head = head(b"app.example").unwrap();
            prop_assert!(!place.is_of(&TenantId::from(&*tenant), &head));
            head.extensions.insert(TenantInPath(named.clone()));
            prop_assert_eq!(place.is_of(&TenantId::from(&*tenant), &head), named == tenant);
        }
    }
}
