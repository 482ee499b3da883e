//! A SCIM 2.0 store in an SQLite file.
//!
//! ```
//! use scimkit_sqlite::SqliteStore;
//!
//! let directory = tempfile::tempdir()?;
//! let store = SqliteStore::open(directory.path().join("scim.db"))?;
//! # drop(store);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`SqliteStore`]: the store
//! - [`SqliteOptions`]: durability, timeouts and threads
//! - [`Compacted`]: the result of compacting a file
//! - [`OpenError`]: the reasons why a file can't be opened
//! - [`Reindexed`] and [`SchemaError`]: the result of rebuilding lookup keys after a schema change

mod archive;
mod compact;
mod definitions;
mod directory;
mod edges;
mod error;
mod file;
mod imports;
mod journal;
mod keys;
mod lanes;
mod options;
mod query;
mod reindex;
mod remnants;
mod row;
mod sqlite;
mod statement;
mod tenancy;
mod watch;
mod workers;
mod write;

pub use compact::Compacted;
pub use error::{OpenError, SchemaError};
pub use options::{SqliteOptions, Synchronous};
pub use reindex::Reindexed;
pub use sqlite::SqliteStore;
