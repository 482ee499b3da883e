//! Tenants, their connections to identity providers, and the tokens of these connections.

use std::fmt;

use chrono::{DateTime, Utc};
use scimkit_core::Version;

use crate::{BoxFuture, Cause, ConnectionId, StoreError, TenantId, TenantLimits};

/// A customer organisation of the application.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tenant {
    /// The time of its creation.
    pub created: DateTime<Utc>,
    /// Its identifier in paths, host names and keys, unique among all tenants.
    pub id: TenantId,
    /// Its name, for people.
    pub name: String,
    /// The number of times that it was written, its creation included; 0 before it is stored.
    pub revision: u64,
    /// What delivers its users, in staged delivery.
    pub source: TenantSource,
}

/// What delivers the users of a tenant, in staged delivery. The others are accepted, and not delivered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a run must know every source that excludes it"
)]
pub enum TenantSource {
    /// An agent in the tenant's network, which reads a directory.
    Agent,
    /// Files that a person uploads.
    Csv,
    /// An identity provider, by SCIM.
    #[default]
    Scim,
}

impl TenantSource {
    /// Every source, with its word.
    pub const WORDS: [(&'static str, TenantSource); 3] = [
        ("agent", TenantSource::Agent),
        ("csv", TenantSource::Csv),
        ("scim", TenantSource::Scim),
    ];

    /// Returns the word for the source.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            TenantSource::Agent => "agent",
            TenantSource::Csv => "csv",
            TenantSource::Scim => "scim",
        }
    }

    /// Returns the source with a word; SCIM for a word that this release does not know.
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        let known = TenantSource::WORDS.iter().find(|(known, _)| *known == word);
        known.map_or(TenantSource::Scim, |(_, source)| *source)
    }
}

impl fmt::Display for TenantSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Tenant {
    /// Creates a tenant that is not stored yet.
    #[must_use]
    pub fn new(id: TenantId, name: impl Into<String>, created: DateTime<Utc>) -> Self {
        Tenant {
            created,
            id,
            name: name.into(),
            revision: 0,
            source: TenantSource::Scim,
        }
    }
}

/// A connection of a tenant to an identity provider.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connection {
    /// The time of its creation.
    pub created: DateTime<Utc>,
    /// Its identifier, unique within its tenant.
    pub id: ConnectionId,
    /// Its name, for people.
    pub name: String,
    /// The number of times that it was written, its creation included; 0 before it is stored.
    pub revision: u64,
    /// Its [settings](crate::ConnectionSettings) as JSON text, which reads return unchanged.
    pub settings: String,
    /// The tenant that it belongs to.
    pub tenant: TenantId,
}

impl Connection {
    /// Creates a connection that is not stored yet.
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

/// The stored part of a token, from which the token can't be recovered.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenRecord {
    /// The connection for which it is valid.
    pub connection: ConnectionId,
    /// The time of its creation.
    pub created: DateTime<Utc>,
    /// The SHA-256 digest of the token, unique among all tokens.
    pub digest: [u8; 32],
    /// The time from which on it is expired; none if it does not expire.
    pub expires_at: Option<DateTime<Utc>>,
    /// Its identifier in lists and commands, unique within its tenant.
    pub id: String,
    /// The time at which it was last accepted, to about a minute.
    pub last_used: Option<DateTime<Utc>>,
    /// Its name, for people; may be empty.
    pub name: String,
    /// The time from which on it is no longer valid, because another token replaced it.
    pub replaced_at: Option<DateTime<Utc>>,
    /// The number of times that it was written, its creation included and uses excluded; 0 before it is stored.
    pub revision: u64,
    /// The time of its revocation. If there is one, the token is not valid at any time.
    pub revoked_at: Option<DateTime<Utc>>,
    /// Its scopes.
    pub scopes: TokenScopes,
    /// The tenant that it belongs to.
    pub tenant: TenantId,
}

impl TokenRecord {
    /// Creates a token record for a connection, with all scopes and without an expiry.
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

