//! The checks of the columns and indexes of a table.

use scimkit_core::{Uniqueness, did_you_mean};
use scimkit_mapping::{CheckedRule, Field, FieldType, KeyType};
use scimkit_registry::Attr;
use scimkit_sql::tables::{self, IndexKind, JoinTable, ValueTable};

use super::{
    FindingKind, TableFinding, TableReport,
    catalog::{Column, Columns, is_same},
};
use crate::table::BoundTable;

impl Columns {
    fn finding(&self, kind: FindingKind, column: &str, problem: impl Into<String>) -> TableFinding {
        TableFinding::new(kind, &self.table, problem).with_column(column)
    }

    /// Reports missing columns, and returns whether there are none.
    pub(super) fn check_presence(&self, table: &BoundTable, report: &mut TableReport) -> bool {
        let mut is_complete = true;
        for key in table.sql.key_columns() {
            is_complete &= self.check_column(&key.name, None, report);
        }
        let times = table.sql.table().times.iter();
        for name in times.flat_map(|times| [&times.created, &times.modified]) {
            is_complete &= self.check_column(name, None, report);
        }
        for field in columns_of(table) {
            is_complete &= self.check_column(&field.name, Some(field.data_type), report);
        }
        is_complete
    }

    pub(super) fn check_join_presence(
        &self,
        members: &JoinTable,
        report: &mut TableReport,
    ) -> bool {
        let names = members.names();
        let mut is_complete = self.check_column(&names.owner, None, report);
        is_complete &= self.check_column(&names.member, None, report);
        let ends = [
            (&names.owner, members.owner()),
            (&names.member, members.member()),
        ];
        for (name, of) in ends {
            if let Some(column) = self.find(name) {
                self.check_key_type(column, of.table().id.key_type, report);
            }
        }
        for column in &self.columns {
            let is_end = [&names.owner, &names.member]
                .iter()
                .any(|name| is_same(self.dialect, &column.name, name));
            if column.is_not_null && !column.has_default && !is_end {
                let problem = "the column must have a value, but SCIM writes only the two ends of a membership: give \
                     it a default";
                report.push(self.unfilled(FindingKind::UnfilledColumn, column, problem.to_owned()));
            }
        }
        is_complete
    }

    /// Reports what is missing from a table with the values of an attribute.
    /// Returns whether all columns exist.
    pub(super) fn check_values(&self, values: &ValueTable, report: &mut TableReport) -> bool {
        let rows = values.rows();
        let columns = rows.columns.iter().map(|column| &column.name);
        let keys = rows.columns.iter().filter_map(|column| column.key.as_ref());
        let mut is_complete = true;
        for name in [&rows.key].into_iter().chain(columns).chain(keys) {
            is_complete &= self.check_column(name, None, report);
        }
        if self.find(&rows.key).is_some() && !self.has_index(&[&rows.key]) {
            let problem =
                "no index begins with the key: the values of a row are searched in all rows";
            let sql = tables::create_index_sql(IndexKind::Plain, &self.table, &[&rows.key]);
            let finding = self.finding(FindingKind::MissingIndex, &rows.key, problem);
            report.push(finding.with_fix(Some(sql)));
        }
        is_complete
    }

    /// Reports a column that does not exist. It can be added if its type is known.
    fn check_column(
        &self,
        name: &str,
        data_type: Option<FieldType>,
        report: &mut TableReport,
    ) -> bool {
        if self.find(name).is_some() {
            return true;
        }
        let known = self.columns.iter().map(|column| column.name.as_str());
        let suggestion = did_you_mean(name, known);
        let problem = format!("there is no such column{suggestion}");
        let sql = |data_type| tables::add_column_sql(self.dialect, &self.table, name, data_type);
        let fix = data_type.map(sql).filter(|_| suggestion.is_empty());
        let finding = self.finding(FindingKind::MissingColumn, name, problem);
        report.push(finding.with_fix(fix));
        false
    }

    pub(super) fn check_types(&self, table: &BoundTable, report: &mut TableReport) {
        for key in table.sql.key_columns() {
            if let Some(column) = self.find(&key.name) {
                self.check_key_type(column, key.key_type, report);
            }
        }
        for field in columns_of(table) {
            let Some(column) = self.find(&field.name) else {
                continue;
            };
            if column.holds(self.dialect, field.data_type) {
                continue;
            }
            let (declared, wanted) = (&column.declared, field.data_type.name());
            let problem = format!(
                "the type is `{declared}`, but the mapping declares {wanted}: change one of them"
            );
            let names = (self.table.as_str(), field.name.as_str());
            let fix = tables::change_type_sql(self.dialect, names, field.data_type);
            let finding = self.finding(FindingKind::UnfitType, &field.name, problem);
            report.push(finding.with_fix(fix));
        }
    }

