//! The statements about the journals of tenants.
//!
//! The end of a journal is stored with the tenant's counter of changes: the digest of the last entry, and the last
//! number whose change is missing from the journal.

use super::statement::{Builder, Parameter, PieceTexts, Statement, insert};
use crate::Dialect;

/// The salt of an entry with a blanked body.
pub const BLANKED: &[u8; 16] = &[0; 16];

/// Returns an expression for 32 random bytes.
pub(super) fn random_bytes(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => "uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())",
        Dialect::Sqlite => "randomblob(32)",
    }
}

/// Selects the end of a tenant's journal, always one row: the number of the tenant's last change, 0 before the first;
/// the last number whose change is missing from the journal; the digest of the last entry or NULL; and 32 random bytes.
#[must_use]
pub fn journal_end(dialect: Dialect, tenant: &str) -> Statement<'_> {
    let mut builder = Builder::new(dialect, tenant);
    builder.sql(match dialect {
        Dialect::Postgres => {
            "SELECT coalesce(c.version, 0), coalesce(c.journal_after, 0), c.journal_digest, "
        }
        Dialect::Sqlite => {
            "SELECT coalesce(max(version), 0), coalesce(max(journal_after), 0),
             max(journal_digest), "
        }
    });
    builder.sql(random_bytes(dialect));
    builder.sql(match dialect {
        Dialect::Postgres => " FROM (SELECT 1) one LEFT JOIN counter c ON c.tenant = ",
        Dialect::Sqlite => " FROM counter WHERE tenant = ",
    });
    builder.tenant();
    builder.build()
}

/// An entry, or one part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the columns of an entry")]
pub struct EntryRow<'a> {
    /// The kind of change.
    pub action: &'a str,
    /// The caller.
    pub actor: Option<&'a str>,
    /// The time of the change, in microseconds since 1970.
    pub at_us: i64,
    /// The details, as JSON text.
    pub body: &'a str,
    /// The digest of salt and body.
    pub body_digest: &'a [u8],
    /// The connection that caused the change.
    pub connection: Option<&'a str>,
    /// The identifier of the subject.
    pub id: &'a str,
    /// The name of its type, if the subject is a resource.
    pub kind: &'a str,
    /// The number of the change.
    pub number: i64,
    /// The number of the part within the entry.
    pub part: i64,
    /// The digest of the part before it.
    pub previous: &'a [u8],
    /// The id of the request that caused the change.
    pub request: Option<&'a str>,
    /// The salt of the body, or [`BLANKED`].
    pub salt: &'a [u8],
    /// The kind of the subject: a resource, a tenant, a connection or a token.
    pub subject: &'a str,
}

/// Adds entries.
#[must_use]
pub fn insert_entries<'a>(
    dialect: Dialect,
    tenant: &'a str,
    entries: &[EntryRow<'a>],
) -> Vec<Statement<'a>> {
    static TEXTS: PieceTexts = PieceTexts::new();
    let into = "journal (tenant, number, part, at_us, action, subject, kind, id,
             connection, actor, request, salt, body, body_digest, previous)";
    insert(dialect, tenant, (&TEXTS, into), entries, |entry| {
        [
            entry.number.into(),
            entry.part.into(),
            entry.at_us.into(),
            entry.action.into(),
            entry.subject.into(),
            entry.kind.into(),
            entry.id.into(),
            entry.connection.into(),
            entry.actor.into(),
            entry.request.into(),
            Parameter::Blob(entry.salt),
            entry.body.into(),
            Parameter::Blob(entry.body_digest),
            Parameter::Blob(entry.previous),
        ]
    })
}

/// A filter for journal entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the filters of a journal")]
pub enum EntryFilter<'a> {
    /// All entries.
    All,
    /// The entries that a connection caused, and those about the connection.
    Connection(&'a str),
    /// The entries about a resource, by the name of its type and its identifier.
    Resource(&'a str, &'a str),
}

/// The start of a page, by number and part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the two directions")]
pub enum EntryRange {
    /// The entries after that one, in ascending order.
    After(i64, i64),
    /// The entries before that one, in descending order.
    Before(i64, i64),
}

