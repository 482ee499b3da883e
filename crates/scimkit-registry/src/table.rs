//! The flat attribute table of one resource type.

use std::{ops::Range, sync::Arc};

use scimkit_core::{
    Attribute, DataType, Mutability, ResourceTypeDefinition, Returned, Schema, Uniqueness, Urn,
    builtin,
};
use scimkit_filter::AttributePath;

use crate::{Fingerprint, RegistrationError};

/// The place of an attribute in its [`ResourceType`]'s table.
///
/// It means nothing without that table: it is never stored, sent or compared across types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttrId(u16);

impl AttrId {
    /// `id`, which every resource has.
    pub const ID: AttrId = AttrId(1);

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// What the service provider itself does with an attribute, beside keeping its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// The resource's `id`.
    Id,
    /// The read-only side of memberships, such as `User.groups`: computed from edges.
    Inverse,
    /// Edges to other resources, such as `Group.members`: kept as edges, never in the document.
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

/// One attribute or sub-attribute of a [`ResourceType`].
#[derive(Debug, Clone)]
pub struct Attr {
    children: Range<u16>,
    definition: Attribute,
    extension: Option<usize>,
    id: AttrId,
    indexed: bool,
    parent: Option<AttrId>,
    path: String,
    role: Role,
}

impl Attr {
    /// The characteristics as registered (RFC 7643 section 7).
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

    /// What the service provider does with it.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

}

/// A resource type with its schemas resolved into one flat attribute table.
///
/// Made by a [`Registry`](crate::Registry). See [RFC 7643 section 6].
///
/// [RFC 7643 section 6]: https://www.rfc-editor.org/rfc/rfc7643#section-6
#[derive(Debug)]
pub struct ResourceType {
    // INVARIANT: `attributes[i].id == AttrId(i)`; the children of an attribute follow its level
    // contiguously; entry 0 is `schemas` and entry 1 is `id`.
    attributes: Vec<Attr>,
    core: Urn,
    definition: ResourceTypeDefinition,
    extensions: Vec<Extension>,
    fingerprint: Fingerprint,
    top: Range<u16>,
}

/// A schema extension of a [`ResourceType`].
#[derive(Debug, Clone)]
pub struct Extension {
    required: bool,
    top: Range<u16>,
    urn: Urn,
}

impl Extension {
    /// Whether a resource must have at least one of its attributes.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.required
    }

    /// The schema's URI, as registered: the name of the member that holds its attributes.
    #[must_use]
    pub fn urn(&self) -> &Urn {
        &self.urn
    }
}

impl ResourceType {
    /// Every attribute and sub-attribute, parents before their children.
    #[must_use]
    pub fn attributes(&self) -> &[Attr] {
        &self.attributes
    }

    /// The attribute with that id.
    ///
    /// An id of another type answers with whatever stands there, at worst with `schemas`: ids
    /// travel inside values that hold their own type, so that does not happen by accident.
    #[must_use]
    pub fn attr(&self, id: AttrId) -> &Attr {
        match self.attributes.get(id.index()) {
            Some(attr) => attr,
            None => self.first(),
        }
    }

    /// The sub-attributes of a complex attribute.
    pub fn children(&self, id: AttrId) -> impl Iterator<Item = &Attr> {
        self.slice(&self.attr(id).children).iter()
    }

    /// The definition as registered.
    #[must_use]
    pub fn definition(&self) -> &ResourceTypeDefinition {
        &self.definition
    }