    fn check_key_type(&self, column: &Column, key_type: KeyType, report: &mut TableReport) {
        let (fits, wanted) = match key_type {
            KeyType::Integer => (column.holds(self.dialect, FieldType::Integer), "integer"),
            KeyType::Text => {
                let is_text = column.holds(self.dialect, FieldType::Text);
                (is_text && column.declared != "uuid", "text")
            }
            KeyType::Uuid => (column.holds(self.dialect, FieldType::Text), "UUID"),
        };
        if !fits {
            let declared = &column.declared;
            let problem = format!(
                "the type is `{declared}`, but the key is described as {wanted}: describe it otherwise"
            );
            report.push(self.finding(FindingKind::UnfitType, &column.name, problem));
        }
    }

    /// Reports columns that a create leaves without the value that they must have.
    pub(super) fn check_filled(&self, table: &BoundTable, report: &mut TableReport) {
        let rules = table.sql.mapped().rules();
        let must = |column: &&Column| column.is_not_null && !column.has_default;
        for column in self.columns.iter().filter(must) {
            let mut keys = table.sql.key_columns();
            if keys.any(|key| is_same(self.dialect, &key.name, &column.name)) {
                continue;
            }
            let times = table.sql.table().times.iter();
            let mut times = times.flat_map(|times| [&times.created, &times.modified]);
            if times.any(|name| is_same(self.dialect, name, &column.name)) {
                continue;
            }
            let writes = |rule: &CheckedRule<'_>| {
                let is_field = |name: &str| is_same(self.dialect, name, &column.name);
                let comparable = rule.comparable_column();
                !rule.is_read_only()
                    && (rule.field().is_some_and(is_field)
                        || comparable.is_some_and(|comparable| is_field(comparable.column)))
            };
            // A constant is written by a rule that no identity provider can write.
            let is_constant = rules.rules().any(|rule| {
                let is_field = rule
                    .field()
                    .is_some_and(|name| is_same(self.dialect, name, &column.name));
                is_field && rule.paths().next().is_none() && !rule.is_write_only()
            });
            let mut own = rules.rules().filter(writes).peekable();
            if own.peek().is_none() && !is_constant {
                let problem = "the column must have a value, but no rule of the mapping writes it, so that creates \
                     fail: give it a default, or add a rule with a constant";
                report.push(self.unfilled(FindingKind::UnfilledColumn, column, problem.to_owned()));
                continue;
            }
            let is_always_set = |rule: CheckedRule<'_>| {
                rule.is_required()
                    || rule.default().is_some()
                    || attrs(table, rule).any(|attr| attr.definition().required)
            };
            if !is_constant && !own.any(is_always_set) {
                let problem = "the column must have a value, but its attribute is optional, so that creates without it \
                     fail: add `default` or `required` to the rule, or let the column be NULL";
                report.push(self.unfilled(FindingKind::OptionalValue, column, problem.to_owned()));
            }
        }
    }

    fn unfilled(&self, kind: FindingKind, column: &Column, problem: String) -> TableFinding {
        let names = (self.table.as_str(), column.name.as_str());
        let fix = tables::drop_not_null_sql(self.dialect, names);
        self.finding(kind, &column.name, problem).with_fix(fix)
    }

    /// Reports columns that SQL compares for filters, but otherwise than SCIM.
    pub(super) fn check_collations(&self, table: &BoundTable, report: &mut TableReport) {
        let rules = table.sql.mapped().rules();
        for rule in rules.rules() {
            let Some(comparable) = rule.comparable_column() else {
                continue;
            };
            let Some(column) = self.find(comparable.column) else {
                continue;
            };
            let is_exact = table
                .sql
                .kind()
                .attr(comparable.attr)
                .definition()
                .is_case_exact();
            let Some(problem) = column.misorder(self.dialect, is_exact) else {
                continue;
            };
            let names = (self.table.as_str(), column.name.as_str());
            let fix = tables::change_collation_sql(self.dialect, names, &column.declared);
            let finding = self.finding(FindingKind::Collation, &column.name, problem);
            report.push(finding.with_fix(fix));
        }
    }

    pub(super) fn check_indexes(&self, table: &BoundTable, report: &mut TableReport) {
        let names = table.sql.table();
        let tenant = names.tenant.as_ref().map(|tenant| tenant.name.as_str());
        self.check_unique(tenant, &names.id.name, "identifiers", report);
        if let Some(tenant) = tenant
            && !self.has_index(&[tenant])
        {
            let problem =
                "no index begins with the tenant: each list reads the rows of all tenants";
            let sql = tables::create_index_sql(IndexKind::Plain, &self.table, &[tenant]);
            let finding = self.finding(FindingKind::MissingIndex, tenant, problem);
            report.push(finding.with_fix(Some(sql)));
        }
        let fields = table.sql.mapped().rules().fields();
        for rule in table.sql.mapped().rules().rules() {
            let field = fields
                .iter()
                .find(|field| rule.field() == Some(&field.name));
            let Some(field) = field else { continue };
            let is_unique = attr_if_unique(table, rule, field).is_some();
            if !is_unique && !field.filterable {
                continue;
            }
            let path = rule.paths().next().unwrap_or_default();
            let Some(comparable) = rule.comparable_column() else {
                let problem = format!(
                    "SQL can't compare the column with `{path}`, so that each look-up reads all rows: fold the text \
                     of all rows and declare the field `folded`, or name a `key` column"
                );
                report.push(self.finding(FindingKind::NotComparable, &field.name, problem));
                continue;
            };
            if is_unique {
                self.check_unique(tenant, comparable.column, path, report);
                continue;
            }
            let with_tenant: Vec<_> = tenant.into_iter().chain([comparable.column]).collect();
            // Such a column needs an index on an expression.
            if rule.is_empty_unset()
                || self.has_index(&[comparable.column])
                || self.has_index(&with_tenant)
            {
                continue;
            }
            let problem = format!("`{path}` is filterable, but no index begins with the column");
            let sql = tables::create_index_sql(IndexKind::Plain, &self.table, &with_tenant);
            let finding = self.finding(FindingKind::MissingIndex, comparable.column, problem);
            report.push(finding.with_fix(Some(sql)));
        }
    }

    /// Reports a column whose values nothing keeps unique in the database.
    fn check_unique(
        &self,
        tenant: Option<&str>,
        column: &str,
        what: &str,
        report: &mut TableReport,
    ) {
        let with_tenant: Vec<_> = tenant.into_iter().chain([column]).collect();
        if self.is_unique(&[column]) || self.is_unique(&with_tenant) {
            return;
        }
        let problem = format!("no unique index keeps {what} unique when the application writes");
        let sql = tables::create_index_sql(IndexKind::Unique, &self.table, &with_tenant);
        let finding = self.finding(FindingKind::MissingUniqueIndex, column, problem);
        report.push(finding.with_fix(Some(sql)));
    }

    pub(super) fn check_join_indexes(&self, members: &JoinTable, report: &mut TableReport) {
        let names = members.names();
        let pair = [names.owner.as_str(), names.member.as_str()];
        if !self.is_unique(&pair) {
            let problem =
                "no unique index keeps each membership unique when the application writes";
            let sql = tables::create_index_sql(IndexKind::Unique, &self.table, &pair);
            let finding = TableFinding::new(FindingKind::MissingUniqueIndex, &self.table, problem);
            report.push(finding.with_fix(Some(sql)));
        }
        if !self.has_index(&[&names.member]) {
            let problem =
                "no index begins with the member: the groups of a user are searched in all rows";
            let sql = tables::create_index_sql(IndexKind::Plain, &self.table, &[&names.member]);
            let finding = self.finding(FindingKind::MissingIndex, &names.member, problem);
            report.push(finding.with_fix(Some(sql)));
        }
    }
}

