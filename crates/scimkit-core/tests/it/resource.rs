//! Users and groups as Rust types.

use proptest::prelude::*;
use scimkit_core::{EnterpriseUser, Group, MultiValue, User, builtin};
use serde_json::{Value, from_value, json, to_value};

/// Returns a value of an attribute of any name, as a document may have it.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        Just(json!([])),
        Just(json!({})),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        let name = "value|type|TITLE|userName|.{0,4}";
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn unassigned() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![Value::Null, json!([]), json!({})])
}

fn text() -> impl Strategy<Value = Value> {
    prop_oneof![4 => ".{0,8}".prop_map(Value::from), 1 => unassigned()]
}

fn boolean() -> impl Strategy<Value = Value> {
    prop_oneof![4 => any::<bool>().prop_map(Value::from), 1 => unassigned()]
}

/// Returns an object with some of these members, and some that are in no schema.
fn object(members: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let names: Vec<_> = members.iter().map(|(name, _)| *name).collect();
    let values: Vec<_> = members
        .into_iter()
        .map(|(_, value)| prop::option::of(value))
        .collect();
    let others =
        prop::collection::btree_map("x[a-z]{0,3}|urn:example:2.0:[A-C]", any_value(), 0..3);
    let build = move |(values, others): (
        Vec<Option<Value>>,
        std::collections::BTreeMap<String, Value>,
    )| {
        let known = names.iter().map(|name| (*name).to_owned()).zip(values);
        let known = known.filter_map(|(name, value)| Some((name, value?)));
        Value::Object(known.chain(others).collect())
    };
    (values, others).prop_map(build).boxed()
}

fn elements() -> BoxedStrategy<Value> {
    let element = object(vec![
        ("value", text().boxed()),
        ("display", text().boxed()),
        ("type", text().boxed()),
        ("primary", boolean().boxed()),
        ("$ref", text().boxed()),
    ]);
    let list = prop::collection::vec(element, 0..3).prop_map(Value::from);
    prop_oneof![4 => list, 1 => unassigned()].boxed()
}

fn user() -> BoxedStrategy<Value> {
    let name = object(vec![
        ("givenName", text().boxed()),
        ("familyName", text().boxed()),
    ]);
    let address = object(vec![
        ("country", text().boxed()),
        ("primary", boolean().boxed()),
    ]);
    let manager = object(vec![
        ("value", text().boxed()),
        ("displayName", text().boxed()),
    ]);
    let enterprise = object(vec![("department", text().boxed()), ("manager", manager)]);
    object(vec![
        (
            "schemas",
            prop::collection::vec(".{0,8}", 0..3)
                .prop_map(Value::from)
                .boxed(),
        ),
        ("id", text().boxed()),
        ("userName", text().boxed()),
        ("name", name),
        ("title", text().boxed()),
        ("active", boolean().boxed()),
        ("password", text().boxed()),
        ("emails", elements()),
        ("groups", elements()),
        ("x509Certificates", elements()),
        (
            "addresses",
            prop::collection::vec(address, 0..2)
                .prop_map(Value::from)
                .boxed(),
        ),
        ("meta", any_value().boxed()),
        (builtin::ENTERPRISE_USER, enterprise),
    ])
}

proptest! {
    #[test]
    fn users_round_trip(document in user()) {
        let user: User = from_value(document.clone()).unwrap();
        prop_assert_eq!(to_value(&user).unwrap(), document);
    }

    #[test]
    fn groups_round_trip(
        document in object(vec![("displayName", text().boxed()), ("members", elements())]),
    ) {
        let group: Group = from_value(document.clone()).unwrap();
        prop_assert_eq!(to_value(&group).unwrap(), document);
    }

    #[test]
    fn reading_any_json_fails_or_loses_nothing(document in any_value()) {
        if let Ok(user) = from_value::<User>(document.clone()) {
            let written = to_value(&user).unwrap();
            prop_assert_eq!(written.as_object().unwrap().len(), document.as_object().unwrap().len());
            prop_assert_eq!(from_value::<User>(written).unwrap(), user);
        }
    }
}

