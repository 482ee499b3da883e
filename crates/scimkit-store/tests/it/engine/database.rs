//! A database in memory that rejects operations which contradict its rows.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use scimkit_core::Version;
use scimkit_registry::{Meter, ResourceId, ResourceView};
use scimkit_store::{
    ConnectionId, Document, JournalEntry, StoreError,
    engine::{
        AncestorEdge, Applied, BatchAnswer, Candidates, CountQuery, CountRow, CounterRef,
        CounterRow, Decision, DecisionStep, Facts, FoundRow, KeyHolder, KeyRef, Label, MemberList,
        Members, Needs, NewMember, Operations, OwnerEdge, RowHead, RowState, Rows, RowsError,
        ShownMembers, ShownOwners,
    },
    journal::{JournalRows, JournalSeed},
    verify,
};

/// A row, as far as tests compare it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) connection: Option<ConnectionId>,
    pub(super) created: DateTime<Utc>,
    pub(super) document: String,
    pub(super) kind: Arc<str>,
    pub(super) last_modified: DateTime<Utc>,
    pub(super) state: RowState,
    pub(super) version: Version,
}

/// The tables of one tenant.
#[derive(Debug, Clone, Default)]
pub(super) struct Database {
    pub(super) counters: BTreeMap<CounterRef, CounterRow>,
    /// The counters that were counted because they were not stored.
    pub(super) counted: BTreeMap<CounterRef, CountQuery>,
    pub(super) edges: BTreeMap<(MemberList, ResourceId), Option<String>>,
    /// The entries of the journal.
    pub(super) journal: Vec<JournalEntry>,
    /// The number of the last change that is not in the journal.
    pub(super) journal_after: u64,
    pub(super) keys: BTreeSet<(RowState, KeyRef, ResourceId)>,
    /// The loaded needs of each round.
    pub(super) loads: Vec<Needs>,
    pub(super) rows: BTreeMap<ResourceId, Row>,
    pub(super) version: u64,
}

impl PartialEq for Database {
    fn eq(&self, other: &Self) -> bool {
        let tables = |one: &Self| (one.edges.clone(), one.keys.clone(), one.version);
        tables(self) == tables(other)
            && self.rows == other.rows
            && (&self.journal, self.journal_after) == (&other.journal, other.journal_after)
    }
}

impl Database {
    /// Runs a decision in at most three rounds, or six with roles.
    pub(super) fn run(&mut self, mut decision: Decision) -> Vec<BatchAnswer> {
        self.loads.clear();
        let answers = scimkit_store::engine::write_blocking(self, &mut decision).unwrap();
        assert!(self.loads.len() <= 6, "{:#?}", self.loads);
        answers
    }

    /// Runs a decision with facts in parts, which `pick` chooses.
    pub(super) fn run_in_pieces(
        &mut self,
        mut decision: Decision,
        mut pick: impl FnMut() -> bool,
    ) -> Vec<BatchAnswer> {
        loop {
            match decision.step() {
                DecisionStep::Load(needs) => {
                    let piece = piece(&needs, &mut pick);
                    let facts = self.facts(&piece).unwrap();
                    decision.supply(piece, facts);
                }
                DecisionStep::Done(outcome) => {
                    self.apply_all(outcome.operations).unwrap();
                    return outcome.answers;
                }
            }
        }
    }

    fn head(&self, id: &ResourceId) -> Option<RowHead> {
        let row = self.rows.get(id)?;
        Some(RowHead {
            created: row.created,
            id: id.clone(),
            kind: Arc::clone(&row.kind),
            last_modified: row.last_modified,
            state: row.state,
            version: row.version.clone(),
        })
    }

    fn row(&self, id: &ResourceId) -> Option<FoundRow> {
        let row = self.rows.get(id)?;
        Some(FoundRow {
            connection: row.connection.clone(),
            document: Document::from_text(row.document.clone()),
            head: self.head(id)?,
        })
    }

    fn targets(&self, list: &MemberList) -> Vec<ResourceId> {
        let edges = self.edges.keys().filter(|(known, _)| known == list);
        edges.map(|(_, target)| target.clone()).collect()
    }

