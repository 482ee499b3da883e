//! Rules from files and from code, collected until they are checked together.

use std::collections::BTreeMap;

use scimkit_core::{did_you_mean, excerpt};
use scimkit_registry::Registry;

use super::{
    CustomTransform, Field, Mapping, MappingError, MappingProblem, MappingRule, MatchingAttributes,
    SourcePosition, Table, TypeMapping, UnmappedPolicy, file_rules,
    file_tree::{Node, SyntaxError},
    json_file,
    mapping_error::Lines,
    rule_checker::RuleChecker,
    table::TableDraft,
    table_conflicts::problems_between,
};

/// The maximal size of a file in bytes: 256 KiB.
const MAX_FILE: usize = 256 << 10;
/// The maximal number of rules of one resource type.
const MAX_RULES: usize = 1000;

/// A builder of a [`Mapping`]; [`build`](Self::build) checks all rules together.
///
/// # Example
/// See [`MappingRule`] and the [crate](crate).
#[derive(Debug, Clone, Default)]
pub struct MappingBuilder {
    custom_transforms: BTreeMap<String, CustomTransform>,
    problems: Vec<MappingProblem>,
    /// The number of texts.
    texts: usize,
    types: Vec<TypeDraft>,
}

/// The rules of one resource type, before they are checked.
#[derive(Debug, Clone, Default)]
pub(super) struct TypeDraft {
    pub(super) declares: bool,
    pub(super) fields: Vec<FieldDraft>,
    pub(super) name: String,
    pub(super) position: Option<SourcePosition>,
    pub(super) rules: Vec<RuleDraft>,
    pub(super) table: Option<TableDraft>,
    pub(super) unmapped: Option<UnmappedPolicy>,
}

/// A declared field and its position.
#[derive(Debug, Clone)]
pub(super) struct FieldDraft {
    pub(super) field: Field,
    pub(super) position: Option<SourcePosition>,
}

/// A rule and the positions of its options.
#[derive(Debug, Clone, Default)]
pub(super) struct RuleDraft {
    /// The number of the rule among the rules of its type, in its file or in code.
    pub(super) number: usize,
    pub(super) position: Option<SourcePosition>,
    pub(super) rule: MappingRule,
    pub(super) options: Vec<OptionPosition>,
}

/// The position of an option, or of one element of its list.
#[derive(Debug, Clone, Copy)]
pub(super) struct OptionPosition {
    pub(super) index: usize,
    pub(super) option: &'static str,
    pub(super) position: SourcePosition,
}

impl RuleDraft {
    /// Returns the position of an option, or of the rule if the option has none.
    pub(super) fn option_position(&self, option: &str, index: usize) -> Option<SourcePosition> {
        let at = |index| {
            let mut options = self.options.iter();
            options.find(|known| known.option == option && known.index == index)
        };
        let found = at(index).or_else(|| at(0)).map(|known| known.position);
        found.or(self.position)
    }
}

