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
//! - [`SqliteOptions`]: durability, patience and threads
//! - [`Compacted`]: what compacting a file freed
//! - [`OpenError`]: why a file can't be opened
//! - [`Reindexed`] and [`SchemaError`]: what came of making lookup keys anew under a changed schema

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
