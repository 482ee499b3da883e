//! The parts of a recorded response that another server must return, too.

use scimkit_filter::{Filter, Literal, Operator};
use serde_json::{Map, Value, json};

use super::{
    placeholders::{Placeholders, joined},
    redacted_tree, values,
};

/// Returns the parts of a response body that another server must return, too: nothing that a server creates itself,
/// such as times, versions, URLs and sentences.
pub(super) fn expected(
    placeholders: &mut Placeholders,
    body: &Value,
    filter: Option<&str>,
) -> Option<Value> {
    let schemas = body.get("schemas").and_then(Value::as_array)?;
    let schemas = schemas.iter().filter_map(Value::as_str);
    let schemas: Vec<_> = schemas
        .filter(|urn| placeholders.known().has_urn(urn))
        .collect();
    let says = |message: &str| {
        let urn = format!("urn:ietf:params:scim:api:messages:2.0:{message}");
        schemas
            .iter()
            .any(|schema| schema.eq_ignore_ascii_case(&urn))
    };
    let mut members = if says("Error") {
        let kind = body.get("scimType").filter(|kind| is_error_type(kind));
        kind.map(|kind| ("scimType".to_owned(), kind.clone()))
            .into_iter()
            .collect()
    } else if says("ListResponse") {
        list(placeholders, body, filter)
    } else if schemas.iter().any(|urn| is_discovery(urn)) {
        Map::new()
    } else {
        object(placeholders, "", body.as_object()?)
    };
    members.insert("schemas".to_owned(), json!({"$contains": schemas}));
    Some(Value::Object(members))
}

/// Returns the schemas of a response that are custom schemas with a value.
pub(super) fn own_schemas(placeholders: &Placeholders, body: &Value) -> Vec<String> {
    let schemas = body
        .get("schemas")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let urns = schemas
        .filter_map(Value::as_str)
        .filter(|urn| placeholders.known().has_urn(urn));
    let own = urns.filter(|urn| {
        let folded = urn.to_lowercase();
        !folded.starts_with("urn:ietf:params:scim:api:")
            && !folded.starts_with("urn:ietf:params:scim:schemas:core:")
            && folded != "urn:ietf:params:scim:schemas:extension:enterprise:2.0:user"
    });
    own.map(str::to_owned).collect()
}

/// Returns the expected number of results, and the results themselves if the filter selects only what this replay has
/// created.
fn list(placeholders: &mut Placeholders, body: &Value, filter: Option<&str>) -> Map<String, Value> {
    let mut members = Map::new();
    // A page with a cursor need not contain it.
    if body.get("totalResults").is_some() {
        members.insert("totalResults".to_owned(), json!({"$type": "integer"}));
    }
    let resources = body.get("Resources").and_then(Value::as_array);
    let resources: Vec<_> = resources.into_iter().flatten().collect();
    let known = resources.iter().all(|resource| {
        let id = resource.get("id").and_then(Value::as_str);
        id.is_none_or(|id| placeholders.captured(id).is_some())
    });
    let filter = filter.and_then(|text| Filter::parse(text).ok());
    if !known || !filter.is_some_and(|filter| pins(placeholders, &filter)) {
        return members;
    }
    if let Some(total) = body.get("totalResults").filter(|total| total.is_u64()) {
        members.insert("totalResults".to_owned(), total.clone());
    }
    if !resources.is_empty() {
        let shown = resources.into_iter().filter_map(Value::as_object);
        let shown = shown.map(|resource| Value::Object(object(placeholders, "", resource)));
        members.insert("Resources".to_owned(), shown.collect());
    }
    members
}

