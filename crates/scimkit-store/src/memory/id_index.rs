//! The index from ids to the types and owners of their resources.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Bound,
    sync::Arc,
};

use scimkit_registry::ResourceId;

/// The owner of an edge, which has its target as a member.
///
/// Owners are sorted by attribute, then by type, then by id, which is the order of the fields.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Owner {
    /// The canonical path of the membership attribute.
    pub(super) attr: Arc<str>,
    /// The name of the owner's type.
    pub(super) kind: Arc<str>,
    pub(super) id: ResourceId,
}

/// All ids of resources and of the targets of edges.
///
/// A hash map finds the target of an edge in constant time, regardless of the number of resources.
#[derive(Debug, Default)]
pub(super) struct Places {
    by_id: HashMap<ResourceId, Place>,
}

#[derive(Debug, Default)]
struct Place {
    // INVARIANT: the name of the type whose table has a record with the id.
    kind: Option<Arc<str>>,
    // INVARIANT: the inverse of the records' edges. A place has a kind or owners.
    owners: BTreeSet<Arc<Owner>>,
}

impl Places {
    /// Returns the name of the type of the resource with that id, if it exists.
    pub(super) fn kind(&self, id: &str) -> Option<&str> {
        self.by_id.get(id)?.kind.as_deref()
    }

    /// Returns the owners of a resource, once per attribute in which they have it as a member.
    pub(super) fn owners<'p>(&'p self, id: &str) -> impl Iterator<Item = &'p Owner> + use<'p> {
        let place = self.by_id.get(id);
        let owners = place.into_iter().flat_map(|place| &place.owners);
        owners.map(AsRef::as_ref)
    }

    /// Returns the owners of a resource, unless there are more than `most`.
    pub(super) fn few_owners<'p>(
        &'p self,
        id: &str,
        most: usize,
    ) -> Option<impl Iterator<Item = &'p Owner> + use<'p>> {
        let owners = self.by_id.get(id).map(|place| &place.owners);
        let are_few = owners.is_none_or(|owners| owners.len() <= most);
        are_few.then(|| owners.into_iter().flatten().map(AsRef::as_ref))
    }

    /// Returns the number of [`Places::owners`].
    pub(super) fn count_owners(&self, id: &str) -> usize {
        self.by_id.get(id).map_or(0, |place| place.owners.len())
    }

    /// Returns the attributes and types of the owners of a resource, without duplicates.
    pub(super) fn owner_lists(&self, id: &str) -> Vec<(Arc<str>, Arc<str>)> {
        let Some(place) = self.by_id.get(id) else {
            return Vec::new();
        };
        let mut lists = Vec::new();
        let mut next = place.owners.first();
        let last = place.owners.last().map(|owner| (&owner.attr, &owner.kind));
        while let Some(owner) = next {
            lists.push((Arc::clone(&owner.attr), Arc::clone(&owner.kind)));
            if last == Some((&owner.attr, &owner.kind)) {
                break;
            }
            let behind = Owner {
                attr: Arc::clone(&owner.attr),
                // The next greater text.
                kind: format!("{}\0", owner.kind).into(),
                id: ResourceId::from(""),
            };
            next = place.owners.range::<Owner, _>(&behind..).next();
        }
        lists
    }

    /// Returns the owners of one attribute and type after the id `after`, in the order of their ids.
    pub(super) fn owners_in<'p>(
        &'p self,
        id: &str,
        (attr, kind): (Arc<str>, Arc<str>),
        after: Option<&ResourceId>,
    ) -> impl Iterator<Item = &'p Owner> + use<'p> {
        let id_before = after.cloned().unwrap_or_else(|| ResourceId::from(""));
        let from = Owner {
            attr,
            kind,
            id: id_before,
        };
        let place = self.by_id.get(id);
        let range = (Bound::Excluded(&from), Bound::Unbounded);
        let owners = place.map(|place| place.owners.range::<Owner, _>(range));
        let owners = owners.into_iter().flatten().map(AsRef::as_ref);
        owners.take_while(move |owner: &&Owner| owner.attr == from.attr && owner.kind == from.kind)
    }

    /// Adds the resource with that id.
    pub(super) fn put(&mut self, id: ResourceId, kind: Arc<str>) {
        self.by_id.entry(id).or_default().kind = Some(kind);
    }

    /// Removes and returns the owners of a resource.
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

    /// Removes the resource with that id. The edges to it stay.
    pub(super) fn take(&mut self, id: &ResourceId) {
        if let Some(place) = self.by_id.get_mut(id) {
            place.kind = None;
            if place.owners.is_empty() {
                self.by_id.remove(id);
            }
        }
    }

    /// Adds an owner of a resource, and returns the id of the resource, whose text is shared with this index.
    pub(super) fn link(&mut self, target: ResourceId, owner: &Arc<Owner>) -> ResourceId {
        let place = self.by_id.entry(target);
        let target = place.key().clone();
        place.or_default().owners.insert(Arc::clone(owner));
        target
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use scimkit_registry::ResourceId;

    use super::{Owner, Places};

    #[test]
    fn owners_are_paged_within_one_attribute_and_type() {
        let mut places = Places::default();
        let user = ResourceId::from("u");
        for (attr, kind, id) in [
            ("members", "Group", "2"),
            ("members", "Team", "1"),
            ("members", "Group", "1"),
            ("staff", "Group", "3"),
        ] {
            let attr = attr.into();
            let kind = kind.into();
            let id = id.into();
            places.link(user.clone(), &Arc::new(Owner { attr, kind, id }));
        }
        let lists = places.owner_lists("u");
        let names: Vec<_> = lists.iter().map(|(a, k)| (&**a, &**k)).collect();
        let groups = ("members", "Group");
        assert_eq!(names, [groups, ("members", "Team"), ("staff", "Group")]);
        let ids = |list: usize, after: Option<&str>| {
            let after = after.map(ResourceId::from);
            let owners = places.owners_in("u", lists[list].clone(), after.as_ref());
            owners.map(|owner| owner.id.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(ids(0, None), ["1", "2"]);
        assert_eq!(ids(0, Some("1")), ["2"]);
        assert_eq!(ids(1, Some("1")), [""; 0]);
        assert_eq!(ids(2, None), ["3"]);
    }
}