impl MappingBuilder {
    /// Adds the rules of a mapping file: JSON if its text begins with `{`, otherwise TOML.
    ///
    /// TOML needs the feature `toml`: without it, [`build`](Self::build) rejects the text.
    ///
    /// # Example
    /// ```
    /// use scimkit_mapping::Mapping;
    /// use scimkit_registry::Registry;
    ///
    /// let text = r#"{"User": {"map": [{"scim": "userName", "field": "email"}]}}"#;
    /// assert!(Mapping::builder().text(text).build(&Registry::standard()).is_ok());
    /// let error = Mapping::builder().text("{\n  \"User\": 5}").build(&Registry::standard());
    /// assert_eq!(error.unwrap_err().to_string(), "2:11: expected a table for `User`, but found a number");
    /// ```
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        let lines = Lines::new(text, self.texts);
        self.texts += 1;
        if text.len() > MAX_FILE {
            let detail =
                format!("the mapping has more than {MAX_FILE} bytes: split it or shorten it");
            let start = Some(lines.position(0));
            self.problems.push(MappingProblem::new(start, detail));
            return self;
        }
        let tree = if text.trim_ascii_start().starts_with('{') {
            json_file::read(text)
        } else {
            toml(text)
        };
        match tree {
            Ok(root) => {
                let drafts = file_rules::types(&root, &lines, &mut self.problems);
                drafts.into_iter().for_each(|draft| self.add(draft));
            }
            Err(errors) => {
                let errors = errors.into_iter().take(MappingError::MOST);
                let problem =
                    |e: SyntaxError| MappingProblem::new(Some(lines.position(e.at)), e.detail);
                self.problems.extend(errors.map(problem));
            }
        }
        self
    }

    fn add(&mut self, draft: TypeDraft) {
        let known = self.draft(&draft.name);
        known.declares |= draft.declares;
        known.fields.extend(draft.fields);
        known.position = known.position.or(draft.position);
        known.rules.extend(draft.rules);
        known.unmapped = draft.unmapped.or(known.unmapped);
        match (&known.table, draft.table) {
            (Some(_), Some(second)) => {
                let detail = "another text names the table, too: remove one of them";
                self.problems.push(second.problem(&draft.name, detail));
            }
            (None, table @ Some(_)) => known.table = table,
            (_, None) => {}
        }
    }

    fn draft(&mut self, name: &str) -> &mut TypeDraft {
        let index = self
            .types
            .iter()
            .position(|t| t.name.eq_ignore_ascii_case(name));
        let index = index.unwrap_or_else(|| {
            let name = name.to_owned();
            self.types.push(TypeDraft {
                name,
                ..TypeDraft::default()
            });
            self.types.len() - 1
        });
        #[expect(
            clippy::indexing_slicing,
            reason = "it was found or pushed right above"
        )]
        &mut self.types[index]
    }

    /// Adds a rule to a resource type.
    #[must_use]
    pub fn rule(mut self, resource_type: &str, rule: MappingRule) -> Self {
        let rules = &mut self.draft(resource_type).rules;
        rules.push(RuleDraft {
            number: rules.len() + 1,
            rule,
            ..RuleDraft::default()
        });
        self
    }

    /// Declares a field of the application. If one field is declared, every field that a rule names
    /// must be.
    #[must_use]
    pub fn field(mut self, resource_type: &str, field: Field) -> Self {
        let draft = self.draft(resource_type);
        draft.declares = true;
        draft.fields.push(FieldDraft {
            field,
            position: None,
        });
        self
    }

    /// Sets the application's table with the resources of a type.
    #[must_use]
    pub fn table(mut self, resource_type: &str, table: Table) -> Self {
        self.draft(resource_type).table = Some(TableDraft {
            position: None,
            table,
        });
        self
    }

    /// Sets the policy for attributes that no rule maps.
    #[must_use]
    pub fn unmapped(mut self, resource_type: &str, unmapped: UnmappedPolicy) -> Self {
        self.draft(resource_type).unmapped = Some(unmapped);
        self
    }

    /// Adds a transform of the application under the name that rules use. A later transform with the
    /// same name replaces it.
    #[must_use]
    pub fn custom_transform(mut self, name: impl Into<String>, transform: CustomTransform) -> Self {
        self.custom_transforms.insert(name.into(), transform);
        self
    }

    /// Checks the rules against the schemas, the declared fields and each other.
    ///
    /// # Errors
    /// All problems of the rules, each with its position.
    pub fn build(self, registry: &Registry) -> Result<Mapping, MappingError> {
        let mut problems = self.problems;
        let mut types: Vec<TypeMapping> = Vec::with_capacity(self.types.len());
        let mut tables = Vec::new();
        let mut warnings = Vec::new();
        for draft in &self.types {
            let Some(kind) = registry.resource_type(&draft.name) else {
                let types = registry.resource_types().iter().map(|kind| kind.name());
                let detail = format!(
                    "unknown resource type `{}`{}",
                    excerpt(&draft.name),
                    did_you_mean(&draft.name, types)
                );
                problems.push(MappingProblem::new(draft.position, detail));
                continue;
            };
            if draft.rules.len() > MAX_RULES {
                let detail = format!(
                    "too many rules for {}: at most {MAX_RULES} are allowed",
                    kind.name()
                );
                problems.push(MappingProblem::new(draft.position, detail));
                continue;
            }
            let mut checker = RuleChecker::new(kind, draft, &self.custom_transforms);
            let rules = checker.rules();
            let paths = rules
                .iter()
                .filter(|rule| rule.rule.matching)
                .flat_map(|rule| &rule.paths);
            let paths: Vec<_> = paths.map(|path| path.text.as_str()).collect();
            let matching = match paths.as_slice() {
                [] => Ok(MatchingAttributes::default_for(kind)),
                paths => MatchingAttributes::new(kind, paths),
            };
            let fields = checker.fields(&rules);
            let table = checker.table(&rules).map(Box::new);
            tables.extend(draft.table.as_ref().map(|table| (kind.name(), table)));
            problems.append(&mut checker.problems);
            warnings.append(&mut checker.warnings);
            if let Ok(matching) = matching {
                types.push(TypeMapping {
                    fields,
                    kind: std::sync::Arc::clone(kind),
                    matching,
                    rules,
                    table,
                    unmapped: draft.unmapped.unwrap_or_default(),
                });
            }
        }
        problems.extend(problems_between(&tables));
        if problems.is_empty() {
            Ok(Mapping { types, warnings })
        } else {
            Err(MappingError::new(problems))
        }
    }
}

#[cfg(feature = "toml")]
fn toml(text: &str) -> Result<Node, Vec<SyntaxError>> {
    crate::toml_file::read(text)
}

#[cfg(not(feature = "toml"))]
fn toml(_: &str) -> Result<Node, Vec<SyntaxError>> {
    let detail = "reading TOML needs the feature `toml`: enable it, or write the mapping in JSON";
    Err(vec![SyntaxError::new(0, detail)])
}
