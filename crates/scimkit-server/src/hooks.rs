//! Hooks for the application: see also [`ChangeGuard`].

use std::{fmt, sync::Arc};

use scimkit_core::ErrorResponse;
use scimkit_registry::{ResourceId, ResourceType};
use scimkit_store::{BoxFuture, RequestContext, TenantId};
use serde_json::Value;

use crate::guard::ChangeGuard;

/// A handler for the passwords that identity providers send. Without one, passwords are dropped and counted.
///
/// Whatever the handler does, passwords are never returned, filtered on or logged. An attribute is treated as a
/// password if the schema declares it write-only. A write-only sub-attribute of a multi-valued attribute is handled
/// together with its value.
pub trait SecretHandler: fmt::Debug + Send + Sync + 'static {
    /// Handles one password before the write that it is part of.
    ///
    /// It is called once per attribute and write, even if the write is tried again after a conflict.
    ///
    /// - If it returns `None`, the change does not include the attribute, and the handler's effect remains even if the
    ///   write fails. If a create fails, no resource ever has this id.
    /// - If it returns a value, for example a hash, the value replaces the password in the [`Change`](scimkit_registry::Change). A
    ///   [`Store`](scimkit_store::Store) that the application implements can store it in the same write, but not in
    ///   the document of the resource. scimkit's stores and all stores over
    ///   [`rows`](scimkit_store::rows) drop the value, and only count the write as a change.
    ///
    /// # Errors
    /// The error for the client, such as [`ErrorResponse::invalid_value`] for a password that is too short. Nothing
    /// is written in this case.
    fn take<'a>(
        &'a self,
        context: &'a RequestContext,
        secret: Secret<'a>,
    ) -> BoxFuture<'a, Result<Option<Value>, ErrorResponse>>;
}

/// The value of a write-only attribute, as sent.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Secret<'a> {
    /// The id of the resource. A create that adopts or restores an existing resource ends with another id, as does
    /// a create in a store that assigns its own ids.
    pub id: &'a ResourceId,
    /// The resource type.
    pub kind: &'a ResourceType,
    /// The path of the attribute, such as `password`.
    pub path: &'a str,
    /// The value as sent.
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

/// A listener that is called when a request has changed the data of a tenant.
///
/// It is a hint for consumers of the [`Journal`](scimkit_store::Journal), so that they need not wait for their next
/// poll. Some changes come without it: those of other processes, of archive imports, of the application itself, and
/// of requests whose client disconnects during the write.
pub trait ChangeListener: fmt::Debug + Send + Sync + 'static {
    /// Called after each commit, before the response is sent. It must return at once.
    fn changed(&self, tenant: &TenantId);
}

/// The hooks that the application has set.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hooks {
    pub(crate) guards: Vec<Arc<dyn ChangeGuard>>,
    pub(crate) secrets: Option<Arc<dyn SecretHandler>>,
}

impl Hooks {
    /// Returns whether any hook is set.
    pub(crate) fn are_asked(&self) -> bool {
        !self.guards.is_empty() || self.secrets.is_some()
    }
}
