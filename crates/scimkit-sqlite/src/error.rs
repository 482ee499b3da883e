//! Why a file can't be opened, and why a store can't answer.

use rusqlite::ErrorCode;
use scimkit_registry::{Exhausted, InvalidDocument, ResourceId};
use scimkit_store::StoreError;

/// Why a file can't be opened as a store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file is marked as a store, but no release wrote it in this form.
    #[error("the file is a damaged store: {detail}")]
    Damaged {
        /// What is wrong with it.
        detail: String,
    },
    /// The file belongs to something else.
    #[error("the file is not a store: it belongs to another application")]
    Foreign,
    /// The file is open, in this process or another one.
    #[error("the file is in use: stop every process that uses it")]
    InUse,
    /// A later release of this crate wrote the file.
    #[error("the file has format {found}, this release knows up to {known}")]
    Newer {
        /// The file's format.
        found: i64,
        /// The last format known here.
        known: i64,
    },
    /// SQLite refuses.
    #[error("the database can't be opened")]
    Sqlite(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No thread to work on.
    #[error("a thread can't be started")]
    Thread(#[source] std::io::Error),
}

impl From<Failure> for OpenError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Open(error) => error,
            Failure::Sqlite(error) => match error.sqlite_error_code() {
                Some(ErrorCode::NotADatabase) => OpenError::Foreign,
                _ => OpenError::Sqlite(error.into()),
            },
            other => OpenError::Sqlite(StoreError::from(other).into()),
        }
    }
}

/// A stored resource that does not agree with a changed schema: see
/// [`Reindexed`](crate::Reindexed::problems).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// A value that is not of its attribute's type any more.
    #[error("the schema changed, and `{attr}` of the stored {kind} `{id}` does not fit it")]
    Misfit {
        /// The attribute's path.
        attr: String,
        /// Which resource.
        id: ResourceId,
        /// The resource type.
        kind: String,
    },
    /// Two resources have the same value of an attribute that became unique.
    #[error("the schema changed, and `{attr}` of the stored {kind} `{id}` is not unique")]
    NotUnique {
        /// The attribute's path.
        attr: String,
        /// One of the resources.
        id: ResourceId,
        /// The resource type.
        kind: String,
    },
}

/// What can go wrong while a statement's answer is being made.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The file is none of ours.
    Open(OpenError),
    Sqlite(rusqlite::Error),
    Store(StoreError),
}

pub(crate) type Outcome<T> = Result<T, Failure>;

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Failure::Sqlite(error)
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Failure::Open(error)
    }
}

impl From<Exhausted> for Failure {
    fn from(reason: Exhausted) -> Self {
        Failure::Store(reason.into())
    }
}

impl From<InvalidDocument> for Failure {
    fn from(problem: InvalidDocument) -> Self {
        Failure::Store(problem.into())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Failure::Store(error)
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Open(error) => StoreError::unavailable(error),
            Failure::Sqlite(error) => Cause::of_sqlite(&error).store_error(error),
            Failure::Store(error) => error,
        }
    }
}

/// What a failure of the database means for those who wait for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    Busy,
    Full,
    Other,
    Unavailable,
}

impl Cause {
    pub(crate) fn of_sqlite(error: &rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Cause::Busy,
            Some(ErrorCode::DiskFull) => Cause::Full,
            Some(
                ErrorCode::CannotOpen
                | ErrorCode::OutOfMemory
                | ErrorCode::PermissionDenied
                | ErrorCode::ReadOnly
                | ErrorCode::SystemIoFailure,
            ) => Cause::Unavailable,
            _ => Cause::Other,
        }
    }

    pub(crate) fn of_store(error: &StoreError) -> Self {
        match error {
            StoreError::Busy => Cause::Busy,
            StoreError::StorageFull(_) => Cause::Full,
            StoreError::Unavailable(_) => Cause::Unavailable,
            _ => Cause::Other,
        }
    }

    pub(crate) fn store_error(
        self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> StoreError {
        match self {
            Cause::Busy => StoreError::Busy,
            Cause::Full => StoreError::storage_full(source),
            Cause::Other => StoreError::backend(source),
            Cause::Unavailable => StoreError::unavailable(source),
        }
    }
}
