//! Edges from their other end.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use scimkit_registry::ResourceId;

/// One end of an edge: the resource that has the other as a member.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Owner {
    /// The canonical path of the membership attribute.
    pub(super) attr: Arc<str>,
    pub(super) id: ResourceId,
    /// The name of the owner's type.
    pub(super) kind: Arc<str>,
}

/// Who has a resource as a member, whether that exists or not.
#[derive(Debug, Default)]
pub(super) struct Owners {
    // INVARIANT: the inverse of the records' edges; no set is empty.
    by_target: BTreeMap<ResourceId, BTreeSet<Arc<Owner>>>,
}

impl Owners {
    /// Those of one resource, each in as many attributes as it has it in.
    pub(super) fn of<'o>(&'o self, target: &str) -> impl Iterator<Item = &'o Owner> + use<'o> {
        let owners = self.by_target.get(target).into_iter().flatten();
        owners.map(AsRef::as_ref)
    }

    pub(super) fn link(&mut self, target: &ResourceId, owner: &Arc<Owner>) {
        let owners = self.by_target.entry(target.clone()).or_default();
        owners.insert(Arc::clone(owner));
    }

    pub(super) fn unlink(&mut self, target: &ResourceId, owner: &Owner) {
        if let Some(owners) = self.by_target.get_mut(target) {
            owners.remove(owner);
            if owners.is_empty() {
                self.by_target.remove(target);
            }
        }
    }

    /// Forgets all of one resource.
    pub(super) fn take(&mut self, target: &ResourceId) -> BTreeSet<Arc<Owner>> {
        self.by_target.remove(target).unwrap_or_default()
    }
}
