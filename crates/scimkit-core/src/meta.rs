//! A resource's metadata.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::Version;

/// The `meta` of a resource, which the service assigns.
///
/// `created` and `lastModified` are absent on discovery resources; `version` is absent if the service has no
/// versions.
///
/// # Example
///
/// ```
/// use scimkit_core::{Meta, Version, parse_instant};
///
/// let instant = parse_instant("2011-05-13T04:42:34Z");
/// let meta = Meta {
///     resource_type: "User".into(),
///     created: instant,
///     last_modified: instant,
///     location: "https://example.com/v2/Users/42".into(),
///     version: Some(Version::new("7")?),
/// };
/// let json = serde_json::to_value(&meta)?;
/// assert_eq!(json["lastModified"], "2011-05-13T04:42:34.000Z");
/// assert_eq!(json["version"], "W/\"7\"");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [RFC 7643, section 3.1](https://www.rfc-editor.org/rfc/rfc7643#section-3.1)
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// The name of the resource's type.
    #[serde(default)]
    pub resource_type: String,
    /// When the service created the resource.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "optional_instant"
    )]
    pub created: Option<DateTime<Utc>>,
    /// When the resource was last changed.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "optional_instant"
    )]
    pub last_modified: Option<DateTime<Utc>>,
    /// The resource's URI.
    #[serde(default)]
    pub location: String,
    /// The resource's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
}

mod optional_instant {
    use std::borrow::Cow;

    use chrono::{DateTime, Utc};
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

    use crate::{error::excerpt, format_instant, parse_instant};

    pub(super) fn serialize<S: Serializer>(
        instant: &Option<DateTime<Utc>>,
        out: S,
    ) -> Result<S::Ok, S::Error> {
        instant.map(format_instant).serialize(out)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        input: D,
    ) -> Result<Option<DateTime<Utc>>, D::Error> {
        let Some(text) = Option::<Cow<'de, str>>::deserialize(input)? else {
            return Ok(None);
        };
        let invalid = || D::Error::custom(format_args!("`{}` is not a dateTime", excerpt(&text)));
        parse_instant(&text).map(Some).ok_or_else(invalid)
    }
}
