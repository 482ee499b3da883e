//! The rules of the engine that depend on settings.

use std::sync::Arc;

use scimkit_registry::{Predicate, ResourceType};

use super::{facts::CounterRef, role_policy::RolePolicy};
use crate::JournalPolicy;

/// Limits on the number of live resources of one type that satisfy a predicate: a maximum, such as 50 active users, or a
/// minimum, such as one administrator.
///
/// The limits are exact, also under concurrency:
/// - A write that would exceed the maximum fails with [`CapacityExceeded`](crate::StoreError::CapacityExceeded). If the
///   maximum is lowered, existing resources stay, and can still be changed, deactivated and deleted.
/// - A write that would leave fewer than the minimum fails with [`TooFewLeft`](crate::StoreError::TooFewLeft). If there are
///   fewer already, none of them can be deleted or changed so that it no longer counts.
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
///
/// let admins = Filter::parse(r#"roles.value eq "admin" and active eq true"#).unwrap();
/// let admins = user.bind_filter(&admins, &Tolerance::DEFAULT)?;
/// let admins = Capacity::at_least("administrators", user.clone(), admins, 1);
/// assert_eq!(admins.least, 1);
/// # Ok::<(), scimkit_registry::RequestError>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Capacity {
    // INVARIANT: it is the counter of `kind` and `predicate`.
    counter: CounterRef,
    kind: Arc<ResourceType>,
    /// The minimum number of resources; 0 for none.
    pub least: u64,
    /// The maximum number of resources; [`u64::MAX`] for none.
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
            least: 0,
            limit,
            name: name.into(),
            predicate,
        }
    }

    /// Creates a minimum of `least` live resources that satisfy the predicate, under the rules of [`new`](Self::new).
    #[must_use]
    pub fn at_least(
        name: impl Into<String>,
        kind: Arc<ResourceType>,
        predicate: Predicate,
        least: u64,
    ) -> Self {
        Capacity {
            least,
            ..Capacity::new(name, kind, predicate, u64::MAX)
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
    /// The rules by which the roles of users follow from their groups, which should be the same for all connections of
    /// a tenant; without them, roles are written by clients. [`Settings::with_roles`](crate::Settings::with_roles) also
    /// describes them to clients.
    pub roles: Option<Arc<RolePolicy>>,
    /// The handling of a member that does not exist.
    pub unknown_members: UnknownMemberPolicy,
}
