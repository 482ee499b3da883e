//! Checks of stored documents before they are imported.

use scimkit_core::excerpt;
use serde_json::{Map, Value};

use crate::{Attr, MAX_ELEMENTS, MAX_TEXT, RequestError, Resource, ResourceType, Scalar};

impl ResourceType {
    /// Checks a document from an archive or another store, which is stored and shown without
    /// [admission](Self::admit).
    ///
    /// - Every attribute of the schema must have a value of its type; none is `null`, `[]` or `{}`.
    /// - As in admission, an attribute has at most [`MAX_ELEMENTS`] values, and a text at most [`MAX_TEXT`] bytes.
    /// - Attributes that the schema does not have are ignored. They are not shown, as after a change of the schema in
    ///   a store that has the document.
    ///
    /// # Errors
    /// `invalidValue` with the attribute's path.
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::{Registry, Resource};
    ///
    /// let registry = Registry::standard();
    /// let user = registry.resource_type("User").unwrap();
    /// let check = |text: &[u8]| user.validate_stored(&Resource::restore(text)?);
    /// check(br#"{"userName": "bjensen", "emails": [{"value": "b@example.com"}], "old": 7}"#)?;
    /// let misfit = check(br#"{"emails": [{"value": 5}]}"#).unwrap_err();
    /// assert_eq!(misfit.detail(), "`emails.value` is kept as 5, which is not of its type");
    /// # Ok::<(), scimkit_registry::RequestError>(())
    /// ```
    pub fn validate_stored(&self, document: &Resource) -> Result<(), RequestError> {
        let members = document.as_map();
        self.check_members(self.top_level(None), members)?;
        for (index, extension) in self.extensions().iter().enumerate() {
            let urn = extension.urn().as_str();
            match members.get(urn) {
                None => {}
                Some(Value::Object(inner)) if !inner.is_empty() => {
                    self.check_members(self.top_level(Some(index)), inner)?;
                }
                Some(other) => return Err(misfit(urn, other)),
            }
        }
        Ok(())
    }

    /// Removes attributes that are never returned, such as `password`, in any spelling of their names, and objects
    /// that become empty; returns whether there were any.
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::{Registry, Resource};
    ///
    /// let registry = Registry::standard();
    /// let user = registry.resource_type("User").unwrap();
    /// let mut document = Resource::restore(br#"{"userName": "a", "Password": "t0p"}"#)?;
    /// assert!(user.remove_never_returned(&mut document));
    /// assert_eq!(document.to_text(), r#"{"userName":"a"}"#);
    /// assert!(!user.remove_never_returned(&mut document));
    /// # Ok::<(), scimkit_registry::RequestError>(())
    /// ```
    pub fn remove_never_returned(&self, document: &mut Resource) -> bool {
        let mut has_stripped = false;
        let hidden = self.attributes().iter().filter(|a| a.is_never_returned());
        for attr in hidden {
            let extension = attr.extension().and_then(|at| self.extensions().get(at));
            let urn = extension.map(|extension| extension.urn().as_str());
            let parent = attr.parent().map(|parent| self.attr(parent).name());
            let path: Vec<_> = [urn, parent, Some(attr.name())]
                .into_iter()
                .flatten()
                .collect();
            has_stripped |= take_out(&mut document.members, &path);
        }
        has_stripped
    }

    fn check_members<'a>(
        &self,
        attrs: impl IntoIterator<Item = &'a Attr>,
        members: &Map<String, Value>,
    ) -> Result<(), RequestError> {
        for attr in attrs {
            if let Some(value) = members.get(attr.name()) {
                self.check_value(attr, value)?;
            }
        }
        Ok(())
    }

    fn check_value(&self, attr: &Attr, value: &Value) -> Result<(), RequestError> {
        match value {
            Value::Array(elements) if elements.len() > MAX_ELEMENTS => {
                let path = attr.path();
                Err(RequestError::value(format!(
                    "`{path}` has more than {MAX_ELEMENTS} values"
                )))
            }
            Value::Array(elements) if attr.definition().multi_valued && !elements.is_empty() => {
                let mut elements = elements.iter();
                elements.try_for_each(|element| self.check_single(attr, element))
            }
            one if !attr.definition().multi_valued => self.check_single(attr, one),
            other => Err(misfit(attr.path(), other)),
        }
    }

    fn check_single(&self, attr: &Attr, value: &Value) -> Result<(), RequestError> {
        match value {
            Value::String(text) if text.len() > MAX_TEXT => {
                let path = attr.path();
                Err(RequestError::value(format!(
                    "`{path}` has more than {MAX_TEXT} bytes"
                )))
            }
            Value::Object(members) if attr.is_complex() && !members.is_empty() => {
                self.check_members(self.children(attr.id()), members)
            }
            one if !attr.is_complex() && Scalar::of(attr, one).is_some() => Ok(()),
            other => Err(misfit(attr.path(), other)),
        }
    }
}

/// Removes the member at a path, and the objects that become empty.
fn take_out(members: &mut Map<String, Value>, path: &[&str]) -> bool {
    let Some((name, below)) = path.split_first() else {
        return false;
    };
    let mut is_taken = false;
    members.retain(|key, value| {
        if !key.eq_ignore_ascii_case(name) {
            return true;
        }
        let here = below.is_empty() || take_below(value, below);
        is_taken |= here;
        !here || (!below.is_empty() && !is_empty(value))
    });
    is_taken
}

