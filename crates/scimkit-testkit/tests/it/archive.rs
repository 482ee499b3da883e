//! The contract of archives, and proof that it notices what breaks it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use scimkit_store::{
    Archive, BoxFuture, Connection, ConnectionId, Entry, Memory, Opened, Scope, Stamp, Store,
    StoreError, Tenancy, Tenant, TenantId, TokenRecord,
    archive::{ArchiveError, Erased, Record, Sink, Source},
};
use scimkit_testkit::contract::{archive, block_on};

#[test]
fn memory_keeps_the_contract() {
    let make = || -> Arc<dyn archive::Whole> { Arc::new(Memory::new()) };
    archive::check(&make, &make, &block_on).unwrap();
}

#[test]
fn names_are_distinct() {
    let mut names: Vec<_> = archive::checks().iter().map(archive::Check::name).collect();
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
    HandsOverTooMuch,
    KeepsTheConnectionOfResources,
    KeepsWhatCameBefore,
    LosesTypes,
    MixesTenants,
    RestoresOver,
    SaysItErased,
}

/// A memory store with one fault.
#[derive(Debug)]
struct Faulty(Fault, Memory);

impl Faulty {
    /// A record as the fault leaves it.
    fn changed(&self, mut record: Record) -> Option<Record> {
        match (self.0, &mut record) {
            (Fault::ForgetsTheCounter, Record::Start(start)) => start.versions = 1,
            (Fault::ForgetsWhatWasRetired, Record::Retired(_)) => return None,
            (Fault::ForgetsWhoMadeIt, Record::Resource(resource)) => resource.connection = None,
            (Fault::LosesTypes, Record::Edges(edges)) => {
                edges.targets.iter_mut().for_each(|(_, kind)| *kind = None);
            }
            _ => {}
        }
        Some(record)
    }
}

impl Archive for Faulty {
    fn dump<'a>(
        &'a self,
        tenant: &'a TenantId,
        mut sink: Sink,
    ) -> BoxFuture<'a, Result<(), ArchiveError>> {
        let fault = self.0;
        let mut ended = None;
        let handed: Sink = Box::new(move |record| match ended.take() {
            // Goes on once after the sink has had enough.
            Some(problem) => {
                drop(sink(record));
                Err(problem)
            }
            None => match sink(record) {
                Err(problem) if fault == Fault::HandsOverTooMuch => {
                    ended = Some(problem);
                    Ok(())
                }
                other => other,
            },
        });
        self.1.dump(tenant, handed)
    }

    fn erase<'a>(&'a self, tenant: &'a TenantId) -> BoxFuture<'a, Result<Erased, StoreError>> {
        match self.0 {
            Fault::ErasesNothing => Box::pin(async { Ok(Erased::All) }),
            Fault::SaysItErased => Box::pin(async move {
                self.1.erase(tenant).await?;
                Ok(Erased::All)
            }),
            _ => self.1.erase(tenant),
        }
    }

    fn forget<'a>(
        &'a self,
        tenant: &'a TenantId,
        before: DateTime<Utc>,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move {
            match self.0 {
                Fault::ForgetsNothing => Ok(2),
                Fault::ForgetsTooMuch => {
                    let count = self.1.forget(tenant, before).await?;
                    self.1.forget(tenant, DateTime::<Utc>::MAX_UTC).await?;
                    Ok(count)
                }
                _ => self.1.forget(tenant, before).await,
            }
        })
    }

    fn restore<'a>(
        &'a self,
        scope: &'a Scope,
        source: Source,
    ) -> BoxFuture<'a, Result<(), ArchiveError>> {
        Box::pin(async move {
            let mut scope = scope.clone();
            if self.0 == Fault::MixesTenants {
                scope.tenant = TenantId::from("acme");
            }
            if self.0 == Fault::RestoresOver {
                self.1.erase(&scope.tenant).await?;
            }
            let mut records = Vec::new();
            let mut problem = None;
            for record in source {
                match record {
                    Ok((line, record)) => {
                        records.extend(self.changed(record).map(|record| Ok((line, record))));
                    }
                    Err(found) if self.0 == Fault::KeepsWhatCameBefore => problem = Some(found),
                    Err(found) => return Err(found),
                }
            }
            self.1
                .restore(&scope, Box::new(records.into_iter()))
                .await?;
            problem.map_or(Ok(()), Err)
        })
    }
}

impl Store for Faulty {
    pass_on!(1: support edges query read write);
}

impl Tenancy for Faulty {
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

    fn open<'a>(
        &'a self,
        digest: &'a [u8; 32],
    ) -> BoxFuture<'a, Result<Option<Opened>, StoreError>> {
        self.1.open(digest)
    }

    fn put(&self, entries: Vec<Entry>, stamp: Stamp) -> BoxFuture<'_, Result<(), StoreError>> {
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

    fn used<'a>(
        &'a self,
        digest: &'a [u8; 32],
        at: DateTime<Utc>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.1.used(digest, at)
    }
}

#[test]
fn a_fault_is_noticed() {
    let faults = [
        (Fault::ErasesNothing, "a_tenant_is_erased_and_no_other"),
        (
            Fault::ErasesNothing,
            "a_tenant_is_the_same_in_another_store",
        ),
        (Fault::ForgetsTheCounter, "no_version_is_given_twice"),
        (
            Fault::ForgetsTheCounter,
            "a_tenant_is_the_same_in_another_store",
        ),
        (
            Fault::ForgetsWhatWasRetired,
            "a_tenant_is_the_same_in_another_store",
        ),
        (
            Fault::ForgetsWhatWasRetired,
            "lookups_work_in_another_store",
        ),
        (Fault::ForgetsWhoMadeIt, "lookups_work_in_another_store"),
        (
            Fault::ForgetsNothing,
            "what_was_retired_long_ago_is_forgotten",
        ),
        (
            Fault::ForgetsTooMuch,
            "what_was_retired_long_ago_is_forgotten",
        ),
        (Fault::HandsOverTooMuch, "a_sink_that_fails_ends_a_dump"),
        (
            Fault::KeepsTheConnectionOfResources,
            "what_a_removed_connection_made_is_nobodys",
        ),
        (
            Fault::KeepsWhatCameBefore,
            "a_source_that_fails_restores_nothing",
        ),
        (Fault::LosesTypes, "resources_are_the_same_in_another_store"),
        (Fault::MixesTenants, "a_tenant_may_get_another_name"),
        (
            Fault::RestoresOver,
            "what_is_there_already_is_not_overwritten",
        ),
        (Fault::SaysItErased, "a_tenant_is_erased_and_no_other"),
    ];
    for (fault, name) in faults {
        let checks = archive::checks();
        let check = checks.iter().find(|check| check.name() == name).unwrap();
        let faulty = || Arc::new(Faulty(fault, Memory::new()));
        let noticed = check.run(faulty(), faulty(), &block_on).is_err();
        assert!(noticed, "{fault:?} {name}");
    }
}
