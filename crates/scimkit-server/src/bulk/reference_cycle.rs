//! Creates that refer to each other, as the writes of one batch.

use std::collections::{HashMap, HashSet};

use scimkit_core::ErrorResponse;
use scimkit_store::{ExpectedVersion, StoreError, StoredResource, WriteOp, Written};

use crate::error::HandlerError;

/// Turns the creates of a cycle into writes, each with the index of its operation: first creates with those edges
/// whose targets exist by then, then updates with the other edges.
pub(super) fn writes(creates: Vec<(usize, WriteOp)>) -> Vec<(usize, WriteOp)> {
    let id = |(_, write): &(usize, WriteOp)| match write {
        WriteOp::Create { id, .. } => Some(id.clone()),
        _ => None,
    };
    let mut to_come: HashSet<_> = creates.iter().filter_map(id).collect();
    let mut writes = Vec::with_capacity(creates.len());
    let mut updates = Vec::new();
    for (index, write) in creates {
        let WriteOp::Create {
            mut change,
            existing_match,
            id,
        } = write
        else {
            continue;
        };
        to_come.remove(&id);
        let later = change.split_edges(|target| to_come.contains(target));
        if !later.is_empty() {
            let id = id.clone();
            let expect = ExpectedVersion::Any;
            let change = later;
            updates.push((index, WriteOp::Update { change, expect, id }));
        }
        writes.push((
            index,
            WriteOp::Create {
                change,
                existing_match,
                id,
            },
        ));
    }
    writes.extend(updates);
    writes
}

/// Combines the results of those writes: each operation that was carried out gets the last of its results.
pub(super) fn outcomes(
    answers: impl IntoIterator<Item = (usize, Result<Written, StoreError>)>,
) -> HashMap<usize, Result<Option<StoredResource>, HandlerError>> {
    let mut outcomes = HashMap::new();
    for (index, answer) in answers {
        let outcome = match answer {
            Err(StoreError::Skipped) => continue,
            Err(StoreError::Cycle { attr, .. }) => Err(closes(&attr)),
            answer => answer
                .map(|written| written.stored)
                .map_err(HandlerError::Store),
        };
        outcomes.insert(index, outcome);
    }
    outcomes
}

/// Returns the 409 that the RFC specifies for a cycle that can't be resolved.
fn closes(attr: &str) -> HandlerError {
    let detail = format!("`{attr}`: this reference cycle would make a resource a member of itself");
    ErrorResponse::new(409, detail).into()
}

/// Returns the 409 for an operation of a cycle that is not carried out because another one failed.
pub(super) fn not_all_made() -> HandlerError {
    let detail = "another operation in this reference cycle failed";
    ErrorResponse::new(409, detail).into()
}
