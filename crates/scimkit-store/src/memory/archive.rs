//! Exports, imports and erases tenants.

use std::{
    collections::{BTreeMap, BTreeSet},
    iter,
    sync::{Arc, RwLockWriteGuard, atomic::Ordering},
};

use chrono::{DateTime, Utc};
use scimkit_core::Version;
use scimkit_registry::{Budget, Change, ResourceId};

use super::{
    MemoryStore, exclusive, shared,
    table::{Record, Table, exact_text},
    tenant::Tenant,
    tenant_rows::{Directory, Removal},
};
use crate::{
    Archive, BoxFuture, Document, RequestContext, ResourceRef, StoreError, TenantId, Timestamps,
    archive::{
        self, ArchiveError, CheckedRecord, DeletedRecord, Erased, ImportQuery, ImportTarget,
        Importer, MemberRecord, MembershipRecord, NumberedRecord, RecordSource, RecordStream,
        ResourceRecord, TARGETS, TenantHeader, ValidatedDocument,
    },
    engine::{MemberList, NewMember, NewMembers},
    next_item, stream_from, yield_now,
};

/// The number of resources that an import stores before other tasks run.
const TOGETHER: usize = 32;

/// Returns the number of resources to which the work for a record is equal.
fn weight(record: &archive::ArchiveRecord) -> usize {
    const EDGES: usize = 32;
    match record {
        archive::ArchiveRecord::Edges(edges) => edges.targets.len().div_ceil(EDGES),
        _ => 1,
    }
}

impl Archive for MemoryStore {
    fn export_records<'a>(&'a self, tenant: &'a TenantId) -> RecordStream<'a> {
        // The data are those of the first poll.
        let mut records = None;
        stream_from(iter::from_fn(move || {
            let records = records.get_or_insert_with(|| match self.records(tenant) {
                Ok(records) => records,
                Err(problem) => Box::new(iter::once(Err(problem.into()))),
            });
            records.next()
        }))
    }

    fn erase_tenant<'a>(
        &'a self,
        tenant: &'a TenantId,
    ) -> BoxFuture<'a, Result<Erased, StoreError>> {
        Box::pin(async move {
            let (mut was_there, mut erased) = (false, None);
            {
                let tenants = BTreeSet::from([tenant.clone()]);
                let mut directory = self.directory_in_turn(&tenants).await;
                was_there |= directory.tenant(tenant).is_some();
                was_there |= directory.check_complete(tenant).is_err();
                directory.erase(tenant);
                if let Some(resources) = self.tenant(tenant) {
                    let mut resources = exclusive(&resources);
                    was_there |= resources.version > 0 || !resources.is_empty();
                    was_there |= resources.journal.has_dead_letters();
                    was_there |= !resources.key_values.is_empty();
                    // The lock stays in the map: a write that waits for it must not go to a removed tenant.
                    erased = Some(std::mem::take(&mut *resources));
                }
            }
            // Freeing many resources takes long. If the lane is full, this thread frees them.
            let free = move || drop(erased);
            drop(self.lane.run(tenant, &Budget::unlimited(), free).await);
            Ok(if was_there {
                Erased::All
            } else {
                Erased::Nothing
            })
        })
    }

    fn purge_deleted<'a>(
        &'a self,
        tenant: &'a TenantId,
        before: DateTime<Utc>,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move {
            let is_entered = {
                let directory = shared(&self.directory);
                directory.check_complete(tenant)?;
                directory.tenant(tenant).is_some()
            };
            let forget = self.tenant(tenant).map(|resources| {
                move || {
                    let mut kept = exclusive(&resources);
                    kept.check_complete()?;
                    let is_known = kept.version > 0;
                    Ok::<_, StoreError>(is_known.then(|| kept.forget(before)))
                }
            });
            let count = match forget {
                Some(forget) => {
                    let budget = Budget::unlimited();
                    self.lane.run(tenant, &budget, forget).await??
                }
                None => None,
            };
            match count {
                Some(count) => Ok(count),
                None if is_entered => Ok(0),
                None => Err(StoreError::NotFound),
            }
        })
    }

    fn import_records<'a>(
        &'a self,
        context: &'a RequestContext,
        mut source: RecordSource<'a>,
    ) -> BoxFuture<'a, Result<(), ArchiveError>> {
        Box::pin(async move {
            let import = Import::begin(self, &context.tenant)?;
            let mut copy = Copy {
                import: &import,
                tenant: Tenant::default(),
            };
            let mut restoring = Importer::new(context);
            // Without a lock, since the source may be slow.
            let mut kept = 0;
            while let Some(next) = next_item(&mut source).await {
                let NumberedRecord { line, record } = next?;
                kept += weight(&record);
                if kept >= TOGETHER {
                    kept = 0;
                    yield_now().await;
                }
                let taken = restoring.take(&mut copy, record);
                taken.map_err(|problem| import.failed(line, problem))?;
            }
            let tenant = copy.tenant;
            import.complete(tenant, restoring.versions())
        })
    }
}

