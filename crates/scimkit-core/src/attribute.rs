//! Attribute definitions and their characteristics.

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeStruct};
use serde_json::Value;

use crate::{error::excerpt, is_attribute_name, keyword::keywords};

/// An attribute of a schema: its name, its type and its characteristics.
///
/// - A definition starts from the RFC's defaults: single-valued, optional, case-insensitive, `readWrite`, returned by
///   default, not unique. Setters chain.
/// - Reading JSON uses the same defaults for characteristics that are absent or null, ignores unknown members,
///   ignores canonical values that are not strings, and accepts keywords in any case.
/// - Writing JSON prints each characteristic that applies to the type: `caseExact` for strings, references and
///   binaries; `uniqueness` for strings, references and numbers; lists only if they are not empty.
///
/// # Errors
///
/// Reading JSON fails on a name that [`is_attribute_name`] rejects, on an unknown keyword and on a wrong JSON type.
///
/// # Example
///
/// ```
/// use scimkit_core::{Attribute, DataType, Mutability};
///
/// let keys = Attribute::new("keys", DataType::Complex).multi_valued().with_sub_attributes([
///     Attribute::new("value", DataType::String).required().case_exact(),
///     Attribute::new("type", DataType::String).with_canonical_values(["ssh", "gpg"]),
/// ]);
/// assert_eq!(keys.mutability, Mutability::ReadWrite);
/// assert!(keys.sub_attribute("VALUE").unwrap().required);
///
/// let plain: Attribute = serde_json::from_str(r#"{"name":"nickName"}"#)?;
/// assert_eq!(plain, Attribute::new("nickName", DataType::String));
/// assert!(serde_json::from_str::<Attribute>(r#"{"name":"nick name"}"#).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// [RFC 7643, section 7](https://www.rfc-editor.org/rfc/rfc7643#section-7)
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attribute {
    /// The name, with the spelling to print.
    pub name: String,
    /// The type of its values (`type` in JSON).
    pub data_type: DataType,
    /// Whether the attribute has a list of values.
    pub multi_valued: bool,
    /// The description for readers.
    pub description: String,
    /// Whether every resource must have a value.
    pub required: bool,
    /// The values that the service suggests.
    pub canonical_values: Vec<String>,
    /// The `caseExact` of the definition; [`is_case_exact`](Attribute::is_case_exact) returns the effective value.
    pub case_exact: bool,
    /// When the value can be set.
    pub mutability: Mutability,
    /// When responses contain the value.
    pub returned: Returned,
    /// Whether another resource may have the same value.
    pub uniqueness: Uniqueness,
    /// The targets of a reference: resource types, `external` or `uri`.
    pub reference_types: Vec<String>,
    /// The attributes of a complex value.
    pub sub_attributes: Vec<Attribute>,
}

impl Attribute {
    /// Creates an attribute with the RFC's default characteristics.
    ///
    /// The name is checked later, when the schema is read or registered.
    pub fn new(name: impl Into<String>, data_type: DataType) -> Self {
        Self {
            name: name.into(),
            data_type,
            multi_valued: false,
            description: String::new(),
            required: false,
            canonical_values: Vec::new(),
            case_exact: always_case_exact(data_type),
            mutability: Mutability::default(),
            returned: Returned::default(),
            uniqueness: Uniqueness::default(),
            reference_types: Vec::new(),
            sub_attributes: Vec::new(),
        }
    }

    /// Makes the attribute multi-valued.
    #[must_use]
    pub fn multi_valued(mut self) -> Self {
        self.multi_valued = true;
        self
    }

    /// Makes the attribute required.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Makes comparisons of the values case-sensitive.
    #[must_use]
    pub fn case_exact(mut self) -> Self {
        self.case_exact = true;
        self
    }

