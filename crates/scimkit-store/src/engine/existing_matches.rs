//! Creates that adopt or restore an existing resource.

use std::{collections::BTreeSet, sync::Arc};

use scimkit_mapping::ChangeKind;
use scimkit_registry::{
    Change, Operator, Predicate, Resource, ResourceId, ResourceType, ResourceView,
};

use super::{
    decider::Decider,
    facts::{FoundRow, KeyRef, RowHead, RowState},
    keys,
    known::missing,
    overlay::{Body, Entry},
    queries::queries,
    request::Request,
};
use crate::{
    Candidate, ConnectionId, Document, ExistingMatch, MatchPin, MatchScope, StoreError,
    StoredResource, Timestamps, WriteOutcome,
};

/// The existing resource that a create adopts or restores.
#[derive(Debug)]
pub(super) enum FoundMatch {
    Live(ResourceId, WriteOutcome),
    Deleted(RowHead),
}

impl FoundMatch {
    pub(super) fn id(&self) -> &ResourceId {
        match self {
            FoundMatch::Live(id, _) => id,
            FoundMatch::Deleted(head) => &head.id,
        }
    }
}

/// A candidate of a match: a row that the batch has changed, otherwise one of the facts.
struct CandidateRow<'a> {
    body: Option<&'a Body>,
    head: &'a RowHead,
    row: Option<&'a FoundRow>,
}

impl<'a> CandidateRow<'a> {
    fn connection(&self) -> Option<&'a ConnectionId> {
        match self.body {
            Some(body) => body.connection.as_ref(),
            None => self.row?.connection.as_ref(),
        }
    }

    fn document(&self) -> Option<&'a Document> {
        let written = self.body.map(|body| &body.document);
        written.or_else(|| self.row.map(|row| &row.document))
    }
}

