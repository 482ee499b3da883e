//! Taking writes back.

use std::sync::Arc;

use scimkit_registry::{Change, Resource, ResourceId, ResourceType};

use super::{claim::Claimed, places::Owner, table::Record, tenant::Tenant};
use crate::{Scope, Write};

/// What a write can change, as it was before.
pub(super) struct Before {
    id: ResourceId,
    kind: Arc<ResourceType>,
    record: Option<Record>,
    /// The retired one of that id.
    retired: Option<Record>,
    /// Those that lose the resource as a member, where it is taken away.
    owners: Vec<(Arc<str>, ResourceId, Record)>,
}

impl Tenant {
    pub(super) fn before(&self, scope: &Scope, write: &Write) -> Before {
        let claimed = match write {
            Write::Create {
                change,
                claim: Some(claim),
                ..
            } => self.claimed(scope, change.kind(), claim).ok().flatten(),
            _ => None,
        };
        let (id, kind, takes_away) = match write {
            Write::Create { change, id, .. } => (
                claimed.as_ref().map_or(id, Claimed::id),
                change.kind(),
                false,
            ),
            Write::Update { change, id, .. } => (id, change.kind(), false),
            Write::Delete { id, kind, .. } => (id, kind, true),
        };
        let retired = self.retired.get(kind.name());
        let owners = self.places.owners(id.as_str()).filter(|_| takes_away);
        let owners = owners.filter_map(|owner| {
            let record = self.tables.get(&owner.kind)?.records.get(&owner.id)?;
            let record = Record::clone(record);
            Some((Arc::clone(&owner.kind), owner.id.clone(), record))
        });
        Before {
            id: id.clone(),
            kind: Arc::clone(kind),
            record: self.record(kind, id).cloned(),
            retired: retired
                .and_then(|table| table.records.get(id))
                .map(|record| Record::clone(record)),
            owners: owners.collect(),
        }
    }

    /// Brings back what there was; what came later must have been taken back before.
    pub(super) fn restore(&mut self, before: Before) {
        let Before {
            id,
            kind,
            record,
            retired,
            owners,
        } = before;
        self.retired_of(&kind).remove(&id);
        if let Some(record) = retired {
            let at = record.last_modified;
            self.retire(at, &kind, &id, record);
        }
        let document = record.as_ref().map(|record| Arc::clone(&record.document));
        let name = self.name(&kind);
        self.put_back(&name, &id, record);
        if let Some(table) = self.tables.get_mut(&name) {
            let whole = |document| Change::create(Arc::clone(&kind), Resource::clone(document));
            table.set_keys(
                &id,
                document.as_ref().map(|document| whole(document).keys()),
            );
        }
        for (name, id, record) in owners {
            self.put_back(&name, &id, Some(record));
        }
    }

    /// Puts a record in the place of the one there is, with its edges.
    fn put_back(&mut self, name: &Arc<str>, id: &ResourceId, record: Option<Record>) {
        let edges = record.as_ref().map(|record| record.edges.clone());
        let table = self.tables.entry(Arc::clone(name)).or_default();
        let gone = match record {
            Some(record) => table.records.insert(id.clone(), Arc::new(record)),
            None => table.records.remove(id),
        };
        let owner = |attr: &Arc<str>| Owner {
            attr: Arc::clone(attr),
            id: id.clone(),
            kind: Arc::clone(name),
        };
        let gone = gone.map(Arc::unwrap_or_clone);
        for (attr, targets) in gone.into_iter().flat_map(|record| record.edges) {
            let owner = owner(&attr);
            targets
                .keys()
                .for_each(|target| self.places.unlink(target, &owner));
        }
        match edges.is_some() {
            true => self.places.put(id.clone(), Arc::clone(name)),
            false if self.places.kind(id.as_str()) == Some(name) => self.places.take(id),
            false => {}
        }
        for (attr, targets) in edges.into_iter().flatten() {
            let owner = Arc::new(owner(&attr));
            targets
                .keys()
                .for_each(|target| self.places.link(target, &owner));
        }
    }
}
