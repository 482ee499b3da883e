//! The statements that export, import, purge and erase the rows of a tenant.

use super::{
    facts::State,
    statement::{Builder, Parameter, Statement},
};
use crate::Dialect;

/// Selects the live resources of a tenant in the order of their ids: type, id, `created_us`, `modified_us`, owning
/// connection, document and version.
#[must_use]
pub fn exported_rows(dialect: Dialect, tenant: &str) -> Statement<'_> {
    let text = "SELECT kind, id, created_us, modified_us, connection, document, version
         FROM resource WHERE tenant = ?1 ORDER BY id";
    Statement::fixed(dialect, text, [Parameter::from(tenant)])
}

/// Selects the soft-deleted resources of a tenant in the order of their ids: type, id, `created_us`, the time of the
/// delete in microseconds, owning connection and document.
#[must_use]
pub fn exported_deleted_rows(dialect: Dialect, tenant: &str) -> Statement<'_> {
    let text = "SELECT kind, id, created_us, retired_us, connection, document
         FROM retired WHERE tenant = ?1 ORDER BY id";
    Statement::fixed(dialect, text, [Parameter::from(tenant)])
}

/// Selects the edges of an owner by attribute and member: attribute, member, and the type that the client gave.
#[must_use]
pub fn exported_edges<'a>(
    dialect: Dialect,
    (tenant, kind): (&'a str, &'a str),
    owner: &'a str,
) -> Statement<'a> {
    let text = "SELECT attr, target, target_kind FROM edge
         WHERE tenant = ?1 AND kind = ?2 AND owner = ?3 ORDER BY attr, target";
    Statement::fixed(dialect, text, [tenant, kind, owner].map(Parameter::from))
}

/// Selects one row or more if the tenant has a resource, live or soft-deleted.
#[must_use]
pub fn any_row(dialect: Dialect, tenant: &str) -> Statement<'_> {
    let text = "SELECT 1 FROM resource WHERE tenant = ?1
         UNION ALL SELECT 1 FROM retired WHERE tenant = ?1";
    Statement::fixed(dialect, text, [Parameter::from(tenant)])
}

/// Selects one row if the tenant has a resource with that id, live or soft-deleted.
#[must_use]
pub fn row_exists<'a>(dialect: Dialect, tenant: &'a str, id: &'a str) -> Statement<'a> {
    let text = "SELECT 1 FROM resource WHERE tenant = ?1 AND id = ?2
         UNION ALL SELECT 1 FROM retired WHERE tenant = ?1 AND id = ?2";
    Statement::fixed(dialect, text, [tenant, id].map(Parameter::from))
}

/// Selects one row if the tenant has a live resource of that type with that id.
#[must_use]
pub fn resource_exists<'a>(
    dialect: Dialect,
    (tenant, kind): (&'a str, &'a str),
    id: &'a str,
) -> Statement<'a> {
    let text = "SELECT 1 FROM resource WHERE tenant = ?1 AND id = ?2 AND kind = ?3";
    Statement::fixed(dialect, text, [tenant, id, kind].map(Parameter::from))
}

/// Stores the number of the tenant's last change, unless the stored one is greater.
#[must_use]
pub fn raise_version(dialect: Dialect, tenant: &str, version: i64) -> Statement<'_> {
    let text = match dialect {
        Dialect::Postgres => {
            "INSERT INTO counter (tenant, version) VALUES (?1, ?2) ON CONFLICT (tenant)
             DO UPDATE SET version = greatest(counter.version, excluded.version)"
        }
        Dialect::Sqlite => {
            "INSERT INTO counter (tenant, version) VALUES (?1, ?2) ON CONFLICT (tenant)
             DO UPDATE SET version = max(version, excluded.version)"
        }
    };
    Statement::fixed(dialect, text, [tenant.into(), version.into()])
}