/// An import in progress. The tenant is invisible until it is complete. Dropping it before removes its records.
struct Import<'s> {
    attempt: u64,
    store: &'s MemoryStore,
    tenant: &'s TenantId,
}

impl<'s> Import<'s> {
    /// Starts an import, unless the tenant has resources.
    fn begin(store: &'s MemoryStore, tenant: &'s TenantId) -> Result<Self, ArchiveError> {
        let attempt = store.attempts.fetch_add(1, Ordering::Relaxed);
        let mut directory = exclusive(&store.directory);
        let resources = store.tenant_to_write(tenant);
        let mut resources = exclusive(&resources);
        if !resources.is_empty() {
            return Err(ArchiveError::Occupied);
        }
        directory.begin_import(tenant, attempt);
        resources.is_importing = true;
        Ok(Import {
            attempt,
            store,
            tenant,
        })
    }

    /// Returns the error of a record that was rejected.
    fn failed(&self, line: u64, problem: StoreError) -> ArchiveError {
        if shared(&self.store.directory).is_import(self.tenant, self.attempt) {
            ArchiveError::at(line, problem)
        } else {
            ArchiveError::Superseded
        }
    }

    /// Makes the tenant visible as a whole.
    fn complete(self, mut tenant: Tenant, versions: u64) -> Result<(), ArchiveError> {
        let mut directory = exclusive(&self.store.directory);
        if !directory.is_import(self.tenant, self.attempt) {
            return Err(ArchiveError::Superseded);
        }
        let resources = self.store.tenant_to_write(self.tenant);
        let mut resources = exclusive(&resources);
        tenant.version = resources.version.max(versions);
        tenant.journal = std::mem::take(&mut resources.journal);
        tenant.journal.skip(tenant.version);
        *resources = tenant;
        directory.end_import(self.tenant, Removal::Nothing);
        Ok(())
    }
}

impl Drop for Import<'_> {
    fn drop(&mut self) {
        let mut directory = exclusive(&self.store.directory);
        // Not if it is complete, or if another import has superseded it.
        if directory.is_import(self.tenant, self.attempt) {
            directory.end_import(self.tenant, Removal::OfImport);
            let resources = self.store.tenant_to_write(self.tenant);
            exclusive(&resources).is_importing = false;
        }
    }
}

