//! The supplied facts of a decision.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use scimkit_registry::ResourceId;

use super::facts::{
    AncestorQuery, Candidates, CountRow, CounterRef, CounterRow, Facts, FoundRow, KeyHolder,
    KeyRef, Label, MemberList, Members, Needs, OwnerEdge, OwnerList, RowHead, RowState,
    ShownMembers, ShownOwners,
};
use crate::{StoreError, journal::JournalSeed};

/// The facts that were supplied so far, from the rows before the batch.
///
/// Rows that were needed and not found are known to be absent.
#[derive(Debug, Default)]
pub(super) struct Known {
    above: HashMap<AncestorQuery, HashSet<ResourceId>>,
    candidates: HashMap<usize, Vec<FoundRow>>,
    /// The stored counters, by type; none for a store without counters.
    counters: BTreeMap<Arc<str>, Option<Vec<CounterRow>>>,
    counts: BTreeMap<CounterRef, u64>,
    edges: HashMap<MemberList, HashMap<ResourceId, bool>>,
    heads: HashMap<ResourceId, Option<RowHead>>,
    holders: BTreeMap<KeyRef, Vec<ResourceId>>,
    journal: Option<JournalSeed>,
    labels: HashMap<ResourceId, Option<Label>>,
    member_kinds: HashMap<MemberList, HashMap<ResourceId, Option<String>>>,
    members: HashMap<MemberList, HashSet<ResourceId>>,
    owners: HashMap<ResourceId, Vec<OwnerEdge>>,
    rows: HashMap<ResourceId, Option<FoundRow>>,
    shown_members: HashMap<MemberList, First<(ResourceId, Option<String>)>>,
    shown_owners: HashMap<OwnerList, First<ResourceId>>,
    starts: HashSet<AncestorQuery>,
    /// The number of the last change, after it was supplied; the inner value is none if the database decides versions.
    version: Option<Option<u64>>,
}

/// The first items of a list, in order.
#[derive(Debug, Default)]
struct First<T> {
    items: Vec<T>,
    /// The requested number of items; none for all.
    limit: Option<usize>,
}

impl<T> First<T> {
    fn up_to(limit: Option<usize>) -> Self {
        let items = Vec::new();
        First { items, limit }
    }

    fn covers(&self, limit: Option<usize>) -> bool {
        let known = self.limit.unwrap_or(usize::MAX);
        known >= limit.unwrap_or(usize::MAX)
    }
}

