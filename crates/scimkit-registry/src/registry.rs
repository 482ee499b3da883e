//! Registration of schemas and resource types, from code and from JSON.

use std::sync::Arc;

use scimkit_core::{Attribute, ResourceTypeDefinition, Schema, builtin};
use scimkit_filter::AttributePath;
use serde::de::DeserializeOwned;

use crate::{AttrId, RegistrationError, ResourceType, reference::Endpoint};

/// The schemas and resource types of a service provider.
///
/// - It starts with User, including the enterprise extension, and Group; both can be replaced.
/// - Schemas and resource types come from code or from the JSON that the discovery endpoints serve.
/// - References between them are resolved only by [`build`](RegistryBuilder::build), which checks the whole.
///
/// # Example
/// ```
/// use scimkit_registry::Registry;
///
/// let registry = Registry::builder()
///     .schemas_json(r#"[{"id": "urn:example:2.0:Badge", "name": "Badge",
///         "attributes": [{"name": "colour", "type": "string"}]}]"#)?
///     .resource_types_json(r#"[{"name": "Badge", "endpoint": "/Badges",
///         "schema": "urn:example:2.0:Badge"}]"#)?
///     .build()?;
/// assert!(registry.resource_type_at("/Badges").is_some());
/// assert!(registry.resource_type("User").is_some());
///
/// let without_schema = Registry::builder()
///     .resource_types_json(r#"{"name": "Car", "endpoint": "/Cars", "schema": "urn:example:Car"}"#)?
///     .build();
/// assert!(without_schema.is_err());
/// # Ok::<(), scimkit_registry::RegistrationError>(())
/// ```
///
/// [RFC 7643 section 6](https://www.rfc-editor.org/rfc/rfc7643#section-6),
/// [section 7](https://www.rfc-editor.org/rfc/rfc7643#section-7)
#[derive(Debug, Clone)]
pub struct Registry {
    schemas: Vec<Arc<Schema>>,
    types: Vec<Arc<ResourceType>>,
}

impl Registry {
    /// Returns a builder with User, including the enterprise extension, and Group.
    #[must_use]
    pub fn builder() -> RegistryBuilder {
        RegistryBuilder {
            indexes: Vec::new(),
            schemas: vec![
                builtin::user(),
                builtin::group(),
                builtin::enterprise_user(),
            ],
            types: vec![
                builtin::user_resource_type(),
                builtin::group_resource_type(),
            ],
        }
    }

    /// Returns a registry with User, including the enterprise extension, and Group.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "the built-in schemas are constants; a test builds them"
    )]
    pub fn standard() -> Registry {
        Registry::builder()
            .build()
            .expect("the built-in schemas fit together")
    }

    /// Returns the resource type at an endpoint such as `/Users`, with exactly this spelling.
    #[must_use]
    pub fn resource_type_at(&self, endpoint: &str) -> Option<&Arc<ResourceType>> {
        self.types.iter().find(|t| t.endpoint() == endpoint)
    }

    /// Returns the resource type of that name, ignoring case.
    #[must_use]
    pub fn resource_type(&self, name: &str) -> Option<&Arc<ResourceType>> {
        self.types
            .iter()
            .find(|t| t.name().eq_ignore_ascii_case(name))
    }

    /// Returns the schemas of the resource types and of the discovery endpoints.
    #[must_use]
    pub fn schemas(&self) -> &[Arc<Schema>] {
        &self.schemas
    }

    /// Returns the resource types, in order of registration.
    #[must_use]
    pub fn resource_types(&self) -> &[Arc<ResourceType>] {
        &self.types
    }

    /// Returns the resource types that a membership, inverse or reference attribute may lead to, in order of
    /// registration: those that its `$ref` names, or all if it names none.
    #[must_use]
    pub fn target_types(&self, kind: &ResourceType, attr: AttrId) -> Vec<&Arc<ResourceType>> {
        let reference = kind.children(attr).find(|sub| sub.name() == "$ref");
        let named = reference.map_or(&[][..], |sub| &sub.definition().reference_types);
        let leads = |target: &&Arc<ResourceType>| {
            let mut names = named.iter();
            named.is_empty() || names.any(|name| name.eq_ignore_ascii_case(target.name()))
        };
        self.types.iter().filter(leads).collect()
    }
}

/// The builder of a [`Registry`]; the default one is empty.
///
/// # Example
/// See [`Registry`].
#[derive(Debug, Clone, Default)]
pub struct RegistryBuilder {
    indexes: Vec<(String, String)>,
    schemas: Vec<Schema>,
    types: Vec<ResourceTypeDefinition>,
}

