//! Values of multi-valued attributes in tables of the application, one row each.

use scimkit_core::DataType;
use scimkit_mapping::{FieldRows, RowColumn};
use scimkit_registry::{Attr, AttrId, ResourceType, fold_case};
use serde_json::Value;

use super::{SqlStatement, SqlValue, statement::value_literal};
use crate::{
    ColumnSource, Dialect, KeyTable,
    mapped_rows::{literal, quoted},
};

/// The alias of the table in the statements of resources.
const VALUES: &str = "v";

/// The statements of a table with one row per value of a multi-valued attribute.
#[derive(Debug, Clone)]
pub struct ValueTable {
    attr: AttrId,
    dialect: Dialect,
    rows: FieldRows,
}

/// Values of columns, in the order of [`FieldRows::columns`].
pub type ValueRow = Vec<SqlValue>;

impl ValueTable {
    /// Creates the statements of the table with the values of an attribute.
    #[must_use]
    pub fn new(dialect: Dialect, attr: AttrId, rows: &FieldRows) -> Self {
        let rows = rows.clone();
        ValueTable {
            attr,
            dialect,
            rows,
        }
    }

    /// Returns the names of the table and its columns.
    #[must_use]
    pub fn rows(&self) -> &FieldRows {
        &self.rows
    }

    /// Returns the attribute.
    #[must_use]
    pub fn attr(&self) -> AttrId {
        self.attr
    }

    /// The values of the row with that key, as a JSON array of objects; NULL or an empty array without any.
    pub(super) fn selection(&self, key: &str) -> String {
        let member = |column: &RowColumn| {
            let name = literal(&column.sub_attribute);
            format!("{name}, {VALUES}.{}", quoted(&column.name))
        };
        let members: Vec<_> = self.rows.columns.iter().map(member).collect();
        let members = members.join(", ");
        let list = match self.dialect {
            Dialect::Postgres => format!("CAST(json_agg(json_build_object({members})) AS text)"),
            Dialect::Sqlite => format!("json_group_array(json_object({members}))"),
        };
        let (table, own) = (quoted(&self.rows.table), quoted(&self.rows.key));
        format!("(SELECT {list} FROM {table} {VALUES} WHERE {VALUES}.{own} = {key})")
    }

    /// The source of a sub-attribute, if SQL can compare it.
    pub(super) fn source(&self, kind: &ResourceType, attr: &Attr) -> Option<ColumnSource> {
        let parent = kind.attr(attr.parent()?);
        if parent.id() != self.attr {
            return None;
        }
        let mut columns = self.rows.columns.iter();
        let column = columns.find(|column| column.sub_attribute == attr.name())?;
        let is_comparable = match attr.definition().data_type {
            DataType::Boolean | DataType::Integer => true,
            DataType::Reference | DataType::String => {
                column.folded || column.key.is_some() || attr.definition().is_case_exact()
            }
            _ => false,
        };
        if !is_comparable {
            return None;
        }
        let name = match &column.key {
            Some(key) if !attr.definition().is_case_exact() => quoted(key),
            _ => quoted(&column.name),
        };
        let table = quoted(&self.rows.table);
        // A row without a value is no value of the attribute.
        let table = format!("(SELECT * FROM {table} WHERE {name} IS NOT NULL) {VALUES}");
        let id = format!("{VALUES}.{}", quoted(&self.rows.key));
        let value = format!("{VALUES}.{name}");
        Some(ColumnSource::Rows(KeyTable::new(table, id, value)))
    }

    /// Adds a row. Columns without a value get their defaults.
    #[must_use]
    pub fn insert(&self, key: SqlValue, row: ValueRow) -> SqlStatement {
        let mut names = vec![quoted(&self.rows.key)];
        let mut parameters = vec![key];
        for (column, value) in self.rows.columns.iter().zip(row) {
            if value != SqlValue::Null {
                for (name, value) in written(column, value) {
                    names.push(quoted(name));
                    parameters.push(value);
                }
            }
        }
        let numbers = (1..=parameters.len()).map(|number| self.dialect.placeholder(number));
        let numbers: Vec<_> = numbers.collect();
        let text = format!(
            "INSERT INTO {} ({}) VALUES ({})",
            quoted(&self.rows.table),
            names.join(", "),
            numbers.join(", ")
        );
        let text = text.into();
        SqlStatement { parameters, text }
    }

