//! The contract of archives, and proof that it detects faults.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use chrono::{DateTime, Utc};
use futures_core::Stream;
use scimkit_store::{
    Archive, BoxFuture, Connection, ConnectionId, FoundToken, MemoryStore, RequestContext, Stamp,
    Store, StoreError, Tenant, TenantEntry, TenantId, TenantStore, TokenRecord,
    archive::{ArchiveError, ArchiveRecord, Erased, NumberedRecord, RecordSource, RecordStream},
    next_item, stream_from,
};
use scimkit_testkit::contract::{archive, block_on};

#[test]
fn memory_keeps_the_contract() {
    let make = || -> Arc<dyn archive::FullStore> { Arc::new(MemoryStore::new()) };
    archive::check(&make, &make, &block_on).unwrap();
}

#[test]
fn names_are_distinct() {
    let mut names: Vec<_> = archive::checks()
        .iter()
        .map(archive::ArchiveCheck::name)
        .collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    ErasesNothing,
    ForgetsNothing,
    ForgetsTheCounter,
    ForgetsTooMuch,
    ForgetsWhatWasRetired,
    ForgetsWhoMadeIt,
    HasNoDocumentLimit,
    KeepsTheConnectionOfResources,
    KeepsWhatCameBefore,
    LosesTypes,
    MixesMoments,
    MixesTenants,
    ReplacesATenant,
    SaysItErased,
    ShowsWhatItHas,
}

/// A memory store with one fault.
#[derive(Debug)]
struct Faulty(Fault, MemoryStore);

impl Faulty {
    /// Returns a record as the fault changes it.
    fn changed(&self, mut record: ArchiveRecord) -> Option<ArchiveRecord> {
        match (self.0, &mut record) {
            (Fault::ForgetsTheCounter, ArchiveRecord::Start(start)) => start.versions = 1,
            (Fault::ForgetsWhatWasRetired, ArchiveRecord::Deleted(_)) => return None,
            (Fault::ForgetsWhoMadeIt, ArchiveRecord::Resource(resource)) => {
                resource.connection = None
            }
            (Fault::LosesTypes, ArchiveRecord::Edges(edges)) => {
                edges
                    .targets
                    .iter_mut()
                    .for_each(|member| member.kind = None);
            }
            _ => {}
        }
        Some(record)
    }
}

impl Archive for Faulty {
    fn export_records<'a>(&'a self, tenant: &'a TenantId) -> RecordStream<'a> {
        if self.0 != Fault::MixesMoments {
            return self.1.export_records(tenant);
        }
        // Each record is of a different moment.
        Box::pin(Moments {
            store: &self.1,
            taken: 0,
            tenant,
        })
    }

    fn erase_tenant<'a>(
        &'a self,
        tenant: &'a TenantId,
    ) -> BoxFuture<'a, Result<Erased, StoreError>> {
        match self.0 {
            Fault::ErasesNothing => Box::pin(async { Ok(Erased::All) }),
            Fault::SaysItErased => Box::pin(async move {
                self.1.erase_tenant(tenant).await?;
                Ok(Erased::All)
            }),
            _ => self.1.erase_tenant(tenant),
        }
    }

    fn purge_deleted<'a>(
        &'a self,
        tenant: &'a TenantId,
        before: DateTime<Utc>,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move {
            match self.0 {
                Fault::ForgetsNothing => Ok(2),
                Fault::ForgetsTooMuch => {
                    let count = self.1.purge_deleted(tenant, before).await?;
                    self.1
                        .purge_deleted(tenant, DateTime::<Utc>::MAX_UTC)
                        .await?;
                    Ok(count)
                }
                _ => self.1.purge_deleted(tenant, before).await,
            }
        })
    }

    fn import_records<'a>(
        &'a self,
        context: &'a RequestContext,
        mut source: RecordSource<'a>,
    ) -> BoxFuture<'a, Result<(), ArchiveError>> {
        Box::pin(async move {
            let mut context = context.clone();
            if self.0 == Fault::MixesTenants {
                context.tenant = TenantId::from("acme");
            }
            if self.0 == Fault::ReplacesATenant {
                self.1.erase_tenant(&context.tenant).await?;
            }
            if self.0 == Fault::HasNoDocumentLimit {
                let settings = Arc::make_mut(&mut context.settings);
                settings.limits.document = u64::MAX;
            }
            let mut records = Vec::new();
            let mut problem = None;
            while let Some(record) = next_item(&mut source).await {
                match record {
                    Ok(NumberedRecord { line, record }) => {
                        if self.0 == Fault::ShowsWhatItHas {
                            self.show(&context, &record).await?;
                        }
                        let changed = self.changed(record);
                        records.extend(changed.map(|record| Ok(NumberedRecord { line, record })));
                    }
                    Err(found) if self.0 == Fault::KeepsWhatCameBefore => problem = Some(found),
                    Err(found) => return Err(found),
                }
            }
            self.1
                .import_records(&context, stream_from(records))
                .await?;
            problem.map_or(Ok(()), Err)
        })
    }
}

