//! Schema URIs.

use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use crate::error::excerpt;

/// The maximum length of a schema URI in bytes.
const MAX_LENGTH: usize = 512;

/// A schema URI with its original spelling.
///
/// - It consists of `urn:`, a namespace of 2 to 32 letters, digits and inner hyphens, `:`, and a specific part of the
///   characters that RFC 8141 allows, except quotes and parentheses, which end a name in a filter.
/// - Comparison, order and hash ignore ASCII case in the whole URI, although RFC 8141 does so only for the prefix:
///   clients spell schema URIs in any case, and no two schemas differ only by case. [`as_str`](Urn::as_str) returns
///   the original spelling.
/// - It has at most 512 bytes of ASCII, without `?` and `#` components, which are not part of a URN's identity.
///
/// # Example
///
/// ```
/// use scimkit_core::Urn;
///
/// let user = Urn::new("urn:ietf:params:scim:schemas:core:2.0:User")?;
/// assert_eq!(user, Urn::new("URN:IETF:params:scim:schemas:core:2.0:user")?);
/// assert_eq!(user.as_str(), "urn:ietf:params:scim:schemas:core:2.0:User");
/// assert!(Urn::new("https://example.com/User").is_err());
/// # Ok::<(), scimkit_core::InvalidUrn>(())
/// ```
///
/// [RFC 7643, section 7](https://www.rfc-editor.org/rfc/rfc7643#section-7),
/// [RFC 8141, section 2](https://www.rfc-editor.org/rfc/rfc8141#section-2)
// INVARIANT: the text satisfies `well_formed`; only `Urn::new` builds one.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Urn(String);

impl Urn {
    /// Creates a schema URI from `text`.
    ///
    /// # Errors
    ///
    /// [`InvalidUrn`] if the text is not `urn:`, a namespace and a specific part, or is too long.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidUrn> {
        let text = text.into();
        if well_formed(&text) {
            Ok(Self(text))
        } else {
            Err(InvalidUrn {
                text: excerpt(&text),
            })
        }
    }

    /// Returns the URI with its original spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The error for a text that is not a schema URI.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{text}` is not a URN")]
#[non_exhaustive]
pub struct InvalidUrn {
    /// The beginning of the text.
    pub text: String,
}

impl AsRef<str> for Urn {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Urn {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl Eq for Urn {}

impl From<Urn> for String {
    fn from(urn: Urn) -> Self {
        urn.0
    }
}

impl FromStr for Urn {
    type Err = InvalidUrn;

    fn from_str(text: &str) -> Result<Self, InvalidUrn> {
        Self::new(text)
    }
}

impl Hash for Urn {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for byte in self.0.bytes() {
            state.write_u8(byte.to_ascii_lowercase());
        }
        state.write_u8(0xff);
    }
}

impl Ord for Urn {
    fn cmp(&self, other: &Self) -> Ordering {
        let folded = self.0.bytes().map(|byte| byte.to_ascii_lowercase());
        folded.cmp(other.0.bytes().map(|byte| byte.to_ascii_lowercase()))
    }
}

impl PartialEq for Urn {
    fn eq(&self, other: &Self) -> bool {
        self == other.as_str()
    }
}

impl PartialEq<str> for Urn {
    fn eq(&self, other: &str) -> bool {
        self.0.eq_ignore_ascii_case(other)
    }
}

impl PartialEq<&str> for Urn {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl PartialOrd for Urn {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl TryFrom<String> for Urn {
    type Error = InvalidUrn;

    fn try_from(text: String) -> Result<Self, InvalidUrn> {
        Self::new(text)
    }
}

fn well_formed(text: &str) -> bool {
    let mut parts = text.splitn(3, ':');
    let scheme = parts
        .next()
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("urn"));
    text.len() <= MAX_LENGTH
        && scheme
        && parts.next().is_some_and(well_formed_namespace)
        && parts.next().is_some_and(well_formed_specific)
}

fn well_formed_namespace(text: &str) -> bool {
    (2..=32).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn well_formed_specific(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&*+,;=:@/%".contains(&byte);
    let escaped = |rest: &str| {
        let mut digits = rest.bytes().take(2);
        (0..2).all(|_| digits.next().is_some_and(|byte| byte.is_ascii_hexdigit()))
    };
    !text.is_empty()
        && !text.starts_with('/')
        && text.bytes().all(plain)
        && text.split('%').skip(1).all(escaped)
}
