//! Tenants, their connections, and the tokens of those, as rows.

use rusqlite::{Connection as Db, OptionalExtension, Params, Row, params};
use scimkit_core::Version;
use scimkit_store::{
    Connection, ConnectionId, Entry, Opened, Scopes, StoreError, Tenant, TenantId, TokenRecord,
};

use crate::{
    error::{Failure, Outcome},
    imports,
    row::{instant, micros},
};

type Digest = [u8; 32];

/// The token of a digest with what it opens: the columns of the three, one behind the other.
const OPEN: &str = "SELECT t.tenant, t.name, t.created_us, t.revision,
            c.tenant, c.connection, c.name, c.rules, c.created_us, c.revision,
            k.tenant, k.id, k.connection, k.digest, k.name, k.may_groups, k.may_read, k.may_users,
            k.created_us, k.revision, k.expires_us, k.replaced_us, k.revoked_us, k.used_us,
            EXISTS (SELECT 1 FROM import i WHERE i.tenant = k.tenant)
     FROM token k
     JOIN connection c ON c.tenant = k.tenant AND c.connection = k.connection
     JOIN tenant t ON t.tenant = k.tenant
     WHERE k.digest = ?1";

pub(crate) fn open(db: &Db, digest: &Digest) -> Outcome<Option<Opened>> {
    one(db, OPEN, params![digest], |row| {
        if row.get(24)? {
            return Err(StoreError::Importing.into());
        }
        let (tenant, connection) = (tenant_at(row, 0)?, connection_at(row, 4)?);
        Ok(Opened::new(tenant, connection, token_at(row, 10)?))
    })
}

pub(crate) fn tenant(db: &Db, id: &TenantId) -> Outcome<Option<Tenant>> {
    let sql = "SELECT tenant, name, created_us, revision FROM tenant WHERE tenant = ?1";
    one(db, sql, params![id.as_str()], |row| tenant_at(row, 0))
}

pub(crate) fn tenants(db: &Db) -> Outcome<Vec<Tenant>> {
    let sql = "SELECT tenant, name, created_us, revision FROM tenant t
               WHERE NOT EXISTS (SELECT 1 FROM import i WHERE i.tenant = t.tenant)
               ORDER BY tenant";
    all(db, sql, params![], |row| tenant_at(row, 0))
}

pub(crate) fn connection(
    db: &Db,
    tenant: &TenantId,
    id: &ConnectionId,
) -> Outcome<Option<Connection>> {
    let sql = "SELECT tenant, connection, name, rules, created_us, revision FROM connection
               WHERE tenant = ?1 AND connection = ?2";
    let key = params![tenant.as_str(), id.as_str()];
    one(db, sql, key, |row| connection_at(row, 0))
}

/// A connection with its tenant, both of one moment.
pub(crate) fn connection_of(
    db: &Db,
    tenant: &TenantId,
    id: &ConnectionId,
) -> Outcome<Option<(Tenant, Connection)>> {
    let sql = "SELECT t.tenant, t.name, t.created_us, t.revision,
                      c.tenant, c.connection, c.name, c.rules, c.created_us, c.revision
               FROM connection c JOIN tenant t ON t.tenant = c.tenant
               WHERE c.tenant = ?1 AND c.connection = ?2";
    let key = params![tenant.as_str(), id.as_str()];
    one(db, sql, key, |row| {
        Ok((tenant_at(row, 0)?, connection_at(row, 4)?))
    })
}

pub(crate) fn connections(db: &Db, tenant: &TenantId) -> Outcome<Vec<Connection>> {
    let sql = "SELECT tenant, connection, name, rules, created_us, revision FROM connection
               WHERE tenant = ?1 ORDER BY connection";
    all(db, sql, params![tenant.as_str()], |row| {
        connection_at(row, 0)
    })
}

/// The tokens of a tenant, the oldest first.
pub(crate) fn tokens(db: &Db, tenant: &TenantId) -> Outcome<Vec<TokenRecord>> {
    let sql = "SELECT tenant, id, connection, digest, name, may_groups, may_read, may_users,
                      created_us, revision, expires_us, replaced_us, revoked_us, used_us
               FROM token WHERE tenant = ?1 ORDER BY created_us, id";
    all(db, sql, params![tenant.as_str()], |row| token_at(row, 0))
}

pub(crate) fn token(db: &Db, tenant: &TenantId, id: &str) -> Outcome<Option<TokenRecord>> {
    let sql = "SELECT tenant, id, connection, digest, name, may_groups, may_read, may_users,
                      created_us, revision, expires_us, replaced_us, revoked_us, used_us
               FROM token WHERE tenant = ?1 AND id = ?2";
    one(db, sql, params![tenant.as_str(), id], |row| {
        token_at(row, 0)
    })
}

