//! The SQLite store.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use rusqlite::Connection;
use scimkit_registry::{AttrId, AttributeRole, Budget, Edge, ResourceId, ResourceType};
use scimkit_sql::reference::EdgeRange;
use scimkit_store::{
    Batch, BoxFuture, Capabilities, EdgeQuery, Page, Query, ReadOptions, RequestContext, Store,
    StoreError, StoredResource, Written,
};
use tokio::sync::oneshot;

use crate::{
    OpenError, SqliteOptions,
    definitions::Texts,
    edges::{EdgeReader, EdgeSource},
    error::Outcome,
    file::DatabaseLocation,
    imports,
    lanes::Lane,
    query::page,
    row::Row,
    statement::Moment,
    workers::{Cancelled, Workers, stopped},
    write::Work,
};

/// The maximum number of edges that a read by id in the lookup lane may request; a larger read waits with the
/// queries.
const LOOKUP_EDGES: usize = 2_000;

/// A store in an SQLite file, which also stores [tenants, connections and tokens](scimkit_store::TenantStore).
///
/// - By default, a write is acknowledged once it is on the disk: see [`SqliteOptions::synchronous`]. Writes that
///   wait at the same time are committed together, but each one succeeds or fails alone.
/// - One thread writes and others read. The futures work with any runtime and never block. If too many requests
///   wait, the store returns [`StoreError::Busy`].
/// - Authentication and reads by id have their own threads, so queries never delay them. With at least two threads
///   of each kind, one tenant never occupies all of them: see [`SqliteOptions::readers`]. A store in memory has a
///   single thread, which takes the kinds of work in turn.
/// - A read stops when [`RequestContext::budget`] is exhausted or its future is dropped, even in the middle of a
///   statement.
/// - Several processes can use one file at the same time.
/// - Filters on `id`, indexed attributes, `meta.created`, `meta.lastModified` and the `value` of memberships use
///   indexes. Other filters are evaluated on the documents.
/// - Processes may use different schemas, for example during a rolling upgrade. A resource is found by the lookup
///   keys of the schema under which it was written, or by evaluating its document if the schemas index different
///   attributes; [`reindex`](Self::reindex) rebuilds the keys. Adding an attribute that is not indexed needs no new
///   keys.
/// - Attributes that are never returned, such as `password`, are not stored, so setting one always counts as a
///   change. Instants are stored in milliseconds, as clients see them.
///
/// Dropping the store waits for the work in progress and closes the file.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use chrono::DateTime;
/// use scimkit_registry::{Change, ResourceId, Tolerance};
/// use scimkit_sqlite::SqliteStore;
/// use scimkit_store::{RequestContext, Settings, StoreError, StoreExt, TenantId};
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
/// let store = SqliteStore::in_memory()?;
/// let settings = Arc::new(Settings::new("https://example.com/scim/v2"));
/// let user = Arc::clone(settings.registry.resource_type("User").unwrap());
/// let context = RequestContext::new(TenantId::default(), settings);
/// let change = |name| {
///     let body = user.admit(json!({"userName": name}), &Tolerance::DEFAULT).unwrap();
///     Change::create(Arc::clone(&user), body)
/// };
/// let at = DateTime::UNIX_EPOCH;
/// block_on(store.create(&context, at, ResourceId::from("1"), change("bjensen"))).unwrap();
/// let taken = block_on(store.create(&context, at, ResourceId::from("2"), change("BJensen")));
/// assert!(matches!(taken, Err(StoreError::Duplicate { attr }) if attr == "userName"));
/// # Ok::<(), scimkit_sqlite::OpenError>(())
/// ```
#[derive(Debug)]
pub struct SqliteStore {
    pub(crate) is_reindexing: Arc<AtomicBool>,
    pub(crate) reindex_after: Duration,
    pub(crate) workers: Workers,
}

