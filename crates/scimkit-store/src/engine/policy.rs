//! The rules of the engine that depend on settings.

use std::sync::Arc;

use scimkit_registry::{Predicate, ResourceType};

use super::facts::CounterRef;
use crate::JournalPolicy;

/// A limit on the live resources of one type that satisfy a predicate, such as active users.
///
/// The limit is exact, also under concurrency: a write that would exceed it fails with
/// [`CapacityExceeded`](crate::StoreError::CapacityExceeded). If the limit is lowered, existing resources stay, and can
/// still be changed, deactivated and deleted.
///
/// # Example
/// ```
/// use scimkit_filter::Filter;
/// use scimkit_registry::{Registry, Tolerance};
/// use scimkit_store::engine::Capacity;
///
/// let registry = Registry::standard();
/// let user = registry.resource_type("User").unwrap();
/// let active = Filter::parse("active eq true").unwrap();
/// let active = user.bind_filter(&active, &Tolerance::DEFAULT)?;
/// let seats = Capacity::new("seats", user.clone(), active, 50);
/// assert_eq!((&*seats.name, seats.limit), ("seats", 50));
/// # Ok::<(), scimkit_registry::RequestError>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Capacity {
    // INVARIANT: it is the counter of `kind` and `predicate`.
    counter: CounterRef,
    kind: Arc<ResourceType>,
    /// The maximum number of resources.
    pub limit: u64,
    /// The name of the limit in errors.
    pub name: String,
    predicate: Predicate,
}

impl Capacity {
    /// Creates a limit of `limit` live resources that satisfy the predicate. The predicate may use attributes that
    /// documents contain, but no membership and no computed attribute.
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

    /// Returns the type whose resources are counted.
    #[must_use]
    pub fn kind(&self) -> &Arc<ResourceType> {
        &self.kind
    }

    /// Returns the predicate that a resource satisfies to be counted.
    #[must_use]
    pub fn predicate(&self) -> &Predicate {
        &self.predicate
    }

    /// Returns the counter of the limited resources, which does not depend on the limit.
    pub(crate) fn counter(&self) -> &CounterRef {
        &self.counter
    }
}

/// The handling of a member that would make its group a member of itself, directly or through other
/// groups.
///
/// A cycle consists of edges of one attribute: a group that is in the `owners` of one of its
/// `members` is not a cycle.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every store must carry out every policy"
)]
pub enum CyclePolicy {
    /// Store the edge. Reads follow memberships for one step only, so a cycle can't make them loop.
    Accept,
    /// Reject the write with [`StoreError::Cycle`](crate::StoreError::Cycle).
    #[default]
    Reject,
}

/// The handling of a member whose id is not that of a resource of the tenant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every store must carry out every policy"
)]
pub enum UnknownMemberPolicy {
    /// Store the edge. It has the type and name of its target as soon as that exists.
    Accept,
    /// Reject the write with [`StoreError::UnknownMembers`](crate::StoreError::UnknownMembers).
    #[default]
    Reject,
}

/// The choice between a permanent and a soft delete.
///
/// Both look the same to a client: the response to a read is 404, the resource is in no list and no group, and another
/// resource can have its unique values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every store must carry out every policy"
)]
pub enum DeletePolicy {
    /// The resource is removed permanently.
    #[default]
    Permanent,
    /// The resource is soft-deleted: its document and id are stored, so that a later create can
    /// [restore](crate::CreatePolicy::Restore) it.
    Soft,
}

/// The rules of the engine that depend on settings.
///
/// A policy is a part of [`Settings`](crate::Settings), next to schemas, mapping and limits.
///
/// # Example
/// ```
/// use scimkit_store::{DeletePolicy, Settings};
///
/// let mut settings = Settings::new("https://app.example/scim/v2");
/// settings.policy.delete_policy = DeletePolicy::Soft;
/// assert!(settings.policy.capacities.is_empty());
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Policy {
    /// Limits on the number of resources. They count the resources of all connections.
    pub capacities: Vec<Capacity>,
    /// The handling of a member that would make its group a member of itself.
    pub cycles: CyclePolicy,
    /// Whether deletes are permanent or soft.
    pub delete_policy: DeletePolicy,
    /// The level and masks of the journal, which should be the same for all connections of a tenant.
    pub journal: JournalPolicy,
    /// The handling of a member that does not exist.
    pub unknown_members: UnknownMemberPolicy,
}
