//! The contract of dead letters, and proof that it detects a store that breaks it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use scimkit_store::{
    Archive, BoxFuture, DeadLetter, DeadLetters, Journal, JournalPosition, JournalQuery,
    JournalRead, Lease, LeaseAnswer, LeaseRequest, MemoryStore, RequestContext, StoreError,
    TenantId,
    archive::{ArchiveError, Erased, RecordSource, RecordStream},
};
use scimkit_testkit::contract::{block_on, dead_letters};

#[test]
fn memory_keeps_the_contract_of_dead_letters() {
    dead_letters::check(|| Arc::new(MemoryStore::new()), &block_on).unwrap();
}

#[test]
fn each_fault_of_dead_letters_is_detected() {
    let faults = [
        (Fault::CutsReasons, "letters_are_kept_as_they_are"),
        (
            Fault::IgnoresLimits,
            "letters_follow_a_position_in_order_up_to_a_limit",
        ),
        (
            Fault::IgnoresParts,
            "letters_follow_a_position_in_order_up_to_a_limit",
        ),
        (
            Fault::ReordersLetters,
            "letters_follow_a_position_in_order_up_to_a_limit",
        ),
        (
            Fault::KeepsFirst,
            "later_letter_replaces_that_of_the_same_entry",
        ),
        (
            Fault::RemovesAllParts,
            "removing_takes_one_letter_and_may_find_none",
        ),
        (
            Fault::FailsWithoutLetter,
            "removing_takes_one_letter_and_may_find_none",
        ),
        (
            Fault::MergesTenants,
            "tenants_and_consumers_have_their_own_letters",
        ),
        (
            Fault::MergesConsumers,
            "tenants_and_consumers_have_their_own_letters",
        ),
        (Fault::RejectsNul, "every_reason_can_be_stored"),
        (Fault::ErasesNothing, "erasing_a_tenant_removes_its_letters"),
        (Fault::ShowsImports, "calls_fail_during_an_import"),
    ];
    let checks = dead_letters::checks();
    for (fault, name) in faults {
        let check = checks.iter().find(|check| check.name() == name).unwrap();
        let store = Arc::new(Faulty(fault, MemoryStore::new()));
        assert!(check.run(store, &block_on).is_err(), "{fault:?}: {name}");
    }
    for check in checks {
        let is_covered = faults.iter().any(|(_, name)| *name == check.name());
        assert!(is_covered, "no fault breaks {check:?}");
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    CutsReasons,
    ErasesNothing,
    FailsWithoutLetter,
    IgnoresLimits,
    IgnoresParts,
    KeepsFirst,
    MergesConsumers,
    MergesTenants,
    RejectsNul,
    RemovesAllParts,
    ReordersLetters,
    ShowsImports,
}

/// A memory store with one fault.
#[derive(Debug)]
struct Faulty(Fault, MemoryStore);

impl Faulty {
    fn tenant(&self, tenant: &TenantId) -> TenantId {
        match self.0 {
            Fault::MergesTenants => TenantId::from("everybody"),
            _ => tenant.clone(),
        }
    }

    fn consumer(&self, consumer: &str) -> String {
        match self.0 {
            Fault::MergesConsumers => consumer.to_lowercase(),
            _ => consumer.to_owned(),
        }
    }

    async fn has(&self, tenant: &TenantId, consumer: &str, position: JournalPosition) -> bool {
        let start = JournalPosition::default();
        let letters = self.1.dead_letters(tenant, consumer, start, 100).await;
        letters.is_ok_and(|letters| letters.iter().any(|one| one.position == position))
    }
}

impl DeadLetters for Faulty {
    fn dead_letters<'a>(
        &'a self,
        tenant: &'a TenantId,
        consumer: &'a str,
        after: JournalPosition,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<DeadLetter>, StoreError>> {
        Box::pin(async move {
            let (after, limit) = match self.0 {
                Fault::IgnoresLimits => (after, u32::MAX),
                Fault::IgnoresParts => (JournalPosition::end_of(after.number), limit),
                _ => (after, limit),
            };
            let tenant = self.tenant(tenant);
            let name = self.consumer(consumer);
            let found = self.1.dead_letters(&tenant, &name, after, limit).await;
            let mut letters = match found {
                Err(StoreError::Importing) if self.0 == Fault::ShowsImports => Vec::new(),
                found => found?,
            };
            if self.0 == Fault::ReordersLetters {
                letters.reverse();
            }
            for letter in &mut letters {
                consumer.clone_into(&mut letter.consumer);
            }
            Ok(letters)
        })
    }

    fn put_dead_letter<'a>(
        &'a self,
        tenant: &'a TenantId,
        letter: &'a DeadLetter,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let tenant = self.tenant(tenant);
            let mut letter = letter.clone();
            letter.consumer = self.consumer(&letter.consumer);
            match self.0 {
                Fault::CutsReasons => letter.problem.truncate(10),
                Fault::KeepsFirst if self.has(&tenant, &letter.consumer, letter.position).await => {
                    return Ok(());
                }
                Fault::RejectsNul if letter.problem.contains('\0') => {
                    return Err(StoreError::backend("NUL"));
                }
                _ => {}
            }
            self.1.put_dead_letter(&tenant, &letter).await
        })
    }

    fn remove_dead_letter<'a>(
        &'a self,
        tenant: &'a TenantId,
        consumer: &'a str,
        position: JournalPosition,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let tenant = self.tenant(tenant);
            let consumer = self.consumer(consumer);
            let mut positions = vec![position];
            match self.0 {
                Fault::FailsWithoutLetter if !self.has(&tenant, &consumer, position).await => {
                    return Err(StoreError::NotFound);
                }
                Fault::RemovesAllParts => positions.extend((0..3).map(|part| JournalPosition {
                    number: position.number,
                    part,
                })),
                _ => {}
            }
            for position in positions {
                let removal = self.1.remove_dead_letter(&tenant, &consumer, position);
                removal.await?;
            }
            Ok(())
        })
    }
}

