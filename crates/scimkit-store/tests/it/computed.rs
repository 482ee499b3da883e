use chrono::DateTime;
use scimkit_core::Version;
use scimkit_registry::{AttrEdges, AttrId, Edge, Registry, ResourceId, Tolerance};
use scimkit_store::{
    Document, RequestContext, ResourceFacts, StoredResource, Timestamps, computed_attributes,
    element, target_types,
};
use serde_json::{Value, json};

use crate::{context, kind};

/// Returns the computed attributes of a resource with that id and body.
fn of(
    context: &RequestContext,
    name: &str,
    id: &str,
    body: Value,
    edges: &[(&str, Vec<Edge>)],
) -> Value {
    let kind = kind(context, name);
    let document = kind.admit(body, &Tolerance::DEFAULT).unwrap();
    let at = DateTime::from_timestamp(1_305_261_754, 123_456_789).unwrap();
    let stored = StoredResource::new(
        ResourceId::from(id),
        Version::new("7").unwrap(),
        Timestamps {
            created: at,
            last_modified: at,
        },
        Document::from(document),
    );
    let named = |(path, edges): &(&str, Vec<Edge>)| AttrEdges {
        attr: kind.attribute_id(path).unwrap(),
        edges: edges.clone(),
    };
    let edges: Vec<AttrEdges> = edges.iter().map(named).collect();
    let wanted: Vec<AttrId> = kind.attributes().iter().map(|attr| attr.id()).collect();
    Value::Object(computed_attributes(
        &context.settings,
        &ResourceFacts::new(&kind, &stored, &edges),
        &wanted,
    ))
}

fn user(id: &str, display: Option<&str>) -> Edge {
    Edge::to(id)
        .with_kind(Some("User"))
        .with_display(display.map(str::to_owned))
}

#[test]
fn computed_members_are_those_of_the_group() {
    let context = context(Registry::standard());
    let edges = [("members", vec![user("a/b?", Some("A")), Edge::to("gone")])];
    let made = of(&context, "Group", "g", json!({"displayName": "G"}), &edges);
    assert_eq!(
        made,
        json!({
            "id": "g",
            "members": [
                {
                    "$ref": "https://example.com/v2/Users/a%2Fb%3F",
                    "display": "A",
                    "type": "User",
                    "value": "a/b?",
                },
                {"value": "gone"},
            ],
            "meta": {
                "created": "2011-05-13T04:42:34.123Z",
                "lastModified": "2011-05-13T04:42:34.123Z",
                "location": "https://example.com/v2/Groups/g",
                "resourceType": "Group",
                "version": "W/\"7\"",
            },
        })
    );
}

#[test]
fn computed_groups_and_manager_are_those_of_the_user() {
    const ENTERPRISE: &str = scimkit_core::builtin::ENTERPRISE_USER;
    let context = context(Registry::standard());
    let group = Edge::to("g")
        .with_kind(Some("Group"))
        .with_display(Some("G"));
    let manager = format!("{ENTERPRISE}:manager");
    let edges = [
        ("groups", vec![group]),
        (&*manager, vec![user("m", Some("M"))]),
    ];
    let body = json!({"userName": "u", ENTERPRISE: {"manager": {"value": "m"}}});
    let made = of(&context, "User", "u", body.clone(), &edges);
    assert_eq!(
        made["groups"],
        json!([{
            "$ref": "https://example.com/v2/Groups/g",
            "display": "G",
            "type": "direct",
            "value": "g",
        }])
    );
    assert_eq!(
        made[&manager],
        json!({"$ref": "https://example.com/v2/Users/m", "displayName": "M", "value": "m"})
    );
    let made = of(
        &context,
        "User",
        "u",
        body,
        &[(&*manager, vec![Edge::to("m")])],
    );
    assert_eq!(made[&manager], json!({"value": "m"}));
    assert!(made.get("groups").is_none());
    let made = of(&context, "User", "u", json!({"userName": "u"}), &[]);
    assert!(made.get(&manager).is_none());
}

#[test]
fn target_types_are_the_reference_types() {
    let context = context(Registry::standard());
    let names = |name: &str, path: &str| {
        let kind = kind(&context, name);
        let targets = target_types(
            &context.settings.registry,
            &kind,
            kind.attribute_id(path).unwrap(),
        );
        targets
            .iter()
            .map(|target| target.name().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names("Group", "members"), ["User", "Group"]);
    let group = kind(&context, "Group");
    let unknown = Edge::to("x").with_kind(Some("Printer"));
    let shown = element(
        &context.settings,
        &group,
        group.attribute_id("members").unwrap(),
        &unknown,
    );
    assert_eq!(shown, json!({"type": "Printer", "value": "x"}));
}
