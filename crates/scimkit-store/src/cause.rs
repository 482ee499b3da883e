//! The cause of a change.

use std::sync::Arc;

use crate::ConnectionId;

/// The connection, caller and request that cause a change; all are empty for the application itself.
///
/// The connection owns the resources that it creates or adopts. The caller and the request are recorded in the
/// [journal](crate::Journal).
///
/// # Example
/// ```
/// use scimkit_store::{Cause, ConnectionId};
///
/// let cause = Cause::application()
///     .with_connection(ConnectionId::from("entra"))
///     .with_actor("token-7")
///     .with_request("01J8");
/// assert_eq!(cause.connection, Some(ConnectionId::from("entra")));
/// assert_eq!(cause.actor.as_deref(), Some("token-7"));
/// assert_eq!(Cause::application(), Cause::default());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cause {
    /// The authenticated caller: the id of a token, or a subject of the application's own.
    pub actor: Option<Arc<str>>,
    /// The connection through which the caller acts.
    pub connection: Option<ConnectionId>,
    /// The id of the request, as logs and the `X-Request-Id` of its response show it.
    pub request: Option<Arc<str>>,
}

impl Cause {
    /// Creates the cause of a change by the application itself.
    #[must_use]
    pub fn application() -> Self {
        Cause::default()
    }

    /// Sets the caller.
    #[must_use]
    pub fn with_actor(mut self, actor: impl Into<Arc<str>>) -> Self {
        self.actor = Some(actor.into());
        self
    }

    /// Sets the connection.
    #[must_use]
    pub fn with_connection(mut self, connection: ConnectionId) -> Self {
        self.connection = Some(connection);
        self
    }

    /// Sets the id of the request.
    #[must_use]
    pub fn with_request(mut self, request: impl Into<Arc<str>>) -> Self {
        self.request = Some(request.into());
        self
    }
}
