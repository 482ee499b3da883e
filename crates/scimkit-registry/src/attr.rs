//! One row of the attribute table.

use std::ops::Range;

use scimkit_core::{Attribute, DataType, Returned};

/// The place of an attribute in its [`ResourceType`](crate::ResourceType)'s table.
///
/// It means nothing without that table: it is never stored, sent or compared across types.
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

/// What the service provider itself does with an attribute, beside keeping its value.
///
/// It follows from the schema:
/// - A multi-valued attribute of the core schema whose sub-attributes are `value`, a `$ref` to
///   resources, `display` and `type` is a set of edges. In an extension the same shape is
///   [`AttributeRole::Plain`]: its elements are kept in the document like those of any other.
/// - One value with such a `$ref` is a reference, also in an extension.
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
    /// The read-only side of memberships, such as `User.groups`: computed from edges. Never in an
    /// extension.
    Inverse,
    /// Edges to other resources, such as `Group.members`: kept as edges, never in the document, and
    /// never in an extension.
    Membership,
    /// `meta` and its sub-attributes: made by the service provider.
    Meta,
    /// A value kept in the document.
    Plain,
    /// One reference to a resource, such as the enterprise `manager`: its `$ref` and display name
    /// are filled in from the target.
    Reference,
    /// `schemas`: follows from the attributes present.
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
    /// The characteristics that take effect ([RFC 7643 section 7]), without sub-attributes.
    ///
    /// They are as registered but for those that follow from others:
    /// - what is write-only, and any part of what is never returned, is never returned
    /// - any part of what is read-only is read-only, and any other part of what is write-only is
    ///   write-only
    ///
    /// [RFC 7643 section 7]: https://www.rfc-editor.org/rfc/rfc7643#section-7
    #[must_use]
    pub fn definition(&self) -> &Attribute {
        &self.definition
    }

    /// Which of the type's extensions it belongs to; `None` for common and core attributes.
    #[must_use]
    pub fn extension(&self) -> Option<usize> {
        self.extension
    }

    /// Its place in the table.
    #[must_use]
    pub fn id(&self) -> AttrId {
        self.id
    }

    /// Whether it has sub-attributes.
    #[must_use]
    pub fn is_complex(&self) -> bool {
        self.definition.data_type == DataType::Complex
    }

    /// Whether its value is never shown, and so can be neither filtered nor sorted on.
    #[must_use]
    pub fn is_never_returned(&self) -> bool {
        self.definition.returned == Returned::Never
    }

    /// Whether stores are asked to keep a lookup key of it.
    ///
    /// What is unique, and what is commonly looked up, has one; the others by
    /// [`RegistryBuilder::index`](crate::RegistryBuilder::index). What is never returned has none:
    /// a key would give it away.
    #[must_use]
    pub fn is_indexed(&self) -> bool {
        self.indexed
    }

    /// The name as the schema spells it, without its parent.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.definition.name
    }

    /// The complex attribute it is a sub-attribute of.
    #[must_use]
    pub fn parent(&self) -> Option<AttrId> {
        self.parent
    }

    /// The canonical path: `userName`, `name.givenName`, `urn:…:User:manager.value`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether it is complex and refers to resources: by a `value`, which is their id, or by a `$ref`
    /// whose `referenceTypes` list types of resources.
    ///
    /// A `$ref` without a `value` is resolved when it is admitted:
    /// [`ResourceType::resolve_reference`](crate::ResourceType::resolve_reference).
    #[must_use]
    pub fn is_reference(&self) -> bool {
        self.reference
    }

    /// What the service provider does with it.
    #[must_use]
    pub fn role(&self) -> AttributeRole {
        self.role
    }
}
