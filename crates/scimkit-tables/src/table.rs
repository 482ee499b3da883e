//! The application's tables, as they are named by the application.

use std::sync::Arc;

use scimkit_mapping::{CheckedRule, FieldType, Mapping, RecordPrinter};
use scimkit_registry::{AttributeRole, Fingerprint};
use scimkit_sql::{
    Dialect,
    tables::{
        JoinNames, JoinTable, KeyColumn, KeyType, RowTable, TableNames, TimeColumns, TimeForm,
        ValueTable,
    },
};

use crate::{TableError, documents::EXTERNAL_ID};

/// A table of the application with the resources of one type: one row each.
///
/// The mapping says which column holds which attribute: see `docs/mapping.md`. Rows have a column of identifiers and,
/// if the application has several tenants, a column with the tenant of each row. No other columns are needed.
///
/// # Example
/// ```
/// use scimkit_tables::{KeyType, Table};
///
/// let mapping = r#"
///     [User.fields]
///     login = { type = "text", unique = true, filterable = true, folded = true }
///     is_active = "boolean"
///
///     [[User.map]]
///     scim = "userName"
///     field = "login"
///     transform = ["fold"]
///
///     [[User.map]]
///     scim = "active"
///     field = "is_active"
/// "#;
/// let users = Table::new("users", mapping)
///     .with_id("id", KeyType::Integer)
///     .with_database_ids()
///     .with_tenant("company_id", KeyType::Integer);
/// # let _ = users;
/// ```
#[derive(Debug, Clone)]
pub struct Table {
    id: KeyColumn,
    id_prefix: Option<String>,
    makes_ids: bool,
    mapping: String,
    members: Option<JoinNames>,
    name: String,
    tenant: Option<KeyColumn>,
    times: Option<TimeColumns>,
}

impl Table {
    /// Creates a table with the text of its mapping. Its identifiers are text in the column `id`, which new resources get
    /// from the server.
    #[must_use]
    pub fn new(name: impl Into<String>, mapping: impl Into<String>) -> Self {
        Table {
            id: column("id", KeyType::Text),
            id_prefix: None,
            makes_ids: false,
            mapping: mapping.into(),
            members: None,
            name: name.into(),
            tenant: None,
            times: None,
        }
    }

    /// Sets the column of the identifiers.
    #[must_use]
    pub fn with_id(mut self, name: &str, key_type: KeyType) -> Self {
        self.id = column(name, key_type);
        self
    }

    /// Lets the database make the identifiers of new rows: by the sequence of the column, or in SQLite as the next
    /// integer.
    #[must_use]
    pub fn with_database_ids(mut self) -> Self {
        self.makes_ids = true;
        self
    }

    /// Sets the text before the identifiers of this table in SCIM. The identifiers of all resources differ in SCIM, so
    /// two tables that count their rows need different prefixes. Tables of integers other than the users' have one without
    /// this: the name of their type in lower case and a hyphen.
    #[must_use]
    pub fn with_id_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.id_prefix = Some(prefix.into());
        self
    }

    /// Sets the column with the tenant of each row. Without one, all rows belong to one tenant.
    #[must_use]
    pub fn with_tenant(mut self, name: &str, key_type: KeyType) -> Self {
        self.tenant = Some(column(name, key_type));
        self
    }

    /// Sets the columns with the times at which a row was created and last changed, `meta.created` and `meta.lastModified`.
    ///
    /// - A create by SCIM sets both, and every other change by SCIM the second one, changes of members included.
    /// - A row that SCIM has never changed has the times of the columns. Of a column that is NULL or holds no time, SCIM sees
    ///   the time of the creation, or else that of the first migration of the side tables.
    /// - `lastModified` is the later of the last change by SCIM and the column, and so does not go back.
    /// - A change of these columns alone does not change the ETag.
    /// - The mapping must not have these columns.
    #[must_use]
    pub fn with_times(mut self, created: &str, modified: &str, form: TimeForm) -> Self {
        self.times = Some(TimeColumns {
            created: created.to_owned(),
            form,
            modified: modified.to_owned(),
        });
        self
    }

    /// Sets the table with one row per membership, its column with the identifier of the group, and its column with the
    /// identifier of the user. Members that have no row in the table of users, such as nested groups, are stored in a
    /// side table.
    #[must_use]
    pub fn with_members(mut self, table: &str, owner: &str, member: &str) -> Self {
        self.members = Some(JoinNames {
            member: member.to_owned(),
            owner: owner.to_owned(),
            table: table.to_owned(),
        });
        self
    }

    pub(crate) fn members(&self) -> Option<JoinNames> {
        self.members.clone()
    }

    pub(crate) fn mapping(&self) -> &str {
        &self.mapping
    }

    /// Binds the table to its checked mapping.
    pub(crate) fn bind(
        self,
        kind: &str,
        mapping: &Mapping,
        dialect: Dialect,
    ) -> Result<BoundTable, TableError> {
        let named = |problem: &str| TableError::Table {
            problem: problem.to_owned(),
            table: self.name.clone(),
        };
        let rules = mapping.for_type(kind).cloned();
        let rules = rules.ok_or_else(|| named(&format!("its mapping has no rule for {kind}")))?;
        let is_membership = |path: &str| {
            let attr = rules
                .kind()
                .attribute_id(path)
                .map(|attr| rules.kind().attr(attr));
            attr.is_some_and(|attr| attr.role() == AttributeRole::Membership)
        };
        if rules.rules().any(|rule| rule.paths().any(is_membership)) {
            return Err(named("its memberships are no column: add `with_members`"));
        }
        let is_mapped = |name: &String| {
            let written = |rule: CheckedRule<'_>| {
                let comparable = rule.comparable_column();
                rule.field() == Some(name) || comparable.is_some_and(|c| c.column == name)
            };
            rules.rules().any(written) || rules.fields().iter().any(|field| field.name == *name)
        };
        let times = self.times.as_ref();
        if times.is_some_and(|t| [&t.created, &t.modified].into_iter().any(is_mapped)) {
            return Err(named("its columns of times are in the mapping, too"));
        }
        if self.makes_ids && self.id.key_type == KeyType::Text {
            return Err(named("the database makes integers or UUIDs, not text"));
        }
        let is_integer = self.id.key_type == KeyType::Integer;
        let default = if is_integer && kind != "User" {
            format!("{}-", kind.to_lowercase())
        } else {
            String::new()
        };
        let id_prefix = self.id_prefix.clone().unwrap_or(default);
        if !id_prefix.is_empty() && !self.makes_ids {
            return Err(named(
                "only identifiers that the database makes have a prefix",
            ));
        }
        if is_integer && !self.makes_ids {
            return Err(named(
                "integers are made by the database: add `with_database_ids`",
            ));
        }
        let names = TableNames {
            id: self.id,
            id_prefix,
            table: self.name,
            tenant: self.tenant,
            times: self.times,
        };
        let sql = RowTable::new(&rules, dialect, names);
        Ok(BoundTable::new(sql, self.makes_ids))
    }
}

