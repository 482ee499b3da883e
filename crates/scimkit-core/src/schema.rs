//! Schema definitions.

use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::attribute::find;
use crate::{Attribute, Urn, builtin};

/// A schema: the attributes that one URI stands for.
///
/// - The common attributes `schemas`, `id`, `externalId` and `meta` belong to every resource and are not listed; see
///   [`builtin::common_attributes`].
/// - Reading JSON accepts the members `schemas` and `meta` and drops them; a missing name or description is empty.
/// - Writing JSON prints `schemas`. `meta` holds a location, which only a server knows, and is the server's to add.
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
    /// Its name, for a person.
    pub name: String,
    /// What it is for, for a person.
    pub description: String,
    /// Its attributes, in the order they are printed.
    pub attributes: Vec<Attribute>,
}

impl Schema {
    /// A schema without attributes.
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
    /// [`InvalidSchema`] when the text is not JSON, the id is not a URN, `attributes` is missing, or an attribute's
    /// name, keyword or JSON type is wrong. Its source says which, with line and column.
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

    /// The attribute of this name, in any ASCII case.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        find(&self.attributes, name)
    }
}

/// A text that is not a schema definition.
#[derive(Debug, thiserror::Error)]
#[error("not a schema definition")]
#[non_exhaustive]
pub struct InvalidSchema {
    /// What is wrong with it, and where.
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
