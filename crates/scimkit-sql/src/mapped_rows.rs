//! The statements that read and write the rows of an application's own table.

use std::{collections::BTreeMap, fmt::Write as _};

use scimkit_mapping::{FieldEdit, FieldType, Record, TypeMapping};
use scimkit_registry::{Change, Predicate, RequestError, Resource};
use serde_json::Value;

use crate::{Condition, Dialect, MappedTable, plan};

/// The parts from which the statements of one table are built.
#[derive(Debug, Clone)]
pub(crate) struct Statements {
    dialect: Dialect,
    /// The columns of the mapping, sorted.
    fields: Vec<String>,
    /// The quoted columns of the primary key: the tenant column, if there is one, and the identifier column.
    keys: Vec<String>,
    table: String,
}

impl Statements {
    pub(crate) fn new(rules: &TypeMapping, dialect: Dialect, (table, id): (&str, &str)) -> Self {
        let fields = rules.fields().iter();
        let mut fields: Vec<_> = fields.map(|field| field.name.clone()).collect();
        fields.sort_unstable();
        Statements {
            dialect,
            fields,
            keys: vec![quoted(id)],
            table: quoted(table),
        }
    }

    /// Returns `"a" = ?1 AND "b" = ?2` for the first columns of the key.
    fn are_keys(&self, count: usize) -> String {
        let keys = self.keys.iter().take(count).zip(1..);
        let equal =
            keys.map(|(key, number)| format!("{key} = {}", self.dialect.placeholder(number)));
        equal.collect::<Vec<_>>().join(" AND ")
    }
}

/// Statements on one row or several. The first parameter is the tenant, if the table has a [tenant
/// column](Self::with_tenant); the identifier follows, except in [`select`](Self::select). These statements use the
/// alias of the table as its name.
impl MappedTable {
    /// Sets the column that contains the tenant of each row.
    #[must_use]
    pub fn with_tenant(mut self, column: &str) -> Self {
        self.statements.keys.insert(0, quoted(column));
        self
    }

    /// Returns a `SELECT` of the identifier, the columns `own` and the columns of the mapping, for the rows of the
    /// tenant that satisfy a condition, ordered by identifier. The parameters of the condition follow the tenant.
    ///
    /// # Example
    /// ```
    /// use scimkit_mapping::{Mapping, MappingRule};
    /// use scimkit_registry::Registry;
    /// use scimkit_sql::{Dialect, MappedTable};
    ///
    /// let mapping = Mapping::builder().rule("User", MappingRule::new("title").with_field("job"));
    /// let mapping = mapping.build(&Registry::standard())?;
    /// let table = MappedTable::new(mapping.for_type("User").unwrap(), Dialect::Sqlite, "person", "id");
    /// assert_eq!(
    ///     table.select(&["changed"], r#""id" = ?1"#),
    ///     r#"SELECT "id", "changed", "job" FROM "person" WHERE ("id" = ?1) ORDER BY "id""#
    /// );
    /// let table = table.with_tenant("company");
    /// assert_eq!(
    ///     table.update(["changed"]),
    ///     r#"UPDATE "person" SET "changed" = ?3 WHERE "company" = ?1 AND "id" = ?2"#
    /// );
    /// # Ok::<(), scimkit_mapping::MappingError>(())
    /// ```
    #[must_use]
    pub fn select(&self, own: &[&str], condition: &str) -> String {
        let statements = &self.statements;
        let fields = statements.fields.iter().map(String::as_str);
        let id = statements.keys.last().map_or("", String::as_str);
        let columns = own.iter().copied().chain(fields).map(quoted);
        let columns: Vec<_> = columns.collect();
        let tenant = match statements.keys.len() {
            1 => String::new(),
            _ => format!("{} AND ", statements.are_keys(1)),
        };
        format!(
            "SELECT {id}, {} FROM {} WHERE {tenant}({condition}) ORDER BY {id}",
            columns.join(", "),
            statements.table
        )
    }

