//! Documents that some store kept, checked before another one takes them.

use scimkit_core::excerpt;
use serde_json::{Map, Value};

use crate::{Attr, Error, Resource, ResourceType, Scalar};

impl ResourceType {
    /// Checks a document that comes out of an archive or another store: one that is kept and shown
    /// as it is, without [admission](Self::admit).
    ///
    /// - Every attribute that the schema has must have a value of its type; none is `null`, `[]` or
    ///   `{}`.
    /// - What the schema does not have is passed over. It is not shown, as after a change of the
    ///   schema under a store that keeps the document.
    ///
    /// # Errors
    /// `invalidValue` with the attribute's path.
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::{Registry, Resource};
    ///
    /// let registry = Registry::standard();
    /// let user = registry.by_name("User").unwrap();
    /// let check = |text: &[u8]| user.check_kept(&Resource::restore(text)?);
    /// check(br#"{"userName": "bjensen", "emails": [{"value": "b@example.com"}], "old": 7}"#)?;
    /// let misfit = check(br#"{"emails": [{"value": 5}]}"#).unwrap_err();
    /// assert_eq!(misfit.detail(), "`emails.value` is kept as 5, which is not of its type");
    /// # Ok::<(), scimkit_registry::Error>(())
    /// ```
    pub fn check_kept(&self, document: &Resource) -> Result<(), Error> {
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

    fn check_members<'a>(
        &self,
        attrs: impl IntoIterator<Item = &'a Attr>,
        members: &Map<String, Value>,
    ) -> Result<(), Error> {
        for attr in attrs {
            if let Some(value) = members.get(attr.name()) {
                self.check_value(attr, value)?;
            }
        }
        Ok(())
    }

    fn check_value(&self, attr: &Attr, value: &Value) -> Result<(), Error> {
        match value {
            Value::Array(elements) if attr.definition().multi_valued && !elements.is_empty() => {
                let mut elements = elements.iter();
                elements.try_for_each(|element| self.check_single(attr, element))
            }
            one if !attr.definition().multi_valued => self.check_single(attr, one),
            other => Err(misfit(attr.path(), other)),
        }
    }

    fn check_single(&self, attr: &Attr, value: &Value) -> Result<(), Error> {
        match value {
            Value::Object(members) if attr.is_complex() && !members.is_empty() => {
                self.check_members(self.children(attr.id()), members)
            }
            one if !attr.is_complex() && Scalar::of(attr, one).is_some() => Ok(()),
            other => Err(misfit(attr.path(), other)),
        }
    }
}

fn misfit(path: &str, value: &Value) -> Error {
    let value = value.to_string();
    let value = excerpt(&value);
    Error::value(format!(
        "`{path}` is kept as {value}, which is not of its type"
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{Registry, Resource, Tolerance};

    fn check(document: &Value) -> Result<(), String> {
        let registry = Registry::standard();
        let user = registry.by_name("User").unwrap();
        let members = document.to_string();
        let document = Resource::restore(members.as_bytes()).unwrap();
        user.check_kept(&document)
            .map_err(|e| e.detail().to_owned())
    }

    #[test]
    fn what_is_admitted_can_be_kept() {
        let registry = Registry::standard();
        let user = registry.by_name("User").unwrap();
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
    fn what_does_not_fit_is_refused() {
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
}
