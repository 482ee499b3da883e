//! Profiles: named tolerances, in code and in JSON.

use std::{collections::BTreeMap, fmt};

use scimkit_core::excerpt;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, MapAccess, Visitor},
    ser::SerializeMap,
};

use crate::{Quirk, Tolerance};

impl Tolerance {
    /// Every harmless tolerance: the profile for a public endpoint.
    pub const DEFAULT: Tolerance = Tolerance::STRICT
        .accepting(Quirk::ALL)
        .refusing(&[Quirk::UnknownFilterAttributes])
        .called("default");

    /// The letter of RFC 7643 and RFC 7644, except for `schemas` inside an extension, which otherwise strict clients
    /// send.
    pub const STRICT: Tolerance = Tolerance::NONE
        .accepting(&[Quirk::NestedSchemas])
        .called("strict");

    /// Microsoft Entra ID with its default settings, as in the scenarios `entra/…`.
    ///
    /// Unknown attributes are ignored, as in the default profile, so that this profile rejects no body for them.
    pub const ENTRA: Tolerance = Tolerance::STRICT
        .accepting(&[
            Quirk::AnySchemas,
            Quirk::ArrayOfOne,
            Quirk::BareValues,
            Quirk::BooleanStrings,
            Quirk::CreateElements,
            Quirk::DottedKeys,
            Quirk::RemoveValues,
            Quirk::SingleValuePaths,
            Quirk::SubAfterBrackets,
            Quirk::UnknownAttributes,
            Quirk::UnqualifiedExtensions,
        ])
        .called("entra");

    /// Microsoft Entra ID with `aadOptscim062020` in the tenant URL: booleans are booleans.
    ///
    /// With this flag it also removes members by value paths; their removal by a list remains accepted, since
    /// otherwise a connection whose URL lacks the flag could not remove members.
    pub const ENTRA_AAD_OPT_SCIM_062020: Tolerance = Tolerance::ENTRA
        .refusing(&[Quirk::BooleanStrings])
        .called("entra-aad-opt-scim-062020");

    /// JumpCloud, as in the scenarios `jumpcloud/…`.
    pub const JUMPCLOUD: Tolerance = Tolerance::STRICT
        .accepting(&[Quirk::RemoveValues])
        .called("jumpcloud");

    /// Okta, whose scenarios `okta/…` conform to the RFC, except for a removal of members by a list.
    pub const OKTA: Tolerance = Tolerance::STRICT
        .accepting(&[Quirk::RemoveValues])
        .called("okta");

    /// OneLogin, whose scenarios `onelogin/…` conform to the RFC, except for a removal of members by a list.
    pub const ONELOGIN: Tolerance = Tolerance::STRICT
        .accepting(&[Quirk::RemoveValues])
        .called("onelogin");

    /// All profiles.
    pub const PROFILES: [Tolerance; 7] = [
        Tolerance::DEFAULT,
        Tolerance::ENTRA,
        Tolerance::ENTRA_AAD_OPT_SCIM_062020,
        Tolerance::JUMPCLOUD,
        Tolerance::OKTA,
        Tolerance::ONELOGIN,
        Tolerance::STRICT,
    ];

    /// Returns the profile of that name, ignoring case.
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::Tolerance;
    ///
    /// assert_eq!(Tolerance::from_profile("entra"), Some(Tolerance::ENTRA));
    /// assert_eq!(Tolerance::from_profile("nobody"), None);
    /// ```
    #[must_use]
    pub fn from_profile(profile: &str) -> Option<Tolerance> {
        let mut profiles = Tolerance::PROFILES.into_iter();
        profiles.find(|known| known.profile.eq_ignore_ascii_case(profile))
    }

    /// Returns the name of the profile, also if fields were changed since.
    #[must_use]
    pub const fn profile(&self) -> &'static str {
        self.profile
    }

    const fn accepting(mut self, mut quirks: &[Quirk]) -> Self {
        while let [first, rest @ ..] = quirks {
            self.set(*first, true);
            quirks = rest;
        }
        self
    }

    const fn refusing(mut self, mut quirks: &[Quirk]) -> Self {
        while let [first, rest @ ..] = quirks {
            self.set(*first, false);
            quirks = rest;
        }
        self
    }

    const fn called(mut self, profile: &'static str) -> Self {
        self.profile = profile;
        self
    }
}

/// A profile by its name, or an object with a `profile` as the base (`default` if omitted) and the fields that
/// differ.
///
/// # Example
/// ```
/// use scimkit_registry::Tolerance;
///
/// let text = r#"{"profile": "entra", "create_elements": false}"#;
/// let tolerance: Tolerance = serde_json::from_str(text)?;
/// assert!(tolerance.boolean_strings && !tolerance.create_elements);
/// assert_eq!(serde_json::to_string(&tolerance)?, r#"{"profile":"entra","create_elements":false}"#);
///
/// assert_eq!(serde_json::from_str::<Tolerance>(r#""okta""#)?, Tolerance::OKTA);
/// let error = serde_json::from_str::<Tolerance>(r#"{"bolean_strings": true}"#).unwrap_err();
/// assert!(error.to_string().starts_with("`bolean_strings` is not a tolerance"));
/// # Ok::<(), serde_json::Error>(())
/// ```
impl<'de> Deserialize<'de> for Tolerance {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(Reader)
    }
}

impl Serialize for Tolerance {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let start = Tolerance::from_profile(self.profile).unwrap_or_default();
        let differs = |quirk: &&Quirk| self.accepts(**quirk) != start.accepts(**quirk);
        let mut object = out.serialize_map(None)?;
        object.serialize_entry("profile", self.profile)?;
        for quirk in Quirk::ALL.iter().filter(differs) {
            object.serialize_entry(quirk.name(), &self.accepts(*quirk))?;
        }
        object.end()
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Tolerance;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a profile, or an object with a profile and fields that differ")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Tolerance, E> {
        Tolerance::from_profile(name).ok_or_else(|| {
            let known = Tolerance::PROFILES.map(|known| known.profile()).join(", ");
            E::custom(format!(
                "there is no profile `{}`; there are {known}",
                excerpt(name)
            ))
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut input: A) -> Result<Tolerance, A::Error> {
        let mut start = None;
        let mut fields = BTreeMap::new();
        while let Some(name) = input.next_key::<String>()? {
            let twice = if name == "profile" {
                let named: String = input.next_value()?;
                start.replace(self::Reader.visit_str(&named)?).is_some()
            } else {
                let quirk = quirk_named(&name).map_err(A::Error::custom)?;
                fields.insert(quirk, input.next_value::<bool>()?).is_some()
            };
            if twice {
                return Err(A::Error::custom(format!("`{name}` is given twice")));
            }
        }
        let mut tolerance = start.unwrap_or_default();
        for (quirk, accepted) in fields {
            tolerance.set(quirk, accepted);
        }
        Ok(tolerance)
    }
}

/// Returns the quirk of that name; stored settings may still use a former name.
fn quirk_named(name: &str) -> Result<Quirk, String> {
    let current = match name {
        "blanks" => "extra_whitespace",
        "remove_absent" => "remove_without_match",
        "unknown_in_filter" => "unknown_filter_attributes",
        _ => name,
    };
    let mut quirks = Quirk::ALL.iter().copied();
    quirks.find(|quirk| quirk.name() == current).ok_or_else(|| {
        let known: Vec<_> = Quirk::ALL.iter().map(|quirk| quirk.name()).collect();
        let known = known.join(", ");
        format!("`{}` is not a tolerance; there are {known}", excerpt(name))
    })
}
