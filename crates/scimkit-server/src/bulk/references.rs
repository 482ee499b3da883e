//! References of the form `bulkId:x` in bodies, and their replacement by resource ids.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::{edit::BULK_ID, url::encoded};

/// The kind of a body.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Body {
    Patch,
    Resource,
}

/// The resource that a reference names.
pub(super) struct Made {
    /// The endpoint of its type, with the leading slash.
    pub(super) endpoint: String,
    pub(super) id: String,
}

/// A function that returns the resource of a name, if it is known.
type Resolve<'r> = dyn FnMut(&str) -> Option<Made> + 'r;

/// Visits the references in a body, and replaces each one for which `resolve` returns a resource by its id. A
/// `$ref` that contains only the reference becomes the URL of the resource.
///
/// A reference is one of these:
/// - a string that consists only of `bulkId:NAME`
/// - the last segment of a `$ref`
/// - a quoted value in the path of a PATCH operation, or in a member name that is such a path
///
/// Any other occurrence of `bulkId:` is ordinary text.
pub(super) fn resolve(data: &mut Value, body: Body, resolve: &mut Resolve<'_>) {
    match (body, data) {
        (Body::Patch, Value::Object(members)) => {
            let lists = members.iter_mut();
            let lists = lists.filter(|(name, _)| name.eq_ignore_ascii_case("Operations"));
            for operation in lists.flat_map(|(_, list)| list.as_array_mut()).flatten() {
                if let Value::Object(operation) = operation {
                    in_operation(operation, resolve);
                }
            }
        }
        (_, data) => in_value(data, Site::Value, resolve),
    }
}

/// Returns the name in a reference.
pub(super) fn named(text: &str) -> Option<&str> {
    text.strip_prefix(BULK_ID)
}

/// The position of a string in a body.
#[derive(Clone, Copy, PartialEq)]
enum Site {
    Reference,
    Value,
}

/// Returns the position for the value of a member or path with this name.
fn site(name: &str) -> Site {
    const NAME: &str = "$ref";
    let end = name.len().checked_sub(NAME.len());
    match end.and_then(|end| name.get(end..)) {
        Some(end) if end.eq_ignore_ascii_case(NAME) => Site::Reference,
        _ => Site::Value,
    }
}

impl Made {
    fn url(&self) -> String {
        format!("{}/{}", self.endpoint, encoded(&self.id))
    }
}

fn in_operation(operation: &mut Map<String, Value>, resolve: &mut Resolve<'_>) {
    let mut site = Site::Value;
    for (name, value) in operation.iter_mut() {
        if let Value::String(path) = value
            && name.eq_ignore_ascii_case("path")
        {
            site = self::site(path);
            if let Some(resolved) = in_path(path, resolve) {
                *path = resolved;
            }
        }
    }
    for (name, value) in operation.iter_mut() {
        if name.eq_ignore_ascii_case("value") {
            in_value(value, site, resolve);
        }
    }
}

fn in_value(value: &mut Value, site: Site, resolve: &mut Resolve<'_>) {
    match value {
        Value::Array(elements) => {
            for element in elements {
                in_value(element, site, resolve);
            }
        }
        Value::Object(members) => in_members(members, resolve),
        Value::String(text) => {
            let resolved = match (named(text), site) {
                (Some(name), Site::Reference) => resolve(name).map(|made| made.url()),
                (Some(name), Site::Value) => resolve(name).map(|made| made.id),
                (None, Site::Reference) => in_url(text, resolve),
                (None, Site::Value) => None,
            };
            if let Some(resolved) = resolved {
                *text = resolved;
            }
        }
        Value::Bool(_) | Value::Null | Value::Number(_) => {}
    }
}

fn in_members(members: &mut Map<String, Value>, resolve: &mut Resolve<'_>) {
    let mut renamed = Vec::new();
    for (name, value) in members.iter_mut() {
        let site = site(name);
        in_value(value, site, resolve);
        renamed.extend(in_path(name, resolve).map(|new| (name.clone(), new)));
    }
    for (name, new) in renamed {
        if let Some(value) = members.remove(&name) {
            members.insert(new, value);
        }
    }
}

/// Resolves a URL whose last segment is a reference. The result omits a trailing slash, query and fragment.
fn in_url(url: &str, resolve: &mut Resolve<'_>) -> Option<String> {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let (head, segment) = url.get(..end)?.trim_end_matches('/').rsplit_once('/')?;
    let segment = percent_decode_str(segment).decode_utf8().ok()?;
    let made = resolve(named(&segment)?)?;
    Some(format!("{head}/{}", encoded(&made.id)))
}

