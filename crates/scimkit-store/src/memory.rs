//! A store in memory.

mod admission;
mod archive;
mod batch;
mod edges;
mod facts;
mod id_index;
mod index;
mod journal;
mod key_values;
mod order;
mod page;
mod query;
mod ring;
mod rows;
mod table;
mod tenant;
mod tenant_rows;
mod walk;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError,
        atomic::AtomicU64,
    },
};

use scimkit_registry::{Budget, Edge, ResourceId, ResourceType};

use self::{
    admission::Admitted,
    batch::Writing,
    edges::{EdgeFilter, EdgeReader, EdgeTargets, FoundEdges, wanted},
    page::PageRows,
    query::Asked,
    tenant::Tenant,
    tenant_rows::Directory,
    walk::{Progress, Walk},
};
use crate::{
    Batch, BoxFuture, Capabilities, EdgeQuery, Lane, Page, Query, ReadOptions, RequestContext,
    Settings, Store, StoreError, StoredResource, TenantId, Written, engine::BatchAnswer,
    read_options::most, yield_now,
};

/// A store in memory, for tests, examples and small directories, including tenants, connections and tokens
/// ([`TenantStore`](crate::TenantStore)).
///
/// - It supports every predicate and sort, its futures need no runtime, and its only clock is the time in each call,
///   such as [`Batch::at`].
/// - A long future lets other tasks run about every millisecond, so it is ready only after several polls. The longest
///   queries and writes run on the store's own threads. Dropping a future stops its work, except for a job that is on
///   these threads already.
/// - A query evaluates the resources as of its start, but references to a resource, such as the groups of a user, and
///   the names of members are current ones.
/// - Attributes that are never returned, such as `password`, are not stored, so setting one always counts as a change.
///
/// # Example
/// ```
/// use std::{future::Future, pin::pin, sync::Arc, task::{Context, Poll, Waker}};
/// use chrono::DateTime;
/// use scimkit_registry::{Change, ResourceId, Tolerance};
/// use scimkit_store::{MemoryStore, RequestContext, Settings, StoreError, StoreExt, TenantId};
/// use serde_json::json;
///
/// // These futures never wait for I/O, so polling them in a loop is enough.
/// fn now<T>(future: impl Future<Output = T>) -> T {
///     let mut future = pin!(future);
///     loop {
///         if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
///             return value;
///         }
///     }
/// }
///
/// let store = MemoryStore::new();
/// let settings = Arc::new(Settings::new("https://example.com/scim/v2"));
/// let user = Arc::clone(settings.registry.resource_type("User").unwrap());
/// let context = RequestContext::new(TenantId::default(), settings);
/// let change = |name| {
///     let body = user.admit(json!({"userName": name}), &Tolerance::DEFAULT)?;
///     Ok::<_, scimkit_registry::RequestError>(Change::create(Arc::clone(&user), body))
/// };
/// let at = DateTime::UNIX_EPOCH;
/// now(store.create(&context, at, ResourceId::from("1"), change("bjensen")?)).unwrap();
/// let taken = now(store.create(&context, at, ResourceId::from("2"), change("BJensen")?));
/// assert!(matches!(taken, Err(StoreError::Duplicate { attr }) if attr == "userName"));
/// # Ok::<(), scimkit_registry::RequestError>(())
/// ```
#[derive(Debug, Default)]
pub struct MemoryStore {
    /// The number of imports so far.
    attempts: AtomicU64,
    directory: RwLock<Directory>,
    /// The threads for long evaluations and writes, so that they don't block a thread of the runtime.
    lane: Lane,
    /// The tenants, with one lock each, so that no tenant waits for another.
    tenants: RwLock<BTreeMap<TenantId, Arc<RwLock<Tenant>>>>,
}

impl MemoryStore {
    /// Creates an empty store.
    #[must_use]
    pub fn new() -> Self {
        MemoryStore::default()
    }

