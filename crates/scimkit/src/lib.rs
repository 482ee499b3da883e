//! SCIM 2.0 for Rust applications: Microsoft Entra ID, Okta, OneLogin and JumpCloud create, update and deactivate
//! users and groups in your application.
//!
//! ```
//! use std::sync::Arc;
//! use scimkit::{BearerTokens, MemoryStore, Server, Settings, Token};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let token = Token::generate()?; // show `token.reveal()` once, store `token.digest()`
//! let server = Server::new(Arc::new(MemoryStore::new()), Settings::new("https://app.example/scim/v2"))
//!     .with_authentication(BearerTokens::new([token.digest()]));
//!
//! // In an axum application: `app.merge(scimkit::axum::router("/scim/v2", server))`.
//! let user = r#"{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "bjensen"}"#;
//! let request = http::Request::post("/Users")
//!     .header("Authorization", format!("Bearer {}", token.reveal()))
//!     .header("Content-Type", "application/scim+json")
//!     .body(user.to_owned())?;
//! assert_eq!(server.handle(request).await.status(), 201);
//! # Ok(())
//! # }
//! ```
//!
//! The [guide] continues from here: [`guide::quickstart`], [`guide::embedding`], and a page per identity provider.
//!
//! No feature is on by default.
//!
//! | feature | adds |
//! |---|---|
//! | `actix` | `scimkit::actix::scope`: the server as an actix-web scope |
//! | `axum` | `scimkit::axum::router`: the server as an axum router |
//! | `cursors` | paging by cursor (RFC 9865); without it, `/ServiceProviderConfig` announces paging by index alone |
//! | `edit` | `scimkit::mapping::MappingFile`: edits mapping files line by line |
//! | `metrics` | metrics of requests, store and queues, for the recorder of the `metrics` crate |
//! | `nom` | `scimkit::filter::nom`: nom parsers of filters and paths, for your own grammars |
//! | `provision` | `scimkit::provision`: tenants, connections and tokens, and an authenticator for them |
//! | `rusqlite` | `scimkit::tables::RusqliteDriver`: application tables in SQLite |
//! | `sqlite` | `scimkit::SqliteStore`: a durable store in one file; `scimkit::sqlite`: its options |
//! | `sqlx-postgres`, `sqlx-sqlite` | `scimkit::sqlx`: application tables over the pools of sqlx; `sqlx` is both. They need the Rust version of sqlx 0.9, 1.94 |
//! | `sync` | `scimkit::provision::sync`: plans how a directory comes to agree with what identity providers have sent |
//! | `tables` | `scimkit::TableStore`: a store over the tables that an application has already; `scimkit::tables` |
//! | `tokio-postgres` | `scimkit::tables::TokioPostgresDriver`: application tables in PostgreSQL |
//! | `toml` | mapping files in TOML, also for connections; JSON needs no feature |
//! | `webhook` | `scimkit::provision::webhook`: sends events to another service, signed |
//!
//! To use your application's own tables, map them with `TableStore` (feature `tables`); for any other database, see
//! [`guide::stores`]. The modules below are the crates that this crate combines; each can be used alone. Types of other crates in signatures, such as `http::request::Parts`, are
//! re-exported: `scimkit::http`.

#![cfg_attr(docsrs, feature(doc_cfg))]

/// The server as an actix-web scope.
#[cfg(feature = "actix")]
pub use scimkit_actix as actix;
/// The server as an axum router.
#[cfg(feature = "axum")]
pub use scimkit_axum as axum;
/// Schema and resource-type definitions, messages, versions and errors.
pub use scimkit_core as core;
/// Filter and path text.
pub use scimkit_filter as filter;
/// The attribute mapping between SCIM attributes and application fields.
pub use scimkit_mapping as mapping;
pub use scimkit_mapping::Mapping;
/// PATCH and PUT as pure functions.
pub use scimkit_patch as patch;
/// Tenants, connections and tokens, with the settings of each connection.
#[cfg(feature = "provision")]
pub use scimkit_provision as provision;
/// Schemas in use: binding, validation, projection and changes.
pub use scimkit_registry as registry;
pub use scimkit_registry::{Budget, Quirk, Registry, Tolerance};
/// The server: HTTP request in, HTTP response out.
pub use scimkit_server as server;
pub use scimkit_server::{
    Access, AccessLevel, AuthError, Authenticate, BearerTokens, Body, BodyError, ChangeGuard,
    ChangeVerb, DROPPED_TOTAL, Identity, InvalidToken, Me, ProposedChange, QUIRKS_TOTAL,
    RandomnessError, Secret, SecretHandler, Server, TenantInPath, Token, TokenDigest, credentials,
};
/// The crates whose types this crate uses in its own signatures, in the versions that it uses.
#[doc(no_inline)]
pub use scimkit_server::{bytes, chrono, http, http_body, serde_json, tower_service};
/// Bound filters as SQL, also for the application's own tables.
pub use scimkit_sql as sql;
/// The SQLite store, its options and errors.
#[cfg(feature = "sqlite")]
pub use scimkit_sqlite as sqlite;
#[cfg(feature = "sqlite")]
pub use scimkit_sqlite::SqliteStore;
/// Application tables over the pools of sqlx.
#[cfg(any(feature = "sqlx-postgres", feature = "sqlx-sqlite"))]
pub use scimkit_sqlx as sqlx;
/// The store interface and the in-memory store.
pub use scimkit_store as store;
/// The trait of streams.
#[doc(no_inline)]
pub use scimkit_store::futures_core;
pub use scimkit_store::{
    AliasPolicy, ConnectionId, CreatePolicy, CyclePolicy, DeletePolicy, MemoryStore, PatchResponse,
    RequestContext, RequestLimits, Settings, Store, TenantId, TenantStore, TokenScopes,
    UnknownMemberPolicy, engine::Capacity,
};
/// The store over an application's own tables, and its drivers.
#[cfg(feature = "tables")]
pub use scimkit_tables as tables;
#[cfg(feature = "tables")]
pub use scimkit_tables::TableStore;

#[cfg(all(
    doc,
    any(
        not(doctest),
        all(
            feature = "actix",
            feature = "axum",
            feature = "provision",
            feature = "sqlite",
            feature = "webhook"
        )
    )
))]
pub mod guide;

/// The README's code, compiled.
#[cfg(all(doctest, feature = "axum", feature = "provision", feature = "sqlite"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
