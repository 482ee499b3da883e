//! The contract of stores of tenants and tokens, and proof that it detects faults.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use chrono::{DateTime, Utc};
use scimkit_store::{
    BoxFuture, Connection, ConnectionId, EntryKind, FoundToken, MemoryStore, Stamp, StoreError,
    Tenant, TenantEntry, TenantId, TenantLimits, TenantStore, TokenRecord,
};
use scimkit_testkit::contract::{block_on, tenancy};

#[test]
fn memory_keeps_the_contract() {
    tenancy::check(|| Arc::new(MemoryStore::new()), &block_on).unwrap();
}

#[test]
fn names_are_distinct() {
    let mut names: Vec<_> = tenancy::checks()
        .iter()
        .map(tenancy::TenantStoreCheck::name)
        .collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    Caches,
    ExpectsNothing,
    HasNoLimits,
    HidesRevocations,
    KeepsOneConnection,
    LimitsBeforeWriting,
    MixesTenants,
    NotesOneUse,
    PutsOneByOne,
    RemovesNothing,
}

/// A memory store with one fault.
#[derive(Debug)]
struct Faulty {
    cache: Mutex<HashMap<[u8; 32], Option<FoundToken>>>,
    fault: Fault,
    inner: MemoryStore,
}

impl Faulty {
    fn new(fault: Fault) -> Self {
        Faulty {
            cache: Mutex::default(),
            fault,
            inner: MemoryStore::new(),
        }
    }

    async fn expecting_nothing(&self, entry: &mut TenantEntry) -> Result<(), StoreError> {
        match entry {
            TenantEntry::Connection(new) => {
                let known = self.inner.connection(&new.tenant, &new.id).await?;
                new.revision = known.map_or(0, |(_, known)| known.revision);
            }
            TenantEntry::Tenant(new) => {
                let known = self.inner.tenant(&new.id).await?;
                new.revision = known.map_or(0, |known| known.revision);
            }
            TenantEntry::Token(new) => {
                let known = self.inner.tokens(&new.tenant).await?;
                let known = known.iter().find(|known| known.id == new.id);
                new.revision = known.map_or(0, |known| known.revision);
            }
        }
        Ok(())
    }
}

impl Faulty {
    /// Counts tenants, and waits until the others have counted, too.
    async fn check_limits(&self, entry: &TenantEntry, stamp: &Stamp) -> Result<(), StoreError> {
        if let TenantEntry::Tenant(_) = entry {
            let kind = EntryKind::Tenant;
            let limit = stamp.limits.tenants;
            if self.inner.tenants().await?.len() as u64 >= limit {
                return Err(StoreError::TooManyEntries { kind, limit });
            }
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        Ok(())
    }
}

impl TenantStore for Faulty {
    fn connection<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: &'a ConnectionId,
    ) -> BoxFuture<'a, Result<Option<(Tenant, Connection)>, StoreError>> {
        self.inner.connection(tenant, id)
    }

    fn connections<'a>(
        &'a self,
        tenant: &'a TenantId,
    ) -> BoxFuture<'a, Result<Vec<Connection>, StoreError>> {
        Box::pin(async move {
            let mut found = self.inner.connections(tenant).await?;
            match self.fault {
                Fault::KeepsOneConnection => found.truncate(1),
                Fault::MixesTenants => {
                    for other in self.inner.tenants().await? {
                        found.extend(self.inner.connections(&other.id).await?);
                    }
                }
                _ => {}
            }
            Ok(found)
        })
    }

    fn find_token<'a>(
        &'a self,
        digest: &'a [u8; 32],
    ) -> BoxFuture<'a, Result<Option<FoundToken>, StoreError>> {
        Box::pin(async move {
            let mut opened = self.inner.find_token(digest).await?;
            match (self.fault, &mut opened) {
                (Fault::Caches, _) => {
                    let mut cache = self.cache.lock().unwrap();
                    return Ok(cache.entry(*digest).or_insert(opened).clone());
                }
                (Fault::HidesRevocations, Some(opened)) => opened.token.revoked_at = None,
                _ => {}
            }
            Ok(opened)
        })
    }

    fn put(
        &self,
        mut entries: Vec<TenantEntry>,
        stamp: Stamp,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            match self.fault {
                Fault::ExpectsNothing => {
                    for entry in &mut entries {
                        self.expecting_nothing(entry).await?;
                    }
                }
                Fault::HasNoLimits => {
                    let stamp = stamp.with_limits(TenantLimits::NONE);
                    return self.inner.put(entries, stamp).await;
                }
                Fault::LimitsBeforeWriting => {
                    // Like a store that counts before its transaction.
                    let unlimited = stamp.clone().with_limits(TenantLimits::NONE);
                    for entry in &entries {
                        self.check_limits(entry, &stamp).await?;
                    }
                    return self.inner.put(entries, unlimited).await;
                }
                Fault::PutsOneByOne => {
                    for entry in entries {
                        self.inner.put(vec![entry], stamp.clone()).await?;
                    }
                    return Ok(());
                }
                _ => {}
            }
            self.inner.put(entries, stamp).await
        })
    }

    fn remove_connection<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: &'a ConnectionId,
        stamp: Stamp,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        match self.fault {
            Fault::RemovesNothing => Box::pin(async { Ok(()) }),
            _ => self.inner.remove_connection(tenant, id, stamp),
        }
    }

    fn tenant<'a>(&'a self, id: &'a TenantId) -> BoxFuture<'a, Result<Option<Tenant>, StoreError>> {
        self.inner.tenant(id)
    }

    fn tenants(&self) -> BoxFuture<'_, Result<Vec<Tenant>, StoreError>> {
        self.inner.tenants()
    }

    fn tokens<'a>(
        &'a self,
        tenant: &'a TenantId,
    ) -> BoxFuture<'a, Result<Vec<TokenRecord>, StoreError>> {
        self.inner.tokens(tenant)
    }

    fn record_token_use<'a>(
        &'a self,
        digest: &'a [u8; 32],
        at: DateTime<Utc>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let known = self.inner.find_token(digest).await?;
            let noted = known.is_some_and(|known| known.token.last_used.is_some());
            match self.fault {
                Fault::NotesOneUse if noted => Ok(()),
                _ => self.inner.record_token_use(digest, at).await,
            }
        })
    }
}

