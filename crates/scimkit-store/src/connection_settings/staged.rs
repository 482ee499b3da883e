//! The settings of staged delivery.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// How what an identity provider sends reaches the application's users.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delivery {
    /// Requests act on the application's users.
    #[default]
    Direct,
    /// Requests act on a provisioned state, from which runs deliver to the application's users.
    Staged,
}

/// Whether a connection provisions groups: `on` (or `true`), `accept`, or `off` (or `false`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupsSetting {
    /// Groups are accepted, but no run delivers them: an identity provider with groups in scope would fail if they were
    /// rejected.
    Accept,
    /// Requests for groups are rejected with 403.
    Off,
    /// Groups are provisioned.
    #[default]
    On,
}

/// The groups that a connection delivers, instead of those that the identity provider sends.
///
/// # Example
/// ```
/// use scimkit_store::ConnectionSettings;
///
/// let settings = r#"{"delivery": "staged", "group_source": {"attribute": "department", "fallback": "Other"}}"#;
/// let source = ConnectionSettings::from_json(settings)?.group_source.unwrap();
/// assert_eq!(source.fallback.as_deref(), Some("Other"));
/// # Ok::<(), scimkit_store::ConnectionSettingsError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct GroupSourceSetting {
    /// The path of an attribute of users: each of its values is the name of a group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribute: Option<String>,
    /// The group of users without a value; without it, they are in no group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
    /// The name of one group for all users, instead of an attribute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Limits of the guards that differ from the defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct GuardSettings {
    /// The number of active users from which on `archived_percent` applies: 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived_base: Option<u64>,
    /// The maximum number of archived users of a run: 500.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived_most: Option<u64>,
    /// The maximum share of archived users: 20 %.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived_percent: Option<u8>,
    /// The maximum number of derived groups: 1,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub derived_groups_most: Option<u64>,
    /// The number of members from which on `members_lost_percent` applies: 20.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members_base: Option<u64>,
    /// The maximum share of members that a group may lose: 50 %.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members_lost_percent: Option<u8>,
    /// The number of users from which on `shrunk_percent` applies: 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shrunk_base: Option<u64>,
    /// The maximum share of users that the provisioned state may lose: 50 %.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shrunk_percent: Option<u8>,
}

/// The handling of users that the identity provider deleted, in staged delivery: `archive` or `remove`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "a plan must not remove users by a rule that it does not know"
)]
pub enum OnDelete {
    /// They are archived.
    #[default]
    Archive,
    /// They are removed. Inactive users are still archived.
    Remove,
}

impl GroupsSetting {
    /// Whether the server accepts requests for groups.
    #[must_use]
    pub fn is_accepted(self) -> bool {
        self != GroupsSetting::Off
    }

    const fn word(self) -> &'static str {
        match self {
            GroupsSetting::Accept => "accept",
            GroupsSetting::Off => "off",
            GroupsSetting::On => "on",
        }
    }
}

impl Serialize for GroupsSetting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

impl<'de> Deserialize<'de> for GroupsSetting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = GroupsSetting;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("one of accept, off, on")
            }

            fn visit_bool<E: de::Error>(self, is_on: bool) -> Result<GroupsSetting, E> {
                Ok(if is_on {
                    GroupsSetting::On
                } else {
                    GroupsSetting::Off
                })
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<GroupsSetting, E> {
                let all = [GroupsSetting::Accept, GroupsSetting::Off, GroupsSetting::On];
                let found = all.into_iter().find(|setting| setting.word() == word);
                found.ok_or_else(|| E::invalid_value(de::Unexpected::Str(word), &self))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

/// A duration such as `15m` or `7days`.
pub(super) mod duration {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer, de};

    /// The longest duration: ten years.
    const LONGEST: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

    #[expect(clippy::ref_option, reason = "serde passes fields by reference")]
    pub(crate) fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => serializer.collect_str(&humantime::format_duration(*duration)),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else {
            return Ok(None);
        };
        let expected = "a duration of at most ten years, such as 15m or 7days";
        let duration = humantime::parse_duration(&text).ok();
        let duration = duration.filter(|duration| *duration <= LONGEST);
        let unexpected = de::Unexpected::Str(&text);
        duration
            .map(Some)
            .ok_or_else(|| de::Error::invalid_value(unexpected, &expected))
    }
}
