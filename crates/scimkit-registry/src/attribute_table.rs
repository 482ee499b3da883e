//! The flat attribute table of one resource type.

use std::{ops::Range, sync::Arc};

use scimkit_core::{ResourceTypeDefinition, Urn};
use scimkit_filter::AttributePath;

use crate::{
    Attr, AttrId, AttributeRole, Fingerprint, Projection, admit::is_read_only, project::Splices,
    reference::Endpoint,
};

/// A resource type with its schemas resolved into one flat attribute table.
///
/// Part of a [`Registry`](crate::Registry).
///
/// # Example
/// ```
/// use scimkit_registry::Registry;
///
/// let registry = Registry::standard();
/// let user = registry.resource_type("User").unwrap();
/// let manager = user.attribute_id("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager");
/// let parts: Vec<_> = user.children(manager.unwrap()).map(|attr| attr.name()).collect();
/// assert_eq!(parts, ["value", "$ref", "displayName"]);
/// assert_eq!(user.attribute_id("manager"), None); // an extension's names need its URI
/// ```
///
/// [RFC 7643 section 6](https://www.rfc-editor.org/rfc/rfc7643#section-6)
#[derive(Debug)]
pub struct ResourceType {
    // INVARIANT: `attributes[i].id == AttrId(i)`; the children of an attribute follow its level
    // contiguously; entry 0 is `schemas` and entry 1 is `id`.
    pub(crate) attributes: Vec<Attr>,
    /// See [`ResourceType::completed_attributes`].
    pub(crate) completed: Vec<AttrId>,
    pub(crate) core: Urn,
    pub(crate) default_projection: Projection,
    pub(crate) definition: ResourceTypeDefinition,
    /// The attribute that references and members show of a resource.
    pub(crate) display_name: Option<AttrId>,
    /// The endpoints of every resource type of the registry.
    pub(crate) endpoints: Arc<[Endpoint]>,
    pub(crate) extensions: Vec<Extension>,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) key_fingerprint: Fingerprint,
    pub(crate) name: Arc<str>,
    pub(crate) splices: Splices,
    pub(crate) top: Range<u16>,
}

/// A schema extension of a [`ResourceType`].
///
/// [RFC 7643 section 3.3](https://www.rfc-editor.org/rfc/rfc7643#section-3.3)
#[derive(Debug, Clone)]
pub struct Extension {
    pub(crate) required: bool,
    pub(crate) top: Range<u16>,
    pub(crate) urn: Urn,
}

impl Extension {
    /// Returns whether a resource must have at least one of its attributes.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.required
    }

    /// Returns the schema's URI, as registered: the name of the member that contains its attributes.
    #[must_use]
    pub fn urn(&self) -> &Urn {
        &self.urn
    }
}

impl ResourceType {
    /// Returns every attribute and sub-attribute, parents before their children.
    #[must_use]
    pub fn attributes(&self) -> &[Attr] {
        &self.attributes
    }

    /// Returns the attribute with that id.
    ///
    /// An id of another type gives an arbitrary attribute, `schemas` if there is no other. Values that contain ids
    /// contain their type as well, so this does not happen by accident.
    #[must_use]
    pub fn attr(&self, id: AttrId) -> &Attr {
        match self.attributes.get(id.index()) {
            Some(attr) => attr,
            None => self.first(),
        }
    }

    /// Returns the sub-attributes of a complex attribute.
    pub fn children(&self, id: AttrId) -> impl Iterator<Item = &Attr> {
        self.slice(&self.attr(id).children).iter()
    }

    /// Returns the top-level attributes that the service provider computes or completes in responses: `id`, `meta`,
    /// memberships, inverse memberships and references. They are determined once per type.
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::Registry;
    ///
    /// let registry = Registry::standard();
    /// let group = registry.resource_type("Group").unwrap();
    /// let names: Vec<_> = group.completed_attributes().map(|attr| attr.name()).collect();
    /// assert_eq!(names, ["id", "meta", "members"]);
    /// ```
    pub fn completed_attributes(&self) -> impl Iterator<Item = &Attr> {
        self.completed.iter().map(|id| self.attr(*id))
    }

    /// Returns whether references and members show the `displayName` of resources of this type: `false` if it has
    /// none, or one that is never returned.
    #[must_use]
    pub fn shows_display_name(&self) -> bool {
        let attr = self.display_name.map(|id| self.attr(id));
        attr.is_some_and(|attr| !attr.is_never_returned())
    }

    /// Returns the definition as registered.
    #[must_use]
    pub fn definition(&self) -> &ResourceTypeDefinition {
        &self.definition
    }

