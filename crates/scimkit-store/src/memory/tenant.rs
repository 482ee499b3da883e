//! The resources of one tenant, and the edges between them.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use scimkit_core::Version;
use scimkit_registry::{Budget, Change, Resource, ResourceId, ResourceType};

use super::{
    claim::Claimed,
    places::{Owner, Places},
    table::{Record, Table},
};
use crate::{ConnectionId, Deletes, Expect, How, Scope, Settings, StoreError, Write, Written};

/// The resources of one tenant.
#[derive(Debug, Default)]
pub(super) struct Tenant {
    /// Whether an import is not complete, which has its resources elsewhere until then.
    pub(super) is_importing: bool,
    pub(super) places: Places,
    /// What was taken away and may come back, by the name of the type; an id here is in no other
    /// table.
    pub(super) retired: BTreeMap<Arc<str>, Table>,
    /// By the name of the type.
    pub(super) tables: BTreeMap<Arc<str>, Table>,
    /// The last version given out, or left out: one count for all resources, so that an id that
    /// comes back never repeats one.
    pub(super) version: u64,
}

impl Tenant {
    pub(super) fn shared_record(
        &self,
        kind: &ResourceType,
        id: &ResourceId,
    ) -> Option<&Arc<Record>> {
        self.tables.get(kind.name())?.records.get(id)
    }

    /// Fails while an import is not complete.
    pub(super) fn check_complete(&self) -> Result<(), StoreError> {
        match self.is_importing {
            true => Err(StoreError::Importing),
            false => Ok(()),
        }
    }

    pub(super) fn record(&self, kind: &ResourceType, id: &ResourceId) -> Option<&Record> {
        Some(self.shared_record(kind, id)?)
    }

    /// Carries one write out, or refuses it and leaves everything as it is.
    pub(super) fn write(
        &mut self,
        scope: &Scope,
        at: DateTime<Utc>,
        write: Write,
    ) -> Result<Written, StoreError> {
        self.check_complete()?;
        let settings = &*scope.settings;
        scope.budget.charge(self.cost(&write))?;
        match write {
            Write::Create { change, claim, id } => {
                let claim = claim.as_deref();
                let found = claim.map(|claim| self.claimed(scope, change.kind(), claim));
                match (found.transpose()?.flatten(), claim) {
                    (Some(Claimed::Live(id, how)), Some(claim)) => {
                        self.adopt(scope, at, (&id, how), (&change, claim))
                    }
                    (Some(Claimed::Retired(id)), _) => self.create(scope, at, &id, &change),
                    _ if self.is_retired(&id) => Err(in_use(&id)),
                    _ => self.create(scope, at, &id, &change),
                }
            }
            Write::Delete { expect, id, kind } => {
                self.delete(settings.deletes, at, (&kind, &id), &expect)
            }
            Write::Update { change, expect, id } => {
                self.update(settings, at, &id, &change, &expect)
            }
        }
    }

    /// What it takes to carry a write out.
    fn cost(&self, write: &Write) -> u64 {
        const LOOK_UP: u64 = 64 * Budget::COMPARISON;
        let edited = match write {
            Write::Create { change, .. } => change.weight(),
            Write::Delete { .. } => 0,
            Write::Update { change, id, .. } => {
                let record = self.record(change.kind(), id);
                // The document is copied, and compared with what it was.
                let copied =
                    record.filter(|_| !change.set().is_empty() || !change.unset().is_empty());
                let copied = copied.map_or(0, |record| record.document.weight());
                change.weight().saturating_add(copied.saturating_mul(2))
            }
        };
        LOOK_UP.saturating_add(edited)
    }

    /// Makes a resource, or brings the retired one of that id back.
    fn create(
        &mut self,
        scope: &Scope,
        at: DateTime<Utc>,
        id: &ResourceId,
        change: &Change,
    ) -> Result<Written, StoreError> {
        let kind = change.kind();
        if self.places.kind(id.as_str()).is_some() {
            return Err(in_use(id));
        }
        let keys = change.keys();
        self.table(kind).check_unique(kind, id, &keys)?;
        self.check_edges(&scope.settings, id, change)?;
        let version = self.next_version()?;
        let retired = self
            .retired
            .get_mut(kind.name())
            .and_then(|table| table.remove(id));
        let how = if retired.is_some() {
            How::Relinked
        } else {
            How::Created
        };
        let mut document = Resource::default();
        change.apply(&mut document);
        // A clock that was set back must not make a resource older.
        let last_modified = retired.as_ref().map_or(at, |r| at.max(r.last_modified));
        let record = Record {
            connection: scope.connection.clone(),
            created: retired.map_or(at, |record| record.created),
            document: Arc::new(document),
            edges: BTreeMap::new(),
            last_modified,
            version,
        };
        self.table(kind).insert(id.clone(), record, keys);
        self.places.put(id.clone(), self.name(kind));
        self.edit_edges(id, change);
        self.written(how, kind, id)
    }

