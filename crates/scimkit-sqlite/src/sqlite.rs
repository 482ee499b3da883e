//! The store itself.

use std::{path::PathBuf, sync::Arc};

use rusqlite::Connection;
use scimkit_registry::{AttrId, Budget, Edge, ResourceId, ResourceType, Role};
use scimkit_store::{
    Batch, BoxFuture, EdgeQuery, Page, Query, Scope, Settings, Store, StoreError, Stored, Support,
    TenantId, Want, Written, targets,
};
use tokio::sync::oneshot;

use crate::{
    OpenError, Options,
    edges::{EdgeReader, First},
    error::{Failure, Outcome},
    file::Place,
    keys,
    lanes::Lane,
    query::page,
    row::Row,
    workers::{Cancelled, Workers, stopped},
    write::Work,
};

/// How often a read is tried again because the schema changed under it.
const SCHEMA_RETRIES: u32 = 3;
/// Edges that a read by id may ask for; one that asks for more waits among the queries.
const LOOKUP_EDGES: usize = 2_000;

/// A store in an SQLite file; also of [who may provision](scimkit_store::Tenancy).
///
/// - A write is acknowledged once it is on the disk. Writes that wait at the same time are committed
///   together, each atomic alone.
/// - One thread writes and others read; the futures need no particular runtime and block none. When
///   too much waits, the answer is [`StoreError::Busy`].
/// - Sign-in and reads by id have threads of their own, so queries never delay them. Of the threads
///   of either kind one tenant never has all: see [`Options::readers`]. A store in memory has one
///   thread for everything, which takes them in turns.
/// - A read stops when [`Scope::budget`] runs out or its future is dropped, also in the middle of a
///   statement.
/// - Several processes may use one file at once.
/// - Filters on `id`, indexed attributes, `meta.created`, `meta.lastModified` and the `value` of
///   memberships are answered by indexes, others by evaluating documents.
/// - When a resource type's schema changed, its lookup keys are made anew at the first use; if that
///   can't be done, a [`StoreError::Backend`] with a [`SchemaError`](crate::SchemaError) says why.
/// - Attributes that are never returned, such as `password`, are not kept, so setting one always
///   counts as a change. Instants are kept in milliseconds, as clients see them.
///
/// Dropping it waits for the work in progress and closes the file.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use chrono::DateTime;
/// use scimkit_registry::{Change, ResourceId, Tolerance};
/// use scimkit_sqlite::Sqlite;
/// use scimkit_store::{Scope, Settings, StoreError, StoreExt, TenantId};
/// use serde_json::json;
/// # use std::{future::Future, pin::pin, task::{Context, Poll, Waker}};
/// # fn block_on<T>(future: impl Future<Output = T>) -> T {
/// #     let mut future = pin!(future);
/// #     loop {
/// #         if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
/// #             return value;
/// #         }
/// #         std::thread::yield_now();
/// #     }
/// # }
///
/// let store = Sqlite::in_memory()?;
/// let settings = Arc::new(Settings::new("https://example.com/scim/v2"));
/// let user = Arc::clone(settings.registry.by_name("User").unwrap());
/// let scope = Scope::new(TenantId::default(), settings);
/// let change = |name| {
///     let body = user.admit(json!({"userName": name}), &Tolerance::DEFAULT).unwrap();
///     Change::create(Arc::clone(&user), body)
/// };
/// let at = DateTime::UNIX_EPOCH;
/// block_on(store.create(&scope, at, ResourceId::from("1"), change("bjensen"))).unwrap();
/// let taken = block_on(store.create(&scope, at, ResourceId::from("2"), change("BJensen")));
/// assert!(matches!(taken, Err(StoreError::Taken { attr }) if attr == "userName"));
/// # Ok::<(), scimkit_sqlite::OpenError>(())
/// ```
#[derive(Debug)]
pub struct Sqlite {
    pub(crate) workers: Workers,
}

impl Sqlite {
    /// Opens a file, made when there is none.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, OpenError> {
        Sqlite::open_with(path, &Options::default())
    }

    /// Opens a file, made when there is none, with options.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_with(path: impl Into<PathBuf>, options: &Options) -> Result<Self, OpenError> {
        let workers = Workers::start(&Place::File(path.into()), options)?;
        Ok(Sqlite { workers })
    }

    /// A store that is gone when it is dropped, for tests and examples.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn in_memory() -> Result<Self, OpenError> {
        let workers = Workers::start(&Place::Memory, &Options::default())?;
        Ok(Sqlite { workers })
    }

    /// Reads in one transaction, once the lookup keys of these types are those of their schemas.
    async fn read_with<T: Send + 'static>(
        &self,
        scope: &Scope,
        lane: Lane,
        kinds: Vec<Arc<ResourceType>>,
        read: impl Fn(EdgeReader<'_>, &Budget) -> Outcome<T> + Clone + Send + 'static,
    ) -> Result<T, StoreError> {
        let mut retries = SCHEMA_RETRIES;
        loop {
            let (settings, tenant) = (Arc::clone(&scope.settings), scope.tenant.clone());
            let (kinds_now, read) = (kinds.clone(), read.clone());
            let place = (lane, Some(tenant.clone()));
            let job = move |connection: &mut Connection, budget: &Budget| {
                in_transaction(connection, &settings, &tenant, &kinds_now, |reader| {
                    read(reader, budget)
                })
            };
            match self.workers.read(place, &scope.budget, job).await? {
                Err(Failure::Outdated) if retries > 0 => retries -= 1,
                outcome => return Ok(outcome?),
            }
            self.keep_up(scope.tenant.clone(), kinds.clone()).await?;
        }
    }

    async fn keep_up(
        &self,
        tenant: TenantId,
        kinds: Vec<Arc<ResourceType>>,
    ) -> Result<(), StoreError> {
        let job = move |connection: &mut Connection| -> Outcome<()> {
            let immediate = rusqlite::TransactionBehavior::Immediate;
            let transaction = connection.transaction_with_behavior(immediate)?;
            for kind in &kinds {
                keys::keep_up(&transaction, tenant.as_str(), kind)?;
            }
            Ok(transaction.commit()?)
        };
        Ok(self.workers.alone(job).await??)
    }
}

