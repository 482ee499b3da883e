//! Guards: the application's checks of every change that a request makes.

use std::{
    fmt,
    sync::{Arc, LazyLock},
};

use scimkit_core::{ErrorResponse, Version};
use scimkit_registry::{AttrId, Change, RequestError, Resource, ResourceId, ResourceType};
use scimkit_store::{BoxFuture, ConnectionId, RequestContext};

/// A guard that can reject a change of a resource before it is written.
///
/// - It is called for every change that a request makes: `POST`, `PUT`, `PATCH` and `DELETE`, also of `/Me` and of
///   each operation of a bulk request.
/// - It is called once for each attempt to write, and its answer is valid for exactly the version that it saw. If
///   another request changes the resource in between, nothing is written: the change is computed again from the new
///   version, and the guard is called again. For a create that may adopt or restore a resource, this also
///   holds for the choice of that resource.
/// - It is not called if nothing changes, such as for a `PATCH` that adds an existing member, nor if the request fails
///   before, such as for an unknown id or a failed `If-Match`. The store may still reject a change that the guard
///   accepts, such as a duplicate.
/// - In a bulk request, the operations are carried out one after another, so that `before` contains the changes of
///   the operations before it. Operations in a reference cycle are all checked before any of them is carried out.
/// - It is not called for the effects of a change on other resources: a deleted user leaves its groups, and the guard is
///   called for the delete alone.
/// - It is not called for changes that no request makes: archive imports and calls of the
///   [`Store`](scimkit_store::Store) by the application itself.
///
/// Without guards, a server makes no additional call of the store. With one, each update and delete first reads the
/// resource, a create that may adopt or restore a resource is first [checked](scimkit_store::Intent::Check), and so is a
/// change of memberships alone, to find out whether it changes anything. A store that can't check a batch
/// ([`Capabilities::check`](scimkit_store::Capabilities)) or compare its
/// result (`match_pins`) then answers 501 to a create that may adopt or restore a resource, and has the guard called for
/// every change of memberships.
///
/// A guard sees one resource. To limit the number of resources, such as seats, or to keep a last administrator, use
/// [capacities](scimkit_store::engine::Policy::capacities), which the store enforces inside the write: they are exact
/// however many requests write at once, and hold for creates, reactivation by `PATCH` and imports alike.
///
/// # Example
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::sync::Arc;
/// use http::{Request, header::AUTHORIZATION};
/// use scimkit_core::ErrorResponse;
/// use scimkit_server::{BearerTokens, ChangeGuard, ChangeVerb, ProposedChange, Server, Token};
/// use scimkit_store::{BoxFuture, MemoryStore, RequestContext, Settings};
///
/// const WORK: &str = r#"emails[type eq "work"].value"#;
///
/// /// Users are deactivated, never deleted, and keep their work address.
/// #[derive(Debug)]
/// struct KeepUsers;
///
/// impl ChangeGuard for KeepUsers {
///     fn check<'a>(
///         &'a self,
///         _: &'a RequestContext,
///         proposed: &'a ProposedChange,
///     ) -> BoxFuture<'a, Result<(), ErrorResponse>> {
///         Box::pin(async move {
///             if proposed.kind.name() != "User" {
///                 return Ok(());
///             }
///             if proposed.verb == ChangeVerb::Delete {
///                 return Err(ErrorResponse::forbidden("users can't be deleted: set `active` to false"));
///             }
///             if proposed.text_before(WORK)?.is_some() && proposed.changes(WORK)? {
///                 return Err(ErrorResponse::forbidden("the work address can't be changed: add another address"));
///             }
///             Ok(())
///         })
///     }
/// }
///
/// let token = Token::generate().unwrap();
/// let server = Server::new(Arc::new(MemoryStore::new()), Settings::new("https://app.example"))
///     .with_authentication(BearerTokens::new([token.digest()]))
///     .with_guard(KeepUsers);
/// let call = |method, path: &str, body: &str| {
///     let request = Request::builder().method(method).uri(path);
///     let request = request.header(AUTHORIZATION, format!("Bearer {}", token.reveal()));
///     server.handle(request.body(body.to_owned()).unwrap())
/// };
/// let user = r#"{"userName": "bjensen", "emails": [{"type": "work", "value": "b@x.example"}]}"#;
/// let created = call("POST", "/Users", user).await;
/// assert_eq!(created.status(), 201);
/// let location = created.headers()["location"].to_str().unwrap();
/// let path = location.trim_start_matches("https://app.example");
/// let moved = user.replace("b@x.example", "b@evil.example");
/// assert_eq!(call("PUT", path, &moved).await.status(), 403);
/// assert_eq!(call("DELETE", path, "").await.status(), 403);
/// assert_eq!(call("GET", path, "").await.status(), 200);
/// # }
/// ```
pub trait ChangeGuard: fmt::Debug + Send + Sync + 'static {
    /// Checks whether the change may be written.
    ///
    /// # Errors
    /// The error for the client. The identity provider shows its `detail` to the administrator, so it should say what to
    /// do.
    fn check<'a>(
        &'a self,
        context: &'a RequestContext,
        proposed: &'a ProposedChange,
    ) -> BoxFuture<'a, Result<(), ErrorResponse>>;
}

