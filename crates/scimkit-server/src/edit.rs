//! Decoded changes of a resource, and their limits.

use std::sync::Arc;

use scimkit_core::{ErrorResponse, excerpt};
use scimkit_patch::{CurrentState, Patch, Replacement};
use scimkit_registry::{
    AttrEdges, AttrId, Budget, Change, EdgeChange, EdgeEdit, QuirkPolicy, RequestError, Resource,
    ResourceId,
};
use scimkit_store::RequestLimits;

/// The prefix of the client's name for a resource that a bulk request creates (RFC 7644 section 3.7.2).
pub(crate) const BULK_ID: &str = "bulkId:";

/// The known parts of a resource before its change; empty if the change needs none.
#[derive(Clone, Default)]
pub(crate) struct Known {
    pub(crate) document: Option<Arc<Resource>>,
    pub(crate) edges: Arc<[AttrEdges]>,
}

/// A decoded request to change a resource.
pub(crate) enum Edit {
    Patch(Patch),
    Replace(Replacement),
}

impl Edit {
    /// Computes the change of a resource. An edit that reads nothing does not need the resource.
    pub(crate) fn change(
        &self,
        id: &ResourceId,
        Known { document, edges }: &Known,
        leeway: &dyn QuirkPolicy,
        budget: &Budget,
    ) -> Result<Change, RequestError> {
        let nothing = Resource::default();
        let document = document.as_deref().unwrap_or(&nothing);
        match self {
            Edit::Patch(patch) => {
                patch.apply(id, &CurrentState { document, edges }, leeway, budget)
            }
            Edit::Replace(replacement) => replacement.apply(document, budget),
        }
    }

    /// Returns the attributes of the document that the change depends on; `None` means all.
    pub(crate) fn attributes(&self) -> Option<Vec<AttrId>> {
        match self {
            Edit::Patch(patch) => Some(patch.attributes().collect()),
            Edit::Replace(_) => None,
        }
    }

    /// Returns the memberships that the change depends on.
    pub(crate) fn edges(&self) -> Vec<AttrId> {
        match self {
            Edit::Patch(patch) => patch.needs().edges,
            Edit::Replace(_) => Vec::new(),
        }
    }

    /// Returns the kind of update, for an edit that changes nothing.
    pub(crate) fn what(&self) -> UpdateKind {
        match self {
            Edit::Patch(patch) if !patch.needs().document => UpdateKind::Edges,
            Edit::Patch(_) | Edit::Replace(_) => UpdateKind::Attributes,
        }
    }

    /// Returns whether the resource must be read before the change is known.
    pub(crate) fn reads(&self) -> bool {
        match self {
            Edit::Patch(patch) => {
                let needs = patch.needs();
                needs.document || !needs.edges.is_empty()
            }
            Edit::Replace(_) => true,
        }
    }
}

/// The kind of change that an update requests, even if the resource already has that content.
#[derive(PartialEq)]
pub(crate) enum UpdateKind {
    Attributes,
    Edges,
}

impl UpdateKind {
    pub(crate) fn of(change: &Change) -> Self {
        if change.assignments().is_empty() && change.removals().is_empty() {
            UpdateKind::Edges
        } else {
            UpdateKind::Attributes
        }
    }
}

/// Returns the attributes that a change assigns.
pub(crate) fn written_by(change: &Change) -> Vec<AttrId> {
    let set = change.assignments().iter().map(|(id, _)| *id);
    set.chain(change.edge_changes().iter().map(|e| e.attr))
        .collect()
}

/// Checks the limits of a change, and rejects members that look like references of a bulk request.
///
/// # Errors
/// 413 if there are more members than the limit; the errors of [`check_reserved`].
pub(crate) fn check_edges(change: &Change, limits: &RequestLimits) -> Result<(), ErrorResponse> {
    let limit = limits.members;
    let named = change.edge_changes().iter().map(|edges| match &edges.edit {
        EdgeEdit::Delta { add, remove } => add.len() + remove.len(),
        EdgeEdit::Replace(edges) => edges.len(),
    });
    match named.sum::<usize>() {
        count if count > limit => {
            let detail = format!("{count} members in one request are more than {limit}");
            Err(ErrorResponse::too_large(detail))
        }
        _ => check_reserved(change),
    }
}

/// Rejects members whose id looks like a reference of a bulk request.
///
/// RFC 7643 section 3.1 reserves such ids, so no resource can have one.
///
/// # Errors
/// `invalidValue`.
fn check_reserved(change: &Change) -> Result<(), ErrorResponse> {
    for EdgeChange { attr, edit } in change.edge_changes() {
        let (EdgeEdit::Delta { add, .. } | EdgeEdit::Replace(add)) = edit;
        if let Some(edge) = add
            .iter()
            .find(|edge| edge.id.as_str().starts_with(BULK_ID))
        {
            let attr = change.kind().attr(*attr).path();
            let id = excerpt(edge.id.as_str());
            return Err(ErrorResponse::invalid_value(format!(
                "`{attr}`: `{id}` is a reference for bulk requests, and there it must be a string of its own"
            )));
        }
    }
    Ok(())
}
