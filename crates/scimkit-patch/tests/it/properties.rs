//! Properties of all patches.

use std::collections::BTreeSet;

use proptest::{collection::vec, prelude::*, sample::select};
use scimkit_patch::{diff, replace};
use scimkit_registry::{Budget, Quirk, Tolerance};
use serde_json::{Map, Value, json};

use crate::harness::{World, kind, patch};

pub(crate) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn text() -> impl Strategy<Value = Value> {
    select(vec!["a", "b", "B", "é", "x@y.example"]).prop_map(Value::from)
}

fn kind_of_value() -> impl Strategy<Value = Value> {
    select(vec!["work", "home", "other"]).prop_map(Value::from)
}

fn element() -> impl Strategy<Value = Value> {
    (
        proptest::option::of(text()),
        proptest::option::of(kind_of_value()),
        any::<Option<bool>>(),
    )
        .prop_map(
            |(value, kind, primary)| json!({"value": value, "type": kind, "primary": primary}),
        )
}

/// Returns elements of which at most one is primary.
fn elements() -> impl Strategy<Value = Value> {
    vec(element(), 0..4).prop_map(|mut elements| {
        let mut seen = false;
        for element in &mut elements {
            if element["primary"] == true && std::mem::replace(&mut seen, true) {
                element["primary"] = Value::Bool(false);
            }
        }
        Value::Array(elements)
    })
}

fn user() -> impl Strategy<Value = Value> {
    let optional = || proptest::option::of(text());
    let name = (optional(), optional());
    let work = (optional(), optional(), optional());
    let top = (optional(), any::<Option<bool>>());
    (text(), top, name, work, elements()).prop_map(|(user, top, name, work, emails)| {
        json!({
            "userName": user, "title": top.0, "active": top.1, "emails": emails,
            "name": {"givenName": name.0, "familyName": name.1},
            ENTERPRISE: {"department": work.0, "division": work.1, "manager": {"value": work.2}},
        })
    })
}

/// Returns operations that a strict service understands; some fail.
fn operation() -> impl Strategy<Value = Value> {
    let op = || select(vec!["add", "replace"]);
    let manager = format!("{ENTERPRISE}:manager.value");
    let department = format!("{ENTERPRISE}:department");
    let plain = vec![
        "title".to_owned(),
        "nickName".to_owned(),
        "name.givenName".to_owned(),
        "name.familyName".to_owned(),
        "userName".to_owned(),
        manager,
        department,
    ];
    let which = vec![
        r#"emails[type eq "work"]"#,
        r#"emails[primary eq true]"#,
        r#"emails[value eq "a"]"#,
        r#"emails[not (type pr)]"#,
        r#"emails[type eq "home" or value eq "b"]"#,
    ];
    let which = move || select(which.clone());
    let all = [
        "emails",
        ENTERPRISE,
        "name",
        "name.givenName",
        "title",
        "emails.type",
    ];
    prop_oneof![
        (op(), select(plain), text())
            .prop_map(|(op, path, value)| json!({"op": op, "path": path, "value": value})),
        (op(), elements())
            .prop_map(|(op, value)| json!({"op": op, "path": "emails", "value": value})),
        (op(), which(), element())
            .prop_map(|(op, path, value)| json!({"op": op, "path": path, "value": value})),
        (op(), which(), any::<bool>()).prop_map(|(op, path, value)| {
            json!({"op": op, "path": format!("{path}.primary"), "value": value})
        }),
        (op(), user()).prop_map(|(op, value)| json!({"op": op, "value": value})),
        which().prop_map(|path| json!({"op": "remove", "path": path})),
        which().prop_map(|path| json!({"op": "remove", "path": format!("{path}.type")})),
        select(all.to_vec()).prop_map(|path| json!({"op": "remove", "path": path})),
    ]
}

fn body(operations: &[Value]) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations})
}

fn profile() -> impl Strategy<Value = Tolerance> {
    select(vec![Tolerance::DEFAULT, Tolerance::STRICT])
}

/// Applies the simplest meaning of PATCH for paths of single values: set the value, or remove it.
fn model(state: &mut Map<String, Value>, path: &[&str], value: Option<&Value>) {
    let [name, rest @ ..] = path else { return };
    if rest.is_empty() {
        match value {
            Some(value) => drop(state.insert((*name).to_owned(), value.clone())),
            None => drop(state.remove(*name)),
        }
        return;
    }
    let inner = state.entry((*name).to_owned()).or_insert_with(|| json!({}));
    model(inner.as_object_mut().unwrap(), rest, value);
    if inner.as_object().unwrap().is_empty() {
        state.remove(*name);
    }
}

