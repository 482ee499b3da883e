//! The table of a mapping, as far as the columns of the database tell.

use std::fmt;

use scimkit::{
    mapping::{FieldType, KeyColumn, KeyType, MemberTable, Table, TimeColumns, TimeForm},
    tables::{Driver, TableColumn, table_columns},
};

use crate::{
    chain,
    init::guess::{plain, text},
};

/// A table of a resource type, as a mapping names it.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) kind: &'static str,
    pub(crate) table: Table,
}

/// The usual names of the columns of times, in lower case without `_`.
const CREATED: &[&str] = &[
    "createdat",
    "createdon",
    "created",
    "insertedat",
    "datecreated",
];
const MODIFIED: &[&str] = &[
    "updatedat",
    "updatedon",
    "updated",
    "modifiedat",
    "modifiedon",
    "modified",
    "lastmodified",
    "changedat",
    "dateupdated",
];

impl Layout {
    /// The layout of a table: its primary key, or the column `id`, and its columns of times.
    pub(crate) fn new(
        kind: &'static str,
        name: &str,
        columns: &[TableColumn],
        tenant: Option<&str>,
    ) -> Result<Self, String> {
        let find = |name: &str| columns.iter().find(|column| column.name == name);
        let mut table = Table::new(name);
        if let Some(tenant) = tenant {
            let column = find(tenant);
            let column =
                column.ok_or_else(|| format!("table `{name}` has no column `{tenant}`"))?;
            table.tenant = Some(key_column(column));
        }
        let is_tenant = |column: &&TableColumn| tenant == Some(&column.name);
        let mut key = columns
            .iter()
            .filter(|column| column.is_key && !is_tenant(column));
        let id = match (key.next(), key.next()) {
            (Some(id), None) => id,
            _ => find("id").ok_or_else(|| {
                format!("table `{name}` has no primary key of one column and no column `id`")
            })?,
        };
        table.id = key_column(id);
        table.generated_ids = match table.id.key_type {
            KeyType::Integer => true,
            KeyType::Text => false,
            KeyType::Uuid => id.has_default,
        };
        table.times = times(columns);
        Ok(Layout { kind, table })
    }

    /// Looks for the table with the members of groups, by its usual names.
    pub(crate) async fn find_members<D: Driver>(
        &mut self,
        driver: &D,
        users: &str,
    ) -> Result<(), String> {
        let (groups, group) = (self.table.name.as_str(), singular(&self.table.name));
        let user = singular(users);
        let names = [
            format!("{group}_members"),
            format!("{groups}_members"),
            format!("{group}_{users}"),
            format!("{groups}_{users}"),
            format!("{group}_{user}"),
            format!("{user}_{groups}"),
            format!("{users}_{groups}"),
            format!("{user}_{group}"),
            format!("{group}_memberships"),
            "memberships".to_owned(),
            "members".to_owned(),
        ];
        for name in names {
            let columns = table_columns(driver, &name).await;
            let columns = columns.map_err(|error| chain(&error))?;
            let find = |nouns: &[&str]| {
                let mut columns = columns.iter();
                let is_named = |column: &&TableColumn| {
                    let column = plain(&column.name);
                    let of = |noun: &&str| column == plain(noun) || column == plain(noun) + "id";
                    nouns.iter().any(of)
                };
                columns.find(is_named).map(|column| column.name.clone())
            };
            let ends = (find(&[&group, "group"]), find(&[&user, "user", "member"]));
            if let (Some(group), Some(user)) = ends {
                let table = name;
                self.table.members = Some(MemberTable { group, table, user });
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether a column is a key or a time.
    pub(crate) fn contains(&self, column: &str) -> bool {
        let table = &self.table;
        let keys = table.tenant.iter().chain([&table.id]);
        let times = table.times.iter();
        let times = times.flat_map(|times| [&times.created, &times.modified]);
        keys.map(|key| &key.name)
            .chain(times)
            .any(|name| name == column)
    }
}

/// The section of a mapping file.
impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = &self.table;
        writeln!(f, "[{}.table]", self.kind)?;
        writeln!(f, "name = {}", text(&table.name))?;
        let mut options = column_options(&table.id);
        if table.generated_ids && table.id.key_type != KeyType::Integer {
            options.push_str(", generated = true");
        }
        if options != "column = \"id\"" {
            writeln!(f, "id = {{ {options} }}")?;
        }
        if let Some(tenant) = &table.tenant {
            writeln!(f, "tenant = {{ {} }}", column_options(tenant))?;
        }
        if let Some(times) = &table.times {
            let (created, modified) = (text(&times.created), text(&times.modified));
            let form = times.form.name();
            let names = format!("created = {created}, modified = {modified}");
            writeln!(f, "times = {{ {names}, form = \"{form}\" }}")?;
        }
        if let Some(members) = &table.members {
            let (group, user) = (text(&members.group), text(&members.user));
            let name = text(&members.table);
            writeln!(
                f,
                "members = {{ table = {name}, group = {group}, user = {user} }}"
            )?;
        }
        writeln!(f)
    }
}

fn column_options(column: &KeyColumn) -> String {
    let name = text(&column.name);
    match column.key_type {
        KeyType::Text => format!("column = {name}"),
        other => format!("column = {name}, type = \"{}\"", other.name()),
    }
}

/// The columns of times, if there are both, and they hold the same form.
fn times(columns: &[TableColumn]) -> Option<TimeColumns> {
    let find = |names: &[&str]| {
        let mut found = names.iter().filter_map(|name| {
            let mut columns = columns.iter();
            columns.find(|column| plain(&column.name) == **name)
        });
        let column = found.next()?;
        let form = if column.holds(FieldType::Instant) {
            TimeForm::Timestamp
        } else if column.holds(FieldType::Integer) {
            TimeForm::Seconds
        } else {
            return None;
        };
        Some((column.name.clone(), form))
    };
    let (created, form) = find(CREATED)?;
    let (modified, same) = find(MODIFIED)?;
    (form == same).then_some(TimeColumns {
        created,
        form,
        modified,
    })
}

fn key_column(column: &TableColumn) -> KeyColumn {
    let key_type = if column.declared == "uuid" {
        KeyType::Uuid
    } else if column.holds(FieldType::Integer) && !column.holds(FieldType::Text) {
        KeyType::Integer
    } else {
        KeyType::Text
    };
    KeyColumn {
        key_type,
        name: column.name.clone(),
    }
}

/// The singular of the name of a table, such as `team` of `teams`.
fn singular(name: &str) -> String {
    if name == "people" {
        return "person".to_owned();
    }
    match (name.strip_suffix("ies"), name.strip_suffix('s')) {
        (Some(stem), _) => format!("{stem}y"),
        (None, Some(stem)) => stem.to_owned(),
        (None, None) => name.to_owned(),
    }
}
