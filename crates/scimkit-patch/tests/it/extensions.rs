//! Extensions after a patch.

use std::sync::{Arc, LazyLock};

use scimkit_registry::{Registry, ResourceType, Tolerance};
use serde_json::{Value, json};

use crate::harness::{Rejected, World, patch};

const DESK: &str = "urn:example:2.0:Desk";

static PEOPLE: LazyLock<Registry> = LazyLock::new(|| {
    let edge = json!([{"name": "value"}, {"name": "display"}, {"name": "type"},
        {"name": "$ref", "type": "reference", "referenceTypes": ["Person"]}]);
    let schemas = json!([
        {"id": "urn:example:2.0:Person", "name": "Person", "attributes": [{"name": "nick"}]},
        {"id": DESK, "name": "Desk", "attributes": [
            {"name": "floor", "type": "integer", "required": true},
            {"name": "room"},
            {"name": "keys", "multiValued": true},
            {"name": "doors", "type": "integer", "multiValued": true},
            {"name": "code", "required": true, "returned": "never"},
            {"name": "lamp", "type": "complex", "subAttributes": [
                {"name": "watts", "type": "integer", "required": true},
                {"name": "key", "required": true, "returned": "never"},
                {"name": "colour"}]},
            {"name": "boss", "type": "complex", "subAttributes": [
                {"name": "value", "required": true}, {"name": "displayName"},
                {"name": "$ref", "type": "reference", "referenceTypes": ["Person"],
                    "required": true}]},
            {"name": "mates", "type": "complex", "multiValued": true, "subAttributes": edge}]}
    ]);
    let types = json!([{"name": "Person", "endpoint": "/People", "schema": "urn:example:2.0:Person",
        "schemaExtensions": [{"schema": DESK, "required": false}]}]);
    let builder = Registry::builder().schemas_json(&schemas.to_string());
    let builder = builder.and_then(|b| b.resource_types_json(&types.to_string()));
    builder.unwrap().build().unwrap()
});

fn person() -> &'static Arc<ResourceType> {
    PEOPLE.resource_type("Person").unwrap()
}

/// Returns a person's desk after a patch.
fn patched(desk: Value, operations: Value) -> Result<Value, Rejected> {
    let mut before = json!({"nick": "b"});
    let mut body = json!({});
    before[DESK] = desk;
    body["Operations"] = operations;
    let mut world = World::of(person(), before);
    let change = patch(person(), "1", &world, body, &Tolerance::DEFAULT)?;
    world.apply(person(), &change);
    let shown = world.shown(person());
    Ok(shown.get(DESK).cloned().unwrap_or_default())
}

#[track_caller]
fn missing(name: &str, desk: Value, operations: Value) {
    let rejected = patched(desk, operations).unwrap_err();
    let detail = format!("`{DESK}:{name}` is required but missing");
    assert_eq!(
        (rejected.scim_type.as_str(), rejected.detail),
        ("invalidValue", detail)
    );
}

fn add(name: &str, value: Value) -> Value {
    let mut operation = json!({"op": "add", "path": format!("{DESK}:{name}")});
    operation["value"] = value;
    operation
}

#[test]
fn new_extensions_need_their_required_attributes() {
    let floor = add("floor", json!(3));
    let room = add("room", json!("12"));
    let code = add("code", json!("c"));
    missing("floor", json!(null), json!([room]));
    missing("code", json!(null), json!([room, floor]));
    let whole = json!({"op": "add", "value": {DESK: {"room": "12"}}});
    missing("floor", json!(null), json!([whole]));
    let desk = patched(json!(null), json!([room, floor, code]));
    assert_eq!(desk, Ok(json!({"floor": 3, "room": "12"})));
    // An attribute that is removed again does not start the extension.
    let remove = json!({"op": "remove", "path": format!("{DESK}:room")});
    assert_eq!(patched(json!(null), json!([room, remove])), Ok(json!(null)));
    // An untouched extension is not checked.
    let nick = json!({"op": "replace", "path": "nick", "value": "x"});
    assert_eq!(
        patched(json!({"room": "1"}), json!([nick])),
        Ok(json!({"room": "1"}))
    );
    missing("floor", json!({"room": "1"}), json!([room]));
}

