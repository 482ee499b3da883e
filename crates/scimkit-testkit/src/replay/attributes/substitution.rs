//! Writes the attributes of a server into the steps of a scenario.

use serde_json::{Map, Value, json};

use super::{declared::Attribute, roles::Role};

/// Replaces attribute placeholders in the texts and member names of a step.
///
/// A member whose name is a single placeholder is moved to the path: `{"{{title}}": "T"}` becomes `{"name":
/// {"familyName": "T"}}`. A placeholder in capitals is replaced by the path in capitals.
pub(super) fn replace(tree: &mut Value, roles: &[Role]) {
    match tree {
        Value::Array(elements) => elements.iter_mut().for_each(|e| replace(e, roles)),
        Value::Object(members) => {
            let mut replaced = Map::new();
            for (name, mut value) in std::mem::take(members) {
                replace(&mut value, roles);
                match whole(&name).and_then(|inner| path_of(inner, roles)) {
                    Some(path) => insert(&mut replaced, &path, value),
                    None => insert_one(&mut replaced, text(&name, roles), value),
                }
            }
            *members = replaced;
        }
        Value::String(found) => *found = text(found, roles),
        _ => {}
    }
}

/// Returns the name in a text that is a single placeholder.
fn whole(text: &str) -> Option<&str> {
    let inner = text.strip_prefix("{{")?.strip_suffix("}}")?;
    (!inner.contains(['{', '}'])).then_some(inner)
}

/// Returns the path for a placeholder, in the letter case of the placeholder.
fn path_of(inner: &str, roles: &[Role]) -> Option<String> {
    let role = roles
        .iter()
        .find(|role| role.placeholder.eq_ignore_ascii_case(inner))?;
    let path = &role.path;
    Some(if role.placeholder == inner {
        path.clone()
    } else if inner == inner.to_uppercase() {
        path.to_uppercase()
    } else if inner == inner.to_lowercase() {
        path.to_lowercase()
    } else {
        let swap = |letter: char| {
            if letter.is_ascii_uppercase() {
                letter.to_ascii_lowercase()
            } else {
                letter.to_ascii_uppercase()
            }
        };
        let mut letters = path.chars();
        letters
            .next()
            .map(swap)
            .into_iter()
            .chain(letters)
            .collect()
    })
}

fn text(text: &str, roles: &[Role]) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        replaced.push_str(before);
        let found = after
            .split_once("}}")
            .and_then(|(inner, after)| Some((path_of(inner, roles)?, after)));
        match found {
            Some((path, after)) => {
                replaced.push_str(&path);
                rest = after;
            }
            None => {
                replaced.push_str("{{");
                rest = after;
            }
        }
    }
    replaced.push_str(rest);
    replaced
}

/// Inserts a value at a path.
fn insert(members: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => insert_one(members, path.to_owned(), value),
        Some((name, rest)) => {
            let mut inner = Map::new();
            insert(&mut inner, rest, value);
            insert_one(members, name.to_owned(), Value::Object(inner));
        }
    }
}

/// Inserts a value under a name. Two objects with the same name are merged.
fn insert_one(members: &mut Map<String, Value>, name: String, value: Value) {
    match (members.get_mut(&name), value) {
        (Some(Value::Object(there)), Value::Object(more)) => {
            for (name, value) in more {
                insert_one(there, name, value);
            }
        }
        (_, value) => {
            members.insert(name, value);
        }
    }
}

/// The attributes that new resources must have, besides `userName` and the `displayName` of a group.
#[derive(Debug)]
pub(super) struct Required {
    pub(super) groups: Vec<Attribute>,
    pub(super) users: Vec<Attribute>,
}

impl Required {
    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.users.is_empty()
    }

    /// Adds the required attributes to what a step creates or replaces.
    pub(super) fn fill(&self, step: &mut Value) {
        let Some(request) = step.get_mut("request") else {
            return;
        };
        if request.get("path").and_then(Value::as_str) == Some("/Bulk") {
            let operations = request.pointer_mut("/body/Operations");
            let operations = operations.and_then(Value::as_array_mut);
            for operation in operations.into_iter().flatten() {
                self.fill_body(operation, "data");
            }
        } else {
            self.fill_body(request, "body");
        }
    }

    fn fill_body(&self, request: &mut Value, body: &str) {
        let text = |name: &str| {
            request
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let method = text("method");
        let path = text("path");
        let path = path.split('?').next().unwrap_or(path);
        let attributes = match (method, path) {
            ("POST", "/Users") => &self.users,
            ("POST", "/Groups") => &self.groups,
            ("PUT", path) if path.starts_with("/Users/") => &self.users,
            ("PUT", path) if path.starts_with("/Groups/") => &self.groups,
            _ => return,
        };
        if let Some(Value::Object(members)) = request.get_mut(body) {
            fill(members, attributes, &name_of(members));
        } else if let Some(Value::String(text)) = request.get_mut("raw_body") {
            fill_text(text, attributes);
        }
    }
}

