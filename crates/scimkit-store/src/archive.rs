//! A tenant as a whole: out of one store, into a file of lines, and into another store.
//!
//! - [`Archive`]: what a store does, record by record
//! - [`export`], [`import`]: the records as lines of JSON, the last of which tells how many there
//!   are, as streams; [`export_to`], [`import_from`]: the same for a writer and a reader that block
//! - [`Importer`]: what is decided of a record before a store, as its [`ImportTarget`], takes it; [`validate_document`]:
//!   what the store needs to know of a document
//!
//! # Example
//! ```
//! use std::{future::Future, io::Cursor, pin::pin, sync::Arc, task::{Context, Poll, Waker}};
//! use chrono::DateTime;
//! use scimkit_store::{TenantEntry, MemoryStore, RequestContext, Settings, TenantStore, Tenant, TenantId, archive};
//!
//! // It waits for nothing, so it can be polled until it is ready.
//! fn now<T>(future: impl Future<Output = T>) -> T {
//!     let mut future = pin!(future);
//!     loop {
//!         if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
//!             return value;
//!         }
//!     }
//! }
//!
//! let (one, other) = (MemoryStore::new(), MemoryStore::new());
//! let acme = TenantId::from("acme");
//! let tenant = Tenant::new(acme.clone(), "Acme", DateTime::UNIX_EPOCH);
//! now(one.put(vec![TenantEntry::Tenant(tenant)], DateTime::UNIX_EPOCH.into())).unwrap();
//!
//! let options = archive::ArchiveOptions::default();
//! let (lines, _) = now(archive::export_to(&one, &acme, &options, Vec::new()))?;
//! let context = RequestContext::new(acme, Arc::new(Settings::new("https://example.com/scim/v2")));
//! now(archive::import_from(&other, &context, &options, Cursor::new(lines.clone())))?;
//! assert_eq!(now(other.tenants()).unwrap(), now(one.tenants()).unwrap());
//!
//! let cut = lines[..lines.len() - 9].to_vec();
//! let cut = now(archive::import_from(&MemoryStore::new(), &context, &options, Cursor::new(cut)));
//! assert!(cut.unwrap_err().to_string().starts_with("line 2: "));
//! # Ok::<(), archive::ArchiveError>(())
//! ```

mod blocking;
mod importer;
mod lines;
mod parse;
mod print;
mod reader;
mod validate;
mod validate_document;

use std::{fmt, io};

use chrono::{DateTime, Utc};
use scimkit_core::Version;
use scimkit_registry::ResourceId;

pub use self::{
    blocking::{export_to, import_from},
    importer::{CheckedRecord, ImportQuery, ImportTarget, Importer},
    lines::{
        ArchiveLimits, ArchiveOptions, ExportLines, FORMAT, RecordCounts, TokenExport, export,
        import,
    },
    validate_document::{ValidatedDocument, validate_document},
};
use crate::{
    BoxFuture, BoxStream, Connection, ConnectionId, Document, RequestContext, ResourceRef,
    StoreError, Tenant, TenantId, Timestamps, TokenRecord, stream_from,
};

/// How many targets one [`MembershipRecord`] has at most, so that a group of any size goes out in small pieces.
pub const TARGETS: usize = 1_000;

/// The records of an export. An error is the last item.
pub type RecordStream<'a> = BoxStream<'a, Result<ArchiveRecord, ArchiveError>>;

/// The records for an import. An error ends the import, which then leaves nothing.
pub type RecordSource<'a> = BoxStream<'a, Result<NumberedRecord, ArchiveError>>;

/// A record with its number, which errors contain.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "a pair with names")]
pub struct NumberedRecord {
    /// Its number, from 1; of a file the line.
    pub line: u64,
    /// The record.
    pub record: ArchiveRecord,
}

/// Numbers records from 1, for an import.
///
/// # Example
/// ```
/// # use std::{future::Future, pin::pin, sync::Arc, task::{Context, Poll, Waker}};
/// # fn now<T>(future: impl Future<Output = T>) -> T {
/// #     let mut future = pin!(future);
/// #     loop {
/// #         if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
/// #             return value;
/// #         }
/// #     }
/// # }
/// use scimkit_store::{
///     Archive, MemoryStore, RequestContext, Settings, TenantId,
///     archive::{ArchiveRecord, TenantHeader, numbered},
/// };
///
/// let acme = TenantId::from("acme");
/// let start = ArchiveRecord::Start(TenantHeader::new(acme.clone(), None, 7));
/// let context = RequestContext::new(acme, Arc::new(Settings::new("https://example.com/scim/v2")));
/// let twice = numbered([start.clone(), start]);
/// let problem = now(MemoryStore::new().import_records(&context, twice)).unwrap_err();
/// assert!(problem.to_string().starts_with("line 2: "));
/// ```
pub fn numbered<'a>(
    records: impl IntoIterator<Item = ArchiveRecord, IntoIter: Send + 'a>,
) -> RecordSource<'a> {
    let records = (1..).zip(records);
    stream_from(records.map(|(line, record)| Ok(NumberedRecord { line, record })))
}

