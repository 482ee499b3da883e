//! The limits on the number of tenants, connections and tokens.

use std::fmt;

use crate::{StoreError, TenantEntry};

/// The maximum numbers of tenants, of connections per tenant, and of tokens per connection.
///
/// - A limit is exact, even if several callers or processes create entries at the same time.
/// - It rejects new entries only: if it is lowered, entries beyond it stay, and can be changed. A token can be replaced
///   as long as its connection does not have more tokens than the limit allows.
/// - [Imports](crate::Archive) are not limited, but imported entries count.
///
/// # Example
/// ```
/// use chrono::DateTime;
/// use scimkit_store::{Stamp, TenantLimits};
///
/// let mut limits = TenantLimits::default();
/// assert_eq!((limits.tenants, limits.connections, limits.tokens), (100_000, 100, 100));
/// limits.connections = 1;
/// let stamp = Stamp::new(DateTime::UNIX_EPOCH).with_limits(limits);
/// assert_eq!(stamp.limits.connections, 1);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TenantLimits {
    /// Connections per tenant: 100.
    pub connections: u64,
    /// Tenants of a store: 100,000.
    pub tenants: u64,
    /// Tokens per connection: 100. Only tokens that are [in use](crate::TokenRecord::is_in_use) count.
    pub tokens: u64,
}

impl TenantLimits {
    /// Limits that are never reached.
    pub const NONE: TenantLimits = TenantLimits {
        connections: u64::MAX,
        tenants: u64::MAX,
        tokens: u64::MAX,
    };

    /// Checks that one more entry of that kind can be created next to `count` existing ones.
    ///
    /// # Errors
    /// [`StoreError::TooManyEntries`].
    pub(crate) fn check(&self, kind: EntryKind, count: u64) -> Result<(), StoreError> {
        let limit = match kind {
            EntryKind::Connection => self.connections,
            EntryKind::Tenant => self.tenants,
            EntryKind::Token => self.tokens,
        };
        if count < limit {
            Ok(())
        } else {
            Err(StoreError::TooManyEntries { kind, limit })
        }
    }
}

impl Default for TenantLimits {
    fn default() -> Self {
        TenantLimits {
            connections: 100,
            tenants: 100_000,
            tokens: 100,
        }
    }
}

/// The kind of a [`TenantEntry`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "one per kind of entry")]
pub enum EntryKind {
    /// A connection.
    Connection,
    /// A tenant.
    Tenant,
    /// A token.
    Token,
}

impl fmt::Display for EntryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EntryKind::Connection => "connection",
            EntryKind::Tenant => "tenant",
            EntryKind::Token => "token",
        })
    }
}

impl TenantEntry {
    pub(crate) fn kind(&self) -> EntryKind {
        match self {
            TenantEntry::Connection(_) => EntryKind::Connection,
            TenantEntry::Tenant(_) => EntryKind::Tenant,
            TenantEntry::Token(_) => EntryKind::Token,
        }
    }
}

/// The text of the error about a limit that is reached: its kind and number.
pub(crate) struct Reached(pub(crate) EntryKind, pub(crate) u64);

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (owner, entries, remedy) = match self.0 {
            EntryKind::Connection => ("tenant", "connections", "remove one that is not needed"),
            EntryKind::Tenant => ("store", "tenants", "erase one that is not needed"),
            EntryKind::Token => (
                "connection",
                "valid tokens",
                "revoke one that is not needed",
            ),
        };
        let limit = self.1;
        write!(
            f,
            "the {owner} has as many {entries} as the limit of {limit} allows: {remedy}, or raise the limit"
        )
    }
}
