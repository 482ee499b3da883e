//! Admission: the only way in which untrusted JSON becomes a [`Resource`].

use std::collections::BTreeMap;

use scimkit_core::{Mutability, excerpt, message::other_message};
use scimkit_filter::ParseLimits;
use serde_json::{Map, Value};

use crate::{
    Attr, AttrId, AttributeRole, ErrorCollector, PathTarget, Quirk, QuirkPolicy, RequestError,
    RequestErrorKind, Resource, ResourceType,
    json_string::{but_for_text, parse_json_string},
    read::read_path,
    resource::TopLevel,
};

/// A member of a JSON object, bound to the attribute that it names: see [`ResourceType::entries`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct BoundMember {
    /// The member's name as sent.
    pub name: String,
    /// The selection of the member's name.
    pub target: PathTarget,
    /// The value as sent; `null` means unassigned.
    pub value: Value,
}

impl ResourceType {
    /// Admits a resource as sent by a client in POST or PUT.
    ///
    /// - Names get the schema's spelling; the order of members is irrelevant.
    /// - Values are checked against their types and moved, not copied.
    /// - Read-only attributes are ignored; `null`, `[]` and `{}` mean unassigned.
    /// - `schemas` is set to the schemas that have values.
    /// - Required attributes are checked separately: [`ResourceType::check_required`].
    ///
    /// # Errors
    /// - the body is not an object, or names an attribute twice: `invalidSyntax`
    /// - a value has the wrong type, two elements are `primary`, or there are more than
    ///   [`MAX_ELEMENTS`](crate::MAX_ELEMENTS) elements: `invalidValue`
    /// - an attribute is unknown, unless the tolerance ignores it: `invalidSyntax`
    /// - a sub-attribute of a multi-valued attribute is a member of the resource: `invalidSyntax`
    /// - `schemas` lacks the core schema or a present extension, or names an unknown schema, unless tolerated:
    ///   `invalidSyntax`
    /// - `schemas` names a SCIM message and not the core schema: `invalidSyntax`
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::{Registry, Tolerance};
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.resource_type("User").unwrap();
    /// let admitted = user.admit(json!({"USERNAME": "bjensen", "active": "True"}), &Tolerance::DEFAULT)?;
    /// assert_eq!(admitted.as_map()["userName"], "bjensen");
    /// assert_eq!(admitted.as_map()["active"], true);
    /// assert!(user.admit(json!({"userName": 5}), &Tolerance::DEFAULT).is_err());
    /// # Ok::<(), scimkit_registry::RequestError>(())
    /// ```
    ///
    /// [RFC 7644 section 3.3](https://www.rfc-editor.org/rfc/rfc7644#section-3.3)
    pub fn admit(&self, body: Value, t: &dyn QuirkPolicy) -> Result<Resource, RequestError> {
        let mut findings = ErrorCollector::default();
        let admitted = self.admit_noting(body, t, &mut findings)?;
        findings.finish().map(|()| admitted.into_resource(self))
    }

    /// Admits a resource and checks its required attributes, so that one error reports both.
    ///
    /// # Errors
    /// See [`admit`](Self::admit) and [`check_required`](Self::check_required): the error contains up to ten
    /// findings.
    ///
    /// # Example
    /// See [`ErrorCollector`].
    ///
    /// [RFC 7644 section 3.3](https://www.rfc-editor.org/rfc/rfc7644#section-3.3)
    pub fn admit_complete(
        &self,
        body: Value,
        t: &dyn QuirkPolicy,
    ) -> Result<Resource, RequestError> {
        let admitted = self.admit_required(body, t)?;
        Ok(admitted.into_resource(self))
    }

    /// Admits the values of a resource, and checks its required attributes.
    pub(crate) fn admit_required(
        &self,
        body: Value,
        t: &dyn QuirkPolicy,
    ) -> Result<Admitted, RequestError> {
        let mut findings = ErrorCollector::default();
        let admitted = self.admit_noting(body, t, &mut findings)?;
        self.note_missing(&admitted, &admitted.rejected, &mut findings)?;
        findings.finish().map(|()| admitted)
    }

