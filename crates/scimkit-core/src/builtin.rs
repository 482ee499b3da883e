//! The schemas and resource types of RFC 7643, with known errors in its JSON corrected.
//!
//! Where the JSON of section 8.7 contradicts the text of the RFC or its own examples, these schemas follow the text:
//!
//! | schema | here | in the RFC's JSON |
//! |---|---|---|
//! | `User` | `addresses.primary` | used in an example, not defined |
//! | `Group` | `displayName` is required | optional |
//! | `Group` | `members.display`, read-only | used in an example, not defined |
//! | `User`, `Group`, `EnterpriseUser` | `groups.value`, `members.value`, `manager.value` are case-exact | not, though ids are |
//! | `ServiceProviderConfig` | `etag`, `authenticationSchemes.type` and `.primary` | missing |
//! | `ServiceProviderConfig` | `pagination` | added by RFC 9865 |
//! | `ResourceType` | `schemaExtensions` is an optional list | single and required |
//! | `ResourceType`, `Schema` | `id` is case-exact, and always returned of a `Schema` | not, against sections 3.1 and 7 |
//! | `Schema` | `subAttributes.referenceTypes` is a list; `binary` is a type; `name` is optional | single; missing; required |
//! | `User` … `Schema` | references and binaries are case-exact | not, against sections 2.3.6 and 2.3.7 |
//!
//! # Example
//!
//! ```
//! use scimkit_core::builtin;
//!
//! let group = builtin::group();
//! assert_eq!(group.id, builtin::GROUP);
//! assert!(group.attribute("displayName").is_some_and(|attribute| attribute.required));
//! assert!(group.attribute("id").is_none()); // it is common to all resources
//! ```
//!
//! [RFC 7643, section 8.7](https://www.rfc-editor.org/rfc/rfc7643#section-8.7)

use std::sync::OnceLock;

use crate::{
    Attribute, DataType, Mutability, ResourceTypeDefinition, Returned, Schema, SchemaExtension,
    Uniqueness,
};

/// The URI of the schema of enterprise users, an extension.
pub const ENTERPRISE_USER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
/// The URI of the schema of groups.
pub const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// The URI of the schema of resource types.
pub const RESOURCE_TYPE: &str = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";
/// The URI of the schema of schemas.
pub const SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Schema";
/// The URI of the schema of the service provider's configuration.
pub const SERVICE_PROVIDER_CONFIG: &str =
    "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";
/// The URI of the schema of users.
pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

/// Returns the schema [`ENTERPRISE_USER`].
#[must_use]
pub fn enterprise_user() -> Schema {
    static PARSED: OnceLock<Schema> = OnceLock::new();
    checked_in(&PARSED, include_str!("builtin/enterprise_user.json"))
}

/// Returns the schema [`GROUP`].
#[must_use]
pub fn group() -> Schema {
    static PARSED: OnceLock<Schema> = OnceLock::new();
    checked_in(&PARSED, include_str!("builtin/group.json"))
}

/// Returns the schema [`RESOURCE_TYPE`].
#[must_use]
pub fn resource_type() -> Schema {
    static PARSED: OnceLock<Schema> = OnceLock::new();
    checked_in(&PARSED, include_str!("builtin/resource_type.json"))
}

/// Returns the schema [`SCHEMA`].
#[must_use]
pub fn schema() -> Schema {
    static PARSED: OnceLock<Schema> = OnceLock::new();
    checked_in(&PARSED, include_str!("builtin/schema.json"))
}

/// Returns the schema [`SERVICE_PROVIDER_CONFIG`].
#[must_use]
pub fn service_provider_config() -> Schema {
    static PARSED: OnceLock<Schema> = OnceLock::new();
    checked_in(
        &PARSED,
        include_str!("builtin/service_provider_config.json"),
    )
}

/// Returns the schema [`USER`].
#[must_use]
pub fn user() -> Schema {
    static PARSED: OnceLock<Schema> = OnceLock::new();
    checked_in(&PARSED, include_str!("builtin/user.json"))
}

/// Returns the resource type `Group`, at `/Groups`.
#[must_use]
pub fn group_resource_type() -> ResourceTypeDefinition {
    ResourceTypeDefinition {
        id: None,
        name: "Group".into(),
        description: "Group".into(),
        endpoint: "/Groups".into(),
        schema: group().id,
        schema_extensions: Vec::new(),
    }
}

/// Returns the resource type `User`, at `/Users`, with the optional enterprise extension.
#[must_use]
pub fn user_resource_type() -> ResourceTypeDefinition {
    ResourceTypeDefinition {
        id: None,
        name: "User".into(),
        description: "User Account".into(),
        endpoint: "/Users".into(),
        schema: user().id,
        schema_extensions: vec![SchemaExtension::optional(enterprise_user().id)],
    }
}

/// Returns the attributes of every resource: `schemas`, `id`, `externalId` and `meta`.
///
/// They override attributes of the same name in a schema.
///
/// [RFC 7643, section 3.1](https://www.rfc-editor.org/rfc/rfc7643#section-3.1)
#[must_use]
pub fn common_attributes() -> Vec<Attribute> {
    let read_only =
        |name, data_type| Attribute::new(name, data_type).with_mutability(Mutability::ReadOnly);
    vec![
        Attribute::new("schemas", DataType::Reference)
            .multi_valued()
            .required()
            .with_description("URIs of the schemas the resource is made of")
            .with_reference_types(["uri"])
            .with_returned(Returned::Always),
        read_only("id", DataType::String)
            .case_exact()
            .with_description("Identifier the service gave the resource")
            .with_returned(Returned::Always)
            .with_uniqueness(Uniqueness::Server),
        Attribute::new("externalId", DataType::String)
            .case_exact()
            .with_description("Identifier the client gave the resource"),
        read_only("meta", DataType::Complex)
            .with_description("Metadata the service keeps")
            .with_sub_attributes([
                read_only("resourceType", DataType::String)
                    .case_exact()
                    .with_description("Name of the resource's type"),
                read_only("created", DataType::DateTime)
                    .with_description("When the service took the resource in"),
                read_only("lastModified", DataType::DateTime)
                    .with_description("When the resource last changed"),
                read_only("location", DataType::Reference)
                    .with_description("URI of the resource")
                    .with_reference_types(["uri"]),
                read_only("version", DataType::String)
                    .case_exact()
                    .with_description("Version of the resource, as an entity tag"),
            ]),
    ]
}

#[expect(
    clippy::expect_used,
    reason = "the text is checked in, and a test parses each of the six"
)]
fn checked_in(parsed: &OnceLock<Schema>, text: &str) -> Schema {
    parsed
        .get_or_init(|| Schema::from_json(text).expect("a checked-in schema"))
        .clone()
}
