//! A resource type with the characteristics that the built-in types lack.

use std::sync::{Arc, LazyLock};

use scimkit_registry::{Change, Registry, ResourceType, Tolerance};
use serde_json::{Value, json};

use crate::harness::{Rejected, World, patch};

static BADGES: LazyLock<Registry> = LazyLock::new(|| {
    let schemas = json!([
        {"id": "urn:example:2.0:Badge", "name": "Badge", "attributes": [
            {"name": "serial", "type": "string", "mutability": "immutable"},
            {"name": "doors", "type": "string", "multiValued": true, "required": true},
            {"name": "pin", "type": "string", "mutability": "writeOnly", "returned": "never"},
            {"name": "seal", "type": "complex", "subAttributes": [
                {"name": "maker", "type": "string", "mutability": "immutable"},
                {"name": "colour", "type": "string"},
                {"name": "key", "type": "string", "returned": "never"}]},
            {"name": "keys", "type": "complex", "multiValued": true, "subAttributes": [
                {"name": "value", "type": "string", "mutability": "immutable"},
                {"name": "issuer", "type": "string", "required": true},
                {"name": "label", "type": "string"},
                {"name": "uses", "type": "integer", "mutability": "readOnly"}]}]},
        {"id": "urn:example:2.0:Office", "name": "Office", "attributes": [
            {"name": "floor", "type": "integer"},
            {"name": "room", "type": "string"}]}
    ]);
    let types = json!([{"name": "Badge", "endpoint": "/Badges", "schema": "urn:example:2.0:Badge",
        "schemaExtensions": [{"schema": "urn:example:2.0:Office", "required": true}]}]);
    let builder = Registry::builder()
        .schemas_json(&schemas.to_string())
        .unwrap();
    builder
        .resource_types_json(&types.to_string())
        .unwrap()
        .build()
        .unwrap()
});

fn badge() -> &'static Arc<ResourceType> {
    BADGES.resource_type("Badge").unwrap()
}

fn before() -> Value {
    json!({
        "serial": "s1", "doors": ["north"], "seal": {"maker": "Acme", "colour": "red"},
        "keys": [{"value": "k1", "issuer": "hq"}, {"value": "k2", "issuer": "hq"}],
        "urn:example:2.0:Office": {"floor": 3},
    })
}

fn patched(operations: Value) -> Result<(Value, Change), Rejected> {
    let mut world = World::of(badge(), before());
    let body = Value::Object(
        [("Operations".to_owned(), operations)]
            .into_iter()
            .collect(),
    );
    let change = patch(badge(), "b1", &world, body, &Tolerance::DEFAULT)?;
    world.apply(badge(), &change);
    let mut shown = world.shown(badge());
    shown.as_object_mut().unwrap().remove("schemas");
    Ok((shown, change))
}

#[track_caller]
fn rejected(scim_type: &str, detail: &str, operations: Value) {
    let rejected = patched(operations).unwrap_err();
    assert_eq!(
        (rejected.scim_type.as_str(), rejected.detail.as_str()),
        (scim_type, detail)
    );
}

#[track_caller]
fn becomes(key: &str, value: Value, operations: Value) {
    let mut expected = before();
    expected[key] = value;
    assert_eq!(patched(operations).unwrap().0, expected);
}

#[test]
fn changing_immutable_attributes_is_rejected() {
    let detail = "operation 1: `serial` is immutable and has another value";
    rejected(
        "mutability",
        detail,
        json!([{"op": "replace", "path": "serial", "value": "s2"}]),
    );
    rejected(
        "mutability",
        detail,
        json!([{"op": "remove", "path": "serial"}]),
    );
    rejected(
        "mutability",
        detail,
        json!([{"op": "replace", "value": {"serial": null}}]),
    );
    becomes(
        "serial",
        json!("s1"),
        json!([{"op": "replace", "path": "serial", "value": "s1"}]),
    );

    let detail = "operation 1: `seal.maker` is immutable and has another value";
    rejected(
        "mutability",
        detail,
        json!([{"op": "add", "value": {"seal": {"maker": "X"}}}]),
    );
    rejected(
        "mutability",
        detail,
        json!([{"op": "remove", "path": "seal.maker"}]),
    );
    let detail = "operation 1: `keys.value` is immutable and has another value";
    let path = r#"keys[value eq "k1"].value"#;
    rejected(
        "mutability",
        detail,
        json!([{"op": "replace", "path": path, "value": "k9"}]),
    );
}

#[test]
fn immutable_attributes_can_be_set_once() {
    let seal = json!({"maker": "Other"});
    let remove = json!({"op": "remove", "path": "seal"});
    let add = json!({"op": "add", "path": "seal.maker", "value": "Other"});
    becomes("seal", seal, json!([remove, add]));
    let again = json!({"op": "add", "path": "seal.maker", "value": "Third"});
    let detail = "operation 3: `seal.maker` is immutable and has another value";
    rejected("mutability", detail, json!([remove, add, again]));
}

