//! The resources of one tenant, and the edges between them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use scimkit_registry::{Budget, ResourceId, ResourceType};

use super::{
    admission::LongQueries,
    id_index::Places,
    ring::Ring,
    table::{Record, Table},
};
use crate::{
    ConnectionId, RequestContext, ResourceRef, Stamp, StoreError, WriteOp,
    engine::{self, CounterRef, CounterRow},
    journal::{DirectoryChange, seal_directory_changes},
};

/// The resources of one tenant.
#[derive(Debug, Default)]
pub(super) struct Tenant {
    /// The counters of the engine, which every write adjusts.
    pub(super) counters: BTreeMap<CounterRef, CounterRow>,
    /// Whether an import is in progress, which has the resources until it is complete.
    pub(super) is_importing: bool,
    pub(super) journal: Ring,
    /// The values of components above the store, by collection and key.
    pub(super) key_values: BTreeMap<(String, String), String>,
    pub(super) long_queries: Arc<LongQueries>,
    pub(super) places: Places,
    /// The soft-deleted resources, by type. Their ids are in no other table.
    pub(super) deleted: BTreeMap<Arc<str>, Table>,
    /// The live resources, by type.
    pub(super) tables: BTreeMap<Arc<str>, Table>,
    /// The last version. All resources share this count, so that the versions of an id never repeat.
    pub(super) version: u64,
}

impl Tenant {
    pub(super) fn shared_record(
        &self,
        kind: &ResourceType,
        id: &ResourceId,
    ) -> Option<&Arc<Record>> {
        self.tables.get(kind.name())?.records.get(id)
    }

    /// Fails while an import is not complete.
    pub(super) fn check_complete(&self) -> Result<(), StoreError> {
        if self.is_importing {
            Err(StoreError::Importing)
        } else {
            Ok(())
        }
    }

    pub(super) fn record(&self, kind: &ResourceType, id: &ResourceId) -> Option<&Record> {
        Some(self.shared_record(kind, id)?)
    }

    /// Returns the approximate units of a write, including the edges and resources that it reads.
    pub(super) fn weight(&self, context: &RequestContext, write: &WriteOp) -> u64 {
        const EDGE: u64 = 64 * Budget::COMPARISON;
        const ROW: u64 = 16 * Budget::COMPARISON;
        let kind = write.kind();
        let id = write.id();
        let own = || {
            let record = self.record(kind, id);
            let lists = record.into_iter().flat_map(|record| record.edges.values());
            lists.map(BTreeMap::len).sum()
        };
        let above = || self.places.count_owners(id.as_str());
        let edges = match write {
            WriteOp::Create { .. } => 0,
            WriteOp::Delete { .. } => above() + own(),
            WriteOp::Update { change, .. } => {
                let replaced = change.replaces_edges().then(own);
                let followed = (!change.edge_changes().is_empty()).then(above);
                replaced.unwrap_or(0) + followed.unwrap_or(0)
            }
        };
        let found_match = match write {
            WriteOp::Create {
                existing_match: Some(existing_match),
                ..
            } => self.count_candidates(&context.settings, kind, &existing_match.predicate),
            _ => 0,
        };
        let capacities = context.settings.policy.capacities.iter();
        let capacities = capacities.filter(|one| one.kind().name() == kind.name());
        let uncounted = capacities.filter(|one| !self.counters.contains_key(one.counter()));
        let counted = uncounted
            .map(|one| self.count_candidates(&context.settings, one.kind(), one.predicate()));
        let rows = found_match + counted.sum::<usize>();
        let looked_at = EDGE.saturating_mul(edges as u64) + ROW.saturating_mul(rows as u64);
        engine::weight(write).saturating_add(looked_at)
    }

    /// Removes the owner of a connection's resources, and returns their types and ids in order.
    pub(super) fn release(&mut self, connection: &ConnectionId) -> Vec<ResourceRef> {
        let mut released = Vec::new();
        for (kind, table) in self.tables.iter_mut().chain(&mut self.deleted) {
            for (id, record) in &mut table.records {
                if record.connection.as_ref() == Some(connection) {
                    Arc::make_mut(record).connection = None;
                    released.push(ResourceRef {
                        kind: kind.to_string(),
                        id: id.clone(),
                    });
                }
            }
        }
        released.sort_unstable();
        released
    }

    /// Assigns numbers to changes of the tenant's entries, and records them in the journal.
    pub(super) fn record_changes(&mut self, stamp: &Stamp, changes: Vec<DirectoryChange>) {
        let seed = self.journal.seed();
        let last = self.version;
        self.version = self.version.saturating_add(changes.len() as u64);
        self.journal
            .add(seal_directory_changes(seed, last, stamp, changes));
    }

    pub(super) fn table(&mut self, kind: &Arc<ResourceType>) -> &mut Table {
        let table = self.tables.entry(kind.name().into()).or_default();
        table.keep_up_with(kind);
        table
    }

    /// Returns the name of a type, with a shared text.
    pub(super) fn name(&self, kind: &ResourceType) -> Arc<str> {
        let known = self.tables.get_key_value(kind.name());
        known.map_or_else(|| kind.name().into(), |(name, _)| Arc::clone(name))
    }

    /// Purges the resources that were soft-deleted before the time `before`, and returns their number.
    pub(super) fn forget(&mut self, before: DateTime<Utc>) -> u64 {
        let (mut count, mut purged) = (0, BTreeSet::new());
        for table in self.deleted.values_mut() {
            let records = table.records.iter();
            let old = records.filter(|(_, record)| record.last_modified < before);
            let old: BTreeSet<_> = old.map(|(id, _)| id.clone()).collect();
            count += old.len() as u64;
            table.remove_all(&old);
            purged.extend(old);
        }
        let deleted = self.journal.deleted(before);
        purged.extend(
            deleted
                .filter(|id| self.places.kind(id.as_str()).is_none())
                .cloned(),
        );
        self.journal.blank(&purged);
        count
    }

    /// Returns whether there are no resources, soft-deleted ones included.
    pub(super) fn is_empty(&self) -> bool {
        let mut tables = self.tables.values().chain(self.deleted.values());
        tables.all(|table| table.records.is_empty())
    }

    pub(super) fn deleted_of(&mut self, kind: &Arc<ResourceType>) -> &mut Table {
        let table = self.deleted.entry(kind.name().into()).or_default();
        table.keep_up_with(kind);
        table
    }

    /// Returns whether a soft-deleted resource has the id.
    pub(super) fn is_deleted(&self, id: &ResourceId) -> bool {
        let mut tables = self.deleted.values();
        tables.any(|table| table.records.contains_key(id))
    }
}