impl SqliteStore {
    /// Opens a file, and creates it if it does not exist.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, OpenError> {
        SqliteStore::open_with(path, &SqliteOptions::default())
    }

    /// Opens a file with these options, and creates it if it does not exist.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_with(path: impl Into<PathBuf>, options: &SqliteOptions) -> Result<Self, OpenError> {
        SqliteStore::start(&DatabaseLocation::File(path.into()), options)
    }

    /// Creates a store in memory, for tests and examples. Its data are lost when it is dropped.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn in_memory() -> Result<Self, OpenError> {
        SqliteStore::start(&DatabaseLocation::Memory, &SqliteOptions::default())
    }

    fn start(place: &DatabaseLocation, options: &SqliteOptions) -> Result<Self, OpenError> {
        Ok(SqliteStore {
            is_reindexing: Arc::default(),
            reindex_after: options.reindex_after,
            workers: Workers::start(place, options)?,
        })
    }

    /// Reads in one transaction.
    async fn read_with<T: Send + 'static>(
        &self,
        context: &RequestContext,
        lane: Lane,
        read: impl FnOnce(EdgeReader<'_>, &Budget) -> Outcome<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.read_untransacted(context, lane, |reader, budget| {
            let _moment = Moment::begin(reader.connection)?;
            imports::check_complete(reader.connection, reader.tenant)?;
            read(reader, budget)
        })
        .await
    }

    /// Reads without a transaction, through one statement and those that are executed before it ends.
    async fn read_untransacted<T: Send + 'static>(
        &self,
        context: &RequestContext,
        lane: Lane,
        read: impl FnOnce(EdgeReader<'_>, &Budget) -> Outcome<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let settings = Arc::clone(&context.settings);
        let tenant = context.tenant.clone();
        let place = (lane, Some(tenant.clone()));
        let job = move |connection: &mut Connection, budget: &Budget| {
            let reader = EdgeReader {
                connection,
                settings: &settings,
                tenant: tenant.as_str(),
            };
            read(reader, budget)
        };
        Ok(self.workers.read(place, &context.budget, job).await??)
    }
}

/// Returns the capabilities, which are the same for every type.
fn support() -> Capabilities {
    let mut support = Capabilities::full();
    (support.capacities, support.check) = (true, true);
    (support.match_pins, support.journal, support.owners) = (true, true, true);
    support.written_edges = true;
    support
}

impl Store for SqliteStore {
    fn support(&self, _kind: &ResourceType) -> Capabilities {
        support()
    }

    fn edges<'a>(
        &'a self,
        context: &'a RequestContext,
        query: &'a EdgeQuery,
    ) -> BoxFuture<'a, Result<Vec<Vec<Edge>>, StoreError>> {
        Box::pin(async move {
            let lane = match query.limit.map(|limit| query.owners.len() * limit as usize) {
                Some(edges) if edges <= LOOKUP_EDGES => Lane::Lookup,
                _ => Lane::Query,
            };
            let query = query.clone();
            self.read_with(context, lane, move |reader, _| {
                let owners: Vec<_> = query.owners.iter().map(ResourceId::as_str).collect();
                let source = EdgeSource {
                    attr: query.attr,
                    documents: None,
                    kind: &query.kind,
                    max_bytes: u64::MAX,
                    owners: &owners,
                };
                let range = EdgeRange {
                    after: query.after.as_ref().map_or("", ResourceId::as_str),
                    limit: query.limit,
                };
                reader.edges_of_each(source, range)
            })
            .await
        })
    }

    fn query<'a>(
        &'a self,
        context: &'a RequestContext,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move {
            let asked = query.clone();
            let read = move |reader: EdgeReader<'_>, budget: &Budget| page(reader, &asked, budget);
            let read = self.read_untransacted(context, Lane::Query, read);
            let (page, is_keyed) = read.await?;
            if !is_keyed {
                self.reindex_some(&context.tenant, &query.kind);
            }
            Ok(page)
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
            let is_one = |attr: &AttrId| kind.attr(*attr).role() == AttributeRole::Reference;
            let limit = want.limit.map(|limit| limit as usize);
            let lane = match limit {
                Some(edges) if edges <= LOOKUP_EDGES => Lane::Lookup,
                _ if want.edges.iter().all(is_one) => Lane::Lookup,
                _ => Lane::Query,
            };
            let kind = Arc::clone(kind);
            let id = id.clone();
            let want = want.clone();
            self.read_untransacted(context, lane, move |reader, _| {
                let EdgeReader {
                    connection, tenant, ..
                } = reader;
                let texts = Texts::new(connection, &kind);
                Row::read_complete(
                    connection,
                    (tenant, &kind),
                    id.as_str(),
                    |row, is_member| {
                        let mut stored = row.stored(&texts)?;
                        reader.add_edges((&kind, is_member), &mut stored, &want)?;
                        Ok(stored)
                    },
                )
            })
            .await
        })
    }

    fn write<'a>(
        &'a self,
        context: &'a RequestContext,
        batch: Batch,
    ) -> BoxFuture<'a, Result<Vec<Result<Written, StoreError>>, StoreError>> {
        Box::pin(async move {
            support().check_batch(&context.settings, &batch)?;
            let (answer, answered) = oneshot::channel();
            let settings = Arc::clone(&context.settings);
            let cancelled = Cancelled(context.budget.part());
            let work = Work {
                answer,
                batch,
                budget: cancelled.0.clone(),
                settings,
                tenant: context.tenant.clone(),
            };
            self.workers.write(work)?;
            answered.await.unwrap_or_else(|_| Err(stopped()))
        })
    }
}
