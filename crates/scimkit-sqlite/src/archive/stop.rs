//! The error of an export or import.

use scimkit_store::{StoreError, archive::ArchiveError};

use crate::error::Failure;

/// The reason why an export or import ends early.
#[derive(Debug)]
pub(super) enum Stop {
    Archive(ArchiveError),
    Store(Failure),
}

pub(super) type Outcome<T> = Result<T, Stop>;

impl From<ArchiveError> for Stop {
    fn from(problem: ArchiveError) -> Self {
        Stop::Archive(problem)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Stop::Store(failure)
    }
}

impl From<StoreError> for Stop {
    fn from(problem: StoreError) -> Self {
        Stop::Store(problem.into())
    }
}

impl From<rusqlite::Error> for Stop {
    fn from(problem: rusqlite::Error) -> Self {
        Stop::Store(problem.into())
    }
}

impl From<Stop> for ArchiveError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Archive(problem) => problem,
            Stop::Store(failure) => ArchiveError::Store(failure.into()),
        }
    }
}
