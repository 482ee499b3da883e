//! Who may provision: tenants, their connections to identity providers, and the tokens of those.

use std::fmt;

use chrono::{DateTime, Utc};
use scimkit_core::Version;

use crate::{BoxFuture, Cause, ConnectionId, StoreError, TenantId, TenantLimits};

/// A customer of the host application.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tenant {
    /// When it was made.
    pub created: DateTime<Utc>,
    /// What it is called by in paths, host names and keys; never another's.
    pub id: TenantId,
    /// What people call it.
    pub name: String,
    /// How often it was changed.
    pub revision: u64,
}

impl Tenant {
    /// A new tenant.
    #[must_use]
    pub fn new(id: TenantId, name: impl Into<String>, created: DateTime<Utc>) -> Self {
        Tenant {
            created,
            id,
            name: name.into(),
            revision: 0,
        }
    }
}

/// One of a tenant's connections to identity providers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connection {
    /// When it was made.
    pub created: DateTime<Utc>,
    /// Its identifier, one of a kind within its tenant.
    pub id: ConnectionId,
    /// What people call it.
    pub name: String,
    /// How often it was changed.
    pub revision: u64,
    /// Its rules: JSON text, which means nothing to a store.
    pub settings: String,
    /// Whose it is.
    pub tenant: TenantId,
}

impl Connection {
    /// A new connection.
    #[must_use]
    pub fn new(
        tenant: TenantId,
        id: ConnectionId,
        name: impl Into<String>,
        created: DateTime<Utc>,
    ) -> Self {
        Connection {
            created,
            id,
            name: name.into(),
            revision: 0,
            settings: "{}".to_owned(),
            tenant,
        }
    }
}

/// What is kept of a token: nothing that opens anything.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenRecord {
    /// The connection that it opens.
    pub connection: ConnectionId,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// The SHA-256 of the secret, no two the same.
    pub digest: [u8; 32],
    /// From when on it is refused; never, when there is none.
    pub expires_at: Option<DateTime<Utc>>,
    /// What it is called by in lists and commands, one of a kind within its tenant.
    pub id: String,
    /// When it was last accepted, to the minute or so.
    pub last_used: Option<DateTime<Utc>>,
    /// What people call it; may be empty.
    pub name: String,
    /// From when on it is refused because another took its place.
    pub replaced_at: Option<DateTime<Utc>>,
    /// How often it was changed; uses don't count.
    pub revision: u64,
    /// When it was revoked: then it is refused, whatever the time.
    pub revoked_at: Option<DateTime<Utc>>,
    /// What it may do.
    pub scopes: TokenScopes,
    /// Whose it is.
    pub tenant: TenantId,
}

impl TokenRecord {
    /// A new token of that connection, for everything and without an end.
    #[must_use]
    pub fn new(
        connection: &Connection,
        id: impl Into<String>,
        digest: [u8; 32],
        created: DateTime<Utc>,
    ) -> Self {
        TokenRecord {
            connection: connection.id.clone(),
            created,
            digest,
            expires_at: None,
            id: id.into(),
            last_used: None,
            name: String::new(),
            replaced_at: None,
            revision: 0,
            revoked_at: None,
            scopes: TokenScopes::ALL,
            tenant: connection.tenant.clone(),
        }
    }

    /// Whether it is accepted at that moment: not revoked, and neither expired nor replaced by then.
    ///
    /// A revocation counts at once, since two machines need not agree on the time.
    ///
    /// # Example
    /// ```
    /// use chrono::{DateTime, TimeDelta};
    /// use scimkit_store::{Connection, ConnectionId, TenantId, TokenRecord};
    ///
    /// let at = DateTime::UNIX_EPOCH;
    /// let crm = Connection::new(TenantId::from("acme"), ConnectionId::from("crm"), "CRM", at);
    /// let mut token = TokenRecord::new(&crm, "1", [7; 32], at);
    /// token.replaced_at = Some(at + TimeDelta::days(1));
    /// assert!(token.is_valid_at(at));
    /// // Also where the clock of whoever revoked it is ahead.
    /// token.revoked_at = Some(at + TimeDelta::minutes(5));
    /// assert!(!token.is_valid_at(at));
    /// ```
    #[must_use]
    pub fn is_valid_at(&self, at: DateTime<Utc>) -> bool {
        let over = |end: Option<DateTime<Utc>>| end.is_some_and(|end| end <= at);
        self.revoked_at.is_none() && !over(self.replaced_at) && !over(self.expires_at)
    }

