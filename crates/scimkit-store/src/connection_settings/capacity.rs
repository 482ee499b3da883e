//! Capacities in connection settings.

use std::sync::Arc;

use scimkit_filter::Filter;
use scimkit_registry::{Predicate, Tolerance};
use serde::{Deserialize, Serialize};

use super::ConnectionSettingsError;
use crate::{Settings, engine::Capacity};

/// A [`Capacity`] in the settings of a connection.
///
/// # Example
/// ```
/// use scimkit_mapping::Mapping;
/// use scimkit_store::{ConnectionSettings, Settings};
///
/// let rules = r#"{"capacities": [
///     {"name": "seats", "resource_type": "User", "filter": "active eq true", "limit": 50},
///     {"name": "groups", "resource_type": "Group", "least": 1}]}"#;
/// let rules = ConnectionSettings::from_json(rules)?;
/// let settings = rules.apply_to(&Settings::new("https://app.example"), &Mapping::builder())?;
/// assert_eq!(settings.policy.capacities[0].limit, 50);
///
/// let groups = r#"{"capacities": [{"name": "groups", "resource_type": "Groups", "limit": 9}]}"#;
/// let groups = ConnectionSettings::from_json(groups)?;
/// let error = groups.apply_to(&Settings::new("https://app.example"), &Mapping::builder());
/// assert_eq!(
///     error.unwrap_err().to_string(),
///     "invalid connection settings: capacity `groups`: unknown resource type `Groups`"
/// );
/// # Ok::<(), scimkit_store::ConnectionSettingsError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CapacitySetting {
    /// A SCIM filter that a resource satisfies to be counted, on attributes that clients write. Without one, all
    /// resources of the type count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// The minimum number of resources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least: Option<u64>,
    /// The maximum number of resources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// The name of the limit in errors.
    pub name: String,
    /// The name of the resource type.
    pub resource_type: String,
}

impl CapacitySetting {
    /// The maximum number of capacities of a connection, since each write has to check all of them.
    pub const MOST: usize = 16;

    /// Creates a maximum for all resources of a type.
    #[must_use]
    pub fn new(name: impl Into<String>, resource_type: impl Into<String>, limit: u64) -> Self {
        CapacitySetting {
            filter: None,
            least: None,
            limit: Some(limit),
            name: name.into(),
            resource_type: resource_type.into(),
        }
    }

    /// Creates a minimum for all resources of a type.
    #[must_use]
    pub fn at_least(name: impl Into<String>, resource_type: impl Into<String>, least: u64) -> Self {
        CapacitySetting {
            least: Some(least),
            limit: None,
            ..CapacitySetting::new(name, resource_type, 0)
        }
    }

    /// Counts only the resources that satisfy a filter.
    #[must_use]
    pub fn with_filter(mut self, filter: impl Into<String>) -> Self {
        self.filter = Some(filter.into());
        self
    }

    /// Binds the setting to the schemas of the settings.
    ///
    /// # Errors
    /// The type is unknown, the filter is not valid for it, or it uses a computed attribute or a membership. There is
    /// neither a maximum nor a minimum, or the minimum is greater.
    pub fn capacity(&self, settings: &Settings) -> Result<Capacity, ConnectionSettingsError> {
        let invalid = |problem: String| {
            ConnectionSettingsError::new(format_args!("capacity `{}`: {problem}", self.name))
        };
        let (least, limit) = match (self.least, self.limit) {
            (None, None) => return Err(invalid("expected a `limit` or a `least`".to_owned())),
            (least, limit) => (least.unwrap_or(0), limit.unwrap_or(u64::MAX)),
        };
        if least > limit {
            return Err(invalid("`least` is greater than `limit`".to_owned()));
        }
        let unknown = || invalid(format!("unknown resource type `{}`", self.resource_type));
        let kind = settings.registry.resource_type(&self.resource_type);
        let kind = kind.ok_or_else(unknown)?;
        let predicate = match &self.filter {
            None => Predicate::All(Vec::new()),
            Some(filter) => {
                let filter = Filter::parse(filter).map_err(|error| invalid(error.to_string()))?;
                // Strict: an unknown attribute must not become a limit that has no effect.
                kind.bind_filter(&filter, &Tolerance::STRICT)
                    .map_err(|error| invalid(error.to_string()))?
            }
        };
        if let Some(attr) = predicate
            .attributes()
            .into_iter()
            .find(|attr| kind.is_computed(*attr))
        {
            let path = kind.attr(attr).path();
            return Err(invalid(format!(
                "`{path}` is computed: filter on an attribute that clients write"
            )));
        }
        let mut capacity = Capacity::new(self.name.clone(), Arc::clone(kind), predicate, limit);
        capacity.least = least;
        Ok(capacity)
    }
}
