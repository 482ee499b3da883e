//! The errors of tenant administration.

use scimkit_core::excerpt;
use scimkit_server::RandomnessError;
use scimkit_store::{ConnectionSettingsError, EntryKind, StoreError, validate::InvalidEntry};

/// The reason why an operation of [`TenantAdmin`](crate::TenantAdmin) failed.
///
/// No error contains a token or the digest of one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// A token that is revoked, replaced or expired can't be replaced: create a new one.
    #[error("token `{id}` is revoked, replaced or expired: create a new one")]
    TokenInactive {
        /// The id of the token.
        id: String,
    },
    /// The id is in use: choose another.
    #[error("{kind} `{id}` already exists")]
    Exists {
        /// The id.
        id: String,
        /// The kind of the existing entry.
        kind: EntryKind,
    },
    /// A text is invalid.
    #[error("invalid {what} `{}`: {problem}", excerpt(text))]
    Invalid {
        /// The fault of the text.
        problem: &'static str,
        /// The text.
        text: String,
        /// The meaning of the text, such as `tenant id`.
        what: &'static str,
    },
    /// The system provides no random numbers for a token.
    #[error("creating a token failed: the system has no randomness")]
    NoRandomness(#[source] RandomnessError),
    /// No entry has the id.
    #[error("there is no {kind} `{}`", excerpt(id))]
    NotFound {
        /// The id.
        id: String,
        /// The kind of the missing entry.
        kind: EntryKind,
    },
    /// The settings of a connection are invalid or too long.
    #[error("{0}")]
    Settings(ConnectionSettingsError),
    /// The entry was changed since it was read: read it again, then retry.
    #[error("{kind} `{id}` was changed in the meantime: load it and try again")]
    VersionMismatch {
        /// The id.
        id: String,
        /// The kind of the changed entry.
        kind: EntryKind,
    },
    /// One more entry would exceed a limit on the number of tenants, connections or tokens: remove one, or
    /// [raise the limit](crate::TenantAdmin::with_limits). Nothing was changed.
    ///
    /// An application with an HTTP API should respond with 403, as the server does for limits on the number of
    /// resources.
    #[error("{problem}")]
    TooMany {
        /// The kind of the limited entries.
        kind: EntryKind,
        /// The limit.
        limit: u64,
        /// The limit and the remedy, in words.
        problem: String,
    },
    /// The tenant store failed or is busy.
    #[error("the tenant store is unavailable")]
    Store(#[source] StoreError),
}

impl From<InvalidEntry> for AdminError {
    fn from(error: InvalidEntry) -> Self {
        match error {
            InvalidEntry::Settings(error) => AdminError::Settings(error),
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