    /// Admits the valid part of a body.
    fn admit_noting(
        &self,
        body: Value,
        t: &dyn QuirkPolicy,
        findings: &mut ErrorCollector,
    ) -> Result<Admitted, RequestError> {
        let Value::Object(body) = body else {
            return Err(RequestError::syntax("the body is not a JSON object"));
        };
        let entries = self.entries_noting(body, t, findings)?;
        let mut listed = None;
        let mut admitted = Admitted::default();
        for (id, value) in self.gather(entries)? {
            if self.attr(id).role() == AttributeRole::Schemas {
                listed = Some(value);
                continue;
            }
            if is_read_only(self.attr(id)) {
                continue;
            }
            match findings.push(self.admit_value(id, value, t))? {
                Some(Some(value)) if !value.as_object().is_some_and(Map::is_empty) => {
                    admitted.values.push((id, value));
                }
                Some(_) => {}
                None => admitted.rejected.push(id),
            }
        }
        if let Some(message) = other_message(listed.as_ref(), self.schema().as_str()) {
            let message = excerpt(message);
            let kind = self.name();
            let detail = format!("`schemas` names the message `{message}`, expected a {kind}");
            findings.push::<()>(Err(RequestError::syntax(detail)))?;
        } else if let Err(problem) = self.check_schemas(listed.as_ref(), &admitted)
            && !t.allow(Quirk::AnySchemas)
        {
            findings.push::<()>(Err(problem.with_quirk(Quirk::AnySchemas)))?;
        }
        Ok(admitted)
    }

    /// Binds each member of a resource body, or of a path-less PATCH value, to its target.
    ///
    /// The members of an extension's object are bound one by one; `null` for the object itself selects every
    /// attribute of the extension. If tolerated, the members of an object under the URI of the core schema are
    /// members of the resource.
    ///
    /// # Errors
    /// - a name is unknown, unless the tolerance ignores it: `invalidSyntax`
    /// - an attribute is named twice, for example inside and outside the container of its schema: `invalidSyntax`
    /// - an extension is not an object: `invalidValue`
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::{Registry, PathTarget, Tolerance};
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.resource_type("User").unwrap();
    /// let entries = |body: serde_json::Value, tolerance| {
    ///     user.entries(body.as_object().cloned().unwrap(), tolerance)
    /// };
    /// let bound = entries(json!({"name.givenName": "Barbara"}), &Tolerance::DEFAULT)?;
    /// assert_eq!(bound[0].target, PathTarget::Attribute(user.attribute_id("name.givenName").unwrap()));
    /// assert!(entries(json!({"name.givenName": "Barbara"}), &Tolerance::STRICT).is_err());
    /// # Ok::<(), scimkit_registry::RequestError>(())
    /// ```
    ///
    /// [RFC 7643 section 3.3](https://www.rfc-editor.org/rfc/rfc7643#section-3.3)
    pub fn entries(
        &self,
        body: Map<String, Value>,
        t: &dyn QuirkPolicy,
    ) -> Result<Vec<BoundMember>, RequestError> {
        let mut findings = ErrorCollector::default();
        let entries = self.entries_noting(body, t, &mut findings)?;
        findings.push(self.check_repeated(&entries))?;
        findings.finish().map(|()| entries)
    }

    fn entries_noting(
        &self,
        body: Map<String, Value>,
        t: &dyn QuirkPolicy,
        findings: &mut ErrorCollector,
    ) -> Result<Vec<BoundMember>, RequestError> {
        let mut entries = Vec::with_capacity(body.len());
        self.bind_members(body, Container::Resource, t, &mut entries, findings)?;
        Ok(entries)
    }