    /// Sets the suggested values.
    #[must_use]
    pub fn with_canonical_values<T: Into<String>>(
        mut self,
        values: impl IntoIterator<Item = T>,
    ) -> Self {
        self.canonical_values = values.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the description.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// Sets the mutability.
    #[must_use]
    pub fn with_mutability(mut self, mutability: Mutability) -> Self {
        self.mutability = mutability;
        self
    }

    /// Sets the targets of a reference.
    #[must_use]
    pub fn with_reference_types<T: Into<String>>(
        mut self,
        types: impl IntoIterator<Item = T>,
    ) -> Self {
        self.reference_types = types.into_iter().map(Into::into).collect();
        self
    }

    /// Sets when responses contain the value.
    #[must_use]
    pub fn with_returned(mut self, returned: Returned) -> Self {
        self.returned = returned;
        self
    }

    /// Sets the attributes of a complex value.
    #[must_use]
    pub fn with_sub_attributes(mut self, attributes: impl IntoIterator<Item = Attribute>) -> Self {
        self.sub_attributes = attributes.into_iter().collect();
        self
    }

    /// Sets the uniqueness.
    #[must_use]
    pub fn with_uniqueness(mut self, uniqueness: Uniqueness) -> Self {
        self.uniqueness = uniqueness;
        self
    }

    /// Returns whether values are compared case-sensitively.
    ///
    /// References and binaries always are, whatever their definition says; of the other types only strings can be.
    ///
    /// # Example
    ///
    /// ```
    /// use scimkit_core::{Attribute, DataType};
    ///
    /// assert!(Attribute::new("photo", DataType::Reference).is_case_exact());
    /// assert!(!Attribute::new("title", DataType::String).is_case_exact());
    /// ```
    ///
    /// [RFC 7643, sections 2.3.6 and 2.3.7](https://www.rfc-editor.org/rfc/rfc7643#section-2.3.6)
    #[must_use]
    pub fn is_case_exact(&self) -> bool {
        match self.data_type {
            DataType::Binary | DataType::Reference => true,
            DataType::String => self.case_exact,
            DataType::Boolean
            | DataType::Complex
            | DataType::DateTime
            | DataType::Decimal
            | DataType::Integer => false,
        }
    }

    /// Returns the sub-attribute of this name, in any ASCII case.
    #[must_use]
    pub fn sub_attribute(&self, name: &str) -> Option<&Attribute> {
        find(&self.sub_attributes, name)
    }
}

/// The type of an attribute's values.
///
/// # Example
///
/// ```
/// use scimkit_core::DataType;
///
/// assert_eq!(DataType::DateTime.as_str(), "dateTime");
/// assert_eq!(DataType::from_keyword("date"), None);
/// ```
///
/// [RFC 7643, section 2.3](https://www.rfc-editor.org/rfc/rfc7643#section-2.3)
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(
    clippy::exhaustive_enums,
    reason = "closed by RFC 7643, section 2.3: extensions add no types"
)]
pub enum DataType {
    /// Base64 text.
    Binary,
    /// `true` or `false`.
    Boolean,
    /// An object of sub-attributes.
    Complex,
    /// An `xsd:dateTime`; see [`parse_instant`](crate::parse_instant).
    DateTime,
    /// A number.
    Decimal,
    /// A number without a fraction or an exponent.
    Integer,
    /// A URI.
    Reference,
    /// Text; the default.
    #[default]
    String,
}

keywords!(DataType, "data type" {
    Binary => "binary",
    Boolean => "boolean",
    Complex => "complex",
    DateTime => "dateTime",
    Decimal => "decimal",
    Integer => "integer",
    Reference => "reference",
    String => "string",
});

/// The times at which an attribute's value can be set.
///
/// [RFC 7643, section 7](https://www.rfc-editor.org/rfc/rfc7643#section-7)
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_enums, reason = "closed by RFC 7643, section 7")]
pub enum Mutability {
    /// Can be set once.
    Immutable,
    /// Can't be set by clients.
    ReadOnly,
    /// Can be set at any time; the default.
    #[default]
    ReadWrite,
    /// Can be set at any time, but not read.
    WriteOnly,
}

keywords!(Mutability, "mutability" {
    Immutable => "immutable",
    ReadOnly => "readOnly",
    ReadWrite => "readWrite",
    WriteOnly => "writeOnly",
});

/// The responses that contain an attribute's value.
///
/// [RFC 7643, section 7](https://www.rfc-editor.org/rfc/rfc7643#section-7)
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_enums, reason = "closed by RFC 7643, section 7")]
pub enum Returned {
    /// Every response, whatever the request selects.
    Always,
    /// Every response, unless the request excludes it; the default.
    #[default]
    Default,
    /// No response.
    Never,
    /// Only responses to requests that name it or set it.
    Request,
}