impl Decider<'_> {
    /// Returns the resource that a create adopts or restores, if any.
    ///
    /// # Errors
    /// - [`StoreError::Ambiguous`]: several live resources match
    /// - [`StoreError::OtherCandidate`], [`StoreError::VersionMismatch`]: the match is pinned to another resource or
    ///   version
    pub(super) fn found_match(
        &self,
        request: &Request,
        (number, kind): (usize, &Arc<ResourceType>),
        existing_match: &ExistingMatch,
    ) -> Result<Option<(FoundMatch, StoredResource)>, StoreError> {
        let found_match = self.found(request, (number, kind), existing_match)?;
        let found = match found_match {
            None => None,
            Some(found_match) => {
                let before = self.candidate_before(found_match.id())?;
                Some((found_match, before))
            }
        };
        if let Some(pin) = &existing_match.pin {
            let candidate = found.as_ref().map(|(_, before)| candidate(before));
            check_pin(pin, candidate.as_ref())?;
        }
        Ok(found)
    }

    /// Returns the resource that a create adopts or restores, as it is before.
    fn candidate_before(&self, id: &ResourceId) -> Result<StoredResource, StoreError> {
        let row = self.candidate_row(id)?;
        let row = row.ok_or_else(|| missing("the row of a candidate"))?;
        let document = row.document();
        let document = document.ok_or_else(|| missing("the document of a candidate"))?;
        let at = Timestamps {
            created: row.head.created,
            last_modified: row.head.last_modified,
        };
        let version = row.head.version.clone();
        let before = StoredResource::new(id.clone(), version, at, document.clone());
        Ok(before.with_owner(row.connection().cloned()))
    }

    fn found(
        &self,
        request: &Request,
        (number, kind): (usize, &Arc<ResourceType>),
        existing_match: &ExistingMatch,
    ) -> Result<Option<FoundMatch>, StoreError> {
        let mut live = BTreeSet::new();
        let queries = queries(number, kind, existing_match);
        let found = |state: RowState| {
            let of_state = queries.iter().filter(move |query| query.state == state);
            of_state.map(|query| self.known.candidates(query.number))
        };
        for rows in found(RowState::Live) {
            live.extend(rows?.iter().map(|row| &row.head.id));
        }
        let written = self.written_candidates(kind, &existing_match.predicate);
        live.extend(written.iter().copied());
        let mut taken = None;
        for id in live {
            let Some(how) = self.takes(request, (kind, id), existing_match)? else {
                continue;
            };
            if taken.replace((id, how)).is_some() {
                return Err(StoreError::Ambiguous);
            }
        }
        if let Some((id, how)) = taken {
            return Ok(Some(FoundMatch::Live(id.clone(), how)));
        }
        if existing_match.scope == MatchScope::Adoptable {
            return Ok(None);
        }
        for (term, rows) in existing_match.terms().iter().zip(found(RowState::Deleted)) {
            let mut last: Option<&RowHead> = None;
            let ids = rows?.iter().map(|row| &row.head.id);
            for id in ids.chain(self.deleted_rows()) {
                let head = self.matching(request, (kind, id), (term, RowState::Deleted))?;
                let order = |head: &RowHead| (head.last_modified, head.id.clone());
                if let Some(CandidateRow { head, .. }) = head {
                    last = last
                        .into_iter()
                        .chain([head])
                        .max_by_key(|head| order(head));
                }
            }
            if let Some(head) = last {
                return Ok(Some(FoundMatch::Deleted(head.clone())));
            }
        }
        Ok(None)
    }

    /// Returns the outcome of a create for a live resource, if the match covers the resource.
    fn takes(
        &self,
        request: &Request,
        (kind, id): (&Arc<ResourceType>, &ResourceId),
        existing_match: &ExistingMatch,
    ) -> Result<Option<WriteOutcome>, StoreError> {
        let found = self.matching(
            request,
            (kind, id),
            (&existing_match.predicate, RowState::Live),
        )?;
        let Some(found) = found else {
            return Ok(None);
        };
        let Some(document) = found.document() else {
            return Ok(None);
        };
        let read = existing_match
            .deactivated
            .iter()
            .flat_map(Predicate::attributes);
        let reader = kind.reader(read);
        let values = reader.read(document.text());
        let meter = request.budget.meter();
        let connection = found.connection();
        Ok(existing_match.takes(kind, connection, ResourceView::of_values(&values), &meter)?)
    }

    /// Returns the current row of a resource, if it is in that state and satisfies the predicate.
    fn matching<'s>(
        &'s self,
        request: &Request,
        (kind, id): (&Arc<ResourceType>, &ResourceId),
        (predicate, state): (&Predicate, RowState),
    ) -> Result<Option<CandidateRow<'s>>, StoreError> {
        let found = self.candidate_row(id)?;
        let found =
            found.filter(|found| found.head.state == state && *found.head.kind == *kind.name());
        let Some((found, document)) = found.and_then(|found| {
            let document = found.document()?;
            Some((found, document))
        }) else {
            return Ok(None);
        };
        let reader = kind.reader(predicate.attributes());
        let values = reader.read(document.text());
        let meter = request.budget.meter();
        let holds = kind.matches(predicate, ResourceView::of_values(&values), &meter)?;
        Ok(holds.then_some(found))
    }

    /// Returns the row of a resource, as the writes so far have left it.
    fn candidate_row(&self, id: &ResourceId) -> Result<Option<CandidateRow<'_>>, StoreError> {
        let entry: Option<&Entry> = self.overlay.row(id).map(AsRef::as_ref);
        let body = entry.and_then(|entry| entry.body.as_ref());
        let row = match body {
            Some(_) => None,
            None => self.known.row(id)?,
        };
        let head = match entry {
            Some(entry) => entry.head.as_ref(),
            None => row.map(|row| &row.head),
        };
        Ok(head.map(|head| CandidateRow { body, head, row }))
    }

    /// Returns the live resources that the writes so far have changed and that may satisfy the predicate.
    fn written_candidates(
        &self,
        kind: &Arc<ResourceType>,
        predicate: &Predicate,
    ) -> BTreeSet<&ResourceId> {
        self.narrowed_by(kind, predicate).unwrap_or_else(|| {
            let rows = self.overlay.rows();
            let changed = rows.filter(|(_, entry)| entry.is_live() && entry.body.is_some());
            changed.map(|(id, _)| id).collect()
        })
    }

    fn deleted_rows(&self) -> impl Iterator<Item = &ResourceId> {
        let voided = self.overlay.voided().map(|(id, _)| id);
        voided.filter(|id| {
            let entry = self.overlay.row(id);
            let head = entry.and_then(|entry| entry.head.as_ref());
            head.is_some_and(|head| head.state == RowState::Deleted)
        })
    }

    /// Returns a superset of the changed resources that satisfy the predicate, found by keys; none if keys don't help.
    fn narrowed_by(
        &self,
        kind: &Arc<ResourceType>,
        predicate: &Predicate,
    ) -> Option<BTreeSet<&ResourceId>> {
        match predicate {
            Predicate::All(terms) => {
                let terms = terms.iter();
                let sets = terms.filter_map(|term| self.narrowed_by(kind, term));
                sets.min_by_key(BTreeSet::len)
            }
            Predicate::Any(terms) => {
                let terms = terms.iter();
                let sets: Option<Vec<_>> = terms.map(|t| self.narrowed_by(kind, t)).collect();
                Some(sets?.into_iter().flatten().collect())
            }
            Predicate::Compare {
                attr,
                op: Operator::Equal,
                value,
            } if keys::has_keys(kind, kind.attr(*attr)) => {
                let key = KeyRef {
                    attr: *attr,
                    key: value.clone(),
                    kind: Arc::clone(kind),
                };
                Some(self.overlay.holders(&key).collect())
            }
            Predicate::ElementMatches { inner, .. } => self.narrowed_by(kind, inner),
            Predicate::Never => Some(BTreeSet::new()),
            Predicate::Compare { .. } | Predicate::Not(_) | Predicate::Present(_) => None,
        }
    }
}

