//! The rows of a table.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
};

use scimkit_mapping::{KeyType, Record};
use scimkit_registry::{AttrId, RequestError, Resource, ResourceType, fold_case};
use scimkit_sql::tables::SqlValue;
use serde_json::Value;

use super::{FindingKind, TableFinding, TableReport, Verifier, columns::unique_rules};
use crate::{SqlRow, TableError, Transaction, documents::text, table::BoundTable};

/// The number of rows that are read at once.
const PAGE: usize = 500;

impl<T: Transaction> Verifier<T> {
    pub(super) async fn check_rows(&mut self, table: &BoundTable) -> Result<(), TableError> {
        let without_keys = self.number(table.sql.rows_without_keys()).await?;
        if without_keys > 0 {
            let problem = format!(
                "{without_keys} rows have no identifier or no tenant: SCIM does not show them"
            );
            let name = &table.sql.table().name;
            self.report
                .push(TableFinding::new(FindingKind::InvalidKey, name, problem));
        }
        let keys = table.sql.key_columns().count();
        let mut check = RowCheck::new(table);
        let mut after: Option<Vec<SqlValue>> = None;
        loop {
            let rows = self.rows(table.sql.every_row(after.clone(), PAGE)).await?;
            let is_last = rows.len() < PAGE;
            let mut last = None;
            for row in rows {
                last = Some(check.row(row, keys, &mut self.report));
            }
            // The same keys again would be the same page again.
            if is_last || last.is_none() || last == after {
                return Ok(());
            }
            after = last;
        }
    }
}

/// A column that must be folded.
struct FoldedColumn {
    column: String,
    /// The column whose values are folded in it; none if it is the same.
    of: Option<String>,
}

/// The values of a unique attribute so far.
struct UniqueValues {
    column: String,
    ignores_case: bool,
    known: HashSet<(u64, u64)>,
    path: String,
}

struct RowCheck<'t> {
    folded: Vec<FoldedColumn>,
    hashers: (RandomState, RandomState),
    required: Vec<(AttrId, String)>,
    table: &'t BoundTable,
    unique: Vec<UniqueValues>,
}

impl<'t> RowCheck<'t> {
    fn new(table: &'t BoundTable) -> Self {
        let kind = table.sql.kind();
        let rules = table.sql.mapped().rules();
        let fields = rules.fields().iter().filter(|field| field.folded);
        let mut folded: Vec<_> = fields
            .map(|field| FoldedColumn {
                column: field.name.clone(),
                of: None,
            })
            .collect();
        let mut required = Vec::new();
        for rule in rules.rules().filter(|rule| !rule.is_write_only()) {
            if let (Some(field), Some(comparable)) = (rule.field(), rule.comparable_column())
                && comparable.column != field
            {
                folded.retain(|known| known.column != comparable.column);
                folded.push(FoldedColumn {
                    column: comparable.column.to_owned(),
                    of: Some(field.to_owned()),
                });
            }
            let attrs = rule.paths().filter_map(|path| kind.attribute_id(path));
            let attrs = attrs.map(|id| kind.attr(id));
            let attrs = attrs.filter(|attr| attr.definition().required && attr.parent().is_none());
            let column = rule.field().unwrap_or_default();
            required.extend(attrs.map(|attr| (attr.id(), column.to_owned())));
        }
        let unique = unique_rules(table).map(|(attr, column)| UniqueValues {
            column: column.to_owned(),
            ignores_case: !attr.definition().is_case_exact(),
            known: HashSet::new(),
            path: attr.path().to_owned(),
        });
        RowCheck {
            folded,
            hashers: (RandomState::new(), RandomState::new()),
            required,
            table,
            unique: unique.collect(),
        }
    }

    /// Checks a row, and returns its keys.
    fn row(&mut self, mut row: SqlRow, keys: usize, report: &mut TableReport) -> Vec<SqlValue> {
        let values = row.split_off(keys.min(row.len()));
        let id = row.last().cloned().and_then(text);
        let shown = format!(
            "{}{}",
            self.table.sql.id_prefix(),
            id.as_deref().unwrap_or_default()
        );
        let row = Row {
            id: &shown,
            keys: &row,
            record: self.table.record(values.into_iter()),
        };
        self.check_keys(&row, id.as_deref(), report);
        let duplicates = self.check_unique(&row, report);
        self.check_folded(&row, &duplicates, report);
        self.check_values(&row, report);
        row.keys.to_vec()
    }

    fn finding(
        &self,
        kind: FindingKind,
        row: &Row<'_>,
        column: &str,
        problem: String,
    ) -> TableFinding {
        let finding = TableFinding::new(kind, &self.table.sql.table().name, problem);
        finding.with_row(row.id).with_column(column)
    }

