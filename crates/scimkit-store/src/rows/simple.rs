//! Databases that are read and written row by row.

mod edges;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    future::Future,
    sync::Arc,
};

use scimkit_registry::{Edge, Predicate, ResourceId, ResourceType};

use super::{
    LookupBy, LookupResults, Lookups, RowDatabase, RowLookups, RowTransaction, page, satisfying,
};
use crate::{
    Capabilities, EdgeQuery, Page, Query, ReadOptions, RequestContext, StoreError, StoredResource,
    WriteOp,
    engine::{
        Applied, Facts, FoundRow, MemberList, Members, Needs, NewMember, NewMembers, Operations,
        ResourceRow, RowBump, RowEdit, RowRef, RowState, Rows, RowsError,
    },
};

/// The purpose of a transaction: reading or writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a transaction reads or writes")]
pub enum TransactionMode {
    /// The transaction only reads, and sees the rows of one moment.
    Read,
    /// The transaction writes, and no other transaction writes the tenant's rows meanwhile.
    Write,
}

/// A database that is read and written row by row, for small stores.
///
/// [`Simple`] turns it into a [`RowDatabase`], which has these costs:
/// - A list reads every row that satisfies the filter, or all rows if [`SimpleTransaction::find`] does not narrow
///   them down.
/// - The result of a write with members reads all members, even if it has only the first ones.
/// - A change of one member reads all members, unless [`SimpleTransaction::edges`] narrows them down.
/// - Nested groups are followed level by level, with one look-up per level.
///
/// # Example
/// A table of users in memory:
/// ```
#[doc = include_str!("example.rs")]
/// ```
pub trait SimpleDatabase: fmt::Debug + Send + Sync + 'static {
    /// An open transaction.
    type Transaction<'a>: SimpleTransaction + 'a;

    /// Begins a transaction.
    ///
    /// # Errors
    /// The database failed; [`RowsError::Lost`] if a retry may succeed.
    fn begin<'a>(
        &'a self,
        context: &'a RequestContext,
        mode: TransactionMode,
    ) -> impl Future<Output = Result<Self::Transaction<'a>, RowsError>> + Send;

    /// Returns the capabilities of the database for a resource type. [`Simple`] adds filters, sorting, cursors, and
    /// edges in the results of writes.
    fn support(&self, kind: &ResourceType) -> Capabilities;
}

/// A stored edge.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "the columns of an edge")]
pub struct EdgeRow {
    /// The owner and the attribute.
    pub list: MemberList,
    /// The member.
    pub member: NewMember,
}

/// The edges that a [`SimpleTransaction`] looks for.
#[derive(Debug, Clone)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every store must support every look-up"
)]
pub enum EdgesBy {
    /// The edges of these owners and attributes.
    Lists(BTreeSet<MemberList>),
    /// The edges of one owner and attribute to these members.
    Members(MemberList, BTreeSet<ResourceId>),
    /// The edges to these resources, of any owner and attribute.
    Targets(BTreeSet<ResourceId>),
}

/// An open transaction on the rows of one tenant.
///
/// Dropping it without [`commit`](Self::commit) rolls the transaction back. A database without memberships need not
/// implement the methods for edges.
pub trait SimpleTransaction: Send {
    /// Makes the writes durable and visible.
    ///
    /// # Errors
    /// As for [`RowTransaction::commit`].
    fn commit(self) -> impl Future<Output = Result<(), RowsError>> + Send;

    /// Returns all rows of the look-up, and possibly others, which [`Simple`] ignores. A database may evaluate only a
    /// part of a predicate, or nothing.
    ///
    /// # Errors
    /// The database failed. The caller rolls the transaction back.
    fn find(
        &mut self,
        by: &LookupBy,
    ) -> impl Future<Output = Result<Vec<FoundRow>, RowsError>> + Send;

