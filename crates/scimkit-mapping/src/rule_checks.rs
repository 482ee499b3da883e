//! The checks of a bound rule against its schema, the declared fields and other rules.

use scimkit_core::{DataType, Mutability, Uniqueness, did_you_mean, excerpt};

use super::{
    Field, FieldType, MappingProblem, MatchingAttributes,
    bound_rule::{BoundRule, Form},
    mapping_builder::{FieldDraft, RuleDraft},
    path_overlap::overlap,
    rule_checker::RuleChecker,
    rule_options::name_problem,
    transform::Step,
};

impl<'a> RuleChecker<'a> {
    pub(super) fn check_fields(&mut self) {
        for (index, FieldDraft { field, position }) in self.draft.fields.iter().enumerate() {
            if let Some(problem) = name_problem(&field.name) {
                self.problems.push(MappingProblem::new(*position, problem));
            }
            let mut before = self.draft.fields.iter().take(index);
            if before.any(|known| known.field.name == field.name) {
                let detail = format!(
                    "field `{}` is declared twice: remove one declaration",
                    excerpt(&field.name)
                );
                self.problems.push(MappingProblem::new(*position, detail));
            }
        }
    }

    /// Checks whether SQL can rely on folded text: a rule that folds says nothing about rows from before
    /// the mapping.
    pub(super) fn check_folded(&mut self, draft: &RuleDraft, bound: &mut BoundRule) {
        let Some(name) = bound.field().map(str::to_owned) else {
            return;
        };
        let folds = bound.steps.last().is_some_and(Step::folds);
        let declared = self.declared(&name).is_some_and(|field| field.folded);
        let gives_folded = bound.steps.last().is_some_and(Step::gives_folded);
        if declared && !folds && !gives_folded && bound.writes_field() {
            let detail = format!(
                "`{name}` is declared `folded`, but this rule does not fold: end `transform` with \"fold\""
            );
            self.problem(draft, &bound.label, "transform", 0, detail);
        }
        bound.folded = declared;
        let exact = bound
            .paths
            .first()
            .is_some_and(|path| self.kind.attr(path.attr).definition().is_case_exact());
        if folds && !declared && !exact && bound.rule.key.is_none() {
            let detail = format!(
                "filters read every row of `{name}`, since existing rows may not be folded: declare the field `folded = true` once all rows are, or name a `key` column"
            );
            self.warning(draft, &bound.label, "transform", detail);
        }
    }

    pub(super) fn check_mutability(&mut self, draft: &RuleDraft, bound: &BoundRule) {
        for (index, path) in bound.paths.iter().enumerate() {
            let attr = path.valued(self.kind);
            let text = &path.text;
            if attr.definition().mutability == Mutability::ReadOnly && bound.is_writable() {
                let detail = format!("`{text}` is read-only in its schema: add `read_only = true`");
                self.problem(draft, &bound.label, "scim", index, detail);
            }
            if attr.is_never_returned() && bound.writes_attribute() {
                let detail = format!("`{text}` is never returned: add `write_only = true`");
                self.problem(draft, &bound.label, "scim", index, detail);
            }
        }
    }

    /// If fields are declared, every field that a rule names must be.
    pub(super) fn check_field_names(&mut self, draft: &RuleDraft, bound: &BoundRule) {
        if !self.draft.declares {
            return;
        }
        let named = [
            ("field", bound.rule.field.clone()),
            ("key", bound.rule.key.clone()),
        ];
        let mut named: Vec<_> = named
            .into_iter()
            .filter_map(|(option, name)| Some((option, name?)))
            .collect();
        if let Form::PathTemplate(template) = &bound.form {
            named.extend(template.slots.iter().map(|slot| ("template", slot.clone())));
        }
        for (option, name) in named {
            if self.declared(&name).is_none() {
                let fields = self
                    .draft
                    .fields
                    .iter()
                    .map(|known| known.field.name.as_str());
                let suggestion = did_you_mean(&name, fields);
                let detail = format!("field `{}` is not declared{suggestion}", excerpt(&name));
                self.problem(draft, &bound.label, option, 0, detail);
            }
        }
    }