    /// Returns whether it counts towards [`TenantLimits::tokens`] at that time: it is neither revoked nor expired, and no
    /// other token replaces it.
    ///
    /// # Example
    /// ```
    /// use chrono::{DateTime, TimeDelta};
    /// use scimkit_store::{Connection, ConnectionId, TenantId, TokenRecord};
    ///
    /// let at = DateTime::UNIX_EPOCH;
    /// let crm = Connection::new(TenantId::from("acme"), ConnectionId::from("crm"), "CRM", at);
    /// let mut token = TokenRecord::new(&crm, "1", [7; 32], at);
    /// assert!(token.is_in_use(at));
    /// // Its successor counts instead, although both are valid for a day.
    /// token.replaced_at = Some(at + TimeDelta::days(1));
    /// assert!(token.is_valid_at(at) && !token.is_in_use(at));
    /// ```
    #[must_use]
    pub fn is_in_use(&self, at: DateTime<Utc>) -> bool {
        self.replaced_at.is_none() && self.is_valid_at(at)
    }

    /// Makes this the successor of what is kept: a revocation or replacement is neither taken back nor
    /// put off, and no use is forgotten.
    ///
    /// # Example
    /// ```
    /// use chrono::DateTime;
    /// use scimkit_store::{Connection, ConnectionId, TenantId, TokenRecord};
    ///
    /// let at = DateTime::UNIX_EPOCH;
    /// let crm = Connection::new(TenantId::from("acme"), ConnectionId::from("crm"), "CRM", at);
    /// let mut kept = TokenRecord::new(&crm, "1", [7; 32], at);
    /// let mut renamed = kept.clone();
    /// renamed.name = "nightly".to_owned();
    /// kept.revoked_at = Some(at);
    /// renamed.merge_history(&kept);
    /// assert_eq!(renamed.revoked_at, Some(at));
    /// ```
    pub fn merge_history(&mut self, kept: &TokenRecord) {
        let first = |a: Option<_>, b| [a, b].into_iter().flatten().min();
        self.replaced_at = first(self.replaced_at, kept.replaced_at);
        self.revoked_at = first(self.revoked_at, kept.revoked_at);
        self.last_used = self.last_used.max(kept.last_used);
    }
}

impl fmt::Debug for TokenRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRecord")
            .field("tenant", &self.tenant)
            .field("connection", &self.connection)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenScopes {
    /// Read and write groups, and every type but users.
    pub groups: bool,
    /// Read whatever the connection has.
    pub read: bool,
    /// Read and write users.
    pub users: bool,
}

impl TokenScopes {
    /// Everything.
    pub const ALL: TokenScopes = TokenScopes {
        groups: true,
        read: true,
        users: true,
    };

    /// Nothing yet.
    pub const NONE: TokenScopes = TokenScopes {
        groups: false,
        read: false,
        users: false,
    };
}

/// A token with what it opens.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FoundToken {
    /// Its connection.
    pub connection: Connection,
    /// The tenant of that.
    pub tenant: Tenant,
    /// The token.
    pub token: TokenRecord,
}

impl FoundToken {
    /// What one lookup found.
    #[must_use]
    pub fn new(tenant: Tenant, connection: Connection, token: TokenRecord) -> Self {
        FoundToken {
            connection,
            tenant,
            token,
        }
    }
}

/// Something that is kept of who may provision.
///
/// Each is expected to have the revision that it is given with: 0 makes one, and each write counts it
/// up. A token [follows](TokenRecord::merge_history) the one that is kept: once revoked, it stays so. One of a
/// digest that another token has, or of an id with another digest, is refused.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_enums, reason = "every store must keep every kind")]
pub enum TenantEntry {
    /// A connection of a tenant that is there.
    Connection(Connection),
    /// A tenant.
    Tenant(Tenant),
    /// A token of a connection that is there.
    Token(TokenRecord),
}

/// The time and cause of a change of tenants, connections or tokens, and the limits that it must respect.
///
/// # Example
/// ```
/// use chrono::DateTime;
/// use scimkit_store::{Cause, Stamp};
///
/// let stamp = Stamp::new(DateTime::UNIX_EPOCH).with_cause(Cause::default());
/// assert_eq!(stamp, DateTime::UNIX_EPOCH.into());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stamp {
    /// The time of the change.
    pub at: DateTime<Utc>,
    /// The connection, caller and request that cause the change.
    pub cause: Cause,
    /// The limits on the number of tenants, connections and tokens.
    pub limits: TenantLimits,
}

impl Stamp {
    /// Creates the stamp of a change by the application itself at the time `at`, under the default limits.
    #[must_use]
    pub fn new(at: DateTime<Utc>) -> Self {
        Stamp {
            at,
            cause: Cause::default(),
            limits: TenantLimits::default(),
        }
    }

    /// Sets the connection, caller and request that cause the change.
    #[must_use]
    pub fn with_cause(mut self, cause: Cause) -> Self {
        self.cause = cause;
        self
    }

    /// Sets the limits on the number of tenants, connections and tokens.
    #[must_use]
    pub fn with_limits(mut self, limits: TenantLimits) -> Self {
        self.limits = limits;
        self
    }
}

impl From<DateTime<Utc>> for Stamp {
    fn from(at: DateTime<Utc>) -> Self {
        Stamp::new(at)
    }
}

