//! A complete store over a database of rows, such as your own tables or another service.
//!
//! A [`RowDatabase`] opens transactions, loads facts and applies operations. [`RowStore`] turns it into a [`Store`].
//! The [engine](crate::engine) decides every write, so a database contains no rules:
//!
//! - The database may decide ids, versions, times and defaults: [`Rows::apply`] returns the current rows, and the
//!   results of the writes have their values.
//! - If the database [rejects](RowsError::Rejected) a row, the writes of that row fail, and no others. After a unique
//!   constraint, the facts are first loaded again, since another transaction may have been faster.
//! - A [lost](RowsError::Lost) transaction is retried, with at most three attempts in all.
//! - A dry run is a transaction that is not committed, so it also reports rows that only the database rejects.
//!
//! A small database need not handle facts and operations: [`Simple`] turns a [`SimpleDatabase`] into a [`RowDatabase`].
//! A [`SimpleDatabase`] only finds, puts and removes single rows, and, if there are groups, finds, links and unlinks
//! their members. For databases that store values instead of columns, [`FoundRow`](crate::engine::FoundRow) and
//! [`EdgeRow`] can be serialised. Other databases can use the same functions: [`Needs::lookups`], [`satisfying`] and [`page`].
//!
//! [`Needs::lookups`]: crate::engine::Needs::lookups
//! [`Rows::apply`]: crate::engine::Rows::apply

mod lookup;
mod page;
mod record;
mod simple;

use std::{collections::BTreeSet, fmt, future::Future, sync::Arc};

use scimkit_registry::{Edge, ResourceId, ResourceType};

pub use self::{
    lookup::{LookupBy, LookupResults, Lookups, RowLookup, RowLookups},
    page::{Evaluator, page, satisfying},
    simple::{
        EdgeRow, EdgesBy, Simple, SimpleDatabase, SimpleRows, SimpleTransaction, TransactionMode,
    },
};
use crate::{
    Batch, BoxFuture, Capabilities, EdgeQuery, Intent, Page, Query, ReadOptions, RequestContext,
    Store, StoreError, StoredResource, WriteOp,
    engine::{BatchAnswer, Decision, Rejection, Rows, RowsError, WriteRequest, write},
};

/// The number of lost transactions after which a batch fails.
const LOST: u32 = 3;

/// The maximum number of transactions for a batch, in addition to two per write, each of which a constraint may reject.
const RACES: usize = 16;

/// A database that stores resources as rows.
///
/// All methods can be written as `async fn`. `edges`, `query` and `read` have the contract of the methods of
/// [`Store`] with these names.
///
/// # Example
/// See [`SimpleDatabase`], which [`Simple`] turns into a `RowDatabase`.
pub trait RowDatabase: fmt::Debug + Send + Sync + 'static {
    /// An open transaction.
    type Transaction<'a>: RowTransaction + 'a;

    /// Begins a transaction for a write. No other write of the tenant may run next to it: take a lock on the tenant,
    /// or let the database serialise them.
    ///
    /// # Errors
    /// The database failed; [`RowsError::Lost`] if a retry may succeed.
    fn begin<'a>(
        &'a self,
        context: &'a RequestContext,
    ) -> impl Future<Output = Result<Self::Transaction<'a>, RowsError>> + Send;

    /// Returns the edges of several owners: see [`Store::edges`].
    ///
    /// # Errors
    /// As for [`Store::edges`].
    fn edges(
        &self,
        context: &RequestContext,
        query: &EdgeQuery,
    ) -> impl Future<Output = Result<Vec<Vec<Edge>>, StoreError>> + Send;

    /// Returns one page of resources: see [`Store::query`].
    ///
    /// # Errors
    /// As for [`Store::query`].
    fn query(
        &self,
        context: &RequestContext,
        query: &Query,
    ) -> impl Future<Output = Result<Page, StoreError>> + Send;

    /// Returns one resource: see [`Store::read`].
    ///
    /// # Errors
    /// As for [`Store::read`].
    fn read(
        &self,
        context: &RequestContext,
        kind: &Arc<ResourceType>,
        id: &ResourceId,
        want: &ReadOptions,
    ) -> impl Future<Output = Result<StoredResource, StoreError>> + Send;

    /// Returns the capabilities of the database for a resource type: the facts that it can load, the queries that it
    /// supports, and whether it stores the ids of creates.
    ///
    /// [`RowStore`] sets [`Capabilities::check`] and [`Capabilities::match_pins`] itself. With
    /// [`Capabilities::written_edges`], a transaction has to load
    /// [`Needs::shown_members`](crate::engine::Needs::shown_members) and the other facts for the edges in results.
    fn support(&self, kind: &ResourceType) -> Capabilities;
}

/// The rows of one tenant inside an open transaction.
///
/// Dropping it without [`commit`](Self::commit) rolls the transaction back.
pub trait RowTransaction: Rows + Send {
    /// Gives ids to the creates of a batch, if the database makes them; otherwise returns at once. It is called before
    /// anything else, so that the ids are known when the batch is decided, and once per batch: attempts after
    /// the first one use the same ids.
    ///
    /// # Errors
    /// The transaction has to be rolled back.
    fn assign_ids(
        &mut self,
        writes: &mut [WriteOp],
    ) -> impl Future<Output = Result<(), RowsError>> + Send;

