//! Values of a resource by path.

use proptest::prelude::*;
use scimkit_registry::{RequestErrorKind, Resource};
use serde_json::{Value, json};

use crate::world::{EXTRA, admit, gadget, kind};

fn document() -> Resource {
    admit(
        &gadget(),
        json!({
            "label": "l",
            "flag": false,
            "labels": ["a", "b"],
            "place": {"street": "s", "zip": "1"},
            "parts": [
                {"value": "x", "type": "home", "tags": ["t", "u"]},
                {"value": "y", "type": "work", "primary": true},
                {"value": "z", "type": "WORK", "weight": 2.5},
                {"type": "bare"},
            ],
            "owner": {"value": "26"},
            EXTRA: {"rank": 1, "box": {"a": "1"}},
        }),
    )
}

#[test]
fn values_at_every_form_of_path() {
    let gadget = gadget();
    let document = document();
    for (path, expected) in [
        ("label", json!(["l"])),
        ("LABEL", json!(["l"])),
        ("labels", json!(["a", "b"])),
        ("code", json!([])),
        ("place", json!([{"street": "s", "zip": "1"}])),
        ("place.zip", json!(["1"])),
        ("place.door", json!([])),
        ("parts.value", json!(["x", "y", "z"])),
        ("parts.tags", json!(["t", "u"])),
        (r#"parts[type eq "work"].value"#, json!(["y", "z"])),
        (
            r#"parts[type eq "work" and weight gt 1]"#,
            json!([{"value": "z", "type": "WORK", "weight": 2.5}]),
        ),
        (r#"parts[type eq "none"].value"#, json!([])),
        (r#"place[zip eq "1"].street"#, json!(["s"])),
        (r#"place[zip eq "2"].street"#, json!([])),
        ("owner.value", json!(["26"])),
        ("schemas", json!(["urn:example:2.0:Gadget", EXTRA])),
        (EXTRA, json!([{"rank": 1, "box": {"a": "1"}}])),
        ("urn:example:2.0:EXTRA:box.a", json!(["1"])),
        ("urn:example:2.0:More:solo", json!([])),
        ("urn:example:2.0:More", json!([])),
    ] {
        let found = document
            .at(&gadget, path)
            .unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(json!(found), expected, "{path}");
    }
}

#[test]
fn one_value_is_the_primary_or_the_first() {
    let gadget = gadget();
    let document = document();
    let text = |path| document.text(&gadget, path).unwrap();
    assert_eq!(text("parts"), Some("y"));
    assert_eq!(text("parts.value"), Some("y"));
    assert_eq!(text("parts.type"), Some("work"));
    assert_eq!(text(r#"parts[type eq "home"].value"#), Some("x"));
    assert_eq!(text("parts.tags"), Some("t"));
    assert_eq!(text(r#"parts[type eq "bare"]"#), None);
    assert_eq!(text("labels"), Some("a"));
    assert_eq!(text("owner"), Some("26"));
    assert_eq!(text("flag"), None);
    assert_eq!(document.texts(&gadget, "parts").unwrap(), ["x", "y", "z"]);
    assert_eq!(document.boolean(&gadget, "flag").unwrap(), Some(false));
    assert_eq!(document.boolean(&gadget, "label").unwrap(), None);
    assert_eq!(
        document.boolean(&gadget, "parts.primary").unwrap(),
        Some(true)
    );
}

#[test]
fn paths_without_a_place_in_documents_are_errors() {
    let gadget = gadget();
    let empty = Resource::default();
    for (path, expected) in [
        ("", RequestErrorKind::Path),
        ("label.", RequestErrorKind::Path),
        ("labl", RequestErrorKind::Path),
        ("note", RequestErrorKind::Path),
        ("box.a", RequestErrorKind::Path),
        ("urn:example:2.0:Other:note", RequestErrorKind::Path),
        ("place.planet", RequestErrorKind::Path),
        (r#"label[value eq "l"]"#, RequestErrorKind::Path),
        (r#"parts[colour eq "red"]"#, RequestErrorKind::Filter),
        ("parts[weight eq true]", RequestErrorKind::Filter),
        // They are bound, but no document contains them.
        ("id", RequestErrorKind::Path),
        ("meta.version", RequestErrorKind::Path),
        ("crew.value", RequestErrorKind::Path),
        ("owner.displayName", RequestErrorKind::Path),
        ("token", RequestErrorKind::Path),
        ("vault.value", RequestErrorKind::Path),
        ("lock.value", RequestErrorKind::Path),
    ] {
        for document in [&document(), &empty] {
            let error = document.at(&gadget, path).unwrap_err();
            assert_eq!(error.kind(), expected, "{path}: {error}");
        }
    }
    let error = empty.text(&kind("User"), "emial").unwrap_err();
    assert!(
        error
            .detail()
            .contains("`emial` is not an attribute of User"),
        "{error}"
    );
    let error = empty.text(&kind("User"), "groups").unwrap_err();
    assert_eq!(error.detail(), "`groups` is not part of a document of User");
}

/// Returns any JSON object with names of the schema, whatever their values.
fn any_document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "work|.{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 30, 4, |inner| {
        let name = "parts|place|value|type|primary|tags|zip|owner|urn:example:2.0:Extra|box|a";
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn documents_of_any_shape_can_be_read(document in any_document(), path in ".{0,12}") {
        let gadget = gadget();
        if let Ok(document) = Resource::restore(document.to_string().as_bytes()) {
            for path in [
                "parts", "parts.value", "parts.tags", r#"parts[type eq "work"].tags"#, "place.zip",
                r#"owner[value pr].value"#, EXTRA, "urn:example:2.0:Extra:box.a",
            ] {
                let values = document.at(&gadget, path).unwrap();
                prop_assert!(values.len() >= document.texts(&gadget, path).unwrap().len());
                prop_assert!(document.text(&gadget, path).is_ok() && document.boolean(&gadget, path).is_ok());
            }
            let _ = document.at(&gadget, &path);
        }
    }
}