/// Returns the candidate that a pin names.
pub(super) fn candidate(before: &StoredResource) -> Candidate {
    Candidate::new(before.id.clone(), before.version.clone())
}

/// Compares the candidate that was found with the pin of a match.
fn check_pin(pin: &MatchPin, found: Option<&Candidate>) -> Result<(), StoreError> {
    match (pin, found) {
        (MatchPin::NoCandidate, None) => Ok(()),
        (MatchPin::Candidate(pinned), Some(found)) if pinned.id == found.id => {
            if pinned.version == found.version {
                Ok(())
            } else {
                Err(StoreError::VersionMismatch {
                    actual: found.version.clone(),
                })
            }
        }
        (_, found) => Err(StoreError::OtherCandidate {
            found: found.map(|found| found.id.clone()),
        }),
    }
}

/// Returns the change by which a create adopts a live resource: the values that the client sent, filtered by the
/// mapping for the stored document, so that values outside the mapping stay.
///
/// # Errors
/// - [`StoreError::Invalid`]: the mapping rejects the values
/// - [`StoreError::TooLarge`]: together with the stored values, the document would be too large
pub(super) fn adoption_change(
    request: &Request,
    change: &Change,
    existing_match: &ExistingMatch,
    before: &Resource,
) -> Result<Change, StoreError> {
    let mut sent = existing_match.sent.as_ref().unwrap_or(change).clone();
    let mapping = request.mapping.as_ref();
    if let Some(mapping) = mapping.and_then(|m| m.for_type(change.kind().name())) {
        let filtered = mapping.filter_change(sent, ChangeKind::Adopt(before));
        let filtered = filtered.map_err(|problem| StoreError::Invalid {
            detail: problem.to_string(),
        })?;
        sent = filtered.change;
    }
    request.limits.check_document(Some(before), &sent)?;
    Ok(sent)
}
