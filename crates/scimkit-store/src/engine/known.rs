//! The facts that were supplied so far.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use scimkit_registry::ResourceId;

use super::facts::{
    AncestorQuery, Candidates, CountRow, CounterRef, CounterRow, Facts, FoundRow, KeyHolder,
    KeyRef, MemberList, Members, Needs, OwnerEdge, RowHead,
};
use crate::{StoreError, journal::JournalSeed};

/// The facts that were supplied so far, as the rows are before the batch.
///
/// What was asked for and not found is known to be absent.
#[derive(Debug, Default)]
pub(super) struct Known {
    above: HashMap<AncestorQuery, HashSet<ResourceId>>,
    candidates: HashMap<usize, Vec<FoundRow>>,
    /// The stored counters by the name of the type; none for a store without counters.
    counters: BTreeMap<Arc<str>, Option<Vec<CounterRow>>>,
    counts: BTreeMap<CounterRef, u64>,
    edges: HashMap<MemberList, HashMap<ResourceId, bool>>,
    heads: HashMap<ResourceId, Option<RowHead>>,
    holders: BTreeMap<KeyRef, Vec<ResourceId>>,
    journal: Option<JournalSeed>,
    members: HashMap<MemberList, HashSet<ResourceId>>,
    owners: HashMap<ResourceId, Vec<OwnerEdge>>,
    rows: HashMap<ResourceId, Option<FoundRow>>,
    starts: HashSet<AncestorQuery>,
    /// Once it was supplied, the counter of changes; none where the database decides versions.
    version: Option<Option<u64>>,
}

impl Known {
    /// Takes the facts that a store found for some needs.
    pub(super) fn add(&mut self, needs: Needs, facts: Facts) {
        for id in needs.rows {
            self.rows.entry(id).or_insert(None);
        }
        for id in needs.heads {
            self.heads.entry(id).or_insert(None);
        }
        for row in facts.rows {
            self.add_row(row);
        }
        for head in facts.heads {
            self.heads.insert(head.id.clone(), Some(head));
        }
        for key in needs.holders {
            self.holders.entry(key).or_default();
        }
        for KeyHolder { id, key } in facts.holders {
            self.holders.entry(key).or_default().push(id);
        }
        self.add_edges(needs.edges, needs.members, (facts.edges, facts.members));
        for target in needs.owners {
            self.owners.entry(target).or_default();
        }
        for edge in facts.owners {
            let head = Some(edge.owner.clone());
            self.heads.entry(edge.owner.id.clone()).or_insert(head);
            let owners = self.owners.entry(edge.target.clone()).or_default();
            owners.push(edge);
        }
        self.starts.extend(needs.ancestors);
        for edge in facts.ancestors {
            let (attr, start) = (edge.attr, edge.target);
            let owners = self.above.entry(AncestorQuery { attr, start }).or_default();
            owners.insert(edge.owner);
        }
        for query in needs.candidates {
            self.candidates.entry(query.number).or_default();
        }
        for Candidates { number, rows } in facts.candidates {
            for row in &rows {
                self.add_row(row.clone());
            }
            self.candidates.insert(number, rows);
        }
        for kind in needs.counters {
            let stored = facts.counters.as_ref().map(|rows| {
                let rows = rows.iter().filter(|row| row.counter.kind == kind);
                rows.cloned().collect()
            });
            self.counters.insert(kind, stored);
        }
        for CountRow { count, counter } in facts.counts {
            self.counts.insert(counter, count);
        }
        if needs.version {
            self.version = Some(facts.version);
            self.journal = facts.journal;
        }
    }

    fn add_row(&mut self, row: FoundRow) {
        self.rows.insert(row.head.id.clone(), Some(row));
    }

    fn add_edges(
        &mut self,
        edges: BTreeMap<MemberList, BTreeSet<ResourceId>>,
        members: BTreeSet<MemberList>,
        (found, all): (Vec<Members>, Vec<Members>),
    ) {
        for (list, targets) in edges {
            let known = self.edges.entry(list).or_default();
            known.extend(targets.into_iter().map(|target| (target, false)));
        }
        for Members { list, targets } in found {
            let known = self.edges.entry(list).or_default();
            known.extend(targets.into_iter().map(|target| (target, true)));
        }
        for list in members {
            self.members.entry(list).or_default();
        }
        for Members { list, targets } in all {
            self.members.entry(list).or_default().extend(targets);
        }
    }

    pub(super) fn has_row(&self, id: &ResourceId) -> bool {
        self.rows.contains_key(id)
    }

