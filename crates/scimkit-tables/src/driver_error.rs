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

impl DriverErrorKind {
    /// Returns the kind of an error of PostgreSQL by its code (`SQLSTATE`), with the constraint and the detail that the
    /// server names.
    ///
    /// # Example
    /// ```
    /// use scimkit_tables::DriverErrorKind;
    ///
    /// let detail = Some("Key (tenant, login)=(acme, ada) already exists.");
    /// let kind = DriverErrorKind::from_sqlstate("23505", Some("users_login"), detail);
    /// let columns = vec!["tenant".to_owned(), "login".to_owned()];
    /// let constraint = Some("users_login".to_owned());
    /// assert_eq!(kind, DriverErrorKind::Unique { columns, constraint });
    /// assert_eq!(DriverErrorKind::from_sqlstate("40P01", None, None), DriverErrorKind::Lost);
    /// ```
    #[must_use]
    pub fn from_sqlstate(code: &str, constraint: Option<&str>, detail: Option<&str>) -> Self {
        match code {
            "23505" => DriverErrorKind::Unique {
                columns: detail.map(key_columns).unwrap_or_default(),
                constraint: constraint.map(str::to_owned),
            },
            // Deadlocks and failed serialisations.
            "40001" | "40P01" => DriverErrorKind::Lost,
            // Sessions that the server has ended.
            "25P03" | "57P01" | "57P02" | "57P05" => DriverErrorKind::Lost,
            "53100" => DriverErrorKind::Full,
            // Too many connections, a lock that was not free, a statement that took too long.
            "53300" | "55P03" | "57014" => DriverErrorKind::Busy,
            // A server that is starting, stopping or read-only, or that has no memory.
            "25006" | "53200" | "57P03" => DriverErrorKind::Unavailable,
            // An index row that is too long; what a trigger raises; a view with a check.
            "44000" | "54000" | "P0001" => DriverErrorKind::Rejected,
            _ => match code.get(..2) {
                Some("08") => DriverErrorKind::Lost,
                Some("22" | "23") => DriverErrorKind::Rejected,
                Some("58") => DriverErrorKind::Unavailable,
                _ => DriverErrorKind::Other,
            },
        }
    }
}

impl DriverErrorKind {
    /// Returns the kind of an error of SQLite by its extended result code and its message.
    ///
    /// # Example
    /// ```
    /// use scimkit_tables::DriverErrorKind;
    ///
    /// let kind = DriverErrorKind::from_sqlite(2067, "UNIQUE constraint failed: users.login");
    /// let columns = vec!["login".to_owned()];
    /// assert_eq!(kind, DriverErrorKind::Unique { columns, constraint: None });
    /// assert_eq!(DriverErrorKind::from_sqlite(5, "database is locked"), DriverErrorKind::Busy);
    /// ```
    #[must_use]
    pub fn from_sqlite(extended_code: i32, message: &str) -> Self {
        match extended_code & 0xff {
            // SQLITE_BUSY, SQLITE_LOCKED
            5 | 6 => DriverErrorKind::Busy,
            // SQLITE_PERM, SQLITE_NOMEM, SQLITE_READONLY, SQLITE_IOERR, SQLITE_CANTOPEN
            3 | 7 | 8 | 10 | 14 => DriverErrorKind::Unavailable,
            // SQLITE_FULL
            13 => DriverErrorKind::Full,
            // SQLITE_TOOBIG, SQLITE_CONSTRAINT, SQLITE_MISMATCH
            18..=20 => match extended_code {
                // SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE, SQLITE_CONSTRAINT_ROWID
                1555 | 2067 | 2579 => sqlite_unique(message),
                _ => DriverErrorKind::Rejected,
            },
            _ => DriverErrorKind::Other,
        }
    }
}

/// SQLite's message names the columns, `UNIQUE constraint failed: users.tenant, users.email`, or an index on expressions:
/// `UNIQUE constraint failed: index 'users_login'`.
fn sqlite_unique(message: &str) -> DriverErrorKind {
    let (_, names) = message.rsplit_once("failed: ").unwrap_or_default();
    let index = names
        .strip_prefix("index '")
        .and_then(|name| name.strip_suffix('\''));
    if let Some(index) = index {
        let (columns, constraint) = (Vec::new(), Some(index.to_owned()));
        return DriverErrorKind::Unique {
            columns,
            constraint,
        };
    }
    let column = |name: &str| name.rsplit_once('.').map(|(_, column)| column.to_owned());
    DriverErrorKind::Unique {
        columns: names.split(", ").filter_map(column).collect(),
        constraint: None,
    }
}

/// The columns in `Key (tenant, "userName")=(..) already exists.`, in any language.
fn key_columns(detail: &str) -> Vec<String> {
    let names = detail
        .split_once(")=(")
        .and_then(|(names, _)| names.split_once('('));
    let (_, names) = names.unwrap_or_default();
    let unquoted = |name: &str| {
        let quoted = name
            .strip_prefix('"')
            .and_then(|name| name.strip_suffix('"'));
        quoted.map_or_else(|| name.to_owned(), |name| name.replace("\"\"", "\""))
    };
    names
        .split(", ")
        .filter(|name| !name.is_empty())
        .map(unquoted)
        .collect()
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
