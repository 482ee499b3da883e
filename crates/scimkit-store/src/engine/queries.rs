//! The member lists and the match queries for which facts are loaded.

use std::sync::Arc;

use scimkit_registry::{Predicate, ResourceId, ResourceType};

use super::facts::{CandidateQuery, MemberList, RowState};
use crate::{ExistingMatch, MatchScope, OwnerFilter};

/// The maximum number of queries of one match. Each write has a range of that many query numbers.
const QUERIES: usize = 1 << 12;

/// The owner of edges, by type and id.
pub(super) type Owner<'a> = (&'a ResourceType, &'a ResourceId);

/// Returns the member list of an owner and attribute.
pub(super) fn list((kind, owner): Owner<'_>, attr: &str) -> MemberList {
    MemberList {
        attr: attr.into(),
        kind: kind.name().into(),
        owner: owner.clone(),
    }
}

/// Returns the queries for the resources that a create with that match may adopt or restore.
pub(super) fn queries(
    number: usize,
    kind: &Arc<ResourceType>,
    existing_match: &ExistingMatch,
) -> Vec<CandidateQuery> {
    let first = number.saturating_mul(QUERIES);
    let query = |at: usize, state, owner, predicate: Predicate| CandidateQuery {
        kind: Arc::clone(kind),
        // Each earlier write may have changed one of the rows that are found.
        limit: number.saturating_add(2),
        number: first.saturating_add(at),
        owner,
        predicate,
        state,
    };
    let mut queries = Vec::new();
    if existing_match.scope != MatchScope::Restorable {
        let by = existing_match.predicate.clone();
        queries.push(query(0, RowState::Live, OwnerFilter::Unowned, by));
    }
    if let Some(deactivated) = existing_match
        .deactivated
        .as_ref()
        .filter(|_| existing_match.scope != MatchScope::Adoptable)
    {
        let both = Predicate::All(vec![existing_match.predicate.clone(), deactivated.clone()]);
        queries.push(query(1, RowState::Live, OwnerFilter::Any, both));
    }
    if existing_match.scope != MatchScope::Adoptable {
        for (at, term) in existing_match.terms().iter().enumerate() {
            let at = at.saturating_add(DELETED);
            queries.push(query(at, RowState::Deleted, OwnerFilter::Any, term.clone()));
        }
    }
    queries
}

/// The number of a match's first query for soft-deleted resources.
const DELETED: usize = 2;
