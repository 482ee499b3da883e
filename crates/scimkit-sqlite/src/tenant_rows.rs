//! The rows of tenants, connections and tokens.

use std::collections::BTreeMap;

use rusqlite::{Connection as Db, Row, types::ValueRef};
use scimkit_sql::reference::{self, Counters, Statement};
use scimkit_store::{
    Connection, ConnectionId, FoundToken, ResourceRef, Stamp, StoreError, Tenant, TenantEntry,
    TenantId, TenantSource, TokenRecord, TokenScopes,
    engine::{self, EntryDecision, EntryFacts},
    journal::{DirectoryChange, seal_directory_changes},
};

use crate::{
    error::Outcome,
    imports, journal,
    row::{id_at, instant, micros},
    statement::{DIALECT, all, execute, execute_all, execute_counted, exists, first},
};

/// The changes of each tenant, in order.
type Changes = BTreeMap<TenantId, Vec<DirectoryChange>>;
type Digest = [u8; 32];

/// Returns the token with a digest, its connection and its tenant.
pub(crate) fn open(db: &Db, digest: &Digest) -> Outcome<Option<FoundToken>> {
    first(db, &reference::token_by_digest(DIALECT, digest), |row| {
        if row.get(25)? {
            return Err(StoreError::Importing.into());
        }
        let tenant = tenant_at(row, 0)?;
        let connection = connection_at(row, 5)?;
        Ok(FoundToken::new(tenant, connection, token_at(row, 11)?))
    })
}

pub(crate) fn tenant(db: &Db, id: &TenantId) -> Outcome<Option<Tenant>> {
    let statement = reference::tenant(DIALECT, id.as_str());
    first(db, &statement, |row| tenant_at(row, 0))
}

pub(crate) fn tenants(db: &Db) -> Outcome<Vec<Tenant>> {
    all(db, &reference::tenants(DIALECT), |row| tenant_at(row, 0))
}

pub(crate) fn connection(
    db: &Db,
    tenant: &TenantId,
    id: &ConnectionId,
) -> Outcome<Option<Connection>> {
    let statement = reference::connection(DIALECT, tenant.as_str(), id.as_str());
    first(db, &statement, |row| connection_at(row, 0))
}

/// Returns a connection with its tenant, both at one moment without an incomplete import of the tenant.
pub(crate) fn connection_of(
    db: &Db,
    tenant: &TenantId,
    id: &ConnectionId,
) -> Outcome<Option<(Tenant, Connection)>> {
    let statement = reference::connection_with_tenant(DIALECT, tenant.as_str(), id.as_str());
    let found = first(db, &statement, |row| {
        if row.get(11)? {
            return Err(StoreError::Importing.into());
        }
        match row.get_ref(0)? {
            ValueRef::Null => Ok(None),
            _ => Ok(Some((tenant_at(row, 0)?, connection_at(row, 5)?))),
        }
    })?;
    Ok(found.flatten())
}

pub(crate) fn connections(db: &Db, tenant: &TenantId) -> Outcome<Vec<Connection>> {
    let statement = reference::connections(DIALECT, tenant.as_str());
    all(db, &statement, |row| connection_at(row, 0))
}

/// Returns the tokens of a tenant, oldest first.
pub(crate) fn tokens(db: &Db, tenant: &TenantId) -> Outcome<Vec<TokenRecord>> {
    let statement = reference::tokens(DIALECT, tenant.as_str());
    all(db, &statement, |row| token_at(row, 0))
}

pub(crate) fn token(db: &Db, tenant: &TenantId, id: &str) -> Outcome<Option<TokenRecord>> {
    let statement = reference::token(DIALECT, tenant.as_str(), id);
    first(db, &statement, |row| token_at(row, 0))
}

/// Writes entries. After an error, the transaction must be rolled back.
pub(crate) fn put(db: &Db, entries: Vec<TenantEntry>, stamp: &Stamp) -> Outcome<()> {
    let mut changes = Changes::new();
    for entry in entries {
        let tenant = entry.tenant().clone();
        imports::check_complete(db, tenant.as_str())?;
        let facts = facts(db, &entry, stamp)?;
        let EntryDecision { change, entry } = engine::decide_entry(entry, facts, stamp)?;
        match &entry {
            TenantEntry::Connection(connection) => put_connection(db, connection)?,
            TenantEntry::Tenant(tenant) => put_tenant(db, tenant)?,
            TenantEntry::Token(token) => put_token(db, token)?,
        }
        changes.entry(tenant).or_default().push(change);
    }
    for (tenant, changes) in changes {
        record(db, &tenant, stamp, changes)?;
    }
    Ok(())
}

