//! What a database says of the application's tables, and the statements that fix them.

use scimkit_mapping::{FieldType, KeyColumn, KeyType};

use super::{JoinTable, RowTable, SqlStatement, SqlValue, statement::value_literal};
use crate::{
    Dialect,
    mapped_rows::{literal, quoted},
};

/// Selects the columns of a table, none if there is no such table: name, type, whether it is `NOT NULL`, whether it has a default
/// or is generated, its place in the primary key, and in PostgreSQL the category of the type, the collation, and whether
/// that is deterministic.
#[must_use]
pub fn columns_of(dialect: Dialect, table: &str) -> SqlStatement {
    let text = match dialect {
        Dialect::Postgres => {
            "SELECT CAST(a.attname AS text), format_type(a.atttypid, a.atttypmod), CAST(a.attnotnull AS int),
                CAST(a.atthasdef OR a.attidentity <> '' AS int),
                coalesce((SELECT array_position(CAST(x.indkey AS int2[]), a.attnum) + 1 FROM pg_index x
                    WHERE x.indrelid = a.attrelid AND x.indisprimary), 0),
                CAST(t.typcategory AS text),
                CASE WHEN c.collname = 'default'
                    THEN (SELECT CAST(datcollate AS text) FROM pg_database WHERE datname = current_database())
                    ELSE CAST(c.collname AS text) END,
                CAST(coalesce(c.collisdeterministic, true) AS int)
             FROM pg_attribute a
             JOIN pg_type t ON t.oid = a.atttypid
             LEFT JOIN pg_collation c ON c.oid = a.attcollation
             WHERE a.attrelid = to_regclass(quote_ident($1)) AND a.attnum > 0 AND NOT a.attisdropped
             ORDER BY a.attnum"
        }
        Dialect::Sqlite => {
            "SELECT name, type, \"notnull\", dflt_value IS NOT NULL OR hidden <> 0, pk, NULL, NULL, 1
             FROM pragma_table_xinfo(?1) ORDER BY cid"
        }
    };
    SqlStatement::new(text).with_parameter(table)
}

/// Selects the columns of the indexes of a table, in the order of each index: name of the index, whether it is unique, whether it
/// has a condition, and the name of the column, which is NULL for an expression.
#[must_use]
pub fn indexes_of(dialect: Dialect, table: &str) -> SqlStatement {
    let text = match dialect {
        Dialect::Postgres => {
            "SELECT CAST(i.relname AS text), CAST(x.indisunique AS int), CAST(x.indpred IS NOT NULL AS int),
                CAST(a.attname AS text)
             FROM pg_index x
             JOIN pg_class i ON i.oid = x.indexrelid
             CROSS JOIN LATERAL unnest(CAST(x.indkey AS int2[])) WITH ORDINALITY AS k (number, place)
             LEFT JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.number AND k.number > 0
             WHERE x.indrelid = to_regclass(quote_ident($1)) AND x.indisvalid AND k.place <= x.indnkeyatts
             ORDER BY 1, k.place"
        }
        Dialect::Sqlite => {
            "SELECT l.name, l.\"unique\", l.partial, x.name
             FROM pragma_index_list(?1) l, pragma_index_xinfo(l.name) x
             WHERE x.key = 1 ORDER BY l.name, x.seqno"
        }
    };
    SqlStatement::new(text).with_parameter(table)
}

/// Selects whether SQLite takes `a` for `A` in a column, and `a` for `a` with a blank.
#[must_use]
pub fn collation_of(table: &str, column: &str) -> SqlStatement {
    let (table, column) = (quoted(table), quoted(column));
    // A compound select has the collation of its first part, which needs no row for that.
    SqlStatement::new(format!(
        "SELECT c = 'A', c = 'a ' FROM (SELECT {column} AS c FROM {table} WHERE 0 UNION ALL SELECT 'a')"
    ))
}

/// Selects the number of pairs that a table of memberships has more than once.
#[must_use]
pub fn repeated_pairs(table: &str, (owner, member): (&str, &str)) -> SqlStatement {
    let (table, owner, member) = (quoted(table), quoted(owner), quoted(member));
    SqlStatement::new(format!(
        "SELECT count(*) FROM (SELECT 1 FROM {table} GROUP BY {owner}, {member} HAVING count(*) > 1) d"
    ))
}

