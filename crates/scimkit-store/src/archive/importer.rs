//! The checks of an import, which are the same for all stores.

use std::sync::Arc;

use scimkit_registry::{Change, ResourceId};

use super::{
    ArchiveRecord, DeletedRecord, MembershipRecord, ResourceRecord, ValidatedDocument, validate,
    validate_document::{refused, validate_document},
};
use crate::{
    Connection, ConnectionId, Document, RequestContext, Settings, StoreError, Tenant, TenantId,
    TokenRecord,
};

/// Stores the checked records of an import.
///
/// All records are of one tenant, and the import as a whole is done or not done.
pub trait ImportTarget {
    /// The error of the store.
    type Error: From<StoreError>;

    /// Returns whether an entry or resource is stored already, from before or from this import.
    ///
    /// # Errors
    /// The error of the store.
    fn has(&self, what: ImportQuery<'_>) -> Result<bool, Self::Error>;

    /// Stores a record that [`Importer`] has checked, unchanged.
    ///
    /// # Errors
    /// - [`StoreError::Duplicate`]: another resource has the value of a unique attribute
    /// - [`MembershipRecord::twice`]: one of the members is stored already
    /// - any other error of the store
    fn keep(&mut self, what: CheckedRecord) -> Result<(), Self::Error>;
}

/// The entry or resource that [`Importer`] looks for in a store.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every store must support every query"
)]
pub enum ImportQuery<'a> {
    /// A connection of the tenant.
    Connection(&'a ConnectionId),
    /// A resource or soft-deleted resource of any type with that id.
    Id(&'a ResourceId),
    /// A resource of that type with that id, soft-deleted ones excluded.
    Resource(&'a str, &'a ResourceId),
    /// The tenant's entry.
    Tenant,
    /// A token of the tenant with the same id, or of any tenant with the same digest.
    Token(&'a TokenRecord),
}

/// A valid record to store.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "every store must store every kind")]
pub enum CheckedRecord {
    /// A connection.
    Connection(Connection),
    /// Members, and the change that adds them.
    Edges(MembershipRecord, Change),
    /// A resource.
    Resource(ResourceRecord, ValidatedDocument),
    /// A soft-deleted resource.
    Deleted(DeletedRecord, ValidatedDocument),
    /// The tenant's entry.
    Tenant(Tenant),
    /// A token.
    Token(TokenRecord),
}

/// Checks the records of an [`Archive::import_records`](super::Archive::import_records), one by one.
///
/// If a record is rejected, the store must remove the records before it.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use scimkit_store::{
///     RequestContext, Settings, StoreError, TenantId,
///     archive::{ImportQuery, CheckedRecord, ImportTarget, ArchiveRecord, Importer, TenantHeader},
/// };
///
/// /// A store that is empty and stays empty.
/// struct Sieve;
///
/// impl ImportTarget for Sieve {
///     type Error = StoreError;
///
///     fn has(&self, _: ImportQuery<'_>) -> Result<bool, StoreError> {
///         Ok(false)
///     }
///
///     fn keep(&mut self, _: CheckedRecord) -> Result<(), StoreError> {
///         Ok(())
///     }
/// }
///
/// let (settings, acme) = (Settings::new("https://example.com/scim/v2"), TenantId::from("acme"));
/// let mut restoring = Importer::new(&RequestContext::new(acme.clone(), Arc::new(settings)));
/// let start = || ArchiveRecord::Start(TenantHeader::new(acme.clone(), None, 7));
/// restoring.take(&mut Sieve, start())?;
/// assert_eq!(restoring.versions(), 7);
///
/// let again = restoring.take(&mut Sieve, start()).unwrap_err();
/// assert!(again.to_string().contains("only once"));
/// # Ok::<(), StoreError>(())
/// ```
#[derive(Debug)]
pub struct Importer {
    has_entry: bool,
    is_started: bool,
    settings: Arc<Settings>,
    tenant: TenantId,
    versions: u64,
}

impl Importer {
    /// Creates an importer for the scope's tenant, with the registry and document limit of its settings.
    #[must_use]
    pub fn new(context: &RequestContext) -> Self {
        Importer {
            has_entry: false,
            is_started: false,
            settings: Arc::clone(&context.settings),
            tenant: context.tenant.clone(),
            versions: 0,
        }
    }

    /// Returns the greatest version so far; those of later changes must be greater.
    #[must_use]
    pub fn versions(&self) -> u64 {
        self.versions
    }

    /// Checks and stores a record: [`Importer::check`], then [`Importer::keep`].
    ///
    /// # Errors
    /// As for [`Importer::check`] and [`Importer::keep`].
    pub fn take<K: ImportTarget>(
        &mut self,
        keeper: &mut K,
        record: ArchiveRecord,
    ) -> Result<(), K::Error> {
        match self.check(record)? {
            Some(checked) => Self::keep(keeper, checked),
            None => Ok(()),
        }
    }

    /// Checks a record without the store, and returns the record to store; none for a header without an entry.
    ///
    /// # Errors
    /// - [`StoreError::Rejected`]: the record is invalid, or out of order
    /// - [`StoreError::TooLarge`]: the document exceeds the limit
    /// - [`StoreError::Backend`]: the text of a document is not JSON
    pub fn check(&mut self, record: ArchiveRecord) -> Result<Option<CheckedRecord>, StoreError> {
        if matches!(record, ArchiveRecord::Start(_)) == self.is_started {
            return Err(refused("the tenant must come first, and only once"));
        }
        self.is_started = true;
        Ok(Some(match record {
            ArchiveRecord::Connection(mut connection) => {
                if !self.has_entry {
                    let detail = "a connection needs the name of its tenant in the first record";
                    return Err(refused(detail));
                }
                connection.tenant = self.tenant.clone();
                validate::connection(&connection)?;
                CheckedRecord::Connection(connection)
            }
            ArchiveRecord::Edges(edges) => {
                let kind = self
                    .settings
                    .registry
                    .resource_type(&edges.kind)
                    .ok_or_else(ownerless)?;
                let change = edges.change(kind)?;
                CheckedRecord::Edges(edges, change)
            }
            ArchiveRecord::Resource(mut resource) => {
                let number = resource.number()?;
                self.versions = self.versions.max(number);
                validate::owner(resource.connection.as_ref())?;
                // A clock may have been set back.
                resource.last_modified = resource.last_modified.max(resource.created);
                let fit = self.fit(&resource.kind, &resource.id, &resource.document)?;
                CheckedRecord::Resource(resource, fit)
            }
            ArchiveRecord::Deleted(mut deleted) => {
                validate::owner(deleted.connection.as_ref())?;
                deleted.deleted = deleted.deleted.max(deleted.created);
                let fit = self.fit(&deleted.kind, &deleted.id, &deleted.document)?;
                CheckedRecord::Deleted(deleted, fit)
            }
            ArchiveRecord::Start(start) => {
                self.versions = start.last_version()?;
                let Some(mut entry) = start.entry else {
                    return Ok(None);
                };
                validate::tenant(&entry)?;
                entry.id = self.tenant.clone();
                validate::tenant(&entry)?;
                self.has_entry = true;
                CheckedRecord::Tenant(entry)
            }
            ArchiveRecord::Token(mut token) => {
                token.tenant = self.tenant.clone();
                validate::token(&token)?;
                CheckedRecord::Token(token)
            }
        }))
    }

    /// Validates a document, including its size.
    fn fit(
        &self,
        kind: &str,
        id: &ResourceId,
        document: &Document,
    ) -> Result<ValidatedDocument, StoreError> {
        let fit = validate_document(&self.settings.registry, kind, id, document)?;
        let bytes = fit.document.text_len();
        let limit = self.settings.limits.document;
        if bytes <= limit {
            Ok(fit)
        } else {
            Err(StoreError::TooLarge { bytes, limit })
        }
    }

    /// Stores a checked record, unless it is a duplicate, or its owner or connection is missing.
    ///
    /// # Errors
    /// - [`StoreError::Rejected`]: the id, entry or token is stored already, or the owner or connection is missing
    /// - the errors of the store: see [`ImportTarget::keep`]
    pub fn keep<K: ImportTarget>(keeper: &mut K, checked: CheckedRecord) -> Result<(), K::Error> {
        match &checked {
            CheckedRecord::Connection(new) if keeper.has(ImportQuery::Connection(&new.id))? => {
                Err(there("connection", &new.id).into())
            }
            CheckedRecord::Edges(edges, _)
                if !keeper.has(ImportQuery::Resource(&edges.kind, &edges.owner))? =>
            {
                Err(ownerless().into())
            }
            CheckedRecord::Resource(ResourceRecord { id, .. }, _)
            | CheckedRecord::Deleted(DeletedRecord { id, .. }, _)
                if keeper.has(ImportQuery::Id(id))? =>
            {
                Err(refused(format!("duplicate id `{id}`")).into())
            }
            CheckedRecord::Tenant(entry) if keeper.has(ImportQuery::Tenant)? => {
                Err(there("tenant", &entry.id).into())
            }
            CheckedRecord::Token(new)
                if !keeper.has(ImportQuery::Connection(&new.connection))? =>
            {
                Err(refused(format!("there is no connection `{}`", new.connection)).into())
            }
            CheckedRecord::Token(new) if keeper.has(ImportQuery::Token(new))? => {
                Err(there("token", &new.id).into())
            }
            _ => keeper.keep(checked),
        }
    }
}

impl MembershipRecord {
    /// Returns the error of a record with a member that is stored already.
    #[must_use]
    pub fn twice() -> StoreError {
        refused("duplicate member")
    }
}

fn ownerless() -> StoreError {
    refused("the owner of the members must come before them")
}

fn there(what: &str, id: &impl std::fmt::Display) -> StoreError {
    refused(format!("the {what} `{id}` already exists"))
}