    fn above(&self, target: &ResourceId) -> Vec<MemberList> {
        let edges = self.edges.keys().filter(|(_, to)| to == target);
        edges.map(|(list, _)| list.clone()).collect()
    }

    /// Returns the number of live rows that count.
    pub(super) fn count(&self, query: &CountQuery) -> u64 {
        let live = self
            .rows
            .iter()
            .filter(|(_, row)| row.state == RowState::Live && *row.kind == *query.kind.name());
        let counts = live.filter(|(id, _)| {
            let document = self.row(id).unwrap().document;
            let document = document.tree().unwrap();
            let view = ResourceView::new(&document);
            let matches = |p| query.kind.matches(p, view, &Meter::unlimited()).unwrap();
            query.predicate.as_ref().is_none_or(matches)
        });
        counts.count() as u64
    }

    /// Checks that each number of a change has an entry, or counts as not recorded.
    fn add_to_journal(&mut self, rows: JournalRows, version: Option<u64>) {
        let numbers: BTreeSet<_> = rows.entries.iter().map(|entry| entry.number).collect();
        let last = version.unwrap_or(self.version);
        let mut missing = (self.version + 1..=last).filter(|number| !numbers.contains(number));
        assert_eq!(missing.next_back(), rows.complete_after);
        assert!(
            numbers
                .iter()
                .all(|number| *number > self.version && *number <= last)
        );
        let digest = rows.entries.last().map(JournalEntry::digest);
        assert_eq!(digest, rows.last_digest);
        self.journal.extend(rows.entries);
        self.journal_after = rows.complete_after.unwrap_or(self.journal_after);
        verify(&self.journal).unwrap();
    }

    /// Checks that unique keys are unique, that keys and owners have rows, that keys are those of the documents, and
    /// that counters are right.
    pub(super) fn check(&self) {
        let mut holders: BTreeMap<KeyRef, &ResourceId> = BTreeMap::new();
        for (state, key, id) in &self.keys {
            assert_eq!(self.rows[id].state, *state, "{key:?} of {id}");
            if *state == RowState::Live && key.path() == "userName" {
                assert_eq!(holders.insert(key.clone(), id), None, "{key:?}");
            }
        }
        for (list, _) in self.edges.keys() {
            assert_eq!(self.rows[&list.owner].state, RowState::Live, "{list:?}");
        }
        for (counter, row) in &self.counters {
            assert_eq!(row.count, self.count(&self.counted[counter]), "{counter:?}");
        }
        for (id, row) in &self.rows {
            let document: serde_json::Value = serde_json::from_str(&row.document).unwrap();
            for attr in ["userName", "externalId"] {
                let value = document.get(attr).filter(|_| *row.kind == *"User");
                let own = |(_, key, of): &&(_, KeyRef, _)| of == id && key.path() == attr;
                let keys: Vec<_> = self.keys.iter().filter(own).collect();
                assert_eq!(keys.len(), usize::from(value.is_some()), "{attr} of {id}");
            }
        }
    }
}

impl Rows for Database {
    async fn load(&mut self, needs: &Needs) -> Result<Facts, RowsError> {
        Ok(self.facts(needs)?)
    }

    async fn apply(&mut self, operations: Operations) -> Result<Applied, RowsError> {
        self.apply_all(operations)?;
        Ok(Applied::default())
    }
}

