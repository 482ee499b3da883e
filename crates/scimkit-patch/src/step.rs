//! What a PATCH request comes down to once it is decoded.

use scimkit_registry::{AttrId, Budget, Edge, Predicate, Quirk, ResourceId};
use serde_json::{Map, Value};

/// Units that it costs to make an element of an edge, or to look one up among others.
pub(crate) const EDGE: u64 = 16 * Budget::COMPARISON;

/// One action of one operation; an operation without a path has one for each attribute.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) action: Action,
    /// The operation's place in the request, from 1.
    pub(crate) number: usize,
}

#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// Edits an attribute, or a sub-attribute of a single-valued one.
    Attribute { attr: AttrId, edit: Edit },
    /// Edits some elements of a multi-valued attribute, or one sub-attribute of each.
    Elements {
        absent: Absent,
        attr: AttrId,
        edit: Edit,
        sub: Option<AttrId>,
        which: Predicate,
    },
    /// The request names an `id`, which must be the resource's own.
    Id(String),
    /// Edits a membership.
    Members { attr: AttrId, edit: MembersEdit },
}

/// What happens to one value. Everything in it was admitted.
#[derive(Debug, Clone)]
pub(crate) enum Edit {
    /// Adds elements to a multi-valued attribute.
    Append(Vec<Value>),
    /// Puts a value in place of the one that is there.
    Assign(Value),
    /// Sets (or unsets) some sub-attributes and leaves the others.
    Merge(Vec<(AttrId, Option<Value>)>),
    /// Takes these out of a multi-valued attribute.
    Take(Vec<Value>),
    Unset,
}

/// What happens when a value path selects nothing, and the quirk that must be accepted for it; else
/// it is `noTarget`.
#[derive(Debug, Clone)]
pub(crate) enum Absent {
    /// An element with these sub-attributes is made, and edited.
    Create(Map<String, Value>, Option<Quirk>),
    /// Nothing.
    Pass(Option<Quirk>),
    /// `noTarget`, whatever is accepted.
    Refuse,
}

#[derive(Debug, Clone)]
pub(crate) enum MembersEdit {
    Add(Vec<Edge>),
    /// The members that the predicate selects stay what they are; when there are none, `edge` is
    /// added where the predicate says all of it and that is tolerated.
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
    /// Units that it costs to carry it out, but for filters, which charge what they try.
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

    /// The membership that has to be known to carry it out.
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