/// Writes an entry, or refuses it; what it leaves then is for the transaction to undo.
pub(crate) fn put(db: &Db, entry: Entry) -> Outcome<()> {
    let tenant = match &entry {
        Entry::Connection(Connection { tenant, .. })
        | Entry::Tenant(Tenant { id: tenant, .. })
        | Entry::Token(TokenRecord { tenant, .. }) => tenant,
    };
    imports::check_complete(db, tenant.as_str())?;
    match entry {
        Entry::Connection(connection) => put_connection(db, connection),
        Entry::Tenant(tenant) => put_tenant(db, tenant),
        Entry::Token(token) => put_token(db, token),
    }
}

fn put_tenant(db: &Db, mut new: Tenant) -> Outcome<()> {
    let known = tenant(db, &new.id)?.map(|known| known.revision);
    new.revision = next(known, new.revision)?;
    keep_tenant(db, &new)
}

fn put_connection(db: &Db, mut new: Connection) -> Outcome<()> {
    if tenant(db, &new.tenant)?.is_none() {
        return Err(StoreError::NotFound.into());
    }
    let known = connection(db, &new.tenant, &new.id)?.map(|known| known.revision);
    new.revision = next(known, new.revision)?;
    keep_connection(db, &new)
}

fn put_token(db: &Db, mut new: TokenRecord) -> Outcome<()> {
    if connection(db, &new.tenant, &new.connection)?.is_none() {
        return Err(StoreError::NotFound.into());
    }
    let known = token(db, &new.tenant, &new.id)?;
    if known
        .as_ref()
        .is_some_and(|known| known.digest != new.digest)
    {
        return Err(taken("id"));
    }
    new.revision = next(known.as_ref().map(|known| known.revision), new.revision)?;
    match known {
        Some(known) => new.follow(&known),
        None if is_known(db, &new.digest)? => return Err(taken("digest")),
        None => {}
    }
    keep_token(db, &new)
}

/// Whether any tenant has a token of that digest.
pub(crate) fn is_known(db: &Db, digest: &Digest) -> Outcome<bool> {
    let mut statement = db.prepare_cached("SELECT 1 FROM token WHERE digest = ?1")?;
    Ok(statement.exists(params![digest])?)
}

/// The row of a tenant, as it is told.
pub(crate) fn keep_tenant(db: &Db, tenant: &Tenant) -> Outcome<()> {
    let sql = "INSERT OR REPLACE INTO tenant (tenant, name, created_us, revision)
               VALUES (?1, ?2, ?3, ?4)";
    db.prepare_cached(sql)?.execute(params![
        tenant.id.as_str(),
        tenant.name,
        micros(tenant.created),
        number(tenant.revision)?
    ])?;
    Ok(())
}

/// The row of a connection, as it is told.
pub(crate) fn keep_connection(db: &Db, connection: &Connection) -> Outcome<()> {
    let sql = "INSERT OR REPLACE INTO connection
                   (tenant, connection, name, rules, created_us, revision)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    db.prepare_cached(sql)?.execute(params![
        connection.tenant.as_str(),
        connection.id.as_str(),
        connection.name,
        connection.rules,
        micros(connection.created),
        number(connection.revision)?
    ])?;
    Ok(())
}

/// The row of a token, as it is told, in the place of the one with its id.
pub(crate) fn keep_token(db: &Db, token: &TokenRecord) -> Outcome<()> {
    let sql = "INSERT INTO token
                   (tenant, id, connection, digest, name, may_groups, may_read, may_users,
                    created_us, revision, expires_us, replaced_us, revoked_us, used_us)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
               ON CONFLICT (tenant, id) DO UPDATE SET
                   connection = excluded.connection, name = excluded.name,
                   may_groups = excluded.may_groups, may_read = excluded.may_read,
                   may_users = excluded.may_users, created_us = excluded.created_us,
                   revision = excluded.revision, expires_us = excluded.expires_us,
                   replaced_us = excluded.replaced_us, revoked_us = excluded.revoked_us,
                   used_us = excluded.used_us";
    db.prepare_cached(sql)?.execute(params![
        token.tenant.as_str(),
        token.id,
        token.connection.as_str(),
        token.digest,
        token.name,
        token.scopes.groups,
        token.scopes.read,
        token.scopes.users,
        micros(token.created),
        number(token.revision)?,
        token.expires.map(micros),
        token.replaced.map(micros),
        token.revoked.map(micros),
        token.last_used.map(micros)
    ])?;
    Ok(())
}

pub(crate) fn remove_connection(db: &Db, tenant: &TenantId, id: &ConnectionId) -> Outcome<()> {
    imports::check_complete(db, tenant.as_str())?;
    let key = params![tenant.as_str(), id.as_str()];
    let sql = "DELETE FROM connection WHERE tenant = ?1 AND connection = ?2";
    if db.prepare_cached(sql)?.execute(key)? == 0 {
        return Err(StoreError::NotFound.into());
    }
    // What it provisioned is nobody's. These walk through the tenant: a second for 100,000 resources,
    // nearly all of it for those that are changed, which an index would not spare.
    for sql in [
        "DELETE FROM token WHERE tenant = ?1 AND connection = ?2",
        "UPDATE resource SET connection = NULL WHERE tenant = ?1 AND connection = ?2",
        "UPDATE retired SET connection = NULL WHERE tenant = ?1 AND connection = ?2",
    ] {
        db.prepare_cached(sql)?.execute(key)?;
    }
    Ok(())
}

