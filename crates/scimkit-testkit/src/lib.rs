//! Contract suite, conformance checks and replay of identity provider traffic for SCIM 2.0 stores and servers.
//!
//! ```
//! use std::sync::Arc;
//! use scimkit_server::{BearerTokens, Server, Token};
//! use scimkit_store::{MemoryStore, Settings};
//! use scimkit_testkit::{conformance::ConformanceCheck, contract};
//!
//! // A server in this process. An `HttpTarget` of your own can send the requests to any other.
//! let token = Token::generate()?;
//! let server = Server::new(Arc::new(MemoryStore::new()), Settings::new("https://app.example/scim/v2"))
//!     .with_authentication(BearerTokens::new([token.digest()]));
//! contract::block_on(Box::pin(async {
//!     let report = ConformanceCheck::new(&server).with_token(token.reveal()).run().await.unwrap();
//!     assert_eq!(report.failures().count(), 0, "{report}");
//! }));
//! # Ok::<(), scimkit_server::RandomnessError>(())
//! ```
//!
//! [`contract::check`] checks a store.
//!
//! - [`conformance`]: the requirements of the RFCs, checked against any server
//! - [`contract`]: the contract of a store, as checks for any store
//! - [`fuzz`]: the bodies of the fuzz targets
//! - [`record`]: recordings of identity provider traffic, anonymised
//! - [`replay`]: scenarios of identity provider traffic, replayed against any server
//!
//! Guide: [What the RFCs ask, and what proves it](https://docs.rs/scimkit/latest/scimkit/guide/conformance/index.html).

pub mod conformance;
pub mod contract;
pub mod fuzz;
pub mod record;
pub mod replay;
mod visible;

pub use visible::{escape_invisible, is_invisible};

/// The small directory that the test cases of this workspace use: users `u1` to `u6` and groups `g1` to `g3`, as a JSON
/// object from ids to resources in the form of a response.
pub const DIRECTORY: &str = include_str!("data/resources.json");
