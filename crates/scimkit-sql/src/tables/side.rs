//! The side tables: what SCIM needs besides the rows of the application.

use std::{
    collections::HashMap,
    sync::{LazyLock, PoisonError, RwLock},
};

use super::{SqlStatement, SqlValue};
use crate::{
    Dialect,
    reference::{self, Counters, EntryRow, JournalEnd, Statement},
};

/// The migrations of the side tables, from each format to the next, as SQLite reads them. Released migrations are never
/// edited.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/tables/0001.sql"),
    include_str!("../migrations/tables/0002.sql"),
    include_str!("../migrations/tables/0003.sql"),
];

/// The prefix of the side tables.
const PREFIX: &str = "scim_";

/// The tables of the reference layout that are side tables, too.
const SHARED: [&str; 12] = [
    "connection",
    "consumer",
    "counter",
    "dead_letter",
    "edge",
    "import",
    "journal",
    "key_value",
    "resource",
    "retired",
    "tenant",
    "token",
];

/// Returns the number of migrations.
#[must_use]
pub fn migration_count() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// Returns the statements of the migrations after the first `done` ones, which record that they were made at a time
/// in microseconds since 1970.
///
/// # Example
/// ```
/// use scimkit_sql::{Dialect, tables::{migration_count, migrations}};
///
/// let statements = migrations(Dialect::Postgres, 0, 0);
/// assert!(statements[0].text.starts_with("CREATE TABLE scim_migration ("));
/// assert!(migrations(Dialect::Sqlite, migration_count(), 0).is_empty());
/// ```
#[must_use]
pub fn migrations(dialect: Dialect, done: i64, at_us: i64) -> Vec<SqlStatement> {
    let done = usize::try_from(done).unwrap_or(0);
    let mut statements = Vec::new();
    for (number, text) in (1_i64..).zip(MIGRATIONS).skip(done) {
        let lines = text.lines().filter(|line| !line.starts_with("--"));
        let text = lines.collect::<Vec<_>>().join("\n");
        let texts = text
            .split(';')
            .map(str::trim)
            .filter(|text| !text.is_empty());
        statements.extend(texts.map(|text| SqlStatement::new(definition(dialect, text))));
        // Both numbers are ours, so that the text can be printed.
        let record =
            format!("INSERT INTO scim_migration (number, at_us) VALUES ({number}, {at_us})");
        statements.push(SqlStatement::new(record));
    }
    statements
}

/// A definition of SQLite's for a dialect.
fn definition(dialect: Dialect, text: &str) -> String {
    match dialect {
        Dialect::Postgres => text
            .replace(" STRICT, WITHOUT ROWID", "")
            .replace(" STRICT", "")
            .replace(" TEXT", " text COLLATE \"C\"")
            .replace(" INTEGER", " bigint")
            .replace(" BLOB", " bytea"),
        Dialect::Sqlite => text.to_owned(),
    }
}

/// Selects the number of tables named `scim_migration`: 0 before the first migration.
#[must_use]
pub fn migration_table(dialect: Dialect) -> SqlStatement {
    SqlStatement::new(match dialect {
        Dialect::Postgres => {
            "SELECT CASE WHEN to_regclass('scim_migration') IS NULL THEN 0 ELSE 1 END::bigint"
        }
        Dialect::Sqlite => {
            "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'scim_migration'"
        }
    })
}

/// Selects the number of the last migration.
#[must_use]
pub fn last_migration() -> SqlStatement {
    SqlStatement::new("SELECT coalesce(max(number), 0) FROM scim_migration")
}

/// Takes the lock of a tenant for the rest of the transaction. None in SQLite, in which a transaction that writes is
/// alone.
#[must_use]
pub fn lock(dialect: Dialect, tenant: &str) -> Option<SqlStatement> {
    match dialect {
        Dialect::Postgres => {
            let text = "INSERT INTO scim_counter (tenant, version) VALUES ($1, 0)
                 ON CONFLICT (tenant) DO UPDATE SET version = scim_counter.version";
            Some(SqlStatement::new(text).with_parameter(tenant))
        }
        Dialect::Sqlite => None,
    }
}