    /// Returns a condition that holds for every row that satisfies a predicate, and possibly for other rows: see
    /// [`plan`]. Its first placeholder has the number `first`.
    #[must_use]
    pub fn condition(&self, predicate: &Predicate, first: usize) -> Condition {
        let plan = plan(self.kind(), predicate, self, first);
        plan.condition.unwrap_or_else(|| Condition {
            lookup: None,
            parameters: Vec::new(),
            text: "1 = 1".to_owned(),
        })
    }

    /// Returns an `INSERT` of a row with the key and these columns.
    #[must_use]
    pub fn insert<'c>(&self, columns: impl IntoIterator<Item = &'c str>) -> String {
        let statements = &self.statements;
        let columns = columns.into_iter().map(quoted);
        let columns: Vec<_> = statements.keys.iter().cloned().chain(columns).collect();
        let values: Vec<_> = (1..=columns.len())
            .map(|number| statements.dialect.placeholder(number))
            .collect();
        let columns = columns.join(", ");
        let values = values.join(", ");
        format!(
            "INSERT INTO {} ({columns}) VALUES ({values})",
            statements.table
        )
    }

    /// Returns an `UPDATE` of these columns of one row.
    #[must_use]
    pub fn update<'c>(&self, columns: impl IntoIterator<Item = &'c str>) -> String {
        let statements = &self.statements;
        let keys = statements.keys.len();
        let mut text = format!("UPDATE {} SET ", statements.table);
        for (index, column) in columns.into_iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            let value = statements.dialect.placeholder(keys + 1 + index);
            // Writing to a string does not fail.
            let _ = write!(text, "{comma}{} = {value}", quoted(column));
        }
        format!("{text} WHERE {}", statements.are_keys(keys))
    }

    /// Returns a `DELETE` of one row.
    #[must_use]
    pub fn delete(&self) -> String {
        let statements = &self.statements;
        let keys = statements.are_keys(statements.keys.len());
        format!("DELETE FROM {} WHERE {keys}", statements.table)
    }

    /// Converts the values of the mapping's columns, in the order of [`select`](Self::select), to the document of the
    /// row. A column of a `json` field contains JSON text.
    ///
    /// # Errors
    /// A rule of the mapping can't transform a value.
    pub fn document(
        &self,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Resource, RequestError> {
        let fields = self.statements.fields.iter().cloned();
        let value = |(field, value): (String, Value)| match value {
            Value::String(text) if self.is_json(&field) => {
                let parsed = text.parse().unwrap_or(Value::String(text));
                (field, parsed)
            }
            value => (field, value),
        };
        let record: Record = fields.zip(values).map(value).collect();
        self.rules().to_resource(&record, Resource::default())
    }

    /// Returns the columns that differ between two documents of a row, with their new values. An attribute that is
    /// missing in the new document gets its default.
    ///
    /// # Errors
    /// A rule of the mapping can't transform a value.
    pub fn edits(
        &self,
        before: Option<&Resource>,
        after: &Resource,
    ) -> Result<BTreeMap<String, Value>, RequestError> {
        let after = self.rules().fill_defaults(after);
        let change = Change::between(self.kind().clone(), before, &after);
        let edits = self.rules().field_edits(&change, before)?.into_iter();
        let value = |edit| match edit {
            FieldEdit::Set(value) => value,
            FieldEdit::Members { .. } | FieldEdit::Unset => Value::Null,
        };
        let column = |(field, edit)| match value(edit) {
            value @ (Value::Array(_) | Value::Object(_)) => (field, Value::from(value.to_string())),
            value => (field, value),
        };
        Ok(edits.map(column).collect())
    }

    /// Returns whether a column contains JSON text.
    fn is_json(&self, column: &str) -> bool {
        let mut fields = self.rules().fields().iter();
        fields.any(|field| field.name == column && field.data_type == FieldType::Json)
    }
}

/// Quotes a name, which is the same in both dialects.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as both dialects quote it.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