    /// Returns whether it is valid at that time: it is not revoked, and neither expired nor replaced by then.
    ///
    /// A revocation is effective whatever its time, since the clocks of two machines may differ.
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
    /// // Even if the clock of the machine that revoked it is fast.
    /// token.revoked_at = Some(at + TimeDelta::minutes(5));
    /// assert!(!token.is_valid_at(at));
    /// ```
    #[must_use]
    pub fn is_valid_at(&self, at: DateTime<Utc>) -> bool {
        let over = |end: Option<DateTime<Utc>>| end.is_some_and(|end| end <= at);
        self.revoked_at.is_none() && !over(self.replaced_at) && !over(self.expires_at)
    }

    /// Returns whether it counts towards [`TenantLimits::tokens`] at that time: it is neither revoked nor expired, and
    /// no other token replaces it.
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

    /// Merges the history of the stored record into this newer version of it: a revocation or replacement is neither
    /// undone nor postponed, and the last use is preserved.
    ///
    /// # Example
    /// ```
    /// use chrono::DateTime;
    /// use scimkit_store::{Connection, ConnectionId, TenantId, TokenRecord};
    ///
    /// let at = DateTime::UNIX_EPOCH;
    /// let crm = Connection::new(TenantId::from("acme"), ConnectionId::from("crm"), "CRM", at);
    /// let mut stored = TokenRecord::new(&crm, "1", [7; 32], at);
    /// let mut renamed = stored.clone();
    /// renamed.name = "nightly".to_owned();
    /// stored.revoked_at = Some(at);
    /// renamed.merge_history(&stored);
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

/// The scopes of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenScopes {
    /// Whether it may read and write groups and all other types except users.
    pub groups: bool,
    /// Whether it may read all types that are enabled for the connection.
    pub read: bool,
    /// Whether it may read and write users.
    pub users: bool,
}

impl TokenScopes {
    /// All scopes.
    pub const ALL: TokenScopes = TokenScopes {
        groups: true,
        read: true,
        users: true,
    };

    /// No scopes.
    pub const NONE: TokenScopes = TokenScopes {
        groups: false,
        read: false,
        users: false,
    };
}

/// A token with its connection and tenant.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FoundToken {
    /// The connection of the token.
    pub connection: Connection,
    /// The tenant of the connection.
    pub tenant: Tenant,
    /// The token.
    pub token: TokenRecord,
}

impl FoundToken {
    /// Creates the result of a token lookup.
    #[must_use]
    pub fn new(tenant: Tenant, connection: Connection, token: TokenRecord) -> Self {
        FoundToken {
            connection,
            tenant,
            token,
        }
    }
}

