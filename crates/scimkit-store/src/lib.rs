//! The storage contract of a SCIM 2.0 service provider, and a store in memory.
//!
//! - [`Store`]: what a host implements to keep resources in its own tables
//! - [`Memory`]: a store for tests, examples and small directories
//! - [`Scope`], [`Settings`]: on whose behalf, and under which rules, a store is asked
//! - [`Tenancy`]: what keeps tenants, their connections and the tokens of those
//! - [`Rules`], [`validate`]: the settings of a connection, and what may be stored of tenants,
//!   connections and tokens
//! - [`Archive`]: a tenant as a whole, out of one store and into another
//! - [`journal`]: every change in commit order, for people and consumers
//! - [`engine`]: the rules of a write, decided once for all stores
//! - [`rows`]: a complete store over a database that has rows, such as your own tables
//! - [`computed`]: the attributes that no document holds, such as `meta` and memberships
//! - [`ResourcePrinter`]: resources as the JSON text of responses

pub mod archive;
mod batch;
mod cause;
mod claim;
mod computed;
pub mod engine;
mod error;
mod extension;
mod fair;
mod future;
mod ids;
pub mod journal;
mod lane;
mod memory;
mod printer;
mod query;
pub mod rows;
mod rules;
mod scope;
mod store;
mod stored;
mod support;
mod tenancy;
mod tenant_limits;
pub mod validate;
mod want;

pub use archive::Archive;
pub use batch::{Base, Batch, Expect, How, Intent, OnFailure, Write, Written};
pub use cause::Cause;
pub use claim::{Among, Candidate, Claim, ClaimPin};
pub use computed::{Facts, computed, element, location, meta, targets};
pub use engine::{Cycles, Deletes, UnknownMembers};
pub use error::StoreError;
pub use extension::StoreExt;
pub use fair::{FairQueue, QueueFull, Share};
pub use future::{BoxFuture, BoxStream, next_item, stream_from, yield_now};
pub use ids::{ConnectionId, TenantId};
pub use journal::{
    AttributeChange, BrokenChain, ChainFault, ChainHead, ChainVerifier, ConsumerRow, DetailsError,
    Journal, JournalAction, JournalBody, JournalDetails, JournalDigest, JournalEntry,
    JournalFilter, JournalLevel, JournalMember, JournalPage, JournalPolicy, JournalPosition,
    JournalQuery, JournalRead, JournalStart, JournalSubject, Lease, LeaseAnswer, LeaseRequest,
    MemberChange, RecordedValue, VerifiedChain, verify,
};
pub use lane::Lane;
pub use memory::Memory;
pub use printer::ResourcePrinter;
pub use query::{
    Count, Overflow, OwnerFilter, Page, PageBuilder, Position, Query, Room, Sort, Start,
};
pub use rules::{CapacityRule, Rules, RulesError};
pub use scimkit_registry::Document;
pub use scope::{Aliases, CreatePolicy, Limits, PatchAnswer, Scope, Settings};
pub use store::Store;
pub use stored::{Stored, Timestamps};
pub use support::Support;
pub use tenancy::{Connection, Entry, Opened, Scopes, Stamp, Tenancy, Tenant, TokenRecord};
pub use tenant_limits::{EntryKind, TenantLimits};
pub use want::{EdgeQuery, Want};
