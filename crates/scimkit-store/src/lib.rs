//! The storage contract of a SCIM 2.0 service provider, and a store in memory.
//!
//! - [`Store`]: what a host implements to keep resources in its own tables
//! - [`Memory`]: a store for tests, examples and small directories
//! - [`Scope`], [`Settings`]: on whose behalf, and under which rules, a store is asked
//! - [`computed`]: the attributes that no document holds, such as `meta` and memberships

mod computed;
mod extension;
mod memory;
mod scope;
mod store;

pub use computed::{Facts, computed, element, location, meta, targets};
pub use extension::StoreExt;
pub use memory::Memory;
pub use scope::{Cycles, Limits, PatchAnswer, Scope, Settings, TenantId, UnknownMembers};
pub use store::{
    Batch, BoxFuture, Count, Document, EdgeQuery, Expect, How, OnFailure, Page, Query, Sort, Store,
    StoreError, Stored, Support, Write, Written,
};
