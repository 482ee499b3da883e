//! The contract of the values that a store keeps, and proof that it detects a store that breaks it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use scimkit_store::{
    Archive, BoxFuture, Journal, JournalQuery, JournalRead, KeyValue, KeyValueEdit, KeyValues,
    Lease, LeaseAnswer, LeaseRequest, MemoryStore, RequestContext, StoreError, TenantId,
    archive::{ArchiveError, Erased, RecordSource, RecordStream},
};
use scimkit_testkit::contract::{block_on, key_values};

#[test]
fn memory_keeps_the_contract_of_key_values() {
    key_values::check(|| Arc::new(MemoryStore::new()), &block_on).unwrap();
}

#[test]
fn each_fault_of_key_values_is_detected() {
    let faults = [
        (Fault::TrimsValues, "values_are_kept_as_they_are"),
        (
            Fault::IgnoresCase,
            "values_are_listed_in_the_order_of_their_keys",
        ),
        (
            Fault::IgnoresLimits,
            "lists_start_after_a_key_and_end_at_a_limit",
        ),
        (
            Fault::IncludesStart,
            "lists_start_after_a_key_and_end_at_a_limit",
        ),
        (
            Fault::IgnoresPrefixes,
            "lists_contain_only_keys_with_the_prefix",
        ),
        (
            Fault::SortsValues,
            "values_of_keys_are_in_the_order_of_the_keys",
        ),
        (
            Fault::LeavesMissingOut,
            "values_of_keys_are_in_the_order_of_the_keys",
        ),
        (Fault::KeepsFirst, "last_edit_of_a_key_wins"),
        (Fault::WritesOneByOne, "edits_are_made_all_or_none"),
        (Fault::IgnoresConditions, "edits_are_made_all_or_none"),
        (
            Fault::WritesOneByOne,
            "conditions_are_about_the_values_before",
        ),
        (
            Fault::IgnoresPrefixes,
            "removal_by_prefix_leaves_the_others",
        ),
        (
            Fault::MergesTenants,
            "tenants_and_collections_have_their_own_values",
        ),
        (
            Fault::MergesCollections,
            "tenants_and_collections_have_their_own_values",
        ),
        (Fault::ErasesNothing, "erasing_a_tenant_removes_its_values"),
        (Fault::ShowsImports, "calls_fail_during_an_import"),
    ];
    let checks = key_values::checks();
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
    ErasesNothing,
    IgnoresCase,
    IgnoresConditions,
    IgnoresLimits,
    IgnoresPrefixes,
    IncludesStart,
    KeepsFirst,
    LeavesMissingOut,
    MergesCollections,
    MergesTenants,
    ShowsImports,
    SortsValues,
    TrimsValues,
    WritesOneByOne,
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

    fn collection(&self, collection: &str) -> String {
        match self.0 {
            Fault::MergesCollections => collection.to_lowercase(),
            _ => collection.to_owned(),
        }
    }

    fn edit(&self, edit: &KeyValueEdit) -> KeyValueEdit {
        let mut edit = edit.clone();
        edit.collection = self.collection(&edit.collection);
        match self.0 {
            Fault::IgnoresConditions => edit.condition = Default::default(),
            Fault::TrimsValues => edit.value = edit.value.map(|value| value.trim().to_owned()),
            _ => {}
        }
        edit
    }
}

impl KeyValues for Faulty {
    fn edit_key_values<'a>(
        &'a self,
        tenant: &'a TenantId,
        edits: &'a [KeyValueEdit],
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let tenant = self.tenant(tenant);
            let mut edits: Vec<_> = edits.iter().map(|edit| self.edit(edit)).collect();
            match self.0 {
                Fault::KeepsFirst => edits.reverse(),
                Fault::WritesOneByOne => {
                    for edit in edits {
                        if !self.1.edit_key_values(&tenant, &[edit]).await? {
                            return Ok(false);
                        }
                    }
                    return Ok(true);
                }
                _ => {}
            }
            self.1.edit_key_values(&tenant, &edits).await
        })
    }

    fn key_values<'a>(
        &'a self,
        tenant: &'a TenantId,
        collection: &'a str,
        prefix: &'a str,
        after: &'a str,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<KeyValue>, StoreError>> {
        Box::pin(async move {
            let tenant = self.tenant(tenant);
            let collection = self.collection(collection);
            let prefix = if self.0 == Fault::IgnoresPrefixes {
                ""
            } else {
                prefix
            };
            let limit = if self.0 == Fault::IgnoresLimits {
                u32::MAX
            } else {
                limit
            };
            let found = self
                .1
                .key_values(&tenant, &collection, prefix, after, limit)
                .await;
            let mut found = match found {
                Err(StoreError::Importing) if self.0 == Fault::ShowsImports => Vec::new(),
                found => found?,
            };
            match self.0 {
                Fault::IgnoresCase => found.sort_by_key(|found| found.key.to_lowercase()),
                Fault::IncludesStart if !after.is_empty() => {
                    let keys = [after.to_owned()];
                    let first = self.1.key_values_of(&tenant, &collection, &keys).await?;
                    for value in first.into_iter().flatten() {
                        let key = after.to_owned();
                        found.insert(0, KeyValue { key, value });
                    }
                }
                _ => {}
            }
            Ok(found)
        })
    }

    fn key_values_of<'a>(
        &'a self,
        tenant: &'a TenantId,
        collection: &'a str,
        keys: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Option<String>>, StoreError>> {
        Box::pin(async move {
            let tenant = self.tenant(tenant);
            let collection = self.collection(collection);
            let mut keys = keys.to_vec();
            if self.0 == Fault::SortsValues {
                keys.sort();
            }
            let mut found = self.1.key_values_of(&tenant, &collection, &keys).await?;
            if self.0 == Fault::LeavesMissingOut {
                found.retain(Option::is_some);
            }
            Ok(found)
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
