//! The rows of the attribute table.

use std::ops::Range;

use scimkit_core::{Attribute, DataType, Returned};

/// The index of an attribute in the table of its [`ResourceType`](crate::ResourceType).
///
/// It has no meaning without that table: it is never stored, sent or compared across types.
///
/// # Example
/// ```
/// use scimkit_registry::{AttrId, Registry};
///
/// let registry = Registry::standard();
/// let user = registry.resource_type("User").unwrap();
/// assert_eq!(user.attribute_id("ID"), Some(AttrId::ID));
/// assert_eq!(user.attribute_id("shoeSize"), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttrId(pub(crate) u16);

impl AttrId {
    /// `id`, which every resource has.
    pub const ID: AttrId = AttrId(1);

    /// `schemas`, which every resource has.
    pub(crate) const SCHEMAS: AttrId = AttrId(0);

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The special handling of an attribute by the service provider.
///
/// It follows from the schema:
/// - A multi-valued attribute of the core schema whose sub-attributes are `value`, a `$ref` to resources, `display`
///   and `type` is a set of edges. In an extension such an attribute is [`AttributeRole::Plain`]: its elements are
///   stored in the document like those of any other.
/// - A single-valued attribute with such a `$ref` is a reference, also in an extension.
/// - Sub-attributes have the role of their parent.
///
/// # Example
/// ```
/// use scimkit_registry::{Registry, AttributeRole};
///
/// let registry = Registry::standard();
/// let group = registry.resource_type("Group").unwrap();
/// let role = |path| group.attr(group.attribute_id(path).unwrap()).role();
/// assert_eq!(role("members"), AttributeRole::Membership);
/// assert_eq!(role("displayName"), AttributeRole::Plain);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttributeRole {
    /// The resource's `id`.
    Id,
    /// The read-only side of memberships, such as `User.groups`: computed from edges. Never in an extension.
    Inverse,
    /// Edges to other resources, such as `Group.members`: stored as edges, never in the document, and never in an
    /// extension.
    Membership,
    /// `meta` and its sub-attributes, which the service provider assigns.
    Meta,
    /// A value that is stored in the document.
    Plain,
    /// A reference to one resource, such as the enterprise `manager`: its `$ref` and display name are computed from
    /// the target.
    Reference,
    /// `schemas`, which follows from the attributes present.
    Schemas,
}

/// One attribute or sub-attribute of a [`ResourceType`](crate::ResourceType).
///
/// # Example
/// ```
/// use scimkit_registry::Registry;
///
/// let registry = Registry::standard();
/// let user = registry.resource_type("User").unwrap();
/// let given_name = user.attr(user.attribute_id("NAME.givenname").unwrap());
/// assert_eq!(given_name.path(), "name.givenName");
/// assert!(!given_name.is_complex());
/// ```
///
/// [RFC 7643 section 7](https://www.rfc-editor.org/rfc/rfc7643#section-7)
#[derive(Debug, Clone)]
pub struct Attr {
    pub(crate) children: Range<u16>,
    pub(crate) definition: Attribute,
    pub(crate) extension: Option<usize>,
    pub(crate) id: AttrId,
    pub(crate) indexed: bool,
    pub(crate) parent: Option<AttrId>,
    pub(crate) path: String,
    pub(crate) reference: bool,
    pub(crate) role: AttributeRole,
}

impl Attr {
    /// Returns the effective characteristics ([RFC 7643 section 7]), without sub-attributes.
    ///
    /// They are as registered, except for those that follow from others:
    /// - a write-only attribute, and every part of a never returned one, is never returned
    /// - every part of a read-only attribute is read-only, and every other part of a write-only one is write-only
    ///
    /// [RFC 7643 section 7]: https://www.rfc-editor.org/rfc/rfc7643#section-7
    #[must_use]
    pub fn definition(&self) -> &Attribute {
        &self.definition
    }

    /// Returns the index of the attribute's extension; `None` for common and core attributes.
    #[must_use]
    pub fn extension(&self) -> Option<usize> {
        self.extension
    }

    /// Returns the index of the attribute in the table.
    #[must_use]
    pub fn id(&self) -> AttrId {
        self.id
    }

    /// Returns whether the attribute has sub-attributes.
    #[must_use]
    pub fn is_complex(&self) -> bool {
        self.definition.data_type == DataType::Complex
    }

    /// Returns whether responses never contain the value, so that it can't be filtered or sorted on either.
    #[must_use]
    pub fn is_never_returned(&self) -> bool {
        self.definition.returned == Returned::Never
    }

    /// Returns whether stores should have lookup keys for the attribute.
    ///
    /// Unique and commonly used attributes have them, others by
    /// [`RegistryBuilder::index`](crate::RegistryBuilder::index). Attributes that are never returned have none: a key
    /// would reveal the value.
    #[must_use]
    pub fn is_indexed(&self) -> bool {
        self.indexed
    }

    /// Returns the name with the schema's spelling, without the parent's.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.definition.name
    }

    /// Returns the complex attribute that contains this sub-attribute.
    #[must_use]
    pub fn parent(&self) -> Option<AttrId> {
        self.parent
    }

    /// Returns the canonical path: `userName`, `name.givenName`, `urn:…:User:manager.value`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns whether the attribute is complex and refers to resources: by a `value` with their id, or by a `$ref`
    /// whose `referenceTypes` list resource types.
    ///
    /// Admission resolves a `$ref` without a `value`: see
    /// [`ResourceType::resolve_reference`](crate::ResourceType::resolve_reference).
    #[must_use]
    pub fn is_reference(&self) -> bool {
        self.reference
    }

    /// Returns the role of the attribute.
    #[must_use]
    pub fn role(&self) -> AttributeRole {
        self.role
    }
}
