//! Reading and writing attributes, schemas and resource types as JSON.

use scimkit_core::{
    Attribute, AuthenticationScheme, DataType, InvalidEndpoint, Meta, Mutability,
    PaginationSupport, ResourceTypeDefinition, Returned, Schema, SchemaExtension,
    ServiceProviderConfig, Uniqueness, Urn, is_attribute_name,
};
use serde_json::{Value, from_value, json, to_value};

#[test]
fn names() {
    for name in [
        "a",
        "userName",
        "x509Certificates",
        "$ref",
        "$REF",
        "a-b_c",
        "a$b",
    ] {
        assert!(is_attribute_name(name), "{name}");
    }
    for name in [
        "", " a", "a ", "2fa", "$", "$value", "$refs", "-a", "_a", "a.b", "a:b", "a[b]", "ä", "a\0",
    ] {
        assert!(!is_attribute_name(name), "{name}");
    }
}

#[test]
fn absent_and_null_characteristics_get_the_defaults() {
    let plain = Attribute::new("a", DataType::String);
    assert_eq!(
        (plain.mutability, plain.returned),
        (Mutability::ReadWrite, Returned::Default)
    );
    assert_eq!(plain.uniqueness, Uniqueness::None);
    assert!(!plain.required && !plain.multi_valued && !plain.case_exact);
    for body in [
        json!({ "name": "a" }),
        json!({ "name": "a", "type": null, "multiValued": null, "canonicalValues": null, "subAttributes": null }),
        json!({ "name": "a", "type": "STRING", "mutability": "READWRITE", "x-vendor": [1] }),
    ] {
        assert_eq!(from_value::<Attribute>(body).unwrap(), plain);
    }
}

#[test]
fn invalid_attributes_are_rejected() {
    for body in [
        json!({}),
        json!({ "name": "a b" }),
        json!({ "name": "" }),
        json!({ "name": 1 }),
        json!({ "name": "a", "type": "date" }),
        json!({ "name": "a", "required": "true" }),
        json!({ "name": "a", "mutability": "sometimes" }),
        json!({ "name": "a", "subAttributes": [{ "name": "b.c" }] }),
        json!([]),
    ] {
        assert!(from_value::<Attribute>(body.clone()).is_err(), "{body}");
    }
}

#[test]
fn canonical_values_other_than_strings_are_ignored() {
    let body = json!({ "name": "a", "canonicalValues": ["x", 1, null, { "value": "y" }, "z"] });
    assert_eq!(
        from_value::<Attribute>(body).unwrap().canonical_values,
        ["x", "z"]
    );
}

#[test]
fn case_and_uniqueness_are_printed_for_the_types_they_apply_to() {
    let exact = [DataType::Binary, DataType::Reference];
    for data_type in DataType::ALL.iter().copied() {
        let read: Attribute = from_value(
            json!({ "name": "a", "type": data_type, "caseExact": !exact.contains(&data_type) }),
        )
        .unwrap();
        let printed = to_value(&read).unwrap();
        let case_exact = match data_type {
            DataType::Binary | DataType::Reference | DataType::String => Some(&Value::Bool(true)),
            _ => None,
        };
        assert_eq!(printed.get("caseExact"), case_exact, "{data_type}");
        assert_eq!(read.is_case_exact(), case_exact.is_some(), "{data_type}");
        let unique = [
            DataType::Decimal,
            DataType::Integer,
            DataType::Reference,
            DataType::String,
        ];
        assert_eq!(
            printed.get("uniqueness").is_some(),
            unique.contains(&data_type),
            "{data_type}"
        );
        assert_eq!(
            printed.get("subAttributes").is_some(),
            data_type == DataType::Complex,
            "{data_type}"
        );
        assert_eq!(
            from_value::<Attribute>(printed).unwrap(),
            read,
            "{data_type}"
        );
    }
}

#[test]
fn schemas_built_in_code_round_trip() {
    let schema = Schema::new(Urn::new("urn:example:2.0:Key").unwrap(), "Key")
        .with_description("A key")
        .with_attributes([
            Attribute::new("keys", DataType::Complex)
                .multi_valued()
                .with_mutability(Mutability::Immutable)
                .with_returned(Returned::Request)
                .with_description("Keys")
                .with_sub_attributes([
                    Attribute::new("value", DataType::Binary).required(),
                    Attribute::new("$ref", DataType::Reference)
                        .with_reference_types(["Device", "external"]),
                    Attribute::new("type", DataType::String).with_canonical_values(["ssh"]),
                ]),
            Attribute::new("serial", DataType::String)
                .case_exact()
                .with_uniqueness(Uniqueness::Global),
        ]);
    assert_eq!(
        from_value::<Schema>(to_value(&schema).unwrap()).unwrap(),
        schema
    );
    assert!(
        schema
            .attribute("KEYS")
            .unwrap()
            .sub_attribute("$REF")
            .is_some()
    );
    assert!(schema.attribute("keys.value").is_none());
}

