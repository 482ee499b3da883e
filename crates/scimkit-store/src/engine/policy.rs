//! What a write decides by.

use std::sync::Arc;

use scimkit_registry::{Predicate, ResourceType};

use super::facts::CounterRef;
use crate::JournalPolicy;

/// A limit on the live resources of one type that satisfy a predicate, such as active users.
///
/// It is exact, also under concurrency: a write that would exceed it fails with
/// [`CapacityExceeded`](crate::StoreError::CapacityExceeded). What exceeds it already stays, and may be changed as long as it
/// does not count anew.
///
/// # Example
/// ```
/// use scimkit_filter::Filter;
/// use scimkit_registry::{Registry, Tolerance};
/// use scimkit_store::engine::Capacity;
///
/// let registry = Registry::standard();
/// let user = registry.by_name("User").unwrap();
/// let active = Filter::parse("active eq true").unwrap();
/// let active = user.bind_filter(&active, &Tolerance::DEFAULT)?;
/// let seats = Capacity::new("seats", user.clone(), active, 50);
/// assert_eq!((&*seats.name, seats.limit), ("seats", 50));
/// # Ok::<(), scimkit_registry::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Capacity {
    // INVARIANT: it is the counter of `kind` and `predicate`.
    counter: CounterRef,
    kind: Arc<ResourceType>,
    /// How many there may be.
    pub limit: u64,
    /// What the limit is called in errors.
    pub name: String,
    predicate: Predicate,
}

impl Capacity {
    /// At most `limit` resources that satisfy the predicate, in terms of attributes that documents
    /// hold: no membership and nothing that is computed.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        kind: Arc<ResourceType>,
        predicate: Predicate,
        limit: u64,
    ) -> Self {
        Capacity {
            counter: CounterRef::matching(&kind, &predicate),
            kind,
            limit,
            name: name.into(),
            predicate,
        }
    }

    /// The type whose resources are counted.
    #[must_use]
    pub fn kind(&self) -> &Arc<ResourceType> {
        &self.kind
    }

    /// Which resources count.
    #[must_use]
    pub fn predicate(&self) -> &Predicate {
        &self.predicate
    }

    /// The counter of what it limits; the limit itself may change.
    pub(crate) fn counter(&self) -> &CounterRef {
        &self.counter
    }
}

/// What to do with a member that would make its group a member of itself, at once or by way of
/// others.
///
/// A cycle is made of edges of one attribute: a group that is in the `owners` of one of its
/// `members` is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every store must carry out every policy"
)]
pub enum Cycles {
    /// Keep the edge. Nothing here follows memberships further than one step, so nothing loops.
    Accept,
    /// Refuse the write with [`StoreError::Cycle`](crate::StoreError::Cycle).
    #[default]
    Refuse,
}

/// What to do with a member whose id is not a resource of the tenant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every store must carry out every policy"
)]
pub enum UnknownMembers {
    /// Keep the edge; it shows its target once that exists.
    Accept,
    /// Refuse the write with [`StoreError::Missing`](crate::StoreError::Missing).
    #[default]
    Refuse,
}

/// What becomes of a resource that is deleted.
///
/// For a client it is gone either way: it answers 404, is in no list and no group, and its unique
/// values are free.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every store must carry out every policy"
)]
pub enum Deletes {
    /// Nothing is left of it.
    #[default]
    Erase,
    /// Its document and id are kept, so that a later create can [bring it
    /// back](crate::CreatePolicy::Relink).
    Retire,
}

/// The rules that the engine decides a write by.
///
/// Schemas, mapping and limits of a request are not among them: [`Settings`](crate::Settings) has both.
///
/// # Example
/// ```
/// use scimkit_store::{Deletes, Settings};
///
/// let mut settings = Settings::new("https://app.example/scim/v2");
/// settings.policy.deletes = Deletes::Retire;
/// assert!(settings.policy.capacities.is_empty());
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Policy {
    /// Limits on the number of resources. They count the resources of all connections.
    pub capacities: Vec<Capacity>,
    /// What to do with a member that would make its group a member of itself.
    pub cycles: Cycles,
    /// What becomes of a resource that is deleted.
    pub deletes: Deletes,
    /// How much the journal records, the same for all connections of a tenant.
    pub journal: JournalPolicy,
    /// What to do with a member that does not exist.
    pub unknown_members: UnknownMembers,
}