/// Does the same in an object, or in each element of an array.
fn take_below(value: &mut Value, path: &[&str]) -> bool {
    match value {
        Value::Object(members) => take_out(members, path),
        Value::Array(elements) => {
            let mut is_taken = false;
            elements.retain_mut(|element| {
                let inner = element.as_object_mut();
                let here = inner.is_some_and(|members| take_out(members, path));
                is_taken |= here;
                !here || !is_empty(element)
            });
            is_taken
        }
        _ => false,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(elements) => elements.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

fn misfit(path: &str, value: &Value) -> RequestError {
    let value = value.to_string();
    let value = excerpt(&value);
    RequestError::value(format!(
        "`{path}` is kept as {value}, which is not of its type"
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{Registry, Resource, Tolerance};

    fn check(document: &Value) -> Result<(), String> {
        let registry = Registry::standard();
        let user = registry.resource_type("User").unwrap();
        let members = document.to_string();
        let document = Resource::restore(members.as_bytes()).unwrap();
        user.validate_stored(&document)
            .map_err(|e| e.detail().to_owned())
    }

    #[test]
    fn admitted_documents_are_valid_stored_documents() {
        let registry = Registry::standard();
        let user = registry.resource_type("User").unwrap();
        let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        let body = json!({
            "userName": "ada",
            "active": "True",
            "name": {"givenName": "Ada"},
            "emails": [{"value": "ada@example.com", "primary": "true"}],
            "x509Certificates": [{"value": "aGVsbG8="}],
            enterprise: {"employeeNumber": "7", "manager": {"value": "42"}},
        });
        let admitted = user.admit(body, &Tolerance::DEFAULT).unwrap();
        assert_eq!(check(&Value::Object(admitted.into_map())), Ok(()));
    }

    #[test]
    fn invalid_stored_documents_are_rejected() {
        let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        let path = |document: Value| {
            let problem = check(&document).unwrap_err();
            let (path, _) = problem.trim_start_matches('`').split_once('`').unwrap();
            path.to_owned()
        };
        assert_eq!(path(json!({"userName": null})), "userName");
        assert_eq!(path(json!({"userName": ["a"]})), "userName");
        assert_eq!(path(json!({"active": "true"})), "active");
        assert_eq!(path(json!({"name": "Ada"})), "name");
        assert_eq!(path(json!({"name": {}})), "name");
        assert_eq!(path(json!({"name": {"givenName": {}}})), "name.givenName");
        assert_eq!(path(json!({"emails": {"value": "a"}})), "emails");
        assert_eq!(path(json!({"emails": []})), "emails");
        assert_eq!(path(json!({"emails": ["a"]})), "emails");
        assert_eq!(path(json!({"emails": [{"value": 1}]})), "emails.value");
        assert_eq!(path(json!({"schemas": "a"})), "schemas");
        assert_eq!(path(json!({enterprise: []})), enterprise);
        let manager = json!({enterprise: {"manager": "42"}});
        assert_eq!(path(manager), format!("{enterprise}:manager"));
    }

    #[test]
    fn never_returned_attributes_are_removed_at_every_level() {
        let urn = "urn:example:Secrets";
        let secret = json!({"name": "secret", "type": "string", "mutability": "writeOnly"});
        let shown = json!({"name": "shown", "type": "string"});
        let subs = json!([secret, shown]);
        let schema = json!({"id": urn, "name": "Secrets", "attributes": [
            secret,
            {"name": "one", "type": "complex", "subAttributes": subs},
            {"name": "many", "type": "complex", "multiValued": true, "subAttributes": subs},
        ]});
        let core = json!({"id": "urn:example:Thing", "name": "Thing", "attributes": [
            {"name": "title", "type": "string"},
            {"name": "password", "type": "string", "returned": "never"},
        ]});
        let thing = json!({
            "name": "Thing", "endpoint": "/Things", "schema": "urn:example:Thing",
            "schemaExtensions": [{"schema": urn, "required": false}],
        });
        let builder = Registry::builder().schemas_json(&json!([core, schema]).to_string());
        let builder = builder.unwrap().resource_types_json(&thing.to_string());
        let registry = builder.unwrap().build().unwrap();
        let thing = registry.resource_type("Thing").unwrap();
        let strip = |document: Value| {
            let text = document.to_string();
            let mut document = Resource::restore(text.as_bytes()).unwrap();
            let has_stripped = thing.remove_never_returned(&mut document);
            (has_stripped, Value::Object(document.into_map()))
        };
        let full = json!({"title": "a", "PASSWORD": "b", "password": {"c": [1]}, urn: {
            "secret": "d",
            "one": {"Secret": "e", "shown": "f"},
            "many": [{"secret": "g"}, {"secret": "h", "shown": "i"}],
        }});
        let rest = json!({"title": "a", urn: {"one": {"shown": "f"}, "many": [{"shown": "i"}]}});
        assert_eq!(strip(full), (true, rest.clone()));
        assert_eq!(strip(rest.clone()), (false, rest));
        let upper = urn.to_uppercase();
        let only = json!({upper: {"one": {"secret": "a"}, "many": [{"secret": "b"}]}});
        assert_eq!(strip(only), (true, json!({})));
        let odd = json!({urn: {"one": "secret", "many": [[], "secret", {}]}, "name": {}});
        assert_eq!(strip(odd.clone()), (false, odd));
    }
}
