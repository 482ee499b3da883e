//! The context of a request.

use std::sync::Arc;

use scimkit_registry::Budget;

use crate::{Cause, ConnectionId, Settings, TenantId};

/// The context of a request to a store: the tenant, the connection settings, and the application's own values for
/// its own store, such as a principal or a span.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RequestContext {
    /// The work that the request may cause. A store charges its work to the budget, and stops when that runs out.
    pub budget: Budget,
    /// The connection, caller and request. The server and [`StoreExt`](crate::StoreExt) copy it to
    /// [`Batch::cause`](crate::Batch), which the store records.
    pub cause: Cause,
    /// The application's own values, by type.
    pub extensions: http::Extensions,
    /// The connection settings.
    pub settings: Arc<Settings>,
    /// The tenant.
    pub tenant: TenantId,
}

impl RequestContext {
    /// Creates a context for the application itself, without extensions and with an unlimited budget.
    #[must_use]
    pub fn new(tenant: TenantId, settings: Arc<Settings>) -> Self {
        RequestContext {
            budget: Budget::unlimited(),
            cause: Cause::application(),
            extensions: http::Extensions::new(),
            settings,
            tenant,
        }
    }

    /// Sets the budget for the work that the request may cause.
    #[must_use]
    pub fn with_budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// Sets the connection that acts.
    #[must_use]
    pub fn with_connection(mut self, connection: ConnectionId) -> Self {
        self.cause.connection = Some(connection);
        self
    }
}
