//! The identifiers of tenants and connections.

use std::{
    fmt,
    sync::{Arc, LazyLock},
};

/// The default identifier of a tenant and of a connection, allocated once.
static ONLY: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("default"));

/// The identifier of a tenant. The data of a tenant are invisible to every other tenant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(Arc<str>);

impl TenantId {
    /// Returns the identifier's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for TenantId {
    /// Returns `default`, the tenant of an application that has only one.
    fn default() -> Self {
        TenantId(Arc::clone(&ONLY))
    }
}

impl From<&str> for TenantId {
    fn from(text: &str) -> Self {
        TenantId(text.into())
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The identifier of a tenant's connection to an identity provider.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(Arc<str>);

impl ConnectionId {
    /// Returns the identifier's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for ConnectionId {
    /// Returns `default`, the connection of an application that has only one.
    fn default() -> Self {
        ConnectionId(Arc::clone(&ONLY))
    }
}

impl From<&str> for ConnectionId {
    fn from(text: &str) -> Self {
        ConnectionId(text.into())
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
