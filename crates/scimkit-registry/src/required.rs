//! Required attributes of a resource.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    Attr, AttrId, AttributeRole, ErrorCollector, RequestError, Resource, ResourceType,
    admit::is_read_only, resource::TopLevel,
};

/// An attribute or sub-attribute that a write replaces: see [`ResourceType::check_required_after`].
#[derive(Debug, Clone)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a caller makes it; there is nothing else to say"
)]
pub struct ReplacedValue<'a> {
    /// The value after the write.
    pub after: Option<Value>,
    /// The attribute.
    pub attr: AttrId,
    /// The value in the document before the write.
    pub before: Option<&'a Value>,
}

impl ResourceType {
    /// Checks that every required attribute has a value.
    ///
    /// - Sub-attributes are required only in a complex value that is present, and in each element.
    /// - The attributes of an extension are required if one of them is present, or if the extension itself is
    ///   required.
    /// - Attributes that the service provider computes are not checked.
    ///
    /// It is meant for a complete resource from a client: a stored document lacks memberships and attributes that are
    /// never returned.
    ///
    /// # Errors
    /// Required attributes have no value; the error names them: `invalidValue`.
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::{Registry, Tolerance};
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.resource_type("User").unwrap();
    /// let bjensen = user.admit(json!({"userName": "bjensen"}), &Tolerance::DEFAULT)?;
    /// assert!(user.check_required(&bjensen).is_ok());
    ///
    /// let nobody = user.admit(json!({"title": "Dr"}), &Tolerance::DEFAULT)?;
    /// let error = user.check_required(&nobody).unwrap_err();
    /// assert_eq!(error.detail(), "`userName` is required but missing");
    /// # Ok::<(), scimkit_registry::RequestError>(())
    /// ```
    ///
    /// [RFC 7643 section 7](https://www.rfc-editor.org/rfc/rfc7643#section-7)
    pub fn check_required(&self, resource: &Resource) -> Result<(), RequestError> {
        let mut findings = ErrorCollector::default();
        self.note_missing(resource, &[], &mut findings)?;
        findings.finish()
    }

    /// Adds the missing attributes to the errors, except for those with another error.
    pub(crate) fn note_missing(
        &self,
        resource: &impl TopLevel,
        rejected: &[AttrId],
        findings: &mut ErrorCollector,
    ) -> Result<(), RequestError> {
        self.note_level(resource, None, rejected, findings)?;
        for (index, extension) in self.extensions().iter().enumerate() {
            let of_it = |id: &AttrId| self.attr(*id).extension() == Some(index);
            if resource.has_extension(self, index) || rejected.iter().any(of_it) {
                self.note_level(resource, Some(index), rejected, findings)?;
            } else if extension.is_required() {
                findings.push::<()>(Err(missing(extension.urn().as_str())))?;
            }
        }
        Ok(())
    }

    /// Checks that a stored document has the attributes that no write can remove: the required ones at the top level,
    /// and those of each extension that it has.
    ///
    /// Attributes that are never returned, and memberships, are not checked, since documents do not contain them.
    /// Sub-attributes are not checked either, since a PATCH may write them one by one.
    ///
    /// # Errors
    /// A required attribute has no value; the error names the first: `invalidValue`.
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::{Registry, Resource};
    ///
    /// let registry = Registry::standard();
    /// let user = registry.resource_type("User").unwrap();
    /// let check = |text: &[u8]| user.validate_stored_required(&Resource::restore(text)?);
    /// assert!(check(br#"{"userName": "bjensen"}"#).is_ok());
    /// let error = check(br#"{"title": "Dr"}"#).unwrap_err();
    /// assert_eq!(error.detail(), "`userName` is required but missing");
    /// # Ok::<(), scimkit_registry::RequestError>(())
    /// ```
    pub fn validate_stored_required(&self, document: &Resource) -> Result<(), RequestError> {
        let extensions = self.extensions().iter().enumerate();
        let known = extensions.filter(|(index, _)| document.holder(self, Some(*index)).is_some());
        let levels = [None]
            .into_iter()
            .chain(known.map(|(index, _)| Some(index)));
        for attr in levels.flat_map(|level| self.top_level(level)) {
            let is_kept = attr.role() != AttributeRole::Membership && is_asked_for(attr, true);
            if is_kept && document.get(self, attr.id()).is_none() {
                return Err(missing(attr.path()));
            }
        }
        Ok(())
    }

