//! Closed vocabularies of the RFCs: one table per enum, from which text and serde are derived.

/// Defines the keywords of an enum.
///
/// Reading ignores ASCII case: RFC 7643 requires it for `type`, and clients capitalise the others too.
macro_rules! keywords {
    ($name:ident, $what:literal { $($variant:ident => $text:literal),+ $(,)? }) => {
        impl $name {
            /// All values, ordered by name.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Returns the keyword with the RFC's spelling.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text),+
                }
            }

            /// Returns the value of this keyword, in any ASCII case.
            #[must_use]
            pub fn from_keyword(text: &str) -> Option<Self> {
                Self::ALL
                    .iter()
                    .copied()
                    .find(|value| value.as_str().eq_ignore_ascii_case(text))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
                out.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(input)?;
                Self::from_keyword(&text).ok_or_else(|| {
                    serde::de::Error::custom(format_args!(
                        concat!("`{}` is not a ", $what),
                        $crate::error::excerpt(&text)
                    ))
                })
            }
        }
    };
}

pub(crate) use keywords;
