//! The statements about tenants, connections and tokens.

use super::statement::{Parameter, Statement};
use crate::Dialect;

/// Selects a token with its connection and tenant, by its digest.
///
/// The columns are those of [`tenant`], [`connection`] and [`token`], followed by whether an import of the tenant is
/// incomplete.
#[must_use]
pub fn token_by_digest(dialect: Dialect, digest: &[u8]) -> Statement<'_> {
    let text = "SELECT t.tenant, t.name, t.created_us, t.revision, t.source,
                c.tenant, c.connection, c.name, c.rules, c.created_us, c.revision,
                k.tenant, k.id, k.connection, k.digest, k.name, k.may_groups, k.may_read,
                k.may_users, k.created_us, k.revision, k.expires_us, k.replaced_us, k.revoked_us,
                k.used_us, EXISTS (SELECT 1 FROM import i WHERE i.tenant = k.tenant)
         FROM token k
         JOIN connection c ON c.tenant = k.tenant AND c.connection = k.connection
         JOIN tenant t ON t.tenant = k.tenant
         WHERE k.digest = ?1";
    Statement::fixed(dialect, text, [Parameter::Blob(digest)])
}

/// Selects a tenant: id, name, `created_us`, revision and source.
#[must_use]
pub fn tenant(dialect: Dialect, tenant: &str) -> Statement<'_> {
    let text = "SELECT tenant, name, created_us, revision, source FROM tenant WHERE tenant = ?1";
    Statement::fixed(dialect, text, [Parameter::from(tenant)])
}

/// Selects all tenants without an incomplete import, in the order of their ids, with the columns of [`tenant`].
#[must_use]
pub fn tenants(dialect: Dialect) -> Statement<'static> {
    let text = "SELECT tenant, name, created_us, revision, source FROM tenant t
         WHERE NOT EXISTS (SELECT 1 FROM import i WHERE i.tenant = t.tenant)
         ORDER BY tenant";
    Statement::fixed(dialect, text, [])
}

/// Selects a connection: tenant, id, name, settings, `created_us` and revision.
#[must_use]
pub fn connection<'a>(dialect: Dialect, tenant: &'a str, id: &'a str) -> Statement<'a> {
    let text = "SELECT tenant, connection, name, rules, created_us, revision FROM connection
         WHERE tenant = ?1 AND connection = ?2";
    Statement::fixed(dialect, text, [tenant, id].map(Parameter::from))
}

/// Selects a connection with its tenant: the columns of [`tenant`], then those of [`connection`], and whether an import
/// of the tenant is incomplete. It always selects one row, without values if there is no such connection.
#[must_use]
pub fn connection_with_tenant<'a>(dialect: Dialect, tenant: &'a str, id: &'a str) -> Statement<'a> {
    let text = "SELECT t.tenant, t.name, t.created_us, t.revision, t.source,
                c.tenant, c.connection, c.name, c.rules, c.created_us, c.revision,
                EXISTS (SELECT 1 FROM import i WHERE i.tenant = ?1)
         FROM (SELECT 1) one
         LEFT JOIN connection c ON c.tenant = ?1 AND c.connection = ?2
         LEFT JOIN tenant t ON t.tenant = c.tenant";
    Statement::fixed(dialect, text, [tenant, id].map(Parameter::from))
}

/// Selects the connections of a tenant in the order of their ids, with the columns of [`connection`].
#[must_use]
pub fn connections(dialect: Dialect, tenant: &str) -> Statement<'_> {
    let text = "SELECT tenant, connection, name, rules, created_us, revision FROM connection
         WHERE tenant = ?1 ORDER BY connection";
    Statement::fixed(dialect, text, [Parameter::from(tenant)])
}

/// Selects a token: tenant, id, connection, digest, name, whether it may reach groups, read, and reach users,
/// `created_us`, revision, and the times when it expires, was replaced, was revoked and was last used, in microseconds
/// or NULL.
#[must_use]
pub fn token<'a>(dialect: Dialect, tenant: &'a str, id: &'a str) -> Statement<'a> {
    let text = "SELECT tenant, id, connection, digest, name, may_groups, may_read, may_users,
                created_us, revision, expires_us, replaced_us, revoked_us, used_us
         FROM token WHERE tenant = ?1 AND id = ?2";
    Statement::fixed(dialect, text, [tenant, id].map(Parameter::from))
}

