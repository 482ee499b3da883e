//! The attributes of a type that refer to other resources.

use scimkit_registry::{Attr, AttrId, AttributeRole, Projection, ResourceType};

/// The maximum number of members that are read at once. A larger membership is sent page by page.
pub(crate) const PAGE: u32 = 1_000;

/// Returns the membership attributes of a type.
pub(crate) fn memberships(kind: &ResourceType) -> impl Iterator<Item = AttrId> {
    kind.completed_attributes()
        .filter(|attr| attr.role() == AttributeRole::Membership)
        .map(Attr::id)
}

/// Returns the membership and inverse attributes that a projection shows, whose edges a store must read.
pub(crate) fn edge_attrs(kind: &ResourceType, projection: &Projection) -> Vec<AttrId> {
    kind.completed_attributes()
        .filter(|attr| {
            matches!(
                attr.role(),
                AttributeRole::Inverse | AttributeRole::Membership
            )
        })
        .map(Attr::id)
        .filter(|attr| projection.shows(*attr))
        .collect()
}

/// Returns the membership, inverse and reference attributes that a projection shows: all edges of a response.
pub(crate) fn shown_edges(kind: &ResourceType, projection: &Projection) -> Vec<AttrId> {
    let references = reference_attrs(kind).filter(|attr| projection.shows(*attr));
    let mut attrs = edge_attrs(kind, projection);
    attrs.extend(references);
    attrs
}

/// Returns the inverse attributes that a projection shows, whose values derive from other resources.
pub(crate) fn inverse_attrs(kind: &ResourceType, projection: &Projection) -> Vec<AttrId> {
    let mut attrs = edge_attrs(kind, projection);
    attrs.retain(|attr| kind.attr(*attr).role() == AttributeRole::Inverse);
    attrs
}

/// Returns the reference attributes of a type.
pub(crate) fn reference_attrs(kind: &ResourceType) -> impl Iterator<Item = AttrId> {
    kind.completed_attributes()
        .filter(|attr| attr.role() == AttributeRole::Reference)
        .map(Attr::id)
}
