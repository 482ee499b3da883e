//! Options of a rule that contradict each other, whatever the schemas say.

use super::{Rule, template::Template};

const MAX_NAME: usize = 128;
const MAX_PATHS: usize = 8;
const MAX_SEPARATOR: usize = 16;
const MAX_STEPS: usize = 16;
const MAX_PATH: usize = 512;

/// Every contradiction, with the option that it is told of.
pub(super) fn contradictions(rule: &Rule) -> Vec<(&'static str, String)> {
    let mut found = limits(rule);
    if let Some(problem) = sides(rule) {
        found.push(("", problem.to_owned()));
    }
    match (&rule.constant, &rule.template) {
        (Some(_), _) => found.extend(beside(rule, "constant")),
        (None, Some(_)) => found.extend(beside(rule, "template")),
        (None, None) => {
            found.extend(joins(rule));
            found.extend(single(rule));
            found.extend(read_only(rule));
            found.extend(several(rule));
        }
    }
    if rule.key.is_some() && (rule.host.is_none() || rule.scim.is_empty()) {
        found.push((
            "key",
            "a `key` is for a rule with a path and a `host`".to_owned(),
        ));
    }
    found
}

/// What says nothing beside a constant or a template.
fn beside(rule: &Rule, option: &'static str) -> Vec<(&'static str, String)> {
    let (to_scim, constant) = (rule.host.is_none(), option == "constant");
    let given = [
        ("default", rule.default.is_some()),
        ("empty_is_unset", rule.empty_is_unset),
        ("join", rule.join.is_some()),
        ("single", rule.single.is_some()),
        ("matching", rule.matching),
        ("required", rule.required && (to_scim || constant)),
        ("transform", !rule.transforms.is_empty() && constant),
        ("read_only", rule.read_only && !to_scim),
        ("write_only", rule.write_only && to_scim),
    ];
    let given = given.into_iter().filter(|(_, given)| *given);
    let mut found: Vec<_> = given
        .map(|(beside, _)| (beside, format!("`{beside}` contradicts the `{option}`")))
        .collect();
    if rule.scim.len() > 1 {
        found.push(("scim", format!("a `{option}` is for one path")));
    }
    found
}

/// What says nothing of what clients can't write.
fn read_only(rule: &Rule) -> Vec<(&'static str, String)> {
    let given = [
        ("default", rule.default.is_some()),
        ("matching", rule.matching),
        ("required", rule.required),
        ("write_only", rule.write_only),
    ];
    let given = given
        .into_iter()
        .filter(|(_, given)| rule.read_only && *given);
    let why = "clients can't write the attribute";
    given
        .map(|(option, _)| (option, format!("`{option}` contradicts `read_only`: {why}")))
        .collect()
}

/// What says nothing of several paths.
fn several(rule: &Rule) -> Vec<(&'static str, String)> {
    let given = [
        ("default", rule.default.is_some()),
        ("matching", rule.matching),
        ("key", rule.key.is_some()),
    ];
    let given = given
        .into_iter()
        .filter(|(_, given)| rule.scim.len() > 1 && *given);
    given
        .map(|(option, _)| (option, format!("`{option}` is for a rule with one path")))
        .collect()
}

fn sides(rule: &Rule) -> Option<&'static str> {
    let made = rule.constant.is_some() || rule.template.is_some();
    if rule.constant.is_some() && rule.template.is_some() {
        return Some("a `constant` and a `template` contradict each other");
    }
    match (rule.scim.is_empty(), rule.host.is_none(), made) {
        (true, true, _) => Some("it has no side: give `scim`, `host` or both"),
        (true, false, false) => {
            Some("it has a host side only: give `scim`, a `constant` or a `template`")
        }
        (false, true, false) => {
            Some("it has a SCIM side only: give a `host`, a `constant` or a `template`")
        }
        (false, false, true) => {
            Some("a `constant` or `template` is for one side: leave out `scim` or `host`")
        }
        _ => None,
    }
}

fn joins(rule: &Rule) -> Option<(&'static str, String)> {
    let problem = match &rule.join {
        None if rule.scim.len() > 1 => {
            return Some(("scim", "several paths need a `join`".to_owned()));
        }
        None => return None,
        Some(_) if rule.scim.len() < 2 => "`join` is for several paths",
        Some(separator) if separator.is_empty() && !rule.write_only => {
            "without a separator the value can't be split again: give one, or say `write_only`"
        }
        Some(_) => return None,
    };
    Some(("join", problem.to_owned()))
}

fn single(rule: &Rule) -> Option<(&'static str, String)> {
    rule.single.as_ref()?;
    let problem = match (rule.scim.len() > 1, rule.write_only) {
        (false, _) => "`single` is for several paths",
        (true, true) => "`single` contradicts `write_only`: the field is never read",
        (true, false) => return None,
    };
    Some(("single", problem.to_owned()))
}

fn limits(rule: &Rule) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for (option, name) in [("host", &rule.host), ("key", &rule.key)] {
        if let Some(name) = name
            && let Some(problem) = name_problem(name)
        {
            found.push((option, problem));
        }
    }
    if rule.scim.len() > MAX_PATHS {
        found.push(("scim", format!("a rule has at most {MAX_PATHS} paths")));
    }
    if rule.scim.iter().any(|path| path.len() > MAX_PATH) {
        found.push(("scim", format!("a path is longer than {MAX_PATH} bytes")));
    }
    if rule
        .join
        .as_ref()
        .is_some_and(|separator| separator.len() > MAX_SEPARATOR)
    {
        found.push((
            "join",
            format!("a separator has at most {MAX_SEPARATOR} bytes"),
        ));
    }
    if rule.transforms.len() > MAX_STEPS {
        found.push((
            "transform",
            format!("a rule has at most {MAX_STEPS} transforms"),
        ));
    }
    if let Some(text) = &rule.template
        && let Err(problem) = Template::parse(text)
    {
        found.push(("template", problem));
    }
    found
}

/// What is wrong with the name of a field.
pub(super) fn name_problem(name: &str) -> Option<String> {
    if name.is_empty() || name.len() > MAX_NAME {
        return Some(format!("a field's name has 1 to {MAX_NAME} bytes"));
    }
    let bad = name
        .chars()
        .any(|c| c.is_control() || matches!(c, '{' | '}'));
    bad.then(|| "a field's name has no braces and no control characters".to_owned())
}
