//! The guard for mail domains.

use std::fmt;

use scimkit_core::{ErrorResponse, excerpt};
use scimkit_registry::fold_case;
use scimkit_store::{BoxFuture, RequestContext};

use super::texts::texts;
use crate::guard::{ChangeGuard, ChangeVerb, ProposedChange};

/// A source of the mail domains that a customer has verified.
///
/// A closure `Fn(&RequestContext, &str) -> bool` is one, for domains in memory.
pub trait DomainSource: Send + Sync + 'static {
    /// Returns whether the domain is verified for the tenant and the connection of the context.
    ///
    /// The domain is in lower case, without a final dot, and otherwise as sent: an internationalised domain is either
    /// `münchen.example` or `xn--mnchen-3ya.example`. Verify both forms, or neither is accepted in place of the other.
    /// Compare whole domains: `x.example` does not include `mail.x.example`.
    ///
    /// # Errors
    /// The error for the client, for example if the domains can't be read.
    fn is_verified<'a>(
        &'a self,
        context: &'a RequestContext,
        domain: &'a str,
    ) -> BoxFuture<'a, Result<bool, ErrorResponse>>;
}

impl<F> DomainSource for F
where
    F: Fn(&RequestContext, &str) -> bool + Send + Sync + 'static,
{
    fn is_verified<'a>(
        &'a self,
        context: &'a RequestContext,
        domain: &'a str,
    ) -> BoxFuture<'a, Result<bool, ErrorResponse>> {
        let is_verified = self(context, domain);
        Box::pin(async move { Ok(is_verified) })
    }
}

/// A guard that rejects users in mail domains which the customer has not verified.
///
/// - It checks each of `emails`, and `userName` if that contains `@`.
/// - An update is checked as far as it adds or changes addresses, so that a user with an older address can still be
///   deactivated. A create is checked as a whole, also if it adopts or restores a user.
/// - An address with several `@`, spaces or separators is rejected, since mail systems read such addresses differently.
/// - Errors are 400 with `invalidValue`.
///
/// # Example
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::sync::Arc;
/// use http::{Request, header::AUTHORIZATION};
/// use http_body_util::BodyExt;
/// use scimkit_server::{BearerTokens, Server, Token, guards::VerifiedDomains};
/// use scimkit_store::{MemoryStore, RequestContext, Settings};
///
/// let domains = VerifiedDomains::new(|context: &RequestContext, domain: &str| {
///     context.tenant.as_str() == "default" && domain == "acme.example"
/// });
/// let token = Token::generate().unwrap();
/// let server = Server::new(Arc::new(MemoryStore::new()), Settings::new("https://app.example"))
///     .with_authentication(BearerTokens::new([token.digest()]))
///     .with_guard(domains);
/// let create = |body: &str| {
///     let request = Request::post("/Users").header(AUTHORIZATION, format!("Bearer {}", token.reveal()));
///     server.handle(request.body(body.to_owned()).unwrap())
/// };
/// assert_eq!(create(r#"{"userName": "babs@ACME.example."}"#).await.status(), 201);
/// let rejected = create(r#"{"userName": "mallory@acme.example.evil.example"}"#).await;
/// assert_eq!(rejected.status(), 400);
/// let detail = rejected.into_body().collect().await.unwrap().to_bytes();
/// assert!(String::from_utf8_lossy(&detail).contains("`acme.example.evil.example` is not verified"));
/// # }
/// ```
pub struct VerifiedDomains {
    domains: Box<dyn DomainSource>,
}

impl VerifiedDomains {
    /// Creates the guard for the domains of a source.
    #[must_use]
    pub fn new(domains: impl DomainSource) -> Self {
        VerifiedDomains {
            domains: Box::new(domains),
        }
    }

    async fn check_addresses(
        &self,
        context: &RequestContext,
        proposed: &ProposedChange,
    ) -> Result<(), ErrorResponse> {
        let before = match proposed.verb {
            ChangeVerb::Update => proposed.before.as_deref(),
            _ => None,
        };
        for path in ["userName", "emails"] {
            let known = texts(&proposed.kind, before, path);
            let addresses = texts(&proposed.kind, proposed.after.as_deref(), path);
            for address in addresses.into_iter().filter(|new| !known.contains(new)) {
                // A user name need not be an address.
                if path == "userName" && !fold_case(address).contains('@') {
                    continue;
                }
                let domain = domain_of(address).ok_or_else(|| not_an_address(path, address))?;
                if !self.domains.is_verified(context, &domain).await? {
                    return Err(not_verified(path, &domain));
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for VerifiedDomains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedDomains").finish_non_exhaustive()
    }
}

impl ChangeGuard for VerifiedDomains {
    fn check<'a>(
        &'a self,
        context: &'a RequestContext,
        proposed: &'a ProposedChange,
    ) -> BoxFuture<'a, Result<(), ErrorResponse>> {
        Box::pin(self.check_addresses(context, proposed))
    }
}

/// Returns the domain of a mail address in lower case, without a final dot; none if the text is not one plain address.
fn domain_of(address: &str) -> Option<String> {
    let separates = |letter: char| {
        letter.is_whitespace() || letter.is_control() || "\"(),:;<>[\\]".contains(letter)
    };
    // Comparisons of SCIM values take a full-width `＠` for `@`.
    let is_plain =
        address.matches('@').count() == 1 && fold_case(address).matches('@').count() == 1;
    if !is_plain || address.contains(separates) {
        return None;
    }
    let (local, domain) = address.split_once('@')?;
    let domain = domain.to_lowercase();
    let domain = domain.strip_suffix('.').unwrap_or(&domain);
    let is_domain = domain.split('.').all(|label| !label.is_empty());
    (is_domain && !local.is_empty()).then(|| domain.to_owned())
}

fn not_an_address(path: &str, address: &str) -> ErrorResponse {
    let address = excerpt(address);
    ErrorResponse::invalid_value(format!(
        "`{path}`: `{address}` is not one plain mail address: send it as `name@domain`"
    ))
}

fn not_verified(path: &str, domain: &str) -> ErrorResponse {
    let domain = excerpt(domain);
    ErrorResponse::invalid_value(format!(
        "the mail domain `{domain}` is not verified for this tenant: verify it, or change `{path}`"
    ))
}

#[cfg(test)]
mod tests {
    use super::domain_of;

    #[test]
    fn domains_are_folded_and_ambiguous_addresses_have_none() {
        for (address, domain) in [
            ("babs@Acme.Example", Some("acme.example")),
            ("babs@acme.example.", Some("acme.example")),
            ("b+c@MÜNCHEN.example", Some("münchen.example")),
            ("b@xn--mnchen-3ya.example", Some("xn--mnchen-3ya.example")),
            // Folding would make another domain of it.
            ("b@straße.example", Some("straße.example")),
            ("g_x.example#EXT#@acme.example", Some("acme.example")),
            ("babs", None),
            ("babs@", None),
            ("@acme.example", None),
            ("babs@acme.example..", None),
            ("babs@.acme.example", None),
            ("a@evil.example,b@acme.example", None),
            ("a@evil.example@acme.example", None),
            ("a＠evil.example@acme.example", None),
            ("a＠acme.example", None),
            ("<a@acme.example>", None),
            ("a@acme.example (evil.example)", None),
            ("\"a b\"@acme.example", None),
            ("a@[192.0.2.1]", None),
            ("a@acme.example\n", None),
        ] {
            assert_eq!(domain_of(address).as_deref(), domain, "{address}");
        }
    }
}
