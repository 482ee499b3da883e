//! Roles in connection settings.

use scimkit_filter::Filter;
use scimkit_registry::Tolerance;
use serde::{Deserialize, Serialize};

use super::ConnectionSettingsError;
use crate::{Settings, engine::RolePolicy};

/// The roles of users in the settings of a connection: see [`RolePolicy`].
///
/// # Example
/// ```
/// use scimkit_mapping::Mapping;
/// use scimkit_store::{ConnectionSettings, Settings};
///
/// let rules = r#"{"roles": {"default": "member", "groups": [
///     {"filter": "displayName eq \"Admins\"", "role": "admin"},
///     {"filter": "displayName sw \"app-billing-\"", "role": "billing"}]}}"#;
/// let settings = Settings::new("https://app.example");
/// let settings = ConnectionSettings::from_json(rules)?.apply_to(&settings, &Mapping::builder())?;
/// assert_eq!(settings.policy.roles.unwrap().roles(), ["admin", "billing", "member"]);
/// # Ok::<(), scimkit_store::ConnectionSettingsError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RoleSettings {
    /// The role of users without a group that has a role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// The groups with a role, by priority; at most [`RoleSettings::MOST`].
    #[serde(default)]
    pub groups: Vec<GroupRole>,
    /// Whether a user has the roles of all its groups, instead of the first one.
    #[serde(default)]
    pub several: bool,
}

/// The role of the members of some groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct GroupRole {
    /// A SCIM filter that the groups satisfy, on attributes that clients write, such as `displayName eq "Admins"`,
    /// `externalId eq "42"` or `displayName sw "app-"`.
    pub filter: String,
    /// The role of their members.
    pub role: String,
}

impl GroupRole {
    /// Creates a role of the members of the groups that satisfy a filter.
    #[must_use]
    pub fn new(filter: impl Into<String>, role: impl Into<String>) -> Self {
        GroupRole {
            filter: filter.into(),
            role: role.into(),
        }
    }
}

impl RoleSettings {
    /// The maximum number of groups with a role, since each write of a user has to check all of them.
    pub const MOST: usize = 64;

    /// Binds the setting to the schemas of the settings.
    ///
    /// # Errors
    /// There are more than [`RoleSettings::MOST`] groups, a filter is not valid for groups or uses a computed attribute
    /// or a membership, a role is blank, or the schemas lack roles or members.
    pub fn policy(&self, settings: &Settings) -> Result<RolePolicy, ConnectionSettingsError> {
        let invalid =
            |problem: String| ConnectionSettingsError::new(format_args!("roles: {problem}"));
        if self.groups.len() > RoleSettings::MOST {
            return Err(invalid(format!("more than {} groups", RoleSettings::MOST)));
        }
        let lacks = || invalid("the schemas have no users with `roles`, or no groups".to_owned());
        let mut policy = RolePolicy::new(&settings.registry).ok_or_else(lacks)?;
        let kind = settings.registry.resource_type("Group").ok_or_else(lacks)?;
        let roles = self.groups.iter().map(|group| &group.role);
        if roles
            .chain(&self.default)
            .any(|role| role.trim().is_empty())
        {
            return Err(invalid("a role is blank".to_owned()));
        }
        for GroupRole { filter, role } in &self.groups {
            let filter = Filter::parse(filter).map_err(|error| invalid(error.to_string()))?;
            // Strict: an unknown attribute must not become a rule that has no effect.
            let predicate = kind.bind_filter(&filter, &Tolerance::STRICT);
            let predicate = predicate.map_err(|error| invalid(error.to_string()))?;
            let mut read = predicate.attributes().into_iter();
            if let Some(attr) = read.find(|attr| kind.is_computed(*attr)) {
                let path = kind.attr(attr).path();
                return Err(invalid(format!(
                    "`{path}` is computed: filter on an attribute that clients write"
                )));
            }
            policy = policy.with_rule(predicate, role);
        }
        if let Some(role) = &self.default {
            policy = policy.with_default(role);
        }
        if self.several {
            policy = policy.with_several_roles();
        }
        Ok(policy)
    }
}
