//! What is decided of the records of a restore, whatever store they go into.

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

/// A store in the middle of a restore: what is there, and what it is told to keep.
///
/// All of it is one tenant's, and part of the one thing that is done or not done.
pub trait ImportTarget {
    /// Why it can't.
    type Error: From<StoreError>;

    /// Whether there is something already, from before or from this restore.
    ///
    /// # Errors
    /// What the store says.
    fn has(&self, what: ImportQuery<'_>) -> Result<bool, Self::Error>;

    /// Keeps what [`Importer`] has checked, as it is.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] for a resource with the value of another, [`MembershipRecord::twice`] for members of
    /// whom one is there already, and what the store says.
    fn keep(&mut self, what: CheckedRecord) -> Result<(), Self::Error>;
}

/// What [`Importer`] asks for.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_enums, reason = "every store must answer")]
pub enum ImportQuery<'a> {
    /// A connection of the tenant.
    Connection(&'a ConnectionId),
    /// A resource of any type, or a retired one.
    Id(&'a ResourceId),
    /// A resource of that type, which is not retired.
    Resource(&'a str, &'a ResourceId),
    /// The tenant's entry.
    Tenant,
    /// A token with the id of that one, or of whatever tenant with its digest.
    Token(&'a TokenRecord),
}

/// What may be kept.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "every store must keep every kind")]
pub enum CheckedRecord {
    /// A connection.
    Connection(Connection),
    /// Members, and the change that adds them.
    Edges(MembershipRecord, Change),
    /// A resource.
    Resource(ResourceRecord, ValidatedDocument),
    /// A resource that was deleted.
    Deleted(DeletedRecord, ValidatedDocument),
    /// The tenant's entry.
    Tenant(Tenant),
    /// A token.
    Token(TokenRecord),
}

/// The decisions of an [`Archive::import_records`](super::Archive::import_records), record by record.
///
/// Where a record is refused, those before it are for the store to undo.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use scimkit_store::{
///     RequestContext, Settings, StoreError, TenantId,
///     archive::{ImportQuery, CheckedRecord, ImportTarget, ArchiveRecord, Importer, TenantHeader},
/// };
///
/// /// Has nothing, and keeps nothing.
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
    /// Begins with none: the records become those of the scope's tenant, fit the types of its registry, and respect
    /// its limit on documents.
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

    /// The last version that was given: the next one comes behind it.
    #[must_use]
    pub fn versions(&self) -> u64 {
        self.versions
    }

    /// Checks a record, and has it kept: [`Importer::check`] and [`Importer::keep`].
    ///
    /// # Errors
    /// [`StoreError::Rejected`] for a record that can't be kept behind those before, and what the keeper
    /// says.
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

    /// Checks a record as far as that is possible without a store; returns what is to be kept of it.
    ///
    /// # Errors
    /// [`StoreError::Rejected`] for a record that can't be kept, or not behind those before; [`StoreError::TooLarge`].
    pub fn check(&mut self, record: ArchiveRecord) -> Result<Option<CheckedRecord>, StoreError> {
        if matches!(record, ArchiveRecord::Start(_)) == self.is_started {
            return Err(refused("a tenant comes first, and only once"));
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
                // As its store should have done when a clock was set back.
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

    /// Checks a document, its size included.
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

    /// Has kept what was checked, unless something else is in its place or what it belongs to is
    /// missing.
    ///
    /// # Errors
    /// [`StoreError::Rejected`] for what can't be kept behind what is there, and what the keeper says.
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
                Err(refused(format!("the id `{id}` comes twice")).into())
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
    /// What is said of members of whom one is there already.
    #[must_use]
    pub fn twice() -> StoreError {
        refused("a member comes twice")
    }
}

fn ownerless() -> StoreError {
    refused("the owner of the members did not come before")
}

fn there(what: &str, id: &impl std::fmt::Display) -> StoreError {
    refused(format!("there is the {what} `{id}` already"))
}