/// Takes the lock of the number of tenants for the rest of the transaction, before that of a tenant. None in SQLite, in
/// which a transaction that writes is alone.
#[must_use]
pub fn lock_tenants(dialect: Dialect) -> Option<SqlStatement> {
    match dialect {
        Dialect::Postgres => {
            let text = "LOCK TABLE scim_tenant IN SHARE ROW EXCLUSIVE MODE";
            Some(SqlStatement::new(text))
        }
        Dialect::Sqlite => None,
    }
}

/// A statement of the reference layout on side tables.
#[must_use]
pub fn shared(statement: Statement<'_>) -> SqlStatement {
    let text = known_prefixed(&statement.text);
    SqlStatement {
        text: text.into(),
        ..SqlStatement::from(statement)
    }
}

/// The same as [`prefixed`], which reads most texts once.
fn known_prefixed(text: &str) -> String {
    /// There are not many more texts, but for long lists of parameters.
    const TEXTS: usize = 256;
    static KNOWN: LazyLock<RwLock<HashMap<String, String>>> = LazyLock::new(RwLock::default);
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(prefixed) = known.get(text) {
        return prefixed.clone();
    }
    let has_room = known.len() < TEXTS;
    drop(known);
    let prefixed = prefixed(text);
    if has_room {
        let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(text.to_owned(), prefixed.clone());
    }
    prefixed
}

/// Puts the prefix before the names of tables: those after `FROM`, `JOIN`, `INTO` and `UPDATE`, and before a full stop.
/// Numbers the placeholders without a number as SQLite does, because not every library of it can tell their numbers.
fn prefixed(text: &str) -> String {
    let mut prefixed = String::with_capacity(text.len() + 32);
    let mut rest = text;
    let mut names_table = false;
    let mut largest = 0;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let length = rest
            .find(|c| is_word(c) != is_word(first))
            .unwrap_or(rest.len());
        let (part, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        rest = after;
        if is_word(first) {
            let is_table = names_table || after.starts_with('.');
            if is_table && SHARED.contains(&part) {
                prefixed.push_str(PREFIX);
            }
            if prefixed.ends_with('?') {
                largest = largest.max(part.parse().unwrap_or(0));
            }
            names_table = matches!(part, "FROM" | "INTO" | "JOIN" | "UPDATE");
            prefixed.push_str(part);
            continue;
        }
        names_table &= part.trim().is_empty();
        let has_number = after.starts_with(|c: char| c.is_ascii_digit());
        let mut placeholders = part.matches('?').count();
        for c in part.chars() {
            prefixed.push(c);
            if c == '?' {
                placeholders -= 1;
                if placeholders > 0 || !has_number {
                    largest += 1;
                    prefixed.push_str(&usize::to_string(&largest));
                }
            }
        }
    }
    prefixed
}

/// Selects the end of a tenant's journal: see [`reference::journal_end`].
#[must_use]
pub fn journal_end(dialect: Dialect, tenant: &str) -> SqlStatement {
    shared(reference::journal_end(dialect, tenant))
}

/// Stores the number of a tenant's last change and the end of its journal: see [`reference::set_version`].
#[must_use]
pub fn set_version(
    dialect: Dialect,
    tenant: &str,
    version: i64,
    end: JournalEnd<'_>,
) -> SqlStatement {
    let change = (version, Counters::Unchanged);
    shared(reference::set_version(dialect, tenant, change, end))
}

/// Adds entries to a journal: see [`reference::insert_entries`].
#[must_use]
pub fn insert_entries(
    dialect: Dialect,
    tenant: &str,
    entries: &[EntryRow<'_>],
) -> Vec<SqlStatement> {
    let statements = reference::insert_entries(dialect, tenant, entries);
    statements.into_iter().map(shared).collect()
}

/// The side row of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the columns of a side row")]
pub struct SideRow<'a> {
    /// The owning connection.
    pub connection: Option<&'a str>,
    /// When it was created, in microseconds since 1970.
    pub created_us: i64,
    /// The external id, unless it has a column.
    pub external_id: Option<&'a str>,
    /// The hash of the document and, if nothing in it is hidden, the fingerprint of its schema.
    pub hash: &'a str,
    /// The identifier.
    pub id: &'a str,
    /// The name of the type.
    pub kind: &'a str,
    /// When it last changed.
    pub modified_us: i64,
    /// The attributes without a column, as JSON text.
    pub rest: Option<&'a str>,
    /// The number of its last change.
    pub version: i64,
}