/// Selects the tokens of a tenant, the oldest first, with the columns of [`token`].
#[must_use]
pub fn tokens(dialect: Dialect, tenant: &str) -> Statement<'_> {
    let text = "SELECT tenant, id, connection, digest, name, may_groups, may_read, may_users,
                created_us, revision, expires_us, replaced_us, revoked_us, used_us
         FROM token WHERE tenant = ?1 ORDER BY created_us, id";
    Statement::fixed(dialect, text, [Parameter::from(tenant)])
}

/// Selects the number of tenants, including those with an incomplete import.
#[must_use]
pub fn tenant_count(dialect: Dialect) -> Statement<'static> {
    Statement::fixed(dialect, "SELECT count(*) FROM tenant", [])
}

/// Selects the number of a tenant's connections.
#[must_use]
pub fn connection_count(dialect: Dialect, tenant: &str) -> Statement<'_> {
    let text = "SELECT count(*) FROM connection WHERE tenant = ?1";
    Statement::fixed(dialect, text, [Parameter::from(tenant)])
}

/// Selects the number of a connection's tokens that are neither revoked nor replaced, and have not expired at that
/// time.
#[must_use]
pub fn token_count<'a>(
    dialect: Dialect,
    (tenant, connection): (&'a str, &'a str),
    at_us: i64,
) -> Statement<'a> {
    let text = "SELECT count(*) FROM token WHERE tenant = ?1 AND connection = ?2
             AND revoked_us IS NULL AND replaced_us IS NULL
             AND (expires_us IS NULL OR expires_us > ?3)";
    let parameters = [tenant.into(), connection.into(), at_us.into()];
    Statement::fixed(dialect, text, parameters)
}

/// Selects one row if any tenant has a token with that digest.
#[must_use]
pub fn token_exists(dialect: Dialect, digest: &[u8]) -> Statement<'_> {
    let text = "SELECT 1 FROM token WHERE digest = ?1";
    Statement::fixed(dialect, text, [Parameter::Blob(digest)])
}

/// Selects one row if there is a token with that digest and no recorded use at that moment or later.
#[must_use]
pub fn token_unused_since(dialect: Dialect, digest: &[u8], at_us: i64) -> Statement<'_> {
    let text = "SELECT 1 FROM token WHERE digest = ?1 AND (used_us IS NULL OR used_us < ?2)";
    let parameters = [Parameter::Blob(digest), Parameter::from(at_us)];
    Statement::fixed(dialect, text, parameters)
}

/// Records the use of a token, unless a later use is recorded.
#[must_use]
pub fn record_token_use(dialect: Dialect, digest: &[u8], at_us: i64) -> Statement<'_> {
    let text = "UPDATE token SET used_us = ?2
         WHERE digest = ?1 AND (used_us IS NULL OR used_us < ?2)";
    let parameters = [Parameter::Blob(digest), Parameter::from(at_us)];
    Statement::fixed(dialect, text, parameters)
}

/// A tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the columns of a tenant")]
pub struct TenantRow<'a> {
    /// The time of creation, in microseconds since 1970.
    pub created_us: i64,
    /// The display name.
    pub name: &'a str,
    /// The number of writes.
    pub revision: i64,
    /// The word for what delivers its users.
    pub source: &'a str,
    /// The identifier.
    pub tenant: &'a str,
}

/// Adds a tenant, or replaces the one with its id.
#[must_use]
pub fn put_tenant<'a>(dialect: Dialect, row: &TenantRow<'a>) -> Statement<'a> {
    let text = "INSERT INTO tenant (tenant, name, created_us, revision, source)
         VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (tenant) DO UPDATE SET name = excluded.name,
             created_us = excluded.created_us, revision = excluded.revision,
             source = excluded.source";
    let parameters = [
        row.tenant.into(),
        row.name.into(),
        row.created_us.into(),
        row.revision.into(),
        row.source.into(),
    ];
    Statement::fixed(dialect, text, parameters)
}