    /// Binds the members of a resource, or of the container of its core schema.
    fn bind_members(
        &self,
        members: Map<String, Value>,
        container: Container,
        t: &dyn QuirkPolicy,
        entries: &mut Vec<BoundMember>,
        findings: &mut ErrorCollector,
    ) -> Result<(), RequestError> {
        for (name, value) in members {
            if *self.schema() == *name.as_str() {
                let inside = findings.push(self.core_container(&name, value, container, t))?;
                let inside = inside.unwrap_or_default();
                self.bind_members(inside, Container::Core, t, entries, findings)?;
                continue;
            }
            let Some(index) = self.extension_named(&name) else {
                let target = findings.push(known(self.member(&name, t), t))?.flatten();
                // The `schemas` of a container do not count.
                let named = |target: &PathTarget| {
                    container == Container::Resource
                        || *target != PathTarget::Attribute(AttrId::SCHEMAS)
                };
                if let Some(target) = target.filter(named) {
                    entries.push(BoundMember {
                        name,
                        target,
                        value,
                    });
                }
                continue;
            };
            match parse_json_string(value, t) {
                Value::Object(members) => {
                    self.extension_entries(index, members, t, entries, findings)?;
                }
                Value::Null => {
                    entries.extend(self.top_level(Some(index)).iter().map(|attr| BoundMember {
                        name: attr.path().to_owned(),
                        target: PathTarget::Attribute(attr.id()),
                        value: Value::Null,
                    }));
                }
                other => {
                    let problem = RequestError::value(format!("`{name}` is not an object"));
                    findings.push::<()>(Err(but_for_text(problem, &other, t)))?;
                }
            }
        }
        Ok(())
    }

    /// Returns the members of a container under the URI of the core schema, if this is tolerated.
    fn core_container(
        &self,
        name: &str,
        value: Value,
        container: Container,
        t: &dyn QuirkPolicy,
    ) -> Result<Map<String, Value>, RequestError> {
        if container == Container::Core {
            return Err(RequestError::syntax(format!("`{name}` is inside itself")));
        }
        if !t.allow(Quirk::CoreContainer) {
            let problem = RequestError::syntax(format!(
                "`{name}` is the core schema and has no container: its attributes are members of the resource"
            ));
            return Err(problem.with_quirk(Quirk::CoreContainer));
        }
        match parse_json_string(value, t) {
            Value::Object(members) => Ok(members),
            Value::Null => Ok(Map::new()),
            other => {
                let problem = RequestError::value(format!("`{name}` is not an object"));
                Err(but_for_text(problem, &other, t))
            }
        }
    }

    /// Checks that no attribute is named twice, and none together with one of its parts.
    fn check_repeated(&self, entries: &[BoundMember]) -> Result<(), RequestError> {
        let mut values: BTreeMap<AttrId, &Value> = BTreeMap::new();
        for entry in entries {
            if let PathTarget::Attribute(id) = entry.target
                && values.insert(id, &entry.value).is_some()
            {
                return Err(twice(self.attr(id)));
            }
        }
        for attr in values.keys().map(|id| self.attr(*id)) {
            let whole = attr.parent().and_then(|parent| values.get(&parent));
            let mut names = whole
                .and_then(|whole| whole.as_object())
                .into_iter()
                .flat_map(Map::keys);
            if names.any(|name| name.eq_ignore_ascii_case(attr.name())) {
                return Err(twice(attr));
            }
        }
        Ok(())
    }

    fn extension_entries(
        &self,
        index: usize,
        members: Map<String, Value>,
        t: &dyn QuirkPolicy,
        entries: &mut Vec<BoundMember>,
        findings: &mut ErrorCollector,
    ) -> Result<(), RequestError> {
        let urn = self.extension_at(index).map_or("", |e| e.urn().as_str());
        for (name, value) in members {
            if self.is_nested_schemas(urn, &name) {
                let accepted = [Quirk::NestedSchemas, Quirk::UnknownAttributes]
                    .into_iter()
                    .any(|quirk| t.allow(quirk));
                if !accepted {
                    let problem =
                        RequestError::syntax(format!("`{urn}` has no attribute `schemas`"));
                    findings.push::<()>(Err(problem.with_quirk(Quirk::NestedSchemas)))?;
                }
                continue;
            }
            let target = findings.push(known(self.extension_member(urn, &name, t), t))?;
            if let Some(target) = target.flatten() {
                entries.push(BoundMember {
                    name,
                    target,
                    value,
                });
            }
        }
        Ok(())
    }

