//! The facts that the writes of a decision need next.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use scimkit_registry::{AttrKeys, Change, Edge, EdgeChange, EdgeEdit, ResourceId, ResourceType};

use super::{
    answer_needs, counters,
    facts::{AncestorQuery, KeyRef, MemberList, Needs},
    keys,
    known::Known,
    queries::{Owner, list, queries},
    request::{Prepared, Request},
    role_needs,
};
use crate::{CyclePolicy, ExistingMatch, UnknownMemberPolicy, WriteOp};

/// Returns the facts that are needed and not known yet.
///
/// The first call returns the facts that follow from the writes alone, the second those that depend on the candidates
/// of matches and on replaced members, the third those that depend on the replaced members of candidates. There are at
/// most three rounds, regardless of the number of writes. If roles follow from groups, there are up to three more: for
/// the members of a group, for their other groups, and for the rules of these.
pub(super) fn missing(requests: &[Request], known: &Known) -> Needs {
    let mut needs = Needs {
        version: !known.has_version(),
        ..Needs::default()
    };
    let mut number = 0;
    let mut found_match = BTreeSet::new();
    let mut touched = BTreeMap::new();
    let refuses_cycles = requests
        .iter()
        .any(|request| request.policy.cycles == CyclePolicy::Reject);
    for request in requests {
        for prepared in &request.writes {
            let mut collector = Collector {
                found_match: &mut found_match,
                known,
                needs: &mut needs,
                refuses_cycles,
                request,
                touched: &mut touched,
            };
            collector.write(number, prepared);
            number += 1;
        }
    }
    for (id, kind) in &touched {
        let lists = found_match.iter().filter(|(name, _)| name == kind.name());
        for (_, attr) in lists {
            matchable(list((kind, id), attr), known, &mut needs);
        }
    }
    let with_roles = role_needs::add(requests, known, &mut needs);
    answer_needs::add(requests, known, &mut needs);
    counters_of(requests, with_roles, known, &mut needs);
    needs.version &= number > 0;
    needs
}

/// Adds the counters of the types whose documents are added, removed or changed, and of users whose roles may change. Those that are not stored are counted.
fn counters_of(
    requests: &[Request],
    with_roles: Vec<&Arc<ResourceType>>,
    known: &Known,
    needs: &mut Needs,
) {
    let writes = requests.iter().flat_map(|request| &request.writes);
    let counted = writes.filter(|prepared| match &prepared.write {
        WriteOp::Create { .. } | WriteOp::Delete { .. } => true,
        WriteOp::Update { change, .. } => keys::touched(change).next().is_some(),
    });
    let mut kinds: Vec<&Arc<ResourceType>> = Vec::new();
    let counted = counted.map(|prepared| prepared.write.kind());
    for kind in counted.chain(with_roles) {
        if !kinds.iter().any(|one| one.name() == kind.name()) {
            kinds.push(kind);
        }
    }
    for kind in kinds {
        if !known.has_counters(kind.name()) {
            needs.counters.insert(kind.name().into());
            continue;
        }
        for (counter, query) in counters::wanted(requests, kind, known) {
            if !known.has_count(&counter) {
                needs.counts.insert(counter, query);
            }
        }
    }
}

/// A type and a membership attribute that creates with a match change.
type MatchList = (String, Arc<str>);

/// Adds the members of a resource that an earlier write changes, since a later create may adopt or restore it.
fn matchable(list: MemberList, known: &Known, needs: &mut Needs) {
    let query = AncestorQuery {
        attr: Arc::clone(&list.attr),
        start: list.owner.clone(),
    };
    if !known.has_ancestors(&query) {
        needs.ancestors.insert(query);
    }
    if known.members(&list).is_none() {
        needs.members.insert(list);
    }
}

struct Collector<'a> {
    found_match: &'a mut BTreeSet<MatchList>,
    known: &'a Known,
    needs: &'a mut Needs,
    refuses_cycles: bool,
    request: &'a Request,
    /// The resources that earlier writes may have changed.
    touched: &'a mut BTreeMap<ResourceId, Arc<ResourceType>>,
}