/// The fields that are columns of the table itself.
fn columns_of(table: &BoundTable) -> impl Iterator<Item = &Field> {
    let fields = table.sql.mapped().rules().fields().iter();
    fields.filter(|field| field.rows.is_none())
}

/// The rules of unique attributes with their columns.
pub(super) fn unique_rules(table: &BoundTable) -> impl Iterator<Item = (&Attr, &str)> {
    let rules = table.sql.mapped().rules();
    let fields = rules.fields();
    rules.rules().filter_map(move |rule| {
        let field = fields
            .iter()
            .find(|field| rule.field() == Some(&field.name))?;
        Some((attr_if_unique(table, rule, field)?, field.name.as_str()))
    })
}

/// The one attribute of a rule, if its values are unique.
fn attr_if_unique<'t>(
    table: &'t BoundTable,
    rule: CheckedRule<'_>,
    field: &Field,
) -> Option<&'t Attr> {
    let mut attrs = attrs(table, rule);
    let attr = attrs.next().filter(|_| attrs.next().is_none())?;
    let is_unique = field.unique || attr.definition().uniqueness != Uniqueness::None;
    is_unique.then_some(attr)
}

/// The attributes that a rule names without a filter.
fn attrs<'t>(table: &'t BoundTable, rule: CheckedRule<'_>) -> impl Iterator<Item = &'t Attr> {
    let kind = table.sql.kind();
    let ids: Vec<_> = rule
        .paths()
        .filter_map(|path| kind.attribute_id(path))
        .collect();
    ids.into_iter().map(|id| kind.attr(id))
}
