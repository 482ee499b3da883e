//! A SCIM 2.0 store in an SQLite file.
//!
//! ```
//! use std::sync::Arc;
//! use scimkit_server::{BearerTokens, Server, Token};
//! use scimkit_sqlite::SqliteStore;
//! use scimkit_store::Settings;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("scim.sqlite");
//! // Creates the file if it does not exist. Processes may share it.
//! let store = SqliteStore::open(&path)?;
//! let token = Token::generate()?;
//! let server = Server::new(Arc::new(store), Settings::new("https://app.example/scim/v2"))
//!     .with_authentication(BearerTokens::new([token.digest()]));
//!
//! # scimkit_testkit::contract::block_on(Box::pin(async {
//! let user = r#"{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "bjensen"}"#;
//! let request = http::Request::post("/Users")
//!     .header("Authorization", format!("Bearer {}", token.reveal()))
//!     .header("Content-Type", "application/scim+json")
//!     .body(user.to_owned());
//! assert_eq!(server.handle(request.unwrap()).await.status(), 201);
//! # }));
//! # Ok(())
//! # }
//! ```
//!
//! - [`SqliteStore`]: the store
//! - [`SqliteOptions`]: durability, timeouts and threads
//! - [`Compacted`]: the result of compacting a file
//! - [`OpenError`]: the reasons why a file can't be opened
//! - [`Reindexed`] and [`SchemaError`]: the result of rebuilding lookup keys after a schema change
//!
//! Guide: [Operations](https://docs.rs/scimkit/latest/scimkit/guide/operations/index.html) covers backups, upgrades and several processes.

mod archive;
mod compact;
mod dead_letters;
mod definitions;
mod edges;
mod error;
mod file;
mod imports;
mod journal;
mod key_values;
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
mod tenant_rows;
mod watch;
mod workers;
mod write;

pub use compact::Compacted;
pub use error::{OpenError, SchemaError};
pub use options::{SqliteOptions, Synchronous};
pub use reindex::Reindexed;
pub use sqlite::SqliteStore;
