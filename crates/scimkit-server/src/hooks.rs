//! Where the host has a say.

use std::{fmt, sync::Arc};

use scimkit_core::ErrorResponse;
use scimkit_registry::{Change, ResourceId, ResourceType};
use scimkit_store::{BoxFuture, RequestContext};
use serde_json::Value;

/// Is asked before a resource is created, and may refuse it: when all seats are taken, for one.
///
/// - It is asked about each `POST`, also about one that then takes a resource that is there (see
///   [`CreatePolicy`](scimkit_store::CreatePolicy)) or fails in the store.
/// - Of a bulk request it is asked about each operation once those before it are carried out, but about
///   those that refer to each other in a circle before any of them is.
/// - The change that it sees has no passwords.
/// - Between the question and the write others may write: creates that come at the same time may all
///   be let through. A store that must count exactly counts inside the write, and answers
///   [`StoreError::Rejected`](scimkit_store::StoreError::Rejected).
///
/// # Example
/// ```
/// use scimkit_core::ErrorResponse;
/// use scimkit_registry::Change;
/// use scimkit_server::CreateGuard;
/// use scimkit_store::{BoxFuture, RequestContext};
///
/// #[derive(Debug)]
/// struct Seats;
///
/// impl CreateGuard for Seats {
///     fn check<'a>(&'a self, _: &'a RequestContext, change: &'a Change) -> BoxFuture<'a, Result<(), ErrorResponse>> {
///         let (full, is_user) = (true, change.kind().name() == "User");
///         Box::pin(async move {
///             match full && is_user {
///                 true => Err(ErrorResponse::forbidden("all 50 seats are taken: buy more, or remove users")),
///                 false => Ok(()),
///             }
///         })
///     }
/// }
/// ```
pub trait CreateGuard: fmt::Debug + Send + Sync + 'static {
    /// Says whether the resource that a change makes is wanted.
    ///
    /// # Errors
    /// What the client is told; the provider shows its `detail` to the administrator.
    fn check<'a>(
        &'a self,
        scope: &'a RequestContext,
        change: &'a Change,
    ) -> BoxFuture<'a, Result<(), ErrorResponse>>;
}

/// Takes the passwords that providers send; without one they are dropped, and that is counted.
///
/// Whatever it does with them, they are never returned, filtered on or logged. Passwords are what the
/// schema says is write-only; a write-only part of a value of a multi-valued attribute goes with its
/// value.
pub trait SecretHandler: fmt::Debug + Send + Sync + 'static {
    /// Takes one, before the write that it is part of, and once for each request.
    ///
    /// The value that it gives stands in the [`Change`] in its place, so that the host's own store
    /// writes it together with the rest: a hash, for one. With none, the change says nothing of it,
    /// and what was taken counts whether or not the write succeeds; of a create that fails, nobody
    /// will ever have the id.
    ///
    /// # Errors
    /// What the client is told, such as [`ErrorResponse::invalid_value`] for a password that is too short.
    /// Nothing is written then.
    fn take<'a>(
        &'a self,
        scope: &'a RequestContext,
        secret: Secret<'a>,
    ) -> BoxFuture<'a, Result<Option<Value>, ErrorResponse>>;
}

/// The value of a write-only attribute, as sent.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Secret<'a> {
    /// Of which resource. A create that takes one that is there has another id, and so has one in a
    /// store that gives ids of its own.
    pub id: &'a ResourceId,
    /// Of which type.
    pub kind: &'a ResourceType,
    /// The attribute's path: `password`.
    pub path: &'a str,
    /// What was sent.
    pub value: &'a Value,
}

impl fmt::Debug for Secret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret")
            .field("id", self.id)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Those that the host has given.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hooks {
    pub(crate) guard: Option<Arc<dyn CreateGuard>>,
    pub(crate) secrets: Option<Arc<dyn SecretHandler>>,
}

impl Hooks {
    /// Whether there are any.
    pub(crate) fn are_asked(&self) -> bool {
        self.guard.is_some() || self.secrets.is_some()
    }
}