#[test]
fn never_returned_attributes_count_as_present() {
    let before = json!({"floor": 3, "lamp": {"watts": 5}});
    let operations = json!([add("room", json!("12")), add("lamp.colour", json!("red"))]);
    let desk = json!({"floor": 3, "room": "12", "lamp": {"watts": 5, "colour": "red"}});
    assert_eq!(patched(before, operations), Ok(desk));
}

#[test]
fn new_complex_values_need_their_required_sub_attributes() {
    let before = || json!({"floor": 3});
    let red = add("lamp", json!({"colour": "red"}));
    missing("lamp.watts", before(), json!([red]));
    missing(
        "lamp.key",
        before(),
        json!([red, add("lamp.watts", json!(5))]),
    );
    let whole = add("lamp", json!({"watts": 5, "key": "k"}));
    let desk = json!({"floor": 3, "lamp": {"watts": 5}});
    assert_eq!(patched(before(), json!([whole])), Ok(desk));
    // The service provider computes the `$ref`.
    let boss = add("boss", json!({"value": "7"}));
    let desk = json!({"floor": 3, "boss": {"value": "7"}});
    assert_eq!(patched(before(), json!([boss])), Ok(desk));
}

#[test]
fn membership_shaped_attributes_of_extensions_are_stored_in_the_document() {
    let before = json!({"floor": 3, "mates": [{"value": "a", "type": "Person"}]});
    let operations = json!([
        add("mates", json!([{"value": "b", "display": "B"}])),
        {"op": "replace", "path": format!("{DESK}:mates[value eq \"a\"].display"), "value": "A"},
    ]);
    let mates = json!([
        {"value": "a", "type": "Person", "display": "A"}, {"value": "b", "display": "B"}]);
    let desk = json!({"floor": 3, "mates": mates});
    assert_eq!(patched(before, operations), Ok(desk));
}

#[test]
fn references_of_extensions_are_resolved() {
    let before = || json!({"floor": 3, "mates": [{"value": "a", "type": "x"}]});
    for path in ["mates", "mates[type eq \"x\"]"] {
        for url in ["https://elsewhere.example/People/b", "Users/b", "b", ""] {
            let operations = json!([add(path, json!({"$ref": url}))]);
            let rejected = patched(before(), operations).unwrap_err();
            assert_eq!(rejected.scim_type, "invalidValue", "{path} {url}");
        }
    }
    for path in [
        "mates.$ref",
        "mates[type eq \"x\"].$ref",
        "mates[type eq \"y\"].$ref",
    ] {
        let operations = json!([add(path, json!("https://elsewhere.example/People/b"))]);
        let rejected = patched(before(), operations).unwrap_err();
        assert_eq!(rejected.scim_type, "invalidValue", "{path}");
    }
    let operations = json!([
        add("mates", json!([{"$ref": "../People/b"}])),
        add("mates[type eq \"x\"].$ref", json!("People/c")),
    ]);
    let mates = json!([{"value": "c", "type": "x"}, {"value": "b", "$ref": "../People/b"}]);
    assert_eq!(
        patched(before(), operations),
        Ok(json!({"floor": 3, "mates": mates}))
    );
    // Next to a `value` it is stored as sent.
    let mate = json!([{"value": "d", "$ref": "https://elsewhere.example/"}]);
    let replace = json!([{"op": "replace", "path": format!("{DESK}:mates"), "value": mate}]);
    assert_eq!(
        patched(before(), replace),
        Ok(json!({"floor": 3, "mates": mate}))
    );
}

/// Returns the keys on a desk after an operation on `path`, with an optional value.
fn keys(op: &str, path: &str, value: Option<Value>) -> Result<Value, Rejected> {
    let desk =
        json!({"floor": 1, "code": "c", "keys": ["Red", "green", "blue"], "doors": [1, 2, 3]});
    let mut operation = json!({"op": op, "path": format!("{DESK}:{path}")});
    if let Some(value) = value {
        operation["value"] = value;
    }
    let desk = patched(desk, json!([operation]))?;
    Ok(json!([desk.get("keys"), desk.get("doors")]))
}

