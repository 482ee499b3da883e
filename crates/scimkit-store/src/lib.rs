//! The storage contract of a SCIM 2.0 service provider, and a store in memory.
//!
//! ```
//! use std::sync::Arc;
//! use chrono::DateTime;
//! use scimkit_registry::{Change, Tolerance};
//! use scimkit_store::{MemoryStore, ReadOptions, RequestContext, Settings, Store, StoreExt, TenantId};
//! use serde_json::json;
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
//! let settings = Arc::new(Settings::new("https://app.example/scim/v2"));
//! let user = Arc::clone(settings.registry.resource_type("User").unwrap());
//! let context = RequestContext::new(TenantId::from("acme"), settings);
//! let change = Change::create(user.clone(), user.admit(json!({"userName": "bjensen"}), &Tolerance::DEFAULT)?);
//!
//! # block_on(async {
//! let store = MemoryStore::new(); // or your own tables
//! store.create(&context, DateTime::UNIX_EPOCH, "2819".into(), change).await?;
//! let stored = store.read(&context, &user, &"2819".into(), &ReadOptions::default()).await?;
//! assert_eq!(stored.document.text(), r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"bjensen"}"#);
//! # Ok::<(), scimkit_store::StoreError>(())
//! # }).unwrap();
//! # Ok::<(), scimkit_registry::RequestError>(())
//! ```
//!
//! - [`Store`]: the trait that stores resources, in one of scimkit's databases or in your own tables
//! - [`MemoryStore`]: a store for tests, examples and small directories
//! - [`RequestContext`], [`Settings`]: the tenant, cause and budget of a request, and the settings that it is under
//! - [`TenantStore`]: the trait that stores tenants, their connections, and the tokens of these connections
//! - [`ConnectionSettings`]: the settings that an operator chooses for a connection
//! - [`validate`]: the rules for tenants, connections and tokens
//! - [`Archive`]: the export, import and removal of whole tenants
//! - [`journal`]: every change in commit order, for people and consumers
//! - [`engine`]: the rules for writes, which are the same for all stores
//! - [`rows`]: a complete store over a database with rows, such as your own tables
//! - [`computed_attributes`]: the attributes that no document contains, such as `meta` and memberships
//! - [`ResourcePrinter`]: resources as the JSON text of responses
//!
//! The feature `metrics` reports the lengths of queues to the recorder of the `metrics` crate.
//!
//! Guide: [Your own stores](https://docs.rs/scimkit/latest/scimkit/guide/stores/index.html), [journal](https://docs.rs/scimkit/latest/scimkit/guide/journal/index.html).

pub mod archive;
mod assign_roles;
mod batch;
mod capabilities;
mod cause;
mod computed;
mod connection_settings;
mod context;
pub mod engine;
mod error;
mod existing_match;
mod extension;
mod fair;
mod future;
mod ids;
pub mod journal;
mod lane;
mod memory;
mod printer;
mod query;
mod queue_length;
mod read_options;
pub mod rows;
mod settings;
mod store;
mod stored;
mod tenancy;
mod tenant_limits;
pub mod validate;

pub use archive::Archive;
pub use assign_roles::{AssignedRoles, assign_roles};
pub use batch::{Base, Batch, ExpectedVersion, Intent, OnFailure, WriteOp, WriteOutcome, Written};
/// Bytes that are cheap to clone.
#[doc(no_inline)]
pub use bytes;
pub use capabilities::Capabilities;
pub use cause::Cause;
/// Dates and times.
#[doc(no_inline)]
pub use chrono;
pub use computed::{ResourceFacts, computed_attributes, element, location, meta, target_types};
pub use connection_settings::{
    CapacitySetting, ConnectionSettings, ConnectionSettingsError, Delivery, GroupRole,
    GroupSourceSetting, GroupsSetting, GuardSettings, OnDelete, RoleSettings,
};
pub use context::RequestContext;
pub use engine::{CyclePolicy, DeletePolicy, UnknownMemberPolicy};
pub use error::StoreError;
pub use existing_match::{Candidate, ExistingMatch, MatchPin, MatchScope};
pub use extension::StoreExt;
pub use fair::{FairQueue, QueueFull, Share};
pub use future::{BoxFuture, BoxStream, next_item, stream_from, yield_now};
/// The trait of streams.
#[doc(no_inline)]
pub use futures_core;
/// Requests, responses and their parts.
#[doc(no_inline)]
pub use http;
pub use ids::{ConnectionId, TenantId};
pub use journal::{
    AttributeChange, BrokenChain, ChainFault, ChainHead, ChainVerifier, ConsumerRow, DeadLetter,
    DeadLetters, DetailsError, Journal, JournalAction, JournalBody, JournalDetails, JournalDigest,
    JournalEntry, JournalFilter, JournalLevel, JournalMember, JournalPage, JournalPolicy,
    JournalPosition, JournalQuery, JournalRead, JournalStart, JournalSubject, KeyValue,
    KeyValueCondition, KeyValueEdit, KeyValues, Lease, LeaseAnswer, LeaseDecision, LeaseRequest,
    MemberChange, RecordedValue, SubjectColumns, VerifiedChain, verify,
};
pub use lane::Lane;
pub use memory::MemoryStore;
pub use printer::ResourcePrinter;
pub use query::{
    CountMode, Overflow, OwnerFilter, Page, PageBuilder, PagePosition, PageStart, Query, Room, Sort,
};
pub use queue_length::{QUEUE_LENGTH, report_queue_length};
pub use read_options::{EdgeQuery, ReadOptions};
pub use scimkit_registry::{Document, ResourceRef};
/// JSON values.
#[doc(no_inline)]
pub use serde_json;
pub use settings::{AliasPolicy, CreatePolicy, PatchResponse, RequestLimits, Settings};
pub use store::Store;
pub use stored::{StoredResource, Timestamps};
pub use tenancy::{
    Connection, FoundToken, Stamp, Tenant, TenantEntry, TenantSource, TenantStore, TokenRecord,
    TokenScopes,
};
pub use tenant_limits::{EntryKind, TenantLimits};
