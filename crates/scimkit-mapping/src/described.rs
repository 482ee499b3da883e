//! The schemas as far as a mapping supports them.

use scimkit_core::{Attribute, Mutability, Schema, Urn};
use scimkit_filter::AttributePath;

use super::{
    Mapping, Transform, TypeMapping, Unmapped, bound::Bound, shape::is_protocol, side::Side,
};
use scimkit_registry::{AttrId, RegistrationError, Registry, RegistryBuilder, ResourceType, Role};

impl Mapping {
    /// The registry with schemas that tell what is supported.
    ///
    /// - Attributes and sub-attributes that no rule reaches are gone, unless what is not mapped is
    ///   kept; so are extensions of which nothing is left. What the protocol needs stays: `active`,
    ///   `externalId`, memberships, what references are filled in with, and what the schema
    ///   requires.
    /// - `required` and `mutability` follow from the rules, canonical values from value paths
    ///   (`emails[type eq "work"].value`) and from tables of values.
    /// - A schema that several resource types use has what any of them needs.
    ///
    /// It is for the discovery endpoints: requests are read by the registry that the mapping was
    /// built for, and [`TypeMapping::shape`] decides what becomes of the rest.
    ///
    /// # Errors
    /// What [`RegistryBuilder::build`] says; a mapping of this registry's own types leads to none.
    ///
    /// # Example
    /// ```
    /// use scimkit_mapping::{Rule, Unmapped};
    /// use scimkit_mapping::Mapping;
    /// use scimkit_registry::Registry;
    ///
    /// let registry = Registry::standard();
    /// let mapping = Mapping::builder()
    ///     .unmapped("User", Unmapped::Drop)
    ///     .rule("User", Rule::of("userName").to("email"))
    ///     .rule("User", Rule::of("name.familyName").to("surname").required())
    ///     .build(&registry)
    ///     .unwrap();
    /// let described = mapping.described(&registry)?;
    /// let user = described.by_name("User").unwrap();
    /// let family_name = user.attr(user.named("name.familyName").unwrap());
    /// assert!(family_name.definition().required);
    /// assert_eq!((user.named("name.givenName"), user.named("title")), (None, None));
    /// assert!(user.extensions().is_empty());
    /// # Ok::<(), scimkit_registry::RegistrationError>(())
    /// ```
    ///
    /// [RFC 7644 section 4](https://www.rfc-editor.org/rfc/rfc7644#section-4)
    pub fn described(&self, registry: &Registry) -> Result<Registry, RegistrationError> {
        let mut builder = RegistryBuilder::default();
        let users = |schema: &Schema| -> Vec<Use<'_>> {
            let types = registry.types().iter();
            types
                .filter_map(|kind| Use::of(kind, self.of(kind.name()), schema))
                .collect()
        };
        let mut left = Vec::new();
        for schema in registry.schemas() {
            let users = users(schema);
            if users.is_empty() {
                continue;
            }
            let mut schema = Schema::clone(schema);
            schema.attributes = narrowed(&schema.attributes, &users, None);
            if !schema.attributes.is_empty() {
                left.push(schema.id.clone());
            }
            builder = builder.schema(schema);
        }
        for kind in registry.types() {
            let mut definition = kind.definition().clone();
            let of = self.of(kind.name());
            definition.schema_extensions.retain(|extension| {
                let index = extension_of(kind, &extension.schema);
                let reached = of.is_none_or(|of| of.reaches_extension(index));
                extension.required || (reached && left.contains(&extension.schema))
            });
            builder = builder.resource_type(definition);
        }
        let described = builder.clone().build()?;
        // Lookup keys stay where the attribute stays.
        for (kind, left) in registry.types().iter().zip(described.types()) {
            for attr in kind.attributes().iter().filter(|attr| attr.is_indexed()) {
                let lost = left.named(attr.path()).map(|id| left.attr(id));
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
    fn reaches_extension(&self, index: Option<usize>) -> bool {
        self.unmapped == Unmapped::Keep
            || self
                .sides()
                .any(|(_, side)| self.kind.attr(side.attr).extension() == index)
    }
}

/// A resource type's use of a schema.
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
        self.kind.lookup(&AttributePath {
            urn,
            name: parent.unwrap_or(name).into(),
            sub_attribute: parent.map(|_| name.into()),
        })
    }