/// A change that a request is about to make.
///
/// No part of it contains a password or another write-only value.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ProposedChange {
    /// The resource after the change, without `id`, `meta` and memberships; `None` for a delete, also if
    /// the resource is then soft-deleted.
    pub after: Option<Arc<Resource>>,
    /// The resource before the change, in the same form; `None` for a new one. For [`ChangeVerb::Adopt`] and
    /// [`ChangeVerb::Restore`] it is the existing resource.
    pub before: Option<Arc<Resource>>,
    /// The changed attributes, and the changes of memberships ([`Change::edge_changes`]); empty for a delete.
    ///
    /// Memberships are given as edits, as the client requests them, since a group may have 100,000 members: edges to
    /// add and to remove, of which some may already be there or not, or the whole new set. A guard that needs the current
    /// members asks the store for them ([`EdgeQuery`](scimkit_store::EdgeQuery)).
    pub change: Change,
    /// The id of the resource. That of a new resource is a proposal if the store assigns ids itself.
    pub id: ResourceId,
    /// The type of the resource.
    pub kind: Arc<ResourceType>,
    /// The connection that owns the resource before the change; `None` without an owner, for a new resource,
    /// and if the store does not store owners. The connection that makes the change is that of the
    /// [context](RequestContext::cause).
    pub owner: Option<ConnectionId>,
    /// The write-only attributes, such as `password`, that the change sets or removes. It is empty without a
    /// [`SecretHandler`](crate::SecretHandler), since their values are then dropped.
    pub secrets: Vec<AttrId>,
    /// The kind of change.
    pub verb: ChangeVerb,
    /// The version before the change; `None` for a new resource.
    pub version: Option<Version>,
}

/// Values by path. See [`Resource::at`] for the paths, which must be in the schemas of the [type](ProposedChange::kind): check
/// the type first if the guard is about users only.
impl ProposedChange {
    /// Returns the text at a path after the change, as [`Resource::text`] does; none for a delete.
    ///
    /// # Errors
    /// 500 if the path is not one of the type, which is an error in the guard: the log has the details.
    ///
    /// # Example
    /// See [`ChangeGuard`].
    pub fn text(&self, path: &str) -> Result<Option<&str>, ErrorResponse> {
        self.read(self.after.as_deref(), path, Resource::text)
    }

    /// Returns the text at a path before the change; none for a new resource.
    ///
    /// # Errors
    /// See [`ProposedChange::text`].
    pub fn text_before(&self, path: &str) -> Result<Option<&str>, ErrorResponse> {
        self.read(self.before.as_deref(), path, Resource::text)
    }

    /// Returns the boolean at a path after the change, as [`Resource::boolean`] does; none for a delete.
    ///
    /// # Errors
    /// See [`ProposedChange::text`].
    pub fn boolean(&self, path: &str) -> Result<Option<bool>, ErrorResponse> {
        self.read(self.after.as_deref(), path, Resource::boolean)
    }

    /// Returns the boolean at a path before the change; none for a new resource.
    ///
    /// # Errors
    /// See [`ProposedChange::text`].
    pub fn boolean_before(&self, path: &str) -> Result<Option<bool>, ErrorResponse> {
        self.read(self.before.as_deref(), path, Resource::boolean)
    }

    /// Returns whether the values at a path differ before and after the change, also in their order.
    ///
    /// # Errors
    /// See [`ProposedChange::text`].
    pub fn changes(&self, path: &str) -> Result<bool, ErrorResponse> {
        let values = |document| {
            self.read(document, path, |document, kind, path| {
                document.at(kind, path).map(Some)
            })
        };
        let before = values(self.before.as_deref())?.unwrap_or_default();
        let after = values(self.after.as_deref())?.unwrap_or_default();
        Ok(before != after)
    }

    /// Reads a value. A missing document is read as an empty one, so that a wrong path is always an error.
    fn read<'r, T: 'r>(
        &'r self,
        document: Option<&'r Resource>,
        path: &str,
        read: impl Fn(&'r Resource, &ResourceType, &str) -> Result<Option<T>, RequestError>,
    ) -> Result<Option<T>, ErrorResponse> {
        static EMPTY: LazyLock<Resource> = LazyLock::new(Resource::default);
        let read = read(document.unwrap_or(&EMPTY), &self.kind, path);
        read.map_err(|error| {
            let kind = self.kind.name();
            tracing::error!(kind, path, %error, "path of a guard is unusable");
            ErrorResponse::internal("a guard of the service is misconfigured: its log has details")
        })
    }
}

/// The kind of a [`ProposedChange`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChangeVerb {
    /// A create that adopts a resource without an owner.
    Adopt,
    /// A create of a new resource.
    Create,
    /// A delete, permanent or soft.
    Delete,
    /// A create that restores a soft-deleted resource, or takes over a deactivated one.
    Restore,
    /// A change of an existing resource.
    Update,
}