/// Returns arbitrary JSON with meaningful names.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i8>().prop_map(Value::from),
        text(),
        Just(Value::from("True")),
    ];
    let names = vec![
        "active",
        "display",
        "emails",
        "emails[type eq \"work\"].value",
        "givenName",
        "id",
        "manager",
        "name",
        "name.familyName",
        "primary",
        "roles",
        "schemas",
        "type",
        "userName",
        "value",
        "$ref",
        "department",
        ENTERPRISE,
    ];
    leaf.prop_recursive(3, 24, 4, move |inner| {
        let name = select(names.clone()).prop_map(str::to_owned);
        let object = proptest::collection::btree_map(name, inner.clone(), 0..4);
        prop_oneof![
            vec(inner, 0..4).prop_map(Value::from),
            object.prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn any_operation() -> impl Strategy<Value = Value> {
    let paths = vec![
        "active",
        "emails",
        "emails.type",
        "emails[",
        "emails[type eq \"work\"]",
        "emails[primary eq true].display",
        "manager",
        "name",
        "name.givenName",
        "roles.value",
        "schemas",
        "userName",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.$ref",
        ENTERPRISE,
    ];
    let path = proptest::option::of(select(paths));
    (
        select(vec!["add", "remove", "replace"]),
        path,
        proptest::option::of(json_value()),
    )
        .prop_map(|(op, path, value)| {
            let mut operation = json!({"op": op, "path": path});
            if let Some(value) = value {
                operation["value"] = value;
            }
            operation
        })
}

proptest! {
    #[test]
    fn arbitrary_operations_leave_a_valid_resource(
        before in user(), operations in vec(any_operation(), 1..4), t in profile(),
    ) {
        let kind = kind("User");
        let mut world = World::of(kind, before);
        if let Ok(change) = patch(kind, "1", &world, body(&operations), &t) {
            world.apply(kind, &change);
            let again = kind.admit(world.shown(kind), &Tolerance::STRICT).unwrap();
            prop_assert_eq!(&again, &world.document);
            kind.check_required(&world.document).unwrap();
        }
    }

    #[test]
    fn errors_name_no_quirk_that_is_already_accepted(
        before in user(), operations in vec(any_operation(), 1..4), accepted in any::<u32>(),
    ) {
        let mut json = json!({"profile": "strict"});
        for (at, quirk) in Quirk::ALL.iter().enumerate() {
            json[quirk.name()] = json!(accepted & (1 << at) != 0);
        }
        let t: Tolerance = serde_json::from_value(json).unwrap();
        let kind = kind("User");
        if let Err(rejected) = patch(kind, "1", &World::of(kind, before), body(&operations), &t) {
            for quirk in Quirk::ALL.iter().filter(|quirk| t.accepts(**quirk)) {
                let named = rejected.detail.contains(&format!("`{}` would accept", quirk.name()));
                prop_assert!(!named, "{}", rejected.detail);
            }
        }
    }

    #[test]
    fn patched_resources_can_be_admitted(
        before in user(), operations in vec(operation(), 1..6), t in profile(),
    ) {
        let kind = kind("User");
        let mut world = World::of(kind, before);
        if let Ok(change) = patch(kind, "1", &world, body(&operations), &t) {
            world.apply(kind, &change);
            let again = kind.admit(world.shown(kind), &Tolerance::STRICT).unwrap();
            prop_assert_eq!(&again, &world.document);
        }
    }

    #[test]
    fn changes_contain_only_differences(
        before in user(), operations in vec(operation(), 1..6), t in profile(),
    ) {
        let kind = kind("User");
        let mut world = World::of(kind, before);
        if let Ok(change) = patch(kind, "1", &world, body(&operations), &t) {
            let was = world.document.clone();
            world.apply(kind, &change);
            for (id, value) in change.assignments() {
                prop_assert_ne!(was.get(kind, *id), Some(value));
            }
            for id in change.removals() {
                prop_assert!(was.get(kind, *id).is_some());
            }
            prop_assert_eq!(change.is_empty(), was == world.document);
        }
    }

    #[test]
    fn replacing_is_idempotent(before in user(), after in user(), t in profile()) {
        let kind = kind("User");
        let mut world = World::of(kind, before);
        let operations = [json!({"op": "replace", "value": after})];
        let once = patch(kind, "1", &world, body(&operations), &t).unwrap();
        world.apply(kind, &once);
        prop_assert!(patch(kind, "1", &world, body(&operations), &t).unwrap().is_empty());
    }

    #[test]
    fn adding_is_idempotent(before in user(), given in elements(), t in profile()) {
        let kind = kind("User");
        let mut world = World::of(kind, before);
        let operations = [json!({"op": "add", "path": "emails", "value": given})];
        let once = patch(kind, "1", &world, body(&operations), &t).unwrap();
        world.apply(kind, &once);
        prop_assert!(patch(kind, "1", &world, body(&operations), &t).unwrap().is_empty());
    }

    #[test]
    fn operations_of_one_patch_equal_separate_patches(
        before in user(), operations in vec(operation(), 1..5), t in profile(),
    ) {
        let kind = kind("User");
        let mut together = World::of(kind, before);
        let mut one_by_one = together.clone();
        let each = operations.iter().try_for_each(|operation| {
            let operation = std::slice::from_ref(operation);
            let change = patch(kind, "1", &one_by_one, body(operation), &t)?;
            one_by_one.apply(kind, &change);
            Ok::<(), crate::harness::Rejected>(())
        });
        match patch(kind, "1", &together, body(&operations), &t) {
            Ok(change) => {
                together.apply(kind, &change);
                prop_assert_eq!(each, Ok(()));
                prop_assert_eq!(together, one_by_one);
            }
            Err(_) => prop_assert!(each.is_err()),
        }
    }

    #[test]
    fn changes_agree_with_the_model(
        before in user(), operations in vec(operation(), 1..6), t in profile(),
    ) {
        let kind = kind("User");
        let mut world = World::of(kind, before);
        let mut was = Value::Object(world.document.as_map().clone());
        was.as_object_mut().unwrap().remove("schemas");
        let create = t == Tolerance::DEFAULT;
        let model = crate::model::patched(&was, &operations, create);
        match patch(kind, "1", &world, body(&operations), &t) {
            Ok(change) => {
                world.apply(kind, &change);
                let mut now = world.document.as_map().clone();
                now.remove("schemas");
                prop_assert_eq!(Some(Value::Object(now)), model);
            }
            Err(rejected) => prop_assert_eq!(model, None, "{}", rejected.detail),
        }
    }

    /// Checks operations that do not change the selection of their own path.
    #[test]
    fn repeating_an_operation_changes_nothing(
        before in user(),
        operation in prop_oneof![
            operation().prop_filter("of single values", |o| {
                o["op"] != "remove" && o["path"].as_str().is_none_or(|path| !path.contains('['))
            }),
            (select(vec!["add", "replace"]), select(vec!["work", "home"]), text()).prop_map(
                |(op, kind, value)| {
                    let path = format!(r#"emails[type eq "{kind}"].display"#);
                    json!({"op": op, "path": path, "value": value})
                }
            ),
        ],
        t in profile(),
    ) {
        let kind = kind("User");
        let mut world = World::of(kind, before);
        let operations = [operation];
        if let Ok(once) = patch(kind, "1", &world, body(&operations), &t) {
            world.apply(kind, &once);
            prop_assert!(patch(kind, "1", &world, body(&operations), &t).unwrap().is_empty());
        }
    }

    #[test]
    fn applying_a_difference_of_members_gives_the_other_members(
        before in vec(0..9u8, 0..6), after in vec(0..9u8, 0..6),
    ) {
        let kind = kind("Group");
        let group = |ids: &[u8]| {
            let members = ids.iter().map(|id| json!({"value": id.to_string()}));
            let members = Value::Array(members.collect());
            json!({"displayName": "g", "members": members})
        };
        let admit = |ids: &[u8]| kind.admit(group(ids), &Tolerance::DEFAULT).unwrap();
        let mut world = World::of(kind, group(&before));
        world.apply(kind, &diff(kind, &admit(&before), &admit(&after)));
        let ids = |world: &World| {
            let edges = world.edges.iter().flat_map(|list| &list.edges);
            edges.map(|edge| edge.id.to_string()).collect::<BTreeSet<_>>()
        };
        prop_assert_eq!(ids(&world), ids(&World::of(kind, group(&after))));
    }

    #[test]
    fn single_values_agree_with_the_model(
        before in user(),
        edits in vec(
            (select(vec!["title", "nickName", "name/givenName", "name/familyName"]),
             proptest::option::of(text())),
            1..8,
        ),
        t in profile(),
    ) {
        let kind = kind("User");
        let mut world = World::of(kind, before);
        let mut expected = world.document.as_map().clone();
        let operations = edits.iter().map(|(path, value)| {
            model(&mut expected, &path.split('/').collect::<Vec<_>>(), value.as_ref());
            let path = path.replace('/', ".");
            match value {
                Some(value) => json!({"op": "replace", "path": path, "value": value}),
                None => json!({"op": "remove", "path": path}),
            }
        });
        let operations: Vec<Value> = operations.collect();
        let change = patch(kind, "1", &world, body(&operations), &t).unwrap();
        world.apply(kind, &change);
        prop_assert_eq!(world.document.as_map(), &expected);
    }

    #[test]
    fn putting_a_patched_resource_changes_nothing(
        before in user(), operations in vec(operation(), 1..4),
    ) {
        let kind = kind("User");
        let mut world = World::of(kind, before);
        if let Ok(change) = patch(kind, "1", &world, body(&operations), &Tolerance::DEFAULT) {
            world.apply(kind, &change);
        }
        let put = replace(kind, world.shown(kind), &Tolerance::STRICT).unwrap();
        prop_assert!(put.apply(&world.document, &Budget::unlimited()).unwrap().is_empty());
    }

    #[test]
    fn put_gives_the_resource_that_was_sent(before in user(), after in user()) {
        let kind = kind("User");
        let mut world = World::of(kind, before);
        let put = replace(kind, after.clone(), &Tolerance::DEFAULT).unwrap();
        world.apply(kind, &put.apply(&world.document, &Budget::unlimited()).unwrap());
        prop_assert_eq!(world, World::of(kind, after));
    }

    #[test]
    fn applying_a_diff_gives_the_other_resource(before in user(), after in user()) {
        let kind = kind("User");
        let admit = |body| kind.admit(body, &Tolerance::DEFAULT).unwrap();
        let mut before = admit(before);
        let after = admit(after);
        let change = diff(kind, &before, &after);
        prop_assert_eq!(change.is_empty(), before == after);
        change.apply(&mut before);
        prop_assert_eq!(before, after);
    }

    #[test]
    fn errors_name_the_first_operation_that_fails(
        before in user(), operations in vec(operation(), 0..4), t in profile(),
    ) {
        let kind = kind("User");
        let world = World::of(kind, before);
        let bad = [&operations[..], &[json!({"op": "add", "path": "nosuch", "value": 1})]].concat();
        let rejected = patch(kind, "1", &world, body(&bad), &t).unwrap_err();
        let number = rejected.detail.strip_prefix("operation ").and_then(|d| d.split(':').next());
        prop_assert!(number.unwrap().parse::<usize>().unwrap() <= bad.len());
    }

    #[test]
    fn duplicate_members_are_merged(
        before in vec(0..6u8, 0..6),
        edits in vec((0..5u8, vec(0..6u8, 1..4)), 1..8),
        t in profile(),
    ) {
        let kind = kind("Group");
        let list = |ids: &[u8]| ids.iter().map(|id| json!({"value": id.to_string()})).collect();
        let members = Value::Array(list(&before));
        let mut world = World::of(kind, json!({"displayName": "g", "members": members}));
        let mut expected: BTreeSet<u8> = before.into_iter().collect();
        let operations = edits.iter().map(|(what, ids)| {
            let terms = |op| ids.iter().map(|id| format!(r#"value {op} "{id}""#)).collect::<Vec<_>>();
            let given: BTreeSet<u8> = ids.iter().copied().collect();
            match what {
                0 => {
                    expected.extend(&given);
                    json!({"op": "add", "path": "members", "value": Value::Array(list(ids))})
                }
                1 => {
                    expected = given;
                    json!({"op": "replace", "path": "members", "value": Value::Array(list(ids))})
                }
                2 => {
                    expected.retain(|id| !given.contains(id));
                    let terms = terms("eq").join(" or ");
                    json!({"op": "remove", "path": format!("members[{terms}]")})
                }
                3 => {
                    expected.retain(|id| given.contains(id));
                    let terms = terms("ne").join(" and ");
                    json!({"op": "remove", "path": format!("members[{terms}]")})
                }
                _ => {
                    expected.clear();
                    json!({"op": "remove", "path": "members"})
                }
            }
        });
        let operations: Vec<Value> = operations.collect();
        let change = patch(kind, "1", &world, body(&operations), &t).unwrap();
        world.apply(kind, &change);
        let left = world.edges.iter().flat_map(|list| &list.edges);
        let left: BTreeSet<u8> = left.map(|edge| edge.id.as_str().parse().unwrap()).collect();
        prop_assert_eq!(left, expected);
    }
}

#[test]
fn nested_arrays_are_rejected() {
    let path = r#"emails[type eq "work"]"#;
    let operation = json!({"op": "replace", "path": path, "value": [["a"]]});
    let kind = kind("User");
    let world = World::of(kind, json!({"userName": "a"}));
    let rejected = patch(kind, "1", &world, body(&[operation]), &Tolerance::DEFAULT).unwrap_err();
    assert_eq!(
        rejected.detail,
        "operation 1: `emails` must be an object but is an array"
    );
}
