//! The facts that are needed for the edges in results.

use std::collections::{BTreeSet, HashMap, btree_map};

use scimkit_registry::{AttrId, Change, Edge, EdgeEdit, Resource, ResourceId, ResourceType};

use super::{
    answer_edges::{AnswerEdges, EdgeSource, ShownAttr, owner_list},
    existing_matches::adoption_change,
    facts::{FoundRow, Needs, RowState},
    known::Known,
    queries::{list, queries},
    request::Request,
};
use crate::{Document, ExistingMatch, ExpectedVersion, StoreError, UnknownMemberPolicy, WriteOp};

/// Adds the missing facts for the edges in results.
///
/// All writes of the decision affect the edges of a result, so these are the facts about every resource of the type
/// that a write changes or may change. Only the candidates of matches and the references in stored documents are
/// unknown before the second round.
pub(super) fn add(requests: &[Request], known: &Known, needs: &mut Needs) {
    let mut removals = None;
    for (at, request) in requests.iter().enumerate() {
        let Some(edges) = &request.edges else {
            continue;
        };
        let mut earlier = requests.iter().take(at).filter_map(|r| r.edges.as_ref());
        if earlier.any(|earlier| earlier.is_like(edges)) {
            continue;
        }
        let mut collector = Collector {
            edges,
            known,
            needs,
            removals: removals.get_or_insert_with(|| Removals::new(requests)),
        };
        let mut number = 0;
        for request in requests {
            for prepared in &request.writes {
                collector.write(number, request, &prepared.write);
                number += 1;
            }
        }
    }
}

/// The number of edges that the writes of a decision may remove.
struct Removals<'r> {
    by_owner: HashMap<&'r ResourceId, usize>,
    deletes: usize,
    writes: usize,
}

impl<'r> Removals<'r> {
    fn new(requests: &'r [Request]) -> Self {
        let mut removals = Removals {
            by_owner: HashMap::new(),
            deletes: 0,
            writes: 0,
        };
        for prepared in requests.iter().flat_map(|request| &request.writes) {
            removals.writes += 1;
            match &prepared.write {
                WriteOp::Create { .. } => {}
                WriteOp::Delete { .. } => removals.deletes += 1,
                WriteOp::Update { change, id, .. } => {
                    for edges in change.edge_changes() {
                        if let EdgeEdit::Delta { remove, .. } = &edges.edit {
                            *removals.by_owner.entry(id).or_default() += remove.len();
                        }
                    }
                }
            }
        }
        removals
    }

    /// Returns the maximum number of members that single removals take from an owner.
    fn of_owner(&self, owner: &ResourceId) -> usize {
        let removed = self.by_owner.get(owner).copied().unwrap_or_default();
        removed.saturating_add(self.deletes)
    }
}

/// A document before a write.
#[derive(Clone, Copy)]
enum Before<'d> {
    Document(&'d Document),
    Tree(&'d Resource),
}

impl Before<'_> {
    /// Returns the id in a reference.
    fn reference(self, kind: &ResourceType, attr: AttrId) -> Option<ResourceId> {
        match self {
            Before::Document(document) => document.reference(kind, attr),
            Before::Tree(tree) => {
                let value = tree.get(kind, attr)?.get("value")?;
                value.as_str().map(ResourceId::from)
            }
        }
    }
}

struct Collector<'a> {
    edges: &'a AnswerEdges,
    known: &'a Known,
    needs: &'a mut Needs,
    removals: &'a Removals<'a>,
}

