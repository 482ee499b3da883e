//! Folded lookup keys, in both directions.

use std::collections::{BTreeMap, BTreeSet};

use scimkit_registry::{AttrId, Key, ResourceId};

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
        let Some(holders) = self.holders.get_mut(&attr) else {
            return;
        };
        for key in keys {
            if let Some(ids) = holders.get_mut(&key) {
                ids.remove(id);
                if ids.is_empty() {
                    holders.remove(&key);
                }
            }
        }
    }
}
