//! What is decided of the records of a restore, whatever store they go into.

use scimkit_registry::{Change, Registry, ResourceId};

use super::{
    Edges, Fit, Kept, Record, Retired, Start,
    fit::{fit, refused},
};
use crate::{Connection, ConnectionId, Document, StoreError, Tenant, TenantId, TokenRecord};

/// A store in the middle of a restore: what is there, and what it is told to keep.
///
/// All of it is one tenant's, and part of the one thing that is done or not done.
pub trait Keeper {
    /// Why it can't.
    type Error: From<StoreError>;

    /// Whether there is something already, from before or from this restore.
    ///
    /// # Errors
    /// What the store says.
    fn has(&self, what: Asked<'_>) -> Result<bool, Self::Error>;

    /// Keeps what [`Restoring`] has checked, as it is.
    ///
    /// # Errors
    /// [`StoreError::Taken`] for a resource with the value of another, [`Edges::twice`] for members of
    /// whom one is there already, and what the store says.
    fn keep(&mut self, what: Checked) -> Result<(), Self::Error>;
}

/// What [`Restoring`] asks for.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_enums, reason = "every store must answer")]
pub enum Asked<'a> {
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
pub enum Checked {
    /// A connection.
    Connection(Connection),
    /// Members, and the change that adds them.
    Edges(Edges, Change),
    /// A resource.
    Resource(Kept, Fit),
    /// A resource that was deleted.
    Retired(Retired, Fit),
    /// The tenant's entry.
    Tenant(Tenant),
    /// A token.
    Token(TokenRecord),
}

/// The decisions of an [`Archive::restore`](super::Archive::restore), record by record.
///
/// Where a record is refused, those before it are for the store to undo.
///
/// # Example
/// ```
/// use scimkit_registry::Registry;
/// use scimkit_store::{
///     StoreError, TenantId,
///     archive::{Asked, Checked, Keeper, Record, Restoring, Start},
/// };
///
/// /// Has nothing, and keeps nothing.
/// struct Sieve;
///
/// impl Keeper for Sieve {
///     type Error = StoreError;
///
///     fn has(&self, _: Asked<'_>) -> Result<bool, StoreError> {
///         Ok(false)
///     }
///
///     fn keep(&mut self, _: Checked) -> Result<(), StoreError> {
///         Ok(())
///     }
/// }
///
/// let (registry, acme) = (Registry::standard(), TenantId::from("acme"));
/// let mut restoring = Restoring::new(&registry, &acme);
/// let start = || Record::Start(Start::new(acme.clone(), None, 7));
/// restoring.take(&mut Sieve, start())?;
/// assert_eq!(restoring.versions(), 7);
///
/// let again = restoring.take(&mut Sieve, start()).unwrap_err();
/// assert!(again.to_string().contains("only once"));
/// # Ok::<(), StoreError>(())
/// ```
#[derive(Debug)]
pub struct Restoring<'a> {
    is_started: bool,
    registry: &'a Registry,
    tenant: &'a TenantId,
    versions: u64,
}

impl<'a> Restoring<'a> {
    /// Begins with none: the records become that tenant's, and fit the types of that registry.
    #[must_use]
    pub fn new(registry: &'a Registry, tenant: &'a TenantId) -> Self {
        Restoring {
            is_started: false,
            registry,
            tenant,
            versions: 0,
        }
    }

    /// The last version that was given: the next one comes behind it.
    #[must_use]
    pub fn versions(&self) -> u64 {
        self.versions
    }

    /// Checks a record, and has it kept.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for a record that can't be kept behind those before, and what the keeper
    /// says.
    pub fn take<K: Keeper>(&mut self, keeper: &mut K, record: Record) -> Result<(), K::Error> {
        if matches!(record, Record::Start(_)) == self.is_started {
            return Err(refused("a tenant comes first, and only once").into());
        }
        self.is_started = true;
        let checked = match record {
            Record::Connection(connection) => self.connection(keeper, connection)?,
            Record::Edges(edges) => self.edges(keeper, edges)?,
            Record::Resource(resource) => {
                let number = resource.number()?;
                self.versions = self.versions.max(number);
                let (kind, id) = (&resource.kind, &resource.id);
                let fit = self.fit(keeper, (kind, id), &resource.document)?;
                Checked::Resource(resource, fit)
            }
            Record::Retired(retired) => {
                let (kind, id) = (&retired.kind, &retired.id);
                let fit = self.fit(keeper, (kind, id), &retired.document)?;
                Checked::Retired(retired, fit)
            }
            Record::Start(start) => match self.start(keeper, start)? {
                Some(entry) => Checked::Tenant(entry),
                None => return Ok(()),
            },
            Record::Token(token) => self.token(keeper, token)?,
        };
        keeper.keep(checked)
    }

    fn start<K: Keeper>(&mut self, keeper: &K, start: Start) -> Result<Option<Tenant>, K::Error> {
        self.versions = start.last_version()?;
        let Some(mut entry) = start.entry else {
            return Ok(None);
        };
        entry.id = self.tenant.clone();
        if keeper.has(Asked::Tenant)? {
            return Err(there("tenant", self.tenant).into());
        }
        Ok(Some(entry))
    }

    fn connection<K: Keeper>(&self, keeper: &K, mut new: Connection) -> Result<Checked, K::Error> {
        new.tenant = self.tenant.clone();
        if !keeper.has(Asked::Tenant)? {
            return Err(refused(format!("there is no tenant `{}`", self.tenant)).into());
        }
        if keeper.has(Asked::Connection(&new.id))? {
            return Err(there("connection", &new.id).into());
        }
        Ok(Checked::Connection(new))
    }

    fn token<K: Keeper>(&self, keeper: &K, mut new: TokenRecord) -> Result<Checked, K::Error> {
        new.tenant = self.tenant.clone();
        if !keeper.has(Asked::Connection(&new.connection))? {
            return Err(refused(format!("there is no connection `{}`", new.connection)).into());
        }
        if keeper.has(Asked::Token(&new))? {
            return Err(there("token", &new.id).into());
        }
        Ok(Checked::Token(new))
    }

    fn edges<K: Keeper>(&self, keeper: &K, edges: Edges) -> Result<Checked, K::Error> {
        let is_there = keeper.has(Asked::Resource(&edges.kind, &edges.owner))?;
        let kind = self.registry.by_name(&edges.kind).filter(|_| is_there);
        let missing = || refused("the owner of the members did not come before");
        let change = edges.change(kind.ok_or_else(missing)?)?;
        Ok(Checked::Edges(edges, change))
    }

    fn fit<K: Keeper>(
        &self,
        keeper: &K,
        (kind, id): (&str, &ResourceId),
        document: &Document,
    ) -> Result<Fit, K::Error> {
        if keeper.has(Asked::Id(id))? {
            return Err(refused(format!("the id `{id}` comes twice")).into());
        }
        Ok(fit(self.registry, (kind, id), document)?)
    }
}

impl Edges {
    /// What is said of members of whom one is there already.
    #[must_use]
    pub fn twice() -> StoreError {
        refused("a member comes twice")
    }
}

fn there(what: &str, id: &impl std::fmt::Display) -> StoreError {
    refused(format!("there is the {what} `{id}` already"))
}
