//! The guard for creates that adopt or restore.

use std::collections::BTreeSet;

use scimkit_core::ErrorResponse;
use scimkit_registry::fold_case;
use scimkit_store::{BoxFuture, RequestContext};

use super::texts::texts;
use crate::guard::{ChangeGuard, ChangeVerb, ProposedChange};

/// A guard that rejects creates which would hand over another person's account.
///
/// A create that adopts or restores a user finds it by some of its attributes, such as `externalId`, and sets the others
/// as well. So this guard rejects it with 409 `uniqueness` if it would:
/// - change `userName`, or add an address to `emails` that the user does not have, unless the user has none. An
///   update may do that later, under the same guards as any other update;
/// - take over a user of another connection that it knows only by `externalId`: each identity
///   provider assigns these ids itself, so two of them may use the same one for two persons (RFC 7643 section 3.1).
///
/// Case is ignored.
///
/// # Example
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
/// use http::{Request, header::AUTHORIZATION};
/// use scimkit_registry::{Change, Tolerance};
/// use scimkit_server::{BearerTokens, Server, Token, guards::SafeAdoption};
/// use scimkit_store::{CreatePolicy, MemoryStore, RequestContext, Settings, StoreExt, TenantId};
/// use serde_json::json;
///
/// let mut settings = Settings::new("https://app.example");
/// settings.create_policy = CreatePolicy::Adopt;
/// let store = Arc::new(MemoryStore::new());
/// let context = RequestContext::new(TenantId::default(), Arc::new(settings.clone()));
/// let user = context.settings.registry.resource_type("User").unwrap();
/// let body = json!({"userName": "babs", "emails": [{"value": "babs@acme.example"}]});
/// let babs = Change::admit(user, body, &Tolerance::DEFAULT)?;
/// store.create(&context, chrono::Utc::now(), "1".into(), babs).await?;
///
/// let token = Token::generate()?;
/// let server = Server::new(store, settings)
///     .with_authentication(BearerTokens::new([token.digest()]))
///     .with_guard(SafeAdoption::new());
/// let create = |body: &str| {
///     let request = Request::post("/Users").header(AUTHORIZATION, format!("Bearer {}", token.reveal()));
///     server.handle(request.body(body.to_owned()).unwrap())
/// };
/// let rejected = create(r#"{"userName": "babs", "emails": [{"value": "mallory@evil.example"}]}"#).await;
/// assert_eq!(rejected.status(), 409);
/// let adopted = create(r#"{"userName": "BABS", "title": "Guide"}"#).await;
/// assert_eq!(adopted.status(), 201);
/// assert_eq!(adopted.headers()["location"], "https://app.example/Users/1");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct SafeAdoption {}

impl SafeAdoption {
    /// Creates the guard.
    #[must_use]
    pub fn new() -> Self {
        SafeAdoption::default()
    }
}

impl ChangeGuard for SafeAdoption {
    fn check<'a>(
        &'a self,
        context: &'a RequestContext,
        proposed: &'a ProposedChange,
    ) -> BoxFuture<'a, Result<(), ErrorResponse>> {
        let checked = match proposed.verb {
            ChangeVerb::Adopt | ChangeVerb::Restore => check_taken(context, proposed),
            _ => Ok(()),
        };
        Box::pin(async move { checked })
    }
}

fn check_taken(context: &RequestContext, proposed: &ProposedChange) -> Result<(), ErrorResponse> {
    let folded = |resource, name| -> BTreeSet<_> {
        let texts = texts(&proposed.kind, resource, name);
        texts.into_iter().map(fold_case).collect()
    };
    let before = |name| folded(proposed.before.as_deref(), name);
    let after = |name| folded(proposed.after.as_deref(), name);
    let is_new = |name| {
        let known = before(name);
        !known.is_empty() && !after(name).is_subset(&known)
    };
    let is_known = |name| !before(name).is_disjoint(&after(name));
    let is_foreign = proposed.owner.is_some() && proposed.owner != context.cause.connection;
    if is_foreign && is_known("externalId") && !is_known("userName") && !is_known("emails") {
        return Err(ErrorResponse::uniqueness(
            "`externalId` is that of a user of another connection: provision this user there, or send another `externalId`",
        ));
    }
    for name in ["userName", "emails"] {
        if is_new(name) {
            return Err(ErrorResponse::uniqueness(format!(
                "a user with the same matching attributes exists and has another `{name}`: give both the same \
                 `{name}`, then provision the user again"
            )));
        }
    }
    Ok(())
}