    /// Inserts a row or replaces the row with its id, and returns it with the id and version that the database assigns.
    ///
    /// A row whose edges change is put again, with the time of that change. It needs a new version then, even if its
    /// document and time are the same.
    ///
    /// # Errors
    /// [`RowsError::Rejected`] if a constraint rejects the row, otherwise the database failed.
    fn put(
        &mut self,
        row: &ResourceRow,
    ) -> impl Future<Output = Result<FoundRow, RowsError>> + Send;

    /// Removes a row.
    ///
    /// # Errors
    /// The database failed. The caller rolls the transaction back.
    fn remove(&mut self, row: &RowRef) -> impl Future<Output = Result<(), RowsError>> + Send;

    /// Returns all edges of the look-up, and possibly others, which [`Simple`] ignores. By default there are no edges.
    ///
    /// # Errors
    /// The database failed. The caller rolls the transaction back.
    fn edges(
        &mut self,
        by: &EdgesBy,
    ) -> impl Future<Output = Result<Vec<EdgeRow>, RowsError>> + Send {
        let _ = by;
        std::future::ready(Ok(Vec::new()))
    }

    /// Adds edges that one owner does not have yet.
    ///
    /// # Errors
    /// The database failed; [`StoreError::Unsupported`] by default. The caller rolls the transaction back.
    fn link(&mut self, edges: &NewMembers) -> impl Future<Output = Result<(), RowsError>> + Send {
        let _ = edges;
        std::future::ready(Err(no_memberships()))
    }

    /// Removes edges of one owner.
    ///
    /// # Errors
    /// The database failed; [`StoreError::Unsupported`] by default. The caller rolls the transaction back.
    fn unlink(&mut self, edges: &Members) -> impl Future<Output = Result<(), RowsError>> + Send {
        let _ = edges;
        std::future::ready(Err(no_memberships()))
    }
}

fn no_memberships() -> RowsError {
    let feature = "memberships";
    StoreError::Unsupported { feature }.into()
}

/// A [`RowDatabase`] over a [`SimpleDatabase`].
///
/// # Example
/// See [`SimpleDatabase`].
#[derive(Debug)]
pub struct Simple<D> {
    database: D,
}

impl<D: SimpleDatabase> Simple<D> {
    /// Creates a [`RowDatabase`] over a database.
    #[must_use]
    pub fn new(database: D) -> Self {
        Simple { database }
    }

    /// Returns the database.
    #[must_use]
    pub fn database(&self) -> &D {
        &self.database
    }

    async fn read<'a>(
        &'a self,
        context: &'a RequestContext,
    ) -> Result<SimpleRows<'a, D::Transaction<'a>>, StoreError> {
        let transaction = self.database.begin(context, TransactionMode::Read).await?;
        Ok(SimpleRows {
            context,
            transaction,
        })
    }
}

/// The rows of a transaction, found by [look-ups](RowLookups).
#[derive(Debug)]
pub struct SimpleRows<'a, T> {
    context: &'a RequestContext,
    transaction: T,
}

impl<'a, T> SimpleRows<'a, T> {
    /// Creates the rows of an open transaction, for a [`RowDatabase`] that handles some needs and operations itself and
    /// leaves the others to this.
    #[must_use]
    pub fn new(context: &'a RequestContext, transaction: T) -> Self {
        SimpleRows {
            context,
            transaction,
        }
    }

    /// Returns the transaction.
    pub fn transaction_mut(&mut self) -> &mut T {
        &mut self.transaction
    }

    /// Returns the transaction, to commit it.
    #[must_use]
    pub fn into_transaction(self) -> T {
        self.transaction
    }
}