    /// Returns whether a member of an extension's object is a misplaced `schemas` of the resource.
    fn is_nested_schemas(&self, urn: &str, name: &str) -> bool {
        name.eq_ignore_ascii_case("schemas") && self.lookup_parts(Some(urn), name, None).is_none()
    }

    fn extension_member(
        &self,
        urn: &str,
        name: &str,
        t: &dyn QuirkPolicy,
    ) -> Result<PathTarget, RequestError> {
        if let Some(id) = self.lookup_parts(Some(urn), name, None) {
            return Ok(PathTarget::Attribute(id));
        }
        let parts = name.split_once('.');
        let Some(id) = parts.and_then(|(name, sub)| self.lookup_parts(Some(urn), name, Some(sub)))
        else {
            return Err(self.unknown_name(&format!("{urn}:{name}")));
        };
        if t.allow(Quirk::DottedKeys) {
            Ok(PathTarget::Attribute(id))
        } else {
            Err(no_name(name))
        }
    }

    /// Binds the name of a member: an attribute, with or without its URN, and if tolerated a dotted name, a value
    /// path or an extension's attribute without its URN.
    fn member(&self, name: &str, t: &dyn QuirkPolicy) -> Result<PathTarget, RequestError> {
        if let Some(id) = self.lookup_parts(None, name, None) {
            return Ok(PathTarget::Attribute(id));
        }
        // If another tolerance accepts the name, or its filter is invalid, the error says so; otherwise the name is
        // unknown.
        let meant = |problem: RequestError| match problem.quirk() {
            None if !name.contains('[') => self.unknown_name(name),
            _ => problem.of_kind(RequestErrorKind::Syntax),
        };
        let path = read_path(name, ParseLimits::default(), t).map_err(meant)?;
        let target = self.bind_path(&path, t).map_err(meant)?;
        let is_name = path.sub_attribute.is_none() && path.filter.is_none();
        if is_name || t.allow(Quirk::DottedKeys) {
            Ok(target)
        } else {
            Err(no_name(name))
        }
    }

    pub(crate) fn unknown_name(&self, name: &str) -> RequestError {
        let name = excerpt(name);
        let kind = self.name();
        let problem = RequestError::syntax(format!("`{name}` is not an attribute of {kind}"));
        problem.with_quirk(Quirk::UnknownAttributes)
    }

    /// Returns the top-level attributes of a body, each once, with the parts from dotted names merged into their
    /// attributes.
    fn gather(&self, entries: Vec<BoundMember>) -> Result<Vec<(AttrId, Value)>, RequestError> {
        let mut gathered: Vec<(AttrId, Value)> = Vec::with_capacity(entries.len());
        let mut parts = Vec::new();
        for BoundMember { target, value, .. } in entries {
            let PathTarget::Attribute(id) = target else {
                return Err(RequestError::syntax(
                    "a path with a filter can't be a member of a resource",
                ));
            };
            let attr = self.attr(id);
            if let Some(parent) = attr.parent() {
                parts.push((attr, parent, value));
            } else if gathered.iter().any(|(known, _)| *known == id) {
                return Err(twice(attr));
            } else {
                gathered.push((id, value));
            }
        }
        for (attr, parent, value) in parts {
            if is_read_only(self.attr(parent)) {
                continue;
            }
            if self.attr(parent).definition().multi_valued {
                let detail = format!("`{}` can't be a member of a resource", attr.path());
                return Err(RequestError::syntax(detail));
            }
            match gathered.iter_mut().find(|(known, _)| *known == parent) {
                Some((_, whole)) => put_part(whole, attr, value)?,
                None => {
                    let mut whole = Value::Null;
                    put_part(&mut whole, attr, value)?;
                    gathered.push((parent, whole));
                }
            }
        }
        gathered.sort_unstable_by_key(|(id, _)| *id);
        Ok(gathered)
    }

