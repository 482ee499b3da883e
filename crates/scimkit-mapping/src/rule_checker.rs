//! Binds the rules of a resource type and collects their problems.

use std::{collections::BTreeMap, sync::Arc};

use scimkit_core::{did_you_mean, excerpt};
use scimkit_registry::{AttributeRole, ResourceType};

use super::{
    CustomTransform, Field, FieldType, MappingProblem,
    bound_path::BoundPath,
    bound_rule::{BoundRule, Form},
    mapping_builder::{RuleDraft, TypeDraft},
    rule_options::{OptionProblem, option_problems},
    template::Template,
    template_cycles::template_cycles,
    transform_steps::{self, BoundSteps, StepProblem},
};

/// Checks the rules of one resource type.
pub(super) struct RuleChecker<'a> {
    custom_transforms: &'a BTreeMap<String, CustomTransform>,
    pub(super) draft: &'a TypeDraft,
    pub(super) kind: &'a Arc<ResourceType>,
    pub(super) problems: Vec<MappingProblem>,
    /// Rules that are allowed but probably unintended.
    pub(super) warnings: Vec<MappingProblem>,
}

impl<'a> RuleChecker<'a> {
    pub(super) fn new(
        kind: &'a Arc<ResourceType>,
        draft: &'a TypeDraft,
        custom_transforms: &'a BTreeMap<String, CustomTransform>,
    ) -> Self {
        RuleChecker {
            custom_transforms,
            draft,
            kind,
            problems: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Returns the valid rules and records the problems of the others.
    pub(super) fn rules(&mut self) -> Vec<BoundRule> {
        self.check_fields();
        let mut rules: Vec<BoundRule> = Vec::with_capacity(self.draft.rules.len());
        let mut drafts = Vec::with_capacity(self.draft.rules.len());
        for draft in &self.draft.rules {
            let Some(bound) = self.rule(draft) else {
                continue;
            };
            let before = self.problems.len();
            for other in &rules {
                // One conflict is enough: thousands of rules may write the same field.
                if self.problems.len() == before {
                    self.check_conflict(draft, &bound, other);
                }
            }
            rules.push(bound);
            drafts.push(draft);
        }
        for index in template_cycles(&rules) {
            if let (Some(rule), Some(draft)) = (rules.get(index), drafts.get(index)) {
                let detail = "the template uses a field that is made from the same attribute: break the cycle";
                self.problem(draft, &rule.label, "template", 0, detail);
            }
        }
        rules
    }

    /// Returns the declared fields, or those that the rules name.
    pub(super) fn fields(&self, rules: &[BoundRule]) -> Vec<Field> {
        if self.draft.declares {
            let declared = self.draft.fields.iter();
            return declared.map(|declared| declared.field.clone()).collect();
        }
        let mut fields: Vec<Field> = Vec::new();
        for rule in rules {
            if let Some(name) = rule.field()
                && !fields.iter().any(|known| known.name == name)
            {
                let data_type = transform_steps::output(self.kind, rule).unwrap_or(FieldType::Json);
                fields.push(Field::new(name, data_type));
            }
        }
        fields
    }

    fn rule(&mut self, draft: &RuleDraft) -> Option<BoundRule> {
        let label = format!("rule {} of {}", draft.number, self.kind.name());
        let before = self.problems.len();
        let rule = &draft.rule;
        let paths: Vec<_> = rule
            .scim
            .iter()
            .map(|path| BoundPath::bind(self.kind, path))
            .collect();
        let named = match paths.first() {
            Some(Ok(path)) => Some(path.text.as_str()),
            Some(Err(_)) => None,
            None => rule.field.as_deref(),
        };
        let label = match named {
            Some(named) => format!("{label} ({})", excerpt(named)),
            None => label,
        };
        for OptionProblem { option, detail } in option_problems(rule) {
            self.problem(draft, &label, option, 0, detail);
        }
        let mut bound = Vec::with_capacity(paths.len());
        for (index, path) in paths.into_iter().enumerate() {
            match path {
                Ok(path) => bound.push(path),
                Err(detail) => self.problem(draft, &label, "scim", index, detail),
            }
        }
        if self.problems.len() > before {
            return None;
        }
        let form = self.form(draft, &label, &mut bound)?;
        let mut bound = BoundRule {
            folded: false,
            form,
            label,
            rule: rule.clone(),
            paths: bound,
            single: 0,
            steps: Vec::new(),
        };
        self.steps(draft, &mut bound);
        self.check_folded(draft, &mut bound);
        self.single(draft, &mut bound);
        self.check_mutability(draft, &bound);
        self.default(draft, &mut bound);
        self.check_field_names(draft, &bound);
        self.check_matching(draft, &bound);
        self.check_rows(draft, &bound);
        Some(bound)
    }

    fn form(&mut self, draft: &RuleDraft, label: &str, paths: &mut Vec<BoundPath>) -> Option<Form> {
        let rule = &draft.rule;
        if let Some(constant) = &rule.constant {
            return match paths
                .first()
                .map(|path| path.admit(self.kind, constant.clone()))
            {
                None => Some(Form::Constant(constant.clone())),
                Some(Ok(Some(admitted))) => Some(Form::Constant(admitted)),
                Some(Ok(None)) => self.reject(
                    draft,
                    label,
                    "constant",
                    0,
                    "the constant is no value: give text, a number or a boolean",
                ),
                Some(Err(problem)) => self.reject(draft, label, "constant", 0, problem.detail()),
            };
        }
        if let Some(text) = &rule.template {
            let template = match Template::parse(text) {
                Ok(template) => template,
                Err(problem) => return self.reject(draft, label, "template", 0, problem),
            };
            if rule.field.is_none() {
                return Some(Form::PathTemplate(template));
            }
            for slot in &template.slots {
                match BoundPath::bind(self.kind, slot) {
                    Ok(path) if path.data_type(self.kind) == FieldType::Json => {
                        let detail = format!(
                            "`{}` has no single value to write into a text: use a sub-attribute",
                            path.text
                        );
                        return self.reject(draft, label, "template", 0, detail);
                    }
                    Ok(path) => paths.push(path),
                    Err(problem) => return self.reject(draft, label, "template", 0, problem),
                }
            }
            return Some(Form::FieldTemplate(template));
        }
        let Some(separator) = &rule.join else {
            return Some(Form::Plain);
        };
        for (index, path) in paths.iter().enumerate() {
            if path.data_type(self.kind) != FieldType::Text {
                let detail = format!("`{}` is not text: `join` needs text", path.text);
                self.problem(draft, label, "scim", index, detail);
            }
        }
        Some(Form::Joined(separator.clone()))
    }

    /// Binds the transforms and compares their output with the field.
    fn steps(&mut self, draft: &RuleDraft, bound: &mut BoundRule) {
        let bound_steps = transform_steps::bind(self.kind, bound, self.custom_transforms);
        let (steps, output) = match bound_steps {
            Ok(BoundSteps { steps, output }) => (steps, output),
            Err(StepProblem { index, detail }) => {
                self.problem(draft, &bound.label, "transform", index, detail);
                return;
            }
        };
        bound.steps = steps;
        let Some(output) = output else { return };
        let Some(field) = bound.field() else {
            if output != FieldType::Text {
                let detail = format!(
                    "a template needs text, but the transforms return {}: remove them",
                    output.name()
                );
                self.problem(draft, &bound.label, "template", 0, detail);
            }
            return;
        };
        if bound.rule.empty_is_unset && output != FieldType::Text {
            let detail = format!(
                "`empty_is_unset` needs a text field, but this one is {}",
                output.name()
            );
            self.problem(draft, &bound.label, "empty_is_unset", 0, detail);
        }
        if bound.rule.key.is_some() && output != FieldType::Text {
            let detail = format!("`key` needs text, but the field is {}", output.name());
            self.problem(draft, &bound.label, "key", 0, detail);
        }
        if let Some(declared) = self.declared(field)
            && !declared.data_type.holds(output)
        {
            let source = match bound.paths.first() {
                Some(path) => format!("the value of `{}`", path.text),
                None => "the constant".to_owned(),
            };
            let detail = format!(
                "{source} is {}, but `{field}` is declared as {}: add a transform or change the type",
                output.name(),
                declared.data_type.name()
            );
            self.problem(draft, &bound.label, "field", 0, detail);
        }
    }

    /// Finds the joined path that a text without the separator belongs to.
    fn single(&mut self, draft: &RuleDraft, bound: &mut BoundRule) {
        if !matches!(bound.form, Form::Joined(_)) || !bound.writes_attribute() {
            return;
        }
        let Some(path) = &bound.rule.single else {
            let first = bound.paths.first().map_or("", |path| path.text.as_str());
            let detail = format!(
                "a value without the separator, such as a single family name, is read as `{first}`: name its path with `single`"
            );
            self.warning(draft, &bound.label, "join", detail);
            return;
        };
        let wanted = BoundPath::bind(self.kind, path).map(|path| path.text);
        let found = bound
            .paths
            .iter()
            .position(|path| Ok(&path.text) == wanted.as_ref());
        match found {
            Some(index) => bound.single = index,
            None => {
                let paths = bound.paths.iter().map(|path| path.text.as_str());
                let suggestion = did_you_mean(path, paths);
                let detail = format!(
                    "`single` names `{}`, which is not a path of this rule{suggestion}",
                    excerpt(path)
                );
                self.problem(draft, &bound.label, "single", 0, detail);
            }
        }
    }

    fn default(&mut self, draft: &RuleDraft, bound: &mut BoundRule) {
        let (Some(default), Some(path)) = (bound.rule.default.clone(), bound.paths.first()) else {
            return;
        };
        let admitted = path.admit(self.kind, default);
        let label = bound.label.clone();
        match admitted {
            Ok(Some(value)) if self.kind.attr(path.attr).role() != AttributeRole::Membership => {
                bound.rule.default = Some(value);
            }
            Ok(_) => self.problem(
                draft,
                &label,
                "default",
                0,
                "a default needs a value that is not empty, of an attribute that is no membership",
            ),
            Err(problem) => self.problem(draft, &label, "default", 0, problem.detail()),
        }
    }

    pub(super) fn warning(&mut self, draft: &RuleDraft, label: &str, option: &str, detail: String) {
        let warning = MappingProblem::new(draft.option_position(option, 0), detail);
        self.warnings.push(warning.with_rule(label));
    }

    pub(super) fn problem(
        &mut self,
        draft: &RuleDraft,
        label: &str,
        option: &str,
        index: usize,
        detail: impl Into<String>,
    ) {
        let problem = MappingProblem::new(draft.option_position(option, index), detail);
        self.problems.push(problem.with_rule(label));
    }

    /// Records a problem that makes the rule unusable.
    fn reject<T>(
        &mut self,
        draft: &RuleDraft,
        label: &str,
        option: &str,
        index: usize,
        detail: impl Into<String>,
    ) -> Option<T> {
        self.problem(draft, label, option, index, detail);
        None
    }
}
