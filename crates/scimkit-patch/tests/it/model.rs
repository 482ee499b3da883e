//! The meaning of PATCH in the simplest form: whole documents, copied and compared, for the operations of the
//! property tests.

use scimkit_registry::fold_case;
use serde_json::{Map, Value, json};

use crate::properties::ENTERPRISE;

/// Returns the document after the operations; `None` if one of them fails.
pub(crate) fn patched(document: &Value, operations: &[Value], create: bool) -> Option<Value> {
    let mut document = document.clone();
    for operation in operations {
        let op = operation["op"].as_str().unwrap();
        let value = &operation["value"];
        match operation["path"].as_str() {
            Some(path) => one(&mut document, op, path, value, create)?,
            None => {
                for (name, value) in value.as_object().unwrap() {
                    match (name.as_str(), value.as_object()) {
                        (ENTERPRISE, Some(members)) => {
                            for (name, value) in members {
                                let path = format!("{ENTERPRISE}:{name}");
                                one(&mut document, op, &path, value, create)?;
                            }
                        }
                        _ => one(&mut document, op, name, value, create)?,
                    }
                }
            }
        }
    }
    Some(cleaned(document))
}

fn one(document: &mut Value, op: &str, path: &str, value: &Value, create: bool) -> Option<()> {
    let (holder, path) = match path.strip_prefix(ENTERPRISE) {
        Some("") => {
            document.as_object_mut().unwrap().remove(ENTERPRISE);
            return Some(());
        }
        Some(rest) => (&mut document[ENTERPRISE], rest.trim_start_matches(':')),
        None => (document, path),
    };
    if holder.is_null() {
        *holder = json!({});
    }
    let (path, sub) = match path.rsplit_once("].") {
        Some((path, sub)) => (format!("{path}]"), Some(sub)),
        None => (path.to_owned(), None),
    };
    if let Some((name, filter)) = path.split_once('[') {
        let filter = filter.trim_end_matches(']');
        return elements(&mut holder[name], op, filter, sub, value, create);
    }
    match path.split_once('.') {
        Some(("emails", sub)) => elements(&mut holder["emails"], op, "", Some(sub), value, create)?,
        Some((name, sub)) => set(&mut holder[name], sub, &given(op, value)),
        None if path == "emails" => emails(&mut holder["emails"], op, value)?,
        None => match value.as_object().filter(|_| op != "remove") {
            Some(members) => {
                for (sub, value) in members {
                    set(&mut holder[&path], sub, value);
                }
            }
            None if path == "userName" && given(op, value).is_null() => return None,
            None => holder[&path] = given(op, value),
        },
    }
    Some(())
}

/// Returns the single value after an operation.
fn given(op: &str, value: &Value) -> Value {
    if op == "remove" {
        Value::Null
    } else {
        value.clone()
    }
}

fn set(object: &mut Value, name: &str, value: &Value) {
    if object.is_null() {
        *object = json!({});
    }
    object[name] = value.clone();
}

/// Carries out `add`, `replace` or `remove` on the whole attribute.
fn emails(all: &mut Value, op: &str, value: &Value) -> Option<()> {
    let old = array(all);
    let listed: Vec<Value> = array(value).into_iter().map(cleaned).collect();
    let listed = listed
        .into_iter()
        .filter(|e| e.as_object().is_some_and(|e| !e.is_empty()));
    let listed = unique(listed.collect());
    let mut now = if op == "add" { old } else { Vec::new() };
    if op == "remove" {
        *all = Value::Null;
        return Some(());
    }
    let mut primary = None;
    for element in listed {
        let same = |known: &Value| identity(known) == identity(&element);
        let at = match now.iter().position(same).filter(|_| op == "add") {
            Some(at) => {
                for (name, value) in element.as_object().unwrap() {
                    now[at][name] = value.clone();
                }
                at
            }
            None => {
                now.push(element.clone());
                now.len() - 1
            }
        };
        if element["primary"] == true {
            if primary.is_some_and(|known| known != at) {
                return None;
            }
            primary = Some(at);
        }
    }
    only(&mut now, primary.filter(|_| op == "add"));
    *all = Value::Array(now);
    Some(())
}