/// Returns the text that distinguishes a resource from the others that the scenario creates.
fn name_of(members: &Map<String, Value>) -> String {
    let named = |name: &String| {
        ["userName", "displayName"]
            .iter()
            .any(|own| own.eq_ignore_ascii_case(name))
    };
    let name = members
        .iter()
        .find(|(name, value)| named(name) && value.is_string());
    let name = name.and_then(|(_, value)| value.as_str());
    name.unwrap_or("x.{{run}}").to_owned()
}

fn fill(members: &mut Map<String, Value>, attributes: &[Attribute], owner: &str) {
    for attribute in attributes {
        let there = members
            .iter_mut()
            .find(|(name, _)| attribute.is(name))
            .map(|(_, value)| value);
        match there {
            None if !attribute.is_required() => {}
            None => {
                members.insert(attribute.name.clone(), sample(attribute, owner));
            }
            Some(value) => fill_parts(value, attribute, owner),
        }
    }
}

/// Adds missing attributes to the end of a JSON object, so that the order of the others is preserved.
fn fill_text(text: &mut String, attributes: &[Attribute]) {
    let Ok(Value::Object(members)) = serde_json::from_str(text) else {
        return;
    };
    let owner = name_of(&members);
    for attribute in attributes.iter().filter(|attr| attr.is_required()) {
        let there = members.keys().any(|name| attribute.is(name));
        let open = text.trim_end().strip_suffix('}');
        if let Some(open) = open.filter(|_| !there && !members.is_empty()) {
            let name = &attribute.name;
            let value = sample(attribute, &owner);
            *text = format!("{open}, \"{name}\": {value}}}");
        }
    }
}

fn fill_parts(value: &mut Value, attribute: &Attribute, owner: &str) {
    let required = attribute.subs.iter();
    let required = required.filter(|sub| sub.required && sub.is_writable());
    let required: Vec<_> = required.cloned().collect();
    match value {
        Value::Object(parts) => fill(parts, &required, owner),
        Value::Array(elements) => {
            for element in elements.iter_mut().filter_map(Value::as_object_mut) {
                fill(element, &required, owner);
            }
        }
        _ => {}
    }
}

/// Returns a valid value for the attribute, which differs between resources if possible.
fn sample(attribute: &Attribute, owner: &str) -> Value {
    let one = match attribute.kind.to_ascii_lowercase().as_str() {
        "binary" => json!("QQ=="),
        "boolean" => json!(true),
        "complex" => {
            let usual = |sub: &&Attribute| {
                sub.required || ["type", "value"].iter().any(|name| sub.is(name))
            };
            let mut parts: Vec<_> = attribute.subs.iter().filter(usual).collect();
            if parts.is_empty() {
                parts.extend(attribute.subs.iter().find(|sub| sub.is_writable()));
            }
            let parts = parts.into_iter().filter(|sub| sub.is_writable());
            Value::Object(
                parts
                    .map(|sub| (sub.name.clone(), sample(sub, owner)))
                    .collect(),
            )
        }
        "datetime" => json!("2020-01-01T00:00:00Z"),
        "decimal" => json!(1.5),
        "integer" => json!(1),
        "reference" => json!(format!("https://scim.example/{owner}")),
        _ => json!(sample_text(attribute, owner)),
    };
    if attribute.multi_valued {
        json!([one])
    } else {
        one
    }
}

fn sample_text(attribute: &Attribute, owner: &str) -> String {
    if let Some(known) = attribute.canonical_values.first() {
        return known.clone();
    }
    let formed = match attribute.name.to_lowercase().as_str() {
        "country" => "DE",
        "locale" => "en-US",
        "preferredlanguage" => "en",
        "timezone" => "Europe/Berlin",
        // Free text in the form of an address, because some servers require one.
        _ => return format!("{owner}@scim.example"),
    };
    formed.to_owned()
}
