//! Limits on the result of a patch, and on the work for it.

use std::sync::Arc;

use proptest::{collection::vec, prelude::*, sample::select};
use scimkit_registry::{
    AttrEdges, Edge, MAX_ELEMENTS, Registry, ResourceType, Tolerance, fold_case,
};
use serde_json::{Value, json};

use crate::harness::{Rejected, World, kind, patch};

fn email(number: usize) -> Value {
    json!({"value": format!("{number}@example.com"), "type": "work"})
}

fn emails(numbers: std::ops::Range<usize>) -> Value {
    numbers.map(email).collect()
}

fn patched(world: &World, operations: Value) -> Result<World, Rejected> {
    let kind = kind("User");
    let mut body = json!({});
    body["Operations"] = operations;
    let change = patch(kind, "1", world, body, &Tolerance::DEFAULT)?;
    let mut after = world.clone();
    after.apply(kind, &change);
    Ok(after)
}

fn count(world: &World) -> usize {
    let emails = world.document.as_map().get("emails");
    emails.and_then(Value::as_array).map_or(0, Vec::len)
}

#[test]
fn the_element_limit_holds_after_every_operation() {
    let body = json!({"userName": "u", "emails": emails(0..MAX_ELEMENTS - 1)});
    let world = World::of(kind("User"), body);
    let add = |number| json!({"op": "add", "path": "emails", "value": email(number)});
    let create = json!({"op": "replace", "path": "emails[type eq \"fax\"].value", "value": "f"});

    let full = patched(&world, json!([add(MAX_ELEMENTS), add(1)])).unwrap();
    assert_eq!(count(&full), MAX_ELEMENTS);
    assert_eq!(patched(&full, json!([add(1)])).unwrap(), full);

    let remove = json!({"op": "remove", "path": "emails[value eq \"1@example.com\"]"});
    for one_more in [add(MAX_ELEMENTS + 1), create] {
        let rejected = patched(&full, json!([one_more, remove])).unwrap_err();
        assert_eq!(rejected.scim_type, "invalidValue");
        let detail = "operation 1: `emails` has more than 1000 values";
        assert_eq!(rejected.detail, detail);
        let replaced = patched(&full, json!([remove, one_more])).unwrap();
        assert_eq!(count(&replaced), MAX_ELEMENTS);
    }
    let all = emails(0..MAX_ELEMENTS + 1);
    for op in ["add", "replace", "remove"] {
        let rejected = patched(
            &world,
            json!([{"op": op, "path": "emails", "value": all.clone()}]),
        );
        assert_eq!(rejected.unwrap_err().scim_type, "invalidValue", "{op}");
    }
}

#[test]
fn the_element_limit_holds_inside_elements() {
    let schema = json!({"id": "urn:example:2.0:Shelf", "attributes": [
        {"name": "boxes", "type": "complex", "multiValued": true, "subAttributes": [
            {"name": "value"}, {"name": "tags", "multiValued": true}]}]});
    let definition =
        json!({"name": "Shelf", "endpoint": "/Shelves", "schema": "urn:example:2.0:Shelf"});
    let registry = registry(&schema, &definition);
    let shelf = registry.resource_type("Shelf").unwrap();
    let tags: Vec<String> = (0..MAX_ELEMENTS).map(|n| n.to_string()).collect();
    let world = World::of(shelf, json!({"boxes": [{"value": "a", "tags": tags}]}));
    let add = |tag| {
        let path = "boxes[value eq \"a\"].tags";
        let body = json!({"Operations": [{"op": "add", "path": path, "value": [tag]}]});
        patch(shelf, "1", &world, body, &Tolerance::DEFAULT)
    };
    assert!(add("7").unwrap().is_empty());
    let detail = "operation 1: `boxes.tags` has more than 1000 values";
    assert_eq!(add("x").unwrap_err().detail, detail);
}

#[test]
fn members_are_exempt_from_the_element_limit() {
    let group = kind("Group");
    let members: Value = (0..=MAX_ELEMENTS)
        .map(|n| json!({"value": n.to_string()}))
        .collect();
    let world = World::of(group, json!({"displayName": "g"}));
    for operations in [
        json!([{"op": "add", "path": "members", "value": members}]),
        json!([
            {"op": "remove", "path": "members[type eq \"Group\"]"},
            {"op": "add", "path": "members", "value": members},
        ]),
    ] {
        let body = json!({"Operations": operations});
        let mut after = world.clone();
        after.apply(
            group,
            &patch(group, "g", &world, body, &Tolerance::DEFAULT).unwrap(),
        );
        assert_eq!(after.edges[0].edges.len(), MAX_ELEMENTS + 1);
    }
}

fn registry(schemas: &Value, types: &Value) -> Registry {
    let builder = Registry::builder().schemas_json(&schemas.to_string());
    let builder = builder.and_then(|b| b.resource_types_json(&types.to_string()));
    builder.unwrap().build().unwrap()
}

/// Returns a type with a membership whose `value` is not case exact, as in the RFC's own JSON.
fn folded() -> Arc<ResourceType> {
    let schema = json!({"id": "urn:example:2.0:Crew", "attributes": [
        {"name": "members", "type": "complex", "multiValued": true, "subAttributes": [
            {"name": "value"}, {"name": "type"},
            {"name": "$ref", "type": "reference", "referenceTypes": ["User"]}]}]});
    let definition =
        json!({"name": "Crew", "endpoint": "/Crews", "schema": "urn:example:2.0:Crew"});
    Arc::clone(
        registry(&schema, &definition)
            .resource_type("Crew")
            .unwrap(),
    )
}