impl<T: RowLookups> SimpleRows<'_, T> {
    /// Returns exactly the rows and edges of look-ups. Without any, the transaction is not asked.
    async fn look_up(&mut self, lookups: &Lookups) -> Result<LookupResults, RowsError> {
        if lookups.rows.is_empty() && lookups.edges.is_empty() {
            return Ok(LookupResults::default());
        }
        let mut results = self.transaction.look_up(lookups).await?;
        for (by, rows) in lookups.rows.iter().zip(&mut results.rows) {
            match by {
                LookupBy::Ids(ids) => rows.retain(|row| ids.contains(&row.head.id)),
                LookupBy::Predicate {
                    kind,
                    predicate,
                    state,
                } => {
                    rows.retain(|row| row.head.state == *state && *row.head.kind == *kind.name());
                    let found = std::mem::take(rows);
                    *rows = satisfying(self.context, kind, predicate, found)?;
                }
            }
        }
        for (by, edges) in lookups.edges.iter().zip(&mut results.edges) {
            edges.retain(|edge| by.selects(edge));
        }
        Ok(results)
    }

    /// Returns the live rows with these ids.
    async fn live(
        &mut self,
        ids: BTreeSet<ResourceId>,
    ) -> Result<BTreeMap<ResourceId, FoundRow>, RowsError> {
        let mut lookups = Lookups::default();
        lookups.add_ids(ids);
        Ok(live_rows(self.look_up(&lookups).await?.rows))
    }

    /// Returns one live resource: see [`Store::read`](crate::Store::read).
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or the database failed.
    pub async fn read(
        &mut self,
        kind: &Arc<ResourceType>,
        id: &ResourceId,
        want: &ReadOptions,
    ) -> Result<StoredResource, StoreError> {
        let ids = BTreeSet::from([id.clone()]);
        let mut lookups = Lookups::default();
        lookups.edges = edges::lookups(kind, &want.edges, &ids);
        lookups.add_ids(ids);
        let results = self.look_up(&lookups).await?;
        let row = live_rows(results.rows).remove(id);
        let row = row.filter(|row| *row.head.kind == *kind.name());
        let mut stored = [row.ok_or(StoreError::NotFound)?.into_stored()];
        let edges = results.edges.into_iter().flatten().collect();
        let part = (&*want.edges, None, want.limit);
        self.fill_in_edges(kind, &mut stored, part, edges).await?;
        let [stored] = stored;
        Ok(stored)
    }
}

impl<T: SimpleTransaction> SimpleRows<'_, T> {
    /// Returns a row with the version and time of a bump.
    async fn bumped(&mut self, bump: &RowBump) -> Result<ResourceRow, RowsError> {
        let row = self.live(BTreeSet::from([bump.id.clone()])).await?;
        let row = row.into_values().next().ok_or(StoreError::NotFound)?;
        let kind = self.context.settings.registry.resource_type(&row.head.kind);
        Ok(row.bumped(kind.ok_or(StoreError::NotFound)?, bump))
    }
}

impl FoundRow {
    /// Returns the row with the version and time of a bump; `kind` is its type.
    #[must_use]
    pub fn bumped(self, kind: &Arc<ResourceType>, bump: &RowBump) -> ResourceRow {
        ResourceRow {
            connection: self.connection,
            created: self.head.created,
            document: self.document,
            id: self.head.id,
            kind: Arc::clone(kind),
            last_modified: bump.last_modified,
            state: self.head.state,
            version: bump.version.clone(),
        }
    }
}

impl Lookups {
    /// Adds a look-up of rows by their ids, if there are any.
    fn add_ids(&mut self, ids: BTreeSet<ResourceId>) {
        if !ids.is_empty() {
            self.rows.push(LookupBy::Ids(ids));
        }
    }
}

impl EdgesBy {
    /// Returns whether an edge is one of those that are looked for.
    fn selects(&self, edge: &EdgeRow) -> bool {
        match self {
            EdgesBy::Lists(lists) => lists.contains(&edge.list),
            EdgesBy::Members(list, members) => {
                edge.list == *list && members.contains(&edge.member.id)
            }
            EdgesBy::Targets(targets) => targets.contains(&edge.member.id),
        }
    }
}

