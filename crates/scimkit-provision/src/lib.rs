//! Tenants of a SCIM 2.0 service, their connections to identity providers, and the bearer tokens of these
//! connections.
//!
//! ```
//! use std::sync::Arc;
//! use scimkit_provision::{TenantAdmin, ConnectionAuthenticator, NewToken, ConnectionSettings};
//! use scimkit_server::Server;
//! use scimkit_store::{MemoryStore, Settings};
//! # use std::{pin::pin, task::{Context, Poll, Waker}};
//! # fn block_on<T>(future: impl Future<Output = T>) -> T {
//! #     let mut future = pin!(future);
//! #     loop {
//! #         if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
//! #             return value;
//! #         }
//! #     }
//! # }
//!
//! let store = Arc::new(MemoryStore::new());
//! let settings = Settings::new("https://app.example/tenants/{tenant}/scim/v2");
//! let server = Server::new(store.clone(), settings.clone())
//!     .with_authentication(ConnectionAuthenticator::new(store.clone(), settings))
//!     .with_prefix("/tenants/{tenant}/scim/v2");
//!
//! let administration = TenantAdmin::new(store);
//! let issued = block_on(async {
//!     let acme = administration.create_tenant("acme", "Acme Inc.").await?;
//!     let entra = administration
//!         .create_connection(&acme.id, "entra", "Entra ID", &ConnectionSettings::default())
//!         .await?;
//!     administration.create_token(&acme.id, &entra.id, &NewToken::new("2026")).await
//! })?;
//! println!("{}", issued.token.reveal()); // shown once
//!
//! let duplicate = block_on(administration.create_tenant("acme", "Another"));
//! assert_eq!(duplicate.unwrap_err().to_string(), "tenant `acme` already exists");
//! # let _ = server;
//! # Ok::<(), scimkit_provision::AdminError>(())
//! ```
//!
//! - [`TenantAdmin`]: creates and changes tenants, connections and tokens
//! - [`ConnectionSettings`]: the settings that an operator chooses for a connection
//! - [`ConnectionAuthenticator`]: authenticates requests by bearer token and by the URL to which they were sent
//! - [`activity`]: the journal of a tenant for people: lists, exports, and whether it is intact
//! - [`events`]: calls the application after changes of users and groups
#![cfg_attr(
    feature = "webhook",
    doc = "- [`webhook`]: sends them to another service, signed"
)]
#![cfg_attr(
    feature = "sync",
    doc = "- [`sync`]: plans how a directory comes to agree with what identity providers have sent"
)]
//! - [`Clock`]: the source of the current time
//!
//! All data is in a [`TenantStore`](scimkit_store::TenantStore): one of scimkit's databases, or the application's
//! own tables.
//!
//! The feature `toml` also accepts attribute mappings in TOML in the settings of a connection; JSON needs no feature.
//!
//! Guide: [Tenants, connections and tokens](https://docs.rs/scimkit/latest/scimkit/guide/provisioning/index.html).

pub mod activity;
mod administration;
mod cache;
mod connection_authenticator;
mod error;
pub mod events;
#[cfg(feature = "sync")]
pub mod sync;
mod tenant_location;
mod text;
mod token;
mod token_use_recorder;
#[cfg(feature = "webhook")]
pub mod webhook;

pub use administration::TenantAdmin;
/// Dates and times.
#[doc(no_inline)]
pub use chrono;
pub use connection_authenticator::ConnectionAuthenticator;
pub use error::AdminError;
/// Requests, responses and their parts.
#[doc(no_inline)]
pub use http;
pub use scimkit_server::Clock;
pub use scimkit_store::{
    CapacitySetting, ConnectionSettings, ConnectionSettingsError, Delivery, EntryKind,
    GroupSourceSetting, GroupsSetting, GuardSettings,
};
pub use tenant_location::tenant_url;
pub use text::validate_tenant_id;
pub use token::{CreatedToken, NewToken};
