//! The guards for accounts that must stay.

use std::collections::BTreeSet;

use scimkit_core::ErrorResponse;
use scimkit_filter::{Filter, ParseError};
use scimkit_registry::{
    AttributeRole, Predicate, Resource, ResourceId, ResourceType, ResourceView, Tolerance,
    fold_case,
};
use scimkit_store::{BoxFuture, RequestContext};
use serde_json::Value;

use super::texts::texts;
use crate::guard::{ChangeGuard, ProposedChange};

/// A guard that keeps accounts of one type, such as those for emergencies.
///
/// - Accounts are protected by their id, or as long as they satisfy a filter. A filter can't use `id`, `meta`, memberships
///   or attributes that are computed from other resources.
/// - A protected account can't be deactivated, deleted, renamed (`userName`, or `displayName` of a type without it), or
///   given a password, and no change may make it leave the filter.
/// - All other changes are allowed. An account that is inactive may stay so.
/// - Errors are 403. A filter that the type does not support rejects every change of the type with 500.
///
/// # Example
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
/// use http::{Request, header::AUTHORIZATION};
/// use scimkit_server::{BearerTokens, Server, Token, guards::ProtectedAccounts};
/// use scimkit_store::{MemoryStore, Settings};
///
/// let protected = ProtectedAccounts::new("User")
///     .with_id("1")
///     .with_filter(r#"userType eq "emergency""#)?;
/// let token = Token::generate()?;
/// let server = Server::new(Arc::new(MemoryStore::new()), Settings::new("https://app.example"))
///     .with_authentication(BearerTokens::new([token.digest()]))
///     .with_guard(protected);
/// let call = |method, path: &str, body: &str| {
///     let request = Request::builder().method(method).uri(path);
///     let request = request.header(AUTHORIZATION, format!("Bearer {}", token.reveal()));
///     server.handle(request.body(body.to_owned()).unwrap())
/// };
/// let created = call("POST", "/Users", r#"{"userName": "root", "userType": "Emergency"}"#).await;
/// let location = created.headers()["location"].to_str()?;
/// let path = location.trim_start_matches("https://app.example");
/// let off = r#"{"Operations": [{"op": "replace", "path": "active", "value": false}]}"#;
/// assert_eq!(call("PATCH", path, off).await.status(), 403);
/// let leave = r#"{"Operations": [{"op": "remove", "path": "userType"}]}"#;
/// assert_eq!(call("PATCH", path, leave).await.status(), 403);
/// let title = r#"{"Operations": [{"op": "add", "path": "title", "value": "Root"}]}"#;
/// assert_eq!(call("PATCH", path, title).await.status(), 200);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ProtectedAccounts {
    conditions: Vec<Condition>,
    ids: BTreeSet<ResourceId>,
    kind: String,
}

impl ProtectedAccounts {
    /// Creates the guard for a resource type, such as `User`, without a protected account.
    #[must_use]
    pub fn new(kind: impl Into<String>) -> Self {
        ProtectedAccounts {
            conditions: Vec::new(),
            ids: BTreeSet::new(),
            kind: kind.into(),
        }
    }

    /// Protects the account with this id.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<ResourceId>) -> Self {
        self.ids.insert(id.into());
        self
    }

    /// Protects the accounts that satisfy a filter.
    ///
    /// # Errors
    /// The text is not a filter.
    pub fn with_filter(mut self, filter: &str) -> Result<Self, ParseError> {
        self.conditions.push(Condition::new(filter)?);
        Ok(self)
    }

    fn check_account(
        &self,
        context: &RequestContext,
        proposed: &ProposedChange,
    ) -> Result<(), ErrorResponse> {
        let kind = &proposed.kind;
        let Some(before) = proposed.before.as_deref() else {
            return Ok(());
        };
        let is_named = self.ids.contains(&proposed.id);
        if !is_named && !self.any_holds(context, kind, before)? {
            return Ok(());
        }
        let what = match proposed.after.as_deref() {
            None => "deleted",
            Some(after) if is_active(kind, before) && !is_active(kind, after) => "deactivated",
            Some(after) if name(kind, before) != name(kind, after) => "renamed",
            Some(_) if !proposed.secrets.is_empty() => "given a password",
            Some(after) if !is_named && !self.any_holds(context, kind, after)? => {
                "changed so that it is no longer protected"
            }
            Some(_) => return Ok(()),
        };
        Err(ErrorResponse::forbidden(format!(
            "this account is protected and can't be {what}: exclude it from provisioning, or change it in the \
             application"
        )))
    }

    fn any_holds(
        &self,
        context: &RequestContext,
        kind: &ResourceType,
        document: &Resource,
    ) -> Result<bool, ErrorResponse> {
        for condition in &self.conditions {
            if condition.holds(context, kind, document)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl ChangeGuard for ProtectedAccounts {
    fn check<'a>(
        &'a self,
        context: &'a RequestContext,
        proposed: &'a ProposedChange,
    ) -> BoxFuture<'a, Result<(), ErrorResponse>> {
        let checked = if proposed.kind.name() == self.kind {
            self.check_account(context, proposed)
        } else {
            Ok(())
        };
        Box::pin(async move { checked })
    }
}

/// A filter on the attributes of a document.
#[derive(Debug, Clone)]
struct Condition(Filter<'static>);

impl Condition {
    fn new(filter: &str) -> Result<Self, ParseError> {
        Ok(Condition(Filter::parse(filter)?.into_owned()))
    }

    /// Binds the filter to a type, whose attributes differ between registries.
    ///
    /// # Errors
    /// 500 if the type has no such attribute, or documents do not contain it: then nothing would be protected.
    fn bind(&self, kind: &ResourceType) -> Result<Predicate, ErrorResponse> {
        let unusable = |reason: &str| {
            tracing::error!(kind = kind.name(), reason, "filter of a guard is unusable");
            ErrorResponse::internal("a guard of the service is misconfigured: its log has details")
        };
        let bound = kind.bind_filter(&self.0, &Tolerance::STRICT);
        let bound = bound.map_err(|error| unusable(error.detail()))?;
        let is_stored = |attr| {
            let role = kind.attr(attr).role();
            matches!(role, AttributeRole::Plain | AttributeRole::Reference)
        };
        if bound.attributes().into_iter().all(is_stored) {
            Ok(bound)
        } else {
            Err(unusable("documents do not contain its attributes"))
        }
    }

    fn holds(
        &self,
        context: &RequestContext,
        kind: &ResourceType,
        document: &Resource,
    ) -> Result<bool, ErrorResponse> {
        let predicate = self.bind(kind)?;
        let view = ResourceView::new(document);
        let held = kind.matches(&predicate, view, &context.budget.meter());
        held.map_err(|reason| ErrorResponse::new(503, reason.to_string()))
    }
}

fn is_active(kind: &ResourceType, document: &Resource) -> bool {
    let active = kind.attribute_id("active");
    active.and_then(|id| document.get(kind, id)) != Some(&Value::Bool(false))
}

/// Returns the folded name of an account.
fn name(kind: &ResourceType, document: &Resource) -> Option<String> {
    let names = ["userName", "displayName"];
    let name = names
        .into_iter()
        .find(|name| kind.attribute_id(name).is_some())?;
    let texts = texts(kind, Some(document), name);
    texts.first().map(|text| fold_case(text).into_owned())
}