    fn update(
        &mut self,
        settings: &Settings,
        at: DateTime<Utc>,
        id: &ResourceId,
        change: &Change,
        expect: &Expect,
    ) -> Result<Written, StoreError> {
        let kind = change.kind();
        let record = self.record(kind, id).ok_or(StoreError::NotFound)?;
        expect.check(&record.version)?;
        let document = changed(&record.document, change);
        let keys = change.keys();
        self.table(kind).check_unique(kind, id, &keys)?;
        self.check_edges(settings, id, change)?;
        let version = self.next_version()?;
        let edited = self.edit_edges(id, change);
        if document.is_none() && !edited && !change.sets_hidden() {
            return self.written(How::Unchanged, kind, id);
        }
        self.table(kind).update(id, document, keys, (version, at));
        self.written(How::Updated, kind, id)
    }

    fn delete(
        &mut self,
        deletes: Deletes,
        at: DateTime<Utc>,
        (kind, id): (&Arc<ResourceType>, &ResourceId),
        expect: &Expect,
    ) -> Result<Written, StoreError> {
        expect.check(&self.record(kind, id).ok_or(StoreError::NotFound)?.version)?;
        let version = self.next_version()?;
        let table = self
            .tables
            .get_mut(kind.name())
            .ok_or(StoreError::NotFound)?;
        let record = table.remove(id).ok_or(StoreError::NotFound)?;
        let name = self.name(kind);
        for (path, targets) in &record.edges {
            let owner = Owner {
                attr: Arc::clone(path),
                id: id.clone(),
                kind: Arc::clone(&name),
            };
            for target in targets.keys() {
                self.places.unlink(target, &owner);
            }
        }
        for owner in self.places.remove(id) {
            let table = self.tables.get_mut(&*owner.kind);
            let Some(record) = table.and_then(|t| t.record_mut(&owner.id)) else {
                continue;
            };
            record.remove_target(&owner.attr, id);
            record.version = version.clone();
            record.last_modified = record.last_modified.max(at);
        }
        if deletes == Deletes::Retire {
            self.retire(at, kind, id, record);
        }
        Ok(Written::deleted())
    }

    /// Makes nobody's what that connection made or adopted.
    pub(super) fn release(&mut self, connection: &ConnectionId) {
        let tables = self.tables.values_mut().chain(self.retired.values_mut());
        for record in tables.flat_map(|table| table.records.values_mut()) {
            if record.connection.as_ref() == Some(connection) {
                Arc::make_mut(record).connection = None;
            }
        }
    }

    pub(super) fn table(&mut self, kind: &Arc<ResourceType>) -> &mut Table {
        let table = self.tables.entry(kind.name().into()).or_default();
        table.keep_up_with(kind);
        table
    }

    /// The name of a type, shared by all that say it.
    pub(super) fn name(&self, kind: &ResourceType) -> Arc<str> {
        let known = self.tables.get_key_value(kind.name());
        known.map_or_else(|| kind.name().into(), |(name, _)| Arc::clone(name))
    }

    pub(super) fn next_version(&mut self) -> Result<Version, StoreError> {
        self.version += 1;
        self.last_version()
    }

    pub(super) fn last_version(&self) -> Result<Version, StoreError> {
        Version::new(self.version.to_string()).map_err(StoreError::backend)
    }

    /// Takes away what was retired before a moment, and tells how many resources that were.
    pub(super) fn forget(&mut self, before: DateTime<Utc>) -> u64 {
        let mut count = 0;
        for table in self.retired.values_mut() {
            let records = table.records.iter();
            let old = records.filter(|(_, record)| record.last_modified < before);
            let old: Vec<_> = old.map(|(id, _)| id.clone()).collect();
            count += old.len() as u64;
            for id in &old {
                table.remove(id);
            }
        }
        count
    }

    /// Whether there is no resource, nor one that may come back.
    pub(super) fn is_empty(&self) -> bool {
        let mut tables = self.tables.values().chain(self.retired.values());
        tables.all(|table| table.records.is_empty())
    }

    pub(super) fn written(
        &self,
        how: How,
        kind: &Arc<ResourceType>,
        id: &ResourceId,
    ) -> Result<Written, StoreError> {
        let record = self.record(kind, id).ok_or(StoreError::NotFound)?;
        Ok(Written::stored(how, record.stored(kind, id)))
    }
}

fn in_use(id: &ResourceId) -> StoreError {
    StoreError::backend(format!("the id `{id}` is in use"))
}

/// The document after the change; `None` when that is the same.
fn changed(document: &Arc<Resource>, change: &Change) -> Option<Arc<Resource>> {
    if change.set().is_empty() && change.unset().is_empty() {
        return None;
    }
    let mut after = Resource::clone(document);
    change.apply(&mut after);
    (after != **document).then(|| Arc::new(after))
}
