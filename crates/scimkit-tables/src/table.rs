//! The application's tables with their statements.

use std::sync::Arc;

use scimkit_mapping::{FieldType, RecordPrinter, TypeMapping};
use scimkit_registry::Fingerprint;
use scimkit_sql::{
    Dialect,
    tables::{JoinTable, RowTable, ValueTable},
};

use crate::{TableError, documents::EXTERNAL_ID};

/// A table with its checked mapping.
#[derive(Debug, Clone)]
pub(crate) struct BoundTable {
    /// The columns of the mapping, in the order of the statements.
    pub(crate) columns: Vec<Column>,
    /// The name of the resource type.
    pub(crate) kind_name: Arc<str>,
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
    pub(crate) fn new(rules: &TypeMapping, dialect: Dialect) -> Result<Self, TableError> {
        let missing = || TableError::NoTable {
            resource_type: rules.kind().name().to_owned(),
        };
        let sql = RowTable::new(rules, dialect).ok_or_else(missing)?;
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
        Ok(BoundTable {
            columns: columns.collect(),
            kind_name: sql.kind().name().into(),
            members: None,
            printer: RecordPrinter::new(rules, sql.columns(), external_id),
            schema: (schema, schema.to_string()),
            sql,
        })
    }

    /// Whether the database makes the identifiers of new rows.
    pub(crate) fn makes_ids(&self) -> bool {
        self.sql.table().generated_ids
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