    pub(super) fn has_head(&self, id: &ResourceId) -> bool {
        self.heads.contains_key(id) || self.has_row(id)
    }

    pub(super) fn has_holders(&self, key: &KeyRef) -> bool {
        self.holders.contains_key(key)
    }

    pub(super) fn has_owners(&self, target: &ResourceId) -> bool {
        self.owners.contains_key(target)
    }

    pub(super) fn has_ancestors(&self, query: &AncestorQuery) -> bool {
        self.starts.contains(query)
    }

    pub(super) fn has_counters(&self, kind: &str) -> bool {
        self.counters.contains_key(kind)
    }

    /// Whether the store has counters of a type.
    pub(super) fn keeps_counters(&self, kind: &str) -> bool {
        self.counters.get(kind).is_some_and(Option::is_some)
    }

    /// Whether a counter is stored, or was counted.
    pub(super) fn has_count(&self, counter: &CounterRef) -> bool {
        let of_kind = self.counters.get(&counter.kind).into_iter().flatten();
        let mut stored = of_kind.flatten().map(|row| &row.counter);
        self.counts.contains_key(counter) || stored.any(|one| one == counter)
    }

    /// The counters that are stored.
    pub(super) fn counters(&self) -> impl Iterator<Item = &CounterRow> {
        self.counters.values().flatten().flatten()
    }

    /// The results of counting.
    pub(super) fn counts(&self) -> &BTreeMap<CounterRef, u64> {
        &self.counts
    }

    /// The seed of new journal entries; none if the store has no journal.
    pub(super) fn journal(&self) -> Option<JournalSeed> {
        // Without a counter there are no numbers for entries.
        self.journal.filter(|_| self.has_counter())
    }

    pub(super) fn has_version(&self) -> bool {
        self.version.is_some()
    }

    pub(super) fn version(&self) -> Result<u64, StoreError> {
        let version = self.version.ok_or_else(|| missing("the version"))?;
        Ok(version.unwrap_or(0))
    }

    /// Whether the store counts changes; otherwise its database decides versions.
    pub(super) fn has_counter(&self) -> bool {
        self.version.flatten().is_some()
    }

    pub(super) fn row(&self, id: &ResourceId) -> Result<Option<&FoundRow>, StoreError> {
        let row = self.rows.get(id).ok_or_else(|| missing("a row"))?;
        Ok(row.as_ref())
    }

    pub(super) fn head(&self, id: &ResourceId) -> Result<Option<&RowHead>, StoreError> {
        if let Some(row) = self.rows.get(id) {
            return Ok(row.as_ref().map(|row| &row.head));
        }
        let head = self.heads.get(id).ok_or_else(|| missing("a head"))?;
        Ok(head.as_ref())
    }

    pub(super) fn holders(&self, key: &KeyRef) -> Result<&[ResourceId], StoreError> {
        let holders = self.holders.get(key).ok_or_else(|| missing("a key"))?;
        Ok(holders)
    }

    /// Whether a member is known to be there or not.
    pub(super) fn edge(&self, list: &MemberList, target: &ResourceId) -> Option<bool> {
        if let Some(members) = self.members.get(list) {
            return Some(members.contains(target));
        }
        self.edges.get(list)?.get(target).copied()
    }

    /// All members of an owner, once they were supplied.
    pub(super) fn members(&self, list: &MemberList) -> Option<&HashSet<ResourceId>> {
        self.members.get(list)
    }

    pub(super) fn owners(&self, target: &ResourceId) -> Result<&[OwnerEdge], StoreError> {
        let owners = self.owners.get(target);
        Ok(owners.ok_or_else(|| missing("the owners"))?)
    }

    /// The owners of a resource by one attribute, if it is on a way up that was asked for.
    pub(super) fn above(
        &self,
        attr: &Arc<str>,
        target: &ResourceId,
    ) -> impl Iterator<Item = &ResourceId> {
        let query = AncestorQuery {
            attr: Arc::clone(attr),
            start: target.clone(),
        };
        self.above.get(&query).into_iter().flatten()
    }

    pub(super) fn candidates(&self, number: usize) -> Result<&[FoundRow], StoreError> {
        let rows = self.candidates.get(&number);
        Ok(rows.ok_or_else(|| missing("the candidates"))?)
    }
}

/// A fact that the decision did not ask for.
pub(super) fn missing(what: &str) -> StoreError {
    StoreError::backend(format!("the decision did not ask for {what}"))
}
