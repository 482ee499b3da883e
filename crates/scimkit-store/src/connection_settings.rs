//! The settings that an operator chooses for a connection.

mod capacity;
mod roles;
mod setting_values;
mod staged;

use std::{fmt, sync::Arc, time::Duration};

use scimkit_mapping::MappingBuilder;
use scimkit_registry::Tolerance;
use serde::{Deserialize, Serialize};

pub use self::{
    capacity::CapacitySetting,
    roles::{GroupRole, RoleSettings},
    staged::{Delivery, GroupSourceSetting, GroupsSetting, GuardSettings, OnDelete},
};
use crate::{
    AliasPolicy, CreatePolicy, CyclePolicy, DeletePolicy, JournalLevel, PatchResponse, Settings,
    TenantSource, UnknownMemberPolicy,
};

/// The settings that an operator chooses for one connection, stored with it as JSON text.
///
/// - By default the connection is enabled, and so are users and groups.
/// - Every other setting defaults to that of the application's [`Settings`].
/// - The keys of the JSON object are the names of the fields. An unknown or repeated key or an invalid value
///   is an error with its line and column.
///
/// # Example
/// ```
/// use scimkit_mapping::Mapping;
/// use scimkit_registry::Tolerance;
/// use scimkit_store::{CreatePolicy, ConnectionSettings, Settings};
///
/// let rules = ConnectionSettings::from_json(r#"{"groups": false, "tolerance": "entra", "create_policy": "adopt"}"#)?;
/// assert!(rules.active && rules.users && !rules.groups.is_accepted());
///
/// let base = Settings::new("https://app.example/scim/v2");
/// let settings = rules.apply_to(&base, &Mapping::builder())?;
/// assert_eq!(settings.tolerance, Tolerance::ENTRA);
/// assert_eq!(settings.create_policy, CreatePolicy::Adopt);
///
/// let error = ConnectionSettings::from_json(r#"{"create_policy": "adoptt"}"#).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "invalid connection settings: invalid value `adoptt`, expected one of adopt, adopt_or_restore, \
///      conflict, restore at line 1 column 26"
/// );
/// # Ok::<(), scimkit_store::ConnectionSettingsError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ConnectionSettings {
    /// Whether the connection is enabled.
    pub active: bool,
    /// The handling of further e-mail addresses next to the preferred one: `drop` or `keep`.
    #[serde(with = "setting_values", skip_serializing_if = "Option::is_none")]
    pub aliases: Option<AliasPolicy>,
    /// Whether users that no connection delivered and the identity provider never sent are archived, in staged delivery;
    /// at most one connection of a tenant should be authoritative.
    #[serde(skip_serializing_if = "is_false")]
    pub authoritative: bool,
    /// Limits on the number of resources, in addition to those of the application; at most
    /// [`CapacitySetting::MOST`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub capacities: Vec<CapacitySetting>,
    /// The fields of delivered users that the first live run clears, such as alias e-mail addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cleared_fields: Vec<String>,
    /// The effect of a create if the resource exists: `adopt`, `adopt_or_restore`, `conflict` or `restore`.
    #[serde(
        alias = "create",
        with = "setting_values",
        skip_serializing_if = "Option::is_none"
    )]
    pub create_policy: Option<CreatePolicy>,
    /// The handling of a member that would make its group a member of itself: `accept` or `reject`.
    #[serde(with = "setting_values", skip_serializing_if = "Option::is_none")]
    pub cycles: Option<CyclePolicy>,
    /// The handling of a deleted resource: `permanent` or `soft`.
    #[serde(
        alias = "deletes",
        with = "setting_values",
        skip_serializing_if = "Option::is_none"
    )]
    pub delete_policy: Option<DeletePolicy>,
    /// How what is sent reaches the application's users: `direct` or `staged`.
    #[serde(with = "setting_values", skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// The groups to deliver instead of those that the identity provider sends, in staged delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_source: Option<GroupSourceSetting>,
    /// Whether groups are provisioned: `on`, `accept` or `off`.
    pub groups: GroupsSetting,
    /// The limits of the guards of staged delivery.
    #[serde(skip_serializing_if = "is_default")]
    pub guards: GuardSettings,
    /// The shortest time between the starts of two runs of staged delivery; 15 minutes by default.
    #[serde(with = "staged::duration", skip_serializing_if = "Option::is_none")]
    pub interval: Option<Duration>,
    /// The level of the journal, which should be the same for all connections of a tenant: `full`, `notice` or
    /// `off`.
    #[serde(with = "setting_values", skip_serializing_if = "Option::is_none")]
    pub journal: Option<JournalLevel>,
    /// The text of an attribute mapping: JSON if it begins with `{`, otherwise TOML, which needs the
    /// feature `toml` of `scimkit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapping: Option<String>,
    /// The handling of users that the identity provider deleted, in staged delivery: `archive` or `remove`.
    #[serde(with = "setting_values", skip_serializing_if = "Option::is_none")]
    pub on_delete: Option<OnDelete>,
    /// Whether the response to a PATCH contains the resource: `always`, `auto` or `never`.
    #[serde(
        alias = "patch_answer",
        with = "setting_values",
        skip_serializing_if = "Option::is_none"
    )]
    pub patch_response: Option<PatchResponse>,
    /// The time without a request after which the identity provider counts as finished, in staged delivery; 45 minutes by
    /// default.
    #[serde(with = "staged::duration", skip_serializing_if = "Option::is_none")]
    pub quiet: Option<Duration>,
    /// Whether changes without `If-Match` are rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require_if_match: Option<bool>,
    /// The roles that users have by their groups, which should be the same for all connections of a tenant; in place of
    /// those of the application. After a change, [`assign_roles`](crate::assign_roles) sets the roles of all users.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<RoleSettings>,
    /// The time without a request after which nobody is archived for not being sent, in staged delivery; 7 days by default.
    #[serde(with = "staged::duration", skip_serializing_if = "Option::is_none")]
    pub silence: Option<Duration>,
    /// What the connection is: `scim`, `agent` or `csv`. Runs deliver only what connections of the tenant's
    /// [source](crate::Tenant::source) have sent; `scim` by default.
    #[serde(with = "setting_values", skip_serializing_if = "Option::is_none")]
    pub source: Option<TenantSource>,
    /// Whether runs of staged delivery end with their report and change nothing.
    #[serde(skip_serializing_if = "is_false")]
    pub test_mode: bool,
    /// The accepted deviations from the RFC: the name of a profile, or an object as [`Tolerance`] reads it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<Tolerance>,
    /// The handling of a member that does not exist: `accept` or `reject`.
    #[serde(with = "setting_values", skip_serializing_if = "Option::is_none")]
    pub unknown_members: Option<UnknownMemberPolicy>,
    /// Whether users are enabled for the connection.
    pub users: bool,
}

