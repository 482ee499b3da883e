//! The storage contract of a SCIM 2.0 service provider, and a store in memory.
//!
//! - [`Store`]: what a host implements to keep resources in its own tables
//! - [`Memory`]: a store for tests, examples and small directories
//! - [`Scope`], [`Settings`]: on whose behalf, and under which rules, a store is asked
//! - [`Tenancy`]: what keeps tenants, their connections and the tokens of those
//! - [`Rules`], [`validate`]: the settings of a connection, and what may be stored of tenants,
//!   connections and tokens
//! - [`Archive`]: a tenant as a whole, out of one store and into another
//! - [`journal`]: what changed, in commit order, for people and consumers
//! - [`engine`]: the rules of a write, decided once for all stores
//! - [`rows`]: a complete store over a database that has rows, such as your own tables
//! - [`computed`]: the attributes that no document holds, such as `meta` and memberships

pub mod archive;
mod cause;
mod claim;
mod computed;
pub mod engine;
mod extension;
pub mod journal;
mod lane;
mod memory;
mod query;
pub mod rows;
mod rules;
mod scope;
mod store;
mod tenancy;
mod turn;
pub mod validate;

pub use archive::Archive;
pub use cause::Cause;
pub use claim::{Among, Candidate, Claim, ClaimPin};
pub use computed::{Facts, computed, element, location, meta, targets};
pub use extension::StoreExt;
pub use journal::{
    AttributeChange, BrokenChain, ChainFault, ChainHead, ChainVerifier, ConsumerRow, DetailsError,
    Journal, JournalAction, JournalBody, JournalDetails, JournalDigest, JournalEntry,
    JournalFilter, JournalLevel, JournalMember, JournalPage, JournalPolicy, JournalPosition,
    JournalQuery, JournalRead, JournalStart, JournalSubject, Lease, LeaseAnswer, LeaseRequest,
    MemberChange, RecordedValue, VerifiedChain, verify,
};
pub use lane::Lane;
pub use memory::Memory;
pub use query::{
    Count, Overflow, OwnerFilter, Page, PageBuilder, Position, Query, Room, Sort, Start,
};
pub use rules::{CapacityRule, Rules, RulesError};
pub use scope::{
    Aliases, CreatePolicy, Cycles, Deletes, Limits, PatchAnswer, Scope, Settings, TenantId,
    UnknownMembers,
};
pub use store::{
    Base, Batch, BoxFuture, Document, EdgeQuery, Expect, How, Intent, OnFailure, Store, StoreError,
    Stored, Support, Timestamps, Want, Write, Written,
};
pub use tenancy::{
    Connection, ConnectionId, Entry, Opened, Scopes, Stamp, Tenancy, Tenant, TokenRecord,
};
pub use turn::yield_now;