    fn tenant(&self, id: &TenantId) -> Option<Arc<RwLock<Tenant>>> {
        shared(&self.tenants).get(id).cloned()
    }

    fn tenant_to_write(&self, id: &TenantId) -> Arc<RwLock<Tenant>> {
        let known = self.tenant(id);
        known.unwrap_or_else(|| Arc::clone(exclusive(&self.tenants).entry(id.clone()).or_default()))
    }
}

impl MemoryStore {
    /// Locks the directory for writing while none of these tenants is locked. Every request reads the directory, so the
    /// holder of this lock must not wait for a long write.
    async fn directory_in_turn(
        &self,
        tenants: &BTreeSet<TenantId>,
    ) -> RwLockWriteGuard<'_, Directory> {
        loop {
            {
                let directory = exclusive(&self.directory);
                let mut known = tenants.iter().filter_map(|id| self.tenant(id));
                if !known.any(|tenant| matches!(tenant.try_read(), Err(TryLockError::WouldBlock))) {
                    return directory;
                }
            }
            yield_now().await;
        }
    }
}

impl Store for MemoryStore {
    fn support(&self, _kind: &ResourceType) -> Capabilities {
        let mut support = Capabilities::full();
        (support.capacities, support.check) = (true, true);
        (support.match_pins, support.journal, support.owners) = (true, true, true);
        support.written_edges = true;
        support
    }

