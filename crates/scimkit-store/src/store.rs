//! The contract between the protocol and what keeps the data.

use std::{fmt, sync::Arc};

use scimkit_registry::{Edge, ResourceId, ResourceType};

use crate::{
    Batch, BoxFuture, Capabilities, EdgeQuery, Page, Query, ReadOptions, RequestContext,
    StoreError, StoredResource, Written,
};

/// What keeps the resources: a database of our own or the host's tables.
///
/// The rules that hold for every method:
/// - Nothing of one tenant is seen, counted or refused because of another's data.
/// - The document of a resource holds its attributes with the schema's spelling and `schemas`, but
///   not `id`, `meta` or any membership; attributes that are never returned are not in it.
/// - A dropped future leaves each write either done or not done.
/// - Whatever is asked may fail: [`StoreError::is_failure`] lists how. Reads end with
///   [`StoreError::Exhausted`] when [`RequestContext::budget`] runs out.
/// - While an [import](crate::Archive::import_records) of the tenant is not complete, a store that archives
///   fails every call for the tenant with [`StoreError::Importing`].
///
/// [`scimkit_testkit::contract`](https://docs.rs/scimkit-testkit) holds the tests of this contract.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// What the store can do with resources of that type; discovery is computed from it.
    fn support(&self, kind: &ResourceType) -> Capabilities;

    /// The edges of several owners at once, in the order of `query.owners`, each sorted by target
    /// id, byte by byte; none for an owner that does not exist. Each edge carries the target's type and
    /// `displayName` as they are now; a target that does not exist keeps the type it was given.
    /// `query.limit` bounds the edges read of each owner, and `query.after` says where they begin.
    ///
    /// For an inverse attribute the edges lead to the resources that have the owner as a member.
    ///
    /// # Errors
    /// [`StoreError::Busy`] and [`StoreError::Backend`].
    fn edges<'a>(
        &'a self,
        scope: &'a RequestContext,
        query: &'a EdgeQuery,
    ) -> BoxFuture<'a, Result<Vec<Vec<Edge>>, StoreError>>;

    /// The resources of one type that satisfy a predicate, exactly, as one page.
    ///
    /// Without a sort they come in the order of their ids. With one, resources without a value come
    /// last (first when descending), and equal ones in the order of their ids.
    ///
    /// A page that starts after a position holds what follows it in that order, exactly, whatever
    /// became of the resource that stood there; its total is still that of all pages.
    /// [`Page::next`] is where the page ended. A store that can't do both says so in
    /// [`Capabilities::cursor`] and is never asked.
    ///
    /// [`Query::max_bytes`] and [`Query::edge_limit`] bound what a page takes in memory, and a store
    /// should not read more than that at once. One that does not support cursors may ignore
    /// them.
    ///
    /// # Errors
    /// [`StoreError::Busy`] and [`StoreError::Backend`].
    fn query<'a>(
        &'a self,
        scope: &'a RequestContext,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Page, StoreError>>;

    /// One resource, with the edges that are wanted, each attribute's first ones in the order of
    /// [`Store::edges`].
    ///
    /// # Errors
    /// [`StoreError::NotFound`]: no resource of that type has the id, in this tenant.
    fn read<'a>(
        &'a self,
        scope: &'a RequestContext,
        kind: &'a Arc<ResourceType>,
        id: &'a ResourceId,
        want: &'a ReadOptions,
    ) -> BoxFuture<'a, Result<StoredResource, StoreError>>;

    /// Carries out the writes in order, each atomic alone, with one answer each. All that succeeded are durable when
    /// the future resolves. [`OnFailure`](crate::OnFailure) is the effect of a failed write on the others; a write
    /// that is undone is never visible, not even after a crash.
    ///
    /// Decided inside each write, so that concurrent ones can't disagree:
    /// - the expected version: [`StoreError::VersionMismatch`], and nothing is written;
    /// - uniqueness of the folded keys ([`Change::keys`](scimkit_registry::Change::keys)) of attributes whose uniqueness is not
    ///   `none`, within tenant and type: [`StoreError::Duplicate`];
    /// - members that don't exist, under [`UnknownMemberPolicy`](crate::UnknownMemberPolicy):
    ///   [`StoreError::UnknownMembers`];
    /// - members that would make their owner a member of itself, under
    ///   [`CyclePolicy`](crate::CyclePolicy): [`StoreError::Cycle`]. Only edges that the write adds are
    ///   looked at, so a cycle that is there already is in nobody's way;
    /// - whether a create takes a resource that is there: see [`ExistingMatch`](crate::ExistingMatch).
    ///
    /// An update that changes nothing, such as adding a member that is there already, answers
    /// [`WriteOutcome::Unchanged`](crate::WriteOutcome::Unchanged) and keeps version and last modification. A change of membership is a new
    /// version of its owner, not of the members. A delete takes the resource out of every
    /// membership and makes a new version of each owner; under
    /// [`DeletePolicy::Soft`](crate::DeletePolicy) its document and id are kept for a [`ExistingMatch`](crate::ExistingMatch), and nothing
    /// else of the contract sees them.
    ///
    /// # Errors
    /// The batch failed as a whole and nothing of it was written: a [failure](StoreError::is_failure),
    /// [`StoreError::Exhausted`] or [`StoreError::Unsupported`]. The error of a single write is the answer to that
    /// write.
    ///
    /// A store may carry out a long batch in parts under [`OnFailure::Continue`](crate::OnFailure::Continue) and
    /// [`OnFailure::StopAfter`](crate::OnFailure::StopAfter). If a later part fails, its error is the answer to each write of
    /// that part and of the parts after it.
    fn write<'a>(
        &'a self,
        scope: &'a RequestContext,
        batch: Batch,
    ) -> BoxFuture<'a, Result<Vec<Result<Written, StoreError>>, StoreError>>;
}
