//! What a resource must have.

use serde_json::{Map, Value};

use crate::{Attr, Error, Resource, ResourceType, Role, admit::is_read_only};

impl ResourceType {
    /// Checks that every required attribute has a value.
    ///
    /// - Sub-attributes are required only of a complex value that is there, and of each element.
    /// - The attributes of an extension are required once one of them is there, or when the
    ///   extension itself is required.
    /// - What the service provider makes is not asked for.
    ///
    /// It is meant for what a client sent in whole: a stored document lacks memberships and what is
    /// never returned.
    ///
    /// # Errors
    /// The first required attribute without a value, by name: `invalidValue`.
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::{Registry, Tolerance};
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.by_name("User").unwrap();
    /// let bjensen = user.admit(json!({"userName": "bjensen"}), &Tolerance::DEFAULT)?;
    /// assert!(user.check_required(&bjensen).is_ok());
    ///
    /// let nobody = user.admit(json!({"title": "Dr"}), &Tolerance::DEFAULT)?;
    /// let error = user.check_required(&nobody).unwrap_err();
    /// assert_eq!(error.detail(), "`userName` is required but missing");
    /// # Ok::<(), scimkit_registry::Error>(())
    /// ```
    ///
    /// [RFC 7643 section 7](https://www.rfc-editor.org/rfc/rfc7643#section-7)
    pub fn check_required(&self, resource: &Resource) -> Result<(), Error> {
        self.required_in(resource.as_map(), self.top_level(None))?;
        for (index, extension) in self.extensions().iter().enumerate() {
            match resource.holder(self, Some(index)) {
                Some(members) => self.required_in(members, self.top_level(Some(index)))?,
                None if extension.is_required() => {
                    return Err(missing(extension.urn().as_str()));
                }
                None => {}
            }
        }
        Ok(())
    }

    fn required_in(&self, members: &Map<String, Value>, attrs: &[Attr]) -> Result<(), Error> {
        for attr in attrs {
            let elements = match members.get(attr.name()) {
                Some(Value::Array(elements)) => elements.as_slice(),
                Some(one) => std::slice::from_ref(one),
                None if is_required(attr) => return Err(missing(attr.path())),
                None => continue,
            };
            for sub in self.children(attr.id()).filter(|sub| is_required(sub)) {
                if elements
                    .iter()
                    .any(|element| element.get(sub.name()).is_none())
                {
                    return Err(missing(sub.path()));
                }
            }
        }
        Ok(())
    }
}

fn is_required(attr: &Attr) -> bool {
    let made_here = match attr.role() {
        Role::Id | Role::Meta | Role::Schemas => true,
        Role::Membership | Role::Reference => attr.name() == "$ref",
        _ => false,
    };
    attr.definition().required && !made_here && !is_read_only(attr)
}

fn missing(path: &str) -> Error {
    Error::value(format!("`{path}` is required but missing"))
}
