//! Compares each built-in schema with a table of its attributes.

use scimkit_core::{Attribute, DataType, Mutability, Returned, Schema, Uniqueness, builtin};

/// Returns one line per attribute: path, type, `[]` if multi-valued, then the characteristics that differ from the
/// defaults.
fn lines(attributes: &[Attribute]) -> Vec<String> {
    fn walk(attribute: &Attribute, prefix: &str, lines: &mut Vec<String>) {
        let path = format!("{prefix}{}", attribute.name);
        let mut line = format!("{path} {}", attribute.data_type);
        if attribute.multi_valued {
            line += "[]";
        }
        if attribute.required {
            line += " required";
        }
        if attribute.data_type == DataType::String && attribute.is_case_exact() {
            line += " exact";
        }
        if attribute.mutability != Mutability::ReadWrite {
            line += &format!(" {}", attribute.mutability);
        }
        if attribute.returned != Returned::Default {
            line += &format!(" returned={}", attribute.returned);
        }
        if attribute.uniqueness != Uniqueness::None {
            line += &format!(" unique={}", attribute.uniqueness);
        }
        if !attribute.reference_types.is_empty() {
            line += &format!(" -> {}", attribute.reference_types.join(","));
        }
        if !attribute.canonical_values.is_empty() {
            line += &format!(" = {}", attribute.canonical_values.join(","));
        }
        lines.push(line);
        for sub in &attribute.sub_attributes {
            walk(sub, &format!("{path}."), lines);
        }
    }
    let mut all = Vec::new();
    attributes
        .iter()
        .for_each(|attribute| walk(attribute, "", &mut all));
    all
}

/// Returns the tables: `tables/*.txt`, one line per attribute.
fn cases() -> [(&'static str, usize, Schema, &'static str); 6] {
    [
        (
            builtin::ENTERPRISE_USER,
            6,
            builtin::enterprise_user(),
            include_str!("tables/enterprise_user.txt"),
        ),
        (
            builtin::GROUP,
            2,
            builtin::group(),
            include_str!("tables/group.txt"),
        ),
        (
            builtin::RESOURCE_TYPE,
            6,
            builtin::resource_type(),
            include_str!("tables/resource_type.txt"),
        ),
        (
            builtin::SCHEMA,
            4,
            builtin::schema(),
            include_str!("tables/schema.txt"),
        ),
        (
            builtin::SERVICE_PROVIDER_CONFIG,
            9,
            builtin::service_provider_config(),
            include_str!("tables/service_provider_config.txt"),
        ),
        (
            builtin::USER,
            21,
            builtin::user(),
            include_str!("tables/user.txt"),
        ),
    ]
}

#[test]
fn schemas_match_their_tables() {
    for (id, count, schema, table) in cases() {
        assert_eq!(schema.id.as_str(), id);
        assert_eq!(schema.attributes.len(), count, "{id}");
        assert_eq!(
            lines(&schema.attributes),
            table.lines().collect::<Vec<_>>(),
            "{id}"
        );
    }
}

#[test]
fn common_attributes_match_their_table() {
    let table = include_str!("tables/common.txt");
    assert_eq!(
        lines(&builtin::common_attributes()),
        table.lines().collect::<Vec<_>>()
    );
}

#[test]
fn every_attribute_has_a_description_and_a_unique_name() {
    fn check(attributes: &[Attribute], place: &str) {
        let mut names: Vec<_> = attributes
            .iter()
            .map(|attribute| attribute.name.to_lowercase())
            .collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), attributes.len(), "{place}");
        for attribute in attributes {
            assert!(
                !attribute.description.is_empty(),
                "{place}.{}",
                attribute.name
            );
            assert_eq!(
                attribute.data_type == DataType::Complex,
                !attribute.sub_attributes.is_empty()
            );
            assert_eq!(
                attribute.data_type == DataType::Reference,
                !attribute.reference_types.is_empty()
            );
            check(&attribute.sub_attributes, &attribute.name);
        }
    }
    check(&builtin::common_attributes(), "common");
    for (id, _, schema, _) in cases() {
        check(&schema.attributes, id);
    }
}

#[test]
fn schemas_print_the_checked_in_json() {
    let checked_in = [
        (
            builtin::enterprise_user(),
            include_str!("../../src/builtin/enterprise_user.json"),
        ),
        (
            builtin::group(),
            include_str!("../../src/builtin/group.json"),
        ),
        (
            builtin::resource_type(),
            include_str!("../../src/builtin/resource_type.json"),
        ),
        (
            builtin::schema(),
            include_str!("../../src/builtin/schema.json"),
        ),
        (
            builtin::service_provider_config(),
            include_str!("../../src/builtin/service_provider_config.json"),
        ),
        (builtin::user(), include_str!("../../src/builtin/user.json")),
    ];
    for (schema, text) in checked_in {
        let read: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_value(&schema).unwrap(), read);
        assert_eq!(
            Schema::from_json(&serde_json::to_string(&schema).unwrap()).unwrap(),
            schema
        );
    }
}

#[test]
fn resource_types_name_their_schemas() {
    let user = builtin::user_resource_type();
    assert_eq!((user.id(), user.endpoint.as_str()), ("User", "/Users"));
    assert_eq!(user.schema, builtin::USER);
    assert_eq!(user.schema_extensions.len(), 1);
    assert_eq!(user.schema_extensions[0].schema, builtin::ENTERPRISE_USER);
    assert!(!user.schema_extensions[0].required);

    let group = builtin::group_resource_type();
    assert_eq!((group.id(), group.endpoint.as_str()), ("Group", "/Groups"));
    assert_eq!(group.schema, builtin::GROUP);
    assert!(group.schema_extensions.is_empty());
}