    /// Checks the attributes that a write changed: `written` has those that it wrote, and `before` is the document
    /// before the write. A sub-attribute alone is not checked: it may be written to an object without its required
    /// ones.
    ///
    /// - A changed complex value, and each of its elements, must have the required sub-attributes.
    /// - A changed extension that has a value must have its required attributes.
    /// - An attribute that is never returned is required only if the value is new: a document does not show whether
    ///   an existing value has it.
    ///
    /// # Errors
    /// A required attribute has no value; the error names the first: `invalidValue`.
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::{Registry, Resource, ReplacedValue};
    /// use serde_json::json;
    ///
    /// let schemas = json!([
    ///     {"id": "urn:example:2.0:Person", "attributes": [{"name": "nickName"}]},
    ///     {"id": "urn:example:2.0:Desk", "attributes": [
    ///         {"name": "floor", "type": "integer", "required": true}, {"name": "room"}]},
    /// ]);
    /// let person = json!({
    ///     "name": "Person", "endpoint": "/People", "schema": "urn:example:2.0:Person",
    ///     "schemaExtensions": [{"schema": "urn:example:2.0:Desk", "required": false}],
    /// });
    /// let registry = Registry::builder()
    ///     .schemas_json(&schemas.to_string())?
    ///     .resource_types_json(&person.to_string())?
    ///     .build()?;
    /// let person = registry.resource_type("Person").unwrap();
    /// let check = |path, value| {
    ///     let attr = person.attribute_id(path).unwrap();
    ///     let written = [ReplacedValue { attr, before: None, after: Some(value) }];
    ///     person.check_required_after(&Resource::default(), &written)
    /// };
    /// assert!(check("nickName", json!("Babs")).is_ok());
    /// let error = check("urn:example:2.0:Desk:room", json!("12")).unwrap_err();
    /// assert_eq!(error.detail(), "`urn:example:2.0:Desk:floor` is required but missing");
    /// # Ok::<(), scimkit_registry::RegistrationError>(())
    /// ```
    ///
    /// [RFC 7643 section 7](https://www.rfc-editor.org/rfc/rfc7643#section-7)
    pub fn check_required_after(
        &self,
        before: &Resource,
        written: &[ReplacedValue<'_>],
    ) -> Result<(), RequestError> {
        let mut extensions = BTreeSet::new();
        for ReplacedValue {
            after,
            attr,
            before,
        } in written
        {
            let attr = self.attr(*attr);
            let asks = attr.extension().is_some() || self.children(attr.id()).any(is_required);
            if asks && *before != after.as_ref() {
                extensions.extend(attr.extension());
                self.check_parts(attr, after.as_ref(), before.is_some())?;
            }
        }
        for index in extensions {
            let top = self.top_level(Some(index));
            let known = before.holder(self, Some(index)).is_some();
            let is_there = |attr: &Attr| match written.iter().find(|w| w.attr == attr.id()) {
                Some(written) => written.after.is_some(),
                None => before.get(self, attr.id()).is_some(),
            };
            let lacks = |attr: &&Attr| is_asked_for(attr, known) && !is_there(attr);
            if top.iter().any(is_there)
                && let Some(attr) = top.iter().find(lacks)
            {
                return Err(missing(attr.path()));
            }
        }
        Ok(())
    }

    fn note_level(
        &self,
        resource: &impl TopLevel,
        extension: Option<usize>,
        rejected: &[AttrId],
        findings: &mut ErrorCollector,
    ) -> Result<(), RequestError> {
        for attr in self.top_level(extension) {
            let value = resource.value(self, attr.id());
            if value.is_none() && is_required(attr) && !rejected.contains(&attr.id()) {
                findings.push::<()>(Err(missing(attr.path())))?;
            }
            findings.push(self.check_parts(attr, value, false))?;
        }
        Ok(())
    }

    /// Checks the sub-attributes of a complex value, or of each of its elements; `known` tells whether there was a
    /// value before.
    fn check_parts(
        &self,
        attr: &Attr,
        value: Option<&Value>,
        known: bool,
    ) -> Result<(), RequestError> {
        let elements = match value {
            Some(Value::Array(elements)) => elements.as_slice(),
            Some(one) => std::slice::from_ref(one),
            None => return Ok(()),
        };
        let asked_for = |sub: &&Attr| is_asked_for(sub, known);
        for sub in self.children(attr.id()).filter(asked_for) {
            let lacks = |element: &Value| element.get(sub.name()).is_none();
            if elements.iter().any(lacks) {
                return Err(missing(sub.path()));
            }
        }
        Ok(())
    }
}

/// Returns whether the attribute is required and, if there was a value before, visible.
fn is_asked_for(attr: &Attr, known: bool) -> bool {
    is_required(attr) && !(known && attr.is_never_returned())
}

fn is_required(attr: &Attr) -> bool {
    let made_here = match attr.role() {
        AttributeRole::Id | AttributeRole::Meta | AttributeRole::Schemas => true,
        AttributeRole::Membership | AttributeRole::Reference => attr.name() == "$ref",
        _ => false,
    };
    attr.definition().required && !made_here && !is_read_only(attr)
}

fn missing(path: &str) -> RequestError {
    RequestError::value(format!("`{path}` is required but missing"))
}
