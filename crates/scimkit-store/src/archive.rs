//! The export of a tenant from one store and its import into another, also through a file.
//!
//! - [`Archive`]: the trait of stores that export, import and erase tenants, record by record
//! - [`export`], [`import`]: streams of the records as lines of JSON, the last of which contains the number of records
//! - [`export_to`], [`import_from`]: the same for a writer and a reader that block
//! - [`Importer`]: the checks of an import, which stores the records in an [`ImportTarget`]
//! - [`validate_document`]: the check of one document, with its lookup keys as the result
//!
//! # Example
//! ```
//! use std::{future::Future, io::Cursor, pin::pin, sync::Arc, task::{Context, Poll, Waker}};
//! use chrono::DateTime;
//! use scimkit_store::{TenantEntry, MemoryStore, RequestContext, Settings, TenantStore, Tenant, TenantId, archive};
//!
//! // These futures never wait for I/O, so polling them in a loop is enough.
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

/// The maximum number of targets of one [`MembershipRecord`], which splits a large group into small records.
pub const TARGETS: usize = 1_000;

/// The records of an export. An error is the last item.
pub type RecordStream<'a> = BoxStream<'a, Result<ArchiveRecord, ArchiveError>>;

/// The records for an import. An error ends the import, and nothing is stored.
pub type RecordSource<'a> = BoxStream<'a, Result<NumberedRecord, ArchiveError>>;

/// A record with its number, which is part of error messages.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "a pair with names")]
pub struct NumberedRecord {
    /// Its number, from 1; in a file, the number of its line.
    pub line: u64,
    /// The record.
    pub record: ArchiveRecord,
}

/// Returns the records with their numbers from 1, for an import.
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
    /// Returns all data of a tenant except its journal, as of one moment.
    ///
    /// The order is: the [`TenantHeader`], connections by id, tokens by id, resources by id, each followed by its
    /// edges, and soft-deleted resources by id.
    ///
    /// - The export does not block reads and writes of the same data, even while the caller does not poll it.
    /// - The export starts with the first poll, which is the moment of the data. A store in a file reads only a few
    ///   records ahead of the caller.
    /// - Dropping the stream ends the export.
    ///
    /// # Errors
    /// The last item may be
    /// - [`StoreError::NotFound`]: the tenant has no data
    /// - a [failure](StoreError::is_failure) of the store, such as [`StoreError::Importing`]
    fn export_records<'a>(&'a self, tenant: &'a TenantId) -> RecordStream<'a>;

    /// Erases all data of a tenant, including its journal, and returns whether there were any.
    ///
    /// - Tokens and connections are erased first, so that no token is valid during the rest.
    /// - A store may erase a large tenant in steps, so that other tenants do not wait. If the future is dropped or
    ///   fails, another call erases the rest.
    /// - An import in progress ends with [`ArchiveError::Superseded`]. The rest of an interrupted import is erased,
    ///   too.
    /// - Data that are written between the steps are erased, too: before the future resolves, there is a moment without
    ///   data of the tenant. Data that are written after it stay.
    /// - Erasing a tenant that does not exist has no effect.
    ///
    /// # Errors
    /// A [failure](StoreError::is_failure) of the store; [`StoreError::Busy`] also if concurrent writes are faster than
    /// the erase.
    fn erase_tenant<'a>(
        &'a self,
        tenant: &'a TenantId,
    ) -> BoxFuture<'a, Result<Erased, StoreError>>;

    /// Purges the resources that were [soft-deleted](crate::DeletePolicy::Soft) before the time `before`, and returns
    /// their number.
    ///
    /// - A purged resource can't be restored. A resource that was soft-deleted later, or is restored before its turn,
    ///   stays.
    /// - The journal loses the details of the purged resources, and of resources that were permanently deleted before
    ///   that time.
    /// - A store may work in steps, as for [`Archive::erase_tenant`]. Each step purges resources with all their data.
    ///
    /// # Errors
    /// - [`StoreError::NotFound`]: the tenant has no data
    /// - a [failure](StoreError::is_failure) of the store, such as [`StoreError::Importing`]
    fn purge_deleted<'a>(
        &'a self,
        tenant: &'a TenantId,
        before: DateTime<Utc>,
    ) -> BoxFuture<'a, Result<u64, StoreError>>;

    /// Stores all records of an export, or none, as the tenant of the scope.
    ///
    /// The exported tenant may have another id. Ids, versions and times stay the same. Later versions are greater than
    /// all imported ones.
    ///
    /// - Each document must be [valid](validate_document) for its type in the scope's registry, and within the
    ///   [size limit](crate::RequestLimits::document) of the scope. Attributes that are never returned are dropped.
    /// - A store that has its own database reads the source while it stores earlier records, and is at most a few records
    ///   ahead. One over tables of an application collects the records, so that the application sees all or none.
    /// - The rules of administration and protocol apply to ids, names, settings, the scopes and times of tokens,
    ///   required attributes, and revisions.
    /// - Members may be unknown, and groups may be members of themselves.
    /// - If a resource was last modified before its creation, its creation time is used for both.
    ///
    /// The tenant becomes visible as a whole. From the start of the import, every other call for the tenant fails with
    /// [`StoreError::Importing`]. Other tenants can be read and written meanwhile, also while the source is
    /// pending. This state ends
    /// - when the records are complete;
    /// - after an error, when the store has removed the records again;
    /// - with a later import or erase, which removes the records of an import that was interrupted (by a crash, a
    ///   dropped future, or a failed removal). An import that is still in progress then ends with
    ///   [`ArchiveError::Superseded`].
    ///
    /// # Errors
    /// - [`ArchiveError::Occupied`]: the tenant has resources or soft-deleted resources
    /// - [`ArchiveError::Line`]: a record is invalid or duplicate
    /// - [`ArchiveError::Superseded`]: another import or an erase of the tenant began meanwhile
    /// - the errors of the source
    /// - a [failure](StoreError::is_failure) of the store
    fn import_records<'a>(
        &'a self,
        context: &'a RequestContext,
        source: RecordSource<'a>,
    ) -> BoxFuture<'a, Result<(), ArchiveError>>;
}

