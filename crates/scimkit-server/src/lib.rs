//! A SCIM 2.0 service provider: HTTP request in, HTTP response out.
//!
//! ```
//! use std::sync::Arc;
//! use scimkit_server::{BearerTokens, Server, Token};
//! use scimkit_store::{MemoryStore, Settings};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let token = Token::generate()?;
//! let server = Server::new(Arc::new(MemoryStore::new()), Settings::new("https://app.example/scim/v2"))
//!     .with_authentication(BearerTokens::new([token.digest()]))
//!     .with_prefix("/scim/v2");
//!
//! // Also a `tower_service::Service<http::Request<B>>`.
//! let request = http::Request::get("/scim/v2/Users")
//!     .header("Authorization", format!("Bearer {}", token.reveal()))
//!     .body(String::new())?;
//! assert_eq!(server.handle(request).await.status(), 200);
//!
//! let anonymous = http::Request::get("/scim/v2/Users").body(String::new())?;
//! assert_eq!(server.handle(anonymous).await.status(), 401);
//! # Ok(())
//! # }
//! ```
//!
//! - [`Server`]: the service; it works with any framework that has requests of the `http` crate
//! - [`Authenticate`]: who calls; [`BearerTokens`] is a fixed set of tokens, `scimkit-provision` has tenants and connections
//! - [`ChangeGuard`], [`SecretHandler`]: hooks that reject changes and handle passwords; [`guards`] has ready-made guards
//!
//! Guide: [Embed the server](https://docs.rs/scimkit/latest/scimkit/guide/embedding/index.html), [operations](https://docs.rs/scimkit/latest/scimkit/guide/operations/index.html).
//!
//! Each request passes once through pure decoding, a thin driver that calls the [`Store`](scimkit_store::Store),
//! and pure encoding. Errors become responses: [`Server::handle`] never fails.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod access;
mod attempts;
mod attrs;
mod auth;
mod bind;
mod body;
mod bulk;
mod clock;
mod create;
#[cfg(feature = "cursors")]
mod cursor;
mod decode;
mod delete;
mod discovery;
mod dispatch;
mod dropped;
mod edit;
mod error;
mod gather;
mod guard;
mod guarded;
pub mod guards;
mod health;
mod hooks;
mod incoming;
mod list;
mod members;
mod negotiate;
mod observed_store;
#[cfg(feature = "cursors")]
mod paging;
mod policy;
mod prefix;
mod query;
mod render;
mod resource;
mod response;
mod route;
mod server;
mod sort;
mod stream;
mod telemetry;
mod url;
mod work;
mod write;
mod writer;

pub use access::{Access, AccessLevel};
pub use auth::{
    AuthError, Authenticate, BearerTokens, Identity, InvalidToken, Me, RandomnessError,
    TenantInPath, Token, TokenDigest, credentials,
};
pub use body::{Body, BodyError};
/// Bytes that are cheap to clone.
#[doc(no_inline)]
pub use bytes;
/// Dates and times.
#[doc(no_inline)]
pub use chrono;
pub use clock::Clock;
pub use guard::{ChangeGuard, ChangeVerb, ProposedChange};
pub use hooks::{ChangeListener, Secret, SecretHandler};
/// Requests, responses and their parts.
#[doc(no_inline)]
pub use http;
/// The trait of request and response bodies.
#[doc(no_inline)]
pub use http_body;
pub use scimkit_store::QUEUE_LENGTH;
/// JSON values.
#[doc(no_inline)]
pub use serde_json;
pub use server::Server;
pub use telemetry::{
    DROPPED_TOTAL, QUIRKS_TOTAL, REQUEST_DURATION_SECONDS, REQUESTS_TOTAL,
    SIGN_IN_DURATION_SECONDS, STORE_DURATION_SECONDS,
};
/// The trait of services, which the server implements.
#[doc(no_inline)]
pub use tower_service;
