//! Admission of whole resources: the table of cases, and arbitrary JSON.

use proptest::prelude::*;
use scimkit_core::Mutability;
use scimkit_registry::{
    Attr, Change, MAX_ELEMENTS, MAX_TEXT, QuirkRecorder, RequestErrorKind, Resource, ResourceType,
    Tolerance,
};
use serde_json::{Map, Value, json};

use crate::world::{EXTRA, GADGET, MORE, gadget, kind, tolerance};

#[derive(serde::Deserialize)]
struct Case {
    admits: Option<Map<String, Value>>,
    /// Whether `schemas` is left unchanged; otherwise it is added if it is missing.
    #[serde(default)]
    bare: bool,
    body: Map<String, Value>,
    case: String,
    detail: Option<String>,
    refuses: Option<String>,
    #[serde(default)]
    tolerance: String,
}

#[test]
fn cases() {
    let gadget = gadget();
    let cases: Vec<Case> = serde_json::from_str(include_str!("cases/admission.json")).unwrap();
    for mut case in cases {
        let name = &case.case;
        if !case.bare && !case.body.contains_key("schemas") {
            let named = [EXTRA, MORE]
                .into_iter()
                .filter(|urn| case.body.contains_key(*urn));
            let schemas: Vec<_> = std::iter::once(GADGET).chain(named).collect();
            case.body.insert("schemas".into(), json!(schemas));
        }
        let witness =
            QuirkRecorder::new(tolerance(&case.tolerance)).with_base_url("https://own.example/v2/");
        let admitted = gadget.admit(Value::Object(case.body), &witness);
        match (case.admits, admitted) {
            (Some(expected), Ok(admitted)) => {
                let mut admitted = admitted.into_map();
                if !expected.contains_key("schemas") {
                    admitted.remove("schemas");
                }
                assert_eq!(admitted, expected, "{name}");
            }
            (None, Err(error)) => {
                let kind = match case.refuses.as_deref() {
                    Some("syntax") => RequestErrorKind::Syntax,
                    Some("value") => RequestErrorKind::Value,
                    other => panic!("{name}: {other:?}"),
                };
                assert_eq!(error.kind(), kind, "{name}: {error}");
                if let Some(detail) = case.detail {
                    assert_eq!(error.detail(), detail, "{name}");
                }
            }
            (_, admitted) => panic!("{name}: {admitted:?}"),
        }
    }
}

#[test]
fn bodies_must_be_objects() {
    for body in [json!(null), json!([]), json!("x"), json!(5)] {
        let error = gadget().admit(body, &Tolerance::DEFAULT).unwrap_err();
        assert_eq!(error.kind(), RequestErrorKind::Syntax);
    }
}

#[test]
fn errors_do_not_repeat_whole_texts() {
    let long = "ä".repeat(100_000);
    let gadget = gadget();
    for body in [
        json!({"flag": long}),
        json!({&long: 1}),
        json!({"place": {&long: 1}}),
    ] {
        let error = gadget
            .admit(body, &tolerance("strict any_schemas"))
            .unwrap_err();
        assert!(error.detail().len() < 400, "{error}");
    }
    let body = json!({"schemas": [long]});
    let error = gadget.admit(body, &Tolerance::STRICT).unwrap_err();
    assert!(error.detail().len() < 400, "{error}");
}

#[test]
fn errors_show_no_control_characters() {
    let body = json!({"flag": "\u{1b}[2J\n"});
    let error = gadget().admit(body, &Tolerance::DEFAULT).unwrap_err();
    assert!(error.detail().ends_with("`\u{fffd}[2J\u{fffd}`"), "{error}");
}