/// The result of an [erase](Archive::erase_tenant).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a tenant has data, or it has none")]
pub enum Erased {
    /// All data of the tenant were erased.
    All,
    /// The tenant had no data.
    Nothing,
}

/// One record of a tenant's data.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_enums, reason = "every store must store every kind")]
pub enum ArchiveRecord {
    /// A connection to an identity provider.
    Connection(Connection),
    /// Members of the resource of an earlier record.
    Edges(MembershipRecord),
    /// A resource.
    Resource(ResourceRecord),
    /// A [soft-deleted](crate::DeletePolicy::Soft) resource.
    Deleted(DeletedRecord),
    /// The header, which is the first record and only that.
    Start(TenantHeader),
    /// A token of the connection of an earlier record.
    Token(TokenRecord),
}

/// The header of a tenant's records.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TenantHeader {
    /// The tenant's entry; none for a tenant that has only resources.
    pub entry: Option<Tenant>,
    /// The tenant's identifier.
    pub tenant: TenantId,
    /// The last number that the store used as a version, for stores that count versions.
    pub versions: u64,
}

impl TenantHeader {
    /// Creates the header of a tenant's records.
    #[must_use]
    pub fn new(tenant: TenantId, entry: Option<Tenant>, versions: u64) -> Self {
        TenantHeader {
            entry,
            tenant,
            versions,
        }
    }
}

/// A stored resource, without its edges.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ResourceRecord {
    /// The connection that owns it, if any.
    pub connection: Option<ConnectionId>,
    /// The time of its creation.
    pub created: DateTime<Utc>,
    /// Its document.
    pub document: Document,
    /// Its identifier.
    pub id: ResourceId,
    /// The name of its type.
    pub kind: String,
    /// The time of its last change.
    pub last_modified: DateTime<Utc>,
    /// Its version.
    pub version: Version,
}

impl ResourceRecord {
    /// Creates the record of a resource without an owner.
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

    /// Sets the connection that owns it.
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
    /// The id of the owner.
    pub owner: ResourceId,
    /// The members by id, each with the type from the client's request, if any; 1 to [`TARGETS`].
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
    /// Creates the record of some members of an owner, under one attribute.
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

/// A soft-deleted resource.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DeletedRecord {
    /// The connection that owned it, if any.
    pub connection: Option<ConnectionId>,
    /// The time of its creation.
    pub created: DateTime<Utc>,
    /// Its document.
    pub document: Document,
    /// Its identifier.
    pub id: ResourceId,
    /// The name of its type.
    pub kind: String,
    /// The time of its deletion.
    pub deleted: DateTime<Utc>,
}

impl DeletedRecord {
    /// Creates the record of a soft-deleted resource without an owner.
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

    /// Sets the connection that owned it.
    #[must_use]
    pub fn with_connection(mut self, connection: Option<ConnectionId>) -> Self {
        self.connection = connection;
        self
    }
}

/// The error of an export or import.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// Reading or writing failed.
    #[error("reading or writing the archive failed")]
    Io(#[from] io::Error),
    /// A record is invalid.
    #[error("line {line}: {problem}")]
    Line {
        /// The number of the record, from 1; in a file, the number of its line.
        line: u64,
        /// The reason.
        problem: String,
    },
    /// The tenant of an import has resources or soft-deleted resources.
    #[error("the tenant has resources: import into a tenant without resources")]
    Occupied,
    /// An error of the store that no single record causes.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another import or an erase of the tenant began before this import was complete.
    #[error("another import or an erase of the tenant began before this import was complete")]
    Superseded,
}

impl ArchiveError {
    /// Converts the error of a store for the record with that number: a [failure](StoreError::is_failure) is not an
    /// error of the record.
    #[must_use]
    pub fn at(line: u64, problem: StoreError) -> Self {
        match problem {
            failure if failure.is_failure() => ArchiveError::Store(failure),
            other => ArchiveError::line(line, other.to_string()),
        }
    }

    /// Creates the error of the record with that number.
    pub fn line(line: u64, problem: impl Into<String>) -> Self {
        let problem = problem.into();
        ArchiveError::Line { line, problem }
    }
}
