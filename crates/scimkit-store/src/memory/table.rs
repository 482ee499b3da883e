//! The resources of one type, of one tenant.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use scimkit_core::{Uniqueness, Version};
use scimkit_registry::{
    AttrId, AttrKeys, Change, Fingerprint, Resource, ResourceId, ResourceType, Scalar,
};

use super::index::Index;
use crate::{
    ConnectionId, Document, StoreError, StoredResource, Timestamps,
    engine::{KeyRow, has_keys},
};

/// The targets of one membership attribute, with the type that the client gave.
pub(super) type Targets = BTreeMap<ResourceId, Option<Arc<str>>>;

/// One resource.
#[derive(Debug, Clone)]
pub(super) struct Record {
    /// The connection that made or adopted it.
    pub(super) connection: Option<ConnectionId>,
    pub(super) created: DateTime<Utc>,
    /// By the canonical path of the membership attribute; none is empty.
    pub(super) edges: BTreeMap<Arc<str>, Targets>,
    pub(super) last_modified: DateTime<Utc>,
    /// The schema of everything in its document; none if parts were written under different schemas.
    pub(super) schema: Option<Fingerprint>,
    /// The text of its document.
    pub(super) text: Bytes,
    pub(super) version: Version,
}

impl Record {
    /// Its document, as a type under the current schema sees it.
    pub(super) fn document(&self, kind: &ResourceType) -> Document {
        let is_exact = self.schema == Some(kind.fingerprint());
        Document::from_text(self.text.clone()).with_exactness(is_exact)
    }

    pub(super) fn set_document(&mut self, kind: &ResourceType, document: &Document) {
        self.schema = document.is_exact().then(|| kind.fingerprint());
        self.text = exact_text(document);
    }

    pub(super) fn stored(&self, kind: &ResourceType, id: &ResourceId) -> StoredResource {
        let at = Timestamps {
            created: self.created,
            last_modified: self.last_modified,
        };
        StoredResource::new(id.clone(), self.version.clone(), at, self.document(kind))
            .with_owner(self.connection.clone())
    }

    pub(super) fn remove_target(&mut self, path: &str, target: &ResourceId) {
        if let Some(targets) = self.edges.get_mut(path) {
            targets.remove(target);
            if targets.is_empty() {
                self.edges.remove(path);
            }
        }
    }
}

/// The resources of one type and their lookup keys.
#[derive(Debug, Default)]
pub(super) struct Table {
    // INVARIANT: the index holds the keys of every record, under the attribute ids of the type
    // with this fingerprint.
    fingerprint: Fingerprint,
    pub(super) index: Index,
    pub(super) records: BTreeMap<ResourceId, Arc<Record>>,
}

impl Table {
    /// Makes the lookup keys anew when the type's schema is not the one they were made under.
    pub(super) fn keep_up_with(&mut self, kind: &Arc<ResourceType>) {
        if self.is_under(kind) {
            return;
        }
        self.fingerprint = kind.fingerprint();
        self.index = Index::default();
        for (id, record) in &self.records {
            // What was written is JSON.
            if let Ok(tree) = Resource::restore(&record.text) {
                let whole = Change::create(Arc::clone(kind), tree);
                insert_keys(&mut self.index, id, whole.keys());
            }
        }
    }

    fn is_under(&self, kind: &ResourceType) -> bool {
        self.fingerprint == kind.fingerprint()
    }

    /// The ids of the resources whose indexed attribute has that value; `None` when the index
    /// can't say.
    pub(super) fn having<'a>(
        &'a self,
        kind: &ResourceType,
        attr: AttrId,
        value: &Scalar,
    ) -> Option<Vec<&'a ResourceId>> {
        if attr == AttrId::ID {
            let Scalar::Text(id) = value else {
                return Some(Vec::new());
            };
            return Some(
                self.records
                    .get_key_value(id.as_str())
                    .map(|(id, _)| id)
                    .into_iter()
                    .collect(),
            );
        }
        let certain = self.has_keys_of(kind, attr);
        certain.then(|| self.index.get(attr, value).collect())
    }

    /// How many resources [`Table::having`] finds at most, without gathering them.
    pub(super) fn count_having(
        &self,
        kind: &ResourceType,
        attr: AttrId,
        value: &Scalar,
    ) -> Option<usize> {
        match attr {
            AttrId::ID => Some(1),
            _ => self
                .has_keys_of(kind, attr)
                .then(|| self.index.count(attr, value)),
        }
    }

    /// Whether the index has every value of the attribute.
    pub(super) fn has_keys_of(&self, kind: &ResourceType, attr: AttrId) -> bool {
        has_keys(kind, kind.attr(attr)) && self.is_under(kind)
    }

    /// Refuses keys of unique attributes that another resource has.
    pub(super) fn check_unique(
        &self,
        kind: &ResourceType,
        own: &ResourceId,
        keys: &[AttrKeys],
    ) -> Result<(), StoreError> {
        for AttrKeys { attr: id, keys } in keys {
            let attr = kind.attr(*id);
            if attr.definition().uniqueness == Uniqueness::None {
                continue;
            }
            if keys
                .iter()
                .flat_map(|key| self.index.get(*id, key))
                .any(|holder| holder != own)
            {
                return Err(StoreError::Duplicate {
                    attr: attr.path().to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Adds a resource that was not there.
    pub(super) fn insert(&mut self, id: ResourceId, record: Record, keys: Vec<AttrKeys>) {
        insert_keys(&mut self.index, &id, keys);
        self.records.insert(id, Arc::new(record));
    }

    /// A record to be changed; those who look at it see what it was.
    pub(super) fn record_mut(&mut self, id: &ResourceId) -> Option<&mut Record> {
        self.records.get_mut(id).map(Arc::make_mut)
    }

    /// Removes resources with their keys.
    pub(super) fn remove_all(&mut self, gone: &BTreeSet<ResourceId>) {
        if !gone.is_empty() {
            self.index.retain(|id| !gone.contains(id));
            self.records.retain(|id, _| !gone.contains(id));
        }
    }

    pub(super) fn insert_key(&mut self, row: KeyRow) {
        self.index.insert(row.id, row.key.attr, row.key.key);
    }
}

/// Copies the text of a document, so that the record holds none of the rest of its buffer.
pub(super) fn exact_text(document: &Document) -> Bytes {
    Bytes::copy_from_slice(document.text())
}

fn insert_keys(index: &mut Index, id: &ResourceId, keys: Vec<AttrKeys>) {
    for AttrKeys { attr, keys } in keys {
        keys.into_iter()
            .for_each(|key| index.insert(id.clone(), attr, key));
    }
}
