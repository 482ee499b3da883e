//! The checks of the application's table of a resource type.

use scimkit_registry::AttributeRole;

use super::{KeyType, Table, bound_rule::BoundRule, rule_checker::RuleChecker};

impl RuleChecker<'_> {
    /// Returns the checked table with its prefix, if the type has one.
    pub(super) fn table(&mut self, rules: &[BoundRule]) -> Option<Table> {
        let draft = self.draft.table.as_ref()?;
        let mut table = draft.table.clone();
        for detail in self.table_problems(&table, rules) {
            self.problems.push(draft.problem(self.kind.name(), detail));
        }
        table.id_prefix = Some(table.prefix(self.kind.name()));
        Some(table)
    }

    fn table_problems(&self, table: &Table, rules: &[BoundRule]) -> Vec<&'static str> {
        let mut problems = Vec::new();
        let is_nameless = [Some(&table.name), Some(&table.id.name)]
            .into_iter()
            .chain([table.tenant.as_ref().map(|tenant| &tenant.name)])
            .flatten()
            .any(String::is_empty);
        if is_nameless {
            problems.push("a table and its columns have a name that is not empty");
        }
        if self.draft.rules.is_empty() {
            problems.push("no rule maps its columns: add `map`");
        }
        match (table.id.key_type, table.generated_ids) {
            (KeyType::Integer, false) => {
                problems.push("integers are made by the database: remove `generated`");
            }
            (KeyType::Text, true) => {
                problems.push("the database makes integers or UUIDs, not text: remove `generated`");
            }
            _ => {}
        }
        let prefix = table.id_prefix.as_deref().unwrap_or_default();
        if !prefix.is_empty() && !table.generated_ids {
            problems.push("only identifiers that the database makes have a prefix");
        }
        if let Some(times) = &table.times {
            let names = [&times.created, &times.modified];
            if names.iter().any(|name| name.is_empty()) {
                problems.push("`times` has the columns `created` and `modified`");
            } else if names.into_iter().any(|name| self.is_mapped(name, rules)) {
                problems.push("a rule or a field has a column of `times`: remove one of them");
            }
        }
        let attrs = self.kind.attributes();
        let mut roles = attrs.iter().map(|attr| attr.role());
        if let Some(members) = &table.members {
            let names = [&members.group, &members.table, &members.user];
            if !roles.any(|role| role == AttributeRole::Membership) {
                problems.push("resources of this type have no members: remove `members`");
            } else if names.iter().any(|name| name.is_empty()) {
                problems.push("`members` has a `table`, and its columns `group` and `user`");
            }
        }
        let paths = || rules.iter().flat_map(|rule| &rule.paths);
        let is_membership = |attr| self.kind.attr(attr).role() == AttributeRole::Membership;
        if paths().any(|path| is_membership(path.attr)) {
            problems.push("memberships are no column: name their table in `members`");
        }
        problems
    }

    /// Whether a rule or a field has a column.
    fn is_mapped(&self, column: &str, rules: &[BoundRule]) -> bool {
        let mut declared = self.draft.fields.iter();
        let has_column = |rule: &BoundRule| {
            rule.field() == Some(column) || rule.rule.key.as_deref() == Some(column)
        };
        rules.iter().any(has_column) || declared.any(|draft| draft.field.name == column)
    }
}