#[test]
fn value_filters_select_simple_values() {
    let all = json!([1, 2, 3]);
    let cases = [
        (
            "remove",
            r#"keys[value eq "RED"]"#,
            None,
            json!([["green", "blue"], all]),
        ),
        (
            "remove",
            r#"keys[value ne "red"]"#,
            None,
            json!([["Red"], all]),
        ),
        (
            "remove",
            r#"keys[value sw "g" or value sw "b"]"#,
            None,
            json!([["Red"], all]),
        ),
        (
            "remove",
            r#"keys[value sw "g" and not (value ew "n")]"#,
            None,
            json!([["Red", "green", "blue"], all]),
        ),
        ("remove", "keys[value pr]", None, json!([null, all])),
        (
            "remove",
            "doors[value gt 1.5]",
            None,
            json!([["Red", "green", "blue"], [1]]),
        ),
        (
            "replace",
            r#"keys[value eq "green"]"#,
            Some(json!("white")),
            json!([["Red", "white", "blue"], all]),
        ),
        (
            "add",
            r#"keys[value eq "green"]"#,
            Some(json!("white")),
            json!([["Red", "white", "blue"], all]),
        ),
        (
            "replace",
            r#"keys[value eq "green"]"#,
            Some(json!(["white"])),
            json!([["Red", "white", "blue"], all]),
        ),
        (
            "replace",
            r#"keys[value eq "green"]"#,
            Some(json!("red")),
            json!([["Red", "blue"], all]),
        ),
        (
            "replace",
            r#"keys[value eq "green"]"#,
            Some(json!(null)),
            json!([["Red", "blue"], all]),
        ),
        (
            "replace",
            r#"keys[value co "e"]"#,
            Some(json!("one")),
            json!([["one"], all]),
        ),
        (
            "replace",
            "doors[value eq 2]",
            Some(json!(5)),
            json!([["Red", "green", "blue"], [1, 5, 3]]),
        ),
        // Nothing is selected: as for the elements of a complex attribute.
        (
            "remove",
            r#"keys[value eq "none"]"#,
            None,
            json!([["Red", "green", "blue"], all]),
        ),
        (
            "replace",
            r#"keys[value eq "none"]"#,
            Some(json!("new")),
            json!([["Red", "green", "blue", "new"], all]),
        ),
    ];
    for (op, path, value, expected) in cases {
        assert_eq!(
            keys(op, path, value.clone()).unwrap(),
            expected,
            "{op} {path} {value:?}"
        );
    }
}

#[test]
fn invalid_value_filters_on_simple_values_are_rejected() {
    let cases = [
        (
            "replace",
            r#"keys[value sw "none"]"#,
            Some(json!("new")),
            "noTarget",
        ),
        (
            "replace",
            r#"keys[value eq "red"]"#,
            Some(json!(["a", "b"])),
            "invalidValue",
        ),
        (
            "replace",
            r#"keys[value eq "red"]"#,
            Some(json!(5)),
            "invalidValue",
        ),
        (
            "replace",
            r#"keys[value eq "red"]"#,
            Some(json!({"value": "a"})),
            "invalidValue",
        ),
        ("replace", r#"keys[value eq "red"]"#, None, "invalidValue"),
        (
            "remove",
            r#"keys[value eq "red"].value"#,
            None,
            "invalidPath",
        ),
        ("remove", r#"keys[type eq "red"]"#, None, "invalidFilter"),
        ("remove", "keys[value eq 5]", None, "invalidFilter"),
        ("remove", r#"room[value eq "red"]"#, None, "invalidPath"),
    ];
    for (op, path, value, scim_type) in cases {
        let rejected = keys(op, path, value).unwrap_err();
        assert_eq!(
            rejected.scim_type, scim_type,
            "{op} {path}: {}",
            rejected.detail
        );
    }
}