/// A connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the columns of a connection")]
pub struct ConnectionRow<'a> {
    /// The identifier.
    pub connection: &'a str,
    /// The time of creation, in microseconds since 1970.
    pub created_us: i64,
    /// The display name.
    pub name: &'a str,
    /// The number of writes.
    pub revision: i64,
    /// The settings of the connection.
    pub settings: &'a str,
    /// The tenant.
    pub tenant: &'a str,
}

/// Adds a connection, or replaces the one with its id.
#[must_use]
pub fn put_connection<'a>(dialect: Dialect, row: &ConnectionRow<'a>) -> Statement<'a> {
    let text = "INSERT INTO connection (tenant, connection, name, rules, created_us, revision)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (tenant, connection) DO UPDATE SET name = excluded.name,
             rules = excluded.rules, created_us = excluded.created_us,
             revision = excluded.revision";
    let parameters = [
        row.tenant.into(),
        row.connection.into(),
        row.name.into(),
        row.settings.into(),
        row.created_us.into(),
        row.revision.into(),
    ];
    Statement::fixed(dialect, text, parameters)
}

/// A token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the columns of a token")]
pub struct TokenRow<'a> {
    /// The connection.
    pub connection: &'a str,
    /// The time of creation, in microseconds since 1970.
    pub created_us: i64,
    /// The digest of the secret.
    pub digest: &'a [u8],
    /// The time of expiry.
    pub expires_us: Option<i64>,
    /// The identifier.
    pub id: &'a str,
    /// Whether it may reach groups.
    pub may_groups: bool,
    /// Whether it may read.
    pub may_read: bool,
    /// Whether it may reach users.
    pub may_users: bool,
    /// The display name.
    pub name: &'a str,
    /// The time of the replacement.
    pub replaced_us: Option<i64>,
    /// The number of writes.
    pub revision: i64,
    /// The time of the revocation.
    pub revoked_us: Option<i64>,
    /// The tenant.
    pub tenant: &'a str,
    /// The time of the last use.
    pub used_us: Option<i64>,
}

/// Adds a token, or replaces the one with its id, except for the digest.
#[must_use]
pub fn put_token<'a>(dialect: Dialect, row: &TokenRow<'a>) -> Statement<'a> {
    let text = "INSERT INTO token
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
    let parameters = [
        row.tenant.into(),
        row.id.into(),
        row.connection.into(),
        Parameter::Blob(row.digest),
        row.name.into(),
        row.may_groups.into(),
        row.may_read.into(),
        row.may_users.into(),
        row.created_us.into(),
        row.revision.into(),
        row.expires_us.into(),
        row.replaced_us.into(),
        row.revoked_us.into(),
        row.used_us.into(),
    ];
    Statement::fixed(dialect, text, parameters)
}

/// Removes a connection.
#[must_use]
pub fn remove_connection<'a>(dialect: Dialect, tenant: &'a str, id: &'a str) -> Statement<'a> {
    let text = "DELETE FROM connection WHERE tenant = ?1 AND connection = ?2";
    Statement::fixed(dialect, text, [tenant, id].map(Parameter::from))
}

/// Selects the type and id of the resources that a connection owns, live and soft-deleted, in order.
#[must_use]
pub fn owned_by<'a>(dialect: Dialect, tenant: &'a str, connection: &'a str) -> Statement<'a> {
    let text = "SELECT kind, id FROM resource WHERE tenant = ?1 AND connection = ?2
         UNION ALL SELECT kind, id FROM retired WHERE tenant = ?1 AND connection = ?2
         ORDER BY 1, 2";
    Statement::fixed(dialect, text, [tenant, connection].map(Parameter::from))
}

/// Removes the tokens of a connection and releases its resources, live and soft-deleted.
///
/// It reads all resources of the tenant, which takes about one second for 100,000. Updating the released resources
/// takes nearly all of that time, so an index would not help.
#[must_use]
pub fn release_connection<'a>(
    dialect: Dialect,
    tenant: &'a str,
    id: &'a str,
) -> [Statement<'a>; 3] {
    [
        "DELETE FROM token WHERE tenant = ?1 AND connection = ?2",
        "UPDATE resource SET connection = NULL WHERE tenant = ?1 AND connection = ?2",
        "UPDATE retired SET connection = NULL WHERE tenant = ?1 AND connection = ?2",
    ]
    .map(|text| Statement::fixed(dialect, text, [tenant, id].map(Parameter::from)))
}
