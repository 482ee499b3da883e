//! Creates that take a resource which is there, and resources that wait to be taken.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use scimkit_registry::{Change, Resource, ResourceId, ResourceType, View};

use super::{
    table::{Record, Table},
    tenant::Tenant,
};
use crate::{Among, Claim, How, Scope, StoreError, Written};

/// A resource that a create takes.
pub(super) enum Claimed {
    Live(ResourceId, How),
    Retired(ResourceId),
}

impl Claimed {
    pub(super) fn id(&self) -> &ResourceId {
        match self {
            Claimed::Live(id, _) | Claimed::Retired(id) => id,
        }
    }
}

impl Tenant {
    /// Which resource a create takes, if any.
    ///
    /// # Errors
    /// [`StoreError::Ambiguous`] for several live ones, and [`StoreError::Exhausted`].
    pub(super) fn claimed(
        &self,
        scope: &Scope,
        kind: &Arc<ResourceType>,
        claim: &Claim,
    ) -> Result<Option<Claimed>, StoreError> {
        let (retired, meter) = (claim.among != Among::Live, scope.budget.meter());
        if let Some(table) = self.tables.get(kind.name()) {
            let mut found = None;
            let matching = self.matching(&scope.settings, (kind, table), &claim.by, &meter)?;
            for (id, record) in matching {
                let document = View::of(&record.document);
                let how = claim.takes(kind, record.connection.as_ref(), document, &meter)?;
                let Some(how) = how else { continue };
                if found.replace(Claimed::Live(id.clone(), how)).is_some() {
                    return Err(StoreError::Ambiguous);
                }
            }
            if found.is_some() {
                return Ok(found);
            }
        }
        let Some(table) = self.retired.get(kind.name()).filter(|_| retired) else {
            return Ok(None);
        };
        for term in claim.terms() {
            let found = self.matching(&scope.settings, (kind, table), term, &meter)?;
            let last = found
                .iter()
                .max_by_key(|(id, record)| (record.last_modified, *id));
            if let Some((id, _)) = last {
                return Ok(Some(Claimed::Retired(ResourceId::clone(id))));
            }
        }
        Ok(None)
    }

    /// Makes a live resource that of a connection, with what was sent.
    pub(super) fn adopt(
        &mut self,
        scope: &Scope,
        at: DateTime<Utc>,
        (id, how): (&ResourceId, How),
        (change, claim): (&Change, &Claim),
    ) -> Result<Written, StoreError> {
        let kind = change.kind();
        let record = self.record(kind, id).ok_or(StoreError::NotFound)?;
        let change = &scope.settings.adopting(change, claim, &record.document)?;
        let mut document = Resource::clone(&record.document);
        change.apply(&mut document);
        let keys = change.keys();
        self.table(kind).check_unique(kind, id, &keys)?;
        self.check_edges(&scope.settings, id, change)?;
        let version = self.next_version()?;
        self.edit_edges(id, change);
        let table = self.table(kind);
        table.update(id, Some(Arc::new(document)), keys, (version, at));
        if let Some(record) = table.record_mut(id) {
            record.connection.clone_from(&scope.connection);
        }
        self.written(how, kind, id)
    }

    /// Keeps what was taken away, until a create takes it.
    pub(super) fn retire(
        &mut self,
        at: DateTime<Utc>,
        kind: &Arc<ResourceType>,
        id: &ResourceId,
        record: Record,
    ) {
        let record = Record {
            edges: Default::default(),
            last_modified: at.max(record.last_modified),
            ..record
        };
        let whole = Change::create(Arc::clone(kind), Resource::clone(&record.document));
        self.retired_of(kind)
            .insert(id.clone(), record, whole.keys());
    }

    pub(super) fn retired_of(&mut self, kind: &Arc<ResourceType>) -> &mut Table {
        let table = self.retired.entry(kind.name().into()).or_default();
        table.keep_up_with(kind);
        table
    }

    /// Whether a retired resource has the id.
    pub(super) fn is_retired(&self, id: &ResourceId) -> bool {
        let mut tables = self.retired.values();
        tables.any(|table| table.records.contains_key(id))
    }
}