/// Returns whether a filter has the same meaning after redaction, and matches only what this replay has created.
fn pins(placeholders: &mut Placeholders, filter: &Filter<'_>) -> bool {
    let mut pinned = false;
    let mut open = vec![filter];
    while let Some(term) = open.pop() {
        match term {
            Filter::And(terms) => open.extend(terms),
            Filter::Compare(comparison) if comparison.operator == Operator::Equal => {
                let attribute = comparison.attribute.to_string().to_lowercase();
                if attribute.starts_with("meta.") {
                    return false;
                }
                if let Literal::String(text) | Literal::Word(text) = &comparison.value {
                    let redacted = values::text(placeholders, &attribute, text);
                    pinned |= joined(text, redacted).contains("{{");
                }
            }
            Filter::Present(_) => {}
            Filter::ValuePath(path) => open.push(&path.filter),
            _ => return false,
        }
    }
    pinned
}

fn object(
    placeholders: &mut Placeholders,
    attribute: &str,
    members: &Map<String, Value>,
) -> Map<String, Value> {
    let mut expected = Map::new();
    for (name, inner) in members {
        let folded = name.to_lowercase();
        let inside = format!("{attribute}.{folded}");
        // The members matter; how a server describes them is up to the server.
        let told = inside.contains(".members.") && folded != "value";
        let server_made = MADE_BY_THE_SERVER.contains(&folded.as_str()) || name.starts_with('$');
        if told || server_made {
            continue;
        }
        // Only the names of schemas are known to be anonymous.
        let known = placeholders.known();
        if !known.has_name(name) && !known.has_urn(name) {
            continue;
        }
        if let Some(inner) = value(placeholders, &inside, inner) {
            expected.insert(name.clone(), inner);
        }
    }
    expected
}

/// Returns the expected value, or `None` if the server created it.
fn value(placeholders: &mut Placeholders, attribute: &str, actual: &Value) -> Option<Value> {
    match actual {
        Value::Array(elements) => {
            let elements = elements.iter().map(|element| {
                let any = json!({"$any": [{"$type": "string"}, {"$type": "object"}]});
                value(placeholders, attribute, element).unwrap_or(any)
            });
            Some(Value::Array(elements.collect()))
        }
        Value::Object(members) if attribute == ".meta" => {
            let kind = members.get("resourceType")?;
            let known = kind.as_str().is_some_and(values::is_resource_type);
            known.then(|| json!({"resourceType": kind}))
        }
        Value::Object(members) => Some(Value::Object(object(placeholders, attribute, members))),
        Value::String(text) if values::stays(placeholders, attribute, text) => Some(actual.clone()),
        Value::String(text) => {
            if placeholders.captured(text).is_none() && !placeholders.has_seen(text) {
                return None;
            }
            Some(match placeholders.date(text) {
                Some(date) => json!({"$datetime": date}),
                None => redacted_tree::string(placeholders, attribute, text).into(),
            })
        }
        Value::Null => Some(Value::Null),
        Value::Bool(_) | Value::Number(_) => {
            let sent = placeholders.has_seen(&redacted_tree::at_attribute(attribute, actual));
            sent.then(|| match actual {
                Value::Number(number) => Value::Number(placeholders.count(number)),
                other => other.clone(),
            })
        }
    }
}

/// The attributes that a server describes in its own words, in lower case.
const MADE_BY_THE_SERVER: [&str; 6] = [
    "$ref", "display", "groups", "location", "password", "schemas",
];

fn is_error_type(value: &Value) -> bool {
    const TYPES: [&str; 13] = [
        "expiredCursor",
        "invalidCount",
        "invalidCursor",
        "invalidFilter",
        "invalidPath",
        "invalidSyntax",
        "invalidValue",
        "invalidVers",
        "mutability",
        "noTarget",
        "sensitive",
        "tooMany",
        "uniqueness",
    ];
    value.as_str().is_some_and(|text| TYPES.contains(&text))
}

fn is_discovery(urn: &str) -> bool {
    ["ResourceType", "Schema", "ServiceProviderConfig"]
        .iter()
        .any(|kind| {
            let known = format!("urn:ietf:params:scim:schemas:core:2.0:{kind}");
            urn.eq_ignore_ascii_case(&known)
        })
}
