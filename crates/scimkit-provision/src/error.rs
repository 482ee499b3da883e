//! Why something could not be done for an administrator.

use std::fmt;

use scimkit_core::excerpt;
use scimkit_server::RandomnessError;
use scimkit_store::{ConnectionSettingsError, EntryKind, StoreError, validate::InvalidEntry};

/// Why something could not be done for an administrator.
///
/// No error tells a secret, or a digest of one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// A token that is revoked, replaced or expired can't be replaced: issue another.
    #[error("token `{id}` is revoked, replaced or expired: create a new one")]
    TokenInactive {
        /// The token's id.
        id: String,
    },
    /// The id is in use: choose another.
    #[error("{kind} `{id}` already exists")]
    Exists {
        /// The id.
        id: String,
        /// Of what.
        kind: EntityKind,
    },
    /// A text that was given can't be taken.
    #[error("invalid {what} `{}`: {problem}", excerpt(text))]
    Invalid {
        /// What is wrong with it.
        problem: &'static str,
        /// The text.
        text: String,
        /// What it was to be.
        what: &'static str,
    },
    /// The system has no randomness to make a token from.
    #[error("creating a token failed: the system has no randomness")]
    NoRandomness(#[source] RandomnessError),
    /// There is nothing of that id.
    #[error("there is no {kind} `{}`", excerpt(id))]
    NotFound {
        /// The id.
        id: String,
        /// Of what.
        kind: EntityKind,
    },
    /// The rules of a connection can't be read or kept.
    #[error("{0}")]
    Settings(ConnectionSettingsError),
    /// Somebody else changed it in between: look again, then try again.
    #[error("{kind} `{id}` was changed in the meantime: load it and try again")]
    Stale {
        /// The id.
        id: String,
        /// Of what.
        kind: EntityKind,
    },
    /// One more would exceed a limit on the number of tenants, connections or tokens: remove one, or
    /// [raise the limit](crate::TenantAdmin::with_limits). Nothing was done.
    ///
    /// An application that answers over HTTP answers 403, as the server does for limits on the number of resources.
    #[error("{problem}")]
    TooMany {
        /// Of what.
        kind: EntityKind,
        /// The limit.
        limit: u64,
        /// The limit and what to do, in words.
        problem: String,
    },
    /// What keeps it failed or is busy.
    #[error("the tenant store is unavailable")]
    Store(#[source] StoreError),
}

/// What an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EntityKind {
    /// A connection of a tenant.
    Connection,
    /// A tenant.
    Tenant,
    /// A token of a tenant.
    Token,
}

impl fmt::Display for EntityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EntityKind::Connection => "connection",
            EntityKind::Tenant => "tenant",
            EntityKind::Token => "token",
        })
    }
}

impl From<EntryKind> for EntityKind {
    fn from(kind: EntryKind) -> Self {
        match kind {
            EntryKind::Connection => EntityKind::Connection,
            EntryKind::Tenant => EntityKind::Tenant,
            EntryKind::Token => EntityKind::Token,
        }
    }
}

impl From<InvalidEntry> for AdminError {
    fn from(error: InvalidEntry) -> Self {
        match error {
            InvalidEntry::Rules(error) => AdminError::Settings(error),
            InvalidEntry::Text {
                problem,
                text,
                what,
            } => AdminError::Invalid {
                problem,
                text,
                what,
            },
            other => AdminError::Store(StoreError::backend(other)),
        }
    }
}

impl From<ConnectionSettingsError> for AdminError {
    fn from(error: ConnectionSettingsError) -> Self {
        AdminError::Settings(error)
    }
}

impl From<RandomnessError> for AdminError {
    fn from(error: RandomnessError) -> Self {
        AdminError::NoRandomness(error)
    }
}
