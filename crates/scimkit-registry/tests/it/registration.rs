//! Registration from code and JSON, and the rejected definitions.

use scimkit_core::{
    Attribute, DataType, ResourceTypeDefinition, Schema, SchemaExtension, Urn, builtin,
};
use scimkit_registry::{RegistrationError, Registry};
use serde_json::{Value, json};

use crate::world::{EXTRA, GADGET, builder, gadget_type};

fn urn(text: &str) -> Urn {
    Urn::new(text).unwrap()
}

/// Registers a type `Thing` with these attributes and this endpoint.
fn thing(attributes: Vec<Attribute>, endpoint: &str) -> Result<Registry, RegistrationError> {
    let schema = Schema::new(urn("urn:example:Thing"), "Thing").with_attributes(attributes);
    let definition = ResourceTypeDefinition {
        id: None,
        name: "Thing".into(),
        description: String::new(),
        endpoint: endpoint.into(),
        schema: schema.id.clone(),
        schema_extensions: Vec::new(),
    };
    Registry::builder()
        .schema(schema)
        .resource_type(definition)
        .build()
}

fn text(name: &str) -> Attribute {
    Attribute::new(name, DataType::String)
}

fn complex(name: &str, sub_attributes: Vec<Attribute>) -> Attribute {
    Attribute::new(name, DataType::Complex).with_sub_attributes(sub_attributes)
}

#[test]
fn the_standard_registry_has_users_and_groups() {
    let registry = Registry::standard();
    let names: Vec<_> = registry
        .resource_types()
        .iter()
        .map(|kind| kind.name())
        .collect();
    assert_eq!(names, ["User", "Group"]);
    let served: Vec<_> = registry.schemas().iter().map(|s| s.id.as_str()).collect();
    assert_eq!(
        served,
        [
            builtin::USER,
            builtin::GROUP,
            builtin::ENTERPRISE_USER,
            builtin::SERVICE_PROVIDER_CONFIG,
            builtin::RESOURCE_TYPE,
            builtin::SCHEMA
        ]
    );
    assert_eq!(registry.resource_type("uSER").unwrap().endpoint(), "/Users");
    assert!(registry.resource_type_at("/users").is_none());
    assert_eq!(
        registry.resource_type_at("/Groups").unwrap().name(),
        "Group"
    );
}

#[test]
fn json_takes_one_document_or_an_array() {
    let registry = builder().build().unwrap();
    let gadget = registry.resource_type_at("/Gadgets").unwrap();
    assert_eq!(gadget.schema().as_str(), GADGET);
    assert_eq!(gadget.extensions().len(), 2);
    let one = gadget_type().to_string();
    let many = Value::Array(vec![gadget_type()]).to_string();
    for json in [one, format!(" \n{many}")] {
        assert!(Registry::builder().resource_types_json(&json).is_ok());
    }
}

#[test]
fn schemas_of_other_servers_are_registered() {
    let registry = Registry::builder()
        .schemas_json(include_str!("schemas/extensions.json"))
        .and_then(|b| {
            b.resource_types_json(include_str!("schemas/resource-types-with-extensions.json"))
        })
        .and_then(|b| b.build())
        .unwrap();
    let user = registry.resource_type("User").unwrap();
    assert_eq!(user.extensions().len(), 3);
    let path = "urn:ietf:params:scim:schemas:extension:CustomExtensionName:2.0:User:TAG";
    assert!(user.attribute_id(path).is_some());
    assert_eq!(registry.resource_types().len(), 2);
}

#[test]
fn a_known_id_or_uri_is_replaced_in_place() {
    let mut user = builtin::user();
    user.attributes.push(text("shoeSize"));
    let registry = Registry::builder()
        .schema(user)
        .resource_type(ResourceTypeDefinition {
            endpoint: "/People".into(),
            ..builtin::user_resource_type()
        })
        .build()
        .unwrap();
    let names: Vec<_> = registry
        .resource_types()
        .iter()
        .map(|kind| kind.endpoint())
        .collect();
    assert_eq!(names, ["/People", "/Groups"]);
    assert!(
        registry
            .resource_type("User")
            .unwrap()
            .attribute_id("shoeSize")
            .is_some()
    );
    let users = registry.schemas().iter().filter(|s| s.id == builtin::USER);
    assert_eq!(users.count(), 1);
}