/// A range of ids in one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the bounds of a range")]
pub struct IdRange<'a> {
    /// The id before the first one; empty for a range from the start.
    pub after: &'a str,
    /// The last id, or `None` for a range to the end.
    pub up_to: Option<&'a str>,
}

/// Selects the last of the first `count` ids after an id; no row if there are fewer.
#[must_use]
pub fn last_id<'a>(
    dialect: Dialect,
    tenant: &'a str,
    state: State,
    after: &'a str,
    count: u32,
) -> Statement<'a> {
    let text = match state {
        State::Deleted => {
            "SELECT id FROM retired WHERE tenant = ?1 AND id > ?2 ORDER BY id LIMIT 1 OFFSET ?3"
        }
        State::Live => {
            "SELECT id FROM resource WHERE tenant = ?1 AND id > ?2 ORDER BY id LIMIT 1 OFFSET ?3"
        }
    };
    let before = Parameter::Integer(i64::from(count) - 1);
    Statement::fixed(dialect, text, [tenant.into(), after.into(), before])
}

/// Overwrites documents and display names with blanks of the same length. Of the soft-deleted resources, it overwrites
/// only those that were deleted before a moment, if one is given.
///
/// SQLite moves rows between pages when it deletes others, and may leave a copy behind that is never overwritten. So
/// blank all rows with personal data before you delete any of them.
#[must_use]
pub fn blank_rows<'a>(
    dialect: Dialect,
    tenant: &'a str,
    state: State,
    ids: IdRange<'a>,
    deleted_before_us: Option<i64>,
) -> Statement<'a> {
    let mut builder = Builder::new(dialect, tenant);
    builder
        .sql("UPDATE ")
        .sql(state.rows())
        .sql(" SET document = '{' || ");
    builder.sql(&blanks(dialect, "document", 2)).sql(" || '}'");
    if state == State::Live {
        builder
            .sql(", display = ")
            .sql(&blanks(dialect, "display", 0));
    }
    builder.sql(" WHERE tenant = ").tenant();
    builder.sql(" AND id > ").bind(ids.after);
    if let Some(last) = ids.up_to {
        builder.sql(" AND id <= ").bind(last);
    }
    if let Some(moment) = deleted_before_us.filter(|_| state == State::Deleted) {
        builder.sql(" AND retired_us < ").bind(moment);
    }
    builder.build()
}

/// Returns an expression for blanks of the length of a column in bytes, less `fewer`.
fn blanks(dialect: Dialect, column: &str, fewer: u8) -> String {
    match dialect {
        Dialect::Postgres => format!("repeat(' ', octet_length({column}) - {fewer})"),
        Dialect::Sqlite => {
            format!("printf('%.*c', length(CAST({column} AS BLOB)) - {fewer}, ' ')")
        }
    }
}

/// Selects the type and id of the resources that were soft-deleted before a moment, in the order of their ids.
#[must_use]
pub fn deleted_before<'a>(
    dialect: Dialect,
    tenant: &'a str,
    ids: IdRange<'a>,
    moment_us: i64,
) -> Statement<'a> {
    let mut builder = Builder::new(dialect, tenant);
    builder
        .sql("SELECT kind, id FROM retired WHERE tenant = ")
        .tenant();
    builder.sql(" AND id > ").bind(ids.after);
    if let Some(last) = ids.up_to {
        builder.sql(" AND id <= ").bind(last);
    }
    builder
        .sql(" AND retired_us < ")
        .bind(moment_us)
        .sql(" ORDER BY id");
    builder.build()
}

/// A table with rows of tenants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenantTable {
    /// The columns that follow the tenant in its primary key.
    key: &'static [&'static str],
    name: &'static str,
}

