//! The index from folded lookup keys to resources.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    iter,
    ops::Bound,
};

use scimkit_core::message::SortOrder;
use scimkit_registry::{AttrId, Key, ResourceId};

use crate::Sort;

/// The resources that have each lookup key.
///
/// The keys of a resource follow from its document and are not stored a second time: a key is removed by its value.
#[derive(Debug, Default)]
pub(super) struct Index {
    holders: BTreeMap<AttrId, BTreeMap<Key, Holders>>,
}

/// The resources with the same key. Most keys have one holder, which takes a tenth of the memory of a set.
// INVARIANT: a set has at least two ids.
#[derive(Debug)]
enum Holders {
    One(ResourceId),
    #[expect(
        clippy::box_collection,
        reason = "most keys have one holder, and a set would make the others larger, too"
    )]
    Many(Box<BTreeSet<ResourceId>>),
}

impl Holders {
    fn len(&self) -> usize {
        match self {
            Holders::One(_) => 1,
            Holders::Many(ids) => ids.len(),
        }
    }

    /// Returns the ids after `after`, in order.
    fn after<'h>(
        &'h self,
        after: Option<&ResourceId>,
    ) -> impl DoubleEndedIterator<Item = &'h ResourceId> + use<'h> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let (one, many) = match self {
            Holders::One(id) => (after.is_none_or(|after| id > after).then_some(id), None),
            Holders::Many(ids) => (
                None,
                Some(ids.range::<ResourceId, _>((from, Bound::Unbounded))),
            ),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    fn insert(&mut self, id: ResourceId) {
        match self {
            Holders::One(known) if *known == id => {}
            Holders::One(known) => {
                let ids = BTreeSet::from([known.clone(), id]);
                *self = Holders::Many(Box::new(ids));
            }
            Holders::Many(ids) => drop(ids.insert(id)),
        }
    }

    /// Removes the resources that are not `is_left`, and returns whether any is left.
    fn retain(&mut self, is_left: impl Fn(&ResourceId) -> bool) -> bool {
        match self {
            Holders::One(id) => is_left(id),
            Holders::Many(ids) => {
                ids.retain(is_left);
                self.shrink()
            }
        }
    }

    /// Removes a resource, and returns whether any is left.
    fn remove(&mut self, id: &ResourceId) -> bool {
        match self {
            Holders::One(known) => known != id,
            Holders::Many(ids) => {
                ids.remove(id);
                self.shrink()
            }
        }
    }

    fn shrink(&mut self) -> bool {
        if let Holders::Many(ids) = self {
            match (ids.len(), ids.first()) {
                (1, Some(one)) => *self = Holders::One(one.clone()),
                (0, _) => return false,
                _ => {}
            }
        }
        true
    }
}

impl Index {
    /// Returns the resources with that key, in the order of their ids.
    pub(super) fn get(&self, attr: AttrId, key: &Key) -> impl Iterator<Item = &ResourceId> {
        let holders = self.holders.get(&attr).and_then(|keys| keys.get(key));
        holders.into_iter().flat_map(|ids| ids.after(None))
    }

    /// Returns the number of resources with that key.
    pub(super) fn count(&self, attr: AttrId, key: &Key) -> usize {
        let holders = self.holders.get(&attr).and_then(|keys| keys.get(key));
        holders.map_or(0, Holders::len)
    }

    /// Returns the resources that have a key of the attribute, once per key.
    pub(super) fn holders(&self, attr: AttrId) -> impl Iterator<Item = &ResourceId> {
        let keys = self
            .holders
            .get(&attr)
            .into_iter()
            .flat_map(BTreeMap::values);
        keys.flat_map(|ids| ids.after(None))
    }

    /// Returns the keys of an attribute with their resources, in the order of a sort, and for equal keys in the order
    /// of ids. With `after`, only those after that key and id.
    pub(super) fn ordered<'a>(
        &'a self,
        sort: Sort,
        after: Option<(&'a Key, &'a ResourceId)>,
    ) -> Box<dyn Iterator<Item = (&'a Key, &'a ResourceId)> + 'a> {
        let Some(holders) = self.holders.get(&sort.attr) else {
            return Box::new(iter::empty());
        };
        let bound = after.map_or(Bound::Unbounded, |(key, _)| Bound::Included(key));
        let ids = move |(key, ids): (&'a Key, &'a Holders)| {
            let from = after.filter(|(last, _)| *last == key).map(|(_, id)| id);
            ids.after(from).map(move |id| (key, id))
        };
        match sort.order {
            SortOrder::Ascending => {
                Box::new(holders.range((bound, Bound::Unbounded)).flat_map(ids))
            }
            SortOrder::Descending => {
                let down = holders.range((Bound::Unbounded, bound)).rev();
                Box::new(down.flat_map(ids))
            }
        }
    }

    /// Adds a key of an attribute of a resource.
    pub(super) fn insert(&mut self, id: ResourceId, attr: AttrId, mut key: Key) {
        if let Key::Text(text) = &mut key {
            text.shrink_to_fit();
        }
        match self.holders.entry(attr).or_default().entry(key) {
            Entry::Occupied(mut holders) => holders.get_mut().insert(id),
            Entry::Vacant(place) => drop(place.insert(Holders::One(id))),
        }
    }

    /// Removes a key of an attribute of a resource.
    pub(super) fn remove(&mut self, id: &ResourceId, attr: AttrId, key: &Key) {
        let Some(keys) = self.holders.get_mut(&attr) else {
            return;
        };
        if let Some(holders) = keys.get_mut(key)
            && !holders.remove(id)
        {
            keys.remove(key);
        }
    }

    /// Removes all keys of the resources that are not `is_left`.
    pub(super) fn retain(&mut self, is_left: impl Fn(&ResourceId) -> bool) {
        for keys in self.holders.values_mut() {
            keys.retain(|_, holders| holders.retain(&is_left));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(key: &str) -> Key {
        Key::Text(key.to_owned())
    }

    fn ids(index: &Index, key: &str) -> Vec<String> {
        let key = text(key);
        let found = index.get(AttrId::ID, &key);
        found.map(ToString::to_string).collect()
    }

    #[test]
    fn key_has_any_number_of_holders() {
        let mut index = Index::default();
        for id in ["b", "a", "c", "b"] {
            index.insert(id.into(), AttrId::ID, text("x"));
        }
        index.insert("a".into(), AttrId::ID, text("y"));
        assert_eq!(ids(&index, "x"), ["a", "b", "c"]);
        assert_eq!(index.count(AttrId::ID, &text("x")), 3);
        index.remove(&"b".into(), AttrId::ID, &text("x"));
        index.remove(&"nobody".into(), AttrId::ID, &text("x"));
        index.retain(|id| id.as_str() != "a");
        assert_eq!(ids(&index, "x"), ["c"]);
        assert_eq!(ids(&index, "y"), [""; 0]);
        index.insert("d".into(), AttrId::ID, text("x"));
        index.remove(&"c".into(), AttrId::ID, &text("x"));
        index.remove(&"d".into(), AttrId::ID, &text("x"));
        assert_eq!(index.holders(AttrId::ID).count(), 0);
        assert_eq!(index.count(AttrId::ID, &text("x")), 0);
    }
}
