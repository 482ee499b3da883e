//! The rows of an application's own table, with their side rows.

use scimkit_core::DataType;
use scimkit_mapping::{KeyType, Table, TypeMapping};
use scimkit_registry::{Attr, AttrId, AttributeRole, Predicate, ResourceType};

use super::{
    SqlStatement, SqlValue, names::TableTenant, side::placeholders, times::micros,
    value_table::ValueTable,
};
use crate::{
    ColumnSource, Condition, Dialect, Layout, MappedTable, Plan,
    mapped_rows::{literal, quoted},
    plan,
};

/// The alias of the application's table.
pub(super) const ROWS: &str = "t";

/// The time of the first migration: rows without a side row are as old as that.
const FIRST_MIGRATION: &str = "(SELECT min(at_us) FROM scim_migration)";

/// The statements of one table of resources and the side rows next to it.
#[derive(Debug, Clone)]
pub struct RowTable {
    columns: Vec<String>,
    /// ` FROM "users" t LEFT JOIN scim_resource s ON .. WHERE ..`, with the parameters of the tenant.
    from: String,
    /// The column of the identifier.
    id: String,
    pub(super) dialect: Dialect,
    /// The identifier as text, with its prefix.
    pub(super) id_text: String,
    mapped: MappedTable,
    /// `SELECT ..`, with [`SIDE_COLUMNS`] and the columns of the mapping.
    pub(super) selection: String,
    table: Table,
    /// The fields whose values are rows of other tables.
    values: Vec<(String, ValueTable)>,
}

/// The owners of the selected resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the parameter of one query")]
pub enum RowOwner<'a> {
    /// Any owner, and resources without one.
    Any,
    /// The resources of one connection.
    Connection(&'a str),
    /// The resources without an owner.
    Unowned,
}

/// The number of columns before those of the mapping in [`RowTable::select`]: id, version, `created_us`, `modified_us`,
/// connection, external id, hash and rest. Those of a row without side row are NULL, but for the times.
pub const SIDE_COLUMNS: usize = 8;

impl RowTable {
    /// Creates the statements of the table that a mapping names; none if it names no table.
    #[must_use]
    pub fn new(rules: &TypeMapping, dialect: Dialect) -> Option<Self> {
        let own = rules.table()?.clone();
        let id_text = id_text(dialect, &own, ROWS);
        let mut columns: Vec<_> = rules.fields().iter().map(|f| f.name.clone()).collect();
        columns.sort_unstable();
        let id = format!("{ROWS}.{}", quoted(&own.id.name));
        let values = rules.rules().filter_map(|rule| {
            let name = rule.field()?;
            let field = rules.fields().iter().find(|field| field.name == name)?;
            let attr = rules.kind().attribute_id(rule.paths().next()?)?;
            let table = ValueTable::new(dialect, attr, field.rows.as_ref()?);
            Some((field.name.clone(), table))
        });
        let values = values.collect();
        let mut table = RowTable {
            columns,
            from: String::new(),
            id,
            dialect,
            id_text,
            mapped: MappedTable::new(rules, dialect, ROWS, &own.id.name),
            selection: String::new(),
            table: own,
            values,
        };
        table.from = table.from();
        table.selection = table.selection();
        Some(table)
    }

    /// Returns the mapping and the conversion of its columns.
    #[must_use]
    pub fn mapped(&self) -> &MappedTable {
        &self.mapped
    }

    /// Returns the resource type.
    #[must_use]
    pub fn kind(&self) -> &ResourceType {
        self.mapped.kind()
    }

    /// Returns the columns of the mapping, in the order of [`RowTable::select`].
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Returns the table with the values of a field; none if the field is a column.
    #[must_use]
    pub fn values(&self, field: &str) -> Option<&ValueTable> {
        let mut tables = self.values.iter();
        let (_, table) = tables.find(|(name, _)| name == field)?;
        Some(table)
    }

    /// Returns the tables with the values of fields.
    pub fn value_tables(&self) -> impl Iterator<Item = &ValueTable> {
        self.values.iter().map(|(_, table)| table)
    }

    /// Returns the names of the table and its columns.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Returns the text before the identifiers of the table.
    #[must_use]
    pub fn id_prefix(&self) -> &str {
        self.table.id_prefix.as_deref().unwrap_or_default()
    }