/// Whether there is the token, and no use at that moment or later is noted.
pub(crate) fn is_news(db: &Db, digest: &Digest, at_us: i64) -> Outcome<bool> {
    let sql = "SELECT 1 FROM token WHERE digest = ?1 AND coalesce(used_us < ?2, 1)";
    Ok(db.prepare_cached(sql)?.exists(params![digest, at_us])?)
}

pub(crate) fn used(db: &Db, digest: &Digest, at_us: i64) -> Outcome<()> {
    let sql = "UPDATE token SET used_us = ?2 WHERE digest = ?1 AND coalesce(used_us < ?2, 1)";
    db.prepare_cached(sql)?.execute(params![digest, at_us])?;
    Ok(())
}

fn one<T>(
    db: &Db,
    sql: &str,
    key: impl Params,
    read: impl Fn(&Row<'_>) -> Outcome<T>,
) -> Outcome<Option<T>> {
    let mut statement = db.prepare_cached(sql)?;
    let found = statement.query_row(key, |row| Ok(read(row))).optional()?;
    found.transpose()
}

fn all<T>(
    db: &Db,
    sql: &str,
    key: impl Params,
    read: impl Fn(&Row<'_>) -> Outcome<T>,
) -> Outcome<Vec<T>> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(key)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

fn tenant_at(row: &Row<'_>, at: usize) -> Outcome<Tenant> {
    let id = TenantId::from(row.get::<_, String>(at)?.as_str());
    let name: String = row.get(at + 1)?;
    let mut tenant = Tenant::new(id, name, instant(row.get(at + 2)?)?);
    tenant.revision = row.get(at + 3).map(i64::cast_unsigned)?;
    Ok(tenant)
}

fn connection_at(row: &Row<'_>, at: usize) -> Outcome<Connection> {
    let tenant = TenantId::from(row.get::<_, String>(at)?.as_str());
    let id = ConnectionId::from(row.get::<_, String>(at + 1)?.as_str());
    let name: String = row.get(at + 2)?;
    let mut connection = Connection::new(tenant, id, name, instant(row.get(at + 4)?)?);
    connection.rules = row.get(at + 3)?;
    connection.revision = row.get(at + 5).map(i64::cast_unsigned)?;
    Ok(connection)
}

fn token_at(row: &Row<'_>, at: usize) -> Outcome<TokenRecord> {
    let tenant = TenantId::from(row.get::<_, String>(at)?.as_str());
    let connection = ConnectionId::from(row.get::<_, String>(at + 2)?.as_str());
    let (id, digest): (String, Digest) = (row.get(at + 1)?, row.get(at + 3)?);
    let created = instant(row.get(at + 8)?)?;
    // Of the connection only the two ids are told.
    let of = Connection::new(tenant, connection, "", created);
    let mut token = TokenRecord::new(&of, id, digest, created);
    let moment = |column| row.get::<_, Option<i64>>(column).map(|us| us.map(instant));
    token.name = row.get(at + 4)?;
    token.scopes = Scopes::NONE;
    token.scopes.groups = row.get(at + 5)?;
    token.scopes.read = row.get(at + 6)?;
    token.scopes.users = row.get(at + 7)?;
    token.revision = row.get(at + 9).map(i64::cast_unsigned)?;
    token.expires = moment(at + 10)?.transpose()?;
    token.replaced = moment(at + 11)?.transpose()?;
    token.revoked = moment(at + 12)?.transpose()?;
    token.last_used = moment(at + 13)?.transpose()?;
    Ok(token)
}

/// The revision that a write leads to, once the one that it expects is there.
fn next(known: Option<u64>, expected: u64) -> Outcome<u64> {
    match known {
        None if expected > 0 => Err(StoreError::NotFound.into()),
        Some(actual) if actual != expected => {
            let actual = Version::new(actual.to_string()).map_err(StoreError::backend)?;
            Err(StoreError::Stale { actual }.into())
        }
        _ => Ok(expected + 1),
    }
}

fn number(revision: u64) -> Outcome<i64> {
    Ok(i64::try_from(revision).map_err(StoreError::backend)?)
}

fn taken(attr: &str) -> Failure {
    let attr = attr.to_owned();
    StoreError::Taken { attr }.into()
}

#[cfg(test)]
mod tests {
    use super::OPEN;
    use crate::{
        Options,
        file::{Place, open_writer},
    };

    #[test]
    fn a_digest_is_found_by_indexes_alone() {
        let db = open_writer(&Place::Memory, &Options::default()).unwrap();
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {OPEN}")).unwrap();
        let steps = statement.query_map([[0; 32]], |row| row.get::<_, String>(3));
        let steps: Vec<_> = steps.unwrap().map(Result::unwrap).collect();
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
