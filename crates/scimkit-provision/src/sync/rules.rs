//! The rules by which a plan is made.

use std::{collections::BTreeMap, fmt, sync::Arc};

use scimkit_mapping::{Mapping, MappingError, MappingRule, TypeMapping};
use scimkit_registry::{Registry, Resource};
use scimkit_store::{ConnectionId, OnDelete};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{fields::DeliveredFields, guards::GuardLimits};

/// The settings of a plan: the rules of the connections that it covers.
///
/// What belongs to another connection is never changed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PlanSettings {
    /// The number of active users that the directory can have; none without a limit.
    pub capacity: Option<u64>,
    /// The rules of each connection that the plan covers.
    pub connections: BTreeMap<ConnectionId, ConnectionRules>,
    /// The field of users that has their e-mail address, by which they are exempt.
    pub email_field: String,
    /// The field of groups that has the name of a derived group.
    pub group_name_field: String,
    /// What the plan compares.
    pub scope: PlanScope,
}

impl PlanSettings {
    /// Creates the settings of a full plan for no connection, for a directory without a limit, with the fields `email`
    /// of users and `name` of groups.
    #[must_use]
    pub fn new() -> Self {
        PlanSettings {
            capacity: None,
            connections: BTreeMap::new(),
            email_field: "email".to_owned(),
            group_name_field: "name".to_owned(),
            scope: PlanScope::Full,
        }
    }

    /// Adds a connection.
    #[must_use]
    pub fn with_connection(mut self, connection: ConnectionId, rules: ConnectionRules) -> Self {
        self.connections.insert(connection, rules);
        self
    }
}

impl Default for PlanSettings {
    fn default() -> Self {
        PlanSettings::new()
    }
}

/// What a plan compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "a report must say which of the two it is"
)]
pub enum PlanScope {
    /// All users and groups of provisioned state and directory. Local edits of delivered fields are overwritten.
    Full,
    /// The users and groups that have changed since the last run. Local edits of others are not seen, and nobody is
    /// archived because the identity provider never sent them.
    Incremental,
}

/// The rules by which one connection is delivered.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConnectionRules {
    /// The handling of users that nobody delivered and the identity provider never sent; none of them is archived by
    /// default.
    pub absence: Absence,
    /// The fields that are cleared for every delivered user, such as alias e-mail addresses at the first live run.
    pub cleared_fields: Vec<String>,
    /// The groups to deliver.
    pub groups: GroupSource,
    /// The limits of the guards.
    pub limits: GuardLimits,
    /// The handling of users that were deleted by the identity provider.
    pub on_delete: OnDelete,
    /// The fields of users.
    pub users: DeliveredFields,
}

impl ConnectionRules {
    /// Creates rules that deliver users with these fields and no groups, archive deleted users, and have the default
    /// limits.
    #[must_use]
    pub fn new(users: DeliveredFields) -> Self {
        ConnectionRules {
            absence: Absence::NotAuthoritative,
            cleared_fields: Vec::new(),
            groups: GroupSource::None,
            limits: GuardLimits::default(),
            on_delete: OnDelete::Archive,
            users,
        }
    }
}

/// The handling of users of the directory that no connection delivered and the identity provider never sent.
///
/// Only one connection of a tenant should be authoritative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "a plan must not archive for a reason that it does not know"
)]
pub enum Absence {
    /// The connection says nothing about them.
    NotAuthoritative,
    /// They are archived.
    Archive,
    /// They are not archived in this run, and counted as [withheld](super::ConnectionCounts::withheld).
    Withhold(WithheldReason),
}

/// The reason why users that were never sent are not archived in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WithheldReason {
    /// The connection was removed or disabled.
    ConnectionRemoved,
    /// The identity provider is still sending: its last request is too recent.
    NotQuiet,
    /// The identity provider has sent nothing for too long.
    Silent,
    /// The connection has no valid token.
    TokenRevoked,
}

impl fmt::Display for WithheldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WithheldReason::ConnectionRemoved => "the connection was removed or disabled",
            WithheldReason::NotQuiet => "the identity provider is still sending",
            WithheldReason::Silent => "the identity provider has sent nothing for too long",
            WithheldReason::TokenRevoked => "the connection has no valid token",
        })
    }
}

/// The groups that a connection delivers.
#[derive(Debug, Clone)]
#[expect(
    clippy::exhaustive_enums,
    reason = "mirrored and derived groups exclude each other"
)]
pub enum GroupSource {
    /// None. Groups that were delivered stay as they are.
    None,
    /// The groups that the identity provider sends.
    Mirrored(DeliveredFields),
    /// A group for each value of an attribute of users, exactly as it was sent. They exist in the directory only.
    Derived {
        /// The name of the group for users without a value; without it, they are in no group.
        fallback: Option<String>,
        /// The attribute: see [`GroupSource::derived`].
        value: Arc<TypeMapping>,
    },
    /// One group with this name, for all users.
    Fixed(String),
}

impl GroupSource {
    const FIELD: &str = "group";

    /// Derives groups from the values of an attribute of users.
    ///
    /// # Errors
    /// The path is invalid or not an attribute of users.
    ///
    /// # Example
    /// ```
    /// use scimkit_provision::sync::GroupSource;
    /// use scimkit_registry::Registry;
    ///
    /// let registry = Registry::standard();
    /// assert!(GroupSource::derived(&registry, r#"addresses[type eq "work"].country"#, None).is_ok());
    /// assert!(GroupSource::derived(&registry, "region", None).is_err());
    /// ```
    pub fn derived(
        registry: &Registry,
        path: &str,
        fallback: Option<String>,
    ) -> Result<Self, MappingError> {
        let rule = MappingRule::new(path).with_field(GroupSource::FIELD);
        let mapping = Mapping::builder().rule("User", rule).build(registry)?;
        Ok(match mapping.for_type("User") {
            Some(value) => GroupSource::Derived {
                fallback,
                value: Arc::new(value.clone()),
            },
            None => GroupSource::None,
        })
    }

    /// Whether groups are derived from users.
    pub(super) fn is_derived(&self) -> bool {
        matches!(self, GroupSource::Derived { .. } | GroupSource::Fixed(_))
    }

    /// Returns the name of the group that a user is in.
    pub(super) fn value_for(&self, user: &Resource) -> Option<String> {
        match self {
            GroupSource::None | GroupSource::Mirrored(_) => None,
            GroupSource::Fixed(name) => Some(name.clone()),
            GroupSource::Derived { fallback, value } => {
                let record = value.to_record(user).ok()?;
                let text = match record.get(GroupSource::FIELD) {
                    None | Some(Value::Null) => String::new(),
                    Some(Value::String(text)) => text.clone(),
                    Some(other) => other.to_string(),
                };
                Some(text)
                    .filter(|text| !text.trim().is_empty())
                    .or_else(|| fallback.clone())
            }
        }
    }
}