impl Collector<'_> {
    fn write(&mut self, number: usize, request: &Request, write: &WriteOp) {
        let shows_owners = |attr: &ShownAttr| matches!(attr.source, EdgeSource::Owners(_));
        let is_shown = write.kind().name() == self.edges.kind.name();
        match write {
            WriteOp::Create {
                change,
                existing_match,
                id,
            } => {
                if !is_shown {
                    return;
                }
                self.created(request, change, id);
                if let Some(existing_match) = existing_match {
                    if let Some(sent) = &existing_match.sent {
                        self.created(request, sent, id);
                    }
                    self.found_match(number, request, (change, existing_match));
                }
            }
            WriteOp::Delete { .. } => {}
            WriteOp::Update { change, expect, id } => {
                // It may become an owner in a result.
                if !change.edge_changes().is_empty() && self.edges.attrs.iter().any(shows_owners) {
                    self.label(id);
                }
                if is_shown {
                    let row = self.known.row(id).ok().flatten();
                    let before = match expect {
                        ExpectedVersion::Base(base) => Some(Before::Tree(&base.document)),
                        _ => row.map(|row| Before::Document(&row.document)),
                    };
                    self.existing((id, before), change);
                }
            }
        }
    }

    /// Adds the facts about the candidates of a match.
    fn found_match(
        &mut self,
        number: usize,
        request: &Request,
        (change, existing_match): (&Change, &ExistingMatch),
    ) {
        let kind = change.kind();
        let mut seen = BTreeSet::new();
        for query in queries(number, kind, existing_match) {
            let rows: &[FoundRow] = self.known.candidates(query.number).unwrap_or_default();
            for row in rows.iter().filter(|row| seen.insert(&row.head.id)) {
                let id = &row.head.id;
                if row.head.state == RowState::Deleted {
                    self.created(request, change, id);
                    continue;
                }
                // If this fails, the write fails, too.
                let sent = row.document.tree().map_err(StoreError::from);
                let sent =
                    sent.and_then(|tree| adoption_change(request, change, existing_match, &tree));
                if let Ok(sent) = sent {
                    self.existing((id, Some(Before::Document(&row.document))), &sent);
                }
            }
        }
    }

    /// Adds the facts about a resource that a write creates or restores.
    fn created(&mut self, request: &Request, change: &Change, id: &ResourceId) {
        for attr in &self.edges.attrs {
            match &attr.source {
                EdgeSource::None => {}
                EdgeSource::Members(_) => self.added(attr, id, change),
                EdgeSource::Owners(_) => {
                    if request.policy.unknown_members == UnknownMemberPolicy::Accept {
                        self.owners(attr, id);
                    }
                }
                EdgeSource::Reference => self.reference(attr, None, change),
            }
        }
    }

    /// Adds the facts about a resource that a write changes.
    fn existing(&mut self, (id, before): (&ResourceId, Option<Before<'_>>), change: &Change) {
        for attr in &self.edges.attrs {
            match &attr.source {
                EdgeSource::None => {}
                EdgeSource::Members(path) => {
                    self.added(attr, id, change);
                    // The result of a single write does not have the replaced members.
                    if self.removals.writes > 1 || !replaces(change, attr.id) {
                        let list = list((&self.edges.kind, id), path);
                        let limit = self.limit(self.removals.of_owner(id));
                        if !self.known.has_shown_members(&list, limit) {
                            widen(self.needs.shown_members.entry(list), limit);
                        }
                    }
                }
                EdgeSource::Owners(_) => self.owners(attr, id),
                EdgeSource::Reference => self.reference(attr, before, change),
            }
        }
    }

    /// Returns the number of edges to load so that enough are left after that number of removals; none for all.
    fn limit(&self, removed: usize) -> Option<usize> {
        let limit = self.edges.limit?;
        Some(limit.saturating_add(removed))
    }

    /// Adds the labels of the new members that a result may have, and the stored types of members that don't exist.
    fn added(&mut self, attr: &ShownAttr, owner: &ResourceId, change: &Change) {
        let EdgeSource::Members(path) = &attr.source else {
            return;
        };
        let edits = change
            .edge_changes()
            .iter()
            .filter(|edges| edges.attr == attr.id);
        let limit = self.limit(self.removals.of_owner(owner));
        for edges in edits {
            let (EdgeEdit::Delta { add, .. } | EdgeEdit::Replace(add)) = &edges.edit;
            let shown = first(add, limit.unwrap_or(usize::MAX));
            if shown.is_empty() {
                continue;
            }
            let list = list((&self.edges.kind, owner), path);
            for id in shown {
                if !self.known.has_label(id) {
                    self.label(id);
                } else if self.known.is_unlabelled(id)
                    && self.known.edge(&list, id) == Some(true)
                    && self.known.member_kind(&list, id).is_none()
                {
                    let kinds = self.needs.member_kinds.entry(list.clone());
                    kinds.or_default().insert(id.clone());
                }
            }
        }
    }

    fn owners(&mut self, attr: &ShownAttr, target: &ResourceId) {
        let EdgeSource::Owners(lists) = &attr.source else {
            return;
        };
        // Each write removes at most one owner.
        let limit = self.limit(self.removals.writes);
        for (kind, attr) in lists {
            let list = owner_list((kind, attr), target);
            if !self.known.has_shown_owners(&list, limit) {
                widen(self.needs.shown_owners.entry(list), limit);
            }
        }
    }

    /// Adds the labels of the resources to which the document may refer before or after a change.
    fn reference(&mut self, attr: &ShownAttr, before: Option<Before<'_>>, change: &Change) {
        let kind = &self.edges.kind;
        let before = before.and_then(|before| before.reference(kind, attr.id));
        if let Some(id) = before {
            self.label(&id);
        }
        if let Some(id) = new_reference(kind, attr.id, change) {
            self.label(&id);
        }
    }

    fn label(&mut self, id: &ResourceId) {
        if !self.known.has_label(id) && !self.needs.rows.contains(id) {
            self.needs.labels.insert(id.clone());
        }
    }
}

/// Raises the limit of a needed list to at least `limit`; none is the highest.
fn widen<K: Ord>(entry: btree_map::Entry<'_, K, Option<usize>>, limit: Option<usize>) {
    let known = entry.or_insert(limit);
    *known = known.zip(limit).map(|(known, limit)| known.max(limit));
}

/// Returns the targets of the first edges, by id.
fn first(edges: &[Edge], limit: usize) -> Vec<&ResourceId> {
    let mut ids: Vec<_> = edges.iter().map(|edge| &edge.id).collect();
    if ids.len() > limit {
        ids.sort_unstable();
        ids.truncate(limit);
    }
    ids
}

fn replaces(change: &Change, attr: AttrId) -> bool {
    let mut edits = change.edge_changes().iter();
    edits.any(|edges| edges.attr == attr && matches!(edges.edit, EdgeEdit::Replace(_)))
}

/// Returns the id that a change sets in a reference, if any.
fn new_reference(kind: &ResourceType, attr: AttrId, change: &Change) -> Option<ResourceId> {
    let (id, value) = change.assignments().iter().find(|(id, _)| {
        let set = kind.attr(*id);
        *id == attr || (set.parent() == Some(attr) && set.name() == "value")
    })?;
    let value = if *id == attr {
        value.get("value")?
    } else {
        value
    };
    value.as_str().map(ResourceId::from)
}