/// Resolves a path whose filter contains quoted references.
fn in_path(path: &str, resolve: &mut Resolve<'_>) -> Option<String> {
    if !path.contains(BULK_ID) {
        return None;
    }
    let mut text = String::with_capacity(path.len());
    let mut rest = path;
    let mut changed = false;
    while let Some((before, after)) = rest.split_once('"') {
        let Some((inside, behind)) = quoted(after) else {
            break;
        };
        let literal = format!("\"{inside}\"");
        let value: Option<String> = serde_json::from_str(&literal).ok();
        let made = value.as_deref().and_then(named).and_then(&mut *resolve);
        let id = made.map(|made| made.id);
        changed |= id.is_some();
        text.push_str(before);
        text.push_str(&id.map_or(literal, |id| Value::String(id).to_string()));
        rest = behind;
    }
    text.push_str(rest);
    changed.then_some(text)
}

/// Splits a text at the quote that ends a string.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    let end = text.find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    })?;
    let (inside, behind) = text.split_at_checked(end)?;
    Some((inside, behind.strip_prefix('"')?))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Body, Made, resolve};

    fn resolved(mut data: Value, body: Body) -> (Value, Vec<String>) {
        let mut names = Vec::new();
        resolve(&mut data, body, &mut |name| {
            names.push(name.to_owned());
            let endpoint = "/Users".to_owned();
            let id = format!("<{name}>");
            (name != "nobody").then_some(Made { endpoint, id })
        });
        (data, names)
    }

    #[test]
    fn references_are_whole_strings() {
        let text = json!({
            "displayName": "see bulkId:a",
            "note": "/Users/bulkId:a",
            "nickName": "bulkid:a",
            "title": " bulkId:a",
        });
        assert_eq!(resolved(text.clone(), Body::Resource), (text, vec![]));
        let (data, names) = resolved(
            json!({"members": [{"value": "bulkId:a"}, "bulkId:b:c"], "x": ["bulkId:nobody", 1]}),
            Body::Resource,
        );
        let expected = json!({"members": [{"value": "<a>"}, "<b:c>"], "x": ["bulkId:nobody", 1]});
        assert_eq!(data, expected);
        assert_eq!(names, ["a", "b:c", "nobody"]);
    }

    #[test]
    fn references_end_urls() {
        let (data, names) = resolved(
            json!({"$REF": "../Users/bulkId:a%20b", "manager": {"$ref": "bulkId:c"}}),
            Body::Resource,
        );
        let expected =
            json!({"$REF": "../Users/%3Ca%20b%3E", "manager": {"$ref": "/Users/%3Cc%3E"}});
        assert_eq!(data, expected);
        assert_eq!(names, ["a b", "c"]);
        let (data, names) = resolved(
            json!({"manager.$ref": "bulkId:a", "members": [{"$ref": "Users/bulkId%3Ab/?x#y"}]}),
            Body::Resource,
        );
        let expected =
            json!({"manager.$ref": "/Users/%3Ca%3E", "members": [{"$ref": "Users/%3Cb%3E"}]});
        assert_eq!(data, expected);
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn references_stand_in_paths() {
        let operations = json!({"operations": [
            {"op": "remove", "path": r#"members[value eq "bulkId:a\"b" or display eq "\\"]"#},
            {"op": "add", "PATH": "manager.$ref", "Value": "/Users/bulkId:c"},
            {"op": "add", "value": {r#"members[value eq "bulkId:d"].type"#: "bulkId:e"}},
            {"op": "bulkId:f", "path": r#"x eq "bulkId:nobody" "bulkId:g"#},
        ]});
        let (data, names) = resolved(operations, Body::Patch);
        let expected = json!({"operations": [
            {"op": "remove", "path": r#"members[value eq "<a\"b>" or display eq "\\"]"#},
            {"op": "add", "PATH": "manager.$ref", "Value": "/Users/%3Cc%3E"},
            {"op": "add", "value": {r#"members[value eq "<d>"].type"#: "<e>"}},
            {"op": "bulkId:f", "path": r#"x eq "bulkId:nobody" "bulkId:g"#},
        ]});
        assert_eq!(data, expected);
        assert_eq!(names, ["a\"b", "c", "e", "d", "nobody"]);
    }
}