impl Default for ConnectionSettings {
    fn default() -> Self {
        ConnectionSettings {
            active: true,
            aliases: None,
            authoritative: false,
            capacities: Vec::new(),
            cleared_fields: Vec::new(),
            create_policy: None,
            cycles: None,
            delete_policy: None,
            delivery: None,
            group_source: None,
            groups: GroupsSetting::On,
            guards: GuardSettings::default(),
            interval: None,
            journal: None,
            mapping: None,
            on_delete: None,
            patch_response: None,
            quiet: None,
            require_if_match: None,
            roles: None,
            silence: None,
            source: None,
            test_mode: false,
            tolerance: None,
            unknown_members: None,
            users: true,
        }
    }
}

impl ConnectionSettings {
    /// The maximum length of the JSON text in bytes, including a mapping.
    pub const LONGEST: usize = 256 << 10;

    /// Reads settings from stored JSON text.
    ///
    /// # Errors
    /// The text is not a JSON object, contains an unknown or repeated key or an invalid value, or is longer than
    /// [`ConnectionSettings::LONGEST`].
    pub fn from_json(text: &str) -> Result<Self, ConnectionSettingsError> {
        if text.len() > ConnectionSettings::LONGEST {
            return Err(too_long());
        }
        if !text.trim_ascii_start().starts_with('{') {
            return Err(ConnectionSettingsError::new("expected a JSON object"));
        }
        serde_json::from_str(text).map_err(ConnectionSettingsError::new)
    }

    /// Returns the JSON text to store; [`ConnectionSettings::from_json`] reads it.
    ///
    /// # Errors
    /// The text would be longer than [`ConnectionSettings::LONGEST`].
    pub fn to_json(&self) -> Result<String, ConnectionSettingsError> {
        let text = serde_json::to_string(self).map_err(ConnectionSettingsError::new)?;
        if text.len() > ConnectionSettings::LONGEST {
            Err(too_long())
        } else {
            Ok(text)
        }
    }