#[test]
fn unused_schemas_are_not_served() {
    let registry = Registry::builder()
        .schema(Schema::new(urn("urn:example:Idle"), "Idle"))
        .build()
        .unwrap();
    assert!(
        registry
            .schemas()
            .iter()
            .all(|s| s.id != "urn:example:Idle")
    );
}

#[test]
fn common_attributes_override_those_of_a_schema() {
    let registry = thing(
        vec![
            text("ID").with_canonical_values(["1"]),
            text("externalid"),
            text("size"),
        ],
        "/Things",
    )
    .unwrap();
    let thing = registry.resource_type("Thing").unwrap();
    let tops: Vec<_> = thing
        .attributes()
        .iter()
        .filter(|a| a.parent().is_none())
        .map(|a| a.name())
        .collect();
    assert_eq!(tops, ["schemas", "id", "externalId", "meta", "size"]);
    assert!(
        thing
            .attr(thing.attribute_id("externalId").unwrap())
            .definition()
            .is_case_exact()
    );
}

#[test]
fn contradictory_definitions_are_rejected() {
    let cases = [
        (
            vec![text("2fa")],
            "`2fa`: its name is not an attribute name",
        ),
        (
            vec![text("a.b")],
            "`a.b`: its name is not an attribute name",
        ),
        (vec![text("a"), text("A")], "`A`: the name is used twice"),
        (
            vec![complex("a", vec![text("b"), text("B")])],
            "`a.B`: the name is used twice",
        ),
        (
            vec![complex("a", vec![complex("b", vec![text("c")])])],
            "`a.b`: a sub-attribute can't be complex",
        ),
        (
            vec![complex("a", vec![])],
            "`a`: it is complex but has no sub-attributes",
        ),
        (
            vec![text("a").with_sub_attributes([text("b")])],
            "`a`: it has sub-attributes but is not complex",
        ),
    ];
    for (attributes, message) in cases {
        let error = thing(attributes, "/Things").unwrap_err();
        assert!(matches!(error, RegistrationError::Attribute { .. }));
        assert_eq!(error.to_string(), format!("attribute {message}"));
    }
}

#[test]
fn endpoints_are_one_unreserved_segment() {
    let rejected = [
        "",
        "/",
        "Things",
        "/a/b",
        "/Things/",
        "/a?b",
        "/a b",
        "/ä",
        "/.",
        "/..",
        "/Bulk",
        "/bulk",
        "/ME",
        "/ResourceTypes",
        "/Schemas",
        "/ServiceProviderConfig",
        "/.search",
    ];
    for endpoint in rejected {
        let error = thing(vec![], endpoint).unwrap_err();
        let expected = RegistrationError::Endpoint {
            name: "Thing".into(),
            endpoint: endpoint.into(),
        };
        assert_eq!(error, expected);
    }
    for endpoint in ["/Things", "/my-things_2.0", "/Search"] {
        assert!(thing(vec![], endpoint).is_ok(), "{endpoint}");
    }
}

#[test]
fn duplicate_names_and_endpoints_are_rejected() {
    let definition = |id: &str, name: &str, endpoint: &str| {
        ResourceTypeDefinition::new(name, endpoint, urn(builtin::USER))
            .unwrap()
            .with_id(id)
    };
    let cases = [
        (definition("x", "USER", "/Others"), "name", "USER"),
        (definition("x", "Other", "/users"), "endpoint", "/users"),
    ];
    for (definition, what, text) in cases {
        let error = Registry::builder()
            .resource_type(definition)
            .build()
            .unwrap_err();
        assert_eq!(
            error,
            RegistrationError::Duplicate {
                what,
                text: text.into()
            }
        );
    }
}

#[test]
fn registration_rejects_other_json() {
    let cases = [
        "",
        "[",
        "{}",
        "5",
        r#"[{"id": "no urn", "attributes": []}]"#,
        "[[]]",
    ];
    for json in cases {
        let schemas = Registry::builder().schemas_json(json);
        assert!(
            matches!(schemas, Err(RegistrationError::Json { what: "schema", .. })),
            "{json}"
        );
        let types = Registry::builder().resource_types_json(json);
        assert!(
            matches!(
                types,
                Err(RegistrationError::Json {
                    what: "resource type",
                    ..
                })
            ),
            "{json}"
        );
    }
}