/// Exports, imports and erases tenants as a whole.
pub trait Archive: fmt::Debug + Send + Sync + 'static {
    /// Returns all data of a tenant as they are at one moment: the [`TenantHeader`], then
    /// connections and tokens by id, then resources by id, each followed by its edges, then
    /// soft-deleted ones by id.
    ///
    /// - A server that uses the same data goes on reading and writing, even while the caller does not take the next record.
    /// - Nothing is done before the first poll, which is the moment. A store on a disk reads a few records ahead of
    ///   those that are taken, and no more.
    /// - A stream that is dropped ends the export.
    ///
    /// # Errors
    /// The last item may be
    /// - [`StoreError::NotFound`]: the tenant has no data
    /// - [`StoreError::Importing`]: an import of the tenant is not complete
    /// - [`StoreError::Busy`] and [`StoreError::Backend`]
    fn export_records<'a>(&'a self, tenant: &'a TenantId) -> RecordStream<'a>;

    /// DeletePolicy all data of a tenant, and returns whether there were any: connections and
    /// tokens first, so that no token opens it any more, then resources and soft-deleted ones.
    ///
    /// - It may be done in steps, so that other tenants need not wait for a big one; what is left by
    ///   a future that was dropped, or by a failure, goes when it is called again.
    /// - An import that is in progress ends with [`ArchiveError::Superseded`]; what one that was cut
    ///   off has left goes as well.
    /// - Once it is done, there was a moment at which nothing was kept of the tenant: what others
    ///   write between its steps goes as well. What they write after that moment stays, as for any
    ///   tenant that begins, and goes when it is called again.
    /// - Of a tenant that is not there it does nothing.
    ///
    /// # Errors
    /// - [`StoreError::Busy`], also when others write faster than it takes away
    /// - [`StoreError::Backend`]
    fn erase_tenant<'a>(
        &'a self,
        tenant: &'a TenantId,
    ) -> BoxFuture<'a, Result<Erased, StoreError>>;

    /// Takes away what was [retired](crate::DeletePolicy::Soft) before a moment, so that nothing brings it
    /// back, and tells how many resources that were.
    ///
    /// - What is retired later, or brought back before its turn comes, stays.
    /// - It may be done in steps, as [`Archive::erase_tenant`]; each takes a resource away with all that it
    ///   has.
    ///
    /// # Errors
    /// - [`StoreError::NotFound`]: the tenant has no data
    /// - [`StoreError::Importing`]: an import of the tenant is not complete
    /// - [`StoreError::Busy`] and [`StoreError::Backend`]
    fn purge_deleted<'a>(
        &'a self,
        tenant: &'a TenantId,
        before: DateTime<Utc>,
    ) -> BoxFuture<'a, Result<u64, StoreError>>;

    /// Keeps the records of an export as the scope's tenant, whatever that was called: all or nothing,
    /// under the same ids, versions and instants. The versions that come after are new ones.
    ///
    /// - Documents must [validate_document] the types of the scope's registry, which also gives their lookup keys;
    ///   attributes that are never returned are left out. They must respect the
    ///   [limit](crate::RequestLimits::document) of the scope.
    /// - The store reads the source while it stores earlier records, and is at most a few records ahead.
    /// - What administration or the protocol would reject is rejected: ids, names, settings, scopes and
    ///   times of tokens, required attributes, and revisions out of range.
    /// - Members may be unknown and in circles, as they were.
    /// - A resource that changed before it was created counts as changed when it was created.
    ///
    /// Nothing of it is visible until all of it is: from the first record on, the tenant is in a state
    /// in which every call for it fails with [`StoreError::Importing`]. Other tenants are read and
    /// written meanwhile, also while the source waits. The state ends
    /// - with the import, when the records are complete;
    /// - with an error, once what was written has been removed again;
    /// - with a later import or erase, which removes what an import has left that was cut off (by a
    ///   crash, a dropped future, or a store that failed while removing). An import that is still in
    ///   progress then ends with [`ArchiveError::Superseded`].
    ///
    /// # Errors
    /// - [`ArchiveError::Occupied`]: the tenant has resources, or retired ones
    /// - [`ArchiveError::Line`]: a record that can't be kept, or that is there already
    /// - [`ArchiveError::Superseded`]: another import or an erase of the tenant began meanwhile
    /// - the source's own
    /// - [`StoreError::Busy`] and [`StoreError::Backend`]
    fn import_records<'a>(
        &'a self,
        context: &'a RequestContext,
        source: RecordSource<'a>,
    ) -> BoxFuture<'a, Result<(), ArchiveError>>;
}

/// What an [erase](Archive::erase_tenant) took away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "there is something, or there is not"
)]
pub enum Erased {
    /// All that was kept of the tenant.
    All,
    /// The tenant has no data: see [`Archive::export_records`].
    Nothing,
}

