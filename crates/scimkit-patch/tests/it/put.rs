//! PUT: preserved, cleared and rejected attributes.

use scimkit_patch::{diff, replace};
use scimkit_registry::{Budget, Registry, RequestErrorKind, Tolerance};
use serde_json::json;

use crate::harness::{World, kind};

#[test]
fn put_clears_attributes_missing_from_the_body() {
    let user = kind("User");
    let mut world = World::of(
        user,
        json!({"userName": "u", "title": "Dr", "name": {"givenName": "G"},
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "D"}}),
    );
    let body = json!({"id": "another", "userName": "u", "meta": {"version": "x"}, "title": null});
    let put = replace(user, body, &Tolerance::DEFAULT).unwrap();
    world.apply(
        user,
        &put.apply(&world.document, &Budget::unlimited()).unwrap(),
    );
    let schemas = json!(["urn:ietf:params:scim:schemas:core:2.0:User"]);
    assert_eq!(
        world.shown(user),
        json!({"schemas": schemas, "userName": "u"})
    );
}

#[test]
fn put_leaves_a_password_missing_from_the_body() {
    let user = kind("User");
    let world = World::of(user, json!({"userName": "u", "password": "secret"}));
    let put = |body| replace(user, body, &Tolerance::DEFAULT).unwrap();
    assert!(
        put(json!({"userName": "u"}))
            .apply(&world.document, &Budget::unlimited())
            .unwrap()
            .is_empty()
    );
    let change = put(json!({"userName": "u", "password": "new"}))
        .apply(&world.document, &Budget::unlimited())
        .unwrap();
    assert_eq!(
        change.entries().collect::<Vec<_>>(),
        [("password", Some(&json!("new")))]
    );
}

#[test]
fn put_replaces_members() {
    let group = kind("Group");
    let before = json!({"displayName": "g", "members": [{"value": "a"}, {"value": "b"}]});
    let mut world = World::of(group, before);
    for (members, left) in [
        (json!([{"value": "b"}, {"value": "c"}]), 2),
        (json!(null), 0),
    ] {
        let body = json!({"displayName": "g", "members": members});
        let put = replace(group, body, &Tolerance::DEFAULT).unwrap();
        world.apply(
            group,
            &put.apply(&world.document, &Budget::unlimited()).unwrap(),
        );
        assert_eq!(
            world
                .edges
                .iter()
                .map(|list| list.edges.len())
                .sum::<usize>(),
            left
        );
    }
}

#[test]
fn put_sets_immutable_attributes_once() {
    let schema = r#"[{"id": "urn:example:2.0:Badge", "name": "Badge", "attributes": [
        {"name": "serial", "type": "string", "mutability": "immutable"},
        {"name": "seal", "type": "complex", "subAttributes": [
            {"name": "maker", "type": "string", "mutability": "immutable"},
            {"name": "colour", "type": "string"}]}]}]"#;
    let badge = r#"{"name": "Badge", "endpoint": "/Badges", "schema": "urn:example:2.0:Badge"}"#;
    let registry = Registry::builder().schemas_json(schema).unwrap();
    let registry = registry
        .resource_types_json(badge)
        .unwrap()
        .build()
        .unwrap();
    let badge = registry.resource_type("Badge").unwrap();
    let before = badge
        .admit(json!({"seal": {"maker": "Acme"}}), &Tolerance::DEFAULT)
        .unwrap();
    let put = |body| {
        replace(badge, body, &Tolerance::DEFAULT)
            .unwrap()
            .apply(&before, &Budget::unlimited())
    };

    let change = put(json!({"serial": "s1", "seal": {"colour": "red"}})).unwrap();
    let serial = json!("s1");
    let red = json!("red");
    let expected = [("serial", Some(&serial)), ("seal.colour", Some(&red))];
    assert_eq!(change.entries().collect::<Vec<_>>(), expected);
    let error = put(json!({"seal": {"maker": "Other"}})).unwrap_err();
    assert_eq!(error.kind(), RequestErrorKind::Mutability);
    assert_eq!(
        error.detail(),
        "`seal.maker` is immutable and has another value"
    );
}

#[test]
fn diff_of_groups_changes_single_edges() {
    let group = kind("Group");
    let admit = |body| group.admit(body, &Tolerance::DEFAULT).unwrap();
    let before = admit(json!({"displayName": "g", "members": [{"value": "a"}, {"value": "b"}]}));
    let after = admit(json!({"displayName": "h", "members": [{"value": "b"}, {"value": "c"}]}));
    let mut world = World::of(group, before.as_map().clone().into());
    world.apply(group, &diff(group, &before, &after));
    assert_eq!(world, World::of(group, after.as_map().clone().into()));
    assert!(diff(group, &after, &after).is_empty());
}