    /// Returns a tenant; none if the table has no rows of it. `single` is the tenant of a table without a column for it.
    #[must_use]
    pub fn tenant(&self, id: &str, single: &str) -> Option<TableTenant> {
        let key = match &self.table.tenant {
            Some(column) => Some(SqlValue::from_key(column.key_type, id)?),
            None if id == single => None,
            None => return None,
        };
        let id = id.to_owned();
        Some(TableTenant { id, key })
    }

    /// Returns the value of the column for an identifier; none if no row can have it.
    #[must_use]
    pub fn key(&self, id: &str) -> Option<SqlValue> {
        let id = id.strip_prefix(self.id_prefix())?;
        SqlValue::from_key(self.table.id.key_type, id)
    }

    /// Divides a predicate between the database and the evaluator.
    #[must_use]
    pub fn plan(&self, tenant: &TableTenant, kind: &ResourceType, predicate: &Predicate) -> Plan {
        plan(
            kind,
            predicate,
            self,
            tenant.parameters().len().saturating_add(1),
        )
    }

    /// The identifier of a row as text, under another alias of the table.
    pub(super) fn id_of(&self, alias: &str) -> String {
        id_text(self.dialect, &self.table, alias)
    }

    /// The time of the creation in microseconds: that of the side row, which is exact.
    fn created(&self) -> String {
        let own = self.table.times.as_ref().map(|times| {
            let own = micros(times.form, self.dialect, ROWS, &times.created);
            format!("{own}, ")
        });
        let own = own.unwrap_or_default();
        format!("coalesce(s.created_us, {own}{FIRST_MIGRATION})")
    }

    /// The time of the last change in microseconds: that of SCIM or of the application, whichever is later.
    fn modified(&self) -> String {
        let Some(times) = &self.table.times else {
            return format!("coalesce(s.modified_us, {FIRST_MIGRATION})");
        };
        let created = micros(times.form, self.dialect, ROWS, &times.created);
        let own = micros(times.form, self.dialect, ROWS, &times.modified);
        // In SQLite, the later of two values is NULL if one of them is.
        let later = match self.dialect {
            Dialect::Postgres => "greatest",
            Dialect::Sqlite => "max",
        };
        format!(
            "coalesce({later}({own}, s.modified_us), {own}, s.modified_us, {created}, {FIRST_MIGRATION})"
        )
    }

    fn from(&self) -> String {
        let kind = literal(self.kind().name());
        let mut text = format!(
            " FROM {} {ROWS} LEFT JOIN scim_resource s ON s.tenant = {} AND s.kind = {kind} AND s.id = {}",
            quoted(&self.table.name),
            self.dialect.placeholder(1),
            self.id_text
        );
        text.push_str(" WHERE ");
        text.push_str(&self.is_of_tenant(ROWS, 2));
        text
    }

    fn selection(&self) -> String {
        let columns = self.columns.iter().map(|name| match self.values(name) {
            Some(table) => format!(", {}", table.selection(&self.id)),
            None => format!(", {ROWS}.{}", quoted(name)),
        });
        format!(
            "SELECT {}, s.version, {}, {}, s.connection, s.external_id, s.hash, s.rest{}",
            self.id_text,
            self.created(),
            self.modified(),
            columns.collect::<String>()
        )
    }

    /// Selects rows by their identifiers: [`SIDE_COLUMNS`] and the columns of the mapping. All identifiers are
    /// [keys](RowTable::key).
    #[must_use]
    pub fn select(&self, tenant: &TableTenant, keys: Vec<SqlValue>) -> SqlStatement {
        let mut parameters = tenant.parameters();
        let list = placeholders(self.dialect, parameters.len().saturating_add(1), keys.len());
        parameters.extend(keys);
        let (selection, from, id) = (&self.selection, &self.from, &self.id);
        SqlStatement {
            parameters,
            text: [selection, from, " AND ", id, " IN (", &list, ")"]
                .concat()
                .into(),
        }
    }