impl Store for Sqlite {
    fn support(&self, _kind: &ResourceType) -> Support {
        Support::full()
    }

    fn edges<'a>(
        &'a self,
        scope: &'a Scope,
        query: &'a EdgeQuery,
    ) -> BoxFuture<'a, Result<Vec<Vec<Edge>>, StoreError>> {
        Box::pin(async move {
            let kinds = involved(&scope.settings, &query.kind, &[query.attr]);
            let lane = match query.limit.map(|limit| query.owners.len() * limit as usize) {
                Some(edges) if edges <= LOOKUP_EDGES => Lane::Lookup,
                _ => Lane::Query,
            };
            let query = Arc::new(query.clone());
            self.read_with(scope, lane, kinds, move |reader, _| {
                // One statement for each owner: there is no network between, and the rows of an
                // owner come in order by themselves.
                let EdgeQuery { attr, kind, .. } = &*query;
                let first = First {
                    after: query.after.as_ref().map_or("", ResourceId::as_str),
                    limit: query.limit,
                };
                let edges = |id: &ResourceId| reader.edges(kind, *attr, id.as_str(), first);
                query.owners.iter().map(edges).collect()
            })
            .await
        })
    }

    fn query<'a>(
        &'a self,
        scope: &'a Scope,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move {
            let mut attrs = query
                .predicate
                .as_ref()
                .map_or_else(Vec::new, |p| p.attributes());
            attrs.extend(query.sort.map(|sort| sort.attr));
            attrs.extend(&query.edges);
            let kinds = involved(&scope.settings, &query.kind, &attrs);
            let query = Arc::new(query.clone());
            self.read_with(scope, Lane::Query, kinds, move |reader, budget| {
                let (connection, settings) = (reader.connection, reader.settings);
                let mut page = page(connection, settings, reader.tenant, &query, budget)?;
                let want = Want::edges(query.edges.clone());
                for stored in &mut page.items {
                    reader.add_edges(stored, &want)?;
                }
                Ok(page)
            })
            .await
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
            // A row alone: no lookup key is asked.
            let kinds = match want.edges.is_empty() {
                true => Vec::new(),
                false => involved(&scope.settings, kind, &want.edges),
            };
            let is_one = |attr: &AttrId| kind.attr(*attr).role() == Role::Reference;
            let limit = want.limit.map(|limit| limit as usize);
            let lane = match limit {
                Some(edges) if edges <= LOOKUP_EDGES => Lane::Lookup,
                _ if want.edges.iter().all(is_one) => Lane::Lookup,
                _ => Lane::Query,
            };
            let (kind, id, want) = (Arc::clone(kind), id.clone(), want.clone());
            self.read_with(scope, lane, kinds, move |reader, _| {
                let row = Row::find(reader.connection, reader.tenant, &kind, id.as_str())?;
                let mut stored = row.ok_or(StoreError::NotFound)?.stored(&kind)?;
                reader.add_edges(&mut stored, &want)?;
                Ok(stored)
            })
            .await
        })
    }

    fn write<'a>(
        &'a self,
        scope: &'a Scope,
        batch: Batch,
    ) -> BoxFuture<'a, Vec<Result<Written, StoreError>>> {
        Box::pin(async move {
            let writes = batch.writes.len();
            let (answer, answered) = oneshot::channel();
            let settings = Arc::clone(&scope.settings);
            let cancelled = Cancelled(scope.budget.part());
            let work = Work {
                answer,
                batch,
                budget: cancelled.0.clone(),
                by: scope.connection.clone(),
                settings,
                tenant: scope.tenant.clone(),
            };
            match self.workers.write(work) {
                Err(StoreError::Busy) => (0..writes).map(|_| Err(StoreError::Busy)).collect(),
                Err(_) => (0..writes).map(|_| Err(stopped())).collect(),
                Ok(()) => match answered.await {
                    Ok(answers) => answers,
                    Err(_) => (0..writes).map(|_| Err(stopped())).collect(),
                },
            }
        })
    }
}

fn in_transaction<T>(
    connection: &mut Connection,
    settings: &Settings,
    tenant: &TenantId,
    kinds: &[Arc<ResourceType>],
    read: impl Fn(EdgeReader<'_>) -> Outcome<T>,
) -> Outcome<T> {
    // Dropped, it is rolled back: nothing was written.
    let transaction = connection.transaction()?;
    let tenant = tenant.as_str();
    keys::check_current(&transaction, tenant, kinds)?;
    read(EdgeReader {
        connection: &transaction,
        settings,
        tenant,
    })
}

/// The type, and those whose names its edges show.
fn involved(
    settings: &Settings,
    kind: &Arc<ResourceType>,
    attrs: &[AttrId],
) -> Vec<Arc<ResourceType>> {
    let mut kinds = vec![Arc::clone(kind)];
    for attr in attrs {
        let top = kind.attr(*attr).parent().unwrap_or(*attr);
        let leads = kind.is_computed(*attr) || kind.children(top).any(|a| kind.is_computed(a.id()));
        if !leads {
            continue;
        }
        for target in targets(&settings.registry, kind, top) {
            if !kinds.iter().any(|known| known.name() == target.name()) {
                kinds.push(Arc::clone(target));
            }
        }
    }
    kinds
}