    /// Makes the applied operations durable and visible.
    ///
    /// # Errors
    /// - [`RowsError::Lost`], only if it is certain that nothing was committed
    /// - [`RowsError::Rejected`]: a constraint that the database checks at the commit rejects a row
    /// - [`RowsError::Failed`]: any other failure
    fn commit(self) -> impl Future<Output = Result<(), RowsError>> + Send;
}

/// A [`Store`] over a [`RowDatabase`].
///
/// Each batch is decided in its own transaction, and those of one tenant one after another.
///
/// # Example
/// See [`SimpleDatabase`].
#[derive(Debug)]
pub struct RowStore<D> {
    database: D,
}

impl<D: RowDatabase> RowStore<D> {
    /// Creates a store over a database.
    #[must_use]
    pub fn new(database: D) -> Self {
        RowStore { database }
    }

    /// Returns the database.
    #[must_use]
    pub fn database(&self) -> &D {
        &self.database
    }

    async fn write_batch(&self, context: &RequestContext, batch: Batch) -> BatchAnswer {
        batch.check_support(&context.settings, |kind| self.support(kind))?;
        let intent = batch.intent;
        let writes = batch.writes.len();
        let mut request = WriteRequest::in_context(context, batch);
        // A dry run applies its operations as well, but is not committed.
        request.batch.intent = Intent::Commit;
        let mut pending = Pending {
            decision: None,
            request: Some(request),
        };
        let (mut lost, mut rejected) = (0, BTreeSet::new());
        for _ in 0..writes.saturating_mul(2).saturating_add(RACES) {
            context.budget.check()?;
            match self.transact(context, &mut pending, intent).await {
                Ok(answer) => return answer,
                Err(RowsError::Rejected(rejection)) => {
                    // Another transaction may have added the duplicate, so the first time the facts are loaded again.
                    let is_race = matches!(rejection, Rejection::Duplicate { .. });
                    if !rejected.insert(rejection.clone()) || !is_race {
                        pending.reject(rejection);
                    }
                }
                Err(RowsError::Lost(error)) => {
                    lost += 1;
                    if lost == LOST {
                        return Err(error);
                    }
                }
                Err(RowsError::Failed(error)) => return Err(error),
            }
            pending.restart();
        }
        Err(StoreError::Busy)
    }

    /// Decides a batch in one transaction, and commits it unless it is only checked.
    async fn transact(
        &self,
        context: &RequestContext,
        pending: &mut Pending,
        intent: Intent,
    ) -> Result<BatchAnswer, RowsError> {
        let mut transaction = self.database.begin(context).await?;
        if let Some(request) = &mut pending.request {
            transaction.assign_ids(&mut request.batch.writes).await?;
        }
        let mut answers = write(&mut transaction, pending.decision()?).await?;
        if intent == Intent::Commit {
            transaction.commit().await?;
        }
        Ok(answers.pop().unwrap_or_else(|| Ok(Vec::new())))
    }
}

/// A batch on its way through one or more transactions.
#[derive(Debug)]
struct Pending {
    // INVARIANT: there is a decision or a request.
    decision: Option<Decision>,
    /// The batch before its decision, in which the ids of new resources may be assigned.
    request: Option<WriteRequest>,
}

impl Pending {
    fn decision(&mut self) -> Result<&mut Decision, StoreError> {
        if let Some(request) = self.request.take() {
            self.decision = Some(Decision::new(request));
        }
        self.decision.as_mut().ok_or(StoreError::Busy)
    }

    fn reject(&mut self, rejection: Rejection) {
        if let Some(decision) = &mut self.decision {
            decision.reject(rejection);
        }
    }

    fn restart(&mut self) {
        if let Some(decision) = &mut self.decision {
            decision.restart();
        }
    }
}

impl<D: RowDatabase> Store for RowStore<D> {
    fn support(&self, kind: &ResourceType) -> Capabilities {
        let mut support = self.database.support(kind);
        (support.check, support.match_pins) = (true, support.existing_matches);
        support
    }

    fn edges<'a>(
        &'a self,
        context: &'a RequestContext,
        query: &'a EdgeQuery,
    ) -> BoxFuture<'a, Result<Vec<Vec<Edge>>, StoreError>> {
        Box::pin(self.database.edges(context, query))
    }

    fn query<'a>(
        &'a self,
        context: &'a RequestContext,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move {
            self.support(&query.kind).check_query(query)?;
            self.database.query(context, query).await
        })
    }

    fn read<'a>(
        &'a self,
        context: &'a RequestContext,
        kind: &'a Arc<ResourceType>,
        id: &'a ResourceId,
        want: &'a ReadOptions,
    ) -> BoxFuture<'a, Result<StoredResource, StoreError>> {
        Box::pin(self.database.read(context, kind, id, want))
    }

    fn write<'a>(
        &'a self,
        context: &'a RequestContext,
        batch: Batch,
    ) -> BoxFuture<'a, BatchAnswer> {
        Box::pin(self.write_batch(context, batch))
    }
}