/// Carries out an operation on the elements that a filter selects, or on a part of each.
fn elements(
    all: &mut Value,
    op: &str,
    filter: &str,
    sub: Option<&str>,
    value: &Value,
    create: bool,
) -> Option<()> {
    let mut now = array(all);
    let given: Map<String, Value> = match (op, sub) {
        ("remove", Some(sub)) => Map::from_iter([(sub.to_owned(), Value::Null)]),
        ("remove", None) => Map::new(),
        (_, Some(sub)) => Map::from_iter([(sub.to_owned(), value.clone())]),
        (_, None) => value.as_object().unwrap().clone(),
    };
    let mut selected: Vec<usize> = (0..now.len())
        .filter(|at| holds(filter, &now[*at]))
        .collect();
    let mut created = false;
    if selected.is_empty() && !filter.is_empty() {
        let seed = match filter {
            r#"type eq "work""# => Some(json!({"type": "work"})),
            "primary eq true" => Some(json!({"primary": true})),
            r#"value eq "a""# => Some(json!({"value": "a"})),
            _ => None,
        };
        match seed {
            _ if op == "remove" => return create.then_some(()),
            _ if given.is_empty() => return create.then_some(()),
            Some(seed) if create => {
                selected.push(now.len());
                now.push(seed);
                created = true;
            }
            _ => return None,
        }
    }
    let mut primary = None;
    for at in selected {
        if op == "remove" && sub.is_none() {
            now[at] = json!({});
            continue;
        }
        for (name, value) in &given {
            now[at][name] = value.clone();
        }
        if (created || given.contains_key("primary")) && now[at]["primary"] == true {
            if primary.is_some() {
                return None;
            }
            primary = Some(at);
        }
    }
    only(&mut now, primary);
    let now = now.into_iter().map(cleaned).collect();
    *all = cleaned(Value::Array(unique(now)));
    Some(())
}

/// Removes duplicates of a value and type.
fn unique(elements: Vec<Value>) -> Vec<Value> {
    let mut unique: Vec<Value> = Vec::new();
    for element in elements {
        let same = |known: &&mut Value| {
            !element["value"].is_null() && identity(known) == identity(&element)
        };
        let Some(known) = unique.iter_mut().find(same) else {
            unique.push(element);
            continue;
        };
        let primary = known["primary"] == true;
        for (name, value) in element.as_object().unwrap() {
            known[name] = value.clone();
        }
        if primary {
            known["primary"] = json!(true);
        }
    }
    unique
}

/// Makes the given element the only primary one.
fn only(elements: &mut [Value], primary: Option<usize>) {
    for (at, element) in elements.iter_mut().enumerate() {
        if primary.is_some_and(|known| known != at) && element["primary"] == true {
            element["primary"] = json!(false);
        }
    }
}

fn holds(filter: &str, element: &Value) -> bool {
    let is = |name: &str, text: &str| {
        element[name]
            .as_str()
            .is_some_and(|t| fold_case(t) == fold_case(text))
    };
    match filter {
        "" => true,
        r#"type eq "work""# => is("type", "work"),
        "primary eq true" => element["primary"] == true,
        r#"value eq "a""# => is("value", "a"),
        "not (type pr)" => element["type"].is_null(),
        r#"type eq "home" or value eq "b""# => is("type", "home") || is("value", "b"),
        other => panic!("the model does not know the filter {other}"),
    }
}

/// Returns the identity of an e-mail.
fn identity(element: &Value) -> Value {
    let folded = |name: &str| {
        element[name]
            .as_str()
            .map(|text| fold_case(text).into_owned())
    };
    match folded("value") {
        Some(value) => json!([value, folded("type")]),
        None => element.clone(),
    }
}

fn array(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(elements) => elements.clone(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    }
}

/// Removes unassigned values.
fn cleaned(value: Value) -> Value {
    let empty = |value: &Value| match value {
        Value::Array(elements) => elements.is_empty(),
        Value::Object(members) => members.is_empty(),
        other => other.is_null(),
    };
    match value {
        Value::Array(elements) => {
            let elements = elements.into_iter().map(cleaned);
            Value::Array(elements.filter(|element| !empty(element)).collect())
        }
        Value::Object(members) => {
            let members = members
                .into_iter()
                .map(|(name, value)| (name, cleaned(value)));
            Value::Object(members.filter(|(_, value)| !empty(value)).collect())
        }
        other => other,
    }
}