impl MemoryStore {
    /// Returns the records of a tenant.
    ///
    /// # Errors
    /// - [`StoreError::NotFound`]: the tenant has no data
    /// - [`StoreError::Importing`]: an import of the tenant is not complete
    fn records(&self, id: &TenantId) -> Result<Records, StoreError> {
        let directory = shared(&self.directory);
        directory.check_complete(id)?;
        let resources = self.tenant(id);
        let resources = resources.as_deref().map(shared);
        let versions = resources.as_ref().map_or(0, |tenant| tenant.version);
        let entry = directory.tenant(id).cloned();
        if entry.is_none() && versions == 0 {
            return Err(StoreError::NotFound);
        }
        let start = TenantHeader::new(id.clone(), entry, versions);
        let mut records = vec![archive::ArchiveRecord::Start(start)];
        let connections = directory.connections(id).cloned();
        records.extend(connections.map(archive::ArchiveRecord::Connection));
        let tokens = directory.tokens(id).cloned();
        records.extend(tokens.map(archive::ArchiveRecord::Token));
        let rows = |tables: fn(&Tenant) -> &Tables| resources.as_deref().map(tables).map(by_id);
        let live = rows(|tenant| &tenant.tables).unwrap_or_default();
        let deleted = rows(|tenant| &tenant.deleted).unwrap_or_default();
        // Rows are shared, not copied. Each record is created from its row when it is polled, after the locks.
        let live = live.into_iter().flat_map(|(kind, id, record)| {
            let resource = archive::ArchiveRecord::Resource(resource_record(&kind, &id, &record));
            let edges: Vec<_> = edges(&kind, &id, &record).collect();
            iter::once(resource).chain(edges.into_iter().map(archive::ArchiveRecord::Edges))
        });
        let deleted = deleted.into_iter().map(|(kind, id, record)| {
            archive::ArchiveRecord::Deleted(deleted_record(&kind, &id, &record))
        });
        let records = records.into_iter().chain(live).chain(deleted);
        Ok(Box::new(records.map(Ok)))
    }
}

type Records = Box<dyn Iterator<Item = Result<archive::ArchiveRecord, ArchiveError>> + Send>;
type Tables = BTreeMap<Arc<str>, Table>;

/// Returns the rows of several types in the order of their ids.
fn by_id(tables: &Tables) -> Vec<(Arc<str>, ResourceId, Arc<Record>)> {
    let of_a_kind = |(kind, table)| {
        let (kind, table): (&Arc<str>, &Table) = (kind, table);
        let rows = table.records.iter();
        rows.map(move |(id, row)| (Arc::clone(kind), id.clone(), Arc::clone(row)))
    };
    let mut all: Vec<_> = tables.iter().flat_map(of_a_kind).collect();
    all.sort_by(|(_, a, _), (_, b, _)| a.cmp(b));
    all
}

fn resource_record(kind: &str, id: &ResourceId, record: &Record) -> ResourceRecord {
    let at = Timestamps {
        created: record.created,
        last_modified: record.last_modified,
    };
    let document = Document::from_text(record.text.clone());
    let resource = ResourceRecord::new(kind, id.clone(), record.version.clone(), at, document);
    resource.with_connection(record.connection.clone())
}

fn deleted_record(kind: &str, id: &ResourceId, record: &Record) -> DeletedRecord {
    let document = Document::from_text(record.text.clone());
    let deleted = DeletedRecord::new(
        kind,
        id.clone(),
        record.created,
        record.last_modified,
        document,
    );
    deleted.with_connection(record.connection.clone())
}

fn edges<'r>(
    kind: &'r str,
    id: &'r ResourceId,
    record: &'r Record,
) -> impl Iterator<Item = MembershipRecord> + 'r {
    record.edges.iter().flat_map(move |(attr, targets)| {
        let targets: Vec<_> = targets.iter().collect();
        let pieces: Vec<_> = targets
            .chunks(TARGETS)
            .map(|piece| {
                let owned = |(id, kind): &(&ResourceId, &Option<Arc<str>>)| MemberRecord {
                    id: ResourceId::clone(id),
                    kind: kind.as_deref().map(str::to_owned),
                };
                let targets = piece.iter().map(owned).collect();
                let owner = ResourceRef {
                    kind: kind.to_owned(),
                    id: id.clone(),
                };
                MembershipRecord::new(owner, &**attr, targets)
            })
            .collect();
        pieces
    })
}

/// The imported data: the resources separately, the entries in the directory, which hides them until the end.
struct Copy<'s> {
    import: &'s Import<'s>,
    tenant: Tenant,
}

