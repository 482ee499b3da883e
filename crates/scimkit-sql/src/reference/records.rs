//! Tenants, connections, tokens and entries of the journal as rows.

use chrono::{DateTime, Utc};
use scimkit_store::{Connection, ConnectionId, JournalEntry, Tenant, TokenRecord};

use super::{BLANKED, ConnectionRow, EntryRow, TenantRow, TokenRow};

/// Converts an instant for its column: to microseconds since 1970, without parts of milliseconds, as clients see it, so
/// that filters and responses agree.
#[must_use]
pub fn micros(at: DateTime<Utc>) -> i64 {
    at.timestamp_millis().saturating_mul(1_000)
}

/// Converts a number of changes or writes, of which there are fewer than 2^63.
fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl<'a> From<&'a Tenant> for TenantRow<'a> {
    fn from(tenant: &'a Tenant) -> Self {
        TenantRow {
            created_us: micros(tenant.created),
            name: &tenant.name,
            revision: integer(tenant.revision),
            source: tenant.source.as_str(),
            tenant: tenant.id.as_str(),
        }
    }
}

impl<'a> From<&'a Connection> for ConnectionRow<'a> {
    fn from(connection: &'a Connection) -> Self {
        ConnectionRow {
            connection: connection.id.as_str(),
            created_us: micros(connection.created),
            name: &connection.name,
            revision: integer(connection.revision),
            settings: &connection.settings,
            tenant: connection.tenant.as_str(),
        }
    }
}

impl<'a> From<&'a TokenRecord> for TokenRow<'a> {
    fn from(token: &'a TokenRecord) -> Self {
        TokenRow {
            connection: token.connection.as_str(),
            created_us: micros(token.created),
            digest: &token.digest,
            expires_us: token.expires_at.map(micros),
            id: &token.id,
            may_groups: token.scopes.groups,
            may_read: token.scopes.read,
            may_users: token.scopes.users,
            name: &token.name,
            replaced_us: token.replaced_at.map(micros),
            revision: integer(token.revision),
            revoked_us: token.revoked_at.map(micros),
            tenant: token.tenant.as_str(),
            used_us: token.last_used.map(micros),
        }
    }
}

impl<'a> From<&'a JournalEntry> for EntryRow<'a> {
    fn from(entry: &'a JournalEntry) -> Self {
        let subject = entry.subject.columns();
        let body = entry.body.as_ref();
        EntryRow {
            action: entry.action.as_str(),
            actor: entry.cause.actor.as_deref(),
            at_us: micros(entry.at),
            body: body.map_or("", |body| &body.text),
            body_digest: &entry.body_digest,
            connection: entry.cause.connection.as_ref().map(ConnectionId::as_str),
            id: subject.id,
            kind: subject.kind,
            number: integer(entry.number),
            part: i64::from(entry.part),
            previous: &entry.previous,
            request: entry.cause.request.as_deref(),
            salt: body.map_or(BLANKED, |body| &body.salt),
            subject: subject.word,
        }
    }
}
