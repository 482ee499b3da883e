//! The guards for accounts that must stay.

use std::{collections::BTreeSet, fmt, sync::Arc};

use scimkit_core::ErrorResponse;
use scimkit_filter::{Filter, ParseError};
use scimkit_registry::{
    AttributeRole, Operator, Predicate, Resource, ResourceId, ResourceType, ResourceView, Scalar,
    Tolerance, fold_case,
};
use scimkit_store::{BoxFuture, Query, RequestContext, Store, StoreError};
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

/// A guard that keeps at least one active account of a kind, such as an administrator.
///
/// It rejects with 403 the change that deletes or deactivates the last active account which satisfies a filter, or makes
/// it leave the filter. The filter can't use `id`, `meta`, memberships or attributes that are computed from other
/// resources.
///
/// A guard sees one account: two requests that remove the last two accounts at the same moment may both pass.
/// [`ProtectedAccounts`] has no such gap.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use scimkit_server::{Server, guards::LastAdministrator};
/// use scimkit_store::{MemoryStore, Settings};
///
/// let store = Arc::new(MemoryStore::new());
/// let guard = LastAdministrator::new(store.clone(), "User", r#"roles.value eq "admin""#)?;
/// let server = Server::new(store.clone(), Settings::new("https://app.example")).with_guard(guard);
/// # let _ = server;
/// assert!(LastAdministrator::new(store, "User", "roles.value eq").is_err());
/// # Ok::<(), scimkit_filter::ParseError>(())
/// ```
pub struct LastAdministrator {
    condition: Condition,
    kind: String,
    store: Arc<dyn Store>,
}

impl LastAdministrator {
    /// Creates the guard for the accounts of a resource type, such as `User`, that satisfy a filter.
    ///
    /// # Errors
    /// The text is not a filter.
    pub fn new(
        store: Arc<dyn Store>,
        kind: impl Into<String>,
        filter: &str,
    ) -> Result<Self, ParseError> {
        Ok(LastAdministrator {
            condition: Condition::new(filter)?,
            kind: kind.into(),
            store,
        })
    }

    async fn check_others(
        &self,
        context: &RequestContext,
        proposed: &ProposedChange,
    ) -> Result<(), ErrorResponse> {
        let kind = &proposed.kind;
        let counts = |document: Option<&Resource>| match document {
            Some(document) if is_active(kind, document) => {
                self.condition.holds(context, kind, document)
            }
            _ => Ok(false),
        };
        if *kind.name() != *self.kind
            || !counts(proposed.before.as_deref())?
            || counts(proposed.after.as_deref())?
        {
            return Ok(());
        }
        let mut terms = vec![self.condition.bind(kind)?];
        if let Some(attr) = kind.attribute_id("active") {
            let op = Operator::Equal;
            let value = Scalar::Bool(false);
            let is_inactive = Predicate::Compare { attr, op, value };
            terms.push(Predicate::Not(Box::new(is_inactive)));
        }
        let query = Query::new(Arc::clone(kind))
            .with_predicate(Predicate::All(terms))
            .with_page(0, 2);
        let page = self.store.query(context, &query).await;
        let page = page.map_err(|error| unread(&error))?;
        if page.items.iter().any(|other| other.id != proposed.id) {
            return Ok(());
        }
        Err(ErrorResponse::forbidden(
            "this is the last account of its kind, such as the last administrator: appoint another one first",
        ))
    }
}

impl fmt::Debug for LastAdministrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LastAdministrator")
            .field("condition", &self.condition)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl ChangeGuard for LastAdministrator {
    fn check<'a>(
        &'a self,
        context: &'a RequestContext,
        proposed: &'a ProposedChange,
    ) -> BoxFuture<'a, Result<(), ErrorResponse>> {
        Box::pin(self.check_others(context, proposed))
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

fn unread(error: &StoreError) -> ErrorResponse {
    tracing::error!(%error, "reading the other accounts failed");
    let detail =
        "the service can't find out whether this is the last account of its kind: try again later";
    ErrorResponse::new(503, detail)
}