fn live_rows(found: Vec<Vec<FoundRow>>) -> BTreeMap<ResourceId, FoundRow> {
    let rows = found.into_iter().flatten();
    let live = rows.filter(|row| row.head.state == RowState::Live);
    live.map(|row| (row.head.id.clone(), row)).collect()
}

impl<T: SimpleTransaction> Rows for SimpleRows<'_, T> {
    async fn load(&mut self, needs: &Needs) -> Result<Facts, RowsError> {
        self.facts(needs).await
    }

    async fn apply(&mut self, operations: Operations) -> Result<Applied, RowsError> {
        for end in &operations.removed_ends {
            self.unlink_all(&end.id, &end.kind).await?;
        }
        for edges in &operations.removed_edges {
            self.transaction.unlink(edges).await?;
        }
        let mut applied = Applied::default();
        for edit in operations.row_edits() {
            match edit {
                RowEdit::Bump(bump) => {
                    let row = self.bumped(bump).await?;
                    applied.push(bump.id.clone(), self.transaction.put(&row).await?);
                }
                RowEdit::Put(row) => {
                    let now = self.transaction.put(row).await?;
                    applied.push(row.id.clone(), now);
                }
                RowEdit::Remove(row) => self.transaction.remove(row).await?,
            }
        }
        for mut edges in operations.inserted_edges {
            edges.list.owner = applied.id(&edges.list.owner).clone();
            for member in &mut edges.members {
                member.id = applied.id(&member.id).clone();
            }
            self.transaction.link(&edges).await?;
        }
        Ok(applied)
    }
}

impl<T: SimpleTransaction> RowTransaction for SimpleRows<'_, T> {
    async fn assign_ids(&mut self, _: &mut [WriteOp]) -> Result<(), RowsError> {
        Ok(())
    }

    async fn commit(self) -> Result<(), RowsError> {
        self.transaction.commit().await
    }
}

impl<D: SimpleDatabase> RowDatabase for Simple<D> {
    type Transaction<'a> = SimpleRows<'a, D::Transaction<'a>>;

    async fn begin<'a>(
        &'a self,
        context: &'a RequestContext,
    ) -> Result<Self::Transaction<'a>, RowsError> {
        let transaction = self.database.begin(context, TransactionMode::Write).await?;
        Ok(SimpleRows {
            context,
            transaction,
        })
    }

    async fn edges(
        &self,
        context: &RequestContext,
        query: &EdgeQuery,
    ) -> Result<Vec<Vec<Edge>>, StoreError> {
        let mut rows = self.read(context).await?;
        Ok(rows.edges_of_owners(query).await?)
    }

    async fn query(&self, context: &RequestContext, query: &Query) -> Result<Page, StoreError> {
        let all = || Predicate::All(Vec::new());
        let by = LookupBy::Predicate {
            kind: Arc::clone(&query.kind),
            predicate: query.predicate.clone().unwrap_or_else(all),
            state: RowState::Live,
        };
        let mut rows = self.read(context).await?;
        let mut found = rows.transaction.find(&by).await?;
        found
            .retain(|row| row.head.state == RowState::Live && *row.head.kind == *query.kind.name());
        let found = found.into_iter();
        let mut found = found.map(FoundRow::into_stored).collect::<Vec<_>>();
        rows.add_edges_to(&query.kind, &mut found, (&query.needed_edges(), None))
            .await?;
        page(context, query, found)
    }

    async fn read(
        &self,
        context: &RequestContext,
        kind: &Arc<ResourceType>,
        id: &ResourceId,
        want: &ReadOptions,
    ) -> Result<StoredResource, StoreError> {
        let mut rows = Simple::read(self, context).await?;
        rows.read(kind, id, want).await
    }

    fn support(&self, kind: &ResourceType) -> Capabilities {
        let mut support = self.database.support(kind);
        (support.cursor, support.filter, support.sort) = (true, true, true);
        support.written_edges = true;
        support
    }
}
