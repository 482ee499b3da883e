//! Rules against the schemas, the declared fields, and each other.

use std::{collections::BTreeMap, sync::Arc};

use scimkit_core::{Mutability, Uniqueness, excerpt};

use super::{
    Closures, Field, FieldType, Matching, Problem,
    bound::{Bound, Form},
    builder::{RuleDraft, TypeDraft},
    circles::circles,
    exclusive::overlap,
    options::{contradictions, name_problem},
    side::Side,
    steps,
    template::Template,
    transform::Step,
};
use scimkit_registry::ResourceType;

/// Checks the rules of one resource type.
pub(super) struct Checker<'a> {
    closures: &'a BTreeMap<String, Closures>,
    draft: &'a TypeDraft,
    kind: &'a Arc<ResourceType>,
    pub(super) problems: Vec<Problem>,
    /// What is allowed but rarely meant.
    pub(super) warnings: Vec<Problem>,
}

impl<'a> Checker<'a> {
    pub(super) fn new(
        kind: &'a Arc<ResourceType>,
        draft: &'a TypeDraft,
        closures: &'a BTreeMap<String, Closures>,
    ) -> Self {
        Checker {
            closures,
            draft,
            kind,
            problems: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The rules that can be understood; what is wrong with any is among the problems.
    pub(super) fn rules(&mut self) -> Vec<Bound> {
        self.declared_fields();
        let mut rules: Vec<Bound> = Vec::with_capacity(self.draft.rules.len());
        let mut drafts = Vec::with_capacity(self.draft.rules.len());
        for draft in &self.draft.rules {
            let Some(bound) = self.rule(draft) else {
                continue;
            };
            let before = self.problems.len();
            for other in &rules {
                // The first is enough: thousands may write the same.
                if self.problems.len() == before {
                    self.two_writers(draft, &bound, other);
                }
            }
            rules.push(bound);
            drafts.push(draft);
        }
        for index in circles(&rules) {
            if let (Some(rule), Some(draft)) = (rules.get(index), drafts.get(index)) {
                let detail = "the template is made of fields that are made of the attribute itself";
                self.note(draft, &rule.label, "template", 0, detail);
            }
        }
        rules
    }

    /// The fields as declared, or as the rules name them.
    pub(super) fn fields(&self, rules: &[Bound]) -> Vec<(String, Field)> {
        if self.draft.declares {
            let declared = self.draft.fields.iter();
            return declared
                .map(|(name, field, _)| (name.clone(), *field))
                .collect();
        }
        let mut fields: Vec<(String, Field)> = Vec::new();
        for rule in rules {
            if let Some(host) = rule.host()
                && !fields.iter().any(|(known, _)| known == host)
            {
                let data_type = steps::given(self.kind, rule).unwrap_or(FieldType::Json);
                fields.push((host.to_owned(), Field::new(data_type)));
            }
        }
        fields
    }

    fn declared_fields(&mut self) {
        for (index, (name, _, place)) in self.draft.fields.iter().enumerate() {
            if let Some(problem) = name_problem(name) {
                self.problems.push(Problem::new(*place, problem));
            }
            if self
                .draft
                .fields
                .iter()
                .take(index)
                .any(|(known, ..)| known == name)
            {
                let detail = format!("field `{}` is declared twice", excerpt(name));
                self.problems.push(Problem::new(*place, detail));
            }
        }
    }

    fn rule(&mut self, draft: &RuleDraft) -> Option<Bound> {
        let label = format!("rule {} of {}", draft.number, self.kind.name());
        let before = self.problems.len();
        let rule = &draft.rule;
        let sides: Vec<_> = rule
            .scim
            .iter()
            .map(|path| Side::bind(self.kind, path))
            .collect();
        let named = match sides.first() {
            Some(Ok(side)) => Some(side.path.as_str()),
            Some(Err(_)) => None,
            None => rule.host.as_deref(),
        };
        let label = match named {
            Some(named) => format!("{label} ({})", excerpt(named)),
            None => label,
        };
        for (option, detail) in contradictions(rule) {
            self.note(draft, &label, option, 0, detail);
        }
        let mut bound = Vec::with_capacity(sides.len());
        for (index, side) in sides.into_iter().enumerate() {
            match side {
                Ok(side) => bound.push(side),
                Err(detail) => self.note(draft, &label, "scim", index, detail),
            }
        }
        if self.problems.len() > before {
            return None;
        }
        let form = self.form(draft, &label, &mut bound)?;
        let mut bound = Bound {
            folded: false,
            form,
            label,
            rule: rule.clone(),
            sides: bound,
            single: 0,
            steps: Vec::new(),
        };
        self.steps(draft, &mut bound);
        self.folded(draft, &mut bound);
        self.single(draft, &mut bound);
        self.mutability(draft, &bound);
        self.default(draft, &mut bound);
        self.host_names(draft, &bound);
        self.matching(draft, &bound);
        Some(bound)
    }

    fn form(&mut self, draft: &RuleDraft, label: &str, sides: &mut Vec<Side>) -> Option<Form> {
        let rule = &draft.rule;
        if let Some(constant) = &rule.constant {
            return match sides
                .first()
                .map(|side| side.admit(self.kind, constant.clone()))
            {
                None => Some(Form::Constant(constant.clone())),
                Some(Ok(Some(admitted))) => Some(Form::Constant(admitted)),
                Some(Ok(None)) => {
                    self.refuse(draft, label, "constant", 0, "it stands for no value")
                }
                Some(Err(problem)) => self.refuse(draft, label, "constant", 0, problem.detail()),
            };
        }
        if let Some(text) = &rule.template {
            let template = match Template::parse(text) {
                Ok(template) => template,
                Err(problem) => return self.refuse(draft, label, "template", 0, problem),
            };
            if rule.host.is_none() {
                return Some(Form::ToScim(template));
            }
            for slot in &template.slots {
                match Side::bind(self.kind, slot) {
                    Ok(side) if side.data_type(self.kind) == FieldType::Json => {
                        let detail =
                            format!("`{}` is no single value to write into text", side.path);
                        return self.refuse(draft, label, "template", 0, detail);
                    }
                    Ok(side) => sides.push(side),
                    Err(problem) => return self.refuse(draft, label, "template", 0, problem),
                }
            }
            return Some(Form::ToHost(template));
        }
        let Some(separator) = &rule.join else {
            return Some(Form::Plain);
        };
        for (index, side) in sides.iter().enumerate() {
            if side.data_type(self.kind) != FieldType::Text {
                let detail = format!("`{}` is not text, so that it can't be joined", side.path);
                self.note(draft, label, "scim", index, detail);
            }
        }
        Some(Form::Joined(separator.clone()))
    }

    /// Binds the transforms, and compares what they give with the field.
    fn steps(&mut self, draft: &RuleDraft, bound: &mut Bound) {
        let (steps, given, faults) = steps::bind(self.kind, bound, self.closures);
        for (index, detail) in faults {
            self.note(draft, &bound.label, "transform", index, detail);
        }
        bound.steps = steps;
        let Some(given) = given else { return };
        let Some(host) = bound.host() else {
            if given != FieldType::Text {
                let detail = format!(
                    "a template gives text, but the transforms make {} of the attribute",
                    given.name()
                );
                self.note(draft, &bound.label, "template", 0, detail);
            }
            return;
        };
        if bound.rule.empty_is_unset && given != FieldType::Text {
            let detail = format!("`empty_is_unset` is for text, not for {}", given.name());
            self.note(draft, &bound.label, "empty_is_unset", 0, detail);
        }
        if bound.rule.key.is_some() && given != FieldType::Text {
            let detail = format!("a `key` is for text, not for {}", given.name());
            self.note(draft, &bound.label, "key", 0, detail);
        }
        if let Some(field) = self.declared(host)
            && !field.data_type.holds(given)
        {
            let from = match bound.sides.first() {
                Some(side) => format!("what is made of `{}`", side.path),
                None => "the constant".to_owned(),
            };
            let detail = format!(
                "`{host}` is of type {}, but {from} is {}",
                field.data_type.name(),
                given.name()
            );
            self.note(draft, &bound.label, "host", 0, detail);
        }
    }

    /// Whether SQL may take the field for folded text: that it is written so says nothing of the rows
    /// that were there before.
    fn folded(&mut self, draft: &RuleDraft, bound: &mut Bound) {
        let Some(host) = bound.host().map(str::to_owned) else {
            return;
        };
        let folds = bound.steps.last().is_some_and(Step::folds);
        let declared = self.declared(&host).is_some_and(|field| field.folded);
        if declared && !folds && bound.writes_host() {
            let detail = format!(
                "`{host}` is declared `folded`, but this rule writes it as it is: end `transform` with \"fold\""
            );
            self.note(draft, &bound.label, "transform", 0, detail);
        }
        bound.folded = declared;
        let exact = bound
            .sides
            .first()
            .is_some_and(|side| self.kind.attr(side.attr).definition().is_case_exact());
        if folds && !declared && !exact && bound.rule.key.is_none() {
            let detail = format!(
                "filters compare every row of `{host}`, since rows from before may not be folded: declare the field `folded = true` once all of them are, or name a `key` column"
            );
            self.warn(draft, &bound.label, "transform", detail);
        }
    }

    /// Which of the joined paths a text without the separator belongs to.
    fn single(&mut self, draft: &RuleDraft, bound: &mut Bound) {
        if !matches!(bound.form, Form::Joined(_)) || !bound.writes_scim() {
            return;
        }
        let Some(path) = &bound.rule.single else {
            let first = bound.sides.first().map_or("", |side| side.path.as_str());
            let detail = format!(
                "a value without the separator, such as a lone family name, is read as `{first}`: name the path that it belongs to with `single`"
            );
            self.warn(draft, &bound.label, "join", detail);
            return;
        };
        let wanted = Side::bind(self.kind, path).map(|side| side.path);
        let found = bound
            .sides
            .iter()
            .position(|side| Ok(&side.path) == wanted.as_ref());
        match found {
            Some(index) => bound.single = index,
            None => {
                let detail = format!("`{}` is not a path of this rule", excerpt(path));
                self.note(draft, &bound.label, "single", 0, detail);
            }
        }
    }

    /// Who may write what, by the schema and by the rule.
    fn mutability(&mut self, draft: &RuleDraft, bound: &Bound) {
        for (index, side) in bound.sides.iter().enumerate() {
            let attr = side.valued(self.kind);
            let path = &side.path;
            if attr.definition().mutability == Mutability::ReadOnly && bound.is_writable() {
                let detail = format!("`{path}` is read-only in its schema: say `read_only = true`");
                self.note(draft, &bound.label, "scim", index, detail);
            }
            if attr.is_never_returned() && bound.writes_scim() {
                let detail = format!("`{path}` is never returned: say `write_only = true`");
                self.note(draft, &bound.label, "scim", index, detail);
            }
        }
    }

    fn default(&mut self, draft: &RuleDraft, bound: &mut Bound) {
        let (Some(default), Some(side)) = (bound.rule.default.clone(), bound.sides.first()) else {
            return;
        };
        let admitted = side.admit(self.kind, default);
        let label = bound.label.clone();
        match admitted {
            Ok(Some(value))
                if self.kind.attr(side.attr).role() != scimkit_registry::Role::Membership =>
            {
                bound.rule.default = Some(value);
            }
            Ok(_) => self.note(draft, &label, "default", 0, "it can't be a default here"),
            Err(problem) => self.note(draft, &label, "default", 0, problem.detail()),
        }
    }

    /// Where fields are declared, every name of the host's must be.
    fn host_names(&mut self, draft: &RuleDraft, bound: &Bound) {
        if !self.draft.declares {
            return;
        }
        let named = [
            ("host", bound.rule.host.clone()),
            ("key", bound.rule.key.clone()),
        ];
        let mut named: Vec<_> = named
            .into_iter()
            .filter_map(|(option, name)| Some((option, name?)))
            .collect();
        if let Form::ToScim(template) = &bound.form {
            named.extend(template.slots.iter().map(|slot| ("template", slot.clone())));
        }
        for (option, name) in named {
            if self.declared(&name).is_none() {
                let detail = format!("the host has no field `{}`", excerpt(&name));
                self.note(draft, &bound.label, option, 0, detail);
            }
        }
    }

    fn matching(&mut self, draft: &RuleDraft, bound: &Bound) {
        let Some(side) = bound.sides.first().filter(|_| bound.rule.matching) else {
            return;
        };
        let path = &side.path;
        if let Err(problem) = Matching::of(self.kind, &[path]) {
            self.note(draft, &bound.label, "matching", 0, problem.detail());
            return;
        }
        let attr = side.valued(self.kind);
        let field = bound.host().and_then(|host| self.declared(host));
        let filterable = field.map_or(attr.is_indexed(), |field| field.filterable);
        let unique = attr.definition().uniqueness != Uniqueness::None
            || field.is_some_and(|field| field.unique);
        if !filterable {
            let detail = match field {
                Some(_) => {
                    format!("`{path}` can't be matched by: its field is not declared `filterable`")
                }
                None => format!(
                    "`{path}` can't be matched by: the store has no index of it, and its field is not declared `{{ type = \"text\", unique = true, filterable = true }}`"
                ),
            };
            self.note(draft, &bound.label, "matching", 0, detail);
        }
        if !unique {
            let detail = format!(
                "`{path}` can't be matched by: it is unique neither in its schema nor by its field, so that it may mean several; declare the field `unique = true`"
            );
            self.note(draft, &bound.label, "matching", 0, detail);
        }
    }

    fn two_writers(&mut self, draft: &RuleDraft, bound: &Bound, other: &Bound) {
        let columns = |bound: &Bound| {
            let host = bound.rule.host.clone().filter(|_| bound.writes_host());
            [("host", host), ("key", bound.rule.key.clone())]
        };
        for (option, column) in columns(bound) {
            let taken =
                |(_, theirs): &(&str, Option<String>)| column.is_some() && *theirs == column;
            if columns(other).iter().any(taken) {
                let column = column.unwrap_or_default();
                let detail = format!("`{column}` is written by {} already", other.label);
                self.note(draft, &bound.label, option, 0, detail);
            }
        }
        if !bound.writes_scim() || !other.writes_scim() {
            return;
        }
        for (index, side) in bound.sides.iter().enumerate() {
            if other
                .sides
                .iter()
                .any(|theirs| overlap(self.kind, side, theirs))
            {
                let detail = format!(
                    "`{}` gets its value by {} already, or can be the same value: make one of them `write_only`",
                    side.path, other.label
                );
                self.note(draft, &bound.label, "scim", index, detail);
            }
        }
    }

    fn declared(&self, name: &str) -> Option<Field> {
        let mut declared = self.draft.fields.iter().filter(|_| self.draft.declares);
        declared
            .find(|(known, ..)| known == name)
            .map(|(_, field, _)| *field)
    }

    fn warn(&mut self, draft: &RuleDraft, label: &str, option: &str, detail: String) {
        let warning = Problem::new(draft.spot(option, 0), detail);
        self.warnings.push(warning.of_rule(label));
    }

    fn note(
        &mut self,
        draft: &RuleDraft,
        label: &str,
        option: &str,
        index: usize,
        detail: impl Into<String>,
    ) {
        let problem = Problem::new(draft.spot(option, index), detail);
        self.problems.push(problem.of_rule(label));
    }

    /// Notes a problem after which there is no rule.
    fn refuse<T>(
        &mut self,
        draft: &RuleDraft,
        label: &str,
        option: &str,
        index: usize,
        detail: impl Into<String>,
    ) -> Option<T> {
        self.note(draft, label, option, index, detail);
        None
    }
}
