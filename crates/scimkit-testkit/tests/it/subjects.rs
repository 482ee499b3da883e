//! The contract for stores with fewer features.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use scimkit_core::builtin;
use scimkit_registry::{RegistryBuilder, ResourceId, ResourceType};
use scimkit_store::{
    Batch, BoxFuture, Capabilities, MemoryStore, Page, Query, RequestContext, Settings, Store,
    StoreError, WriteOp, Written,
};
use scimkit_testkit::contract::{self, ContractReport, Subject};

/// A memory store that assigns its own ids, and may ignore requested ones.
#[derive(Debug, Default)]
struct Assigning {
    forgets_filters: bool,
    next: AtomicUsize,
    store: MemoryStore,
}

impl Store for Assigning {
    pass_on!(store: edges read);

    fn support(&self, kind: &ResourceType) -> Capabilities {
        let mut support = self.store.support(kind);
        support.caller_assigned_ids = false;
        support
    }

    fn query<'a>(
        &'a self,
        context: &'a RequestContext,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move {
            let mut query = query.clone();
            if self.forgets_filters {
                query.predicate = None;
            }
            self.store.query(context, &query).await
        })
    }

    fn write<'a>(
        &'a self,
        context: &'a RequestContext,
        mut batch: Batch,
    ) -> BoxFuture<'a, Result<Vec<Result<Written, StoreError>>, StoreError>> {
        for write in &mut batch.writes {
            if let WriteOp::Create { id, .. } = write {
                // In another order than that of the requested ids.
                let number = 1_000_000 - self.next.fetch_add(1, Ordering::Relaxed);
                *id = ResourceId::from(format!("own-{number:07}"));
            }
        }
        self.store.write(context, batch)
    }
}

fn report(subject: &Subject, forgets_filters: bool) -> ContractReport {
    let make = || {
        Arc::new(Assigning {
            forgets_filters,
            ..Assigning::default()
        }) as Arc<dyn Store>
    };
    contract::check_subject(subject, make, &contract::block_on)
}

#[test]
fn store_that_assigns_ids_keeps_the_contract() {
    let report = report(&Subject::default(), false);
    assert!(report.is_success(), "{report}");
    assert!(report.passed() > 40, "{report}");
    let of_ids = report.skipped().map(|(_, reason)| reason);
    let of_ids = of_ids.filter(|reason| reason.starts_with("the store assigns its own ids"));
    assert_eq!(of_ids.count(), report.skipped().count(), "{report}");
}

#[test]
fn fault_of_a_store_that_assigns_ids_is_found() {
    let report = report(&Subject::default(), true);
    assert!(!report.is_success());
    let failed: Vec<_> = report.failed().map(|(name, _)| name).collect();
    assert!(failed.contains(&"filters_match_the_last_write"), "{report}");
}

#[test]
fn skipped_checks_are_counted_separately_with_reasons() {
    let mut settings = Settings::new("https://contract.test/v2");
    let mut users = builtin::user_resource_type();
    users.schema_extensions.clear();
    let registry = RegistryBuilder::default()
        .schema(builtin::user())
        .resource_type(users);
    settings.registry = Arc::new(registry.build().unwrap());
    let subject = Subject::new(settings).without_tenants();
    let report = contract::check_subject(
        &subject,
        || Arc::new(MemoryStore::new()),
        &contract::block_on,
    );
    assert!(report.is_success(), "{report}");
    let passed = report.passed();
    let skipped = report.skipped().count();
    assert_eq!(passed + skipped, contract::checks().len());
    let reason = |check| report.skipped().find(|(name, _)| *name == check).unwrap().1;
    assert_eq!(
        reason("membership_cycles_are_rejected"),
        "the store has no Groups"
    );
    assert_eq!(reason("tenants_are_isolated"), "the store has one tenant");
    let last = report.to_string();
    let last = last.lines().last().unwrap();
    assert_eq!(
        last,
        format!("{passed} passed, 0 failed, {skipped} skipped")
    );
}