    /// Returns the application's settings, overridden by these. `mappings` has the application's own transforms, which
    /// the mapping may name.
    ///
    /// # Errors
    /// The mapping, a role or a capacity does not fit the schemas of the settings, or there are more than
    /// [`CapacitySetting::MOST`] capacities.
    pub fn apply_to(
        &self,
        base: &Settings,
        mappings: &MappingBuilder,
    ) -> Result<Settings, ConnectionSettingsError> {
        let mut settings = base.clone();
        choose(&mut settings.aliases, self.aliases);
        choose(&mut settings.create_policy, self.create_policy);
        choose(&mut settings.policy.cycles, self.cycles);
        choose(&mut settings.policy.delete_policy, self.delete_policy);
        choose(&mut settings.policy.journal.level, self.journal);
        choose(&mut settings.patch_response, self.patch_response);
        choose(&mut settings.require_if_match, self.require_if_match);
        choose(&mut settings.tolerance, self.tolerance);
        choose(&mut settings.policy.unknown_members, self.unknown_members);
        if self.capacities.len() > CapacitySetting::MOST {
            let most = CapacitySetting::MOST;
            return Err(ConnectionSettingsError::new(format_args!(
                "more than {most} capacities"
            )));
        }
        for rule in &self.capacities {
            settings.policy.capacities.push(rule.capacity(&settings)?);
        }
        self.check_staged(&settings)?;
        if let Some(text) = &self.mapping {
            let mapping = mappings.clone().text(text);
            let mapping = mapping.build(&settings.registry).map_err(unfit)?;
            // The provisioned state has whatever is valid; runs deliver by the mapping.
            if !self.is_staged() {
                settings = settings.with_mapping(Arc::new(mapping)).map_err(unfit)?;
            }
        }
        if let Some(roles) = &self.roles {
            let roles = roles.policy(&settings)?;
            settings = settings.with_roles(roles).map_err(|_| {
                ConnectionSettingsError::new("roles: the mapping has no rule for `roles`")
            })?;
        }
        Ok(settings)
    }

    /// Whether runs deliver what the connection sends.
    #[must_use]
    pub fn is_staged(&self) -> bool {
        self.delivery == Some(Delivery::Staged)
    }

    /// Checks the settings of staged delivery.
    fn check_staged(&self, settings: &Settings) -> Result<(), ConnectionSettingsError> {
        let problem = |problem: &str| Err(ConnectionSettingsError::new(problem));
        if let Some(source) = &self.group_source
            && source.attribute.is_some() == source.name.is_some()
        {
            return problem("`group_source` needs either `attribute` or `name`");
        }
        if self.is_staged() {
            if settings.policy.journal.level == JournalLevel::Off {
                return problem(
                    "staged delivery needs the journal: set `journal` to notice or full",
                );
            }
            return Ok(());
        }
        let named = [
            ("authoritative", self.authoritative),
            ("cleared_fields", !self.cleared_fields.is_empty()),
            ("group_source", self.group_source.is_some()),
            ("groups=accept", self.groups == GroupsSetting::Accept),
            ("test_mode", self.test_mode),
        ];
        match named.into_iter().find(|(_, is_set)| *is_set) {
            Some((name, _)) => problem(&format!(
                "`{name}` is for staged delivery: set `delivery` to staged"
            )),
            None => Ok(()),
        }
    }
}

fn is_false(is_set: &bool) -> bool {
    !is_set
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn choose<T>(setting: &mut T, chosen: Option<T>) {
    if let Some(chosen) = chosen {
        *setting = chosen;
    }
}

fn unfit(problem: impl fmt::Display) -> ConnectionSettingsError {
    ConnectionSettingsError::new(format_args!("the mapping: {problem}"))
}

fn too_long() -> ConnectionSettingsError {
    ConnectionSettingsError::new(format_args!(
        "longer than {} KiB",
        ConnectionSettings::LONGEST >> 10
    ))
}

/// The reason why the settings of a connection are invalid, with the position in their text if there is one.
#[derive(Debug, thiserror::Error)]
#[error("invalid connection settings: {problem}")]
pub struct ConnectionSettingsError {
    problem: String,
}

impl ConnectionSettingsError {
    fn new(problem: impl fmt::Display) -> Self {
        let problem = problem.to_string();
        ConnectionSettingsError { problem }
    }
}
