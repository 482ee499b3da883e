//! Schema definitions.

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeStruct};

use crate::{Attribute, Urn, attribute::find, builtin};

/// A schema: the attributes that belong to one URI.
///
/// - The common attributes `schemas`, `id`, `externalId` and `meta` belong to every resource and are not listed; see
///   [`builtin::common_attributes`].
/// - Reading JSON drops the members `schemas` and `meta`; a missing name or description is empty.
/// - Writing JSON prints `schemas`. The server adds `meta`, because only it knows the location.
///
/// # Example
///
/// ```
/// use scimkit_core::Schema;
///
/// let schema = Schema::from_json(r#"{
///     "id": "urn:example:2.0:Badge",
///     "name": "Badge",
///     "attributes": [{"name": "number", "type": "integer"}]
/// }"#)?;
/// assert!(schema.attribute("Number").is_some());
/// assert!(Schema::from_json(r#"{"id": "Badge", "attributes": []}"#).is_err());
/// # Ok::<(), scimkit_core::InvalidSchema>(())
/// ```
///
/// [RFC 7643, section 7](https://www.rfc-editor.org/rfc/rfc7643#section-7)
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Schema {
    /// The schema's URI.
    pub id: Urn,
    /// The name for readers.
    pub name: String,
    /// The description for readers.
    pub description: String,
    /// The attributes, in the order in which they are printed.
    pub attributes: Vec<Attribute>,
}

impl Schema {
    /// Creates a schema without attributes.
    pub fn new(id: Urn, name: impl Into<String>) -> Self {
        Self {
            id,
            name: name.into(),
            description: String::new(),
            attributes: Vec::new(),
        }
    }

    /// Reads a schema from the JSON of a `Schema` resource.
    ///
    /// # Errors
    ///
    /// [`InvalidSchema`] if the text is not JSON, the id is not a URN, `attributes` is missing, or an attribute has a
    /// wrong name, keyword or JSON type. Its source has the details, with line and column.
    pub fn from_json(text: &str) -> Result<Self, InvalidSchema> {
        serde_json::from_str(text).map_err(|source| InvalidSchema { source })
    }

    /// Sets the attributes.
    #[must_use]
    pub fn with_attributes(mut self, attributes: impl IntoIterator<Item = Attribute>) -> Self {
        self.attributes = attributes.into_iter().collect();
        self
    }

    /// Sets the description.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// Returns the attribute of this name, in any ASCII case.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        find(&self.attributes, name)
    }
}

/// The error for a text that is not a schema definition.
#[derive(Debug, thiserror::Error)]
#[error("not a schema definition")]
#[non_exhaustive]
pub struct InvalidSchema {
    /// The cause, with its position.
    pub source: serde_json::Error,
}

impl Serialize for Schema {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut object = out.serialize_struct("Schema", 5)?;
        object.serialize_field("schemas", &[builtin::SCHEMA])?;
        object.serialize_field("id", &self.id)?;
        object.serialize_field("name", &self.name)?;
        if !self.description.is_empty() {
            object.serialize_field("description", &self.description)?;
        }
        object.serialize_field("attributes", &self.attributes)?;
        object.end()
    }
}

impl<'de> Deserialize<'de> for Schema {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Wire {
            id: Urn,
            name: Option<String>,
            description: Option<String>,
            attributes: Vec<Attribute>,
        }

        let wire = Wire::deserialize(input)?;
        Ok(Self {
            id: wire.id,
            name: wire.name.unwrap_or_default(),
            description: wire.description.unwrap_or_default(),
            attributes: wire.attributes,
        })
    }
}
