//! The check of a rule's options, without schemas.

use super::{MappingRule, template::Template};

const MAX_NAME: usize = 128;
const MAX_PATHS: usize = 8;
const MAX_SEPARATOR: usize = 16;
const MAX_STEPS: usize = 16;
const MAX_PATH: usize = 512;

/// A problem of one option.
pub(super) struct OptionProblem {
    pub(super) detail: String,
    pub(super) option: &'static str,
}

impl OptionProblem {
    fn new(option: &'static str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        OptionProblem { detail, option }
    }
}

/// Returns the problems of a rule's options: invalid values and contradictions.
pub(super) fn option_problems(rule: &MappingRule) -> Vec<OptionProblem> {
    let mut found = limits(rule);
    if let Some(detail) = missing_side(rule) {
        found.push(OptionProblem::new("", detail));
    }
    match (&rule.constant, &rule.template) {
        (Some(_), _) => found.extend(excluded_by(rule, "constant")),
        (None, Some(_)) => found.extend(excluded_by(rule, "template")),
        (None, None) => {
            found.extend(join(rule));
            found.extend(single(rule));
            found.extend(read_only(rule));
            found.extend(several_paths(rule));
        }
    }
    if rule.key.is_some() && (rule.field.is_none() || rule.scim.is_empty()) {
        let detail = "`key` needs a rule with `scim` and `field`";
        found.push(OptionProblem::new("key", detail));
    }
    found
}

/// Returns the options that have no effect next to a constant or template.
fn excluded_by(rule: &MappingRule, option: &'static str) -> Vec<OptionProblem> {
    let writes_attribute = rule.field.is_none();
    let is_constant = option == "constant";
    let given = [
        ("default", rule.default.is_some()),
        ("empty_is_unset", rule.empty_is_unset),
        ("join", rule.join.is_some()),
        ("single", rule.single.is_some()),
        ("matching", rule.matching),
        (
            "required",
            rule.required && (writes_attribute || is_constant),
        ),
        ("transform", !rule.transforms.is_empty() && is_constant),
        ("read_only", rule.read_only && !writes_attribute),
        ("write_only", rule.write_only && writes_attribute),
    ];
    let given = given.into_iter().filter(|(_, given)| *given);
    let problem = |(excluded, _)| {
        let detail = format!("`{excluded}` contradicts `{option}`: remove one of them");
        OptionProblem::new(excluded, detail)
    };
    let mut found: Vec<_> = given.map(problem).collect();
    if rule.scim.len() > 1 {
        let detail = format!("`{option}` needs a single path");
        found.push(OptionProblem::new("scim", detail));
    }
    found
}

/// Returns the options that contradict `read_only`.
fn read_only(rule: &MappingRule) -> Vec<OptionProblem> {
    let given = [
        ("default", rule.default.is_some()),
        ("matching", rule.matching),
        ("required", rule.required),
        ("write_only", rule.write_only),
    ];
    let given = given
        .into_iter()
        .filter(|(_, given)| rule.read_only && *given);
    let problem = |(option, _)| {
        let detail = format!(
            "`{option}` contradicts `read_only`, which ignores what identity providers write: remove one of them"
        );
        OptionProblem::new(option, detail)
    };
    given.map(problem).collect()
}

/// Returns the options that need a single path.
fn several_paths(rule: &MappingRule) -> Vec<OptionProblem> {
    let given = [
        ("default", rule.default.is_some()),
        ("matching", rule.matching),
        ("key", rule.key.is_some()),
    ];
    let several = rule.scim.len() > 1;
    let given = given.into_iter().filter(|(_, given)| several && *given);
    given
        .map(|(option, _)| OptionProblem::new(option, format!("`{option}` needs a single path")))
        .collect()
}

fn missing_side(rule: &MappingRule) -> Option<&'static str> {
    if rule.constant.is_some() && rule.template.is_some() {
        return Some("`constant` contradicts `template`: remove one of them");
    }
    let has_value = rule.constant.is_some() || rule.template.is_some();
    match (rule.scim.is_empty(), rule.field.is_none(), has_value) {
        (true, true, _) => Some("the rule has no path and no field: add `scim`, `field` or both"),
        (true, false, false) => Some("the rule has no path: add `scim`, `constant` or `template`"),
        (false, true, false) => {
            Some("the rule has no field: add `field`, `constant` or `template`")
        }
        (false, false, true) => {
            Some("`constant` and `template` set a path or a field: remove `scim` or `field`")
        }
        _ => None,
    }
}

fn join(rule: &MappingRule) -> Option<OptionProblem> {
    let detail = match &rule.join {
        None if rule.scim.len() > 1 => {
            return Some(OptionProblem::new("scim", "several paths need `join`"));
        }
        None => return None,
        Some(_) if rule.scim.len() < 2 => "`join` needs several paths",
        Some(separator) if separator.is_empty() && !rule.write_only => {
            "an empty separator can't be split again: set one, or add `write_only`"
        }
        Some(_) => return None,
    };
    Some(OptionProblem::new("join", detail))
}

fn single(rule: &MappingRule) -> Option<OptionProblem> {
    rule.single.as_ref()?;
    let detail = match (rule.scim.len() > 1, rule.write_only) {
        (false, _) => "`single` needs several paths",
        (true, true) => "`single` contradicts `write_only`: the field is never read",
        (true, false) => return None,
    };
    Some(OptionProblem::new("single", detail))
}

fn limits(rule: &MappingRule) -> Vec<OptionProblem> {
    let mut found = Vec::new();
    for (option, name) in [("field", &rule.field), ("key", &rule.key)] {
        let problem = name.as_deref().and_then(name_problem);
        found.extend(problem.map(|detail| OptionProblem::new(option, detail)));
    }
    if rule.scim.len() > MAX_PATHS {
        let detail = format!("too many paths: a rule has at most {MAX_PATHS}");
        found.push(OptionProblem::new("scim", detail));
    }
    if rule.scim.iter().any(|path| path.len() > MAX_PATH) {
        let detail = format!("the path is too long: use at most {MAX_PATH} bytes");
        found.push(OptionProblem::new("scim", detail));
    }
    let separator = rule.join.as_deref().unwrap_or_default();
    if separator.len() > MAX_SEPARATOR {
        let detail = format!("the separator is too long: use at most {MAX_SEPARATOR} bytes");
        found.push(OptionProblem::new("join", detail));
    }
    if rule.transforms.len() > MAX_STEPS {
        let detail = format!("too many transforms: a rule has at most {MAX_STEPS}");
        found.push(OptionProblem::new("transform", detail));
    }
    if let Some(Err(detail)) = rule.template.as_deref().map(Template::parse) {
        found.push(OptionProblem::new("template", detail));
    }
    found
}

/// Returns the problem of a field's name.
pub(super) fn name_problem(name: &str) -> Option<String> {
    if name.is_empty() || name.len() > MAX_NAME {
        return Some(format!("invalid field name: use 1 to {MAX_NAME} bytes"));
    }
    let is_invalid = |c: char| c.is_control() || matches!(c, '{' | '}');
    let detail = "invalid field name: remove braces and control characters";
    name.contains(is_invalid).then(|| detail.to_owned())
}
