//! What is known of each id: of which type its resource is, and who has it as a member.

use std::{
    collections::{BTreeSet, HashMap},
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

/// Every id that a resource has, or an edge leads to.
///
/// By hash, so that an edge costs one look at its target however many resources there are.
#[derive(Debug, Default)]
pub(super) struct Places {
    by_id: HashMap<ResourceId, Place>,
}

#[derive(Debug, Default)]
struct Place {
    // INVARIANT: the name of the type whose table has a record of the id.
    kind: Option<Arc<str>>,
    // INVARIANT: the inverse of the records' edges. A place with neither kind nor owners is none.
    owners: BTreeSet<Arc<Owner>>,
}

impl Places {
    /// The name of the resource's type, when there is one.
    pub(super) fn kind(&self, id: &str) -> Option<&str> {
        self.by_id.get(id)?.kind.as_deref()
    }

    /// Who has it as a member, each in as many attributes as it has it in.
    pub(super) fn owners<'p>(&'p self, id: &str) -> impl Iterator<Item = &'p Owner> + use<'p> {
        let place = self.by_id.get(id);
        let owners = place.into_iter().flat_map(|place| &place.owners);
        owners.map(AsRef::as_ref)
    }

    /// How many [`Places::owners`] there are.
    pub(super) fn count_owners(&self, id: &str) -> usize {
        self.by_id.get(id).map_or(0, |place| place.owners.len())
    }

    /// The attributes by which others have it as a member.
    pub(super) fn attrs(&self, id: &str) -> Vec<Arc<str>> {
        let Some(place) = self.by_id.get(id) else {
            return Vec::new();
        };
        let mut attrs: Vec<Arc<str>> = Vec::new();
        let mut next = place.owners.first();
        while let Some(owner) = next {
            attrs.push(Arc::clone(&owner.attr));
            // The least text that is greater.
            let behind = Owner {
                attr: format!("{}\0", owner.attr).into(),
                id: ResourceId::from(""),
                kind: "".into(),
            };
            next = place.owners.range::<Owner, _>(&behind..).next();
        }
        attrs
    }

    /// Who has it as a member by one attribute, in the order of ids, behind `after`.
    pub(super) fn owners_by<'p>(
        &'p self,
        id: &str,
        attr: &Arc<str>,
        after: Option<&ResourceId>,
    ) -> impl Iterator<Item = &'p Owner> + use<'p> {
        let from = Owner {
            attr: Arc::clone(attr),
            id: after.cloned().unwrap_or_else(|| ResourceId::from("")),
            kind: "".into(),
        };
        let place = self.by_id.get(id);
        let owners = place.map(|place| place.owners.range::<Owner, _>(&from..));
        let owners = owners.into_iter().flatten().map(AsRef::as_ref);
        owners
            .skip_while(move |owner: &&Owner| owner.attr == from.attr && owner.id == from.id)
            .take_while({
                let attr = Arc::clone(attr);
                move |owner| owner.attr == attr
            })
    }

    /// There is a resource now.
    pub(super) fn put(&mut self, id: ResourceId, kind: Arc<str>) {
        self.by_id.entry(id).or_default().kind = Some(kind);
    }

    /// Removes the owners of a resource, and tells whose member it was.
    pub(super) fn take_owners(&mut self, id: &ResourceId) -> BTreeSet<Arc<Owner>> {
        let Some(place) = self.by_id.get_mut(id) else {
            return BTreeSet::new();
        };
        let owners = std::mem::take(&mut place.owners);
        if place.kind.is_none() {
            self.by_id.remove(id);
        }
        owners
    }

    /// There is no resource any more, but those who have it as a member keep it.
    pub(super) fn take(&mut self, id: &ResourceId) {
        if let Some(place) = self.by_id.get_mut(id) {
            place.kind = None;
            if place.owners.is_empty() {
                self.by_id.remove(id);
            }
        }
    }

    pub(super) fn link(&mut self, target: &ResourceId, owner: &Arc<Owner>) {
        let owner = Arc::clone(owner);
        match self.by_id.get_mut(target) {
            Some(place) => drop(place.owners.insert(owner)),
            None => {
                let place = Place {
                    kind: None,
                    owners: BTreeSet::from([owner]),
                };
                self.by_id.insert(target.clone(), place);
            }
        }
    }

    pub(super) fn unlink(&mut self, target: &ResourceId, owner: &Owner) {
        if let Some(place) = self.by_id.get_mut(target) {
            place.owners.remove(owner);
            if place.owners.is_empty() && place.kind.is_none() {
                self.by_id.remove(target);
            }
        }
    }
}
