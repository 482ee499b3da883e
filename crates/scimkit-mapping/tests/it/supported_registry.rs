//! The schemas as far as a mapping supports them.

use scimkit_core::{Mutability, builtin::ENTERPRISE_USER};
use scimkit_registry::{Registry, ResourceType};

use super::mapping;

fn paths(kind: &ResourceType) -> Vec<&str> {
    let made = ["schemas", "id", "meta"];
    let own = kind.attributes().iter().map(|attr| attr.path());
    own.filter(|path| !made.iter().any(|m| path.starts_with(m)))
        .collect()
}

#[test]
fn unmapped_attributes_are_left_out() {
    let registry = Registry::standard();
    let mapping = mapping(
        r#"
        [User]
        unmapped = "drop"
        [[User.map]]
        scim = 'emails[type eq "work"].value'
        field = "mail"
        [[User.map]]
        scim = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value"
        field = "manager"
        [[User.map]]
        scim = "userType"
        field = "kind"
        transform = [{ values = { Employee = 1, Contractor = 2 } }]
        [[User.map]]
        scim = "displayName"
        template = "{mail}"
        [[User.map]]
        scim = "password"
        field = "secret"
        write_only = true
        "#,
    );
    let described = mapping.supported_registry(&registry).unwrap();
    let user = described.resource_type("User").unwrap();
    let manager = format!("{ENTERPRISE_USER}:manager");
    let mut wanted = vec![
        "externalId",
        "userName",
        "displayName",
        "userType",
        "active",
        "password",
        "emails",
        "groups",
        "emails.value",
        "emails.type",
        "emails.primary",
        "groups.value",
        "groups.$ref",
        "groups.display",
        "groups.type",
    ];
    let parts: Vec<_> = ["", ".value", ".$ref", ".displayName"]
        .map(|part| format!("{manager}{part}"))
        .into();
    wanted.extend(parts.iter().map(String::as_str));
    let mut found = paths(user);
    let mut sorted = wanted.clone();
    found.sort_unstable();
    sorted.sort_unstable();
    assert_eq!(found, sorted);

    let definition = |path| user.attr(user.attribute_id(path).unwrap()).definition();
    assert_eq!(definition("displayName").mutability, Mutability::ReadOnly);
    assert_eq!(definition("password").mutability, Mutability::WriteOnly);
    assert_eq!(definition("emails.type").canonical_values, ["work"]);
    assert_eq!(
        definition("userType").canonical_values,
        ["Employee", "Contractor"]
    );
    assert!(definition("userName").required);
    // Groups have no rules, and are whole.
    let before = registry.resource_type("Group").unwrap();
    let after = described.resource_type("Group").unwrap();
    assert_eq!(paths(before), paths(after));
    assert!(
        described
            .schemas()
            .iter()
            .any(|schema| schema.id == *ENTERPRISE_USER)
    );
    // What is looked up still is.
    for path in ["active", "emails.value", "externalId", "userName"] {
        assert!(
            user.attr(user.attribute_id(path).unwrap()).is_indexed(),
            "{path}"
        );
    }
}

#[test]
fn stored_unmapped_attributes_stay() {
    let registry = Registry::builder()
        .index("User", "name.familyName")
        .build()
        .unwrap();
    let mapping = mapping("[[User.map]]\nscim = 'title'\nfield = 'job'\nrequired = true");
    let described = mapping.supported_registry(&registry).unwrap();
    for kind in registry.resource_types() {
        let after = described.resource_type(kind.name()).unwrap();
        assert_eq!(paths(kind), paths(after));
        for attr in kind.attributes() {
            let after = after.attr(after.attribute_id(attr.path()).unwrap());
            assert_eq!(attr.is_indexed(), after.is_indexed(), "{}", attr.path());
            let changed = attr.definition() != after.definition();
            assert_eq!(changed, attr.path() == "title", "{}", attr.path());
        }
    }
}

#[test]
fn extensions_without_mapped_attributes_are_left_out() {
    let text = |unmapped| {
        format!("[User]\nunmapped = '{unmapped}'\n[[User.map]]\nscim = 'title'\nfield = 'job'")
    };
    let extensions = |unmapped| {
        let described = mapping(&text(unmapped))
            .supported_registry(&Registry::standard())
            .unwrap();
        let user = described.resource_type("User").unwrap();
        let schemas = described
            .schemas()
            .iter()
            .filter(|s| s.id == *ENTERPRISE_USER)
            .count();
        (user.extensions().len(), schemas)
    };
    assert_eq!(extensions("keep"), (1, 1));
    assert_eq!(extensions("drop"), (0, 0));
    assert_eq!(extensions("reject"), (0, 0));
}
