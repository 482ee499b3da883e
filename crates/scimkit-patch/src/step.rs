//! The decoded form of a PATCH request.

use scimkit_registry::{AttrId, Budget, Edge, Predicate, Quirk, ResourceId};
use serde_json::{Map, Value};

/// The units for creating an element from an edge, or for looking one up among others.
pub(crate) const EDGE: u64 = 16 * Budget::COMPARISON;

/// One action of one operation; an operation without a path has one per attribute.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) action: Action,
    /// The number of the operation in the request, from 1.
    pub(crate) number: usize,
}

#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// Edits an attribute, or a sub-attribute of a single-valued one.
    Attribute { attr: AttrId, edit: Edit },
    /// Edits some elements of a multi-valued attribute, or one sub-attribute of each.
    Elements {
        absent: OnNoMatch,
        attr: AttrId,
        edit: Edit,
        sub: Option<AttrId>,
        which: Predicate,
    },
    /// Checks that an `id` in the request is the resource's own.
    Id(String),
    /// Edits a membership.
    Members { attr: AttrId, edit: MembersEdit },
}

/// The edit of one value. Every value in it was admitted.
#[derive(Debug, Clone)]
pub(crate) enum Edit {
    /// Adds elements to a multi-valued attribute.
    Append(Vec<Value>),
    /// Replaces the value.
    Assign(Value),
    /// Sets (or unsets) some sub-attributes and leaves the others unchanged.
    Merge(Vec<(AttrId, Option<Value>)>),
    /// Removes these elements from a multi-valued attribute.
    Take(Vec<Value>),
    Unset,
}

/// The reaction to a value path that selects nothing, with the quirk that must be accepted for it; otherwise it is
/// `noTarget`.
#[derive(Debug, Clone)]
pub(crate) enum OnNoMatch {
    /// Creates an element with these sub-attributes, and edits it.
    Create(Map<String, Value>, Option<Quirk>),
    /// Does nothing.
    Pass(Option<Quirk>),
    /// Returns `noTarget`, whatever is tolerated.
    Reject,
}

#[derive(Debug, Clone)]
pub(crate) enum MembersEdit {
    Add(Vec<Edge>),
    /// Leaves the members that the predicate selects unchanged; if there are none, adds `edge`, provided that the
    /// predicate describes all of it and this is tolerated.
    Keep {
        edge: Edge,
        seeded: bool,
        which: Predicate,
    },
    Remove(Vec<ResourceId>),
    RemoveWhere(Predicate),
    Replace(Vec<Edge>),
}

impl MembersEdit {
    /// Returns the units for carrying it out, except for filters, which charge each evaluation.
    pub(crate) fn cost(&self) -> u64 {
        let edges = match self {
            MembersEdit::Add(edges) | MembersEdit::Replace(edges) => edges.len(),
            MembersEdit::Remove(ids) => ids.len(),
            MembersEdit::Keep { .. } | MembersEdit::RemoveWhere(_) => 1,
        };
        EDGE.saturating_mul(edges as u64 + 1)
    }
}

impl Action {
    pub(crate) fn reads_document(&self) -> bool {
        matches!(self, Action::Attribute { .. } | Action::Elements { .. })
    }

    /// Returns the membership that must be read to carry it out.
    pub(crate) fn reads_edges(&self) -> Option<AttrId> {
        match self {
            Action::Members {
                attr,
                edit: MembersEdit::Keep { .. } | MembersEdit::RemoveWhere(_),
            } => Some(*attr),
            _ => None,
        }
    }
}
