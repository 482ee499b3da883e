//! The characteristics that affect a fingerprint.

use std::sync::Arc;

use scimkit_registry::{Fingerprint, Registry, ResourceType};
use serde_json::{Value, json};

use crate::world::gadget_type;

/// Returns the fingerprint of `Gadget` after `edit` changed the documents of its schemas and its type.
fn after(edit: impl FnOnce(&mut Value, &mut Value)) -> Fingerprint {
    let mut schemas: Value = serde_json::from_str(include_str!("schemas/gadget.json")).unwrap();
    let mut definition = gadget_type();
    edit(&mut schemas, &mut definition);
    let registry = Registry::builder()
        .schemas_json(&schemas.to_string())
        .and_then(|b| b.resource_types_json(&definition.to_string()))
        .and_then(|b| b.build())
        .unwrap();
    registry.resource_type("Gadget").unwrap().fingerprint()
}

fn set(name: &str, member: &str, value: Value) -> Fingerprint {
    after(|schemas, _| {
        let attributes = schemas[0]["attributes"].as_array_mut().unwrap();
        let attribute = attributes.iter_mut().find(|a| a["name"] == name).unwrap();
        attribute[member] = value;
    })
}

#[test]
fn fingerprint_depends_on_characteristics_of_documents_and_keys() {
    let plain = after(|_, _| {});
    let changed = [
        set("label", "name", json!("Label")),
        set("label", "type", json!("integer")),
        set("label", "multiValued", json!(true)),
        set("label", "caseExact", json!(true)),
        set("label", "uniqueness", json!("server")),
        set("code", "uniqueness", json!("global")),
        set("label", "returned", json!("never")),
        set("label", "mutability", json!("writeOnly")),
        set("crew", "mutability", json!("readOnly")),
        after(|schemas, _| {
            schemas[0]["attributes"].as_array_mut().unwrap().pop();
        }),
        after(|schemas, _| {
            schemas[1]["attributes"]
                .as_array_mut()
                .unwrap()
                .push(json!({"name": "more"}));
        }),
        after(|_, definition| {
            definition["schemaExtensions"].as_array_mut().unwrap().pop();
        }),
        after(|schemas, definition| {
            schemas[0]["id"] = json!("urn:example:3.0:Gadget");
            definition["schema"] = json!("urn:example:3.0:Gadget");
        }),
        after(|schemas, definition| {
            schemas[2]["id"] = json!("urn:example:2.0:Else");
            definition["schemaExtensions"][1]["schema"] = json!("urn:example:2.0:Else");
        }),
    ];
    for (index, fingerprint) in changed.iter().enumerate() {
        assert_ne!(*fingerprint, plain, "{index}");
    }
}

#[test]
fn fingerprint_ignores_everything_else() {
    let plain = after(|_, _| {});
    let same = [
        set("label", "description", json!("said otherwise")),
        set("label", "canonicalValues", json!(["a"])),
        set("label", "required", json!(true)),
        set("label", "mutability", json!("immutable")),
        set("label", "returned", json!("request")),
        after(|schemas, _| schemas[0]["attributes"].as_array_mut().unwrap().reverse()),
        after(|_, definition| {
            definition["schemaExtensions"]
                .as_array_mut()
                .unwrap()
                .reverse();
        }),
        after(|schemas, _| schemas[0]["name"] = json!("Else")),
        after(|_, definition| definition["endpoint"] = json!("/Else")),
        after(|_, definition| definition["description"] = json!("Else")),
        after(|_, definition| definition["schemaExtensions"][0]["required"] = json!(true)),
    ];
    for (index, fingerprint) in same.iter().enumerate() {
        assert_eq!(*fingerprint, plain, "{index}");
    }
}

#[test]
fn fingerprint_prints_as_sixteen_digits() {
    let text = after(|_, _| {}).to_string();
    assert!(
        text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit()),
        "{text}"
    );
}

/// Returns `Gadget` after `edit` changed one attribute's definition.
fn gadget(edit: impl FnOnce(&mut Value, &mut Value)) -> Arc<ResourceType> {
    let mut schemas: Value = serde_json::from_str(include_str!("schemas/gadget.json")).unwrap();
    let mut definition = gadget_type();
    edit(&mut schemas, &mut definition);
    let registry = Registry::builder()
        .schemas_json(&schemas.to_string())
        .and_then(|b| b.resource_types_json(&definition.to_string()))
        .and_then(|b| b.index("Gadget", "label").build())
        .unwrap();
    Arc::clone(registry.resource_type("Gadget").unwrap())
}

fn with(name: &'static str, member: &'static str, value: Value) -> Arc<ResourceType> {
    gadget(|schemas, _| {
        let attributes = schemas[0]["attributes"].as_array_mut().unwrap();
        let attribute = attributes.iter_mut().find(|a| a["name"] == name).unwrap();
        attribute[member] = value;
    })
}

fn with_attribute(attribute: Value) -> Arc<ResourceType> {
    gadget(|schemas, _| {
        let attributes = schemas[0]["attributes"].as_array_mut().unwrap();
        attributes.push(attribute);
    })
}

#[test]
fn key_fingerprint_depends_on_keys_alone() {
    let plain = gadget(|_, _| {}).key_fingerprint();
    let same = [
        with_attribute(json!({"name": "added", "type": "string"})),
        with("label", "returned", json!("request")),
        with("label", "uniqueness", json!("server")),
        with("crew", "mutability", json!("readOnly")),
        gadget(|_, definition| {
            definition["schemaExtensions"].as_array_mut().unwrap().pop();
        }),
    ];
    for (index, kind) in same.iter().enumerate() {
        assert_eq!(kind.key_fingerprint(), plain, "{index}");
    }
    let changed = [
        with_attribute(json!({"name": "added", "type": "string", "uniqueness": "server"})),
        with("label", "caseExact", json!(true)),
        with("label", "multiValued", json!(true)),
        with("label", "type", json!("integer")),
        with("label", "name", json!("Label")),
        with("code", "uniqueness", json!("none")),
    ];
    for (index, kind) in changed.iter().enumerate() {
        assert_ne!(kind.key_fingerprint(), plain, "{index}");
    }
}

#[test]
fn stored_text_is_whole_after_attributes_are_added() {
    let plain = gadget(|_, _| {});
    let more = with_attribute(json!({"name": "added", "type": "string"}));
    assert!(more.shows_all(&plain.shown_attributes()));
    assert!(!plain.shows_all(&more.shown_attributes()));
    let secret = with_attribute(json!({"name": "added", "type": "string", "returned": "never"}));
    assert!(plain.shows_all(&secret.shown_attributes()));
    assert!(!secret.shows_all(&more.shown_attributes()));
    for hidden in [
        with("code", "returned", json!("never")),
        with("code", "mutability", json!("writeOnly")),
        with("label", "name", json!("Label")),
        with("label", "type", json!("integer")),
        with("label", "multiValued", json!(true)),
        gadget(|_, definition| {
            definition["schemaExtensions"].as_array_mut().unwrap().pop();
        }),
    ] {
        assert!(!hidden.shows_all(&plain.shown_attributes()));
    }
}