#[test]
fn removing_required_attributes_is_rejected() {
    let gone = "operation 1: `doors` is required and can't be removed";
    rejected(
        "mutability",
        gone,
        json!([{"op": "remove", "path": "doors"}]),
    );
    rejected(
        "mutability",
        gone,
        json!([{"op": "remove", "path": "doors", "value": ["north"]}]),
    );
    let empty = "operation 1: `doors` is required and can't be null or empty";
    rejected(
        "invalidValue",
        empty,
        json!([{"op": "replace", "path": "doors", "value": []}]),
    );
    rejected(
        "invalidValue",
        empty,
        json!([{"op": "replace", "value": {"doors": null}}]),
    );

    let issuer = "operation 1: `keys.issuer` is required and can't be removed";
    rejected(
        "mutability",
        issuer,
        json!([{"op": "remove", "path": "keys.issuer"}]),
    );
    let missing = "`keys.issuer` is required but missing";
    rejected(
        "invalidValue",
        missing,
        json!([{"op": "add", "path": "keys", "value": {"value": "k3"}}]),
    );

    let office = "`urn:example:2.0:Office` is required and can't be removed";
    rejected(
        "mutability",
        office,
        json!([{"op": "remove", "path": "urn:example:2.0:Office"}]),
    );
    let moved = json!([
        {"op": "remove", "path": "urn:example:2.0:Office"},
        {"op": "add", "path": "urn:example:2.0:Office:room", "value": "12"},
    ]);
    becomes("urn:example:2.0:Office", json!({"room": "12"}), moved);
}

#[test]
fn read_only_sub_attributes_in_values_are_ignored() {
    let given = json!({"value": "k3", "issuer": "hq", "uses": 5});
    let mut keys = before()["keys"].clone();
    keys.as_array_mut()
        .unwrap()
        .push(json!({"value": "k3", "issuer": "hq"}));
    becomes(
        "keys",
        keys,
        json!([{"op": "add", "path": "keys", "value": given}]),
    );
    let detail = "operation 1: `keys.uses` is read-only";
    rejected(
        "mutability",
        detail,
        json!([{"op": "replace", "path": "keys.uses", "value": 5}]),
    );
}

#[test]
fn adding_an_existing_element_updates_it() {
    let given = json!({"value": "K1", "issuer": "hq"});
    let detail = "operation 1: `keys.value` is immutable and has another value";
    rejected(
        "mutability",
        detail,
        json!([{"op": "add", "path": "keys", "value": given}]),
    );
    let keys =
        json!([{"value": "k1", "issuer": "hq", "label": "L"}, {"value": "k2", "issuer": "hq"}]);
    let given = json!([{"value": "k1", "issuer": "hq", "label": "L"}]);
    becomes(
        "keys",
        keys,
        json!([{"op": "add", "path": "keys", "value": given}]),
    );
    becomes(
        "doors",
        json!(["north", "south"]),
        json!([
            {"op": "add", "path": "doors", "value": ["North", "south"]},
            {"op": "add", "path": "doors", "value": "south"},
        ]),
    );
}

#[test]
fn never_returned_attributes_are_set_and_unset() {
    let entries = |operations| {
        let change = patched(operations).unwrap().1;
        let owned = change
            .entries()
            .map(|(path, value)| (path.to_owned(), value.cloned()));
        owned.collect::<Vec<_>>()
    };
    let set = json!({"op": "add", "path": "pin", "value": "1234"});
    let unset = json!({"op": "remove", "path": "pin"});
    assert_eq!(
        entries(json!([set])),
        [("pin".to_owned(), Some(json!("1234")))]
    );
    assert_eq!(entries(json!([unset])), [("pin".to_owned(), None)]);
    assert_eq!(
        entries(json!([unset, set])),
        [("pin".to_owned(), Some(json!("1234")))]
    );
    assert_eq!(entries(json!([set, unset])), [("pin".to_owned(), None)]);
    let key = json!({"op": "replace", "path": "seal", "value": {"key": null}});
    assert_eq!(entries(json!([key])), [("seal.key".to_owned(), None)]);
    let names: Vec<String> = entries(json!([{"op": "remove", "path": "seal"}]))
        .into_iter()
        .map(|e| e.0)
        .collect();
    assert_eq!(names, ["seal.maker", "seal.colour", "seal.key"]);
}

#[test]
fn null_unsets_a_sub_attribute_and_an_empty_object_changes_nothing() {
    let colour = json!([{"op": "replace", "path": "seal", "value": {"colour": null}}]);
    becomes("seal", json!({"maker": "Acme"}), colour);
    assert!(
        patched(json!([{"op": "replace", "path": "seal", "value": {}}]))
            .unwrap()
            .1
            .is_empty()
    );
    let keys = json!([{"value": "k2", "issuer": "hq"}]);
    let path = r#"keys[value eq "k1"]"#;
    becomes(
        "keys",
        keys,
        json!([{"op": "replace", "path": path, "value": null}]),
    );
}
