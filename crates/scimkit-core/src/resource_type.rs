//! Resource type definitions.

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeStruct};

use crate::{Urn, builtin, error::excerpt};

/// The maximum length of an endpoint in bytes.
const MAX_ENDPOINT: usize = 128;

/// A resource type: a name, an endpoint, a base schema and its extensions.
///
/// - The endpoint is relative to the service's base URL and begins with one slash. `Users` is read as `/Users`.
/// - The id is the name, unless another one is set.
/// - Reading JSON drops `schemas` and `meta`; writing JSON prints `schemas` and leaves `meta` to the server.
///
/// # Example
///
/// ```
/// use scimkit_core::{ResourceTypeDefinition, SchemaExtension, Urn};
///
/// let device = ResourceTypeDefinition::new("Device", "Devices", Urn::new("urn:example:2.0:Device")?)?
///     .with_extension(SchemaExtension::optional(Urn::new("urn:example:2.0:Warranty")?));
/// assert_eq!((device.id(), device.endpoint.as_str()), ("Device", "/Devices"));
///
/// let away = ResourceTypeDefinition::new("Away", "https://example.com/", Urn::new("urn:example:2.0:Away")?);
/// assert!(away.is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [RFC 7643, section 6](https://www.rfc-editor.org/rfc/rfc7643#section-6)
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ResourceTypeDefinition {
    /// The id, if it differs from the name.
    pub id: Option<String>,
    /// The name, as in `meta.resourceType`.
    pub name: String,
    /// The description for readers.
    pub description: String,
    /// The path below the base URL, such as `/Users`.
    pub endpoint: String,
    /// The URI of the base schema.
    pub schema: Urn,
    /// The extensions: schemas with further attributes.
    pub schema_extensions: Vec<SchemaExtension>,
}

impl ResourceTypeDefinition {
    /// Creates a resource type without extensions.
    ///
    /// # Errors
    ///
    /// [`InvalidEndpoint`] if the endpoint is not a relative path of plain segments.
    pub fn new(
        name: impl Into<String>,
        endpoint: impl Into<String>,
        schema: Urn,
    ) -> Result<Self, InvalidEndpoint> {
        Ok(Self {
            id: None,
            name: name.into(),
            description: String::new(),
            endpoint: rooted(endpoint.into())?,
            schema,
            schema_extensions: Vec::new(),
        })
    }

    /// Sets the description.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// Adds an extension.
    #[must_use]
    pub fn with_extension(mut self, extension: SchemaExtension) -> Self {
        self.schema_extensions.push(extension);
        self
    }

    /// Sets an id that differs from the name.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Returns the id: the name, unless another one is set.
    #[must_use]
    pub fn id(&self) -> &str {
        self.id.as_deref().unwrap_or(&self.name)
    }
}

/// A schema with further attributes for the resources of a type.
///
/// [RFC 7643, section 6](https://www.rfc-editor.org/rfc/rfc7643#section-6)
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SchemaExtension {
    /// The URI of the extension's schema.
    pub schema: Urn,
    /// Whether every resource of the type must have the extension.
    #[serde(default)]
    pub required: bool,
}

impl SchemaExtension {
    /// Creates an extension that resources may have.
    #[must_use]
    pub fn optional(schema: Urn) -> Self {
        Self {
            schema,
            required: false,
        }
    }

    /// Creates an extension that resources must have.
    #[must_use]
    pub fn required(schema: Urn) -> Self {
        Self {
            schema,
            required: true,
        }
    }
}

/// The error for a text that is not the endpoint of a resource type.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{endpoint}` is not a path relative to the base URL")]
#[non_exhaustive]
pub struct InvalidEndpoint {
    /// The beginning of the text.
    pub endpoint: String,
}

impl Serialize for ResourceTypeDefinition {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut object = out.serialize_struct("ResourceType", 7)?;
        object.serialize_field("schemas", &[builtin::RESOURCE_TYPE])?;
        object.serialize_field("id", self.id())?;
        object.serialize_field("name", &self.name)?;
        if !self.description.is_empty() {
            object.serialize_field("description", &self.description)?;
        }
        object.serialize_field("endpoint", &self.endpoint)?;
        object.serialize_field("schema", &self.schema)?;
        if !self.schema_extensions.is_empty() {
            object.serialize_field("schemaExtensions", &self.schema_extensions)?;
        }
        object.end()
    }
}

impl<'de> Deserialize<'de> for ResourceTypeDefinition {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire {
            id: Option<String>,
            name: String,
            description: Option<String>,
            endpoint: String,
            schema: Urn,
            schema_extensions: Option<Vec<SchemaExtension>>,
        }

        let wire = Wire::deserialize(input)?;
        Ok(Self {
            id: wire.id.filter(|id| *id != wire.name),
            name: wire.name,
            description: wire.description.unwrap_or_default(),
            endpoint: rooted(wire.endpoint).map_err(serde::de::Error::custom)?,
            schema: wire.schema,
            schema_extensions: wire.schema_extensions.unwrap_or_default(),
        })
    }
}

/// Returns the endpoint with its leading slash: one or more segments of unreserved characters, none of them only
/// dots.
fn rooted(endpoint: String) -> Result<String, InvalidEndpoint> {
    let plain = |segment: &str| {
        !segment.bytes().all(|byte| byte == b'.')
            && segment
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    let relative = endpoint.strip_prefix('/').unwrap_or(&endpoint);
    if endpoint.len() > MAX_ENDPOINT || !relative.split('/').all(plain) {
        return Err(InvalidEndpoint {
            endpoint: excerpt(&endpoint),
        });
    }
    Ok(if endpoint.starts_with('/') {
        endpoint
    } else {
        format!("/{endpoint}")
    })
}
