//! Required attributes of a resource.

use scimkit_core::Schema;
use scimkit_registry::{RequestErrorKind, Tolerance};
use serde_json::{Value, json};

use crate::world::{EXTRA, admit, builder, gadget_type};

#[test]
fn errors_name_missing_attributes() {
    let gadget = crate::world::gadget();
    let place = |place: Value| json!({"code": "a", "place": place});
    let extra = |extra: Value| json!({"code": "a", EXTRA: extra});
    let cases = [
        (json!({}), Some("code")),
        (json!({"code": null}), Some("code")),
        (json!({"code": "a"}), None),
        (place(json!({"zip": "1"})), Some("place.street")),
        // The second required part is checked like the first.
        (place(json!({"street": "s"})), Some("place.zip")),
        (place(json!({"street": "s", "zip": "1"})), None),
        (place(json!({})), None),
        (
            extra(json!({"note": "n"})),
            Some("urn:example:2.0:Extra:rank"),
        ),
        (extra(json!({"rank": 1})), None),
        (extra(json!({})), None),
    ];
    for (body, missing) in cases {
        let checked = gadget.check_required(&admit(&gadget, body.clone()));
        match missing {
            None => assert_eq!(checked, Ok(()), "{body}"),
            Some(path) => {
                let error = checked.unwrap_err();
                assert_eq!(
                    error.detail(),
                    format!("`{path}` is required but missing"),
                    "{body}"
                );
                assert_eq!(error.kind(), RequestErrorKind::Value);
            }
        }
    }
}

#[test]
fn each_element_needs_its_required_sub_attributes() {
    let schema = r#"{"id": "urn:example:Box", "attributes": [
        {"name": "keys", "type": "complex", "multiValued": true, "subAttributes": [
            {"name": "value", "required": true},
            {"name": "made", "required": true, "mutability": "readOnly"}]},
        {"name": "boss", "type": "complex", "subAttributes": [
            {"name": "value", "required": true},
            {"name": "$ref", "type": "reference", "referenceTypes": ["User"], "required": true}]},
        {"name": "made", "required": true, "mutability": "readOnly"}]}"#;
    let definition = r#"{"name": "Box", "endpoint": "/Boxes", "schema": "urn:example:Box"}"#;
    let registry = scimkit_registry::Registry::builder()
        .schema(Schema::from_json(schema).unwrap())
        .resource_types_json(definition)
        .and_then(|b| b.build())
        .unwrap();
    let kind = registry.resource_type("Box").unwrap();
    let check = |body| kind.check_required(&admit(kind, body));
    assert_eq!(check(json!({})), Ok(()));
    assert_eq!(
        check(json!({"keys": [{"value": "1"}], "boss": {"value": "7"}})),
        Ok(())
    );
    assert!(
        kind.admit(json!({"keys": [{"value": ""}]}), &Tolerance::DEFAULT)
            .is_err()
    );
    // An element without any value is not an element, so it needs none.
    assert_eq!(
        check(json!({"keys": [{"value": "1"}, {"value": null}]})),
        Ok(())
    );
}

#[test]
fn required_extensions_are_checked() {
    let mut definition = gadget_type();
    definition["schemaExtensions"][0]["required"] = json!(true);
    let registry = builder()
        .resource_types_json(&definition.to_string())
        .and_then(|b| b.build())
        .unwrap();
    let gadget = registry.resource_type("Gadget").unwrap();
    assert!(gadget.extensions()[0].is_required());
    let check = |body| {
        gadget
            .check_required(&admit(gadget, body))
            .map_err(|e| e.to_string())
    };
    let missing = Err(format!("`{EXTRA}` is required but missing"));
    assert_eq!(check(json!({"code": "a"})), missing);
    assert_eq!(check(json!({"code": "a", EXTRA: {"note": null}})), missing);
    assert_eq!(check(json!({"code": "a", EXTRA: {"rank": 1}})), Ok(()));
}
