//! Rules from files and from code, gathered until they are checked together.

use std::collections::BTreeMap;

use super::{
    Closures, Field, Mapping, MappingError, Matching, Position, Problem, Rule, TypeMapping,
    Unmapped,
    check::Checker,
    from_json,
    node::{Fault, Node},
    problem::Lines,
    read,
};
use scimkit_registry::Registry;

/// How many bytes a file may have: 256 KiB.
const MAX_FILE: usize = 256 << 10;
/// How many rules a resource type may have.
const MAX_RULES: usize = 1000;

/// Collects what a [`Mapping`] is made of; nothing is checked before [`build`](Self::build).
///
/// # Example
/// See [`Rule`] and the [module](crate).
#[derive(Debug, Clone, Default)]
pub struct MappingBuilder {
    closures: BTreeMap<String, Closures>,
    problems: Vec<Problem>,
    types: Vec<TypeDraft>,
}

/// What is said of one resource type.
#[derive(Debug, Clone, Default)]
pub(super) struct TypeDraft {
    pub(super) declares: bool,
    pub(super) fields: Vec<(String, Field, Option<Position>)>,
    pub(super) name: String,
    pub(super) place: Option<Position>,
    pub(super) rules: Vec<RuleDraft>,
    pub(super) unmapped: Option<Unmapped>,
}

/// A rule, and where its options stand.
#[derive(Debug, Clone, Default)]
pub(super) struct RuleDraft {
    /// Which one of its file, or of those given in code.
    pub(super) number: usize,
    pub(super) place: Option<Position>,
    pub(super) rule: Rule,
    /// By option and index in a list.
    pub(super) spots: Vec<(&'static str, usize, Position)>,
}

impl RuleDraft {
    /// Where an option stands; the rule's own place for one that does not.
    pub(super) fn spot(&self, option: &str, index: usize) -> Option<Position> {
        let at = |wanted| {
            self.spots
                .iter()
                .find(|(name, i, _)| *name == option && *i == wanted)
        };
        let found = at(index).or_else(|| at(0)).map(|(.., place)| *place);
        found.or(self.place)
    }
}

impl MappingBuilder {
    /// Adds the rules of a mapping file: JSON if its text begins with `{`, otherwise TOML.
    ///
    /// TOML needs the feature `toml`: without it, [`build`](Self::build) rejects the file.
    ///
    /// # Example
    /// ```
    /// use scimkit_mapping::Mapping;
    /// use scimkit_registry::Registry;
    ///
    /// let text = r#"{"User": {"map": [{"scim": "userName", "host": "email"}]}}"#;
    /// assert!(Mapping::builder().with_file(text).build(&Registry::standard()).is_ok());
    /// let error = Mapping::builder().with_file("{\n  \"User\": 5}").build(&Registry::standard());
    /// assert_eq!(error.unwrap_err().to_string(), "2:11: `User` must be a table but is a number");
    /// ```
    #[must_use]
    pub fn with_file(mut self, text: &str) -> Self {
        if text.len() > MAX_FILE {
            let detail = format!("the file is longer than {MAX_FILE} bytes");
            self.problems
                .push(Problem::new(Some(Position { line: 1, column: 1 }), detail));
            return self;
        }
        let lines = Lines::of(text);
        let tree = match text.trim_ascii_start().starts_with('{') {
            true => from_json::read(text),
            false => toml(text),
        };
        match tree {
            Ok(root) => {
                let drafts = read::types(&root, &lines, &mut self.problems);
                drafts.into_iter().for_each(|draft| self.add(draft));
            }
            Err(faults) => {
                let faults = faults.into_iter().take(MappingError::MOST);
                let problem = |(at, detail)| Problem::new(Some(lines.position(at)), detail);
                self.problems.extend(faults.map(problem));
            }
        }
        self
    }