    fn check_schemas(
        &self,
        listed: Option<&Value>,
        admitted: &Admitted,
    ) -> Result<(), RequestError> {
        let Some(listed) = listed else {
            return Err(RequestError::syntax("`schemas` is missing"));
        };
        let elements = listed.as_array().map_or(&[][..], Vec::as_slice);
        let listed: Vec<&str> = elements.iter().filter_map(Value::as_str).collect();
        if listed.is_empty() || listed.len() != elements.len() {
            return Err(RequestError::syntax("`schemas` is not an array of URIs"));
        }
        let core = self.schema();
        let unknown = |urn: &&&str| *core != **urn && self.extension_named(urn).is_none();
        if let Some(urn) = listed.iter().find(unknown) {
            let urn = excerpt(urn);
            let kind = self.name();
            return Err(RequestError::syntax(format!(
                "`{urn}` is not a schema of {kind}"
            )));
        }
        let present = self.extensions().iter().enumerate();
        let present = present.filter(|(index, _)| admitted.has_extension(self, *index));
        let present = present.map(|(_, extension)| extension.urn());
        let missing = |urn: &&scimkit_core::Urn| !listed.iter().any(|known| **urn == *known);
        match std::iter::once(core).chain(present).find(missing) {
            Some(urn) => Err(RequestError::syntax(format!(
                "`schemas` does not name `{urn}`"
            ))),
            None => Ok(()),
        }
    }
}

/// The valid part of a body.
#[derive(Debug, Default)]
pub(crate) struct Admitted {
    /// The attributes with invalid values.
    rejected: Vec<AttrId>,
    // INVARIANT: top-level attributes, ordered by id; no value is null, `[]` or `{}`.
    pub(crate) values: Vec<(AttrId, Value)>,
}

impl Admitted {
    fn into_resource(self, kind: &ResourceType) -> Resource {
        let mut resource = Resource::default();
        for (id, value) in self.values {
            resource.set(kind, id, value);
        }
        resource.refresh_schemas(kind);
        resource
    }
}

impl TopLevel for Admitted {
    fn has_extension(&self, kind: &ResourceType, index: usize) -> bool {
        let mut ids = self.values.iter().map(|(id, _)| *id);
        ids.any(|id| kind.attr(id).extension() == Some(index))
    }

    fn value(&self, _: &ResourceType, id: AttrId) -> Option<&Value> {
        let at = self.values.binary_search_by_key(&id, |(known, _)| *known);
        self.values.get(at.ok()?).map(|(_, value)| value)
    }
}

/// The container of members that are bound to attributes of the core schema.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Container {
    /// The object under the URI of the core schema.
    Core,
    /// The resource itself.
    Resource,
}

/// Adds a sub-attribute to the object of its parent, which it creates if necessary.
fn put_part(parent: &mut Value, attr: &Attr, value: Value) -> Result<(), RequestError> {
    if parent.is_null() {
        *parent = Value::Object(Map::new());
    }
    let known = |members: &Map<String, Value>| {
        members
            .keys()
            .any(|name| name.eq_ignore_ascii_case(attr.name()))
    };
    match parent.as_object_mut() {
        Some(members) if !known(members) => {
            members.insert(attr.name().to_owned(), value);
            Ok(())
        }
        _ => Err(twice(attr)),
    }
}

pub(crate) fn is_read_only(attr: &Attr) -> bool {
    attr.definition().mutability == Mutability::ReadOnly
}

/// Returns the attribute of a member, or nothing if unknown names are ignored.
///
/// A name that only another tolerance accepts is not unknown.
pub(crate) fn known<T>(
    found: Result<T, RequestError>,
    t: &dyn QuirkPolicy,
) -> Result<Option<T>, RequestError> {
    let unknown = [Quirk::UnknownAttributes, Quirk::UnqualifiedExtensions];
    match found {
        Ok(found) => Ok(Some(found)),
        Err(problem) => match problem.quirk() {
            Some(quirk) if unknown.contains(&quirk) && t.allow(Quirk::UnknownAttributes) => {
                Ok(None)
            }
            _ => Err(problem),
        },
    }
}

fn no_name(name: &str) -> RequestError {
    let name = excerpt(name);
    let problem = RequestError::syntax(format!("`{name}` is a path, not the name of an attribute"));
    problem.with_quirk(Quirk::DottedKeys)
}

pub(crate) fn twice(attr: &Attr) -> RequestError {
    RequestError::syntax(format!("`{}` is given twice", attr.path()))
}
