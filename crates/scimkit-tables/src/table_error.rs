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
    /// The mapping has rules for a resource type, and does not name its table.
    #[error("the mapping names no table for {resource_type}: add `[{resource_type}.table]`")]
    NoTable {
        /// The name of the resource type.
        resource_type: String,
    },
    /// The attributes that the mapping supports make no valid schemas.
    #[error(transparent)]
    Schemas(#[from] RegistrationError),
}