fn column(name: &str, key_type: KeyType) -> KeyColumn {
    let name = name.to_owned();
    KeyColumn { key_type, name }
}

/// A table with its checked mapping.
#[derive(Debug, Clone)]
pub(crate) struct BoundTable {
    /// The columns of the mapping, in the order of the statements.
    pub(crate) columns: Vec<Column>,
    /// The name of the resource type.
    pub(crate) kind_name: Arc<str>,
    /// Whether the database makes the identifiers of new rows.
    pub(crate) makes_ids: bool,
    /// The memberships of the resources.
    pub(crate) members: Option<JoinTable>,
    pub(crate) printer: RecordPrinter,
    /// The fingerprint of the resource type, and its text.
    pub(crate) schema: (Fingerprint, String),
    pub(crate) sql: RowTable,
}

/// A column of a mapping, or the values of a field that are rows of another table.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) data_type: FieldType,
    pub(crate) values: Option<ValueTable>,
}

impl BoundTable {
    fn new(sql: RowTable, makes_ids: bool) -> Self {
        let rules = sql.mapped().rules();
        let columns = sql.columns().iter().map(|name| {
            let field = rules.fields().iter().find(|field| field.name == *name);
            Column {
                data_type: field.map_or(FieldType::Text, |field| field.data_type),
                values: sql.values(name).cloned(),
            }
        });
        let external_id = sql.kind().attribute_id(EXTERNAL_ID);
        let external_id = external_id.filter(|_| sql.has_side_external_id());
        let schema = sql.kind().fingerprint();
        BoundTable {
            columns: columns.collect(),
            kind_name: sql.kind().name().into(),
            makes_ids,
            members: None,
            printer: RecordPrinter::new(rules, sql.columns(), external_id),
            schema: (schema, schema.to_string()),
            sql,
        }
    }

    /// The attribute of a column.
    pub(crate) fn attribute(&self, column: &str) -> Option<String> {
        let rules = self.sql.mapped().rules();
        let mut rules = rules.rules().filter(|rule| rule.paths().count() == 1);
        let rule = rules.find(|rule| {
            let comparable = rule.comparable_column();
            rule.field() == Some(column) || comparable.is_some_and(|c| c.column == column)
        });
        let path = rule.and_then(|rule| rule.paths().next().map(str::to_owned));
        let of_values = || {
            let has_column = |values: &&ValueTable| {
                let mut columns = values.rows().columns.iter();
                columns.any(|known| known.name == column)
            };
            let values = self.sql.value_tables().find(has_column)?;
            let attr = self.sql.kind().attr(values.attr());
            Some(attr.path().to_owned())
        };
        path.or_else(of_values)
    }

    /// The attribute of the one column that the name of a constraint contains.
    pub(crate) fn attribute_of_constraint(&self, name: &str) -> Option<String> {
        let columns = self.sql.columns().iter();
        let mut named = columns.filter(|column| name.contains(column.as_str()));
        let longest = named.by_ref().max_by_key(|column| column.len())?;
        self.attribute(longest)
    }
}