impl ImportTarget for Copy<'_> {
    type Error = StoreError;

    fn has(&self, what: ImportQuery<'_>) -> Result<bool, StoreError> {
        let (tenant, of) = (&self.tenant, self.import.tenant);
        let directory = || shared(&self.import.store.directory);
        Ok(match what {
            ImportQuery::Connection(id) => directory().connection(of, id).is_some(),
            ImportQuery::Id(id) => {
                tenant.places.kind(id.as_str()).is_some() || tenant.is_deleted(id)
            }
            ImportQuery::Resource(kind, id) => tenant.places.kind(id.as_str()) == Some(kind),
            ImportQuery::Tenant => directory().tenant(of).is_some(),
            ImportQuery::Token(token) => directory().has_token(token),
        })
    }

    fn keep(&mut self, what: CheckedRecord) -> Result<(), StoreError> {
        match what {
            CheckedRecord::Connection(connection) => {
                self.entries()?.keep_connection(connection);
            }
            CheckedRecord::Edges(edges, change) => self.keep_edges(&edges, &change)?,
            CheckedRecord::Resource(resource, fit) => self.keep_resource(resource, fit)?,
            CheckedRecord::Deleted(deleted, fit) => self.insert_deleted(deleted, fit)?,
            CheckedRecord::Tenant(entry) => {
                let mut entries = self.entries()?;
                entries.import_has_entry(self.import.tenant);
                entries.keep_tenant(entry);
            }
            CheckedRecord::Token(token) => {
                let mut entries = self.entries()?;
                // Another tenant may have stored it since the check.
                if entries.has_token(&token) {
                    let attr = "digest".to_owned();
                    return Err(StoreError::Duplicate { attr });
                }
                entries.keep_token(token);
            }
        }
        Ok(())
    }
}

impl Copy<'_> {
    /// Locks the directory for writing, unless the import was superseded.
    fn entries(&self) -> Result<RwLockWriteGuard<'_, Directory>, StoreError> {
        let directory = exclusive(&self.import.store.directory);
        if directory.is_import(self.import.tenant, self.import.attempt) {
            Ok(directory)
        } else {
            Err(StoreError::Importing)
        }
    }

    fn keep_resource(
        &mut self,
        resource: ResourceRecord,
        fit: ValidatedDocument,
    ) -> Result<(), StoreError> {
        let id = resource.id;
        let table = self.tenant.table(&fit.kind);
        table.check_unique(&fit.kind, &id, &fit.keys)?;
        let record = Record {
            connection: resource.connection,
            created: resource.created,
            edges: BTreeMap::new(),
            last_modified: resource.last_modified,
            schema: fit.is_shown.then(|| fit.kind.fingerprint()),
            text: exact_text(&fit.stored),
            version: resource.version,
        };
        table.insert(id.clone(), record, fit.keys);
        let name = self.tenant.name(&fit.kind);
        self.tenant.places.put(id, name);
        Ok(())
    }

    fn insert_deleted(
        &mut self,
        deleted: DeletedRecord,
        fit: ValidatedDocument,
    ) -> Result<(), StoreError> {
        let record = Record {
            connection: deleted.connection,
            created: deleted.created,
            edges: BTreeMap::new(),
            last_modified: deleted.deleted,
            schema: fit.is_shown.then(|| fit.kind.fingerprint()),
            text: exact_text(&fit.stored),
            version: Version::new("0").map_err(StoreError::backend)?,
        };
        let table = self.tenant.deleted_of(&fit.kind);
        table.insert(deleted.id, record, fit.keys);
        Ok(())
    }

    fn keep_edges(&mut self, edges: &MembershipRecord, change: &Change) -> Result<(), StoreError> {
        let record = self.tenant.record(change.kind(), &edges.owner);
        let there = record.and_then(|record| record.edges.get(edges.attr.as_str()));
        let is_there = |id| there.is_some_and(|there| there.contains_key(id));
        if edges.targets.iter().any(|member| is_there(&member.id)) {
            return Err(MembershipRecord::twice());
        }
        let kind = self.tenant.name(change.kind());
        let owner = edges.owner.clone();
        let attr = edges.attr.as_str().into();
        let member = |member: &MemberRecord| NewMember {
            id: member.id.clone(),
            kind: member.kind.clone(),
        };
        self.tenant.insert_edges(NewMembers {
            list: MemberList { attr, kind, owner },
            members: edges.targets.iter().map(member).collect(),
        });
        Ok(())
    }
}