impl RowTable {
    /// Selects the next rows of all tenants, by tenant and identifier: these, and the columns of the mapping.
    #[must_use]
    pub fn every_row(&self, after: Option<Vec<SqlValue>>, limit: usize) -> SqlStatement {
        let keys: Vec<_> = self.key_columns().map(|key| quoted(&key.name)).collect();
        let columns = keys.iter().cloned();
        let columns = columns.chain(self.columns().iter().map(|name| quoted(name)));
        let columns = columns.collect::<Vec<_>>().join(", ");
        let mut conditions: Vec<_> = keys
            .iter()
            .map(|key| format!("{key} IS NOT NULL"))
            .collect();
        let keys = keys.join(", ");
        let mut parameters = Vec::new();
        if let Some(after) = after {
            let numbers = (1..=after.len()).map(|number| self.dialect.placeholder(number));
            let numbers = numbers.collect::<Vec<_>>().join(", ");
            conditions.push(format!("({keys}) > ({numbers})"));
            parameters = after;
        }
        let (table, conditions) = (quoted(&self.table().name), conditions.join(" AND "));
        let text = format!(
            "SELECT {columns} FROM {table} WHERE {conditions} ORDER BY {keys} LIMIT {limit}"
        );
        let text = text.into();
        SqlStatement { parameters, text }
    }

    /// Selects the number of rows without a tenant or an identifier.
    #[must_use]
    pub fn rows_without_keys(&self) -> SqlStatement {
        let are_null = self
            .key_columns()
            .map(|key| format!("{} IS NULL", quoted(&key.name)));
        let are_null = are_null.collect::<Vec<_>>().join(" OR ");
        let table = quoted(&self.table().name);
        SqlStatement::new(format!("SELECT count(*) FROM {table} WHERE {are_null}"))
    }

    /// Returns the columns that identify a row: that of the tenant, if there is one, and that of the identifier.
    pub fn key_columns(&self) -> impl Iterator<Item = &KeyColumn> {
        let table = self.table();
        table.tenant.iter().chain([&table.id])
    }

    /// The SQL text that sets a column of one row to a text.
    #[must_use]
    pub fn set_text_sql(&self, keys: &[SqlValue], column: &str, text: &str) -> String {
        let (table, column, text) = (quoted(&self.table().name), quoted(column), literal(text));
        let are_keys = self.key_columns().zip(keys);
        let are_keys = are_keys
            .map(|(key, value)| format!("{} = {}", quoted(&key.name), value_literal(value)));
        let are_keys = are_keys.collect::<Vec<_>>().join(" AND ");
        format!("UPDATE {table} SET {column} = {text} WHERE {are_keys}")
    }
}

impl JoinTable {
    /// The SQL text that creates the table, with an index for the groups of a user.
    #[must_use]
    pub fn create_sql(&self) -> String {
        let names = self.names();
        let column = |name: &str, of: &RowTable| {
            let data_type = key_type_name(of.dialect, of.table().id.key_type);
            format!("{} {data_type} NOT NULL", quoted(name))
        };
        let owner = column(&names.owner, self.owner());
        let member = column(&names.member, self.member());
        let keys = [quoted(&names.owner), quoted(&names.member)].join(", ");
        let table = quoted(&names.table);
        let index = create_index_sql(IndexKind::Plain, &names.table, &[&names.member]);
        format!("CREATE TABLE {table} ({owner}, {member}, PRIMARY KEY ({keys}));\n{index}")
    }
}

/// The SQL text that adds a column.
///
/// # Example
/// ```
/// use scimkit_mapping::{FieldType, KeyColumn, KeyType};
/// use scimkit_sql::{Dialect, tables::add_column_sql};
///
/// let text = add_column_sql(Dialect::Postgres, "users", "disabled_at", FieldType::Instant);
/// assert_eq!(text, r#"ALTER TABLE "users" ADD COLUMN "disabled_at" timestamptz"#);
/// ```
#[must_use]
pub fn add_column_sql(dialect: Dialect, table: &str, column: &str, data_type: FieldType) -> String {
    let (table, column, data_type) = (quoted(table), quoted(column), type_name(dialect, data_type));
    format!("ALTER TABLE {table} ADD COLUMN {column} {data_type}")
}