    pub(super) fn check_matching(&mut self, draft: &RuleDraft, bound: &BoundRule) {
        let Some(path) = bound.paths.first().filter(|_| bound.rule.matching) else {
            return;
        };
        let text = &path.text;
        if let Err(problem) = MatchingAttributes::new(self.kind, &[text]) {
            self.problem(draft, &bound.label, "matching", 0, problem.detail());
            return;
        }
        let attr = path.valued(self.kind);
        let field = bound.field().and_then(|name| self.declared(name));
        let filterable = field.map_or(attr.is_indexed(), |field| field.filterable);
        let unique = attr.definition().uniqueness != Uniqueness::None
            || field.is_some_and(|field| field.unique);
        if !filterable {
            let detail = match field {
                Some(_) => {
                    format!(
                        "`{text}` can't be a matching attribute: declare its field `filterable = true`"
                    )
                }
                None => format!(
                    "`{text}` can't be a matching attribute: declare its field `{{ type = \"text\", unique = true, filterable = true }}`, or add an index"
                ),
            };
            self.problem(draft, &bound.label, "matching", 0, detail);
        }
        if !unique {
            let detail = format!(
                "`{text}` can't be a matching attribute: several resources can have the same value; declare its field `unique = true`"
            );
            self.problem(draft, &bound.label, "matching", 0, detail);
        }
    }

    pub(super) fn check_conflict(
        &mut self,
        draft: &RuleDraft,
        bound: &BoundRule,
        other: &BoundRule,
    ) {
        let columns = |bound: &BoundRule| {
            let field = bound.rule.field.clone().filter(|_| bound.writes_field());
            [("field", field), ("key", bound.rule.key.clone())]
        };
        for (option, column) in columns(bound) {
            let taken =
                |(_, theirs): &(&str, Option<String>)| column.is_some() && *theirs == column;
            if columns(other).iter().any(taken) {
                let column = column.unwrap_or_default();
                let detail = format!(
                    "{} already writes `{column}`: remove one of the rules",
                    other.label
                );
                self.problem(draft, &bound.label, option, 0, detail);
            }
        }
        if !bound.writes_attribute() || !other.writes_attribute() {
            return;
        }
        for (index, path) in bound.paths.iter().enumerate() {
            if other
                .paths
                .iter()
                .any(|theirs| overlap(self.kind, path, theirs))
            {
                let detail = format!(
                    "{} already sets `{}`, or a value that can be the same: make one of the rules `write_only`",
                    other.label, path.text
                );
                self.problem(draft, &bound.label, "scim", index, detail);
            }
        }
    }

    /// Checks a rule whose field is a table of values.
    pub(super) fn check_rows(&mut self, draft: &RuleDraft, bound: &BoundRule) {
        let field = bound.field().and_then(|name| self.declared(name));
        let Some((field, rows)) = field.and_then(|field| Some((field, field.rows.as_ref()?)))
        else {
            return;
        };
        let path = bound.paths.first().filter(|_| bound.paths.len() == 1);
        let attr = path.map(|path| self.kind.attr(path.attr));
        let attr = attr.filter(|attr| {
            let definition = attr.definition();
            let is_whole = path.is_some_and(|path| path.text == attr.path());
            definition.multi_valued && definition.data_type == DataType::Complex && is_whole
        });
        let is_plain = matches!(bound.form, Form::Plain) && bound.steps.is_empty();
        let Some(attr) = attr.filter(|_| is_plain && field.data_type == FieldType::Json) else {
            let detail = format!(
                "`{}` is a table of values: map a whole multi-valued attribute to it, such as `emails`, without transforms",
                field.name
            );
            self.problem(draft, &bound.label, "field", 0, detail);
            return;
        };
        let subs = self.kind.attributes().iter();
        let subs: Vec<_> = subs
            .filter(|sub| sub.parent() == Some(attr.id()))
            .map(|sub| sub.name())
            .collect();
        let mut columns = rows.columns.iter();
        let has_unnamed = columns.any(|column| column.name.is_empty());
        if rows.columns.is_empty() || rows.table.is_empty() || rows.key.is_empty() || has_unnamed {
            let detail = format!(
                "`{}` is incomplete: a table of values has `table`, `key` and `columns`, and each column has a name",
                field.name
            );
            self.problem(draft, &bound.label, "field", 0, detail);
        }
        for column in &rows.columns {
            let name = column.sub_attribute.as_str();
            if !subs.contains(&name) {
                let suggestion = did_you_mean(name, subs.iter().copied());
                let detail = format!(
                    "`{}` has no sub-attribute `{}`{suggestion}",
                    attr.path(),
                    excerpt(name)
                );
                self.problem(draft, &bound.label, "field", 0, detail);
            }
        }
    }

    pub(super) fn declared(&self, name: &str) -> Option<&'a Field> {
        let mut declared = self.draft.fields.iter().map(|declared| &declared.field);
        declared.find(|field| field.name == name)
    }
}