#[test]
fn the_number_of_elements_is_limited() {
    let gadget = gadget();
    let texts = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
    let members = |count| -> Vec<_> {
        let member = |text| json!({"value": text});
        texts(count).into_iter().map(member).collect()
    };
    let body = |path, count| match path {
        "labels" => json!({"labels": texts(count)}),
        "parts" => json!({"parts": members(count)}),
        _ => json!({"parts": [{"tags": texts(count)}]}),
    };
    for path in ["labels", "parts", "parts.tags"] {
        let admit = |count| gadget.admit(body(path, count), &Tolerance::DEFAULT);
        assert!(admit(MAX_ELEMENTS).is_ok(), "{path}");
        let error = admit(MAX_ELEMENTS + 1).unwrap_err();
        assert_eq!(error.kind(), RequestErrorKind::Value);
        let detail = format!("`{path}` has more than {MAX_ELEMENTS} values");
        assert_eq!(error.detail(), detail);
    }
    let crew = json!({"crew": members(MAX_ELEMENTS + 1)});
    let admitted = gadget.admit(crew, &Tolerance::DEFAULT);
    assert_eq!(
        admitted.unwrap().as_map()["crew"].as_array().unwrap().len(),
        MAX_ELEMENTS + 1
    );
}

#[test]
fn admission_ignores_the_order_of_members() {
    let gadget = gadget();
    let bodies = [
        r#"{"place.zip": "1", "label": "l", "place": {"street": "s"}, "LABELS": ["a"]}"#,
        r#"{"LABELS": ["a"], "place": {"street": "s"}, "label": "l", "place.zip": "1"}"#,
    ];
    let [one, other] = bodies.map(|body| {
        gadget
            .admit(serde_json::from_str(body).unwrap(), &Tolerance::DEFAULT)
            .unwrap()
    });
    assert_eq!(one, other);
}

