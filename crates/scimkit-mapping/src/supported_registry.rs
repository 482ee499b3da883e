//! The schemas reduced to what a mapping supports.

use scimkit_core::{Attribute, Mutability, Schema, Urn};
use scimkit_filter::AttributePath;
use scimkit_registry::{
    AttrId, AttributeRole, RegistrationError, Registry, RegistryBuilder, ResourceType,
};

use super::{
    Mapping, Transform, TypeMapping, UnmappedPolicy, bound_path::BoundPath, bound_rule::BoundRule,
    coverage::is_protocol,
};

impl Mapping {
    /// Returns a registry with the attributes that the mapping supports, for the discovery endpoints.
    ///
    /// - Attributes and sub-attributes that no rule maps are left out, unless the policy is
    ///   [`Keep`](UnmappedPolicy::Keep); so are extensions without attributes. Attributes that the
    ///   protocol or the schema needs stay: `active`, `externalId`, memberships, computed parts of
    ///   references, and required attributes.
    /// - `required` and `mutability` follow from the rules, canonical values from value paths
    ///   (`emails[type eq "work"].value`) and from tables of values.
    /// - A schema that several resource types use has the attributes that any of them needs.
    ///
    /// Requests are still read with the registry that the mapping was built for, and
    /// [`TypeMapping::filter_change`] filters them.
    ///
    /// # Errors
    /// The errors of [`RegistryBuilder::build`]; a mapping of this registry's types causes none.
    ///
    /// # Example
    /// ```
    /// use scimkit_mapping::{Mapping, MappingRule, UnmappedPolicy};
    /// use scimkit_registry::Registry;
    ///
    /// let registry = Registry::standard();
    /// let mapping = Mapping::builder()
    ///     .unmapped("User", UnmappedPolicy::Drop)
    ///     .rule("User", MappingRule::new("userName").with_field("email"))
    ///     .rule("User", MappingRule::new("name.familyName").with_field("surname").required())
    ///     .build(&registry)
    ///     .unwrap();
    /// let described = mapping.supported_registry(&registry)?;
    /// let user = described.resource_type("User").unwrap();
    /// let family_name = user.attr(user.attribute_id("name.familyName").unwrap());
    /// assert!(family_name.definition().required);
    /// assert_eq!((user.attribute_id("name.givenName"), user.attribute_id("title")), (None, None));
    /// assert!(user.extensions().is_empty());
    /// # Ok::<(), scimkit_registry::RegistrationError>(())
    /// ```
    ///
    /// [RFC 7644 section 4](https://www.rfc-editor.org/rfc/rfc7644#section-4)
    pub fn supported_registry(&self, registry: &Registry) -> Result<Registry, RegistrationError> {
        let mut builder = RegistryBuilder::default();
        let users = |schema: &Schema| -> Vec<Use<'_>> {
            let types = registry.resource_types().iter();
            types
                .filter_map(|kind| Use::of(kind, self.for_type(kind.name()), schema))
                .collect()
        };
        let mut left = Vec::new();
        for schema in registry.schemas() {
            let users = users(schema);
            if users.is_empty() {
                continue;
            }
            let mut schema = Schema::clone(schema);
            schema.attributes = supported(&schema.attributes, &users, None);
            if !schema.attributes.is_empty() {
                left.push(schema.id.clone());
            }
            builder = builder.schema(schema);
        }
        for kind in registry.resource_types() {
            let mut definition = kind.definition().clone();
            let of = self.for_type(kind.name());
            definition.schema_extensions.retain(|extension| {
                let index = extension_of(kind, &extension.schema);
                let reached = of.is_none_or(|of| of.maps_extension(index));
                extension.required || (reached && left.contains(&extension.schema))
            });
            builder = builder.resource_type(definition);
        }
        let described = builder.clone().build()?;
        // Indexed attributes stay indexed.
        for (kind, left) in registry
            .resource_types()
            .iter()
            .zip(described.resource_types())
        {
            for attr in kind.attributes().iter().filter(|attr| attr.is_indexed()) {
                let lost = left.attribute_id(attr.path()).map(|id| left.attr(id));
                let lost = lost.filter(|left| !left.is_indexed() && !left.is_never_returned());
                if lost.is_some() {
                    builder = builder.index(kind.name(), attr.path());
                }
            }
        }
        builder.build()
    }
}

impl TypeMapping {
    fn maps_extension(&self, index: Option<usize>) -> bool {
        self.unmapped == UnmappedPolicy::Keep
            || self
                .paths()
                .any(|(_, path)| self.kind.attr(path.attr).extension() == index)
    }
}

/// The use of a schema by a resource type.
struct Use<'a> {
    extension: Option<usize>,
    kind: &'a ResourceType,
    mapping: Option<&'a TypeMapping>,
}

/// Returns the index of the extension with this schema.
fn extension_of(kind: &ResourceType, schema: &Urn) -> Option<usize> {
    let mut extensions = kind.extensions().iter();
    extensions.position(|extension| extension.urn() == schema)
}

impl<'a> Use<'a> {
    fn of(
        kind: &'a ResourceType,
        mapping: Option<&'a TypeMapping>,
        schema: &Schema,
    ) -> Option<Self> {
        let extension = extension_of(kind, &schema.id);
        let used = extension.is_some() || *kind.schema() == schema.id;
        used.then_some(Use {
            extension,
            kind,
            mapping,
        })
    }