impl RegistryBuilder {
    /// Asks stores for a lookup key of one more attribute, by its path.
    ///
    /// [`build`](Self::build) rejects an unknown resource type or path, and an attribute that can't have a key: a
    /// complex, computed or never returned one.
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::Registry;
    ///
    /// let registry = Registry::builder().index("User", "name.familyName").build()?;
    /// let user = registry.resource_type("User").unwrap();
    /// assert!(user.attr(user.attribute_id("name.familyName").unwrap()).is_indexed());
    ///
    /// assert!(Registry::builder().index("User", "password").build().is_err());
    /// # Ok::<(), scimkit_registry::RegistrationError>(())
    /// ```
    #[must_use]
    pub fn index(mut self, resource_type: impl Into<String>, path: impl Into<String>) -> Self {
        self.indexes.push((resource_type.into(), path.into()));
        self
    }

    /// Adds a resource type, which replaces one with the same id.
    #[must_use]
    pub fn resource_type(mut self, definition: ResourceTypeDefinition) -> Self {
        match self
            .types
            .iter_mut()
            .find(|t| t.id().eq_ignore_ascii_case(definition.id()))
        {
            Some(known) => *known = definition,
            None => self.types.push(definition),
        }
        self
    }

    /// Adds resource types from JSON: an array of RFC 7643 section 6 documents, or one of them.
    ///
    /// # Errors
    /// [`RegistrationError::Json`] if the text is not such JSON.
    ///
    /// [RFC 7643 section 6](https://www.rfc-editor.org/rfc/rfc7643#section-6)
    pub fn resource_types_json(mut self, json: &str) -> Result<Self, RegistrationError> {
        for definition in documents("resource type", json)? {
            self = self.resource_type(definition);
        }
        Ok(self)
    }

    /// Adds a schema or extension, which replaces one with the same URI.
    #[must_use]
    pub fn schema(mut self, schema: Schema) -> Self {
        match self.schemas.iter_mut().find(|s| s.id == schema.id) {
            Some(known) => *known = schema,
            None => self.schemas.push(schema),
        }
        self
    }

    /// Adds schemas from JSON: an array of RFC 7643 section 7 documents, or one of them.
    ///
    /// # Errors
    /// [`RegistrationError::Json`] if the text is not such JSON.
    ///
    /// [RFC 7643 section 7](https://www.rfc-editor.org/rfc/rfc7643#section-7)
    pub fn schemas_json(mut self, json: &str) -> Result<Self, RegistrationError> {
        for schema in documents("schema", json)? {
            self = self.schema(schema);
        }
        Ok(self)
    }

    /// Changes the characteristics of one attribute of an existing schema, by its path with the schema's URI.
    ///
    /// `/Schemas` shows the changed attribute. A later [`schema`](Self::schema) with the same URI replaces it.
    ///
    /// # Errors
    /// [`RegistrationError::UnknownAttribute`] if no schema has the attribute.
    ///
    /// # Example
    /// ```
    /// use scimkit_core::{Mutability, builtin::ENTERPRISE_USER};
    /// use scimkit_registry::Registry;
    ///
    /// let path = format!("{ENTERPRISE_USER}:manager.displayName");
    /// let registry = Registry::builder()
    ///     .characteristics(&path, |attribute| attribute.mutability = Mutability::ReadWrite)?
    ///     .build()?;
    /// let user = registry.resource_type("User").unwrap();
    /// let display_name = user.attr(user.attribute_id(&path).unwrap());
    /// assert_eq!(display_name.definition().mutability, Mutability::ReadWrite);
    ///
    /// assert!(Registry::builder().characteristics("urn:x:y:shoeSize", |_| ()).is_err());
    /// # Ok::<(), scimkit_registry::RegistrationError>(())
    /// ```
    ///
    /// [RFC 7643 section 7](https://www.rfc-editor.org/rfc/rfc7643#section-7)
    pub fn characteristics(
        mut self,
        path: &str,
        change: impl FnOnce(&mut Attribute),
    ) -> Result<Self, RegistrationError> {
        let unknown = || RegistrationError::UnknownAttribute {
            path: path.to_owned(),
        };
        let named = AttributePath::parse(path).map_err(|_| unknown())?;
        let urn = named.urn.as_deref().ok_or_else(unknown)?;
        let schema = self.schemas.iter_mut().find(|schema| schema.id == *urn);
        let mut level = &mut schema.ok_or_else(unknown)?.attributes;
        if let Some(sub) = named.sub_attribute.as_deref() {
            level = &mut attribute(level, &named.name)
                .ok_or_else(unknown)?
                .sub_attributes;
            change(attribute(level, sub).ok_or_else(unknown)?);
        } else {
            change(attribute(level, &named.name).ok_or_else(unknown)?);
        }
        Ok(self)
    }

