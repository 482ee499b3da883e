//! The edges in the results of a batch, as of the end of the batch.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use scimkit_registry::{AttrEdges, Budget, Edge, ResourceId, ResourceType};

use super::{
    answer_edges::{AnswerEdges, EdgeSource, ShownAttr, owner_list},
    decider::Decider,
    facts::{MemberList, RowState},
    known::KnownLabel,
    queries::list,
    request::Request,
};
use crate::{Document, StoreError, StoredResource, Written};

impl Decider<'_> {
    /// Adds the edges to the results: those of a resource to its last result, if the resource still has the version
    /// of that result.
    pub(super) fn add_answer_edges(
        &self,
        request: &Request,
        answers: &mut [Result<Written, StoreError>],
    ) -> Result<(), StoreError> {
        let Some(edges) = &request.edges else {
            return Ok(());
        };
        let mut later = HashSet::new();
        for (answer, prepared) in answers.iter_mut().zip(&request.writes).rev() {
            let Ok(written) = answer else { continue };
            let Some(stored) = &mut written.stored else {
                continue;
            };
            let is_last = later.insert(stored.id.clone());
            if !is_last || prepared.write.kind().name() != edges.kind.name() {
                continue;
            }
            let head = self.head(&stored.id)?;
            let head = head.filter(|head| head.state == RowState::Live);
            if head.is_some_and(|head| head.version == stored.version) {
                for attr in &edges.attrs {
                    if let Some(shown) = self.shown(request, edges, attr, stored)? {
                        stored.edges.push(AttrEdges {
                            attr: attr.id,
                            edges: shown,
                        });
                    }
                }
            }
        }
        Ok(())
    }

    /// Returns the edges of a resource under one attribute; none if facts are missing, which happens only for a create
    /// that adopts a resource which an earlier write of the batch has changed.
    fn shown(
        &self,
        request: &Request,
        edges: &AnswerEdges,
        attr: &ShownAttr,
        stored: &StoredResource,
    ) -> Result<Option<Vec<Edge>>, StoreError> {
        let limit = edges.limit.unwrap_or(usize::MAX);
        let mut shown = Vec::new();
        match &attr.source {
            EdgeSource::None => {}
            EdgeSource::Members(path) => {
                let list = list((&edges.kind, &stored.id), path);
                let Some(members) = self.first_members(&list, limit)? else {
                    return Ok(None);
                };
                shown.reserve_exact(members.len());
                for (target, given) in members {
                    let kind = || match given {
                        Given::Added(kind) => Some(kind),
                        Given::Stored => self.known.member_kind(&list, target),
                    };
                    let Some(edge) = self.edge(attr, target, kind) else {
                        return Ok(None);
                    };
                    shown.push(edge);
                }
            }
            EdgeSource::Owners(lists) => {
                let Some(owners) = self.first_owners(lists, &stored.id, limit)? else {
                    return Ok(None);
                };
                for owner in owners {
                    let Some(edge) = self.edge(attr, owner, || Some(None)) else {
                        return Ok(None);
                    };
                    shown.push(edge);
                }
            }
            EdgeSource::Reference => {
                let id = stored.document.reference(&edges.kind, attr.id);
                for id in id.iter().take(limit) {
                    let Some(edge) = self.edge(attr, id, || Some(None)) else {
                        return Ok(None);
                    };
                    shown.push(edge);
                }
            }
        }
        let meter = request.budget.meter();
        meter.charge(Budget::COMPARISON.saturating_mul(shown.len() as u64))?;
        Ok(Some(shown))
    }

    /// Returns the first members of an owner in the order of their ids.
    fn first_members<'s>(
        &'s self,
        list: &MemberList,
        limit: usize,
    ) -> Result<Option<Vec<(&'s ResourceId, Given<'s>)>>, StoreError> {
        let edits = self.overlay.list(&list.owner, &list.attr);
        let targets = edits.into_iter().flat_map(|edits| &edits.targets);
        let added = targets.filter_map(|(target, edit)| {
            let kind = edit.added.as_ref()?.as_deref();
            Some((target, Given::Added(kind)))
        });
        let mut members: BTreeMap<_, _> = added.collect();
        if self.had_members(&list.owner)? {
            let is_left = |id: &&ResourceId| {
                let edit = edits.and_then(|edits| edits.targets.get(*id));
                edit.is_none() && !self.overlay.is_void(id)
            };
            let stored = match (self.known.members(list), self.known.shown_members(list)) {
                (Some(all), _) => lowest(all.iter().filter(is_left).collect(), limit),
                (None, Some(shown)) => {
                    let ids = shown.iter().map(|(id, _)| id);
                    ids.filter(is_left).take(limit).collect()
                }
                (None, None) => return Ok(None),
            };
            if members.is_empty() && stored.is_sorted() {
                let stored = stored.into_iter().map(|id| (id, Given::Stored));
                return Ok(Some(stored.collect()));
            }
            members.extend(stored.into_iter().map(|id| (id, Given::Stored)));
        }
        Ok(Some(members.into_iter().take(limit).collect()))
    }

    /// Returns the first owners of a resource in the order of their ids, without duplicates.
    fn first_owners<'s>(
        &'s self,
        lists: &'s [(Arc<str>, Arc<str>)],
        target: &'s ResourceId,
        limit: usize,
    ) -> Result<Option<impl Iterator<Item = &'s ResourceId>>, StoreError> {
        let mut owners = BTreeSet::new();
        for (kind, attr) in lists {
            owners.extend(self.overlay.added_owners((kind, attr), target));
            if self.overlay.is_void(target) {
                continue;
            }
            let list = owner_list((kind, attr), target);
            let Some(stored) = self.known.shown_owners(&list) else {
                // If the policy rejects unknown members, no edge leads to an id before its resource exists.
                match self.known.head(target)? {
                    Some(head) if head.state == RowState::Live => return Ok(None),
                    _ => continue,
                }
            };
            owners.extend(stored.iter().filter(|owner| {
                let edit = self.overlay.edge(owner, attr, target);
                edit.is_none() && !self.overlay.is_void(owner)
            }));
        }
        Ok(Some(owners.into_iter().take(limit)))
    }

    /// Returns an edge with the type and display name of its target, or with the type from the client's request if the
    /// target does not exist; none if facts are missing.
    fn edge<'k>(
        &self,
        attr: &ShownAttr,
        id: &ResourceId,
        given: impl FnOnce() -> Option<Option<&'k str>>,
    ) -> Option<Edge> {
        let edge = Edge::to(id.clone());
        match self.label(&attr.leads_to, id) {
            ShownLabel::Live(kind, display) => Some(
                edge.with_kind(Some(Arc::clone(kind.shared_name())))
                    .with_display(display),
            ),
            ShownLabel::Other => given().map(|kind| edge.with_kind(kind)),
            ShownLabel::Unknown => None,
        }
    }

    /// Returns the type and display name of a live resource of one of these types, after the writes so far.
    fn label<'k>(&self, kinds: &'k [Arc<ResourceType>], id: &ResourceId) -> ShownLabel<'k> {
        let by_name = |name: &str| kinds.iter().find(|kind| kind.name() == name);
        let of_document = |name: &str, document: &Document| match by_name(name) {
            None => ShownLabel::Other,
            Some(kind) => ShownLabel::Live(kind, document.display_name(kind)),
        };
        if let Some(entry) = self.overlay.row(id) {
            if !entry.is_live() {
                return ShownLabel::Other;
            }
            if let Some(body) = &entry.body {
                return of_document(body.kind.name(), &body.document);
            }
        }
        match self.known.label(id) {
            KnownLabel::Absent => ShownLabel::Other,
            KnownLabel::Label(label) => match by_name(&label.kind) {
                None => ShownLabel::Other,
                Some(kind) => {
                    let display = label.display.as_ref().filter(|_| kind.shows_display_name());
                    ShownLabel::Live(kind, display.cloned())
                }
            },
            KnownLabel::Row(row) => of_document(&row.head.kind, &row.document),
            KnownLabel::Unknown => ShownLabel::Unknown,
        }
    }
}

/// The parts of a resource that an edge to it shows.
enum ShownLabel<'k> {
    Live(&'k ResourceType, Option<String>),
    /// There is no live resource of a type that is a target of the attribute.
    Other,
    Unknown,
}

/// Returns the lowest ids, in order.
fn lowest(mut ids: Vec<&ResourceId>, limit: usize) -> Vec<&ResourceId> {
    if limit < ids.len() {
        ids.select_nth_unstable(limit);
        ids.truncate(limit);
    }
    ids.sort_unstable();
    ids
}

/// The source of the type that a client's request gave to a member.
#[derive(Debug, Clone, Copy)]
enum Given<'s> {
    /// An edge that the batch adds.
    Added(Option<&'s str>),
    /// An edge of the facts.
    Stored,
}