    fn find(&self, name: &str, parent: Option<&str>) -> Option<AttrId> {
        let extension = self.extension.and_then(|i| self.kind.extensions().get(i));
        let urn = extension.map(|extension| extension.urn().as_str().into());
        self.kind.resolve(&AttributePath {
            urn,
            name: parent.unwrap_or(name).into(),
            sub_attribute: parent.map(|_| name.into()),
        })
    }

    fn stays(&self, id: AttrId) -> bool {
        let Some(mapping) = self.mapping.filter(|m| m.unmapped != UnmappedPolicy::Keep) else {
            return true;
        };
        let attr = self.kind.attr(id);
        let Some(parent) = attr.parent() else {
            return mapping.is_needed(attr)
                || mapping.paths().any(|(_, path)| {
                    path.attr == id || self.kind.attr(path.attr).parent() == Some(id)
                });
        };
        if mapping.maps_whole(parent) || is_protocol(self.kind.attr(parent)) {
            return true;
        }
        let computed = attr.role() == AttributeRole::Reference && self.kind.is_computed(id);
        let marks = self.kind.attr(parent).definition().multi_valued && attr.name() == "primary";
        let said = |path: &BoundPath| match &path.selector {
            None => path.attr == id,
            Some(selector) => {
                path.attr == parent
                    && (selector.sub == Some(id)
                        || selector.template.iter().any(|(made, _)| *made == id))
            }
        };
        attr.definition().required
            || computed
            || marks
            || mapping.paths().any(|(_, path)| said(path))
    }

    /// Sets the characteristics that follow from the rules.
    fn characteristics(&self, id: AttrId, attribute: &mut Attribute) {
        let Some(mapping) = self.mapping else { return };
        let own = |path: &BoundPath| path.selector.is_none() && path.attr == id;
        let rules: Vec<&BoundRule> = mapping
            .paths()
            .filter(|(_, path)| own(path))
            .map(|(rule, _)| rule)
            .collect();
        // A required value path needs a value of the attribute, whatever its other values are.
        let selected = |path: &BoundPath| path.selector.is_some() && path.attr == id;
        attribute.required |= mapping
            .paths()
            .any(|(rule, path)| rule.rule.required && rule.paths.len() == 1 && selected(path));
        attribute.required |= rules
            .iter()
            .any(|rule| rule.rule.required && rule.paths.len() == 1);
        if !rules.is_empty() && rules.iter().all(|rule| !rule.is_writable()) {
            attribute.mutability = Mutability::ReadOnly;
        }
        let values = rules.iter().find_map(|rule| rule.steps.first());
        if let Some(Transform::Values(pairs)) = values.map(|step| &step.transform) {
            let text: Vec<_> = pairs.iter().filter_map(|pair| pair.scim.as_str()).collect();
            if !text.is_empty() {
                attribute.canonical_values = text.into_iter().map(str::to_owned).collect();
            }
        }
        if mapping.unmapped != UnmappedPolicy::Keep {
            let chosen = mapping.chosen(id, self.kind);
            if !chosen.is_empty() {
                attribute.canonical_values = chosen;
            }
        }
    }
}

impl TypeMapping {
    fn maps_whole(&self, id: AttrId) -> bool {
        let whole = |path: &BoundPath| match &path.selector {
            None => path.attr == id,
            Some(selector) => path.attr == id && selector.sub.is_none(),
        };
        self.paths().any(|(_, path)| whole(path))
    }

    /// Returns the values of a sub-attribute that rules select, if all rules select by it.
    fn chosen(&self, id: AttrId, kind: &ResourceType) -> Vec<String> {
        let Some(parent) = kind.attr(id).parent() else {
            return Vec::new();
        };
        let (mut chosen, mut all) = (Vec::new(), true);
        for (_, path) in self.paths().filter(|(_, path)| path.attr == parent) {
            let template = path
                .selector
                .as_ref()
                .map_or(&[][..], |selector| &selector.template);
            let text = template
                .iter()
                .find(|(made, _)| *made == id)
                .and_then(|(_, value)| value.as_str());
            match text {
                Some(text) if !chosen.iter().any(|known| known == text) => {
                    chosen.push(text.to_owned())
                }
                Some(_) => {}
                None => all = false,
            }
        }
        if all { chosen } else { Vec::new() }
    }
}

/// Returns the attributes that any of the uses needs.
fn supported(attributes: &[Attribute], users: &[Use<'_>], parent: Option<&str>) -> Vec<Attribute> {
    let mut left = Vec::with_capacity(attributes.len());
    for attribute in attributes {
        let uses = users
            .iter()
            .filter_map(|u| Some((u, u.find(&attribute.name, parent)?)));
        let uses: Vec<_> = uses.filter(|(user, id)| user.stays(*id)).collect();
        if uses.is_empty() {
            continue;
        }
        let mut attribute = attribute.clone();
        if let [(only, id)] = uses.as_slice() {
            only.characteristics(*id, &mut attribute);
        }
        if parent.is_none() {
            let users: Vec<_> = uses.iter().map(|(u, _)| Use { ..**u }).collect();
            let subs = supported(&attribute.sub_attributes, &users, Some(&attribute.name));
            if subs.is_empty() && !attribute.sub_attributes.is_empty() {
                continue;
            }
            attribute.sub_attributes = subs;
        }
        left.push(attribute);
    }
    left
}
