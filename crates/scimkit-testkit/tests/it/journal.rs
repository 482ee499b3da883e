//! The contract of a journal, and proof that it detects a store that breaks it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use scimkit_store::{
    Archive, BoxFuture, Connection, ConnectionId, FoundToken, Journal, JournalQuery, JournalRead,
    JournalStart, Lease, LeaseAnswer, LeaseRequest, MemoryStore, RequestContext, Stamp, Store,
    StoreError, Tenant, TenantEntry, TenantId, TenantStore, TokenRecord,
    archive::{ArchiveError, Erased, RecordSource, RecordStream},
};
use scimkit_testkit::contract::{block_on, journal};

#[test]
fn memory_keeps_the_contract_of_a_journal() {
    journal::check(|| Arc::new(MemoryStore::new()), &block_on).unwrap();
}

#[test]
fn names_of_journal_checks_are_distinct() {
    let checks = journal::checks();
    let mut names: Vec<_> = checks.iter().map(journal::JournalCheck::name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn each_fault_of_a_journal_is_detected() {
    use Fault::{
        AcceptsFormerHolders, ForgetsBlanking, HidesGaps, IgnoresFilters, LeasesTwice, LosesParts,
        NeverAdvances, RecordsTokenUse, ReordersEntries, TrimsNothing,
    };
    let faults = [
        (
            AcceptsFormerHolders,
            "cursor_advances_only_with_the_last_fence",
        ),
        (ForgetsBlanking, "purging_resources_blanks_their_entries"),
        (HidesGaps, "level_off_leaves_a_reported_gap"),
        (HidesGaps, "consumers_behind_a_trim_must_resynchronise"),
        (HidesGaps, "imported_tenant_starts_with_an_empty_journal"),
        (
            IgnoresFilters,
            "entries_are_found_by_resource_and_by_connection",
        ),
        (LeasesTwice, "only_one_holder_has_the_lease"),
        (LosesParts, "every_change_has_one_entry"),
        (LosesParts, "large_membership_changes_are_split_into_parts"),
        (
            NeverAdvances,
            "tenants_with_unconfirmed_changes_are_pending",
        ),
        (
            RecordsTokenUse,
            "changes_of_tenants_connections_and_tokens_are_recorded",
        ),
        (
            ReordersEntries,
            "answers_of_parallel_writers_name_their_entries",
        ),
        (TrimsNothing, "trim_removes_only_older_entries"),
    ];
    for (fault, name) in faults {
        let checks = journal::checks();
        let check = checks.iter().find(|check| check.name() == name).unwrap();
        let store = Arc::new(Faulty(fault, MemoryStore::new()));
        assert!(check.run(store, &block_on).is_err(), "{fault:?}: {name}");
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    AcceptsFormerHolders,
    ForgetsBlanking,
    HidesGaps,
    IgnoresFilters,
    LeasesTwice,
    LosesParts,
    NeverAdvances,
    RecordsTokenUse,
    ReordersEntries,
    TrimsNothing,
}

/// A memory store with one fault.
#[derive(Debug)]
struct Faulty(Fault, MemoryStore);

impl Journal for Faulty {
    fn advance<'a>(
        &'a self,
        tenant: &'a TenantId,
        lease: &'a Lease,
        to: u64,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            match (self.0, self.1.advance(tenant, lease, to).await) {
                (Fault::AcceptsFormerHolders, Err(StoreError::LeaseLost)) => Ok(()),
                (_, done) => done,
            }
        })
    }

    fn entries<'a>(
        &'a self,
        tenant: &'a TenantId,
        query: &'a JournalQuery,
    ) -> BoxFuture<'a, Result<JournalRead, StoreError>> {
        Box::pin(async move {
            let mut query = query.clone();
            if self.0 == Fault::IgnoresFilters {
                query.filter = scimkit_store::JournalFilter::All;
            }
            let mut read = self.1.entries(tenant, &query).await?;
            if let (Fault::HidesGaps, JournalRead::Resync { .. }) = (self.0, &read) {
                query.start = JournalStart::Oldest;
                read = self.1.entries(tenant, &query).await?;
            }
            if let JournalRead::Page(page) = &mut read {
                match self.0 {
                    Fault::LosesParts => page.entries.retain(|entry| entry.part == 0),
                    Fault::ReordersEntries => page.entries.reverse(),
                    _ => {}
                }
            }
            Ok(read)
        })
    }

    fn lease<'a>(
        &'a self,
        tenant: &'a TenantId,
        request: &'a LeaseRequest,
    ) -> BoxFuture<'a, Result<LeaseAnswer, StoreError>> {
        Box::pin(async move {
            let mut request = request.clone();
            if self.0 == Fault::LeasesTwice {
                request.holder = "everybody".to_owned();
            }
            match (self.0, self.1.lease(tenant, &request).await?) {
                (Fault::HidesGaps, LeaseAnswer::Resync { lease, .. }) => {
                    Ok(LeaseAnswer::Granted(lease))
                }
                (_, answer) => Ok(answer),
            }
        })
    }

    fn pending<'a>(
        &'a self,
        consumer: &'a str,
    ) -> BoxFuture<'a, Result<Vec<TenantId>, StoreError>> {
        match self.0 {
            Fault::NeverAdvances => self.1.pending("nobody"),
            _ => self.1.pending(consumer),
        }
    }

    fn trim<'a>(
        &'a self,
        tenant: &'a TenantId,
        before: DateTime<Utc>,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        match self.0 {
            Fault::TrimsNothing => Box::pin(async { Ok(1) }),
            _ => self.1.trim(tenant, before),
        }
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
        self.1.erase_tenant(tenant)
    }

    fn purge_deleted<'a>(
        &'a self,
        tenant: &'a TenantId,
        before: DateTime<Utc>,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        match self.0 {
            Fault::ForgetsBlanking => Box::pin(async { Ok(1) }),
            _ => self.1.purge_deleted(tenant, before),
        }
    }

    fn import_records<'a>(
        &'a self,
        context: &'a RequestContext,
        source: RecordSource<'a>,
    ) -> BoxFuture<'a, Result<(), ArchiveError>> {
        self.1.import_records(context, source)
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
        self.1.remove_connection(tenant, id, stamp)
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
        Box::pin(async move {
            if let (Fault::RecordsTokenUse, Some(found)) =
                (self.0, self.1.find_token(digest).await?)
            {
                let entry = TenantEntry::Token(found.token);
                self.1.put(vec![entry], Stamp::new(at)).await?;
            }
            self.1.record_token_use(digest, at).await
        })
    }
}