#[test]
fn admission_is_idempotent() {
    let user = kind("User");
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "bjensen", "name.givenName": "Barbara", "active": "True",
        "emails": [{"value": "b@x.org", "type": "work", "primary": "true"}],
        "manager": {"$ref": "../Users/26"},
    });
    let once = user.admit(body, &Tolerance::DEFAULT).unwrap();
    let twice = user
        .admit(Value::Object(once.clone().into_map()), &Tolerance::STRICT)
        .unwrap();
    assert_eq!(once, twice);
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec![
            "",
            "True",
            "a",
            "2011-05-13T04:42:34Z",
            "QQ==",
            "/x/7"
        ])
        .prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((member_name(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn member_name() -> impl Strategy<Value = String> {
    let gadget = gadget();
    let mut names: Vec<String> = gadget
        .attributes()
        .iter()
        .flat_map(|a| [a.path().into(), a.name().into()])
        .collect();
    names.extend([EXTRA, MORE, GADGET, "parts[type eq \"a\"].value", "$ref"].map(String::from));
    names.push(format!("{GADGET}:place.zip"));
    prop_oneof![
        6 => prop::sample::select(names.clone()),
        2 => prop::sample::select(names).prop_map(|name| name.to_uppercase()),
        1 => any::<String>(),
    ]
}

/// Checks that the document satisfies the invariants of `Resource`.
fn assert_kept(kind: &ResourceType, resource: &Resource) {
    let mut members = resource.as_map().clone();
    assert!(
        members
            .remove("schemas")
            .is_some_and(|schemas| schemas[0] == GADGET)
    );
    for (index, extension) in kind.extensions().iter().enumerate() {
        match members.remove(extension.urn().as_str()) {
            Some(Value::Object(inner)) => assert_level(kind, &inner, None, Some(index)),
            None => {}
            other => panic!("{other:?}"),
        }
    }
    assert_level(kind, &members, None, None);
}

fn assert_level(
    kind: &ResourceType,
    members: &Map<String, Value>,
    parent: Option<&Attr>,
    extension: Option<usize>,
) {
    assert!(extension.is_none() && parent.is_none() || !members.is_empty());
    for (name, value) in members {
        let belongs = |a: &&Attr| {
            a.name() == name
                && a.parent() == parent.map(Attr::id)
                && (parent.is_some() || a.extension() == extension)
        };
        let attr = kind.attributes().iter().find(belongs).expect(name);
        assert_ne!(attr.definition().mutability, Mutability::ReadOnly);
        let elements = match value {
            Value::Array(elements) if attr.definition().multi_valued => elements.as_slice(),
            one => {
                assert!(!attr.definition().multi_valued, "{name}: {one}");
                std::slice::from_ref(one)
            }
        };
        assert!(!elements.is_empty(), "{name}");
        for element in elements {
            assert!(!element.is_null() && !element.is_array(), "{name}");
            assert_eq!(element.is_object(), attr.is_complex(), "{name}");
            if let Value::Object(inner) = element {
                assert_level(kind, inner, Some(attr), extension);
            }
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_json_is_admitted_or_rejected(
        members in prop::collection::vec((member_name(), json_value()), 0..8),
        strict in any::<bool>(),
    ) {
        let gadget = gadget();
        let t = if strict { tolerance("strict any_schemas") } else { Tolerance::DEFAULT };
        let body = Value::Object(members.into_iter().collect());
        if let Ok(admitted) = gadget.admit(body, &t) {
            assert_kept(&gadget, &admitted);
            let again = Value::Object(admitted.clone().into_map());
            prop_assert_eq!(&gadget.admit(again, &Tolerance::DEFAULT).unwrap(), &admitted);
            let _ = gadget.check_required(&admitted);
        }
    }

    #[test]
    fn admitted_change_equals_the_creation_of_the_admitted_resource(
        members in prop::collection::vec((member_name(), json_value()), 0..8),
        code in prop::option::of("[a-c]{0,2}"),
    ) {
        let gadget = gadget();
        let mut body: Map<_, _> = members.into_iter().collect();
        body.extend(code.map(|code| ("code".to_owned(), Value::from(code))));
        let resource = gadget.admit_complete(Value::Object(body.clone()), &Tolerance::DEFAULT);
        let change = Change::admit(&gadget, Value::Object(body), &Tolerance::DEFAULT);
        match (change, resource) {
            (Ok(change), Ok(resource)) => {
                let created = Change::create(gadget, resource);
                prop_assert_eq!(change.assignments(), created.assignments());
                prop_assert_eq!(change.edge_changes(), created.edge_changes());
                prop_assert!(change.removals().is_empty());
            }
            (change, resource) => prop_assert_eq!(change.unwrap_err(), resource.unwrap_err()),
        }
    }

    #[test]
    fn admission_ignores_the_case_of_sub_attributes(
        elements in prop::collection::vec(prop::collection::vec((any::<prop::sample::Index>(), json_value()), 0..5), 1..4),
    ) {
        let gadget = gadget();
        for attr in gadget.attributes().iter().filter(|attr| attr.is_complex()) {
            let names: Vec<_> = gadget.children(attr.id()).map(Attr::name).collect();
            // The order of names is the same in capitals.
            let spelled = |spell: fn(&str) -> String| {
                let element = |members: &Vec<(prop::sample::Index, Value)>| {
                    let members = members.iter();
                    let members = members.map(|(at, value)| (spell(names[at.index(names.len())]), value.clone()));
                    Value::Object(members.collect())
                };
                let value = if attr.definition().multi_valued { elements.iter().map(element).collect() } else { element(&elements[0]) };
                gadget.admit_value(attr.id(), value, &Tolerance::DEFAULT)
            };
            prop_assert_eq!(spelled(str::to_owned), spelled(str::to_uppercase));
        }
    }

    #[test]
    fn arbitrary_values_are_admitted_or_rejected(value in json_value()) {
        let gadget = gadget();
        for attr in gadget.attributes() {
            let admitted = gadget.admit_value(attr.id(), value.clone(), &Tolerance::DEFAULT);
            prop_assert!(admitted.is_ok_and(|value| value != Some(Value::Null)) || !value.is_null());
        }
    }
}

#[test]
fn the_length_of_a_text_is_limited() {
    let registry = scimkit_registry::Registry::standard();
    let user = registry.resource_type("User").unwrap();
    let admit = |length| {
        let body = serde_json::json!({"userName": "b", "title": "x".repeat(length)});
        user.admit(body, &Tolerance::DEFAULT)
    };
    assert!(admit(MAX_TEXT).is_ok());
    let error = admit(MAX_TEXT + 1).unwrap_err();
    assert_eq!(error.kind(), RequestErrorKind::Value);
    assert_eq!(error.detail(), "`title` is longer than 65536 bytes");
}
