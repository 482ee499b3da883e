//! The paths that a rule can have.

use scimkit_registry::{Attr, ResourceType};

use super::{FieldType, bound_path::BoundPath};

/// A SCIM path that a rule can have, and the type of a field for its values.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MappablePath {
    /// The type of a field that can hold the values without a transform.
    pub data_type: FieldType,
    /// The path in canonical spelling.
    pub path: String,
}

/// Returns the paths of a resource type, in the order of its schemas.
///
/// - A complex attribute gives its sub-attributes, a multi-valued one the whole attribute as JSON.
/// - A multi-valued attribute whose `type` has canonical values also gives each sub-attribute of one value per type, such
///   as `emails[type eq "work"].value`. More filters than these are valid.
/// - Attributes that are never returned, such as `password`, are left out: their rules need `write_only`.
///
/// # Example
/// ```
/// use scimkit_mapping::{FieldType, mappable_paths};
/// use scimkit_registry::Registry;
///
/// let registry = Registry::standard();
/// let paths = mappable_paths(registry.resource_type("User").unwrap());
/// let country = paths.iter().find(|known| known.path == r#"addresses[type eq "work"].country"#);
/// assert_eq!(country.unwrap().data_type, FieldType::Text);
/// ```
#[must_use]
pub fn mappable_paths(kind: &ResourceType) -> Vec<MappablePath> {
    let mut paths = Vec::new();
    let top = kind
        .attributes()
        .iter()
        .filter(|attr| attr.parent().is_none());
    for attr in top.filter(|attr| !attr.is_never_returned()) {
        let is_many = attr.definition().multi_valued;
        if is_many || !attr.is_complex() {
            paths.push(attr.path().to_owned());
        }
        let parts: Vec<&Attr> = kind.children(attr.id()).collect();
        if !is_many {
            paths.extend(parts.iter().map(|part| part.path().to_owned()));
            continue;
        }
        let Some(types) = parts.iter().find(|part| part.name() == "type") else {
            continue;
        };
        for value in &types.definition().canonical_values {
            let parts = parts.iter().filter(|part| part.name() != "type");
            let of_type =
                |part: &&Attr| format!("{}[type eq \"{value}\"].{}", attr.path(), part.name());
            paths.extend(parts.map(of_type));
        }
    }
    let bound = |text: String| {
        let path = BoundPath::bind(kind, &text).ok()?;
        Some(MappablePath {
            data_type: path.data_type(kind),
            path: text,
        })
    };
    paths.into_iter().filter_map(bound).collect()
}