/// One of the things that are kept of a tenant.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_enums, reason = "every store must keep every kind")]
pub enum ArchiveRecord {
    /// A connection to an identity provider.
    Connection(Connection),
    /// Members of a resource that came before.
    Edges(MembershipRecord),
    /// A resource.
    Resource(ResourceRecord),
    /// A resource that was deleted and [can be brought back](crate::DeletePolicy::Soft).
    Deleted(DeletedRecord),
    /// The first record, and only that.
    Start(TenantHeader),
    /// A token of a connection that came before.
    Token(TokenRecord),
}

/// Whose records follow.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TenantHeader {
    /// The tenant's entry; none where it is only known by its resources.
    pub entry: Option<Tenant>,
    /// The tenant's identifier.
    pub tenant: TenantId,
    /// The last version that was given to a resource, for stores that count them.
    pub versions: u64,
}

impl TenantHeader {
    /// The beginning of a tenant's records.
    #[must_use]
    pub fn new(tenant: TenantId, entry: Option<Tenant>, versions: u64) -> Self {
        TenantHeader {
            entry,
            tenant,
            versions,
        }
    }
}

/// A resource as it is kept.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ResourceRecord {
    /// The connection that made or adopted it.
    pub connection: Option<ConnectionId>,
    /// When it was created.
    pub created: DateTime<Utc>,
    /// Its document.
    pub document: Document,
    /// Its identifier.
    pub id: ResourceId,
    /// The name of its type.
    pub kind: String,
    /// When it last changed.
    pub last_modified: DateTime<Utc>,
    /// Its version.
    pub version: Version,
}

impl ResourceRecord {
    /// A resource that no connection made.
    #[must_use]
    pub fn new(
        kind: impl Into<String>,
        id: ResourceId,
        version: Version,
        at: Timestamps,
        document: Document,
    ) -> Self {
        ResourceRecord {
            connection: None,
            created: at.created,
            document,
            id,
            kind: kind.into(),
            last_modified: at.last_modified,
            version,
        }
    }

    /// Made or adopted by that connection.
    #[must_use]
    pub fn with_connection(mut self, connection: Option<ConnectionId>) -> Self {
        self.connection = connection;
        self
    }
}

/// Some members of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MembershipRecord {
    /// The path of the membership attribute.
    pub attr: String,
    /// The name of the owner's type.
    pub kind: String,
    /// Whose members they are.
    pub owner: ResourceId,
    /// The members by id, each with the type that the client gave; at least one, and at most
    /// [`TARGETS`].
    pub targets: Vec<MemberRecord>,
}

/// A member in a [`MembershipRecord`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a pair with names")]
pub struct MemberRecord {
    /// The id of the member.
    pub id: ResourceId,
    /// The name of the member's type, if the client sent it.
    pub kind: Option<String>,
}

impl MembershipRecord {
    /// Members of a resource, by one attribute.
    #[must_use]
    pub fn new(owner: ResourceRef, attr: impl Into<String>, targets: Vec<MemberRecord>) -> Self {
        MembershipRecord {
            attr: attr.into(),
            kind: owner.kind,
            owner: owner.id,
            targets,
        }
    }
}

/// A resource that was deleted, for when it is brought back.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DeletedRecord {
    /// The connection that had made or adopted it.
    pub connection: Option<ConnectionId>,
    /// When it was created.
    pub created: DateTime<Utc>,
    /// Its document.
    pub document: Document,
    /// Its identifier.
    pub id: ResourceId,
    /// The name of its type.
    pub kind: String,
    /// When it was deleted.
    pub deleted: DateTime<Utc>,
}

impl DeletedRecord {
    /// A resource that no connection had made.
    #[must_use]
    pub fn new(
        kind: impl Into<String>,
        id: ResourceId,
        created: DateTime<Utc>,
        deleted: DateTime<Utc>,
        document: Document,
    ) -> Self {
        DeletedRecord {
            connection: None,
            created,
            document,
            id,
            deleted,
            kind: kind.into(),
        }
    }

    /// Made or adopted by that connection.
    #[must_use]
    pub fn with_connection(mut self, connection: Option<ConnectionId>) -> Self {
        self.connection = connection;
        self
    }
}

/// Why a tenant can't be exported or imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// Reading or writing failed.
    #[error("the archive can't be read or written")]
    Io(#[from] io::Error),
    /// A record that can't be kept.
    #[error("line {line}: {problem}")]
    Line {
        /// Its number, from 1; of a file the line.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// The tenant has resources already.
    #[error("the tenant has resources, and an archive is restored into none")]
    Occupied,
    /// The store can't do it, whatever the records are.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another import or an erase of the tenant began before this import was complete.
    #[error("another import or an erase of the tenant took over")]
    Superseded,
}

impl ArchiveError {
    /// What a store says of the record with that number.
    #[must_use]
    pub fn at(line: u64, problem: StoreError) -> Self {
        match problem {
            failure if failure.is_failure() => ArchiveError::Store(failure),
            other => ArchiveError::line(line, other.to_string()),
        }
    }

    /// What is wrong with the record of that number.
    pub fn line(line: u64, problem: impl Into<String>) -> Self {
        let problem = problem.into();
        ArchiveError::Line { line, problem }
    }
}