fn facts(db: &Db, entry: &TenantEntry, stamp: &Stamp) -> Outcome<EntryFacts> {
    let of = entry.tenant().as_str();
    Ok(match entry {
        TenantEntry::Connection(new) => EntryFacts {
            count: count(db, &reference::connection_count(DIALECT, of))?,
            digest_exists: false,
            parent_exists: tenant(db, &new.tenant)?.is_some(),
            stored: connection(db, &new.tenant, &new.id)?.map(TenantEntry::Connection),
        },
        TenantEntry::Tenant(new) => {
            let stored = tenant(db, &new.id)?.map(TenantEntry::Tenant);
            EntryFacts {
                count: match &stored {
                    // Counting reads all tenants, so it happens only if needed.
                    Some(_) => 0,
                    None => count(db, &reference::tenant_count(DIALECT))?,
                },
                stored,
                ..EntryFacts::default()
            }
        }
        TenantEntry::Token(new) => EntryFacts {
            count: count(db, &{
                let connection = (of, new.connection.as_str());
                reference::token_count(DIALECT, connection, micros(stamp.at))
            })?,
            digest_exists: is_known(db, &new.digest)?,
            parent_exists: connection(db, &new.tenant, &new.connection)?.is_some(),
            stored: token(db, &new.tenant, &new.id)?.map(TenantEntry::Token),
        },
    })
}

fn count(db: &Db, statement: &Statement<'_>) -> Outcome<u64> {
    let count: Option<i64> = first(db, statement, |row| Ok(row.get(0)?))?;
    Ok(count.unwrap_or_default().cast_unsigned())
}

/// Numbers the changes of a tenant's entries and records them in its journal.
fn record(db: &Db, tenant: &TenantId, stamp: &Stamp, changes: Vec<DirectoryChange>) -> Outcome<()> {
    let end = journal::end(db, tenant.as_str())?;
    let version = end.version.saturating_add(changes.len() as u64);
    let rows = seal_directory_changes(end.seed, end.version, stamp, changes);
    let version = i64::try_from(version).map_err(StoreError::backend)?;
    let change = (version, Counters::Unchanged);
    journal::add(db, tenant.as_str(), change, &rows)
}

/// Returns whether any tenant has a token with that digest.
pub(crate) fn is_known(db: &Db, digest: &Digest) -> Outcome<bool> {
    exists(db, &reference::token_exists(DIALECT, digest))
}

/// Adds or replaces a tenant's row.
pub(crate) fn put_tenant(db: &Db, tenant: &Tenant) -> Outcome<()> {
    execute(db, &reference::put_tenant(DIALECT, &tenant.into()))
}

/// Adds or replaces a connection's row.
pub(crate) fn put_connection(db: &Db, connection: &Connection) -> Outcome<()> {
    execute(db, &reference::put_connection(DIALECT, &connection.into()))
}

/// Adds or replaces a token's row.
pub(crate) fn put_token(db: &Db, token: &TokenRecord) -> Outcome<()> {
    execute(db, &reference::put_token(DIALECT, &token.into()))
}

/// Removes a connection and its tokens, and releases its resources.
pub(crate) fn remove_connection(
    db: &Db,
    tenant: &TenantId,
    id: &ConnectionId,
    stamp: &Stamp,
) -> Outcome<()> {
    imports::check_complete(db, tenant.as_str())?;
    let of = tenant.as_str();
    let name = id.as_str();
    if execute_counted(db, &reference::remove_connection(DIALECT, of, name))? == 0 {
        return Err(StoreError::NotFound.into());
    }
    let mut tokens = tokens(db, tenant)?;
    tokens.retain(|token| token.connection == *id);
    let mut tokens: Vec<_> = tokens.into_iter().map(|token| token.id).collect();
    tokens.sort_unstable();
    let released = all(db, &reference::owned_by(DIALECT, of, name), |row| {
        Ok(ResourceRef {
            kind: row.get(0)?,
            id: id_at(row, 1)?,
        })
    })?;
    execute_all(db, reference::release_connection(DIALECT, of, name))?;
    let change = engine::connection_removed(id).with_tokens(tokens);
    record(db, tenant, stamp, vec![change.with_released(released)])
}

