//! From the settings of a connection to the rules of its plans.

use std::time::Duration;

use scimkit_mapping::{Mapping, MappingBuilder};
use scimkit_store::{ConnectionSettings, GroupsSetting, GuardSettings, Settings};

use super::{
    fields::DeliveredFields,
    guards::GuardLimits,
    rules::{ConnectionRules, GroupSource},
};

/// The default of [`ConnectionSettings::interval`].
pub(super) const INTERVAL: Duration = Duration::from_secs(15 * 60);
/// The default of [`ConnectionSettings::quiet`].
pub(super) const QUIET: Duration = Duration::from_secs(45 * 60);
/// The default of [`ConnectionSettings::silence`].
pub(super) const SILENCE: Duration = Duration::from_secs(7 * 24 * 3600);

impl ConnectionRules {
    /// Returns the rules of a connection with staged delivery. `mapping` is used if the connection has none of its own.
    ///
    /// Nobody is archived for not being sent: whether that is so depends on the moment, see
    /// [`Absence`](super::Absence).
    ///
    /// # Errors
    /// A text for the administrator: there is no mapping for users, or the mapping or the source of groups does not fit
    /// the schemas.
    ///
    /// # Example
    /// ```
    /// use scimkit_mapping::Mapping;
    /// use scimkit_provision::sync::ConnectionRules;
    /// use scimkit_store::{ConnectionSettings, Settings};
    ///
    /// let settings = r#"{"delivery": "staged", "mapping": "[[User.map]]\nscim = 'userName'\nfield = 'email'"}"#;
    /// let settings = ConnectionSettings::from_json(settings)?;
    /// let application = Settings::new("https://app.example/scim/v2");
    /// let rules = ConnectionRules::of(&settings, &application, &Mapping::builder(), None)?;
    /// assert_eq!(rules.users.names().collect::<Vec<_>>(), ["email"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of(
        settings: &ConnectionSettings,
        application: &Settings,
        mappings: &MappingBuilder,
        mapping: Option<&Mapping>,
    ) -> Result<Self, String> {
        let own = match &settings.mapping {
            Some(text) => {
                let mapping = mappings.clone().text(text).build(&application.registry);
                Some(mapping.map_err(|error| format!("the mapping: {error}"))?)
            }
            None => None,
        };
        let mapping = own.as_ref().or(mapping);
        let fields = |kind| {
            let rules = mapping.and_then(|mapping| mapping.for_type(kind));
            rules.map(DeliveredFields::new)
        };
        let users = fields("User").ok_or("there is no mapping for users")?;
        let mut rules = ConnectionRules::new(users);
        rules.groups = match &settings.group_source {
            Some(source) => match (&source.attribute, &source.name) {
                (Some(path), _) => {
                    let fallback = source.fallback.clone();
                    GroupSource::derived(&application.registry, path, fallback)
                        .map_err(|error| format!("group_source: {error}"))?
                }
                (None, name) => GroupSource::Fixed(name.clone().unwrap_or_default()),
            },
            None if settings.groups == GroupsSetting::On => {
                fields("Group").map_or(GroupSource::None, GroupSource::Mirrored)
            }
            None => GroupSource::None,
        };
        rules.limits = limits(&settings.guards);
        rules.on_delete = settings.on_delete.unwrap_or_default();
        Ok(rules)
    }
}

fn limits(settings: &GuardSettings) -> GuardLimits {
    let default = GuardLimits::default();
    GuardLimits {
        archived_base: settings.archived_base.unwrap_or(default.archived_base),
        archived_most: settings.archived_most.unwrap_or(default.archived_most),
        archived_percent: settings
            .archived_percent
            .unwrap_or(default.archived_percent),
        derived_groups_most: settings
            .derived_groups_most
            .unwrap_or(default.derived_groups_most),
        members_base: settings.members_base.unwrap_or(default.members_base),
        members_lost_percent: settings
            .members_lost_percent
            .unwrap_or(default.members_lost_percent),
        shrunk_base: settings.shrunk_base.unwrap_or(default.shrunk_base),
        shrunk_percent: settings.shrunk_percent.unwrap_or(default.shrunk_percent),
    }
}
