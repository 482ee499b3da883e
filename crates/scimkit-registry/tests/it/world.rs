//! Shared test fixtures: a resource type with an attribute of every kind, and tolerances by name.

use std::sync::{Arc, LazyLock};

use scimkit_filter::{Filter, Leniency, ParseOptions};
use scimkit_registry::{
    AttrId, Predicate, Quirk, Registry, RegistryBuilder, RequestError, Resource, ResourceType,
    Tolerance,
};
use serde_json::{Value, json};

pub(crate) const EXTRA: &str = "urn:example:2.0:Extra";
pub(crate) const GADGET: &str = "urn:example:2.0:Gadget";
pub(crate) const MORE: &str = "urn:example:2.0:More";

pub(crate) fn gadget_type() -> Value {
    json!({
        "name": "Gadget",
        "endpoint": "/Gadgets",
        "schema": GADGET,
        "schemaExtensions": [{"schema": EXTRA, "required": false}, {"schema": MORE}],
    })
}

pub(crate) fn builder() -> RegistryBuilder {
    Registry::builder()
        .schemas_json(include_str!("schemas/gadget.json"))
        .and_then(|builder| builder.resource_types_json(&gadget_type().to_string()))
        .unwrap()
}

pub(crate) fn kind(name: &str) -> Arc<ResourceType> {
    static REGISTRY: LazyLock<Registry> = LazyLock::new(|| builder().build().unwrap());
    Arc::clone(REGISTRY.resource_type(name).unwrap())
}

pub(crate) fn gadget() -> Arc<ResourceType> {
    kind("Gadget")
}

pub(crate) fn id(kind: &ResourceType, path: &str) -> AttrId {
    kind.attribute_id(path)
        .unwrap_or_else(|| panic!("no attribute {path}"))
}

pub(crate) fn admit(kind: &ResourceType, body: Value) -> Resource {
    kind.admit(body, &Tolerance::DEFAULT).unwrap()
}

pub(crate) fn bind(
    kind: &ResourceType,
    text: &str,
    t: &Tolerance,
) -> Result<Predicate, RequestError> {
    let options = ParseOptions::default().with_leniency(Leniency::LENIENT);
    let filter = Filter::parse_with(text, &options).unwrap_or_else(|e| panic!("{text}: {e}"));
    kind.bind_filter(&filter, t)
}

/// Parses `default` or `strict`, followed by the fields to toggle: `strict dotted_keys`.
pub(crate) fn tolerance(text: &str) -> Tolerance {
    let mut words = text.split_whitespace();
    let mut t = match words.next() {
        Some("default") | None => Tolerance::DEFAULT,
        Some("strict") => Tolerance::STRICT,
        Some(other) => panic!("no tolerance {other}"),
    };
    for field in words {
        let quirk = Quirk::ALL.iter().find(|quirk| quirk.name() == field);
        let quirk = quirk.unwrap_or_else(|| panic!("no field {field}"));
        let mut json = serde_json::to_value(t).unwrap();
        json[field] = json!(!t.accepts(*quirk));
        t = serde_json::from_value(json).unwrap();
    }
    t
}