    fn edges<'a>(
        &'a self,
        context: &'a RequestContext,
        query: &'a EdgeQuery,
    ) -> BoxFuture<'a, Result<Vec<Vec<Edge>>, StoreError>> {
        Box::pin(async move {
            let Some(tenant) = self.tenant(&context.tenant) else {
                return Ok(vec![Vec::new(); query.owners.len()]);
            };
            let filter = EdgeFilter::First {
                after: query.after.as_ref(),
                limit: most(query.limit),
            };
            let reader = EdgeReader::new(&context.settings, &query.kind, [query.attr]);
            let mut targets = EdgeTargets::default();
            let found: Vec<_> = {
                let tenant = shared_in_turn(&tenant).await;
                tenant.check_complete()?;
                let find = |id| match tenant.record(&query.kind, id) {
                    Some(record) => reader.find(&tenant, (id, record), filter, &mut targets),
                    None => FoundEdges::default(),
                };
                query.owners.iter().map(find).collect()
            };
            let build = |found| {
                reader
                    .build(found, &targets)
                    .into_iter()
                    .flat_map(|list| list.edges)
            };
            Ok(found.into_iter().map(|one| build(one).collect()).collect())
        })
    }

    fn query<'a>(
        &'a self,
        context: &'a RequestContext,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move {
            let tenant = self.tenant(&context.tenant).unwrap_or_default();
            let settings = &*context.settings;
            let budget = &context.budget;
            let admitted = admitted(&tenant, settings, query, budget).await?;
            let asked = {
                let tenant = shared_in_turn(&tenant).await;
                tenant.check_complete()?;
                let is_long = admitted.is_some() && tenant.has_many(&query.kind);
                (!is_long).then(|| tenant.asked(settings, query))
            };
            let asked = match asked {
                Some(asked) => asked,
                None => self.asked_apart(&tenant, context, query).await?,
            };
            let mut walk = match asked {
                Asked::Found(rows) => Walk::found(settings, query, rows),
                Asked::InOrder(rows) => Walk::in_order(settings, query, rows),
                Asked::Page(page, total) => return Ok(page.build(total)),
                Asked::Unsorted(rows) => Walk::sorting(settings, query, rows),
            };
            let needs_edges = walk.needs_edges();
            loop {
                let looked = if !needs_edges {
                    walk.slice(None, budget)?
                } else {
                    let tenant = shared_in_turn(&tenant).await;
                    walk.slice(Some(&tenant), budget)?
                };
                match looked {
                    Progress::Done => break,
                    Progress::Pause => yield_now().await,
                    Progress::Long(row) => {
                        let (row, evaluate) = walk.long(row, budget);
                        let holds = self.lane.run(&context.tenant, budget, evaluate).await??;
                        let is_enough = match (holds, needs_edges) {
                            (false, _) => false,
                            (true, false) => walk.add(row, None, &budget.meter())?,
                            (true, true) => {
                                let tenant = shared_in_turn(&tenant).await;
                                walk.add(row, Some(&tenant), &budget.meter())?
                            }
                        };
                        if is_enough {
                            break;
                        }
                    }
                }
            }
            let rows = walk.finish();
            let mut page = PageRows::new(settings, query);
            {
                let tenant = shared_in_turn(&tenant).await;
                tenant.check_complete()?;
                page.take_all(&tenant, rows.rows);
            }
            if rows.has_more {
                page.end();
            }
            Ok(page.build(rows.total))
        })
    }

    fn read<'a>(
        &'a self,
        context: &'a RequestContext,
        kind: &'a Arc<ResourceType>,
        id: &'a ResourceId,
        want: &'a ReadOptions,
    ) -> BoxFuture<'a, Result<StoredResource, StoreError>> {
        Box::pin(async move {
            let tenant = self.tenant(&context.tenant).ok_or(StoreError::NotFound)?;
            let edges = wanted(&context.settings, kind, want);
            let mut targets = EdgeTargets::default();
            let (mut stored, found) = {
                let tenant = shared_in_turn(&tenant).await;
                tenant.check_complete()?;
                let record = tenant.record(kind, id).ok_or(StoreError::NotFound)?;
                let found = edges.find_first(&tenant, (id, record), want.limit, &mut targets);
                (record.stored(kind, id), found)
            };
            stored.edges = edges.build(found, &targets);
            Ok(stored)
        })
    }

    fn write<'a>(
        &'a self,
        context: &'a RequestContext,
        batch: Batch,
    ) -> BoxFuture<'a, Result<Vec<Result<Written, StoreError>>, StoreError>> {
        Box::pin(async move {
            let tenant = self.tenant_to_write(&context.tenant);
            let mut writing = Writing::new(&*shared_in_turn(&tenant).await, context, batch);
            if writing.is_long() {
                return self.write_apart(&tenant, context, writing).await;
            }
            loop {
                let is_done = writing.slice(&mut *exclusive_in_turn(&tenant).await, context);
                if is_done {
                    return writing.take_answers();
                }
                yield_now().await;
            }
        })
    }
}

impl MemoryStore {
    /// Searches the indexes on the lane, for a query whose search of the indexes alone takes long.
    async fn asked_apart(
        &self,
        tenant: &Arc<RwLock<Tenant>>,
        context: &RequestContext,
        query: &Query,
    ) -> Result<Asked<'static>, StoreError> {
        let tenant = Arc::clone(tenant);
        let query = query.clone();
        let settings = Arc::clone(&context.settings);
        let ask = move || {
            let tenant = shared(&tenant);
            tenant.check_complete()?;
            Ok(tenant.rows(&settings, &query))
        };
        self.lane.run(&context.tenant, &context.budget, ask).await?
    }

    /// Carries out a batch on the lane, and waits while the lane is full.
    async fn write_apart(
        &self,
        tenant: &Arc<RwLock<Tenant>>,
        context: &RequestContext,
        writing: Writing,
    ) -> BatchAnswer {
        let writing = Arc::new(Mutex::new(writing));
        loop {
            let tenant = Arc::clone(tenant);
            let writing = Arc::clone(&writing);
            let own = context.clone();
            let budget = &context.budget;
            let run = move || {
                let mut writing = writing.lock().unwrap_or_else(PoisonError::into_inner);
                while !writing.slice(&mut exclusive(&tenant), &own) {}
                writing.take_answers()
            };
            match self.lane.run(&context.tenant, budget, run).await {
                Err(StoreError::Busy) => budget.check()?,
                done => return done?,
            }
            yield_now().await;
        }
    }
}

