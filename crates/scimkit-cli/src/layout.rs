//! How a table is described to a `TableStore`, as far as its columns tell.

use scimkit::{
    mapping::FieldType,
    tables::{KeyType, Table, TableColumn},
};

/// The keys of a table.
#[derive(Debug)]
pub(crate) struct Keys {
    /// The column of the identifiers.
    pub(crate) id: String,
    /// The type of the identifiers.
    pub(crate) id_type: KeyType,
    /// Whether the database makes them.
    pub(crate) makes_ids: bool,
    /// The column of the tenant.
    pub(crate) tenant: Option<(String, KeyType)>,
}

impl Keys {
    /// The keys of a table: its primary key, or the column `id`.
    pub(crate) fn new(
        table: &str,
        columns: &[TableColumn],
        tenant: Option<&str>,
    ) -> Result<Self, String> {
        let find = |name: &str| columns.iter().find(|column| column.name == name);
        let tenant = match tenant {
            Some(name) => {
                let column = find(name);
                let column =
                    column.ok_or_else(|| format!("table `{table}` has no column `{name}`"))?;
                Some((name.to_owned(), key_type(column)))
            }
            None => None,
        };
        let is_tenant = |column: &&TableColumn| {
            tenant
                .as_ref()
                .is_some_and(|(name, _)| *name == column.name)
        };
        let mut key = columns
            .iter()
            .filter(|column| column.is_key && !is_tenant(column));
        let id = match (key.next(), key.next()) {
            (Some(id), None) => id,
            _ => find("id").ok_or_else(|| {
                format!("table `{table}` has no primary key of one column and no column `id`")
            })?,
        };
        let id_type = key_type(id);
        Ok(Keys {
            id: id.name.clone(),
            id_type,
            makes_ids: match id_type {
                KeyType::Integer => true,
                KeyType::Uuid => id.has_default,
                _ => false,
            },
            tenant,
        })
    }

    /// The table with these keys.
    pub(crate) fn table(&self, name: &str, mapping: &str) -> Table {
        let mut table = Table::new(name, mapping).with_id(&self.id, self.id_type);
        if self.makes_ids {
            table = table.with_database_ids();
        }
        if let Some((tenant, key_type)) = &self.tenant {
            table = table.with_tenant(tenant, *key_type);
        }
        table
    }

    /// The Rust code of the same table, with its mapping in a file.
    pub(crate) fn code(&self, name: &str) -> String {
        let mut code = format!("Table::new({name:?}, include_str!(\"{name}.toml\"))");
        if self.id != "id" || self.id_type != KeyType::Text {
            code.push_str(&format!(
                ".with_id({:?}, KeyType::{:?})",
                self.id, self.id_type
            ));
        }
        if self.makes_ids {
            code.push_str(".with_database_ids()");
        }
        if let Some((tenant, key_type)) = &self.tenant {
            code.push_str(&format!(".with_tenant({tenant:?}, KeyType::{key_type:?})"));
        }
        code
    }

    /// Whether a column is one of the keys.
    pub(crate) fn contain(&self, name: &str) -> bool {
        self.id == name
            || self
                .tenant
                .as_ref()
                .is_some_and(|(tenant, _)| tenant == name)
    }
}

fn key_type(column: &TableColumn) -> KeyType {
    if column.declared == "uuid" {
        KeyType::Uuid
    } else if column.holds(FieldType::Integer) && !column.holds(FieldType::Text) {
        KeyType::Integer
    } else {
        KeyType::Text
    }
}