impl Database {
    pub(super) fn facts(&mut self, needs: &Needs) -> Result<Facts, StoreError> {
        self.loads.push(needs.clone());
        let mut facts = Facts {
            journal: needs.version.then(|| JournalSeed {
                previous: self
                    .journal
                    .last()
                    .map(JournalEntry::digest)
                    .unwrap_or_default(),
                random: [7; 32],
            }),
            version: needs.version.then_some(self.version),
            heads: needs.heads.iter().filter_map(|id| self.head(id)).collect(),
            rows: needs.rows.iter().filter_map(|id| self.row(id)).collect(),
            ..Facts::default()
        };
        for (state, key, id) in &self.keys {
            if *state == RowState::Live && needs.holders.contains(key) {
                let id = id.clone();
                let key = key.clone();
                facts.holders.push(KeyHolder { id, key });
            }
        }
        for (list, wanted) in &needs.edges {
            let mut targets = self.targets(list);
            targets.retain(|target| wanted.contains(target));
            let list = list.clone();
            facts.edges.push(Members { list, targets });
        }
        for list in &needs.members {
            let (list, targets) = (list.clone(), self.targets(list));
            facts.members.push(Members { list, targets });
        }
        for target in &needs.owners {
            for list in self.above(target) {
                facts.owners.push(OwnerEdge {
                    attr: list.attr,
                    owner: self.head(&list.owner).unwrap(),
                    target: target.clone(),
                });
            }
        }
        for query in &needs.ancestors {
            let mut open = vec![query.start.clone()];
            let mut seen = BTreeSet::new();
            while let Some(target) = open.pop() {
                if !seen.insert(target.clone()) {
                    continue;
                }
                for list in self.above(&target) {
                    open.push(list.owner.clone());
                    facts.ancestors.push(AncestorEdge {
                        attr: list.attr,
                        owner: list.owner,
                        target: target.clone(),
                    });
                }
            }
        }
        self.add_shown(needs, &mut facts);
        for (counter, query) in &needs.counts {
            self.counted.insert(counter.clone(), query.clone());
            let count = self.count(query);
            let counter = counter.clone();
            facts.counts.push(CountRow { count, counter });
        }
        let counters = self.counters.values();
        let counters = counters.filter(|row| needs.counters.contains(&row.counter.kind));
        facts.counters = Some(counters.cloned().collect());
        for query in &needs.candidates {
            let mut rows = Vec::new();
            for id in self.rows.keys() {
                let row = self.row(id).unwrap();
                let document = row.document.tree().unwrap();
                let view = ResourceView::new(&document);
                if row.head.state == query.state
                    && *row.head.kind == *query.kind.name()
                    && query.owner.selects(row.connection.as_ref())
                    && query
                        .kind
                        .matches(&query.predicate, view, &Meter::unlimited())?
                {
                    rows.push(self.row(id).unwrap());
                }
            }
            if query.state == RowState::Deleted {
                rows.sort_by_key(|row| Reverse((row.head.last_modified, row.head.id.clone())));
            }
            rows.truncate(query.limit);
            let number = query.number;
            facts.candidates.push(Candidates { number, rows });
        }
        Ok(facts)
    }

    /// Adds exactly the requested facts for the edges in results.
    fn add_shown(&self, needs: &Needs, facts: &mut Facts) {
        let member = |list: &MemberList, id: ResourceId| NewMember {
            kind: self.edges[&(list.clone(), id.clone())].clone(),
            id,
        };
        let mut shown = needs.labels.clone();
        for (list, limit) in &needs.shown_members {
            let targets = self.targets(list).into_iter();
            let targets = targets.take(limit.unwrap_or(usize::MAX));
            let members: Vec<_> = targets.map(|id| member(list, id)).collect();
            shown.extend(members.iter().map(|member| member.id.clone()));
            let list = list.clone();
            facts.shown_members.push(ShownMembers { list, members });
        }
        for (list, wanted) in &needs.member_kinds {
            let targets = self.targets(list).into_iter();
            let targets = targets.filter(|id| wanted.contains(id));
            let members = targets.map(|id| member(list, id)).collect();
            let list = list.clone();
            facts.member_kinds.push(ShownMembers { list, members });
        }
        for (list, limit) in &needs.shown_owners {
            let above = self.above(&list.target).into_iter();
            let owners = above.filter(|one| one.attr == list.attr && one.kind == list.kind);
            let owners = owners.map(|one| one.owner);
            let owners: Vec<_> = owners.take(limit.unwrap_or(usize::MAX)).collect();
            shown.extend(owners.iter().cloned());
            let list = list.clone();
            facts.shown_owners.push(ShownOwners { list, owners });
        }
        facts
            .labels
            .extend(shown.iter().filter_map(|id| self.label(id)));
    }

