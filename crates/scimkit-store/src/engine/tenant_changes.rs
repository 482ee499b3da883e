//! The rules for changes of tenants, connections and tokens.

use crate::{
    ConnectionId, JournalAction, JournalSubject, Stamp, StoreError, TenantEntry, TenantId,
    TokenRecord, journal::DirectoryChange, tenancy::stale,
};

/// The facts on which the decision about a [`TenantEntry`] depends, from the rows before the write.
#[derive(Debug, Clone, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a store must supply all facts, so a new field must not compile unnoticed"
)]
pub struct EntryFacts {
    /// The number of stored entries that count towards the same [limit](crate::TenantLimits): all tenants, the
    /// connections of a tenant, or those tokens of a connection that are [in use](TokenRecord::is_in_use) at the time
    /// of the stamp. Entries of incomplete imports count, too. The number is not needed if an entry with the same key
    /// is stored, unless that is a token.
    pub count: u64,
    /// Whether another token, of any tenant, has the digest of a token.
    pub digest_exists: bool,
    /// Whether the tenant of a connection, or the connection of a token, exists.
    pub parent_exists: bool,
    /// The stored entry with the same key.
    pub stored: Option<TenantEntry>,
}

/// A stored entry, and the change that the journal records for it.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "a pair with names")]
pub struct EntryDecision {
    /// The change for the journal.
    pub change: DirectoryChange,
    /// The entry as it is stored.
    pub entry: TenantEntry,
}

impl TenantEntry {
    /// Returns the tenant that the entry belongs to.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        match self {
            TenantEntry::Connection(connection) => &connection.tenant,
            TenantEntry::Tenant(tenant) => &tenant.id,
            TenantEntry::Token(token) => &token.tenant,
        }
    }

    fn revision(&self) -> u64 {
        match self {
            TenantEntry::Connection(connection) => connection.revision,
            TenantEntry::Tenant(tenant) => tenant.revision,
            TenantEntry::Token(token) => token.revision,
        }
    }
}

/// Decides whether an entry is stored, and returns the entry to store and the change for the journal.
///
/// # Errors
/// As for [`TenantStore::put`](crate::TenantStore::put), except for failures of the store.
///
/// # Example
/// ```
/// use chrono::DateTime;
/// use scimkit_store::{TenantEntry, Stamp, StoreError, Tenant, TenantId, engine};
///
/// let stamp = Stamp::new(DateTime::UNIX_EPOCH);
/// let acme = Tenant::new(TenantId::from("acme"), "Acme", DateTime::UNIX_EPOCH);
/// let facts = engine::EntryFacts::default();
/// let entry = TenantEntry::Tenant(acme.clone());
/// let stored = engine::decide_entry(entry, facts.clone(), &stamp)?.entry;
/// let TenantEntry::Tenant(stored_tenant) = &stored else { panic!() };
/// assert_eq!(stored_tenant.revision, 1);
///
/// let facts = engine::EntryFacts { stored: Some(stored), ..facts };
/// let again = engine::decide_entry(TenantEntry::Tenant(acme), facts, &stamp);
/// assert!(matches!(again, Err(StoreError::VersionMismatch { .. })));
/// # Ok::<(), StoreError>(())
/// ```
pub fn decide_entry(
    mut entry: TenantEntry,
    facts: EntryFacts,
    stamp: &Stamp,
) -> Result<EntryDecision, StoreError> {
    let EntryFacts {
        count,
        digest_exists,
        parent_exists,
        stored,
    } = facts;
    if !matches!(entry, TenantEntry::Tenant(_)) && !parent_exists {
        return Err(StoreError::NotFound);
    }
    if let (TenantEntry::Token(new), Some(TenantEntry::Token(known))) = (&entry, &stored)
        && new.digest != known.digest
    {
        return Err(taken("id"));
    }
    let revision = next(stored.as_ref().map(TenantEntry::revision), entry.revision())?;
    match (&mut entry, &stored) {
        (TenantEntry::Token(new), Some(TenantEntry::Token(known))) => new.merge_history(known),
        (TenantEntry::Token(_), _) if digest_exists => return Err(taken("digest")),
        _ => {}
    }
    if is_one_more(&entry, stored.as_ref(), stamp) {
        stamp.limits.check(entry.kind(), count)?;
    }
    let (TenantEntry::Connection(crate::Connection { revision: last, .. })
    | TenantEntry::Tenant(crate::Tenant { revision: last, .. })
    | TenantEntry::Token(TokenRecord { revision: last, .. })) = &mut entry;
    *last = revision;
    let change = recorded(&entry, stored.as_ref());
    Ok(EntryDecision { change, entry })
}

/// Returns the change that the journal records for the removal of a connection.
#[must_use]
pub fn connection_removed(id: &ConnectionId) -> DirectoryChange {
    let subject = JournalSubject::Connection(id.clone());
    DirectoryChange::new(subject, JournalAction::Deleted)
}

/// Returns whether an entry increases the number of entries that a limit counts. A stored token does so if it moves to
/// another connection, or is in use again because its expiry is postponed.
fn is_one_more(entry: &TenantEntry, stored: Option<&TenantEntry>, stamp: &Stamp) -> bool {
    match (entry, stored) {
        (TenantEntry::Token(new), Some(TenantEntry::Token(known))) => {
            let was_counted = known.is_in_use(stamp.at) && known.connection == new.connection;
            new.is_in_use(stamp.at) && !was_counted
        }
        (TenantEntry::Token(new), _) => new.is_in_use(stamp.at),
        (_, stored) => stored.is_none(),
    }
}

/// Returns the revision after a write, if the stored one is as expected.
fn next(known: Option<u64>, expected: u64) -> Result<u64, StoreError> {
    match known {
        None if expected > 0 => Err(StoreError::NotFound),
        Some(actual) if actual != expected => Err(stale(actual)),
        _ => Ok(expected.saturating_add(1)),
    }
}

fn taken(attr: &str) -> StoreError {
    let attr = attr.to_owned();
    StoreError::Duplicate { attr }
}

/// Returns the change for the journal, with the names of the changed fields.
fn recorded(entry: &TenantEntry, stored: Option<&TenantEntry>) -> DirectoryChange {
    let subject = match entry {
        TenantEntry::Connection(connection) => JournalSubject::Connection(connection.id.clone()),
        TenantEntry::Tenant(_) => JournalSubject::Tenant,
        TenantEntry::Token(token) => JournalSubject::Token(token.id.clone()),
    };
    let Some(stored) = stored else {
        return DirectoryChange::new(subject, JournalAction::Created);
    };
    let fields: Vec<(&'static str, bool)> = match (entry, stored) {
        (TenantEntry::Connection(new), TenantEntry::Connection(old)) => vec![
            ("name", new.name != old.name),
            ("settings", new.settings != old.settings),
        ],
        (TenantEntry::Tenant(new), TenantEntry::Tenant(old)) => {
            vec![("name", new.name != old.name)]
        }
        (TenantEntry::Token(new), TenantEntry::Token(old)) => vec![
            ("connection", new.connection != old.connection),
            ("expires", new.expires_at != old.expires_at),
            ("name", new.name != old.name),
            ("replaced", new.replaced_at != old.replaced_at),
            ("revoked", new.revoked_at != old.revoked_at),
            ("scopes", new.scopes != old.scopes),
        ],
        _ => Vec::new(),
    };
    let changed = fields.into_iter().filter(|(_, is_changed)| *is_changed);
    let changed = changed.map(|(name, _)| name).collect();
    DirectoryChange::new(subject, JournalAction::Updated).with_fields(changed)
}
