//! From the fields of the application to SCIM.

use scimkit_registry::{RequestError, Resource};

use super::{Record, TypeMapping, bound_rule::BoundRule};

impl TypeMapping {
    /// Writes a record into a resource and changes nothing else.
    ///
    /// - A field that the record lacks leaves its attribute unchanged; `null` unsets the attribute.
    /// - Other values of a multi-valued attribute stay, and so do attributes that no rule writes.
    /// - An attribute that already matches its field stays as it is, even if a transform loses
    ///   information: `Babs@X.org` stays if the record has `babs@x.org`.
    ///
    /// # Errors
    /// `invalidValue` for a value that a transform rejects, or that is invalid in the schema.
    ///
    /// # Example
    /// ```
    /// use scimkit_mapping::{Mapping, MappingRule};
    /// use scimkit_registry::{Registry, Tolerance};
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.resource_type("User").unwrap();
    /// let rule = MappingRule::new(r#"emails[type eq "work"].value"#).with_field("work_email");
    /// let mapping = Mapping::builder().rule("User", rule).build(&registry).unwrap();
    /// let home = json!({"emails": [{"type": "home", "value": "h@x.org"}]});
    /// let home = user.admit(home, &Tolerance::DEFAULT)?;
    ///
    /// let record = json!({"work_email": "w@x.org"});
    /// let both = mapping.for_type("User").unwrap().to_resource(record.as_object().unwrap(), home)?;
    /// assert_eq!(both.as_map()["emails"], json!([
    ///     {"type": "home", "value": "h@x.org"}, {"type": "work", "value": "w@x.org"}]));
    ///
    /// let record = json!({"work_email": 5});
    /// assert!(mapping.for_type("User").unwrap().to_resource(record.as_object().unwrap(), both).is_err());
    /// # Ok::<(), scimkit_registry::RequestError>(())
    /// ```
    pub fn to_resource(&self, record: &Record, onto: Resource) -> Result<Resource, RequestError> {
        let mut resource = onto;
        self.write(self.rules.iter(), record, &mut resource)?;
        resource.refresh_schemas(&self.kind);
        Ok(resource)
    }

    /// Writes the attributes of rules.
    pub(super) fn write<'r>(
        &self,
        rules: impl Iterator<Item = &'r BoundRule>,
        record: &Record,
        resource: &mut Resource,
    ) -> Result<(), RequestError> {
        for rule in rules.filter(|rule| rule.writes_attribute()) {
            let value = rule.field().and_then(|field| record.get(field));
            let known = rule.field_value(&self.kind, resource);
            let same = match (value, &known) {
                (Some(value), Ok(Some(known))) => value == known,
                (Some(value), Ok(None)) => rule.is_unset(value),
                _ => false,
            };
            if same {
                continue;
            }
            let Some(values) = rule.attribute_values(&self.kind, record)? else {
                continue;
            };
            for (path, value) in rule.paths.iter().zip(values) {
                let value = match value {
                    Some(value) => path.admit(&self.kind, value)?,
                    None => None,
                };
                path.write(&self.kind, resource, value);
            }
        }
        Ok(())
    }
}