/// What keeps tenants, connections and tokens: the databases of ours beside the resources, or the
/// host's own tables.
///
/// - A connection is seen by its own tenant only, and a token as well; a digest is one of a kind among
///   all tenants.
/// - Instants are kept to the millisecond or finer.
/// - What is written is durable when the future resolves, and seen by the next call, also by that of
///   another process.
/// - A dropped future leaves a write done or not done.
/// - While an [import](crate::Archive::import_records) of a tenant is not complete, a store that archives
///   leaves the tenant out of [`TenantStore::tenants`], and fails every other call for the tenant, or for
///   one of its tokens, with [`StoreError::Importing`].
pub trait TenantStore: fmt::Debug + Send + Sync + 'static {
    /// A connection by its tenant and its id, with that tenant.
    ///
    /// # Errors
    /// [`StoreError::Busy`] and [`StoreError::Backend`].
    fn connection<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: &'a ConnectionId,
    ) -> BoxFuture<'a, Result<Option<(Tenant, Connection)>, StoreError>>;

    /// The connections of a tenant, by id; none when there is no such tenant.
    ///
    /// # Errors
    /// [`StoreError::Busy`] and [`StoreError::Backend`].
    fn connections<'a>(
        &'a self,
        tenant: &'a TenantId,
    ) -> BoxFuture<'a, Result<Vec<Connection>, StoreError>>;

    /// The token with that digest, whether good or not, with its connection and tenant, all as they
    /// are at one moment. It is asked for every request: an index answers it.
    ///
    /// # Errors
    /// [`StoreError::Busy`] and [`StoreError::Backend`].
    fn find_token<'a>(
        &'a self,
        digest: &'a [u8; 32],
    ) -> BoxFuture<'a, Result<Option<FoundToken>, StoreError>>;

    /// Keeps all of them in that order, or none.
    ///
    /// [`decide_entry`](crate::engine::decide_entry) has the rules for each of them. If the entries are stored
    /// together with the resources, each entry takes the next number of its tenant's changes, and is recorded
    /// in the [journal](crate::Journal) if the store has one.
    ///
    /// # Errors
    /// - [`StoreError::VersionMismatch`]: it has another revision, which the version tells
    /// - [`StoreError::NotFound`]: what was changed, a connection's tenant, or a token's connection is
    ///   not there
    /// - [`StoreError::Duplicate`]: another token has that digest, or that id has another digest
    /// - [`StoreError::TooManyEntries`]: a new entry would exceed a limit of the stamp, which is checked in the
    ///   transaction of the write; entries count in the order in which they are given
    /// - [`StoreError::Busy`] and [`StoreError::Backend`]
    fn put(&self, entries: Vec<TenantEntry>, stamp: Stamp)
    -> BoxFuture<'_, Result<(), StoreError>>;

    /// Takes a connection away, with its tokens.
    ///
    /// What it provisioned stays, and is nobody's: where the resources are kept beside the connections,
    /// those that it made or adopted, and those of them that are retired, have no connection any more
    /// once the future resolves, so that another one can adopt them. They are no other version for
    /// that. A write that is on its way through the connection meanwhile may still make one that has
    /// its id.
    ///
    /// The removal is one change: it takes one number for the connection, its tokens and its resources together. It is
    /// one write, whose duration grows with the number of the tenant's resources.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Busy`] and [`StoreError::Backend`].
    fn remove_connection<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: &'a ConnectionId,
        stamp: Stamp,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// A tenant by its id.
    ///
    /// # Errors
    /// [`StoreError::Busy`] and [`StoreError::Backend`].
    fn tenant<'a>(&'a self, id: &'a TenantId) -> BoxFuture<'a, Result<Option<Tenant>, StoreError>>;

    /// The tenants, by id.
    ///
    /// # Errors
    /// [`StoreError::Busy`] and [`StoreError::Backend`].
    fn tenants(&self) -> BoxFuture<'_, Result<Vec<Tenant>, StoreError>>;

    /// The tokens of a tenant, the oldest first and those of one moment by id, whether good or not.
    ///
    /// # Errors
    /// [`StoreError::Busy`] and [`StoreError::Backend`].
    fn tokens<'a>(
        &'a self,
        tenant: &'a TenantId,
    ) -> BoxFuture<'a, Result<Vec<TokenRecord>, StoreError>>;

    /// Notes that a token was accepted, unless a later moment is noted; one that is gone is passed
    /// over. Its revision stays, and the journal does not record it.
    ///
    /// # Errors
    /// [`StoreError::Busy`] and [`StoreError::Backend`].
    fn record_token_use<'a>(
        &'a self,
        digest: &'a [u8; 32],
        at: DateTime<Utc>,
    ) -> BoxFuture<'a, Result<(), StoreError>>;
}

/// It has another revision than expected.
pub(crate) fn stale(actual: u64) -> StoreError {
    match Version::new(actual.to_string()) {
        Ok(actual) => StoreError::VersionMismatch { actual },
        Err(problem) => StoreError::backend(problem),
    }
}