/// Selects at most `limit` entries: number, part, `at_us`, action, subject, kind, id, connection, actor, request, salt,
/// body, digest of the body, and digest of the previous part.
#[must_use]
pub fn entries<'a>(
    dialect: Dialect,
    tenant: &'a str,
    filter: EntryFilter<'a>,
    range: EntryRange,
    limit: i64,
) -> Statement<'a> {
    let mut builder = Builder::new(dialect, tenant);
    builder.sql(
        "SELECT number, part, at_us, action, subject, kind, id, connection, actor, request, salt,
         body, body_digest, previous FROM journal WHERE tenant = ",
    );
    builder.tenant();
    let (number, part) = match range {
        EntryRange::After(number, part) => {
            builder.sql(" AND (number, part) > (");
            (number, part)
        }
        EntryRange::Before(number, part) => {
            builder.sql(" AND (number, part) < (");
            (number, part)
        }
    };
    builder.bind(number).sql(", ").bind(part).sql(")");
    match filter {
        EntryFilter::All => {}
        EntryFilter::Connection(id) => {
            builder.sql(" AND (connection = ").bind(id);
            let number = builder.last_number();
            builder.sql(" OR (subject = 'connection' AND id = ");
            builder.placeholder(number).sql("))");
        }
        EntryFilter::Resource(kind, id) => {
            builder.sql(" AND kind = ").bind(kind);
            builder.sql(" AND id = ").bind(id);
        }
    }
    builder.sql(match range {
        EntryRange::After(..) => " ORDER BY number, part LIMIT ",
        EntryRange::Before(..) => " ORDER BY number DESC, part DESC LIMIT ",
    });
    builder.bind(limit);
    builder.build()
}

/// Selects the number of the first entry at a moment or later; no row if all entries are older.
#[must_use]
pub fn first_entry_since(dialect: Dialect, tenant: &str, at_us: i64) -> Statement<'_> {
    let text = "SELECT number FROM journal WHERE tenant = ?1 AND at_us >= ?2
         ORDER BY number, part LIMIT 1";
    let parameters = [Parameter::from(tenant), Parameter::from(at_us)];
    Statement::fixed(dialect, text, parameters)
}

/// Selects the number of the entry that is `rows` parts after the first part with a number above `after`, if that
/// number is below `end`; no row if there are fewer parts.
#[must_use]
pub fn entry_at(
    dialect: Dialect,
    tenant: &str,
    (after, end): (i64, i64),
    rows: i64,
) -> Statement<'_> {
    let text = "SELECT number FROM journal WHERE tenant = ?1 AND number > ?2 AND number < ?3
         ORDER BY number, part LIMIT 1 OFFSET ?4";
    let parameters = [
        Parameter::from(tenant),
        after.into(),
        end.into(),
        rows.into(),
    ];
    Statement::fixed(dialect, text, parameters)
}

/// Returns the assignment that blanks a body. In SQLite the length stays the same, so that the text is overwritten in
/// place.
fn blank(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => "body = ''",
        Dialect::Sqlite => "body = printf('%.*c', length(CAST(body AS BLOB)), ' ')",
    }
}

/// Blanks the bodies of the entries with numbers above `after`, up to and including `up_to`.
#[must_use]
pub fn blank_entries(dialect: Dialect, tenant: &str, (after, up_to): (i64, i64)) -> Statement<'_> {
    let mut builder = Builder::new(dialect, tenant);
    builder.sql("UPDATE journal SET salt = ");
    builder.bind(Parameter::Blob(BLANKED)).sql(", ");
    builder.sql(blank(dialect));
    builder.sql(" WHERE tenant = ").tenant();
    builder.sql(" AND number > ").bind(after);
    builder.sql(" AND number <= ").bind(up_to);
    builder.build()
}

/// Blanks the bodies of all entries about a resource.
#[must_use]
pub fn blank_entries_of<'a>(
    dialect: Dialect,
    tenant: &'a str,
    (kind, id): (&'a str, &'a str),
) -> Statement<'a> {
    let mut builder = Builder::new(dialect, tenant);
    builder.sql("UPDATE journal SET salt = ");
    builder.bind(Parameter::Blob(BLANKED)).sql(", ");
    builder.sql(blank(dialect));
    builder.sql(" WHERE tenant = ").tenant();
    builder.sql(" AND kind = ").bind(kind);
    builder.sql(" AND id = ").bind(id);
    builder.build()
}