    fn add(&mut self, draft: TypeDraft) {
        let known = self.draft(&draft.name);
        known.declares |= draft.declares;
        known.fields.extend(draft.fields);
        known.place = known.place.or(draft.place);
        known.rules.extend(draft.rules);
        known.unmapped = draft.unmapped.or(known.unmapped);
    }

    fn draft(&mut self, name: &str) -> &mut TypeDraft {
        let place = self
            .types
            .iter()
            .position(|t| t.name.eq_ignore_ascii_case(name));
        let place = place.unwrap_or_else(|| {
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
        &mut self.types[place]
    }

    /// Adds a rule to a resource type.
    #[must_use]
    pub fn rule(mut self, resource_type: &str, rule: Rule) -> Self {
        let rules = &mut self.draft(resource_type).rules;
        rules.push(RuleDraft {
            number: rules.len() + 1,
            rule,
            ..RuleDraft::default()
        });
        self
    }

    /// Declares a field of the host's; when one is declared, every name of the host's must be.
    #[must_use]
    pub fn field(mut self, resource_type: &str, name: impl Into<String>, field: Field) -> Self {
        let draft = self.draft(resource_type);
        draft.declares = true;
        draft.fields.push((name.into(), field, None));
        self
    }

    /// Says what becomes of what no rule reaches.
    #[must_use]
    pub fn unmapped(mut self, resource_type: &str, unmapped: Unmapped) -> Self {
        self.draft(resource_type).unmapped = Some(unmapped);
        self
    }

    /// Gives a transform of the host's own its name; one of the same name takes its place.
    #[must_use]
    pub fn closures(mut self, name: impl Into<String>, closures: Closures) -> Self {
        self.closures.insert(name.into(), closures);
        self
    }

    /// Checks the rules: against the schemas, the declared fields and each other.
    ///
    /// # Errors
    /// Everything that is wrong with them, with its place.
    pub fn build(self, registry: &Registry) -> Result<Mapping, MappingError> {
        let mut problems = self.problems;
        let mut types: Vec<TypeMapping> = Vec::with_capacity(self.types.len());
        let mut warnings = Vec::new();
        for draft in self.types {
            let Some(kind) = registry.by_name(&draft.name) else {
                let detail = format!(
                    "there is no resource type `{}`",
                    scimkit_core::excerpt(&draft.name)
                );
                problems.push(Problem::new(draft.place, detail));
                continue;
            };
            if draft.rules.len() > MAX_RULES {
                let detail = format!("{} has more than {MAX_RULES} rules", kind.name());
                problems.push(Problem::new(draft.place, detail));
                continue;
            }
            let mut checker = Checker::new(kind, &draft, &self.closures);
            let rules = checker.rules();
            let paths = rules
                .iter()
                .filter(|rule| rule.rule.matching)
                .flat_map(|r| &r.sides);
            let paths: Vec<_> = paths.map(|side| side.path.as_str()).collect();
            let matching = match paths.as_slice() {
                [] => Ok(Matching::usual(kind)),
                paths => Matching::of(kind, paths),
            };
            let fields = checker.fields(&rules);
            problems.append(&mut checker.problems);
            warnings.append(&mut checker.warnings);
            if let Ok(matching) = matching {
                types.push(TypeMapping {
                    fields,
                    kind: std::sync::Arc::clone(kind),
                    matching,
                    rules,
                    unmapped: draft.unmapped.unwrap_or_default(),
                });
            }
        }
        match problems.is_empty() {
            true => Ok(Mapping { types, warnings }),
            false => Err(MappingError::of(problems)),
        }
    }
}

#[cfg(feature = "toml")]
fn toml(text: &str) -> Result<Node, Vec<Fault>> {
    crate::from_toml::read(text)
}

#[cfg(not(feature = "toml"))]
fn toml(_: &str) -> Result<Node, Vec<Fault>> {
    let detail =
        "a mapping in TOML needs the feature `toml`: enable it, or write the mapping in JSON";
    Err(vec![(0, detail.to_owned())])
}
