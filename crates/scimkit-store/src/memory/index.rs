//! Folded lookup keys, in both directions.

use std::{
    collections::{BTreeMap, BTreeSet},
    iter,
    ops::Bound,
};

use scimkit_core::message::SortOrder;
use scimkit_registry::{AttrId, Key, ResourceId};

use crate::Sort;

/// Which resource has which keys.
#[derive(Debug, Default)]
pub(super) struct Index {
    // INVARIANT: `holders[attr][key]` has `id` exactly if `keys[id][attr]` has `key`; no set or
    // list is empty.
    holders: BTreeMap<AttrId, BTreeMap<Key, BTreeSet<ResourceId>>>,
    keys: BTreeMap<ResourceId, BTreeMap<AttrId, Vec<Key>>>,
}

impl Index {
    /// The resources with that key, in the order of their ids.
    pub(super) fn get(&self, attr: AttrId, key: &Key) -> impl Iterator<Item = &ResourceId> {
        self.holders
            .get(&attr)
            .and_then(|keys| keys.get(key))
            .into_iter()
            .flatten()
    }

    /// How many resources have that key.
    pub(super) fn count(&self, attr: AttrId, key: &Key) -> usize {
        let holders = self.holders.get(&attr).and_then(|keys| keys.get(key));
        holders.map_or(0, BTreeSet::len)
    }

    /// Whether the resource has a key of that attribute.
    pub(super) fn has(&self, id: &ResourceId, attr: AttrId) -> bool {
        self.keys
            .get(id)
            .is_some_and(|keys| keys.contains_key(&attr))
    }

    /// The keys of an attribute and who has them in the order of a sort, equal ones in the order of
    /// their ids; from behind a place on where there is one.
    pub(super) fn ordered<'a>(
        &'a self,
        sort: Sort,
        after: Option<(&'a Key, &'a ResourceId)>,
    ) -> Box<dyn Iterator<Item = (&'a Key, &'a ResourceId)> + 'a> {
        let Some(holders) = self.holders.get(&sort.attr) else {
            return Box::new(iter::empty());
        };
        let bound = after.map_or(Bound::Unbounded, |(key, _)| Bound::Included(key));
        let ids = move |(key, ids): (&'a Key, &'a BTreeSet<ResourceId>)| {
            let from = match after {
                Some((last, id)) if last == key => Bound::Excluded(id),
                _ => Bound::Unbounded,
            };
            ids.range::<ResourceId, _>((from, Bound::Unbounded))
                .map(move |id| (key, id))
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

    /// Gives a resource other keys of these attributes, and none where there are none.
    pub(super) fn put(&mut self, id: &ResourceId, keys: Vec<(AttrId, Vec<Key>)>) {
        for (attr, keys) in keys {
            self.take(id, attr);
            if keys.is_empty() {
                continue;
            }
            let holders = self.holders.entry(attr).or_default();
            for key in &keys {
                holders.entry(key.clone()).or_default().insert(id.clone());
            }
            self.keys.entry(id.clone()).or_default().insert(attr, keys);
        }
    }

    /// Gives a resource another key of an attribute.
    pub(super) fn insert(&mut self, id: ResourceId, attr: AttrId, key: Key) {
        let holders = self.holders.entry(attr).or_default();
        let holders = holders.entry(key.clone()).or_default();
        if holders.insert(id.clone()) {
            let keys = self.keys.entry(id).or_default();
            keys.entry(attr).or_default().push(key);
        }
    }

    /// Removes keys of an attribute of a resource, all at once: clients choose how many there are.
    pub(super) fn remove_keys(&mut self, id: &ResourceId, attr: AttrId, gone: &BTreeSet<&Key>) {
        if let Some(attrs) = self.keys.get_mut(id) {
            if let Some(keys) = attrs.get_mut(&attr) {
                keys.retain(|key| !gone.contains(key));
                if keys.is_empty() {
                    attrs.remove(&attr);
                }
            }
            if attrs.is_empty() {
                self.keys.remove(id);
            }
        }
        gone.iter().for_each(|key| self.release(id, attr, key));
    }

    fn release(&mut self, id: &ResourceId, attr: AttrId, key: &Key) {
        let Some(holders) = self.holders.get_mut(&attr) else {
            return;
        };
        if let Some(ids) = holders.get_mut(key) {
            ids.remove(id);
            if ids.is_empty() {
                holders.remove(key);
            }
        }
    }

    /// Takes a resource out.
    pub(super) fn remove(&mut self, id: &ResourceId) {
        let attrs: Vec<_> = self
            .keys
            .get(id)
            .into_iter()
            .flat_map(|k| k.keys().copied())
            .collect();
        for attr in attrs {
            self.take(id, attr);
        }
        self.keys.remove(id);
    }

    fn take(&mut self, id: &ResourceId, attr: AttrId) {
        let Some(keys) = self.keys.get_mut(id).and_then(|keys| keys.remove(&attr)) else {
            return;
        };
        keys.iter().for_each(|key| self.release(id, attr, key));
    }
}