    fn check_keys(&self, row: &Row<'_>, id: Option<&str>, report: &mut TableReport) {
        let values = row.keys.iter().cloned().map(text);
        for (column, value) in self.table.sql.key_columns().zip(values) {
            let is_valid = |text: &str| SqlValue::from_key(column.key_type, text).is_some();
            if value.as_deref().is_some_and(is_valid) {
                continue;
            }
            let problem = "the value is not of the type of the key: SCIM does not find the row";
            let lower = id.map(str::to_lowercase).filter(|lower| is_valid(lower));
            let lower =
                lower.filter(|_| column.key_type == KeyType::Uuid && value.as_deref() == id);
            let fix =
                lower.map(|lower| self.table.sql.set_text_sql(row.keys, &column.name, &lower));
            let finding = self.finding(
                FindingKind::InvalidKey,
                row,
                &column.name,
                problem.to_owned(),
            );
            report.push(finding.with_fix(fix));
        }
    }

    fn check_folded(&self, row: &Row<'_>, duplicates: &[String], report: &mut TableReport) {
        for folded in &self.folded {
            let of = folded.of.as_ref().unwrap_or(&folded.column);
            let expected = row.text(of).map(|text| fold_case(text).into_owned());
            let Some(expected) = expected else { continue };
            if row.text(&folded.column) == Some(&expected) {
                continue;
            }
            let problem = match &folded.of {
                None => "the text is not folded: filters do not find the row".to_owned(),
                Some(of) => {
                    format!("the text is not that of `{of}`, folded: filters do not find the row")
                }
            };
            // A folded duplicate would violate the unique index.
            let is_unique = !duplicates.contains(of);
            let sql = self
                .table
                .sql
                .set_text_sql(row.keys, &folded.column, &expected);
            let finding = self.finding(FindingKind::NotFolded, row, &folded.column, problem);
            report.push(finding.with_fix(is_unique.then_some(sql)));
        }
    }

    /// Reports the values that an earlier row has, too, and returns their columns.
    fn check_unique(&mut self, row: &Row<'_>, report: &mut TableReport) -> Vec<String> {
        let tenant = match row.keys {
            [tenant, _] => text(tenant.clone()),
            _ => None,
        };
        let mut findings = Vec::new();
        for unique in &mut self.unique {
            let value = match row.record.get(&unique.column) {
                None | Some(Value::Null) => continue,
                Some(Value::String(text)) if text.is_empty() => continue,
                Some(Value::String(text)) if unique.ignores_case => fold_case(text).into_owned(),
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
            };
            let key = (&tenant, &value);
            let hashes = (self.hashers.0.hash_one(key), self.hashers.1.hash_one(key));
            if !unique.known.insert(hashes) {
                let (path, value) = (&unique.path, scimkit_core::excerpt(&value));
                let problem = format!(
                    "another row has the same `{path}`, ignoring case where SCIM does: `{value}`; change or merge one of them"
                );
                findings.push((unique.column.clone(), problem));
            }
        }
        let mut columns = Vec::new();
        for (column, problem) in findings {
            report.push(self.finding(FindingKind::Duplicate, row, &column, problem));
            columns.push(column);
        }
        columns
    }

    fn check_values(&self, row: &Row<'_>, report: &mut TableReport) {
        let rules = self.table.sql.mapped().rules();
        let resource = match rules.to_resource(&row.record, Resource::default()) {
            Ok(resource) => resource,
            Err(error) => return self.report_invalid(row, &error, report),
        };
        let kind: &ResourceType = rules.kind();
        for (attr, column) in &self.required {
            if resource.get(kind, *attr).is_none() {
                let path = kind.attr(*attr).path();
                let problem = format!("the row has no `{path}`, which SCIM requires");
                report.push(self.finding(FindingKind::InvalidValue, row, column, problem));
            }
        }
    }

    /// Reports the columns that make a row invalid, or the row.
    fn report_invalid(&self, row: &Row<'_>, whole: &RequestError, report: &mut TableReport) {
        let rules = self.table.sql.mapped().rules();
        let mut is_explained = false;
        for (column, value) in &row.record {
            let alone = Record::from_iter([(column.clone(), value.clone())]);
            if let Err(error) = rules.to_resource(&alone, Resource::default()) {
                let problem = format!("SCIM does not show the value: {error}");
                report.push(self.finding(FindingKind::InvalidValue, row, column, problem));
                is_explained = true;
            }
        }
        if !is_explained {
            let table = &self.table.sql.table().name;
            let problem = format!("SCIM does not show all values of the row: {whole}");
            let finding = TableFinding::new(FindingKind::InvalidValue, table, problem);
            report.push(finding.with_row(row.id));
        }
    }
}

/// A row.
struct Row<'r> {
    /// The identifier in SCIM.
    id: &'r str,
    keys: &'r [SqlValue],
    record: Record,
}

impl Row<'_> {
    fn text(&self, column: &str) -> Option<&str> {
        self.record.get(column)?.as_str()
    }
}