#[test]
fn unknown_and_repeated_schemas_are_rejected() {
    let error = Registry::builder()
        .resource_types_json(&gadget_type().to_string())
        .and_then(|b| b.build())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("resource type `Gadget` needs schema `{GADGET}`, which is not registered")
    );
    for extensions in [[EXTRA, "urn:EXAMPLE:2.0:extra"], [EXTRA, GADGET]] {
        let extensions = extensions.map(|schema| json!({"schema": schema}));
        let mut definition = gadget_type();
        definition["schemaExtensions"] = Value::from(extensions.to_vec());
        let error = builder()
            .resource_types_json(&definition.to_string())
            .and_then(|b| b.build())
            .unwrap_err();
        assert!(
            matches!(error, RegistrationError::RepeatedSchema { .. }),
            "{error}"
        );
    }
    let mut definition = gadget_type();
    definition["schemaExtensions"][0]["schema"] = json!("urn:example:2.0:None");
    let error = builder()
        .resource_types_json(&definition.to_string())
        .and_then(|b| b.build())
        .unwrap_err();
    assert!(
        matches!(error, RegistrationError::UnknownSchema { .. }),
        "{error}"
    );
}

#[test]
fn extension_uris_must_differ_from_attribute_paths() {
    let clash = format!("{GADGET}:LABEL");
    let registered = builder()
        .schema(Schema::new(urn(&clash), "Clash"))
        .resource_type(
            ResourceTypeDefinition::new("Gadget", "/Gadgets", urn(GADGET))
                .unwrap()
                .with_extension(SchemaExtension::optional(urn(&clash))),
        )
        .build();
    assert!(
        matches!(registered, Err(RegistrationError::Attribute { .. })),
        "{registered:?}"
    );
}

#[test]
fn tables_are_limited_to_65_535_attributes() {
    let common = 9; // `schemas`, `id`, `externalId`, `meta` and its five
    let some = |count: usize| (0..count).map(|n| text(&format!("a{n}"))).collect();
    let registry = thing(some(65_535 - common), "/Things").unwrap();
    assert_eq!(
        registry.resource_type("Thing").unwrap().attributes().len(),
        65_535
    );
    let error = thing(some(65_536 - common), "/Things").unwrap_err();
    assert_eq!(
        error,
        RegistrationError::TooMany {
            name: "Thing".into()
        }
    );
}

#[test]
fn unique_and_commonly_used_attributes_are_indexed() {
    let registry = builder()
        .index("gadget", "LABEL")
        .index("Gadget", "parts.weight")
        .index("Gadget", "owner.value")
        .index("Gadget", format!("{EXTRA}:rank"))
        .build()
        .unwrap();
    let indexed = |name: &str| -> Vec<String> {
        let kind = registry.resource_type(name).unwrap();
        let indexed = kind.attributes().iter().filter(|a| a.is_indexed());
        indexed.map(|a| a.path().to_owned()).collect()
    };
    let rank = format!("{EXTRA}:rank");
    let gadget = [
        "id",
        "externalId",
        "code",
        "label",
        "parts.weight",
        "owner.value",
        &rank,
    ];
    assert_eq!(indexed("Gadget"), gadget);
    let user = [
        "id",
        "externalId",
        "userName",
        "displayName",
        "active",
        "emails.value",
    ];
    assert_eq!(indexed("User"), user);
    assert_eq!(indexed("Group"), ["id", "externalId", "displayName"]);
}

#[test]
fn unindexable_attributes_are_rejected() {
    for (kind, path) in [
        ("Gadget", "nothing"),
        ("Gadget", "a b"),
        ("Nobody", "label"),
    ] {
        let error = builder().index(kind, path).build().unwrap_err();
        let expected = RegistrationError::UnknownIndex {
            name: kind.into(),
            path: path.into(),
        };
        assert_eq!(error, expected);
    }
    let cases = [
        ("crew", "it is complex"),
        ("place", "it is complex"),
        ("parts.pin", "it is never returned"),
        ("vault.value", "it is never returned"),
        ("token", "it is never returned"),
        ("crew.value", "it is computed"),
        ("meta.created", "it is computed"),
        ("owner.$ref", "it is computed"),
        ("schemas", "it is computed"),
    ];
    for (path, problem) in cases {
        let error = builder().index("Gadget", path).build().unwrap_err();
        let expected = RegistrationError::Unindexable {
            name: "Gadget".into(),
            path: path.into(),
            problem,
        };
        assert_eq!(error, expected);
    }
}