/// Adds a side row, or replaces the one of that resource.
#[must_use]
pub fn put_side_row(dialect: Dialect, tenant: &str, row: &SideRow<'_>) -> SqlStatement {
    let text = "INSERT INTO scim_resource (tenant, kind, id, version, created_us, modified_us,
             connection, external_id, hash, rest) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT (tenant, kind, id) DO UPDATE SET version = excluded.version,
             created_us = excluded.created_us, modified_us = excluded.modified_us,
             connection = excluded.connection, external_id = excluded.external_id,
             hash = excluded.hash, rest = excluded.rest";
    fixed(dialect, text)
        .with_parameter(tenant)
        .with_parameter(row.kind)
        .with_parameter(row.id)
        .with_parameter(row.version)
        .with_parameter(row.created_us)
        .with_parameter(row.modified_us)
        .with_parameter(row.connection)
        .with_parameter(row.external_id)
        .with_parameter(row.hash)
        .with_parameter(row.rest)
}

/// Sets the hash of a resource's document.
#[must_use]
pub fn set_hash(dialect: Dialect, tenant: &str, kind: &str, id: &str, hash: &str) -> SqlStatement {
    let text = "UPDATE scim_resource SET hash = ?4 WHERE tenant = ?1 AND kind = ?2 AND id = ?3";
    let statement = fixed(dialect, text).with_parameter(tenant);
    let statement = statement.with_parameter(kind).with_parameter(id);
    statement.with_parameter(hash)
}

/// Removes the side row of a resource.
#[must_use]
pub fn remove_side_row(dialect: Dialect, tenant: &str, kind: &str, id: &str) -> SqlStatement {
    let text = "DELETE FROM scim_resource WHERE tenant = ?1 AND kind = ?2 AND id = ?3";
    let statement = fixed(dialect, text).with_parameter(tenant);
    statement.with_parameter(kind).with_parameter(id)
}

/// A soft-deleted resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the columns of a soft-deleted resource"
)]
pub struct RetiredRow<'a> {
    /// The owning connection.
    pub connection: Option<&'a str>,
    /// When it was created, in microseconds since 1970.
    pub created_us: i64,
    /// Its document.
    pub document: &'a str,
    /// The identifier.
    pub id: &'a str,
    /// The name of the type.
    pub kind: &'a str,
    /// When it was deleted.
    pub retired_us: i64,
    /// The number of the delete.
    pub version: i64,
}

/// Adds a soft-deleted resource.
#[must_use]
pub fn insert_retired(dialect: Dialect, tenant: &str, row: &RetiredRow<'_>) -> SqlStatement {
    let text = "INSERT INTO scim_retired (tenant, kind, id, version, created_us, retired_us,
             connection, document) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (tenant, kind, id) DO UPDATE SET version = excluded.version,
             created_us = excluded.created_us, retired_us = excluded.retired_us,
             connection = excluded.connection, document = excluded.document";
    fixed(dialect, text)
        .with_parameter(tenant)
        .with_parameter(row.kind)
        .with_parameter(row.id)
        .with_parameter(row.version)
        .with_parameter(row.created_us)
        .with_parameter(row.retired_us)
        .with_parameter(row.connection)
        .with_parameter(row.document)
}

/// Removes a soft-deleted resource.
#[must_use]
pub fn remove_retired(dialect: Dialect, tenant: &str, kind: &str, id: &str) -> SqlStatement {
    let text = "DELETE FROM scim_retired WHERE tenant = ?1 AND kind = ?2 AND id = ?3";
    let statement = fixed(dialect, text).with_parameter(tenant);
    statement.with_parameter(kind).with_parameter(id)
}