    fn stays(&self, id: AttrId) -> bool {
        let Some(mapping) = self.mapping.filter(|m| m.unmapped != Unmapped::Keep) else {
            return true;
        };
        let attr = self.kind.attr(id);
        let Some(parent) = attr.parent() else {
            return mapping.needs(attr)
                || mapping.sides().any(|(_, side)| {
                    side.attr == id || self.kind.attr(side.attr).parent() == Some(id)
                });
        };
        if mapping.reaches_whole(parent) || is_protocol(self.kind.attr(parent)) {
            return true;
        }
        let computed = attr.role() == Role::Reference && self.kind.is_computed(id);
        let marks = self.kind.attr(parent).definition().multi_valued && attr.name() == "primary";
        let said = |side: &Side| match &side.which {
            None => side.attr == id,
            Some(which) => {
                side.attr == parent
                    && (which.sub == Some(id) || which.making.iter().any(|(made, _)| *made == id))
            }
        };
        attr.definition().required
            || computed
            || marks
            || mapping.sides().any(|(_, side)| said(side))
    }

    /// The characteristics that follow from the rules.
    fn characteristics(&self, id: AttrId, attribute: &mut Attribute) {
        let Some(mapping) = self.mapping else { return };
        let own = |side: &Side| side.which.is_none() && side.attr == id;
        let rules: Vec<&Bound> = mapping
            .sides()
            .filter(|(_, side)| own(side))
            .map(|(rule, _)| rule)
            .collect();
        // A value path that is required says that there is a value, and nothing of the others.
        let selected = |side: &Side| side.which.is_some() && side.attr == id;
        attribute.required |= mapping
            .sides()
            .any(|(rule, side)| rule.rule.required && rule.sides.len() == 1 && selected(side));
        attribute.required |= rules
            .iter()
            .any(|rule| rule.rule.required && rule.sides.len() == 1);
        if !rules.is_empty() && rules.iter().all(|rule| !rule.is_writable()) {
            attribute.mutability = Mutability::ReadOnly;
        }
        let values = rules.iter().find_map(|rule| rule.steps.first());
        if let Some(Transform::Values(pairs)) = values.map(|step| &step.transform) {
            let text: Vec<_> = pairs.iter().filter_map(|(scim, _)| scim.as_str()).collect();
            if !text.is_empty() {
                attribute.canonical_values = text.into_iter().map(str::to_owned).collect();
            }
        }
        if mapping.unmapped != Unmapped::Keep {
            let chosen = mapping.chosen(id, self.kind);
            if !chosen.is_empty() {
                attribute.canonical_values = chosen;
            }
        }
    }
}

impl TypeMapping {
    fn reaches_whole(&self, id: AttrId) -> bool {
        let whole = |side: &Side| match &side.which {
            None => side.attr == id,
            Some(which) => side.attr == id && which.sub.is_none(),
        };
        self.sides().any(|(_, side)| whole(side))
    }

    /// The values of a sub-attribute by which rules choose, where nothing but such values is mapped.
    fn chosen(&self, id: AttrId, kind: &ResourceType) -> Vec<String> {
        let Some(parent) = kind.attr(id).parent() else {
            return Vec::new();
        };
        let (mut chosen, mut all) = (Vec::new(), true);
        for (_, side) in self.sides().filter(|(_, side)| side.attr == parent) {
            let making = side.which.as_ref().map_or(&[][..], |which| &which.making);
            let text = making
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

/// The attributes that stay, for any of those who use them.
fn narrowed(attributes: &[Attribute], users: &[Use<'_>], parent: Option<&str>) -> Vec<Attribute> {
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
            let subs = narrowed(&attribute.sub_attributes, &users, Some(&attribute.name));
            if subs.is_empty() && !attribute.sub_attributes.is_empty() {
                continue;
            }
            attribute.sub_attributes = subs;
        }
        left.push(attribute);
    }
    left
}