/// Waits until a long query can be evaluated. Other queries don't wait.
async fn admitted(
    tenant: &RwLock<Tenant>,
    settings: &Settings,
    query: &Query,
    budget: &Budget,
) -> Result<Option<Admitted>, StoreError> {
    let queries = {
        let tenant = shared_in_turn(tenant).await;
        if !tenant.is_long(settings, query) {
            return Ok(None);
        }
        Arc::clone(&tenant.long_queries)
    };
    loop {
        if let Some(admitted) = queries.admit() {
            return Ok(Some(admitted));
        }
        budget.check()?;
        // It is polled in turn with the queries before it, so they need not wake it.
        yield_now().await;
    }
}

// The data behind a poisoned lock is consistent: a write checks everything before its first change, and the changes
// don't panic.

fn shared<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn exclusive<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// Locks for reading, and yields to other tasks while a write holds the lock: a long write runs on another thread,
/// and must not block the caller's thread.
async fn shared_in_turn<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    loop {
        match lock.try_read() {
            Ok(guard) => return guard,
            Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {}
        }
        yield_now().await;
    }
}

/// Locks for writing, as [`shared_in_turn`] does for reading.
async fn exclusive_in_turn<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    loop {
        match lock.try_write() {
            Ok(guard) => return guard,
            Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {}
        }
        yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use std::{
        task::{Context, Poll, Waker},
        thread,
        time::{Duration, Instant},
    };

    use chrono::DateTime;
    use scimkit_registry::{Change, Tolerance};
    use serde_json::json;

    use super::*;
    use crate::{OnFailure, WriteOp};

    fn poll<T>(future: &mut BoxFuture<'_, T>) -> Poll<T> {
        let mut context = Context::from_waker(Waker::noop());
        future.as_mut().poll(&mut context)
    }

    #[test]
    fn long_write_waits_if_the_lane_is_full() {
        let store = MemoryStore::new();
        let settings = Arc::new(Settings::new("https://example.com"));
        let user = Arc::clone(settings.registry.resource_type("User").unwrap());
        let context = RequestContext::new(TenantId::default(), settings);
        let create = |n: usize| {
            let body = json!({"userName": format!("user{n}")});
            let body = user.admit(body, &Tolerance::DEFAULT).unwrap();
            WriteOp::Create {
                change: Change::create(Arc::clone(&user), body),
                existing_match: None,
                id: n.to_string().into(),
            }
        };
        let writes: Vec<_> = (0..2_000).map(create).collect();
        let batch = Batch::new(DateTime::UNIX_EPOCH, writes).with_on_failure(OnFailure::RollBack);
        let gate = Arc::new(Mutex::new(()));
        let closed = gate.lock().unwrap();
        let job = |_| {
            let gate = Arc::clone(&gate);
            let wait = move || drop(gate.lock().unwrap());
            let run = store.lane.run(&context.tenant, &context.budget, wait);
            let mut job: BoxFuture<'_, _> = Box::pin(run);
            (poll(&mut job).is_pending(), job)
        };
        let jobs: Vec<_> = (0..100).map(job).collect();
        assert!(jobs.iter().any(|(is_waiting, _)| !is_waiting));
        let mut write = store.write(&context, batch);
        assert!((0..1_000).all(|_| poll(&mut write).is_pending()));
        drop(closed);
        let since = Instant::now();
        let answers = loop {
            match poll(&mut write) {
                Poll::Ready(answers) => break answers.unwrap(),
                Poll::Pending => thread::yield_now(),
            }
            assert!(since.elapsed() < Duration::from_secs(60));
        };
        assert!(answers.len() == 2_000 && answers.iter().all(Result::is_ok));
    }
}
