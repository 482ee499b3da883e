//! The resources of one tenant and type.

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

/// The targets of one membership attribute, with the types from clients' requests.
pub(super) type Targets = BTreeMap<ResourceId, Option<Arc<str>>>;

/// One resource.
#[derive(Debug, Clone)]
pub(super) struct Record {
    /// The connection that owns it.
    pub(super) connection: Option<ConnectionId>,
    pub(super) created: DateTime<Utc>,
    /// The edges by the canonical path of their membership attribute; no list is empty.
    pub(super) edges: BTreeMap<Arc<str>, Targets>,
    pub(super) last_modified: DateTime<Utc>,
    /// The schema of everything in its document; none if parts were written under different schemas.
    pub(super) schema: Option<Fingerprint>,
    /// The text of its document.
    pub(super) text: Bytes,
    pub(super) version: Version,
}

impl Record {
    /// Returns its document for a type under the current schema.
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
    /// Rebuilds the lookup keys if the type's schema has changed.
    pub(super) fn keep_up_with(&mut self, kind: &Arc<ResourceType>) {
        if self.is_under(kind) {
            return;
        }
        self.fingerprint = kind.fingerprint();
        self.index = Index::default();
        for (id, record) in &self.records {
            // Stored documents are JSON, so this never fails.
            if let Ok(tree) = Resource::restore(&record.text) {
                let whole = Change::create(Arc::clone(kind), tree);
                insert_keys(&mut self.index, id, whole.keys());
            }
        }
    }

    fn is_under(&self, kind: &ResourceType) -> bool {
        self.fingerprint == kind.fingerprint()
    }

    /// Returns the ids of the resources with that value of an indexed attribute; none if the index does not have all
    /// values.
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

    /// Returns the maximum number of resources that [`Table::having`] returns, without collecting them.
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

    /// Returns whether the index has every value of the attribute.
    pub(super) fn has_keys_of(&self, kind: &ResourceType, attr: AttrId) -> bool {
        has_keys(kind, kind.attr(attr)) && self.is_under(kind)
    }

    /// Rejects keys of unique attributes that another resource has.
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

    /// Adds a new resource.
    pub(super) fn insert(&mut self, id: ResourceId, record: Record, keys: Vec<AttrKeys>) {
        insert_keys(&mut self.index, &id, keys);
        self.records.insert(id, Arc::new(record));
    }

    /// Returns a record to change. Queries in progress still see its former state.
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

/// Copies the text of a document, so that the record does not hold the rest of its buffer.
pub(super) fn exact_text(document: &Document) -> Bytes {
    Bytes::copy_from_slice(document.text())
}

fn insert_keys(index: &mut Index, id: &ResourceId, keys: Vec<AttrKeys>) {
    for AttrKeys { attr, keys } in keys {
        keys.into_iter()
            .for_each(|key| index.insert(id.clone(), attr, key));
    }
}