    /// Resolves every resource type against the schemas.
    ///
    /// # Errors
    /// The first contradictory definition: see [`RegistrationError`].
    pub fn build(self) -> Result<Registry, RegistrationError> {
        if let Some((name, path)) = self.indexes.iter().find(|(name, _)| !self.has_type(name)) {
            let path = path.clone();
            let name = name.clone();
            return Err(RegistrationError::UnknownIndex { path, name });
        }
        let schemas: Vec<_> = self.schemas.into_iter().map(Arc::new).collect();
        let endpoint = |definition: &ResourceTypeDefinition| Endpoint {
            kind: definition.name.clone(),
            path: definition.endpoint.clone(),
        };
        let endpoints: Arc<[Endpoint]> = self.types.iter().map(endpoint).collect();
        let mut types: Vec<Arc<ResourceType>> = Vec::with_capacity(self.types.len());
        for definition in self.types {
            check(&definition, &types)?;
            let find = |urn: &scimkit_core::Urn| {
                schemas.iter().find(|s| s.id == *urn).ok_or_else(|| {
                    let name = definition.name.clone();
                    let urn = urn.to_string();
                    RegistrationError::UnknownSchema { name, urn }
                })
            };
            let core = Arc::clone(find(&definition.schema)?);
            let mut extensions = Vec::with_capacity(definition.schema_extensions.len());
            for extension in &definition.schema_extensions {
                extensions.push((Arc::clone(find(&extension.schema)?), extension.required));
            }
            let own = |(name, _): &&(String, String)| name.eq_ignore_ascii_case(&definition.name);
            let indexed: Vec<_> = self
                .indexes
                .iter()
                .filter(own)
                .map(|(_, path)| path.clone())
                .collect();
            let mut kind = ResourceType::build(definition, &core, &extensions, &indexed)?;
            kind.endpoints = Arc::clone(&endpoints);
            types.push(Arc::new(kind));
        }
        Ok(Registry {
            schemas: served(&schemas, &types),
            types,
        })
    }

    fn has_type(&self, name: &str) -> bool {
        self.types.iter().any(|t| t.name.eq_ignore_ascii_case(name))
    }
}

/// Returns the schemas of the resource types and of the discovery endpoints.
fn served(schemas: &[Arc<Schema>], types: &[Arc<ResourceType>]) -> Vec<Arc<Schema>> {
    let used = |s: &&Arc<Schema>| {
        let uses = |t: &ResourceType| {
            *t.schema() == s.id || t.extensions().iter().any(|e| *e.urn() == s.id)
        };
        types.iter().any(|t| uses(t))
    };
    let discovery = [
        builtin::service_provider_config(),
        builtin::resource_type(),
        builtin::schema(),
    ];
    schemas
        .iter()
        .filter(used)
        .cloned()
        .chain(discovery.map(Arc::new))
        .collect()
}

/// The path segments of the protocol itself.
const RESERVED: [&str; 6] = [
    "/Bulk",
    "/Me",
    "/ResourceTypes",
    "/Schemas",
    "/ServiceProviderConfig",
    "/.search",
];

fn check(
    definition: &ResourceTypeDefinition,
    known: &[Arc<ResourceType>],
) -> Result<(), RegistrationError> {
    let name = &definition.name;
    let endpoint = &definition.endpoint;
    let segment = endpoint.strip_prefix('/').unwrap_or("");
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let only_dots = segment.bytes().all(|b| b == b'.');
    let reserved = RESERVED.iter().any(|r| r.eq_ignore_ascii_case(endpoint));
    if only_dots || !segment.bytes().all(plain) || reserved {
        let name = name.clone();
        let endpoint = endpoint.clone();
        return Err(RegistrationError::Endpoint { name, endpoint });
    }
    if known.iter().any(|t| t.name().eq_ignore_ascii_case(name)) {
        return Err(RegistrationError::Duplicate {
            what: "name",
            text: name.clone(),
        });
    }
    if known
        .iter()
        .any(|t| t.endpoint().eq_ignore_ascii_case(endpoint))
    {
        return Err(RegistrationError::Duplicate {
            what: "endpoint",
            text: endpoint.clone(),
        });
    }
    Ok(())
}

fn attribute<'a>(level: &'a mut [Attribute], name: &str) -> Option<&'a mut Attribute> {
    let mut attributes = level.iter_mut();
    attributes.find(|attribute| attribute.name.eq_ignore_ascii_case(name))
}

fn documents<T: DeserializeOwned>(
    what: &'static str,
    json: &str,
) -> Result<Vec<T>, RegistrationError> {
    let bad = |e: serde_json::Error| RegistrationError::Json {
        what,
        problem: e.to_string(),
    };
    if json.trim_start().starts_with('[') {
        return serde_json::from_str(json).map_err(bad);
    }
    serde_json::from_str(json).map(|one| vec![one]).map_err(bad)
}
