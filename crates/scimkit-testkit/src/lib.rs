//! Test suites for SCIM 2.0 stores and servers, and tools that record and replay the traffic of identity providers.
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
//! | module | feature | contains |
//! |---|---|---|
//! | [`contract`] | `contract` | the contract of a store, as checks that any store can run |
//! | [`conformance`] | `http` | the requirements of the RFCs, checked against any server |
//! | [`record`] | `http` | a layer that saves traffic as an anonymised scenario |
//! | [`replay`] | `http` | scenarios, replayed against any server |
//! | [`idp`] | `idp` | simulated identity providers, which provision a company and report every divergence |
//! | [`fuzz`] | `fuzz` | the bodies of the fuzz targets |
//! | [`postgres`] | `postgres` | a throwaway PostgreSQL server, and databases for tests (Unix) |
//!
//! No feature is on by default. With `contract` alone, the tests of a store build no server.
//!
//! This is one crate, because its modules share one format: conformance cases and recordings are scenarios, which
//! `replay` runs. The features separate what differs, the dependencies.
//!
//! Guide: [What the RFCs ask, and what proves it](https://docs.rs/scimkit/latest/scimkit/guide/conformance/index.html).

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "http")]
pub mod conformance;
#[cfg(feature = "contract")]
pub mod contract;
#[cfg(feature = "fuzz")]
pub mod fuzz;
#[cfg(feature = "idp")]
pub mod idp;
#[cfg(all(feature = "postgres", unix))]
pub mod postgres;
#[cfg(feature = "http")]
pub mod record;
#[cfg(feature = "http")]
pub mod replay;
mod visible;

/// Bytes that are cheap to clone.
#[doc(no_inline)]
pub use bytes;
/// Requests, responses and their parts.
#[cfg(feature = "http")]
#[doc(no_inline)]
pub use http;
/// The trait of request and response bodies.
#[cfg(feature = "http")]
#[doc(no_inline)]
pub use http_body;
/// JSON values.
#[doc(no_inline)]
pub use serde_json;
/// The trait of layers, which the recorder implements.
#[cfg(feature = "http")]
#[doc(no_inline)]
pub use tower_layer;
/// The trait of services, which a recorded service implements.
#[cfg(feature = "http")]
#[doc(no_inline)]
pub use tower_service;
pub use visible::{escape_invisible, is_invisible};

/// The small directory that the test cases of this workspace use: users `u1` to `u6` and groups `g1` to `g3`, as a JSON
/// object from ids to resources in the form of a response.
pub const DIRECTORY: &str = include_str!("data/resources.json");