impl Archive for Faulty {
    fn export_records<'a>(&'a self, tenant: &'a TenantId) -> RecordStream<'a> {
        self.1.export_records(tenant)
    }

    fn erase_tenant<'a>(
        &'a self,
        tenant: &'a TenantId,
    ) -> BoxFuture<'a, Result<Erased, StoreError>> {
        match self.0 {
            Fault::ErasesNothing => Box::pin(async { Ok(Erased::All) }),
            _ => self.1.erase_tenant(tenant),
        }
    }

    fn purge_deleted<'a>(
        &'a self,
        tenant: &'a TenantId,
        before: DateTime<Utc>,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        self.1.purge_deleted(tenant, before)
    }

    fn import_records<'a>(
        &'a self,
        context: &'a RequestContext,
        source: RecordSource<'a>,
    ) -> BoxFuture<'a, Result<(), ArchiveError>> {
        self.1.import_records(context, source)
    }
}

impl Journal for Faulty {
    fn advance<'a>(
        &'a self,
        tenant: &'a TenantId,
        lease: &'a Lease,
        to: u64,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.1.advance(tenant, lease, to)
    }

    fn entries<'a>(
        &'a self,
        tenant: &'a TenantId,
        query: &'a JournalQuery,
    ) -> BoxFuture<'a, Result<JournalRead, StoreError>> {
        self.1.entries(tenant, query)
    }

    fn lease<'a>(
        &'a self,
        tenant: &'a TenantId,
        request: &'a LeaseRequest,
    ) -> BoxFuture<'a, Result<LeaseAnswer, StoreError>> {
        self.1.lease(tenant, request)
    }

    fn pending<'a>(
        &'a self,
        consumer: &'a str,
    ) -> BoxFuture<'a, Result<Vec<TenantId>, StoreError>> {
        self.1.pending(consumer)
    }

    fn trim<'a>(
        &'a self,
        tenant: &'a TenantId,
        before: DateTime<Utc>,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        self.1.trim(tenant, before)
    }
}
