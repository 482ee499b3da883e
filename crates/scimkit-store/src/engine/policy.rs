//! What a write decides by.

use std::sync::Arc;

use scimkit_registry::{
    Change, Mapping, Predicate, Registry, Resource, ResourceType, mapping::Occasion,
};

use super::facts::CounterRef;

use crate::{Claim, Cycles, Deletes, JournalPolicy, Limits, Settings, StoreError, UnknownMembers};

/// A limit on the live resources of one type that satisfy a predicate, such as active users.
///
/// It is exact, also under concurrency: a write that would exceed it fails with
/// [`StoreError::CapacityExceeded`]. What exceeds it already stays, and may be changed as long as it
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

/// What a write decides by: the part of the [`Settings`] that the engine knows.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Policy {
    /// Limits on the number of resources.
    pub capacities: Vec<Capacity>,
    /// What to do with a member that would make its group a member of itself.
    pub cycles: Cycles,
    /// What becomes of a resource that is deleted.
    pub deletes: Deletes,
    /// How much the journal records.
    pub journal: JournalPolicy,
    /// The limits of a request, of which the largest document is checked.
    pub limits: Limits,
    /// What lets the attributes of an adoption through.
    pub mapping: Option<Arc<Mapping>>,
    /// The resource types that memberships lead to.
    pub registry: Arc<Registry>,
    /// What to do with a member that does not exist.
    pub unknown_members: UnknownMembers,
}

impl Policy {
    /// The default policy with that registry.
    #[must_use]
    pub fn new(registry: Arc<Registry>) -> Self {
        Policy {
            capacities: Vec::new(),
            cycles: Cycles::default(),
            deletes: Deletes::default(),
            journal: JournalPolicy::default(),
            limits: Limits::default(),
            mapping: None,
            registry,
            unknown_members: UnknownMembers::default(),
        }
    }

    /// The change by which a create adopts a live resource: what was sent, as the mapping lets it
    /// through for what is stored, so that nothing is removed that the mapping does not name.
    ///
    /// # Errors
    /// - [`StoreError::Invalid`]: the mapping rejects it.
    /// - [`StoreError::TooLarge`]: with what is stored it would be too large.
    pub fn adoption_change(
        &self,
        change: &Change,
        claim: &Claim,
        before: &Resource,
    ) -> Result<Change, StoreError> {
        let sent = claim.sent.as_ref().unwrap_or(change).clone();
        let mapping = self.mapping.as_ref();
        let Some(mapping) = mapping.and_then(|m| m.of(change.kind().name())) else {
            self.limits.check_document(Some(before), &sent)?;
            return Ok(sent);
        };
        let shaped = mapping.shape(sent, Occasion::Adopt(before));
        let shaped = shaped.map_err(|problem| StoreError::Invalid {
            detail: problem.to_string(),
        })?;
        self.limits.check_document(Some(before), &shaped.change)?;
        Ok(shaped.change)
    }
}

impl From<&Settings> for Policy {
    fn from(settings: &Settings) -> Self {
        Policy {
            capacities: settings.capacities.clone(),
            cycles: settings.cycles,
            deletes: settings.deletes,
            journal: settings.journal.clone(),
            limits: settings.limits,
            mapping: settings.mapping().cloned(),
            registry: Arc::clone(&settings.registry),
            unknown_members: settings.unknown_members,
        }
    }
}
