//! The errors of opening a file and of using a store.

use rusqlite::ErrorCode;
use scimkit_registry::{Exhausted, InvalidDocument, ResourceId};
use scimkit_store::StoreError;

/// The reason why a file can't be opened as a store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file is marked as a store, but its contents match no release of this crate.
    #[error("the file is a damaged store: {detail}")]
    Damaged {
        /// The mismatch.
        detail: String,
    },
    /// The file belongs to another application.
    #[error("the file is not a store: it belongs to another application")]
    Foreign,
    /// The file is open, in this process or another one, but the operation needs it exclusively.
    #[error("the file is in use: stop every process that uses it")]
    InUse,
    /// A later release of this crate wrote the file.
    #[error("the file has format {found}, this release knows up to {known}")]
    Newer {
        /// The format of the file.
        found: i64,
        /// The latest format that this release supports.
        known: i64,
    },
    /// SQLite reports an error.
    #[error("the database can't be opened")]
    Sqlite(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The operating system can't start a thread.
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

/// A stored resource that conflicts with a changed schema: see
/// [`Reindexed`](crate::Reindexed::problems).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// A value no longer has the type of its attribute.
    #[error("the schema changed, and `{attr}` of the stored {kind} `{id}` does not fit it")]
    Misfit {
        /// The path of the attribute.
        attr: String,
        /// The id of the resource.
        id: ResourceId,
        /// The resource type.
        kind: String,
    },
    /// Two resources have the same value of an attribute that became unique.
    #[error("the schema changed, and `{attr}` of the stored {kind} `{id}` is not unique")]
    NotUnique {
        /// The path of the attribute.
        attr: String,
        /// The id of one of the resources.
        id: ResourceId,
        /// The resource type.
        kind: String,
    },
}

/// An error while a statement is executed and its rows are processed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The file is not a valid store.
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

/// The kind of a database failure, as far as it matters to callers.
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