    /// Returns the path below the base URL, with its leading slash: `/Users`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.definition.endpoint
    }

    /// Returns the schema extensions, in the order of the definition.
    #[must_use]
    pub fn extensions(&self) -> &[Extension] {
        &self.extensions
    }

    /// Returns a digest of the attribute table; a store saves it to notice a changed schema.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Returns whether the service provider computes the value of that attribute in responses, so that documents do
    /// not contain it: `id`, `meta`, memberships and the computed parts of references.
    #[must_use]
    pub fn is_computed(&self, id: AttrId) -> bool {
        let attr = self.attr(id);
        match attr.role() {
            AttributeRole::Plain | AttributeRole::Schemas => false,
            // Parts that a client may write are stored.
            AttributeRole::Reference if attr.parent().is_some() => {
                attr.name() == "$ref" || is_read_only(attr)
            }
            AttributeRole::Reference => false,
            _ => true,
        }
    }

    /// Returns the attribute that `path` names, ignoring case; `None` if there is none.
    ///
    /// A name without a URN is looked up only among the common and core attributes; [`find`](Self::find) also
    /// searches the extensions.
    ///
    /// # Example
    /// ```
    /// use scimkit_filter::AttributePath;
    /// use scimkit_registry::Registry;
    ///
    /// let registry = Registry::standard();
    /// let group = registry.resource_type("Group").unwrap();
    /// let path = AttributePath::parse("URN:ietf:params:scim:schemas:core:2.0:GROUP:DisplayName");
    /// let id = group.resolve(&path.unwrap()).unwrap();
    /// assert_eq!(group.attr(id).path(), "displayName");
    /// assert_eq!(group.resolve(&AttributePath::parse("userName").unwrap()), None);
    /// ```
    ///
    /// [RFC 7644 section 3.10](https://www.rfc-editor.org/rfc/rfc7644#section-3.10)
    #[must_use]
    pub fn resolve(&self, path: &AttributePath<'_>) -> Option<AttrId> {
        self.lookup_parts(
            path.urn.as_deref(),
            &path.name,
            path.sub_attribute.as_deref(),
        )
    }

    /// Returns the type's `name`, as in `meta.resourceType`: `User`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the name of the type, shared with the edges that lead to its resources.
    #[must_use]
    pub fn shared_name(&self) -> &Arc<str> {
        &self.name
    }

    /// Returns the attribute at a path such as `name.givenName`: see [`resolve`](Self::resolve).
    #[must_use]
    pub fn attribute_id(&self, path: &str) -> Option<AttrId> {
        let path = AttributePath::parse(path).ok()?;
        self.resolve(&path)
    }

    /// Returns the URI of the core schema.
    #[must_use]
    pub fn schema(&self) -> &Urn {
        &self.core
    }

    /// Returns the sub-attribute with this name, ignoring case.
    #[must_use]
    pub fn child_named(&self, id: AttrId, name: &str) -> Option<AttrId> {
        find(self.slice(&self.attr(id).children), name)
    }

    pub(crate) fn extension_at(&self, index: usize) -> Option<&Extension> {
        self.extensions.get(index)
    }

    pub(crate) fn extension_named(&self, urn: &str) -> Option<usize> {
        self.extensions.iter().position(|e| e.urn == *urn)
    }

    /// Returns the attribute of a name that exactly one extension has, for clients that omit the URN.
    pub(crate) fn lookup_in_extensions(&self, name: &str, sub: Option<&str>) -> Option<AttrId> {
        let mut found = self
            .extensions
            .iter()
            .filter_map(|e| self.find_in(&e.top, name, sub));
        found.next().filter(|_| found.next().is_none())
    }

    pub(crate) fn lookup_parts(
        &self,
        urn: Option<&str>,
        name: &str,
        sub: Option<&str>,
    ) -> Option<AttrId> {
        let range = match urn {
            None => &self.top,
            Some(urn) if self.core == *urn => &self.top,
            Some(urn) => {
                &self
                    .extension_named(urn)
                    .and_then(|i| self.extension_at(i))?
                    .top
            }
        };
        self.find_in(range, name, sub)
    }

    /// Returns the top-level attributes of the core schema, or of one extension.
    pub(crate) fn top_level(&self, extension: Option<usize>) -> &[Attr] {
        match extension {
            None => self.slice(&self.top),
            Some(index) => self.extension_at(index).map_or(&[], |e| self.slice(&e.top)),
        }
    }

    fn find_in(&self, range: &Range<u16>, name: &str, sub: Option<&str>) -> Option<AttrId> {
        let top = find(self.slice(range), name)?;
        match sub {
            None => Some(top),
            Some(sub) => self.child_named(top, sub),
        }
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "a table always holds the common attributes"
    )]
    fn first(&self) -> &Attr {
        &self.attributes[0]
    }

    fn slice(&self, range: &Range<u16>) -> &[Attr] {
        self.attributes
            .get(usize::from(range.start)..usize::from(range.end))
            .unwrap_or(&[])
    }
}

fn find(level: &[Attr], name: &str) -> Option<AttrId> {
    level
        .iter()
        .find(|attr| attr.name().eq_ignore_ascii_case(name))
        .map(Attr::id)
}
