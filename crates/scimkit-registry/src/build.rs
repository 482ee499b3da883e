//! From schemas to the attribute table, with the checks that need the whole.

use std::{collections::HashSet, ops::Range, sync::Arc};

use scimkit_core::{
    Attribute, DataType, Mutability, ResourceTypeDefinition, Returned, Schema, Uniqueness, builtin,
};

use crate::{
    Attr, AttrId, AttributeRole, Extension, Fingerprint, Projection, RegistrationError,
    ResourceType, project::Splices,
};

/// Attributes that are often looked up, indexed in every type that has them.
const COMMONLY_INDEXED: [&str; 5] = [
    "active",
    "displayName",
    "emails.value",
    "externalId",
    "userName",
];

impl ResourceType {
    pub(crate) fn build(
        definition: ResourceTypeDefinition,
        core: &Schema,
        extensions: &[(Arc<Schema>, bool)],
        indexed: &[String],
    ) -> Result<Self, RegistrationError> {
        let mut table = TableBuilder {
            attributes: Vec::new(),
            paths: HashSet::new(),
            type_name: definition.name.clone(),
        };
        let mut top = builtin::common_attributes();
        // If a schema lists a common attribute itself, the common definition applies.
        let common: Vec<_> = top.iter().map(|a| a.name.clone()).collect();
        let own = |a: &&Attribute| !common.iter().any(|name| name.eq_ignore_ascii_case(&a.name));
        top.extend(core.attributes.iter().filter(own).cloned());
        let top = table.level(&top, None, None, "")?;
        let mut built: Vec<Extension> = Vec::with_capacity(extensions.len());
        for (index, (schema, required)) in extensions.iter().enumerate() {
            if schema.id == core.id || built.iter().any(|known| known.urn == schema.id) {
                let name = definition.name;
                let urn = schema.id.to_string();
                return Err(RegistrationError::RepeatedSchema { name, urn });
            }
            let prefix = format!("{}:", schema.id.as_str());
            let range = table.level(&schema.attributes, None, Some(index), &prefix)?;
            built.push(Extension {
                required: *required,
                top: range,
                urn: schema.id.clone(),
            });
        }
        let mut this = ResourceType {
            attributes: table.attributes,
            completed: Vec::new(),
            core: core.id.clone(),
            default_projection: Projection::nothing(),
            definition,
            display_name: None,
            endpoints: Arc::default(),
            extensions: built,
            fingerprint: Fingerprint::default(),
            key_fingerprint: Fingerprint::default(),
            name: table.type_name.as_str().into(),
            splices: Splices::default(),
            top,
        };
        this.check_extensions()?;
        for path in indexed {
            this.mark_indexed(path)?;
        }
        let top = this
            .attributes
            .iter()
            .filter(|attr| attr.parent().is_none());
        let completed = top
            .filter(|attr| !matches!(attr.role(), AttributeRole::Plain | AttributeRole::Schemas));
        this.completed = completed.map(Attr::id).collect();
        this.display_name = this.attribute_id("displayName");
        this.default_projection = this.projected::<&str>(&[], &[]);
        this.splices = Splices::of(&this);
        this.fingerprint = Fingerprint::of(&this);
        this.key_fingerprint = Fingerprint::of_keys(&this);
        Ok(this)
    }

    /// A URI in a path or as a member's name must be unambiguous.
    fn check_extensions(&self) -> Result<(), RegistrationError> {
        let urns = self.extensions.iter().map(|e| e.urn.as_str());
        match urns
            .into_iter()
            .find(|urn| self.attribute_id(urn).is_some())
        {
            None => Ok(()),
            Some(urn) => Err(RegistrationError::Attribute {
                path: urn.to_owned(),
                problem: "an extension has that very URI",
            }),
        }
    }

    fn mark_indexed(&mut self, path: &str) -> Result<(), RegistrationError> {
        let name = self.name().to_owned();
        let text = path.to_owned();
        let Some(id) = self.attribute_id(path) else {
            return Err(RegistrationError::UnknownIndex { path: text, name });
        };
        let attr = self.attr(id);
        let problem = if attr.is_complex() {
            Some("it is complex")
        } else if attr.is_never_returned() {
            Some("it is never returned")
        } else if attr.role() == AttributeRole::Schemas
            || (self.is_computed(id) && id != AttrId::ID)
        {
            Some("it is computed")
        } else {
            None
        };
        if let Some(problem) = problem {
            return Err(RegistrationError::Unindexable {
                name,
                path: text,
                problem,
            });
        }
        if let Some(attr) = self.attributes.get_mut(id.index()) {
            attr.indexed = true;
        }
        Ok(())
    }
}

struct TableBuilder {
    attributes: Vec<Attr>,
    /// In lower case.
    paths: HashSet<String>,
    type_name: String,
}

