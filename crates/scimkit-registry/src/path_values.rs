//! The values of a resource at a path.

use scimkit_filter::ParseLimits;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    AttrId, InvalidDocument, Meter, PathTarget, RequestError, RequestErrorKind, Resource,
    ResourceType, Tolerance,
};

impl Resource {
    /// Returns the values at a path: an attribute, some of its elements, or a sub-attribute of either.
    ///
    /// - Names ignore case; those of an extension need its URN, and the URN alone selects the whole extension.
    /// - A multi-valued attribute gives its elements, in the order of the document. Without a value, the result is empty.
    /// - The path is parsed and bound with each call, which is cheap next to a request.
    ///
    /// # Errors
    /// - The text is not a path, or the type has no such attribute: `invalidPath` or `invalidFilter`.
    /// - Documents do not contain the attribute, so that it would never have a value: `id`, `meta`, memberships,
    ///   computed parts of references, and attributes that are never returned: `invalidPath`.
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::{Registry, Tolerance};
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.resource_type("User").unwrap();
    /// let emails = json!([{"type": "home", "value": "b@x.example"}, {"type": "work", "value": "b@y.example"}]);
    /// let bjensen = user.admit(json!({"emails": emails}), &Tolerance::DEFAULT)?;
    /// assert_eq!(bjensen.at(user, r#"emails[type eq "work"].value"#)?, [&json!("b@y.example")]);
    /// assert_eq!(bjensen.at(user, "emails")?.len(), 2);
    /// assert!(bjensen.at(user, "title")?.is_empty());
    /// assert!(bjensen.at(user, "emial").is_err());
    /// assert!(bjensen.at(user, "groups").is_err());
    /// # Ok::<(), scimkit_registry::RequestError>(())
    /// ```
    ///
    /// [RFC 7644 section 3.5.2](https://www.rfc-editor.org/rfc/rfc7644#section-3.5.2)
    pub fn at(&self, kind: &ResourceType, path: &str) -> Result<Vec<&Value>, RequestError> {
        let selected = self.select(kind, path)?;
        Ok(selected.into_iter().map(|found| found.value).collect())
    }

    /// Returns the text at a path: of several values the primary one, otherwise the first.
    ///
    /// A complex value stands for its `value`, so `emails` is the primary address. Values of other types have no text.
    ///
    /// # Errors
    /// See [`Resource::at`].
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::{Registry, Tolerance};
    /// use serde_json::json;
    ///
    /// const DEPARTMENT: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department";
    ///
    /// let registry = Registry::standard();
    /// let user = registry.resource_type("User").unwrap();
    /// let emails = json!([{"value": "b@x.example"}, {"value": "b@y.example", "primary": true}]);
    /// let bjensen = user.admit(json!({"emails": emails}), &Tolerance::DEFAULT)?;
    /// assert_eq!(bjensen.text(user, "emails")?, Some("b@y.example"));
    /// assert_eq!(bjensen.text(user, DEPARTMENT)?, None);
    /// assert!(bjensen.text(user, "department").is_err()); // an extension's names need its URN
    /// # Ok::<(), scimkit_registry::RequestError>(())
    /// ```
    pub fn text(&self, kind: &ResourceType, path: &str) -> Result<Option<&str>, RequestError> {
        let selected = self.select(kind, path)?;
        Ok(leading(&selected).and_then(text_of))
    }

    /// Returns the texts at a path, in the order of the document. A complex value stands for its `value`.
    ///
    /// # Errors
    /// See [`Resource::at`].
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::{Registry, Tolerance};
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.resource_type("User").unwrap();
    /// let emails = json!([{"value": "b@x.example"}, {"value": "b@y.example", "primary": true}]);
    /// let bjensen = user.admit(json!({"emails": emails}), &Tolerance::DEFAULT)?;
    /// assert_eq!(bjensen.texts(user, "emails")?, ["b@x.example", "b@y.example"]);
    /// assert!(bjensen.texts(user, "emails[type eq").is_err());
    /// # Ok::<(), scimkit_registry::RequestError>(())
    /// ```
    pub fn texts(&self, kind: &ResourceType, path: &str) -> Result<Vec<&str>, RequestError> {
        let selected = self.select(kind, path)?;
        Ok(selected.iter().filter_map(text_of).collect())
    }

    /// Returns the boolean at a path: of several values that of the primary one, otherwise of the first.
    ///
    /// # Errors
    /// See [`Resource::at`].
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::{Registry, Tolerance};
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.resource_type("User").unwrap();
    /// let bjensen = user.admit(json!({"active": false}), &Tolerance::DEFAULT)?;
    /// assert_eq!(bjensen.boolean(user, "active")?, Some(false));
    /// assert_eq!(bjensen.boolean(user, "emails.primary")?, None);
    /// assert!(bjensen.boolean(user, "isActive").is_err());
    /// # Ok::<(), scimkit_registry::RequestError>(())
    /// ```
    pub fn boolean(&self, kind: &ResourceType, path: &str) -> Result<Option<bool>, RequestError> {
        let selected = self.select(kind, path)?;
        Ok(leading(&selected).and_then(|found| found.value.as_bool()))
    }