impl TenantTable {
    /// The connections.
    pub const CONNECTIONS: TenantTable = TenantTable::new("connection", &["connection"]);
    /// The consumers of the journal.
    pub const CONSUMERS: TenantTable = TenantTable::new("consumer", &["consumer"]);
    /// The counters of changes, with the ends of journals: one row per tenant.
    pub const COUNTERS: TenantTable = TenantTable::new("counter", &[]);
    /// The entries that consumers have given up.
    pub const DEAD_LETTERS: TenantTable =
        TenantTable::new("dead_letter", &["consumer", "number", "part"]);
    /// The soft-deleted resources.
    pub const DELETED: TenantTable = TenantTable::new("retired", &["id"]);
    /// The keys of soft-deleted resources.
    pub const DELETED_KEYS: TenantTable =
        TenantTable::new("retired_key", &["kind", "attr", "value", "id"]);
    /// The edges.
    pub const EDGES: TenantTable = TenantTable::new("edge", &["kind", "owner", "attr", "target"]);
    /// The incomplete imports: one row per tenant.
    pub const IMPORTS: TenantTable = TenantTable::new("import", &[]);
    /// The entries of the journal.
    pub const JOURNAL: TenantTable = TenantTable::new("journal", &["number", "part"]);
    /// The keys of live resources.
    pub const KEYS: TenantTable = TenantTable::new("lookup_key", &["kind", "attr", "value", "id"]);
    /// The key definitions that an older release recorded: a few rows per tenant.
    pub const OLDER_KEY_DEFINITIONS: TenantTable = TenantTable::new("keys_before", &[]);
    /// The values of components above the store.
    pub const KEY_VALUES: TenantTable = TenantTable::new("key_value", &["collection", "key"]);
    /// The live resources.
    pub const RESOURCES: TenantTable = TenantTable::new("resource", &["id"]);
    /// The tenants: one row per tenant.
    pub const TENANTS: TenantTable = TenantTable::new("tenant", &[]);
    /// The tokens.
    pub const TOKENS: TenantTable = TenantTable::new("token", &["id"]);

    const fn new(name: &'static str, key: &'static [&'static str]) -> Self {
        TenantTable { key, name }
    }

    /// Returns the number of columns after the tenant in its primary key; 0 if a tenant has only a few rows.
    #[must_use]
    pub fn key_len(self) -> usize {
        self.key.len()
    }
}

/// Selects the key, without the tenant, of the last of a tenant's first `count` rows; no row if there are fewer.
/// Returns `None` for a table with only a few rows per tenant.
#[must_use]
pub fn last_key(
    dialect: Dialect,
    tenant: &str,
    table: TenantTable,
    count: u32,
) -> Option<Statement<'_>> {
    if table.key.is_empty() {
        return None;
    }
    let columns = table.key.join(", ");
    let mut builder = Builder::new(dialect, tenant);
    builder
        .sql("SELECT ")
        .sql(&columns)
        .sql(" FROM ")
        .sql(table.name);
    builder.sql(" WHERE tenant = ").tenant();
    builder
        .sql(" ORDER BY ")
        .sql(&columns)
        .sql(" LIMIT 1 OFFSET ");
    builder.bind(i64::from(count) - 1);
    Some(builder.build())
}

/// Selects one row if the table has rows of a tenant.
#[must_use]
pub fn has_rows(dialect: Dialect, tenant: &str, table: TenantTable) -> Statement<'_> {
    let mut builder = Builder::new(dialect, tenant);
    builder.sql("SELECT 1 FROM ").sql(table.name);
    builder.sql(" WHERE tenant = ").tenant().sql(" LIMIT 1");
    builder.build()
}

/// Removes the rows of a tenant up to and including a key, or all rows.
#[must_use]
pub fn remove_up_to<'a>(
    dialect: Dialect,
    tenant: &'a str,
    table: TenantTable,
    last: Option<Vec<Parameter<'a>>>,
) -> Statement<'a> {
    let mut builder = Builder::new(dialect, tenant);
    builder.sql("DELETE FROM ").sql(table.name);
    builder.sql(" WHERE tenant = ").tenant();
    if let Some(last) = last {
        builder.sql(" AND (").sql(&table.key.join(", ")).sql(") <=");
        builder.list(last);
    }
    builder.build()
}
