//! Events after commit: calls the application when users and groups have changed.
//!
//! A runner ([`Events`]) reads the [`Journal`](scimkit_store::Journal) for each [`EventConsumer`]:
//!
//! - **At least once.** The store remembers how far a consumer has come. After a crash, events that were handled but
//!   not confirmed yet are delivered again, with the same [position](Event::position).
//! - **In order per tenant.** The next event of a tenant follows when the one before has been handled. Tenants don't
//!   wait for each other, nor do consumers.
//! - **On one node at a time.** Nodes share the work by leases on the journal of each tenant.
//! - **Without delay.** With a [`ChangeSignal`], the runner starts as soon as a write is committed; it finds the writes
//!   of other processes by a poll each second. A slow or failing consumer delays no request.
//! - **Whatever the way of the change**: bulk requests, the groups that lose a deleted user, changes by the application
//!   itself. An archive import has no entries in the journal, so it is a [gap](Event::gap).
//!
//! The connections should have the journal level [`Full`](scimkit_store::JournalLevel::Full).
//!
//! # Example
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! use std::sync::{Arc, Mutex};
//! use http::{Request, header::AUTHORIZATION};
//! use scimkit_provision::events::{EventConsumer, Events};
//! use scimkit_server::{BearerTokens, Server, Token};
//! use scimkit_store::{JournalLevel, JournalPolicy, MemoryStore, Settings};
//!
//! let mut settings = Settings::new("https://app.example/scim/v2");
//! settings.policy.journal = JournalPolicy::new(JournalLevel::Full);
//! let store = Arc::new(MemoryStore::new());
//!
//! let (sender, mut welcomed) = tokio::sync::mpsc::channel(1);
//! let welcome = EventConsumer::new("welcome", move |event| {
//!     let sender = sender.clone();
//!     async move {
//!         if event.user_created().is_some() {
//!             sender.send(event.after("userName").cloned()).await?;
//!         }
//!         Ok(())
//!     }
//! });
//! let events = Events::new(store.clone()).with_consumer(welcome);
//!
//! let token = Token::generate().unwrap();
//! let server = Server::new(store, settings)
//!     .with_authentication(BearerTokens::new([token.digest()]))
//!     .with_change_listener(events.signal());
//! let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
//! let running = tokio::spawn(events.run(async move { stopped.await.unwrap_or_default() }));
//!
//! let request = Request::post("/Users").header(AUTHORIZATION, format!("Bearer {}", token.reveal()));
//! let request = request.body(r#"{"userName": "bjensen"}"#.to_owned()).unwrap();
//! assert_eq!(server.handle(request).await.status(), 201);
//! assert_eq!(welcomed.recv().await.unwrap(), Some("bjensen".into()));
//! drop(stop);
//! running.await.unwrap();
//! # }
//! ```

mod consumer;
mod delivery;
mod event;
mod outcomes;
mod queue;
mod runner;
mod signal;
mod telemetry;

#[cfg(feature = "webhook")]
pub(crate) use self::outcomes::{MEMBER_ADDED, MEMBER_REMOVED};
pub use self::{
    consumer::{EventConsumer, EventError, Resent},
    event::{Event, EventGap, GapReason},
    runner::Events,
    signal::ChangeSignal,
    telemetry::{EVENT_GAPS_TOTAL, EVENT_LAG_SECONDS, EVENTS_TOTAL},
};