/// Selects soft-deleted resources by their ids: kind, id, version, `created_us`, `retired_us`, connection and document.
#[must_use]
pub fn retired_by_ids(dialect: Dialect, tenant: &str, kind: &str, ids: &[&str]) -> SqlStatement {
    let mut statement = fixed(dialect, "")
        .with_parameter(tenant)
        .with_parameter(kind);
    let list = placeholders(dialect, 3, ids.len());
    let text = "SELECT kind, id, version, created_us, retired_us, connection, document
         FROM scim_retired WHERE tenant = ?1 AND kind = ?2 AND id IN ";
    statement.text = format!("{}({list})", fixed(dialect, text).text).into();
    statement
        .parameters
        .extend(ids.iter().map(|id| SqlValue::from(*id)));
    statement
}

/// Selects the first soft-deleted resources of a type after an id, with the columns of [`retired_by_ids`].
#[must_use]
pub fn retired_after(
    dialect: Dialect,
    tenant: &str,
    kind: &str,
    (after, limit): (&str, usize),
) -> SqlStatement {
    let text = "SELECT kind, id, version, created_us, retired_us, connection, document
         FROM scim_retired WHERE tenant = ?1 AND kind = ?2 AND id > ?3 ORDER BY id LIMIT ";
    let mut statement = fixed(dialect, text).with_parameter(tenant);
    statement.text = format!("{}{limit}", statement.text).into();
    statement.with_parameter(kind).with_parameter(after)
}

/// A statement with the placeholders of the dialect.
pub(super) fn fixed(dialect: Dialect, text: &'static str) -> SqlStatement {
    match dialect {
        Dialect::Postgres => SqlStatement::new(text.replace('?', "$")),
        Dialect::Sqlite => SqlStatement::new(text),
    }
}

/// `?3, ?4, ?5`.
pub(super) fn placeholders(dialect: Dialect, first: usize, count: usize) -> String {
    let mut list = String::with_capacity(count.saturating_mul(6));
    for number in first..first.saturating_add(count) {
        if !list.is_empty() {
            list.push_str(", ");
        }
        dialect.push_placeholder(&mut list, number);
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_statements_name_side_tables() {
        let sql = |statement: Statement<'static>| shared(statement).text.into_owned();
        for dialect in [Dialect::Sqlite, Dialect::Postgres] {
            let texts = [
                sql(reference::token_by_digest(dialect, &[])),
                sql(reference::tenants(dialect)),
                sql(reference::connection_with_tenant(dialect, "t", "c")),
                sql(reference::journal_end(dialect, "t")),
                sql(reference::record_token_use(dialect, &[], 1)),
                sql(reference::pending_tenants(dialect, "c")),
                sql(reference::remove_connection(dialect, "t", "c")),
                sql(reference::dead_letters(dialect, ("t", "c"), (1, 0), 9)),
                sql(reference::remove_dead_letter(dialect, ("t", "c"), (1, 0))),
                sql(reference::key_values(dialect, ("t", "c"), ("", ""), 9)),
                sql(reference::remove_key_value(dialect, ("t", "c", "k"))),
            ];
            for text in texts {
                let words: Vec<_> = text.split_whitespace().collect();
                for pair in words.windows(2) {
                    if matches!(pair[0], "FROM" | "INTO" | "JOIN" | "UPDATE") {
                        let is_side = pair[1].starts_with(PREFIX) || pair[1].starts_with('(');
                        assert!(is_side, "`{}` in {text}", pair[1]);
                    }
                }
            }
        }
        let end = JournalEnd {
            after: None,
            digest: None,
        };
        let text = set_version(Dialect::Sqlite, "t", 1, end).text;
        assert!(
            text.contains("CASE WHEN scim_counter.counted = scim_counter.version"),
            "{text}"
        );
        assert!(
            text.contains("ON CONFLICT (tenant) DO UPDATE SET version"),
            "{text}"
        );
        let numbered = "INSERT INTO scim_edge (a, b) VALUES (?1, ?2), (?1, ?3) RETURNING ?12, ?13";
        let text = prefixed("INSERT INTO edge (a, b) VALUES (?1, ?), (?1, ?) RETURNING ?12, ?");
        assert_eq!(text, numbered);
        let text =
            prefixed("UPDATE token SET used_us = ?2 WHERE tenant = (SELECT tenant FROM tenant)");
        let expected =
            "UPDATE scim_token SET used_us = ?2 WHERE tenant = (SELECT tenant FROM scim_tenant)";
        assert_eq!(text, expected);
    }
}
