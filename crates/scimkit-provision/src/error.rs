//! Why something could not be done for an administrator.

use std::fmt;

use scimkit_core::excerpt;
use scimkit_server::NoRandomness;
use scimkit_store::{ConnectionSettingsError, EntryKind, StoreError, validate::InvalidEntry};

/// Why something could not be done for an administrator.
///
/// No error tells a secret, or a digest of one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A token that is revoked, replaced or expired can't be replaced: issue another.
    #[error("token `{id}` is revoked, replaced or expired; make a new one instead")]
    Ended {
        /// The token's id.
        id: String,
    },
    /// The id is in use: choose another.
    #[error("there is a {kind} `{id}` already")]
    Exists {
        /// The id.
        id: String,
        /// Of what.
        kind: Kind,
    },
    /// A text that was given can't be taken.
    #[error("the {what} `{}` can't be taken: {problem}", excerpt(text))]
    Invalid {
        /// What is wrong with it.
        problem: &'static str,
        /// The text.
        text: String,
        /// What it was to be.
        what: &'static str,
    },
    /// The system has no randomness to make a token from.
    #[error("no token can be made")]
    NoRandomness(#[source] NoRandomness),
    /// There is nothing of that id.
    #[error("there is no {kind} `{}`", excerpt(id))]
    NotFound {
        /// The id.
        id: String,
        /// Of what.
        kind: Kind,
    },
    /// The rules of a connection can't be read or kept.
    #[error("{0}")]
    Rules(ConnectionSettingsError),
    /// Somebody else changed it in between: look again, then try again.
    #[error("{kind} `{id}` was changed by somebody else; nothing was done")]
    Stale {
        /// The id.
        id: String,
        /// Of what.
        kind: Kind,
    },
    /// One more would exceed a limit on the number of tenants, connections or tokens: remove one, or
    /// [raise the limit](crate::Administration::with_limits). Nothing was done.
    ///
    /// An application that answers over HTTP answers 403, as the server does for limits on the number of resources.
    #[error("{problem}")]
    TooMany {
        /// Of what.
        kind: Kind,
        /// The limit.
        limit: u64,
        /// The limit and what to do, in words.
        problem: String,
    },
    /// What keeps it failed or is busy.
    #[error("tenants, connections and tokens can't be reached")]
    Store(#[source] StoreError),
}

/// What an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A connection of a tenant.
    Connection,
    /// A tenant.
    Tenant,
    /// A token of a tenant.
    Token,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Connection => "connection",
            Kind::Tenant => "tenant",
            Kind::Token => "token",
        })
    }
}

impl From<EntryKind> for Kind {
    fn from(kind: EntryKind) -> Self {
        match kind {
            EntryKind::Connection => Kind::Connection,
            EntryKind::Tenant => Kind::Tenant,
            EntryKind::Token => Kind::Token,
        }
    }
}

impl From<InvalidEntry> for Error {
    fn from(error: InvalidEntry) -> Self {
        match error {
            InvalidEntry::Rules(error) => Error::Rules(error),
            InvalidEntry::Text {
                problem,
                text,
                what,
            } => Error::Invalid {
                problem,
                text,
                what,
            },
            other => Error::Store(StoreError::backend(other)),
        }
    }
}

impl From<ConnectionSettingsError> for Error {
    fn from(error: ConnectionSettingsError) -> Self {
        Error::Rules(error)
    }
}

impl From<NoRandomness> for Error {
    fn from(error: NoRandomness) -> Self {
        Error::NoRandomness(error)
    }
}