    /// The path below the base URL, with its leading slash: `/Users`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.definition.endpoint
    }

    /// The schema extensions, in the order of the definition.
    #[must_use]
    pub fn extensions(&self) -> &[Extension] {
        &self.extensions
    }

    /// A digest of the attribute table; a store keeps it to notice a changed schema.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The attribute that `path` names, ignoring case; `None` when there is none.
    ///
    /// A name without a URN is looked up among the common and core attributes only.
    #[must_use]
    pub fn lookup(&self, path: &AttributePath<'_>) -> Option<AttrId> {
        self.lookup_parts(path.urn.as_deref(), &path.name, path.sub.as_deref())
    }

    /// The type's `name`, which `meta.resourceType` carries: `User`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.definition.name
    }

    /// The attribute at a canonical or otherwise spelled path such as `name.givenName`.
    #[must_use]
    pub fn named(&self, path: &str) -> Option<AttrId> {
        AttributePath::parse(path).ok().and_then(|path| self.lookup(&path))
    }

    /// The URI of the core schema.
    #[must_use]
    pub fn schema(&self) -> &Urn {
        &self.core
    }

    pub(crate) fn child_named(&self, id: AttrId, name: &str) -> Option<AttrId> {
        self.children(id).find(|a| a.name().eq_ignore_ascii_case(name)).map(Attr::id)
    }

    pub(crate) fn extension_at(&self, index: usize) -> Option<&Extension> {
        self.extensions.get(index)
    }

    pub(crate) fn extension_named(&self, urn: &str) -> Option<usize> {
        self.extensions.iter().position(|e| e.urn.as_str().eq_ignore_ascii_case(urn))
    }

    /// A name found in exactly one extension, for senders that leave the URN out.
    pub(crate) fn lookup_in_extensions(&self, name: &str, sub: Option<&str>) -> Option<AttrId> {
        let mut found = self.extensions.iter().filter_map(|e| self.find_in(&e.top, name, sub));
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
            Some(urn) if urn.eq_ignore_ascii_case(self.core.as_str()) => &self.top,
            Some(urn) => &self.extension_named(urn).and_then(|i| self.extension_at(i))?.top,
        };
        self.find_in(range, name, sub)
    }

    /// The top-level attributes of the core schema, or of one extension.
    pub(crate) fn top_level(&self, extension: Option<usize>) -> &[Attr] {
        match extension {
            None => self.slice(&self.top),
            Some(index) => self.extension_at(index).map_or(&[], |e| self.slice(&e.top)),
        }
    }

    fn find_in(&self, range: &Range<u16>, name: &str, sub: Option<&str>) -> Option<AttrId> {
        let top = self.slice(range).iter().find(|a| a.name().eq_ignore_ascii_case(name))?.id;
        match sub {
            None => Some(top),
            Some(sub) => self.child_named(top, sub),
        }
    }

    #[expect(clippy::indexing_slicing, reason = "a table always holds the common attributes")]
    fn first(&self) -> &Attr {
        &self.attributes[0]
    }

    fn slice(&self, range: &Range<u16>) -> &[Attr] {
        self.attributes.get(usize::from(range.start)..usize::from(range.end)).unwrap_or(&[])
    }

    pub(crate) fn build(
        definition: ResourceTypeDefinition,
        core: &Schema,
        extensions: &[(Arc<Schema>, bool)],
        indexed: &[String],
    ) -> Result<Self, RegistrationError> {
        let mut table = TableBuilder { attributes: Vec::new(), type_name: definition.name.clone() };
        let mut top = builtin::common_attributes();
        for attribute in &core.attributes {
            // A schema may list the common attributes itself; theirs is one definition.
            if !top.iter().any(|a| a.name.eq_ignore_ascii_case(&attribute.name)) {
                top.push(attribute.clone());
            }
        }
        let top = table.level(&top, None, None, "")?;
        let mut built = Vec::with_capacity(extensions.len());
        for (index, (schema, required)) in extensions.iter().enumerate() {
            let prefix = format!("{}:", schema.id.as_str());
            let range = table.level(&schema.attributes, None, Some(index), &prefix)?;
            built.push(Extension { required: *required, top: range, urn: schema.id.clone() });
        }
        let mut this = ResourceType {
            attributes: table.attributes,
            core: core.id.clone(),
            definition,
            extensions: built,
            fingerprint: Fingerprint::default(),
            top,
        };
        this.mark_indexed(indexed)?;
        this.fingerprint = Fingerprint::of(&this);
        Ok(this)
    }

    fn mark_indexed(&mut self, indexed: &[String]) -> Result<(), RegistrationError> {
        for path in indexed {
            let id = self.named(path).ok_or_else(|| RegistrationError::UnknownIndex {
                path: path.clone(),
                name: self.definition.name.clone(),
            })?;
            if let Some(attr) = self.attributes.get_mut(id.index()) {
                attr.indexed = true;
            }
        }
        Ok(())
    }
}

/// What a store finds useful to look up in any type, where the type has it.
const COMMONLY_INDEXED: [&str; 5] =
    ["active", "displayName", "emails.value", "externalId", "userName"];

struct TableBuilder {
    attributes: Vec<Attr>,
    type_name: String,
}

