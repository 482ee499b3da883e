//! Loads the facts for the engine from a tenant's tables.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use scimkit_registry::{Exhausted, Meter, Registry, ResourceId};

use super::{
    edges::EDGE,
    table::{Record, Table, Targets},
    tenant::Tenant,
};
use crate::{
    Document, RequestContext, StoreError,
    engine::{
        AncestorEdge, AncestorQuery, CandidateQuery, Candidates, CountQuery, CountRow, Facts,
        FoundRow, KeyHolder, Label, MemberList, Members, Needs, NewMember, OwnerEdge, OwnerList,
        RowHead, RowState, ShownMembers, ShownOwners,
    },
};

/// A record with its id, type and state.
struct Found<'t> {
    id: &'t ResourceId,
    kind: &'t Arc<str>,
    record: &'t Record,
    state: RowState,
}

impl<'t> Found<'t> {
    fn among(
        (kind, table): (&'t Arc<str>, &'t Table),
        id: &ResourceId,
        state: RowState,
    ) -> Option<Self> {
        let (id, record) = table.records.get_key_value(id)?;
        Some(Found {
            id,
            kind,
            record,
            state,
        })
    }

    fn head(self) -> RowHead {
        let Record {
            created,
            last_modified,
            version,
            ..
        } = self.record;
        RowHead {
            created: *created,
            id: self.id.clone(),
            kind: Arc::clone(self.kind),
            last_modified: *last_modified,
            state: self.state,
            version: version.clone(),
        }
    }

    fn row(self, registry: &Registry) -> FoundRow {
        let record = self.record;
        let kind = registry.resource_type(self.kind);
        FoundRow {
            connection: record.connection.clone(),
            document: match kind {
                Some(kind) => record.document(kind),
                None => Document::from_text(record.text.clone()).with_exactness(false),
            },
            head: self.head(),
        }
    }
}

impl Tenant {
    /// Returns the facts that a decision needs.
    ///
    /// # Errors
    /// The budget ran out.
    pub(super) fn facts(
        &self,
        context: &RequestContext,
        needs: &Needs,
    ) -> Result<Facts, StoreError> {
        let registry = &context.settings.registry;
        let rows = needs.rows.iter().filter_map(|id| self.found(id));
        let heads = needs.heads.iter().filter_map(|id| self.found(id));
        let holders = needs.holders.iter().flat_map(|key| {
            let table = self.tables.get(key.kind.name());
            let ids = table.map(|table| table.index.get(key.attr, &key.key));
            ids.into_iter().flatten().map(|id| KeyHolder {
                id: id.clone(),
                key: key.clone(),
            })
        });
        let mut candidates = Vec::with_capacity(needs.candidates.len());
        for query in &needs.candidates {
            candidates.push(self.candidate_rows(context, query)?);
        }
        let counters = self.counters.values();
        let counters = counters.filter(|row| needs.counters.contains(&row.counter.kind));
        let mut counts = Vec::with_capacity(needs.counts.len());
        for (counter, query) in &needs.counts {
            let count = self.count(context, query)?;
            let counter = counter.clone();
            counts.push(CountRow { count, counter });
        }
        let shown_members = needs.shown_members.iter();
        let shown_members: Vec<_> = shown_members
            .map(|(list, limit)| self.shown_members(list, *limit))
            .collect();
        let shown_owners = needs.shown_owners.iter();
        let shown_owners: Vec<_> = shown_owners
            .map(|(list, limit)| self.shown_owners(list, *limit))
            .collect();
        Ok(Facts {
            ancestors: self.ancestors(needs.ancestors.iter(), &context.budget.meter())?,
            candidates,
            counters: Some(counters.cloned().collect()),
            counts,
            edges: needs
                .edges
                .iter()
                .map(|(list, targets)| self.members_among(list, targets.iter()))
                .collect(),
            heads: heads.map(Found::head).collect(),
            holders: holders.collect(),
            journal: needs.version.then(|| self.journal.seed()),
            labels: self.labels(context, needs, &shown_members, &shown_owners),
            member_kinds: needs
                .member_kinds
                .iter()
                .map(|(list, targets)| self.member_kinds(list, targets))
                .collect(),
            members: needs.members.iter().map(|l| self.all_members(l)).collect(),
            owners: needs
                .owners
                .iter()
                .flat_map(|target| self.owner_rows(target))
                .collect(),
            rows: rows.map(|row| row.row(registry)).collect(),
            shown_members,
            shown_owners,
            version: Some(self.version),
        })
    }

    /// Returns the types and display names of resources for results.
    fn labels(
        &self,
        context: &RequestContext,
        needs: &Needs,
        members: &[ShownMembers],
        owners: &[ShownOwners],
    ) -> Vec<Label> {
        let members_of = members.iter().flat_map(|shown| &shown.members);
        let members_of = members_of.map(|member| &member.id);
        let owners = owners.iter().flat_map(|shown| &shown.owners);
        let ids = needs.labels.iter().chain(members_of).chain(owners);
        let registry = &context.settings.registry;
        let label = |id: &ResourceId| {
            let found = self.found(id)?;
            let is_live = found.state == RowState::Live;
            let kind = registry.resource_type(found.kind).filter(|_| is_live)?;
            Some(Label {
                display: found.record.document(kind).display_name(kind),
                id: id.clone(),
                kind: Arc::clone(found.kind),
            })
        };
        let count = |shown: &[ShownMembers]| shown.iter().map(|s| s.members.len()).sum::<usize>();
        let mut labels = Vec::with_capacity(count(members).saturating_add(needs.labels.len()));
        labels.extend(ids.filter_map(label));
        labels
    }