#[test]
fn each_fault_is_detected() {
    let faults = [
        (Fault::Caches, "token_is_found_by_its_digest"),
        (Fault::Caches, "revoking_a_token_is_permanent"),
        (Fault::Caches, "recreated_connection_is_a_new_one"),
        (Fault::ExpectsNothing, "unexpected_revision_is_rejected"),
        (
            Fault::ExpectsNothing,
            "one_of_parallel_changes_of_a_revision_wins",
        ),
        (
            Fault::ExpectsNothing,
            "entry_without_its_parent_is_rejected",
        ),
        (
            Fault::ExpectsNothing,
            "one_of_parallel_replacements_and_revocations_wins",
        ),
        (
            Fault::HasNoLimits,
            "new_entries_beyond_a_limit_are_rejected",
        ),
        (Fault::HasNoLimits, "entries_at_a_limit_can_be_changed"),
        (Fault::HasNoLimits, "inactive_tokens_leave_room"),
        (Fault::HasNoLimits, "limit_is_exact_for_parallel_creators"),
        (
            Fault::LimitsBeforeWriting,
            "limit_is_exact_for_parallel_creators",
        ),
        (Fault::HidesRevocations, "revoking_a_token_is_permanent"),
        (Fault::HidesRevocations, "token_is_found_by_its_digest"),
        (
            Fault::KeepsOneConnection,
            "tenants_and_connections_are_ordered_by_id",
        ),
        (Fault::MixesTenants, "entries_of_tenants_are_isolated"),
        (Fault::NotesOneUse, "latest_token_use_is_recorded"),
        (
            Fault::PutsOneByOne,
            "entries_are_stored_in_order_and_all_or_none",
        ),
        (
            Fault::RemovesNothing,
            "removing_a_connection_removes_its_tokens",
        ),
        (Fault::RemovesNothing, "recreated_connection_is_a_new_one"),
    ];
    for (fault, name) in faults {
        let checks = tenancy::checks();
        let check = checks.iter().find(|check| check.name() == name).unwrap();
        let faulty = Arc::new(Faulty::new(fault));
        let noticed = check.run(faulty, &block_on).is_err();
        assert!(noticed, "{fault:?} {name}");
    }
}