impl TableBuilder {
    /// Appends one level of attributes contiguously, then each one's children.
    fn level(
        &mut self,
        definitions: &[Attribute],
        parent: Option<AttrId>,
        extension: Option<usize>,
        prefix: &str,
    ) -> Result<Range<u16>, RegistrationError> {
        let start = self.next_id()?;
        for definition in definitions {
            self.push(definition, parent, extension, prefix)?;
        }
        let end = self.next_id()?;
        for (offset, definition) in definitions.iter().enumerate() {
            if definition.sub_attributes.is_empty() {
                continue;
            }
            let at = usize::from(start) + offset;
            let Some(id) = self.attributes.get(at).map(|a| a.id) else { continue };
            let prefix = format!("{prefix}{}.", definition.name);
            let children = self.level(&definition.sub_attributes, Some(id), extension, &prefix)?;
            if let Some(attr) = self.attributes.get_mut(at) {
                attr.children = children;
            }
        }
        Ok(start..end)
    }

    fn next_id(&self) -> Result<u16, RegistrationError> {
        u16::try_from(self.attributes.len())
            .map_err(|_| RegistrationError::TooMany { name: self.type_name.clone() })
    }

    fn push(
        &mut self,
        definition: &Attribute,
        parent: Option<AttrId>,
        extension: Option<usize>,
        prefix: &str,
    ) -> Result<(), RegistrationError> {
        let path = format!("{prefix}{}", definition.name);
        self.check(definition, parent, &path)?;
        let id = AttrId(self.next_id()?);
        let parent_role = parent.and_then(|p| self.attributes.get(p.index())).map(|a| a.role);
        let role = parent_role
            .filter(|role| *role != Role::Plain)
            .unwrap_or_else(|| role_of(definition, parent, extension));
        let indexed = definition.data_type != DataType::Complex
            && matches!(role, Role::Plain | Role::Id)
            && definition.returned != Returned::Never
            && (definition.uniqueness != Uniqueness::None
                || COMMONLY_INDEXED.contains(&path.as_str()));
        let mut definition = definition.clone();
        definition.sub_attributes = Vec::new();
        self.attributes.push(Attr {
            children: 0..0,
            definition,
            extension,
            id,
            indexed,
            parent,
            path,
            role,
        });
        Ok(())
    }

    fn check(
        &self,
        definition: &Attribute,
        parent: Option<AttrId>,
        path: &str,
    ) -> Result<(), RegistrationError> {
        let bad = |problem| {
            Err(RegistrationError::Attribute { path: path.to_owned(), problem })
        };
        let complex = definition.data_type == DataType::Complex;
        if !scimkit_core::valid_name(&definition.name) {
            return bad("its name is not an attribute name");
        }
        if complex && parent.is_some() {
            return bad("a sub-attribute can't be complex");
        }
        if complex && definition.sub_attributes.is_empty() {
            return bad("it is complex but has no sub-attributes");
        }
        if !complex && !definition.sub_attributes.is_empty() {
            return bad("it has sub-attributes but is not complex");
        }
        let twins = |a: &&Attribute| {
            let same = |b: &&Attribute| b.name.eq_ignore_ascii_case(&a.name);
            definition.sub_attributes.iter().filter(same).count() > 1
        };
        if definition.sub_attributes.iter().any(|a| twins(&a)) {
            return bad("two of its sub-attributes have the same name");
        }
        if self.attributes.iter().any(|a| a.path.eq_ignore_ascii_case(path)) {
            return bad("the name is used twice");
        }
        Ok(())
    }
}

fn role_of(definition: &Attribute, parent: Option<AttrId>, extension: Option<usize>) -> Role {
    if parent.is_some() {
        return Role::Plain;
    }
    if extension.is_none() {
        match definition.name.as_str() {
            "id" => return Role::Id,
            "meta" => return Role::Meta,
            "schemas" => return Role::Schemas,
            _ => {}
        }
    }
    let sub = |name: &str| definition.sub_attributes.iter().find(|a| a.name.eq_ignore_ascii_case(name));
    let refers = sub("$ref").is_some_and(|a| {
        let outside = |t: &String| matches!(t.as_str(), "external" | "uri");
        !a.reference_types.is_empty() && !a.reference_types.iter().all(outside)
    });
    if definition.data_type != DataType::Complex || !refers || sub("value").is_none() {
        return Role::Plain;
    }
    let only_edge = definition
        .sub_attributes
        .iter()
        .all(|a| matches!(a.name.as_str(), "$ref" | "display" | "type" | "value"));
    match (definition.multi_valued, definition.mutability) {
        (true, Mutability::ReadOnly) if only_edge => Role::Inverse,
        (true, Mutability::ReadWrite) if only_edge => Role::Membership,
        (false, _) => Role::Reference,
        _ => Role::Plain,
    }
}