    /// Selects the number of rows.
    #[must_use]
    pub fn count(
        &self,
        tenant: &TableTenant,
        (condition, owner): (Option<&Condition>, RowOwner<'_>),
    ) -> SqlStatement {
        self.restricted("SELECT count(*)", tenant, (condition, owner))
    }

    /// `t."tenant" = ?1 AND t."id" IN (?2)`.
    pub(super) fn is_one_of(
        &self,
        tenant: &TableTenant,
        keys: Vec<SqlValue>,
        parameters: &mut Vec<SqlValue>,
    ) -> String {
        parameters.extend(tenant.key.clone());
        let own = self.is_of_tenant(ROWS, parameters.len());
        let list = placeholders(self.dialect, parameters.len().saturating_add(1), keys.len());
        parameters.extend(keys);
        format!(
            "{own} AND {ROWS}.{} IN ({list})",
            quoted(&self.table.id.name)
        )
    }

    /// `t."tenant" = ?1`, or what always holds in a table of one tenant.
    pub(super) fn is_of_tenant(&self, alias: &str, number: usize) -> String {
        match &self.table.tenant {
            Some(column) => {
                let number = self.dialect.placeholder(number);
                format!("{alias}.{} = {number}", quoted(&column.name))
            }
            None => "1 = 1".to_owned(),
        }
    }

    pub(super) fn restricted(
        &self,
        selection: &str,
        tenant: &TableTenant,
        (condition, owner): (Option<&Condition>, RowOwner<'_>),
    ) -> SqlStatement {
        let mut parameters = tenant.parameters();
        let mut text = [selection, &self.from].concat();
        if let Some(condition) = condition {
            let values = condition.parameters.iter().cloned();
            parameters.extend(values.map(SqlValue::from));
            text.push_str(" AND ");
            text.push_str(&condition.text);
        }
        match owner {
            RowOwner::Any => {}
            RowOwner::Connection(connection) => {
                parameters.push(SqlValue::from(connection));
                let number = self.dialect.placeholder(parameters.len());
                text.push_str(&format!(" AND s.connection = {number}"));
            }
            RowOwner::Unowned => text.push_str(" AND s.connection IS NULL"),
        }
        let text = text.into();
        SqlStatement { parameters, text }
    }

    /// Adds a row.
    #[must_use]
    pub fn insert<'c>(
        &self,
        tenant: &TableTenant,
        key: SqlValue,
        columns: impl IntoIterator<Item = (&'c str, SqlValue)>,
    ) -> SqlStatement {
        let mut parameters: Vec<_> = tenant.key.iter().cloned().collect();
        parameters.push(key);
        let keys = self.table.tenant.iter().chain([&self.table.id]);
        let mut names: Vec<_> = keys.map(|column| quoted(&column.name)).collect();
        for (name, value) in columns {
            names.push(quoted(name));
            parameters.push(value);
        }
        let values = placeholders(self.dialect, 1, parameters.len());
        // An identity column that is always generated takes the id that was reserved for the row.
        let overriding = match (self.dialect, self.table.id.key_type) {
            (Dialect::Postgres, KeyType::Integer) => " OVERRIDING SYSTEM VALUE",
            _ => "",
        };
        let (table, names) = (quoted(&self.table.name), names.join(", "));
        SqlStatement {
            parameters,
            text: format!("INSERT INTO {table} ({names}){overriding} VALUES ({values})").into(),
        }
    }

    /// Changes columns of a row; none without columns.
    #[must_use]
    pub fn update<'c>(
        &self,
        tenant: &TableTenant,
        key: SqlValue,
        columns: impl IntoIterator<Item = (&'c str, SqlValue)>,
    ) -> Option<SqlStatement> {
        let mut parameters: Vec<_> = tenant.key.iter().cloned().collect();
        parameters.push(key);
        let mut set = Vec::new();
        for (name, value) in columns {
            parameters.push(value);
            let number = self.dialect.placeholder(parameters.len());
            set.push(format!("{} = {number}", quoted(name)));
        }
        let table = quoted(&self.table.name);
        let (set, keys) = (
            Some(set).filter(|set| !set.is_empty())?.join(", "),
            self.is_key(),
        );
        let text = format!("UPDATE {table} SET {set} WHERE {keys}").into();
        Some(SqlStatement { parameters, text })
    }

    /// Removes a row.
    #[must_use]
    pub fn delete(&self, tenant: &TableTenant, key: SqlValue) -> SqlStatement {
        let mut parameters: Vec<_> = tenant.key.iter().cloned().collect();
        parameters.push(key);
        let (table, keys) = (quoted(&self.table.name), self.is_key());
        let text = format!("DELETE FROM {table} WHERE {keys}").into();
        SqlStatement { parameters, text }
    }

    /// `"tenant" = ?1 AND "id" = ?2`.
    fn is_key(&self) -> String {
        let keys = self.table.tenant.iter().chain([&self.table.id]);
        let keys = (1..).zip(keys).map(|(number, column)| {
            let number = self.dialect.placeholder(number);
            format!("{} = {number}", quoted(&column.name))
        });
        keys.collect::<Vec<_>>().join(" AND ")
    }

    /// Reserves ids that the database makes, and returns them one per row: in PostgreSQL from the sequence of the column or
    /// its default, in SQLite after the largest id so far.
    #[must_use]
    pub fn reserve(&self, count: usize) -> Vec<SqlStatement> {
        let (table, id) = (&self.table.name, &self.table.id);
        match self.dialect {
            Dialect::Postgres => {
                let next = match id.key_type {
                    KeyType::Integer => "nextval(pg_get_serial_sequence($1, $2))",
                    _ => "CAST(gen_random_uuid() AS text)",
                };
                let text = format!("SELECT {next} FROM generate_series(1, {count})");
                let statement = SqlStatement::new(text);
                vec![match id.key_type {
                    KeyType::Integer => {
                        let statement = statement.with_parameter(quoted(table));
                        statement.with_parameter(id.name.as_str())
                    }
                    _ => statement,
                }]
            }
            Dialect::Sqlite => {
                let kind = literal(self.kind().name());
                let (table, column) = (quoted(table), quoted(&id.name));
                let next = format!(
                    "INSERT INTO scim_sequence (kind, last)
                     SELECT {kind}, coalesce(max({column}), 0) FROM {table} WHERE 1 = 1
                     ON CONFLICT (kind) DO UPDATE SET last = max(last, excluded.last)"
                );
                let add = format!(
                    "UPDATE scim_sequence SET last = last + {count} WHERE kind = {kind} RETURNING last"
                );
                vec![SqlStatement::new(next), SqlStatement::new(add)]
            }
        }
    }
}

impl Layout for RowTable {
    fn dialect(&self) -> Dialect {
        self.dialect
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn source(&self, kind: &ResourceType, attr: &Attr) -> Option<ColumnSource> {
        if attr.id() == AttrId::ID {
            return Some(ColumnSource::Nullable(self.id_text.clone()));
        }
        let is_meta = attr.role() == AttributeRole::Meta && attr.parent().is_some();
        let is_instant = attr.definition().data_type == DataType::DateTime;
        match attr.name() {
            "created" if is_meta && is_instant => {
                return Some(ColumnSource::Nullable(self.created()));
            }
            "lastModified" if is_meta && is_instant => {
                return Some(ColumnSource::Nullable(self.modified()));
            }
            _ => {}
        }
        if self.has_side_external_id() && is_external_id(attr) {
            return Some(ColumnSource::Nullable("s.external_id".to_owned()));
        }
        if kind.fingerprint() == self.kind().fingerprint() {
            let mut sources = self
                .value_tables()
                .filter_map(|table| table.source(kind, attr));
            if let Some(source) = sources.next() {
                return Some(source);
            }
        }
        self.mapped.source(kind, attr)
    }
}

impl RowTable {
    /// Returns whether `externalId` is in the side rows, because no column is mapped to it.
    #[must_use]
    pub fn has_side_external_id(&self) -> bool {
        let rules = self.mapped.rules();
        !rules
            .rules()
            .any(|rule| rule.paths().any(|path| path == "externalId"))
    }
}

/// The identifier of a row as text, with its prefix.
fn id_text(dialect: Dialect, table: &Table, alias: &str) -> String {
    let column = format!("{alias}.{}", quoted(&table.id.name));
    let text = match (table.id.key_type, dialect) {
        (KeyType::Text, _) | (KeyType::Uuid, Dialect::Sqlite) => column,
        (_, Dialect::Postgres) => format!("CAST({column} AS text)"),
        (_, Dialect::Sqlite) => format!("CAST({column} AS TEXT)"),
    };
    let prefix = table.id_prefix.as_deref().unwrap_or_default();
    if prefix.is_empty() {
        return text;
    }
    format!("({} || {text})", literal(prefix))
}

/// Whether an attribute is the common `externalId`, which is case exact.
fn is_external_id(attr: &Attr) -> bool {
    attr.path() == "externalId" && attr.definition().is_case_exact()
}