impl TableBuilder {
    /// Appends one level of attributes contiguously, then the children of each.
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
        for (id, definition) in (start..end).map(AttrId).zip(definitions) {
            let prefix = format!("{prefix}{}.", definition.name);
            let children = self.level(&definition.sub_attributes, Some(id), extension, &prefix)?;
            if let Some(attr) = self.attributes.get_mut(id.index()) {
                attr.children = children;
            }
        }
        Ok(start..end)
    }

    fn next_id(&self) -> Result<u16, RegistrationError> {
        u16::try_from(self.attributes.len()).map_err(|_| RegistrationError::TooMany {
            name: self.type_name.clone(),
        })
    }

    fn push(
        &mut self,
        definition: &Attribute,
        parent: Option<AttrId>,
        extension: Option<usize>,
        prefix: &str,
    ) -> Result<(), RegistrationError> {
        let path = format!("{prefix}{}", definition.name);
        let problem = problem(definition, parent).or_else(|| {
            let known = !self.paths.insert(path.to_ascii_lowercase());
            known.then_some("the name is used twice")
        });
        if let Some(problem) = problem {
            return Err(RegistrationError::Attribute { path, problem });
        }
        let id = AttrId(self.next_id()?);
        let holder = parent.and_then(|p| self.attributes.get(p.index()));
        let role = match holder.map(Attr::role) {
            None => role_of(definition, extension),
            Some(role) => role,
        };
        // An attribute that may also refer to external resources is not a reference to a resource, unless the server
        // computes its `$ref`.
        let outside = |sub: &Attribute| sub.reference_types.iter().any(|t| leads_outside(t));
        let only_resources = !definition
            .sub_attributes
            .iter()
            .any(|sub| sub.name == "$ref" && outside(sub));
        let reference = refers(definition) && (role != AttributeRole::Plain || only_resources);
        let definition = effective(definition, holder);
        let indexed = definition.data_type != DataType::Complex
            && matches!(role, AttributeRole::Plain | AttributeRole::Id)
            && definition.returned != Returned::Never
            && (definition.uniqueness != Uniqueness::None
                || COMMONLY_INDEXED.contains(&path.as_str()));
        let children = 0..0;
        self.attributes.push(Attr {
            children,
            definition,
            extension,
            id,
            indexed,
            parent,
            path,
            reference,
            role,
        });
        Ok(())
    }
}

/// Returns the error in a definition by itself.
fn problem(definition: &Attribute, parent: Option<AttrId>) -> Option<&'static str> {
    let complex = definition.data_type == DataType::Complex;
    if !scimkit_core::is_attribute_name(&definition.name) {
        return Some("its name is not an attribute name");
    }
    if complex && parent.is_some() {
        return Some("a sub-attribute can't be complex");
    }
    if complex && definition.sub_attributes.is_empty() {
        return Some("it is complex but has no sub-attributes");
    }
    if !complex && !definition.sub_attributes.is_empty() {
        return Some("it has sub-attributes but is not complex");
    }
    None
}

/// Returns the effective characteristics: see [`Attr::definition`].
fn effective(definition: &Attribute, parent: Option<&Attr>) -> Attribute {
    let mut effective = Attribute {
        sub_attributes: Vec::new(),
        ..definition.clone()
    };
    let read_only = |a: &Attr| a.definition.mutability == Mutability::ReadOnly;
    if parent.is_some_and(read_only) {
        effective.mutability = Mutability::ReadOnly;
    }
    let secret = |a: &Attr| a.definition.mutability == Mutability::WriteOnly;
    if parent.is_some_and(secret) && effective.mutability != Mutability::ReadOnly {
        effective.mutability = Mutability::WriteOnly;
    }
    let write_only = effective.mutability == Mutability::WriteOnly;
    if write_only || parent.is_some_and(Attr::is_never_returned) {
        effective.returned = Returned::Never;
    }
    effective
}

/// Returns whether an attribute refers to resources, by a textual `value` and a `$ref`.
fn refers(definition: &Attribute) -> bool {
    // The exact spelling, since edges are read and written with these names.
    let sub = |name: &str| definition.sub_attributes.iter().find(|a| a.name == name);
    let is_text = |a: &Attribute| a.data_type == DataType::String && !a.multi_valued;
    let leads_to_resources = |a: &Attribute| !a.reference_types.iter().all(|t| leads_outside(t));
    sub("$ref").is_some_and(leads_to_resources) && sub("value").is_some_and(is_text)
}

fn leads_outside(reference_type: &str) -> bool {
    matches!(reference_type, "external" | "uri")
}

/// Returns the role of a top-level attribute.
fn role_of(definition: &Attribute, extension: Option<usize>) -> AttributeRole {
    match definition.name.as_str() {
        "id" if extension.is_none() => return AttributeRole::Id,
        "meta" if extension.is_none() => return AttributeRole::Meta,
        "schemas" if extension.is_none() => return AttributeRole::Schemas,
        _ => {}
    }
    if !refers(definition) {
        return AttributeRole::Plain;
    }
    let only_edge = definition
        .sub_attributes
        .iter()
        .all(|a| matches!(a.name.as_str(), "$ref" | "display" | "type" | "value"));
    let edges = only_edge && extension.is_none();
    match (definition.multi_valued, definition.mutability) {
        (true, Mutability::ReadOnly) if edges => AttributeRole::Inverse,
        (true, Mutability::ReadWrite) if edges => AttributeRole::Membership,
        (false, _) => AttributeRole::Reference,
        _ => AttributeRole::Plain,
    }
}