keywords!(Returned, "value of `returned`" {
    Always => "always",
    Default => "default",
    Never => "never",
    Request => "request",
});

/// The scope in which an attribute's value must be unique.
///
/// [RFC 7643, section 7](https://www.rfc-editor.org/rfc/rfc7643#section-7)
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_enums, reason = "closed by RFC 7643, section 7")]
pub enum Uniqueness {
    /// Unique everywhere.
    Global,
    /// Not unique; the default.
    #[default]
    None,
    /// Unique within an endpoint of a tenant.
    Server,
}

keywords!(Uniqueness, "uniqueness" {
    Global => "global",
    None => "none",
    Server => "server",
});

impl Serialize for Attribute {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut object = out.serialize_struct("Attribute", 12)?;
        object.serialize_field("name", &self.name)?;
        object.serialize_field("type", &self.data_type)?;
        if self.data_type == DataType::Complex {
            object.serialize_field("subAttributes", &self.sub_attributes)?;
        }
        object.serialize_field("multiValued", &self.multi_valued)?;
        if !self.description.is_empty() {
            object.serialize_field("description", &self.description)?;
        }
        object.serialize_field("required", &self.required)?;
        if !self.canonical_values.is_empty() {
            object.serialize_field("canonicalValues", &self.canonical_values)?;
        }
        if self.data_type == DataType::String || always_case_exact(self.data_type) {
            object.serialize_field("caseExact", &self.is_case_exact())?;
        }
        object.serialize_field("mutability", &self.mutability)?;
        object.serialize_field("returned", &self.returned)?;
        if has_uniqueness(self.data_type) {
            object.serialize_field("uniqueness", &self.uniqueness)?;
        }
        if !self.reference_types.is_empty() {
            object.serialize_field("referenceTypes", &self.reference_types)?;
        }
        object.end()
    }
}

impl<'de> Deserialize<'de> for Attribute {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let wire = Wire::deserialize(input)?;
        if !is_attribute_name(&wire.name) {
            let name = excerpt(&wire.name);
            return Err(serde::de::Error::custom(format_args!(
                "`{name}` is not an attribute name"
            )));
        }
        let mut attribute = Self {
            name: wire.name,
            data_type: wire.data_type.unwrap_or_default(),
            multi_valued: wire.multi_valued.unwrap_or_default(),
            description: wire.description.unwrap_or_default(),
            required: wire.required.unwrap_or_default(),
            canonical_values: strings(wire.canonical_values),
            case_exact: wire.case_exact.unwrap_or_default(),
            mutability: wire.mutability.unwrap_or_default(),
            returned: wire.returned.unwrap_or_default(),
            uniqueness: wire.uniqueness.unwrap_or_default(),
            reference_types: strings(wire.reference_types),
            sub_attributes: wire.sub_attributes.unwrap_or_default(),
        };
        // The RFC's own JSON has `"caseExact": false` on references; section 2.3.7 overrides it.
        attribute.case_exact = attribute.is_case_exact();
        Ok(attribute)
    }
}

/// An attribute in JSON: every member but the name may be absent or null.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    name: String,
    #[serde(rename = "type")]
    data_type: Option<DataType>,
    multi_valued: Option<bool>,
    description: Option<String>,
    required: Option<bool>,
    canonical_values: Option<Vec<Value>>,
    case_exact: Option<bool>,
    mutability: Option<Mutability>,
    returned: Option<Returned>,
    uniqueness: Option<Uniqueness>,
    reference_types: Option<Vec<Value>>,
    sub_attributes: Option<Vec<Attribute>>,
}

pub(crate) fn find<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a Attribute> {
    attributes
        .iter()
        .find(|attribute| attribute.name.eq_ignore_ascii_case(name))
}

fn always_case_exact(data_type: DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::Reference)
}

fn has_uniqueness(data_type: DataType) -> bool {
    matches!(
        data_type,
        DataType::Decimal | DataType::Integer | DataType::Reference | DataType::String
    )
}

fn strings(values: Option<Vec<Value>>) -> Vec<String> {
    let text = |value| match value {
        Value::String(text) => Some(text),
        _ => None,
    };
    values
        .unwrap_or_default()
        .into_iter()
        .filter_map(text)
        .collect()
}