    /// Returns the row with an id, live or soft-deleted.
    fn found(&self, id: &ResourceId) -> Option<Found<'_>> {
        if let Some(kind) = self.places.kind(id.as_str()) {
            let entry = self.tables.get_key_value(kind)?;
            return Found::among(entry, id, RowState::Live);
        }
        let mut deleted = self.deleted.iter();
        deleted.find_map(|entry| Found::among(entry, id, RowState::Deleted))
    }

    fn count(&self, context: &RequestContext, query: &CountQuery) -> Result<u64, StoreError> {
        let Some(table) = self.tables.get(query.kind.name()) else {
            return Ok(0);
        };
        let Some(predicate) = &query.predicate else {
            return Ok(table.records.len() as u64);
        };
        let table = (&query.kind, table);
        let found = self.matching(&context.settings, table, predicate, &Meter::unlimited())?;
        Ok(found.len() as u64)
    }

    fn candidate_rows(
        &self,
        context: &RequestContext,
        query: &CandidateQuery,
    ) -> Result<Candidates, StoreError> {
        let tables = match query.state {
            RowState::Live => &self.tables,
            RowState::Deleted => &self.deleted,
        };
        let number = query.number;
        let Some((kind, table)) = tables.get_key_value(query.kind.name()) else {
            let rows = Vec::new();
            return Ok(Candidates { number, rows });
        };
        let meter = context.budget.meter();
        let table = (&query.kind, table);
        let mut found = self.matching(&context.settings, table, &query.predicate, &meter)?;
        found.retain(|(_, record)| query.owner.selects(record.connection.as_ref()));
        if query.state == RowState::Deleted {
            found.sort_by_key(|(id, record)| std::cmp::Reverse((record.last_modified, *id)));
        }
        let state = query.state;
        let row = |(id, record): (_, &'_ Arc<Record>)| {
            Found {
                id,
                kind,
                record,
                state,
            }
            .row(&context.settings.registry)
        };
        let rows = found.into_iter().take(query.limit).map(row).collect();
        Ok(Candidates { number, rows })
    }

    /// Returns the direct and indirect memberships of some resources.
    ///
    /// # Errors
    /// The budget ran out.
    fn ancestors<'q>(
        &self,
        queries: impl Iterator<Item = &'q AncestorQuery>,
        meter: &Meter<'_>,
    ) -> Result<Vec<AncestorEdge>, Exhausted> {
        let mut edges = Vec::new();
        let mut seen = HashSet::new();
        for AncestorQuery { attr, start } in queries {
            let mut open = vec![start];
            while let Some(target) = open.pop() {
                if !seen.insert((attr, target)) {
                    continue;
                }
                let owners = self.places.owners(target.as_str());
                for owner in owners.filter(|owner| owner.attr == *attr) {
                    meter.charge(EDGE)?;
                    edges.push(AncestorEdge {
                        attr: Arc::clone(attr),
                        owner: owner.id.clone(),
                        target: target.clone(),
                    });
                    open.push(&owner.id);
                }
            }
        }
        Ok(edges)
    }

    fn targets(&self, list: &MemberList) -> Option<&Targets> {
        let table = self.tables.get(&list.kind)?;
        table.records.get(&list.owner)?.edges.get(&list.attr)
    }

    fn members_among<'q>(
        &self,
        list: &MemberList,
        targets: impl Iterator<Item = &'q ResourceId>,
    ) -> Members {
        let known = self.targets(list);
        let is_known = |id: &&ResourceId| known.is_some_and(|known| known.contains_key(*id));
        Members {
            list: list.clone(),
            targets: targets.filter(is_known).cloned().collect(),
        }
    }

    fn all_members(&self, list: &MemberList) -> Members {
        let targets = self.targets(list).into_iter().flat_map(BTreeMap::keys);
        Members {
            list: list.clone(),
            targets: targets.cloned().collect(),
        }
    }

    /// Returns the first members of an owner.
    fn shown_members(&self, list: &MemberList, limit: Option<usize>) -> ShownMembers {
        let targets = self.targets(list).into_iter().flatten();
        let targets = targets.take(limit.unwrap_or(usize::MAX));
        ShownMembers {
            list: list.clone(),
            members: targets.map(new_member).collect(),
        }
    }

    fn member_kinds(&self, list: &MemberList, targets: &BTreeSet<ResourceId>) -> ShownMembers {
        let known = self.targets(list);
        let members = targets.iter().filter_map(|id| known?.get_key_value(id));
        ShownMembers {
            list: list.clone(),
            members: members.map(new_member).collect(),
        }
    }

    /// Returns the first owners of a resource.
    fn shown_owners(&self, list: &OwnerList, limit: Option<usize>) -> ShownOwners {
        let end = (Arc::clone(&list.attr), Arc::clone(&list.kind));
        let owners = self.places.owners_in(list.target.as_str(), end, None);
        let owners = owners.take(limit.unwrap_or(usize::MAX));
        ShownOwners {
            list: list.clone(),
            owners: owners.map(|owner| owner.id.clone()).collect(),
        }
    }

    fn owner_rows(&self, target: &ResourceId) -> impl Iterator<Item = OwnerEdge> {
        let owners = self.places.owners(target.as_str());
        owners.filter_map(|owner| {
            Some(OwnerEdge {
                attr: Arc::clone(&owner.attr),
                owner: self.found(&owner.id)?.head(),
                target: target.clone(),
            })
        })
    }
}

fn new_member((id, kind): (&ResourceId, &Option<Arc<str>>)) -> NewMember {
    NewMember {
        id: id.clone(),
        kind: kind.as_deref().map(str::to_owned),
    }
}