    /// Converts the resource to a type that implements `Deserialize`, such as [`scimkit_core::User`] or one of the
    /// application.
    ///
    /// # Errors
    /// A value does not fit the type.
    ///
    /// # Example
    /// ```
    /// use scimkit_core::User;
    /// use scimkit_registry::{Registry, Tolerance};
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let kind = registry.resource_type("User").unwrap();
    /// let resource = kind.admit(json!({"USERNAME": "bjensen"}), &Tolerance::DEFAULT)?;
    /// let user: User = resource.to_typed()?;
    /// assert_eq!(user.user_name.as_deref(), Some("bjensen"));
    /// assert!(resource.to_typed::<Vec<String>>().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_typed<T: DeserializeOwned>(&self) -> Result<T, InvalidDocument> {
        let members = Value::Object(self.members.clone());
        serde_json::from_value(members).map_err(|problem| InvalidDocument::new(&problem))
    }

    fn select(&self, kind: &ResourceType, path: &str) -> Result<Vec<Selected<'_>>, RequestError> {
        match kind.parse_path(path, ParseLimits::default(), &Tolerance::STRICT)? {
            PathTarget::Attribute(id) => {
                check_contained(kind, [id])?;
                Ok(self.attribute_values(kind, id))
            }
            PathTarget::Elements { attr, which, sub } => {
                let named = which.attributes().into_iter().chain(sub).chain([attr]);
                check_contained(kind, named)?;
                let mut matching = Vec::new();
                for element in elements(self.get(kind, attr)) {
                    if kind.element_matches(&which, element.value, &Meter::unlimited())? {
                        matching.push(element);
                    }
                }
                Ok(match sub {
                    Some(sub) => parts(&matching, kind.attr(sub).name()),
                    None => matching,
                })
            }
            PathTarget::Extension(index) => {
                let urn = kind.extension_at(index).map(|e| e.urn().as_str());
                Ok(elements(urn.and_then(|urn| self.members.get(urn))))
            }
        }
    }

    fn attribute_values(&self, kind: &ResourceType, id: AttrId) -> Vec<Selected<'_>> {
        let attr = kind.attr(id);
        match attr.parent() {
            Some(parent) => parts(&elements(self.get(kind, parent)), attr.name()),
            None => elements(self.get(kind, id)),
        }
    }
}

/// A value at a path.
#[derive(Clone, Copy)]
struct Selected<'r> {
    /// Whether it is, or is part of, the primary element.
    is_primary: bool,
    value: &'r Value,
}

impl<'r> Selected<'r> {
    fn new(value: &'r Value) -> Self {
        let is_primary = value.get("primary") == Some(&Value::Bool(true));
        Selected { is_primary, value }
    }
}

/// Returns the elements of an array, or the single value.
fn elements(value: Option<&Value>) -> Vec<Selected<'_>> {
    match value {
        Some(Value::Array(elements)) => elements.iter().map(Selected::new).collect(),
        one => one.map(Selected::new).into_iter().collect(),
    }
}

/// Returns the values of one sub-attribute.
fn parts<'r>(elements: &[Selected<'r>], name: &str) -> Vec<Selected<'r>> {
    let mut parts = Vec::with_capacity(elements.len());
    for element in elements {
        let is_primary = element.is_primary;
        match element.value.get(name) {
            Some(Value::Array(values)) => {
                parts.extend(values.iter().map(|value| Selected { is_primary, value }));
            }
            Some(value) => parts.push(Selected { is_primary, value }),
            None => {}
        }
    }
    parts
}

/// Returns the primary value, otherwise the first.
fn leading<'s, 'r>(selected: &'s [Selected<'r>]) -> Option<&'s Selected<'r>> {
    let mut all = selected.iter();
    all.find(|found| found.is_primary).or(selected.first())
}

fn text_of<'r>(found: &Selected<'r>) -> Option<&'r str> {
    let value = found.value;
    value.get("value").unwrap_or(value).as_str()
}

/// Checks that documents contain the attributes of a path.
fn check_contained(
    kind: &ResourceType,
    named: impl IntoIterator<Item = AttrId>,
) -> Result<(), RequestError> {
    for id in named {
        let attr = kind.attr(id);
        if kind.is_computed(id) || attr.is_never_returned() {
            let path = attr.path();
            let detail = format!("`{path}` is not part of a document of {}", kind.name());
            return Err(RequestError::new(RequestErrorKind::Path, detail));
        }
    }
    Ok(())
}