fn crowd(kind: &ResourceType, members: usize) -> World {
    let edge = |n: usize| Edge::to(format!("Id{n}")).with_kind(Some("User"));
    World {
        document: Default::default(),
        edges: vec![AttrEdges {
            attr: kind.attribute_id("members").unwrap(),
            edges: (0..members).map(edge).collect(),
        }],
    }
}

fn filters(filter: impl Fn(usize) -> String) -> Value {
    let one = |n| json!({"op": "remove", "path": format!("members[{}]", filter(n))});
    json!({"Operations": (0..1_000).map(one).collect::<Vec<_>>()})
}

#[test]
fn many_filters_by_value_are_accepted() {
    for (kind, case) in [(kind("Group"), "Id"), (&folded(), "iD")] {
        let world = crowd(kind, 2_000);
        let body = filters(|n| format!("type eq \"User\" and value eq \"{case}{n}\""));
        let mut after = world.clone();
        after.apply(
            kind,
            &patch(kind, "g", &world, body, &Tolerance::DEFAULT).unwrap(),
        );
        assert_eq!(after.edges[0].edges.len(), 1_000, "{}", kind.name());

        let body = filters(|n| format!("value eq \"{case}{n}\" and type eq \"Group\""));
        let change = patch(kind, "g", &world, body, &Tolerance::DEFAULT).unwrap();
        assert!(change.is_empty(), "{}", kind.name());
    }
}

#[test]
fn filters_on_folded_values_select_every_spelling() {
    let crew = folded();
    let mut world = crowd(&crew, 0);
    world.edges[0].edges = ["a", "A", "b", "\u{e4}", "a\u{308}"].map(Edge::to).to_vec();
    let path = "members[value eq \"A\" or value eq \"\u{c4}\"]";
    let body = json!({"Operations": [{"op": "remove", "path": path}]});
    let change = patch(&crew, "c", &world, body, &Tolerance::DEFAULT).unwrap();
    world.apply(&crew, &change);
    assert_eq!(world.edges[0].edges, [Edge::to("b")]);
}

#[test]
fn many_filters_on_all_members_of_a_large_group_are_rejected() {
    let group = kind("Group");
    let world = crowd(group, 10_000);
    let body = filters(|n| format!("display eq \"{n}\""));
    let rejected = patch(group, "g", &world, body, &Tolerance::DEFAULT).unwrap_err();
    assert_eq!(rejected.scim_type, "invalidPath");
    let detail = "operation 101: too many filters to try on each of `members`: select by `value`";
    assert_eq!(rejected.detail, detail);

    let small = crowd(group, 100);
    let body = filters(|n| format!("display eq \"{n}\""));
    assert!(patch(group, "g", &small, body, &Tolerance::DEFAULT).is_ok());
}

#[test]
fn errors_quote_only_the_beginning_of_long_values() {
    let world = World::of(kind("User"), json!({"userName": "u"}));
    let long = format!("\u{1b}{}", "x".repeat(100_000));
    let manager = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.$ref";
    let url = format!("\u{1b}{}/", "x".repeat(60_000));
    for operation in [
        json!({"op": "add", "value": {"id": long}}),
        json!({"op": "add", "path": manager, "value": url}),
        json!({"op": "add", "path": "schemas", "value": [long]}),
    ] {
        let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [operation]});
        let rejected = patch(kind("User"), "1", &world, body, &Tolerance::STRICT).unwrap_err();
        assert!(rejected.detail.len() < 200, "{}", rejected.detail.len());
        assert!(
            rejected.detail.contains("`\u{fffd}xx"),
            "{}",
            rejected.detail
        );
    }
}

fn part() -> impl Strategy<Value = Value> {
    let texts = |texts: &[&'static str]| proptest::option::of(select(texts.to_vec()));
    let parts = (
        texts(&["a", "A", "b"]),
        texts(&["work", "Work", "home"]),
        texts(&["x", "y"]),
    );
    parts.prop_map(
        |(value, of_type, display)| json!({"value": value, "type": of_type, "display": display}),
    )
}

/// Returns whether a listed element matches an existing one.
fn stands_for(listed: &Value, element: &Value) -> bool {
    let text = |value: &Value| value.as_str().map(|text| fold_case(text).into_owned());
    let [value, of_type] =
        ["value", "type"].map(|name| (text(&listed[name]), text(&element[name])));
    match value {
        (None, _) => {
            let said: Vec<_> = listed.as_object().unwrap().iter().collect();
            let mut said = said
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .peekable();
            said.peek().is_some() && said.all(|(name, value)| element[name] == *value)
        }
        (wanted, found) => {
            wanted == found
                && (of_type.0.is_none() || of_type.1.is_none() || of_type.0 == of_type.1)
        }
    }
}

proptest! {
    #[test]
    fn listed_elements_are_removed(elements in vec(part(), 0..6), listed in vec(part(), 0..6)) {
        let user = kind("User");
        let world = World::of(user, json!({"userName": "u", "emails": elements}));
        let elements = world.document.as_map().get("emails").cloned().unwrap_or_default();
        let elements: Vec<Value> = elements.as_array().cloned().unwrap_or_default();
        let left: Vec<Value> = elements
            .iter()
            .filter(|element| !listed.iter().any(|listed| stands_for(listed, element)))
            .cloned()
            .collect();
        let operation = json!([{"op": "remove", "path": "emails", "value": listed}]);
        let expected = World::of(user, json!({"userName": "u", "emails": left}));
        prop_assert_eq!(patched(&world, operation).unwrap(), expected);
    }
}