/// The SQL text that changes the type of a column; none in SQLite, which can't do that.
#[must_use]
pub fn change_type_sql(
    dialect: Dialect,
    (table, column): (&str, &str),
    data_type: FieldType,
) -> Option<String> {
    match dialect {
        Dialect::Postgres => {
            let (table, column) = (quoted(table), quoted(column));
            let data_type = type_name(dialect, data_type);
            Some(format!(
                "ALTER TABLE {table} ALTER COLUMN {column} TYPE {data_type} USING {column}::{data_type}"
            ))
        }
        Dialect::Sqlite => None,
    }
}

/// The SQL text that lets a column be compared by code point; none in SQLite, which can't change a collation.
#[must_use]
pub fn change_collation_sql(
    dialect: Dialect,
    (table, column): (&str, &str),
    declared: &str,
) -> Option<String> {
    match dialect {
        Dialect::Postgres => {
            let (table, column) = (quoted(table), quoted(column));
            let declared = if declared == "citext" {
                "text"
            } else {
                declared
            };
            Some(format!(
                "ALTER TABLE {table} ALTER COLUMN {column} TYPE {declared} COLLATE \"C\""
            ))
        }
        Dialect::Sqlite => None,
    }
}

/// The SQL text that lets a column have no value; none in SQLite, which can't do that.
#[must_use]
pub fn drop_not_null_sql(dialect: Dialect, (table, column): (&str, &str)) -> Option<String> {
    match dialect {
        Dialect::Postgres => {
            let (table, column) = (quoted(table), quoted(column));
            Some(format!(
                "ALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL"
            ))
        }
        Dialect::Sqlite => None,
    }
}

/// The kind of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "an index is unique or not")]
pub enum IndexKind {
    /// An index for searches.
    Plain,
    /// A unique index.
    Unique,
}

/// The SQL text that creates an index.
///
/// # Example
/// ```
/// use scimkit_sql::tables::{IndexKind, create_index_sql};
///
/// let text = create_index_sql(IndexKind::Unique, "users", &["company", "login"]);
/// assert_eq!(text, r#"CREATE UNIQUE INDEX "users_company_login_unique" ON "users" ("company", "login")"#);
/// ```
#[must_use]
pub fn create_index_sql(kind: IndexKind, table: &str, columns: &[&str]) -> String {
    let (create, suffix) = match kind {
        IndexKind::Plain => ("CREATE INDEX", "index"),
        IndexKind::Unique => ("CREATE UNIQUE INDEX", "unique"),
    };
    let name = quoted(&format!("{table}_{}_{suffix}", columns.join("_")));
    let columns: Vec<_> = columns.iter().map(|column| quoted(column)).collect();
    format!(
        "{create} {name} ON {} ({})",
        quoted(table),
        columns.join(", ")
    )
}

/// The SQL text that removes all but one of the equal pairs of a table of memberships.
#[must_use]
pub fn remove_repeated_pairs_sql(
    dialect: Dialect,
    table: &str,
    (owner, member): (&str, &str),
) -> String {
    let row = match dialect {
        Dialect::Postgres => "ctid",
        Dialect::Sqlite => "rowid",
    };
    let (table, owner, member) = (quoted(table), quoted(owner), quoted(member));
    format!(
        "DELETE FROM {table} WHERE EXISTS (SELECT 1 FROM {table} o WHERE o.{owner} = {table}.{owner} \
         AND o.{member} = {table}.{member} AND o.{row} < {table}.{row})"
    )
}

/// The name of a type of values in a dialect.
#[must_use]
pub fn type_name(dialect: Dialect, data_type: FieldType) -> &'static str {
    match (dialect, data_type) {
        (_, FieldType::Integer) => "bigint",
        (Dialect::Postgres, FieldType::Boolean) => "boolean",
        (Dialect::Postgres, FieldType::Date) => "date",
        (Dialect::Postgres, FieldType::Decimal) => "double precision",
        (Dialect::Postgres, FieldType::Instant) => "timestamptz",
        (Dialect::Postgres, FieldType::Json) => "jsonb",
        (Dialect::Sqlite, FieldType::Boolean) => "integer",
        (Dialect::Sqlite, FieldType::Decimal) => "real",
        _ => "text",
    }
}

fn key_type_name(dialect: Dialect, key_type: KeyType) -> &'static str {
    match (dialect, key_type) {
        (_, KeyType::Integer) => "bigint",
        (Dialect::Postgres, KeyType::Uuid) => "uuid",
        _ => "text",
    }
}