#[test]
fn names_ignore_case_and_occur_once() {
    let user: User = from_value(json!({
        "USERNAME": "bjensen",
        "URN:ietf:params:scim:schemas:extension:enterprise:2.0:user": {"Manager": {"VALUE": "26"}},
    }))
    .unwrap();
    assert_eq!(user.manager_id(), Some("26"));
    assert_eq!(
        to_value(&user).unwrap(),
        json!({"userName": "bjensen", builtin::ENTERPRISE_USER: {"manager": {"value": "26"}}})
    );
    let error = from_value::<User>(json!({"username": "a", "USERNAME": "b"})).unwrap_err();
    assert_eq!(error.to_string(), "`userName` occurs twice in one object");
}

#[test]
fn values_of_another_type_are_named() {
    for (document, expected) in [
        (
            json!({"active": "True"}),
            "`active`: invalid type: string \"True\", expected a boolean",
        ),
        (json!({"emails": {"value": "b@x.example"}}), "`emails`: "),
        (
            json!({"emails": ["b@x.example"]}),
            "`emails`: invalid type: string",
        ),
        (
            json!({"emails": [{"primary": 1}]}),
            "`emails`: `primary`: invalid type: integer",
        ),
        (json!({"name": "Babs"}), "`name`: invalid type: string"),
    ] {
        let error = from_value::<User>(document).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    assert!(from_value::<User>(json!([])).is_err());
}

#[test]
fn a_field_that_is_set_replaces_an_unassigned_member() {
    let mut user: User = from_value(json!({"title": null, "emails": []})).unwrap();
    user.title = Some("Guide".to_owned());
    user.emails.push(MultiValue::new("b@x.example"));
    let written = json!({"title": "Guide", "emails": [{"value": "b@x.example"}]});
    assert_eq!(to_value(&user).unwrap(), written);
}

#[test]
fn addresses_by_type_and_preference() {
    let with = |emails: Value| from_value::<User>(json!({"emails": emails})).unwrap();
    let home = json!({"type": "home", "value": "h"});
    let work = json!({"type": "Work", "value": "w"});
    let preferred = json!({"type": "work", "value": "p", "primary": true});
    let user = with(json!([home, work, preferred]));
    assert_eq!(
        (user.primary_email(), user.work_email()),
        (Some("p"), Some("p"))
    );
    let user = with(json!([home, work]));
    assert_eq!(
        (user.primary_email(), user.work_email()),
        (Some("h"), Some("w"))
    );
    let user = with(json!([home]));
    assert_eq!((user.primary_email(), user.work_email()), (Some("h"), None));
    assert_eq!(User::default().primary_email(), None);
}

#[test]
fn the_shown_name_is_the_first_that_is_not_empty() {
    for (document, expected) in [
        (
            json!({"displayName": "Babs", "userName": "b"}),
            Some("Babs"),
        ),
        (
            json!({"displayName": "", "name": {"formatted": "Ms. B", "givenName": "B"}}),
            Some("Ms. B"),
        ),
        (
            json!({"name": {"familyName": "Jensen"}, "userName": "b"}),
            Some("Jensen"),
        ),
        (
            json!({"name": {"middleName": "X"}, "userName": "b"}),
            Some("b"),
        ),
        (json!({}), None),
    ] {
        let user: User = from_value(document).unwrap();
        assert_eq!(user.shown_name().as_deref(), expected);
    }
}

#[test]
fn members_are_found_by_id() {
    let members =
        json!([{"value": "2819c223"}, {"display": "without an id"}, {"value": "902c246b"}]);
    let group: Group =
        from_value(json!({"displayName": "Tour Guides", "members": members})).unwrap();
    assert_eq!(
        group.member_ids().collect::<Vec<_>>(),
        ["2819c223", "902c246b"]
    );
    assert!(group.has_member("902c246b"));
    assert!(!group.has_member("902C246B"));
}

#[test]
fn the_password_is_not_shown() {
    let user: User = from_value(json!({"userName": "babs", "Password": "secret"})).unwrap();
    let shown = format!("{user:?}");
    assert!(
        shown.contains("babs") && !shown.contains("secret"),
        "{shown}"
    );
}

#[test]
fn only_false_is_inactive() {
    for (active, expected) in [(Some(true), true), (Some(false), false), (None, true)] {
        let user = User {
            active,
            ..User::default()
        };
        assert_eq!(user.is_active(), expected);
    }
}

#[test]
fn extensions_are_types_of_their_own() {
    let extension: EnterpriseUser = from_value(json!({"costCenter": "7", "badge": 1})).unwrap();
    assert_eq!(extension.cost_center.as_deref(), Some("7"));
    assert_eq!(extension.other["badge"], 1);
}
