//! The contract between the SCIM protocol and a store.

use std::{fmt, sync::Arc};

use scimkit_registry::{Edge, ResourceId, ResourceType};

use crate::{
    Batch, BoxFuture, Capabilities, EdgeQuery, Page, Query, ReadOptions, RequestContext,
    StoreError, StoredResource, Written,
};

/// Stores the resources of every tenant: in one of scimkit's databases or in the application's own tables.
///
/// These rules hold for every method:
/// - The data of one tenant never affect another: they are not visible to it, not counted, and no reason to reject its
///   requests.
/// - The document of a resource contains its attributes in the spelling of the schema and `schemas`, but
///   not `id`, `meta`, memberships, or attributes that are never returned.
/// - A dropped future leaves each write either done or not done.
/// - Every call may fail: [`StoreError::is_failure`] lists the failures. Reads end with
///   [`StoreError::Exhausted`] when [`RequestContext::budget`] runs out.
/// - While an [import](crate::Archive::import_records) of the tenant is not complete, a store that archives
///   fails every call for the tenant with [`StoreError::Importing`].
///
/// [`scimkit_testkit::contract`](https://docs.rs/scimkit-testkit) contains the tests of this contract.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Returns the capabilities for resources of that type, from which discovery is computed.
    fn support(&self, kind: &ResourceType) -> Capabilities;

    /// Returns the edges of several owners, in the order of `query.owners`.
    ///
    /// The edges of each owner are sorted by target id, byte by byte; an owner that does not exist has none. Each edge
    /// has the current type and `displayName` of its target; if the target does not exist, the edge keeps the type that
    /// it was given. `query.limit` is the maximum number of edges to read for each owner, and `query.after` is where
    /// they begin.
    ///
    /// Under an inverse attribute, the targets are the resources that have the owner as a member.
    ///
    /// # Errors
    /// A [failure](StoreError::is_failure) of the store.
    fn edges<'a>(
        &'a self,
        context: &'a RequestContext,
        query: &'a EdgeQuery,
    ) -> BoxFuture<'a, Result<Vec<Vec<Edge>>, StoreError>>;

    /// Returns one page of exactly those resources of one type that satisfy a predicate.
    ///
    /// Without a sort they come in the order of their ids. With one, resources without a value come
    /// last (first when descending), and equal ones in the order of their ids.
    ///
    /// A page that starts after a position has exactly the resources that follow it in that order, even if the resource
    /// at the position has changed or no longer exists. Its total is still that of all pages. [`Page::next`] is where
    /// the page ended. A store that does not support all of this does not set [`Capabilities::cursor`], and gets no
    /// such query.
    ///
    /// [`Query::max_bytes`] and [`Query::edge_limit`] limit the memory for a page, and a store
    /// should not read more than that at once. A store that does not support cursors may ignore
    /// them.
    ///
    /// # Errors
    /// A [failure](StoreError::is_failure) of the store.
    fn query<'a>(
        &'a self,
        context: &'a RequestContext,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Page, StoreError>>;

    /// Returns one resource, with the requested edges: the first ones of each attribute in the order of
    /// [`Store::edges`].
    ///
    /// # Errors
    /// [`StoreError::NotFound`]: no resource of that type has the id, in this tenant.
    fn read<'a>(
        &'a self,
        context: &'a RequestContext,
        kind: &'a Arc<ResourceType>,
        id: &'a ResourceId,
        want: &'a ReadOptions,
    ) -> BoxFuture<'a, Result<StoredResource, StoreError>>;

    /// Carries out the writes in order, each of them atomically, and returns one result per write.
    ///
    /// All successful writes are durable when the future resolves. [`OnFailure`](crate::OnFailure) is the effect of a
    /// failed write on the others; a write that is undone is never visible, not even after a crash.
    ///
    /// These are decided inside each write, so that concurrent writes can't violate them:
    /// - the expected version: [`StoreError::VersionMismatch`], and nothing is written;
    /// - uniqueness of the folded keys ([`Change::keys`](scimkit_registry::Change::keys)) of attributes whose
    ///   uniqueness is not `none`, within tenant and type: [`StoreError::Duplicate`];
    /// - members that don't exist, under [`UnknownMemberPolicy`](crate::UnknownMemberPolicy):
    ///   [`StoreError::UnknownMembers`];
    /// - members that would make their owner a member of itself, under
    ///   [`CyclePolicy`](crate::CyclePolicy): [`StoreError::Cycle`]. Only edges that the write adds are
    ///   checked, so an existing cycle does not prevent other writes;
    /// - limits on the number of resources, under [`Policy::capacities`](crate::engine::Policy::capacities):
    ///   [`StoreError::CapacityExceeded`] and [`StoreError::TooFewLeft`]. A store that can't enforce them does not set [`Capabilities::capacities`];
    /// - whether a create adopts or restores an existing resource: see [`ExistingMatch`](crate::ExistingMatch).
    ///
    /// An update that changes nothing, such as adding an existing member, returns
    /// [`WriteOutcome::Unchanged`](crate::WriteOutcome::Unchanged), and version and last modification stay. A change of
    /// membership is a new version of its owner, not of the members. A delete removes the resource from every
    /// membership and creates a new version of each owner; under [`DeletePolicy::Soft`](crate::DeletePolicy) its
    /// document and id stay stored for an [`ExistingMatch`](crate::ExistingMatch), and are invisible to every other
    /// call of this trait.
    ///
    /// # Errors
    /// The batch failed as a whole and nothing of it was written: a [failure](StoreError::is_failure),
    /// [`StoreError::Exhausted`] or [`StoreError::Unsupported`]. The error of a single write is the result of that
    /// write.
    ///
    /// A store may carry out a long batch in parts under [`OnFailure::Continue`](crate::OnFailure::Continue) and
    /// [`OnFailure::StopAfter`](crate::OnFailure::StopAfter). If a later part fails, its error is the result of each
    /// write of that part and of the parts after it.
    fn write<'a>(
        &'a self,
        context: &'a RequestContext,
        batch: Batch,
    ) -> BoxFuture<'a, Result<Vec<Result<Written, StoreError>>, StoreError>>;
}
