//! The errors of setting up a store over tables.

use scimkit_mapping::MappingError;
use scimkit_registry::RegistrationError;

use crate::DriverError;

/// The reason why a store over tables can't be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The database reports an error.
    #[error(transparent)]
    Database(#[from] DriverError),
    /// The mapping is invalid.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// A later release has migrated the side tables.
    #[error("the side tables have format {found}, this release knows up to {known}")]
    Newer {
        /// The format of the side tables.
        found: i64,
        /// The latest format that this release supports.
        known: i64,
    },
    /// The attributes that the mapping supports make no valid schemas.
    #[error(transparent)]
    Schemas(#[from] RegistrationError),
    /// A table is described in a way that can't work.
    #[error("table `{table}`: {problem}")]
    Table {
        /// What is wrong.
        problem: String,
        /// The name of the table.
        table: String,
    },
}