impl Collector<'_> {
    fn write(&mut self, number: usize, prepared: &Prepared) {
        match &prepared.write {
            WriteOp::Create {
                change,
                existing_match,
                id,
            } => {
                self.head(id);
                self.keys(change.kind(), &prepared.keys);
                self.edges((change.kind(), id), change, Members::None);
                if let Some(existing_match) = existing_match {
                    self.existing_match(number, change, existing_match);
                }
            }
            WriteOp::Delete { id, .. } => {
                self.row(id);
                if !self.known.has_owners(id) {
                    self.needs.owners.insert(id.clone());
                }
            }
            WriteOp::Update { change, id, .. } => {
                if self.request.wants_document || keys::touched(change).next().is_some() {
                    self.row(id)
                } else {
                    self.head(id)
                }
                self.keys(change.kind(), &prepared.keys);
                self.edges((change.kind(), id), change, Members::Stored);
            }
        }
        let kind = Arc::clone(prepared.write.kind());
        self.touched.insert(prepared.write.id().clone(), kind);
    }

    /// Adds the queries of a match, and for its known candidates the facts that a write of them needs.
    fn existing_match(&mut self, number: usize, change: &Change, existing_match: &ExistingMatch) {
        let kind = change.kind();
        let sent = existing_match.sent.as_ref().unwrap_or(change);
        if existing_match.sent.is_some() {
            self.keys(kind, &keys::of_change(sent));
        }
        let mut taken = BTreeSet::new();
        for query in queries(number, kind, existing_match) {
            match self.known.candidates(query.number) {
                Ok(rows) => taken.extend(rows.iter().map(|row| row.head.id.clone())),
                Err(_) => self.needs.candidates.push(query),
            }
        }
        for id in &taken {
            self.edges((kind, id), change, Members::None);
            self.edges((kind, id), sent, Members::Stored);
        }
        let taken = taken.into_iter().map(|id| (id, Arc::clone(kind)));
        self.touched.extend(taken);
        for edges in change.edge_changes().iter().chain(sent.edge_changes()) {
            let attr = kind.attr(edges.attr).path().into();
            self.found_match.insert((kind.name().to_owned(), attr));
        }
    }

    fn row(&mut self, id: &ResourceId) {
        if !self.known.has_row(id) {
            self.needs.rows.insert(id.clone());
        }
    }

    fn head(&mut self, id: &ResourceId) {
        if !self.known.has_head(id) {
            self.needs.heads.insert(id.clone());
        }
    }

    fn keys(&mut self, kind: &Arc<ResourceType>, keys: &[AttrKeys]) {
        for AttrKeys { attr, keys } in keys {
            if !keys::is_unique(kind.attr(*attr)) {
                continue;
            }
            for key in keys {
                let key = KeyRef {
                    attr: *attr,
                    key: key.clone(),
                    kind: Arc::clone(kind),
                };
                if !self.known.has_holders(&key) {
                    self.needs.holders.insert(key);
                }
            }
        }
    }

    fn edges(&mut self, owner: Owner<'_>, change: &Change, members: Members) {
        for EdgeChange { attr, edit } in change.edge_changes() {
            let attr = owner.0.attr(*attr).path();
            let (EdgeEdit::Delta { add, .. } | EdgeEdit::Replace(add)) = edit;
            if !add.is_empty() && self.refuses_cycles {
                self.ancestors(attr, owner.1);
            }
            let list = list(owner, attr);
            match (edit, members) {
                (_, Members::None) => self.targets(add.iter(), |_| true),
                (EdgeEdit::Delta { add, remove }, Members::Stored) => {
                    let added = add.iter().map(|edge| &edge.id);
                    self.members_among(&list, added.chain(remove));
                    self.targets(add.iter(), |_| true);
                }
                (EdgeEdit::Replace(edges), Members::Stored) => match self.known.members(&list) {
                    None => drop(self.needs.members.insert(list)),
                    Some(current) => {
                        // An earlier write may have removed a stored member.
                        let is_touched = self.touched.contains_key(&list.owner);
                        let may_be_new = |id: &ResourceId| is_touched || !current.contains(id);
                        self.targets(edges.iter(), may_be_new);
                    }
                },
            }
        }
    }

    fn ancestors(&mut self, attr: &str, start: &ResourceId) {
        let query = AncestorQuery {
            attr: attr.into(),
            start: start.clone(),
        };
        if !self.known.has_ancestors(&query) {
            self.needs.ancestors.insert(query);
        }
    }

    fn members_among<'i>(&mut self, list: &MemberList, ids: impl Iterator<Item = &'i ResourceId>) {
        let unknown = ids.filter(|id| self.known.edge(list, id).is_none());
        let unknown: BTreeSet<_> = unknown.cloned().collect();
        if !unknown.is_empty() {
            let edges = self.needs.edges.entry(list.clone()).or_default();
            edges.extend(unknown);
        }
    }

    /// Adds the heads of new members that must exist, and of members that must be of a certain type.
    fn targets<'e>(
        &mut self,
        edges: impl Iterator<Item = &'e Edge>,
        may_be_new: impl Fn(&ResourceId) -> bool,
    ) {
        let must_exist = self.request.policy.unknown_members == UnknownMemberPolicy::Reject;
        for edge in edges {
            if (must_exist && may_be_new(&edge.id)) || edge.required_kind().is_some() {
                self.head(&edge.id);
            }
        }
    }
}

/// Whether an owner may have members that are stored.
#[derive(Debug, Clone, Copy)]
enum Members {
    None,
    Stored,
}
