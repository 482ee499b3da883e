//! The selection of edges for the results of a batch.

use std::sync::Arc;

use scimkit_registry::{AttrId, AttributeRole, Registry, ResourceId, ResourceType};

use super::facts::OwnerList;
use crate::{Batch, computed::target_types};

/// The selection of edges for the results of a batch.
#[derive(Debug)]
pub(super) struct AnswerEdges {
    pub(super) attrs: Vec<ShownAttr>,
    /// The type of the resources that have edges in their results.
    pub(super) kind: Arc<ResourceType>,
    /// The maximum number of edges under each attribute.
    pub(super) limit: Option<usize>,
}

/// An attribute with edges in results.
#[derive(Debug)]
pub(super) struct ShownAttr {
    pub(super) id: AttrId,
    /// The types of the targets of its edges.
    pub(super) leads_to: Vec<Arc<ResourceType>>,
    pub(super) source: EdgeSource,
}

/// The source of the edges under an attribute.
#[derive(Debug)]
pub(super) enum EdgeSource {
    /// There are no edges under such an attribute.
    None,
    /// The members under the attribute with this path.
    Members(Arc<str>),
    /// The owners of each type and membership attribute.
    Owners(Vec<(Arc<str>, Arc<str>)>),
    /// The resource to which the document refers.
    Reference,
}

impl AnswerEdges {
    /// Returns the selection for a batch: the needed attributes of the type of its first write; none if the results
    /// need no edges.
    pub(super) fn new(registry: &Registry, batch: &Batch) -> Option<Self> {
        let want = &batch.read_options;
        if want.edges.is_empty() || !want.document {
            return None;
        }
        let kind = Arc::clone(batch.writes.first()?.kind());
        let attrs = want.edges.iter();
        let attrs = attrs.map(|id| ShownAttr::new(registry, &kind, *id));
        Some(AnswerEdges {
            attrs: attrs.collect(),
            limit: want
                .limit
                .map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)),
            kind,
        })
    }

    /// Returns whether another selection is the same.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let ids = |edges: &'_ Self| edges.attrs.iter().map(|attr| attr.id).collect::<Vec<_>>();
        Arc::ptr_eq(&self.kind, &other.kind) && self.limit == other.limit && ids(self) == ids(other)
    }
}

impl ShownAttr {
    fn new(registry: &Registry, kind: &ResourceType, id: AttrId) -> Self {
        let leads_to = target_types(registry, kind, id).into_iter().cloned();
        let leads_to: Vec<Arc<ResourceType>> = leads_to.collect();
        let attr = kind.attr(id);
        let source = match attr.role() {
            AttributeRole::Inverse => {
                EdgeSource::Owners(leads_to.iter().flat_map(owner_lists).collect())
            }
            AttributeRole::Membership => EdgeSource::Members(attr.path().into()),
            AttributeRole::Reference => EdgeSource::Reference,
            _ => EdgeSource::None,
        };
        ShownAttr {
            id,
            leads_to,
            source,
        }
    }
}

/// Returns the name of a type with each of its membership attributes.
fn owner_lists(kind: &Arc<ResourceType>) -> impl Iterator<Item = (Arc<str>, Arc<str>)> {
    let attrs = kind.attributes().iter();
    let attrs =
        attrs.filter(|attr| attr.role() == AttributeRole::Membership && attr.parent().is_none());
    attrs.map(|attr| (kind.name().into(), attr.path().into()))
}

/// Returns the list of the owners of a resource with that type and attribute.
pub(super) fn owner_list((kind, attr): (&Arc<str>, &Arc<str>), target: &ResourceId) -> OwnerList {
    OwnerList {
        attr: Arc::clone(attr),
        kind: Arc::clone(kind),
        target: target.clone(),
    }
}