/// Selects type, id and number of at most `limit` permanent deletes before a moment, with numbers above `after`, whose
/// entries are not blanked and whose resources are not live. The rows are in the order of the numbers.
#[must_use]
pub fn deleted_subjects(
    dialect: Dialect,
    tenant: &str,
    at_us: i64,
    (after, limit): (i64, i64),
) -> Statement<'_> {
    let text = "SELECT kind, id, number FROM journal j
         WHERE tenant = ?1 AND number > ?2 AND action = 'deleted' AND kind <> '' AND at_us < ?3
             AND salt <> ?4
             AND NOT EXISTS (SELECT 1 FROM resource r WHERE r.tenant = j.tenant AND r.id = j.id)
         ORDER BY number, part LIMIT ?5";
    let parameters = [
        Parameter::from(tenant),
        after.into(),
        at_us.into(),
        Parameter::Blob(BLANKED),
        limit.into(),
    ];
    Statement::fixed(dialect, text, parameters)
}

/// Selects the number of parts of the entries up to and including a number.
#[must_use]
pub fn count_entries(dialect: Dialect, tenant: &str, up_to: i64) -> Statement<'_> {
    let text = "SELECT count(*) FROM journal WHERE tenant = ?1 AND number <= ?2";
    let parameters = [Parameter::from(tenant), Parameter::from(up_to)];
    Statement::fixed(dialect, text, parameters)
}

/// Removes the entries up to and including a number.
#[must_use]
pub fn remove_entries(dialect: Dialect, tenant: &str, up_to: i64) -> Statement<'_> {
    let text = "DELETE FROM journal WHERE tenant = ?1 AND number <= ?2";
    let parameters = [Parameter::from(tenant), Parameter::from(up_to)];
    Statement::fixed(dialect, text, parameters)
}

/// Records that the changes up to a number are missing from the journal.
#[must_use]
pub fn set_journal_after(dialect: Dialect, tenant: &str, number: i64) -> Statement<'_> {
    let text = "UPDATE counter SET journal_after = ?2 WHERE tenant = ?1 AND journal_after < ?2";
    let parameters = [Parameter::from(tenant), Parameter::from(number)];
    Statement::fixed(dialect, text, parameters)
}

/// Records that all changes so far are missing from the journal.
#[must_use]
pub fn skip_journal(dialect: Dialect, tenant: &str) -> Statement<'_> {
    let text = "UPDATE counter SET journal_after = version WHERE tenant = ?1";
    Statement::fixed(dialect, text, [Parameter::from(tenant)])
}

/// Selects a consumer of a tenant's journal: cursor, fence, holder, and the end of the lease in microseconds or NULL.
#[must_use]
pub fn consumer<'a>(dialect: Dialect, tenant: &'a str, consumer: &'a str) -> Statement<'a> {
    let text = "SELECT cursor, fence, holder, until_us FROM consumer
         WHERE tenant = ?1 AND consumer = ?2";
    Statement::fixed(dialect, text, [tenant, consumer].map(Parameter::from))
}

/// A consumer of a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the columns of a consumer")]
pub struct ConsumerRow<'a> {
    /// The name of the consumer.
    pub consumer: &'a str,
    /// The number of the last change that the consumer has confirmed.
    pub cursor: i64,
    /// The number of leases so far, without extensions.
    pub fence: i64,
    /// The holder of the lease.
    pub holder: &'a str,
    /// The end of the lease, in microseconds since 1970.
    pub until_us: Option<i64>,
}

/// Adds a consumer, or replaces the one of that name.
#[must_use]
pub fn put_consumer<'a>(dialect: Dialect, tenant: &'a str, row: &ConsumerRow<'a>) -> Statement<'a> {
    let text = "INSERT INTO consumer (tenant, consumer, cursor, fence, holder, until_us)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (tenant, consumer) DO UPDATE SET cursor = excluded.cursor,
             fence = excluded.fence, holder = excluded.holder, until_us = excluded.until_us";
    let parameters = [
        tenant.into(),
        row.consumer.into(),
        row.cursor.into(),
        row.fence.into(),
        row.holder.into(),
        row.until_us.into(),
    ];
    Statement::fixed(dialect, text, parameters)
}

/// Selects the tenants whose last change a consumer has not confirmed, in the order of their ids, without tenants whose
/// import is incomplete.
#[must_use]
pub fn pending_tenants(dialect: Dialect, consumer: &str) -> Statement<'_> {
    let text = "SELECT c.tenant FROM counter c
         LEFT JOIN consumer k ON k.tenant = c.tenant AND k.consumer = ?1
         WHERE c.version > coalesce(k.cursor, 0)
             AND NOT EXISTS (SELECT 1 FROM import i WHERE i.tenant = c.tenant)
         ORDER BY c.tenant";
    Statement::fixed(dialect, text, [Parameter::from(consumer)])
}