impl Faulty {
    /// Makes the tenant's entry visible before the import is complete.
    async fn show(
        &self,
        context: &RequestContext,
        record: &ArchiveRecord,
    ) -> Result<(), StoreError> {
        if let ArchiveRecord::Start(_) = record {
            let entry = Tenant::new(context.tenant.clone(), "", DateTime::UNIX_EPOCH);
            let put = vec![TenantEntry::Tenant(entry)];
            self.1.put(put, DateTime::UNIX_EPOCH.into()).await?;
        }
        Ok(())
    }
}

/// The records of a tenant, where each one is read at a later moment.
struct Moments<'a> {
    store: &'a MemoryStore,
    taken: usize,
    tenant: &'a TenantId,
}

impl Stream for Moments<'_> {
    type Item = Result<ArchiveRecord, ArchiveError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut records = self.store.export_records(self.tenant);
        for _ in 0..self.taken {
            let _ = records.as_mut().poll_next(cx);
        }
        self.taken += 1;
        records.as_mut().poll_next(cx)
    }
}

impl Store for Faulty {
    pass_on!(1: support edges query read write);
}

impl TenantStore for Faulty {
    fn connection<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: &'a ConnectionId,
    ) -> BoxFuture<'a, Result<Option<(Tenant, Connection)>, StoreError>> {
        self.1.connection(tenant, id)
    }

    fn connections<'a>(
        &'a self,
        tenant: &'a TenantId,
    ) -> BoxFuture<'a, Result<Vec<Connection>, StoreError>> {
        self.1.connections(tenant)
    }

    fn find_token<'a>(
        &'a self,
        digest: &'a [u8; 32],
    ) -> BoxFuture<'a, Result<Option<FoundToken>, StoreError>> {
        self.1.find_token(digest)
    }

    fn put(
        &self,
        entries: Vec<TenantEntry>,
        stamp: Stamp,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        self.1.put(entries, stamp)
    }

    fn remove_connection<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: &'a ConnectionId,
        stamp: Stamp,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            match self.0 {
                Fault::KeepsTheConnectionOfResources => Ok(()),
                _ => self.1.remove_connection(tenant, id, stamp).await,
            }
        })
    }

    fn tenant<'a>(&'a self, id: &'a TenantId) -> BoxFuture<'a, Result<Option<Tenant>, StoreError>> {
        self.1.tenant(id)
    }

    fn tenants(&self) -> BoxFuture<'_, Result<Vec<Tenant>, StoreError>> {
        self.1.tenants()
    }

    fn tokens<'a>(
        &'a self,
        tenant: &'a TenantId,
    ) -> BoxFuture<'a, Result<Vec<TokenRecord>, StoreError>> {
        self.1.tokens(tenant)
    }

    fn record_token_use<'a>(
        &'a self,
        digest: &'a [u8; 32],
        at: DateTime<Utc>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.1.record_token_use(digest, at)
    }
}

#[test]
fn each_fault_is_detected() {
    let faults = [
        (Fault::ErasesNothing, "erasure_removes_only_its_tenant"),
        (Fault::ErasesNothing, "tenant_is_the_same_after_import"),
        (
            Fault::ForgetsTheCounter,
            "versions_are_not_reused_after_import",
        ),
        (Fault::ForgetsTheCounter, "tenant_is_the_same_after_import"),
        (
            Fault::ForgetsWhatWasRetired,
            "tenant_is_the_same_after_import",
        ),
        (Fault::ForgetsWhatWasRetired, "lookups_work_after_import"),
        (Fault::ForgetsWhoMadeIt, "lookups_work_after_import"),
        (
            Fault::ForgetsNothing,
            "purge_removes_old_soft_deleted_resources",
        ),
        (
            Fault::ForgetsTooMuch,
            "purge_removes_old_soft_deleted_resources",
        ),
        (
            Fault::HasNoDocumentLimit,
            "documents_beyond_the_limit_are_rejected",
        ),
        (
            Fault::KeepsTheConnectionOfResources,
            "removing_a_connection_releases_its_resources",
        ),
        (Fault::KeepsWhatCameBefore, "failing_source_imports_nothing"),
        (Fault::LosesTypes, "resources_are_the_same_after_import"),
        (
            Fault::MixesMoments,
            "export_is_a_snapshot_of_its_first_poll_and_blocks_no_writes",
        ),
        (
            Fault::MixesTenants,
            "tenant_can_be_imported_under_another_id",
        ),
        (Fault::ReplacesATenant, "existing_data_is_not_overwritten"),
        (Fault::SaysItErased, "erasure_removes_only_its_tenant"),
        (
            Fault::ShowsWhatItHas,
            "dropped_import_leaves_nothing_visible",
        ),
    ];
    for (fault, name) in faults {
        let checks = archive::checks();
        let check = checks.iter().find(|check| check.name() == name).unwrap();
        let faulty = || Arc::new(Faulty(fault, MemoryStore::new()));
        let noticed = check.run(faulty(), faulty(), &block_on).is_err();
        assert!(noticed, "{fault:?} {name}");
    }
}
