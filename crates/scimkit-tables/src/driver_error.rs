//! The errors of a database, as far as a store tells them apart.

use std::sync::Arc;

use scimkit_store::{StoreError, engine::RowsError};

/// The error of a database.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{kind}")]
pub struct DriverError {
    kind: DriverErrorKind,
    source: Arc<dyn std::error::Error + Send + Sync>,
    statement: Option<usize>,
}

/// The effect of an error on the transaction and on a retry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a store must handle every kind of error"
)]
pub enum DriverErrorKind {
    /// The database or the pool is overloaded, or a lock was not released in time. Nothing was written.
    #[error("the database is busy")]
    Busy,
    /// The storage has no space left. Nothing was written.
    #[error("the storage is full")]
    Full,
    /// The database has rolled the transaction back and certainly committed nothing of it, and a retry may succeed: a
    /// deadlock, a failed serialisation, a connection that was lost before `COMMIT` was sent.
    #[error("the transaction was lost")]
    Lost,
    /// Any other error.
    #[error("the database reports an error")]
    Other,
    /// A value that its column or a constraint other than a unique one does not accept.
    #[error("the database rejects a value")]
    Rejected,
    /// The database can't be reached. Nothing was written.
    #[error("the database is unavailable")]
    Unavailable,
    /// A unique constraint or index.
    #[error("a unique constraint is violated")]
    Unique {
        /// The columns, if the database names them.
        columns: Vec<String>,
        /// The name of the constraint or index, if the database names it.
        constraint: Option<String>,
    },
}

impl DriverError {
    /// Creates an error that no single statement caused.
    pub fn new(
        kind: DriverErrorKind,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        DriverError {
            kind,
            source: Arc::from(source.into()),
            statement: None,
        }
    }

    /// Sets the number of the statement that failed, counted from 0.
    #[must_use]
    pub fn with_statement(mut self, number: usize) -> Self {
        self.statement = Some(number);
        self
    }

    /// Returns the kind of the error.
    #[must_use]
    pub fn kind(&self) -> &DriverErrorKind {
        &self.kind
    }

    /// Returns the number of the statement that failed, counted from 0 within its call; none if no single statement did.
    #[must_use]
    pub fn statement(&self) -> Option<usize> {
        self.statement
    }
}

impl From<DriverError> for StoreError {
    fn from(error: DriverError) -> Self {
        match error.kind {
            DriverErrorKind::Busy | DriverErrorKind::Lost => StoreError::Busy,
            DriverErrorKind::Full => StoreError::storage_full(error),
            DriverErrorKind::Unavailable => StoreError::unavailable(error),
            DriverErrorKind::Other | DriverErrorKind::Rejected | DriverErrorKind::Unique { .. } => {
                StoreError::backend(error)
            }
        }
    }
}

impl From<DriverError> for RowsError {
    fn from(error: DriverError) -> Self {
        match error.kind {
            DriverErrorKind::Lost => RowsError::Lost(error.into()),
            _ => RowsError::Failed(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use scimkit_store::{StoreError, engine::RowsError};

    use super::{DriverError, DriverErrorKind};

    #[test]
    fn lost_transaction_is_retried_and_then_busy() {
        let error = DriverError::new(DriverErrorKind::Lost, "deadlock detected").with_statement(2);
        assert_eq!(error.statement(), Some(2));
        assert_eq!(error.source().unwrap().to_string(), "deadlock detected");
        assert!(matches!(
            RowsError::from(error),
            RowsError::Lost(StoreError::Busy)
        ));
        let other = DriverError::new(DriverErrorKind::Other, "no such table: users");
        assert!(matches!(
            RowsError::from(other),
            RowsError::Failed(StoreError::Backend(_))
        ));
    }
}