/// Returns whether the token exists without a recorded use at that moment or later.
pub(crate) fn is_news(db: &Db, digest: &Digest, at_us: i64) -> Outcome<bool> {
    exists(db, &reference::token_unused_since(DIALECT, digest, at_us))
}

/// Records the use of a token.
pub(crate) fn used(db: &Db, digest: &Digest, at_us: i64) -> Outcome<()> {
    execute(db, &reference::record_token_use(DIALECT, digest, at_us))
}

fn text_at<'r>(row: &'r Row<'_>, at: usize) -> Outcome<&'r str> {
    Ok(row.get_ref(at)?.as_str().map_err(StoreError::backend)?)
}

fn tenant_at(row: &Row<'_>, at: usize) -> Outcome<Tenant> {
    let id = TenantId::from(text_at(row, at)?);
    let name: String = row.get(at + 1)?;
    let mut tenant = Tenant::new(id, name, instant(row.get(at + 2)?)?);
    tenant.revision = row.get(at + 3).map(i64::cast_unsigned)?;
    let source: String = row.get(at + 4)?;
    tenant.source = TenantSource::from_word(&source);
    Ok(tenant)
}

fn connection_at(row: &Row<'_>, at: usize) -> Outcome<Connection> {
    let tenant = TenantId::from(text_at(row, at)?);
    let id = ConnectionId::from(text_at(row, at + 1)?);
    let name: String = row.get(at + 2)?;
    let mut connection = Connection::new(tenant, id, name, instant(row.get(at + 4)?)?);
    connection.settings = row.get(at + 3)?;
    connection.revision = row.get(at + 5).map(i64::cast_unsigned)?;
    Ok(connection)
}

fn token_at(row: &Row<'_>, at: usize) -> Outcome<TokenRecord> {
    let tenant = TenantId::from(text_at(row, at)?);
    let connection = ConnectionId::from(text_at(row, at + 2)?);
    let (id, digest): (String, Digest) = (row.get(at + 1)?, row.get(at + 3)?);
    let created = instant(row.get(at + 8)?)?;
    // Only the two ids of the connection are used.
    let of = Connection::new(tenant, connection, "", created);
    let mut token = TokenRecord::new(&of, id, digest, created);
    let moment = |column| row.get::<_, Option<i64>>(column).map(|us| us.map(instant));
    token.name = row.get(at + 4)?;
    token.scopes = TokenScopes::NONE;
    token.scopes.groups = row.get(at + 5)?;
    token.scopes.read = row.get(at + 6)?;
    token.scopes.users = row.get(at + 7)?;
    token.revision = row.get(at + 9).map(i64::cast_unsigned)?;
    token.expires_at = moment(at + 10)?.transpose()?;
    token.replaced_at = moment(at + 11)?.transpose()?;
    token.revoked_at = moment(at + 12)?.transpose()?;
    token.last_used = moment(at + 13)?.transpose()?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use scimkit_sql::reference::token_by_digest;

    use crate::{
        SqliteOptions,
        file::{DatabaseLocation, open_writer},
        statement::{DIALECT, steps},
    };

    #[test]
    fn token_lookup_uses_only_indexes() {
        let db = open_writer(&DatabaseLocation::Memory, &SqliteOptions::default()).unwrap();
        let steps = steps(&db, &token_by_digest(DIALECT, &[0; 32]));
        let expected = [
            "SEARCH k USING INDEX token_by_digest (digest=?)",
            "SEARCH c USING PRIMARY KEY (tenant=? AND connection=?)",
            "SEARCH t USING PRIMARY KEY (tenant=?)",
            "CORRELATED SCALAR SUBQUERY 1",
            "SEARCH i USING PRIMARY KEY (tenant=?)",
        ];
        assert_eq!(steps, expected);
    }
}
