//! The capabilities of a store.

use std::collections::BTreeSet;

use scimkit_registry::ResourceType;

use crate::{
    Batch, DeletePolicy, Intent, JournalLevel, OwnerFilter, PageStart, Query, Settings, StoreError,
    WriteOp,
};

/// The capabilities of a store for one resource type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Whether it enforces [`Policy::capacities`](crate::engine::Policy::capacities).
    pub capacities: bool,
    /// Whether it can [check](Intent::Check) a batch without writing it.
    pub check: bool,
    /// Whether a create can adopt or restore an [existing](crate::ExistingMatch) resource. This needs the stored owner
    /// of each resource.
    pub existing_matches: bool,
    /// Whether it compares the [pin](crate::ExistingMatch::with_pin) of such a create.
    pub match_pins: bool,
    /// Whether it continues a list after a [`PagePosition`](crate::PagePosition).
    pub cursor: bool,
    /// Whether it evaluates predicates.
    pub filter: bool,
    /// Whether it stores the id of [`WriteOp::Create`]. If it assigns its own ids, a write that refers to a new
    /// resource has to wait until that exists.
    pub caller_assigned_ids: bool,
    /// Whether it writes a [journal](crate::Journal). A store without one accepts the default level,
    /// records nothing, and rejects [`JournalLevel::Full`](crate::JournalLevel::Full).
    pub journal: bool,
    /// Whether it soft-deletes under [`DeletePolicy::Soft`](crate::DeletePolicy::Soft).
    pub soft_delete: bool,
    /// Whether it stores and queries the connection that owns a resource:
    /// [`StoredResource::owner`](crate::StoredResource::owner) and [`Query::with_owner`](crate::Query::with_owner).
    pub owners: bool,
    /// Whether it sorts.
    pub sort: bool,
    /// Whether the results of writes have the edges that the [batch](Batch::read_options) needs.
    pub written_edges: bool,
}

impl Capabilities {
    /// Returns all capabilities of the first version of the contract. A store has to declare the others itself:
    /// capacities, checks, pins, a journal, owners, and edges in the results of writes.
    #[must_use]
    pub fn full() -> Self {
        Capabilities {
            capacities: false,
            check: false,
            match_pins: false,
            existing_matches: true,
            cursor: true,
            filter: true,
            caller_assigned_ids: true,
            journal: false,
            owners: false,
            soft_delete: true,
            sort: true,
            written_edges: false,
        }
    }
}

/// The capability that a store without a journal lacks.
pub(crate) const FULL_JOURNAL: &str = "a journal with values";

impl Capabilities {
    /// Rejects a query that needs a capability which the store lacks. A store that lacks a capability should
    /// call this for each query.
    ///
    /// # Errors
    /// [`StoreError::Unsupported`] with the first capability that is missing.
    pub fn check_query(&self, query: &Query) -> Result<(), StoreError> {
        let feature = match query {
            _ if !self.owners && query.owner != OwnerFilter::Any => "a query by owner",
            _ if !self.cursor && matches!(query.start, PageStart::After(_)) => {
                "a page after a position"
            }
            _ if !self.filter && query.predicate.is_some() => "a filter",
            _ if !self.sort && query.sort.is_some() => "a sorted list",
            _ => return Ok(()),
        };
        Err(StoreError::Unsupported { feature })
    }

    /// Rejects a batch that needs a capability which the store lacks. A store with the same capabilities for all
    /// types should call this for each batch; for other stores there is [`Batch::check_support`].
    ///
    /// # Errors
    /// [`StoreError::Unsupported`] with the first capability that is missing.
    pub fn check_batch(&self, settings: &Settings, batch: &Batch) -> Result<(), StoreError> {
        self.check_writes((settings, batch), |_| true)
    }

    /// Rejects a batch if one of the selected writes needs a missing capability.
    fn check_writes(
        &self,
        (settings, batch): (&Settings, &Batch),
        is_meant: impl Fn(&WriteOp) -> bool,
    ) -> Result<(), StoreError> {
        let writes = || batch.writes.iter().filter(|write| is_meant(write));
        let deletes = || writes().any(|write| matches!(write, WriteOp::Delete { .. }));
        let existing_matches = || {
            writes().filter_map(|write| match write {
                WriteOp::Create { existing_match, .. } => existing_match.as_deref(),
                _ => None,
            })
        };
        let feature = match batch.intent {
            Intent::Check if !self.check => "a write that is only checked",
            _ if !self.capacities && !settings.policy.capacities.is_empty() => {
                "a limit on resources"
            }
            _ if !self.written_edges && !batch.read_options.edges.is_empty() => {
                "edges in answers to writes"
            }
            _ if !self.existing_matches && existing_matches().next().is_some() => {
                "a create that adopts or restores"
            }
            _ if !self.match_pins
                && existing_matches().any(|existing_match| existing_match.pin.is_some()) =>
            {
                "a create that expects what an earlier check has found"
            }
            _ if !self.soft_delete
                && settings.policy.delete_policy == DeletePolicy::Soft
                && deletes() =>
            {
                "soft delete"
            }
            _ if !self.journal && settings.policy.journal.level == JournalLevel::Full => {
                FULL_JOURNAL
            }
            _ => return Ok(()),
        };
        Err(StoreError::Unsupported { feature })
    }
}

impl Batch {
    /// Rejects a batch if one of its writes needs a capability that the store lacks for the type of that write.
    /// The server calls this before each batch.
    ///
    /// # Errors
    /// [`StoreError::Unsupported`] with the first capability that is missing.
    pub fn check_support(
        &self,
        settings: &Settings,
        support: impl Fn(&ResourceType) -> Capabilities,
    ) -> Result<(), StoreError> {
        let mut checked = BTreeSet::new();
        for kind in self.writes.iter().map(WriteOp::kind) {
            if checked.insert(kind.name()) {
                let is_of_kind = |write: &WriteOp| write.kind().name() == kind.name();
                support(kind).check_writes((settings, self), is_of_kind)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::DateTime;

    use super::Capabilities;
    use crate::{Batch, DeletePolicy, ExpectedVersion, Settings, StoreError, WriteOp};

    #[test]
    fn batch_needs_capabilities_of_each_type_for_its_own_writes() {
        let mut settings = Settings::new("https://example.com");
        settings.policy.delete_policy = DeletePolicy::Soft;
        let delete = |name: &str| WriteOp::Delete {
            expect: ExpectedVersion::Any,
            id: "1".into(),
            kind: Arc::clone(settings.registry.resource_type(name).unwrap()),
        };
        let create = |name: &str| {
            let kind = Arc::clone(settings.registry.resource_type(name).unwrap());
            WriteOp::Create {
                change: scimkit_registry::Change::empty(kind),
                existing_match: None,
                id: "2".into(),
            }
        };
        let check = |writes| {
            let batch = Batch::new(DateTime::UNIX_EPOCH, writes);
            batch.check_support(&settings, |kind| {
                let mut support = Capabilities::full();
                support.soft_delete = kind.name() == "User";
                support
            })
        };
        assert!(check(vec![delete("User"), create("Group")]).is_ok());
        let rejected = check(vec![delete("User"), delete("Group")]);
        assert!(matches!(rejected, Err(StoreError::Unsupported { .. })));
    }
}
