//! Towards SCIM: what a host keeps, put into a resource.

use super::{Record, TypeMapping};
use scimkit_registry::{Error, Resource};

impl TypeMapping {
    /// Puts what the host keeps into a resource, and changes nothing beside it.
    ///
    /// - A field that the record does not name leaves its attribute as it is; `null` unsets it.
    /// - Other values of a multi-valued attribute stay, and so does everything no rule writes.
    /// - Where the resource has already what the field says, it stays as it is, also where a
    ///   transform loses something: `Babs@X.org` is not made `babs@x.org` by a record that has it so.
    ///
    /// # Errors
    /// `invalidValue` for a value that a rule can't transform, or that does not fit the schema.
    ///
    /// # Example
    /// ```
    /// use scimkit_mapping::Rule;
    /// use scimkit_mapping::Mapping;
    /// use scimkit_registry::{Registry, Tolerance};
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.by_name("User").unwrap();
    /// let rule = Rule::of(r#"emails[type eq "work"].value"#).to("work_email");
    /// let mapping = Mapping::builder().rule("User", rule).build(&registry).unwrap();
    /// let home = json!({"emails": [{"type": "home", "value": "h@x.org"}]});
    /// let home = user.admit(home, &Tolerance::DEFAULT)?;
    ///
    /// let record = json!({"work_email": "w@x.org"});
    /// let both = mapping.of("User").unwrap().to_scim(record.as_object().unwrap(), home)?;
    /// assert_eq!(both.as_map()["emails"], json!([
    ///     {"type": "home", "value": "h@x.org"}, {"type": "work", "value": "w@x.org"}]));
    ///
    /// let record = json!({"work_email": 5});
    /// assert!(mapping.of("User").unwrap().to_scim(record.as_object().unwrap(), both).is_err());
    /// # Ok::<(), scimkit_registry::Error>(())
    /// ```
    pub fn to_scim(&self, record: &Record, onto: Resource) -> Result<Resource, Error> {
        let mut resource = onto;
        for rule in self.rules.iter().filter(|rule| rule.writes_scim()) {
            let said = rule.host().and_then(|host| record.get(host));
            let known = rule.host_value(&self.kind, &resource);
            let same = match (said, &known) {
                (Some(said), Ok(Some(known))) => said == known,
                (Some(said), Ok(None)) => rule.is_unset(said),
                _ => false,
            };
            if same {
                continue;
            }
            let Some(values) = rule.scim_values(&self.kind, record)? else {
                continue;
            };
            for (side, value) in rule.sides.iter().zip(values) {
                let value = match value {
                    Some(value) => side.admit(&self.kind, value)?,
                    None => None,
                };
                side.write(&self.kind, &mut resource, value);
            }
        }
        resource.refresh_schemas(&self.kind);
        Ok(resource)
    }
}
