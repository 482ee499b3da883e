//! A store in memory.

mod archive;
mod claim;
mod directory;
mod edges;
mod index;
mod members;
mod order;
mod places;
mod query;
mod table;
mod tenant;
mod undo;

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use scimkit_registry::{Edge, ResourceId, ResourceType};

use self::{directory::Directory, edges::Among, tenant::Tenant};
use crate::{
    Batch, BoxFuture, EdgeQuery, Page, Query, Scope, Store, StoreError, Stored, Support, TenantId,
    Want, Written,
};

/// A store that keeps everything in memory, for tests, examples and small directories; also
/// [who may provision](crate::Tenancy).
///
/// It answers every predicate and sort, its futures are ready at once and need no runtime, and its
/// only clock is [`Batch::at`]. Attributes that are never returned, such as `password`, are not
/// kept at all, so setting one always counts as a change.
///
/// # Example
/// ```
/// use std::{future::Future, pin::pin, sync::Arc, task::{Context, Poll, Waker}};
/// use chrono::DateTime;
/// use scimkit_registry::{Change, ResourceId, Tolerance};
/// use scimkit_store::{Memory, Scope, Settings, StoreError, StoreExt, TenantId};
/// use serde_json::json;
///
/// // Ready at once: one poll is enough.
/// fn now<T>(future: impl Future<Output = T>) -> T {
///     match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
///         Poll::Ready(value) => value,
///         Poll::Pending => unreachable!(),
///     }
/// }
///
/// let store = Memory::new();
/// let settings = Arc::new(Settings::new("https://example.com/scim/v2"));
/// let user = Arc::clone(settings.registry.by_name("User").unwrap());
/// let scope = Scope::new(TenantId::default(), settings);
/// let change = |name| {
///     let body = user.admit(json!({"userName": name}), &Tolerance::DEFAULT)?;
///     Ok::<_, scimkit_registry::Error>(Change::create(Arc::clone(&user), body))
/// };
/// let at = DateTime::UNIX_EPOCH;
/// now(store.create(&scope, at, ResourceId::from("1"), change("bjensen")?)).unwrap();
/// let taken = now(store.create(&scope, at, ResourceId::from("2"), change("BJensen")?));
/// assert!(matches!(taken, Err(StoreError::Taken { attr }) if attr == "userName"));
/// # Ok::<(), scimkit_registry::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Memory {
    directory: RwLock<Directory>,
    /// One lock for each tenant, so that none waits for another's work.
    tenants: RwLock<BTreeMap<TenantId, Arc<RwLock<Tenant>>>>,
}

impl Memory {
    /// A store without resources.
    #[must_use]
    pub fn new() -> Self {
        Memory::default()
    }

    fn tenant(&self, id: &TenantId) -> Option<Arc<RwLock<Tenant>>> {
        shared(&self.tenants).get(id).cloned()
    }

    fn tenant_to_write(&self, id: &TenantId) -> Arc<RwLock<Tenant>> {
        let known = self.tenant(id);
        known.unwrap_or_else(|| Arc::clone(exclusive(&self.tenants).entry(id.clone()).or_default()))
    }
}

impl Store for Memory {
    fn support(&self, _kind: &ResourceType) -> Support {
        Support::full()
    }

    fn edges<'a>(
        &'a self,
        scope: &'a Scope,
        query: &'a EdgeQuery,
    ) -> BoxFuture<'a, Result<Vec<Vec<Edge>>, StoreError>> {
        Box::pin(async move {
            let Some(tenant) = self.tenant(&scope.tenant) else {
                return Ok(vec![Vec::new(); query.owners.len()]);
            };
            let tenant = shared(&tenant);
            let among = Among::First {
                after: query.after.as_ref(),
                limit: most(query.limit),
            };
            let edges = |id| tenant.edges(&scope.settings, &query.kind, query.attr, id, among);
            Ok(query.owners.iter().map(edges).collect())
        })
    }

    fn query<'a>(
        &'a self,
        scope: &'a Scope,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move {
            Ok(match self.tenant(&scope.tenant) {
                Some(tenant) => {
                    let tenant = shared(&tenant);
                    let mut page = tenant.query(&scope.settings, query);
                    let want = Want::edges(query.edges.clone());
                    for stored in &mut page.items {
                        tenant.add_edges(&scope.settings, stored, &want);
                    }
                    page
                }
                None => Tenant::default().query(&scope.settings, query),
            })
        })
    }

    fn read<'a>(
        &'a self,
        scope: &'a Scope,
        kind: &'a Arc<ResourceType>,
        id: &'a ResourceId,
        want: &'a Want,
    ) -> BoxFuture<'a, Result<Stored, StoreError>> {
        Box::pin(async move {
            let tenant = self.tenant(&scope.tenant).ok_or(StoreError::NotFound)?;
            let tenant = shared(&tenant);
            let record = tenant.record(kind, id).ok_or(StoreError::NotFound)?;
            let mut stored = record.stored(kind, id);
            tenant.add_edges(&scope.settings, &mut stored, want);
            Ok(stored)
        })
    }

    fn write<'a>(
        &'a self,
        scope: &'a Scope,
        batch: Batch,
    ) -> BoxFuture<'a, Vec<Result<Written, StoreError>>> {
        Box::pin(async move {
            let tenant = self.tenant_to_write(&scope.tenant);
            let mut tenant = exclusive(&tenant);
            tenant.write_all(scope, batch)
        })
    }
}

fn most(limit: Option<u32>) -> usize {
    limit.map_or(usize::MAX, |limit| {
        usize::try_from(limit).unwrap_or(usize::MAX)
    })
}

// A write checks everything before it changes anything, and what changes does not panic: the data
// behind a poisoned lock is whole.

fn shared<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn exclusive<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