    /// Changes the rows with the values `was`. Other columns stay.
    #[must_use]
    pub fn update(&self, key: SqlValue, was: ValueRow, is: ValueRow) -> SqlStatement {
        let mut parameters = Vec::new();
        let mut set = Vec::new();
        let columns = self.rows.columns.iter().zip(was.iter().zip(is));
        for (column, (_, is)) in columns.filter(|(_, (was, is))| *was != is) {
            for (name, value) in written(column, is) {
                parameters.push(value);
                let number = self.dialect.placeholder(parameters.len());
                set.push(format!("{} = {number}", quoted(name)));
            }
        }
        let start = format!("UPDATE {} SET {}", quoted(&self.rows.table), set.join(", "));
        self.of_row(start, parameters, (key, was))
    }

    /// Removes the rows with these values.
    #[must_use]
    pub fn delete(&self, key: SqlValue, row: ValueRow) -> SqlStatement {
        let start = format!("DELETE FROM {}", quoted(&self.rows.table));
        self.of_row(start, Vec::new(), (key, row))
    }

    /// Removes all rows of a resource.
    #[must_use]
    pub fn delete_all(&self, key: SqlValue) -> SqlStatement {
        let (table, own) = (quoted(&self.rows.table), quoted(&self.rows.key));
        let number = self.dialect.placeholder(1);
        let text = format!("DELETE FROM {table} WHERE {own} = {number}").into();
        let parameters = vec![key];
        SqlStatement { parameters, text }
    }

    /// Selects the next rows: the key, the text of a column, and its folded text.
    #[must_use]
    pub fn every_row(&self, column: &RowColumn, start: usize, limit: usize) -> SqlStatement {
        let (table, key) = (quoted(&self.rows.table), quoted(&self.rows.key));
        let (name, folded) = (quoted(&column.name), quoted(folded_name(column)));
        let text = format!(
            "SELECT {key}, {name}, {folded} FROM {table} WHERE {name} IS NOT NULL
             ORDER BY {key}, {name}, {folded} LIMIT {limit} OFFSET {start}"
        );
        SqlStatement::new(text)
    }

    /// The SQL text that folds a text of one row.
    #[must_use]
    pub fn set_folded_sql(
        &self,
        key: &SqlValue,
        column: &RowColumn,
        (text, folded): (&str, &str),
    ) -> String {
        let (table, own, name) = (&self.rows.table, &self.rows.key, &column.name);
        let (table, own, name) = (quoted(table), quoted(own), quoted(name));
        let (target, folded) = (quoted(folded_name(column)), literal(folded));
        let (key, text) = (value_literal(key), literal(text));
        format!("UPDATE {table} SET {target} = {folded} WHERE {own} = {key} AND {name} = {text}")
    }

    fn of_row(
        &self,
        mut text: String,
        mut parameters: Vec<SqlValue>,
        (key, row): (SqlValue, ValueRow),
    ) -> SqlStatement {
        parameters.push(key);
        let number = self.dialect.placeholder(parameters.len());
        text.push_str(&format!(" WHERE {} = {number}", quoted(&self.rows.key)));
        for (column, value) in self.rows.columns.iter().zip(row) {
            let name = quoted(&column.name);
            if value == SqlValue::Null {
                text.push_str(&format!(" AND {name} IS NULL"));
            } else {
                let is_default = is_default(column, &value);
                parameters.push(value);
                let number = self.dialect.placeholder(parameters.len());
                if is_default {
                    // A row of the application without a value is read as one with the default.
                    text.push_str(&format!(" AND ({name} = {number} OR {name} IS NULL)"));
                } else {
                    text.push_str(&format!(" AND {name} = {number}"));
                }
            }
        }
        let text = text.into();
        SqlStatement { parameters, text }
    }
}

/// Returns the name of the column with the folded text of a column.
fn folded_name(column: &RowColumn) -> &str {
    column.key.as_ref().unwrap_or(&column.name)
}

/// Returns whether a value is the default of its column.
fn is_default(column: &RowColumn, value: &SqlValue) -> bool {
    match (&column.default, value) {
        (Some(Value::Bool(default)), SqlValue::Bool(value)) => default == value,
        (Some(Value::Number(default)), SqlValue::Integer(value)) => {
            default.as_i64() == Some(*value)
        }
        (Some(Value::String(default)), SqlValue::Text(value)) => default == value,
        _ => false,
    }
}

/// A column with its new value, and the one with the folded text.
fn written(column: &RowColumn, value: SqlValue) -> impl Iterator<Item = (&str, SqlValue)> {
    let key = column.key.as_deref().map(|key| match &value {
        SqlValue::Text(text) => (key, SqlValue::Text(fold_case(text).into_owned())),
        _ => (key, SqlValue::Null),
    });
    [(column.name.as_str(), value)].into_iter().chain(key)
}