/// A tenant, connection or token to store.
///
/// It carries the revision that the stored entry must have, which is 0 for a new entry; each write increments it. The
/// history of a stored token is [merged](TokenRecord::merge_history): a revoked token stays revoked. A token is
/// rejected if another one has its digest, or if its id is stored with another digest.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_enums, reason = "every store must store every kind")]
pub enum TenantEntry {
    /// A connection of an existing tenant.
    Connection(Connection),
    /// A tenant.
    Tenant(Tenant),
    /// A token of an existing connection.
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

/// Stores tenants, connections and tokens: in one of scimkit's databases next to the resources, or in the application's
/// own tables.
///
/// - Connections and tokens are visible only to their own tenant. A digest is unique among all tenants.
/// - Times are stored to the millisecond or finer.
/// - A write is durable when the future resolves, and visible to the next call, also in another process.
/// - A dropped future leaves a write either done or not done.
/// - While an [import](crate::Archive::import_records) of a tenant is not complete, a store that archives
///   leaves the tenant out of [`TenantStore::tenants`], and fails every other call for the tenant, or for
///   one of its tokens, with [`StoreError::Importing`].
pub trait TenantStore: fmt::Debug + Send + Sync + 'static {
    /// Returns a connection by its tenant and its id, with that tenant.
    ///
    /// # Errors
    /// A [failure](StoreError::is_failure) of the store.
    fn connection<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: &'a ConnectionId,
    ) -> BoxFuture<'a, Result<Option<(Tenant, Connection)>, StoreError>>;

    /// Returns the connections of a tenant, by id; none if the tenant does not exist.
    ///
    /// # Errors
    /// A [failure](StoreError::is_failure) of the store.
    fn connections<'a>(
        &'a self,
        tenant: &'a TenantId,
    ) -> BoxFuture<'a, Result<Vec<Connection>, StoreError>>;

    /// Returns the token with that digest, valid or not, with its connection and tenant, all as of one moment. This
    /// is called for every request, so it should use an index.
    ///
    /// # Errors
    /// A [failure](StoreError::is_failure) of the store.
    fn find_token<'a>(
        &'a self,
        digest: &'a [u8; 32],
    ) -> BoxFuture<'a, Result<Option<FoundToken>, StoreError>>;

    /// Stores all entries in this order, or none.
    ///
    /// [`decide_entry`](crate::engine::decide_entry) has the rules for each of them. If the entries are stored
    /// together with the resources, each entry takes the next number of its tenant's changes, and is recorded
    /// in the [journal](crate::Journal) if the store has one.
    ///
    /// # Errors
    /// - [`StoreError::VersionMismatch`]: the stored entry has another revision, which the error contains
    /// - [`StoreError::NotFound`]: the entry to change, the tenant of a connection, or the connection of a token does
    ///   not exist
    /// - [`StoreError::Duplicate`]: another token has that digest, or that id has another digest
    /// - [`StoreError::TooManyEntries`]: a new entry would exceed a limit of the stamp, which is checked in the
    ///   transaction of the write; entries count in the order in which they are given
    /// - a [failure](StoreError::is_failure) of the store
    fn put(&self, entries: Vec<TenantEntry>, stamp: Stamp)
    -> BoxFuture<'_, Result<(), StoreError>>;

    /// Removes a connection with its tokens.
    ///
    /// The resources that it provisioned stay, without an owner. If they are stored next to the connections, those that
    /// it created or adopted, soft-deleted ones included, have no owner when the future resolves, so that another
    /// connection can adopt them. Their versions do not change. A concurrent write through the connection may still
    /// create a resource with the removed connection as its owner.
    ///
    /// The removal is one change: it takes one number for the connection, its tokens and its resources together. It is
    /// one write, whose duration grows with the number of the tenant's resources.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or a [failure](StoreError::is_failure) of the store.
    fn remove_connection<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: &'a ConnectionId,
        stamp: Stamp,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Returns a tenant by its id.
    ///
    /// # Errors
    /// A [failure](StoreError::is_failure) of the store.
    fn tenant<'a>(&'a self, id: &'a TenantId) -> BoxFuture<'a, Result<Option<Tenant>, StoreError>>;

    /// Returns the tenants, by id.
    ///
    /// # Errors
    /// A [failure](StoreError::is_failure) of the store.
    fn tenants(&self) -> BoxFuture<'_, Result<Vec<Tenant>, StoreError>>;

    /// Returns the tokens of a tenant, valid or not, the oldest first and those of the same time by id.
    ///
    /// # Errors
    /// A [failure](StoreError::is_failure) of the store.
    fn tokens<'a>(
        &'a self,
        tenant: &'a TenantId,
    ) -> BoxFuture<'a, Result<Vec<TokenRecord>, StoreError>>;

    /// Records that a token was accepted, unless a later use is recorded. An unknown token is ignored. The revision of
    /// the token does not change, and the journal does not record the use.
    ///
    /// # Errors
    /// A [failure](StoreError::is_failure) of the store.
    fn record_token_use<'a>(
        &'a self,
        digest: &'a [u8; 32],
        at: DateTime<Utc>,
    ) -> BoxFuture<'a, Result<(), StoreError>>;
}

/// Returns the error of an entry that has another revision than expected.
pub(crate) fn stale(actual: u64) -> StoreError {
    match Version::new(actual.to_string()) {
        Ok(actual) => StoreError::VersionMismatch { actual },
        Err(problem) => StoreError::backend(problem),
    }
}