#[test]
fn schemas_of_other_servers_are_read() {
    let schema = Schema::from_json(
        r#"{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"], "id": "urn:a1:b", "attributes": [],
            "meta": {"resourceType": "Schema"}, "name": null}"#,
    )
    .unwrap();
    assert_eq!((schema.name.as_str(), schema.attributes.len()), ("", 0));
    let deep = format!(
        "{}{}",
        r#"{"name":"a","subAttributes":["#.repeat(100_000),
        "]}".repeat(100_000)
    );
    for text in [
        "",
        "[]",
        r#"{"id": "urn:a1:b"}"#,
        r#"{"id": "User", "attributes": []}"#,
        &deep,
    ] {
        let error = Schema::from_json(text).unwrap_err();
        assert_eq!(error.to_string(), "not a schema definition");
        assert!(std::error::Error::source(&error).is_some());
    }
}

#[test]
fn endpoints_are_relative_paths() {
    let make =
        |endpoint: &str| ResourceTypeDefinition::new("A", endpoint, Urn::new("urn:a1:b").unwrap());
    for (endpoint, read) in [
        ("Users", "/Users"),
        ("/Users", "/Users"),
        ("/a/b.c-d_e~", "/a/b.c-d_e~"),
    ] {
        assert_eq!(make(endpoint).unwrap().endpoint, read);
    }
    let long = "a".repeat(129);
    for endpoint in [
        "",
        "/",
        "//Users",
        "/Users/",
        "https://example.com",
        "/a?b",
        "/a#b",
        "/a b",
        "/..",
        "/a/../b",
        "/%2e",
        &long,
    ] {
        let error: InvalidEndpoint = make(endpoint).unwrap_err();
        assert!(error.endpoint.chars().count() <= 65);
        let body = json!({ "name": "A", "endpoint": endpoint, "schema": "urn:a1:b" });
        assert!(
            from_value::<ResourceTypeDefinition>(body).is_err(),
            "{endpoint}"
        );
    }
}

#[test]
fn resource_types_round_trip() {
    let urn = |text: &str| Urn::new(text).unwrap();
    let kind = ResourceTypeDefinition::new("Device", "Devices", urn("urn:a1:device"))
        .unwrap()
        .with_description("A device")
        .with_extension(SchemaExtension::required(urn("urn:a1:warranty")))
        .with_extension(SchemaExtension::optional(urn("urn:a1:loan")));
    let printed = to_value(&kind).unwrap();
    assert_eq!(
        printed,
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
            "id": "Device",
            "name": "Device",
            "description": "A device",
            "endpoint": "/Devices",
            "schema": "urn:a1:device",
            "schemaExtensions": [
                { "schema": "urn:a1:warranty", "required": true },
                { "schema": "urn:a1:loan", "required": false },
            ],
        })
    );
    assert_eq!(from_value::<ResourceTypeDefinition>(printed).unwrap(), kind);

    let other = kind.with_id("device-1");
    assert_eq!(other.id(), "device-1");
    assert_eq!(
        from_value::<ResourceTypeDefinition>(to_value(&other).unwrap()).unwrap(),
        other
    );
}

#[test]
fn configurations_print_every_required_member() {
    let mut config = ServiceProviderConfig {
        authentication_schemes: vec![AuthenticationScheme {
            primary: true,
            ..AuthenticationScheme::http_basic()
        }],
        ..ServiceProviderConfig::default()
    };
    let printed = to_value(&config).unwrap();
    for name in [
        "schemas",
        "patch",
        "bulk",
        "filter",
        "changePassword",
        "sort",
        "etag",
        "authenticationSchemes",
    ] {
        assert!(printed.get(name).is_some(), "{name}");
    }
    assert_eq!(
        printed["bulk"],
        json!({ "supported": false, "maxOperations": 0, "maxPayloadSize": 0 })
    );
    assert_eq!(printed["authenticationSchemes"][0]["type"], "httpbasic");
    assert!(printed.get("pagination").is_none() && printed.get("documentationUri").is_none());

    config.documentation_uri = Some("https://example.com/help".into());
    config.pagination = Some(PaginationSupport {
        cursor: true,
        max_page_size: Some(250),
        ..Default::default()
    });
    let printed = to_value(&config).unwrap();
    assert_eq!(
        printed["pagination"],
        json!({ "cursor": true, "index": false, "maxPageSize": 250 })
    );
    assert_eq!(
        from_value::<ServiceProviderConfig>(printed).unwrap(),
        config
    );
}

#[test]
fn meta_omits_absent_members() {
    let meta = Meta {
        resource_type: "Schema".into(),
        location: "/Schemas/a".into(),
        ..Meta::default()
    };
    let printed = to_value(&meta).unwrap();
    assert_eq!(
        printed,
        json!({ "resourceType": "Schema", "location": "/Schemas/a" })
    );
    assert_eq!(from_value::<Meta>(printed).unwrap(), meta);
    assert!(from_value::<Meta>(json!({ "created": "yesterday" })).is_err());
    assert!(from_value::<Meta>(json!({ "version": "7" })).is_err());
    assert_eq!(
        from_value::<Meta>(json!({ "created": null, "version": null })).unwrap(),
        Meta::default()
    );
}