    /// Returns the label of a live row.
    pub(super) fn label(&self, id: &ResourceId) -> Option<Label> {
        let row = self
            .rows
            .get(id)
            .filter(|row| row.state == RowState::Live)?;
        let document: serde_json::Value = serde_json::from_str(&row.document).unwrap();
        Some(Label {
            display: document["displayName"].as_str().map(str::to_owned),
            id: id.clone(),
            kind: Arc::clone(&row.kind),
        })
    }

    pub(super) fn apply_all(&mut self, operations: Operations) -> Result<(), StoreError> {
        self.add_to_journal(operations.journal, operations.version);
        if let Some(version) = operations.version {
            assert!(version > self.version);
            self.version = version;
        }
        for end in operations.removed_ends {
            self.edges
                .retain(|(list, target), _| list.owner != end.id && *target != end.id);
        }
        for Members { list, targets } in operations.removed_edges {
            for target in targets {
                let gone = self.edges.remove(&(list.clone(), target.clone()));
                assert!(gone.is_some(), "{target} is no member of {list:?}");
            }
        }
        for row in operations.removed_keys {
            let gone = self
                .keys
                .remove(&(row.state, row.key.clone(), row.id.clone()));
            assert!(gone, "{row:?}");
        }
        for row in operations.removed_rows {
            let gone = self.rows.remove(&row.id).unwrap();
            assert_eq!((gone.state, gone.kind), (row.state, row.kind));
        }
        for row in operations.inserted_rows {
            let new = Row {
                connection: row.connection,
                created: row.created,
                document: row.document.tree()?.to_text(),
                kind: row.kind.name().into(),
                last_modified: row.last_modified,
                state: row.state,
                version: row.version,
            };
            assert_eq!(self.rows.insert(row.id, new), None);
        }
        for row in operations.updated_rows {
            let known = self.rows.get_mut(&row.id).unwrap();
            assert_eq!(
                (known.state, row.state, known.created),
                (RowState::Live, RowState::Live, row.created)
            );
            known.connection = row.connection;
            known.document = row.document.tree()?.to_text();
            known.last_modified = row.last_modified;
            known.version = row.version;
        }
        for row in operations.bumped_rows {
            let known = self.rows.get_mut(&row.id).unwrap();
            assert_eq!((known.state, &known.kind), (RowState::Live, &row.kind));
            known.last_modified = row.last_modified;
            known.version = row.version;
        }
        for row in operations.inserted_keys {
            let new = self
                .keys
                .insert((row.state, row.key.clone(), row.id.clone()));
            assert!(new, "{row:?}");
        }
        for counter in operations.removed_counters {
            let gone = self.counters.remove(&counter);
            assert!(gone.is_some(), "{counter:?}");
        }
        let counters = operations.counters.into_iter();
        self.counters
            .extend(counters.map(|row| (row.counter.clone(), row)));
        for new in operations.inserted_edges {
            for member in new.members {
                let edge = (new.list.clone(), member.id);
                assert_eq!(self.edges.insert(edge, member.kind), None);
            }
        }
        Ok(())
    }
}

/// Returns some of the needs, at least one.
fn piece(needs: &Needs, pick: &mut impl FnMut() -> bool) -> Needs {
    let mut piece = needs.clone();
    piece.version &= pick();
    piece.ancestors.retain(|_| pick());
    piece.candidates.retain(|_| pick());
    piece.counts.retain(|_, _| pick());
    piece.edges.retain(|_, targets| {
        targets.retain(|_| pick());
        !targets.is_empty()
    });
    piece.heads.retain(|_| pick());
    piece.holders.retain(|_| pick());
    piece.labels.retain(|_| pick());
    piece.member_kinds.retain(|_, _| pick());
    piece.shown_members.retain(|_, _| pick());
    piece.shown_owners.retain(|_, _| pick());
    piece.members.retain(|_| pick());
    piece.owners.retain(|_| pick());
    piece.rows.retain(|_| pick());
    if piece.is_empty() {
        needs.clone()
    } else {
        piece
    }
}