impl Known {
    /// Adds the facts that a store found for some needs.
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
        let shown = (needs.shown_members, needs.shown_owners);
        self.add_shown(shown, (facts.shown_members, facts.shown_owners));
        self.add_labels(needs.labels, facts.labels);
        for (list, targets) in needs.member_kinds {
            let kinds = self.member_kinds.entry(list).or_default();
            kinds.extend(targets.into_iter().map(|target| (target, None)));
        }
        for ShownMembers { list, members } in facts.member_kinds {
            let kinds = self.member_kinds.entry(list).or_default();
            kinds.extend(members.into_iter().map(|member| (member.id, member.kind)));
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

    fn add_shown(
        &mut self,
        (lists, owner_lists): (
            BTreeMap<MemberList, Option<usize>>,
            BTreeMap<OwnerList, Option<usize>>,
        ),
        (members, owners): (Vec<ShownMembers>, Vec<ShownOwners>),
    ) {
        for (list, limit) in lists {
            self.shown_members.insert(list, First::up_to(limit));
        }
        for (list, limit) in owner_lists {
            self.shown_owners.insert(list, First::up_to(limit));
        }
        let count = members.iter().map(|shown| shown.members.len());
        self.labels.reserve(count.sum());
        for ShownMembers { list, members } in members {
            if let Some(first) = self.shown_members.get_mut(&list) {
                let members = members.into_iter().map(|member| (member.id, member.kind));
                first.items = members.collect();
                // Sorted already, unless the order of the database differs.
                first.items.sort_unstable();
                for (id, _) in &first.items {
                    self.labels.entry(id.clone()).or_insert(None);
                }
            }
        }
        for ShownOwners { list, mut owners } in owners {
            if let Some(first) = self.shown_owners.get_mut(&list) {
                owners.sort_unstable();
                for id in &owners {
                    self.labels.entry(id.clone()).or_insert(None);
                }
                first.items = owners;
            }
        }
    }

    fn add_labels(&mut self, ids: BTreeSet<ResourceId>, labels: Vec<Label>) {
        for id in ids {
            self.labels.entry(id).or_insert(None);
        }
        for label in labels {
            self.labels.insert(label.id.clone(), Some(label));
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

    /// Returns whether the store has counters of a type.
    pub(super) fn keeps_counters(&self, kind: &str) -> bool {
        self.counters.get(kind).is_some_and(Option::is_some)
    }

    /// Returns whether a counter is stored, or was counted.
    pub(super) fn has_count(&self, counter: &CounterRef) -> bool {
        let of_kind = self.counters.get(&counter.kind).into_iter().flatten();
        let mut stored = of_kind.flatten().map(|row| &row.counter);
        self.counts.contains_key(counter) || stored.any(|one| one == counter)
    }

    /// Returns the stored counters.
    pub(super) fn counters(&self) -> impl Iterator<Item = &CounterRow> {
        self.counters.values().flatten().flatten()
    }

    /// Returns the results of counting.
    pub(super) fn counts(&self) -> &BTreeMap<CounterRef, u64> {
        &self.counts
    }

    /// Returns the seed of new journal entries; none if the store has no journal.
    pub(super) fn journal(&self) -> Option<JournalSeed> {
        // Entries need the numbers of changes.
        self.journal.filter(|_| self.has_counter())
    }

    pub(super) fn has_version(&self) -> bool {
        self.version.is_some()
    }

    pub(super) fn version(&self) -> Result<u64, StoreError> {
        let version = self.version.ok_or_else(|| missing("the version"))?;
        Ok(version.unwrap_or(0))
    }

    /// Returns whether the store counts changes; otherwise its database decides versions.
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

    /// Returns whether an edge exists; none if that is unknown.
    pub(super) fn edge(&self, list: &MemberList, target: &ResourceId) -> Option<bool> {
        if let Some(members) = self.members.get(list) {
            return Some(members.contains(target));
        }
        self.edges.get(list)?.get(target).copied()
    }

    /// Returns all members of an owner, if they were supplied.
    pub(super) fn members(&self, list: &MemberList) -> Option<&HashSet<ResourceId>> {
        self.members.get(list)
    }

    /// Returns whether the type and display name of a resource are known.
    pub(super) fn has_label(&self, id: &ResourceId) -> bool {
        self.labels.contains_key(id) || self.has_row(id)
    }

    /// Returns whether a resource is known not to be live.
    pub(super) fn is_unlabelled(&self, id: &ResourceId) -> bool {
        matches!(self.label(id), KnownLabel::Absent)
    }

    /// Returns the label of a live resource, or the row that contains its type and display name.
    pub(super) fn label(&self, id: &ResourceId) -> KnownLabel<'_> {
        let label = self.labels.get(id);
        if let Some(Some(label)) = label {
            return KnownLabel::Label(label);
        }
        match self.rows.get(id) {
            Some(Some(row)) if row.head.state == RowState::Live => KnownLabel::Row(row),
            None if label.is_none() => KnownLabel::Unknown,
            _ => KnownLabel::Absent,
        }
    }

    pub(super) fn has_shown_members(&self, list: &MemberList, limit: Option<usize>) -> bool {
        let known = self.shown_members.get(list);
        known.is_some_and(|known| known.covers(limit))
    }

    /// Returns the first members of an owner with the types from clients' requests, if they were supplied.
    pub(super) fn shown_members(
        &self,
        list: &MemberList,
    ) -> Option<&[(ResourceId, Option<String>)]> {
        Some(&self.shown_members.get(list)?.items)
    }

    pub(super) fn has_shown_owners(&self, list: &OwnerList, limit: Option<usize>) -> bool {
        let known = self.shown_owners.get(list);
        known.is_some_and(|known| known.covers(limit))
    }

    /// Returns the first owners of a resource, if they were supplied.
    pub(super) fn shown_owners(&self, list: &OwnerList) -> Option<&[ResourceId]> {
        Some(&self.shown_owners.get(list)?.items)
    }

    /// Returns the type of a member from a client's request, if it was supplied.
    pub(super) fn member_kind(
        &self,
        list: &MemberList,
        target: &ResourceId,
    ) -> Option<Option<&str>> {
        if let Some(kind) = self.member_kinds.get(list).and_then(|l| l.get(target)) {
            return Some(kind.as_deref());
        }
        let shown = self.shown_members(list)?;
        let at = shown.binary_search_by(|(id, _)| id.cmp(target)).ok()?;
        Some(shown.get(at)?.1.as_deref())
    }

    pub(super) fn owners(&self, target: &ResourceId) -> Result<&[OwnerEdge], StoreError> {
        let owners = self.owners.get(target);
        Ok(owners.ok_or_else(|| missing("the owners"))?)
    }

    /// Returns the owners of a resource under one attribute, if an ancestor query covers the resource.
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

/// The known type and display name of a resource.
pub(super) enum KnownLabel<'k> {
    /// There is no live resource.
    Absent,
    Label(&'k Label),
    Row(&'k FoundRow),
    /// The facts were not supplied.
    Unknown,
}

/// Returns the error of a fact that was not loaded.
pub(super) fn missing(what: &str) -> StoreError {
    StoreError::backend(format!("the decision did not load {what}"))
}
