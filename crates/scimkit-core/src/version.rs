//! Versions and the entity tags that carry them.

use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The maximum length of a version in bytes.
const MAX_LENGTH: usize = 128;
/// The maximum number of entity tags in one header.
const MAX_TAGS: usize = 64;

/// The version of a resource: an opaque text that changes with the resource.
///
/// - In the `ETag` header, in `meta.version` and in serde it is a weak entity tag, `W/"…"`.
/// - It has at most 128 characters, those of an entity tag: visible ASCII without the double quote.
/// - Two versions are equal if their texts are; a weak and a strong tag of the same text are the same version.
///
/// # Example
///
/// ```
/// use scimkit_core::Version;
///
/// let version = Version::new("7")?;
/// assert_eq!(version.etag(), "W/\"7\"");
/// assert_eq!("\"7\"".parse(), Ok(version));
/// assert!(Version::new("seven of nine").is_err());
/// # Ok::<(), scimkit_core::InvalidVersion>(())
/// ```
///
/// [RFC 7644, section 3.14](https://www.rfc-editor.org/rfc/rfc7644#section-3.14),
/// [RFC 9110, section 8.8.3](https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3)
// INVARIANT: at most MAX_LENGTH bytes, each of them `is_tag_byte`; only `Version::new` builds one.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Version(String);

impl Version {
    /// Creates a version from an opaque text, without quotes and without `W/`.
    ///
    /// # Errors
    ///
    /// [`InvalidVersion::Character`] if a character can't be part of an entity tag, [`InvalidVersion::Length`] if the
    /// text is longer than 128 bytes.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidVersion> {
        let text = text.into();
        if text.len() > MAX_LENGTH {
            return Err(InvalidVersion::Length);
        }
        if !text.bytes().all(is_tag_byte) {
            return Err(InvalidVersion::Character);
        }
        Ok(Self(text))
    }

    /// Creates a version from a hash of some content, for content without a version of its own.
    ///
    /// The hash (FNV-1a, 128 bits) is the same on every machine and in every release. It detects accidental changes; it
    /// is not cryptographic, so two contents with the same version can be constructed on purpose.
    ///
    /// # Example
    ///
    /// ```
    /// use scimkit_core::Version;
    ///
    /// let version = Version::from_content(["bjensen", "Babs"]);
    /// assert_eq!(version.as_str(), "456f50d5f5f6e675e241f2f7ef056ca9");
    /// assert_ne!(version, Version::from_content(["bjense", "nBabs"]));
    /// ```
    pub fn from_content(parts: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Self {
        // FNV-1a with 128 bits; each part is followed by its length.
        const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
        const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
        let add = |hash: u128, byte: u8| (hash ^ u128::from(byte)).wrapping_mul(PRIME);
        let hash = parts.into_iter().fold(BASIS, |hash, part| {
            let part = part.as_ref();
            let length = (part.len() as u64).to_le_bytes();
            part.iter().copied().chain(length).fold(hash, add)
        });
        Self(format!("{hash:032x}"))
    }

    /// Returns the opaque text, without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the weak entity tag for a header.
    #[must_use]
    pub fn etag(&self) -> String {
        ["W/\"", &self.0, "\""].concat()
    }
}

/// The versions that `If-Match` or `If-None-Match` names.
///
/// # Example
///
/// ```
/// use scimkit_core::{ETagList, Version};
///
/// let list = ETagList::parse(r#"W/"6", "7""#)?;
/// assert!(list.matches(&Version::new("7")?));
/// assert!(!list.matches(&Version::new("8")?));
/// assert!(ETagList::parse("*")?.matches(&Version::new("8")?));
/// assert!(ETagList::parse("7").is_err());
/// # Ok::<(), scimkit_core::InvalidVersion>(())
/// ```
///
/// [RFC 9110, section 13.1](https://www.rfc-editor.org/rfc/rfc9110#section-13.1)
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "closed by RFC 9110, section 13.1")]
pub enum ETagList {
    /// `*`: any version.
    Any,
    /// Any of these versions.
    List(Vec<Version>),
}

impl ETagList {
    /// Parses a header's value; join several header lines by commas first.
    ///
    /// - Comparison is always weak, so weak and strong tags are equivalent: the versions of SCIM are weak tags, and
    ///   none would ever match by the strong comparison that RFC 9110 requires for `If-Match`.
    /// - A comma within quotes belongs to the tag. Empty list members are ignored, as RFC 9110 requires.
    ///
    /// # Errors
    ///
    /// - [`InvalidVersion::Syntax`]: no tag, a tag without quotes, `*` among tags, or `w/` in lower case
    /// - [`InvalidVersion::Character`] or [`InvalidVersion::Length`]: a tag that is not a valid [`Version`]
    /// - [`InvalidVersion::Count`]: more than 64 tags
    pub fn parse(header: &str) -> Result<Self, InvalidVersion> {
        let mut rest = trim(header);
        if rest == "*" {
            return Ok(Self::Any);
        }
        let mut versions = Vec::new();
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix(',') {
                rest = trim(after);
                continue;
            }
            if versions.len() == MAX_TAGS {
                return Err(InvalidVersion::Count);
            }
            let (version, after) = read_tag(rest)?;
            versions.push(version);
            rest = trim(after);
            if !rest.is_empty() && !rest.starts_with(',') {
                return Err(InvalidVersion::Syntax);
            }
        }
        if versions.is_empty() {
            Err(InvalidVersion::Syntax)
        } else {
            Ok(Self::List(versions))
        }
    }

    /// Returns whether the header names this version, by weak comparison.
    #[must_use]
    pub fn matches(&self, version: &Version) -> bool {
        match self {
            Self::Any => true,
            Self::List(versions) => versions.contains(version),
        }
    }
}

/// The error for a text that is not a version, an entity tag or a list of entity tags.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidVersion {
    /// A character that can't be part of an entity tag.
    #[error("invalid character in an entity tag: use visible ASCII without quotes")]
    Character,
    /// Too many tags.
    #[error("more than {MAX_TAGS} entity tags")]
    Count,
    /// A tag that is too long.
    #[error("entity tag longer than {MAX_LENGTH} bytes")]
    Length,
    /// Syntax other than `*`, `"…"` or `W/"…"`.
    #[error("invalid entity tag: expected `\"…\"` or `W/\"…\"`")]
    Syntax,
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "W/\"{}\"", self.0)
    }
}

/// The number of a change.
impl From<u64> for Version {
    fn from(number: u64) -> Self {
        Self(number.to_string())
    }
}

/// Parses one entity tag, weak or strong.
impl FromStr for Version {
    type Err = InvalidVersion;

    fn from_str(tag: &str) -> Result<Self, InvalidVersion> {
        match read_tag(tag)? {
            (version, "") => Ok(version),
            _ => Err(InvalidVersion::Syntax),
        }
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(input)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// Splits the text after its first tag.
fn read_tag(text: &str) -> Result<(Version, &str), InvalidVersion> {
    let quoted = text.strip_prefix("W/").unwrap_or(text);
    let opened = quoted.strip_prefix('"').ok_or(InvalidVersion::Syntax)?;
    let (tag, rest) = opened.split_once('"').ok_or(InvalidVersion::Syntax)?;
    Ok((Version::new(tag)?, rest))
}

/// Returns whether the byte is an `etagc` of RFC 9110 without `obs-text`.
fn is_tag_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'"'
}

/// Removes the whitespace that HTTP allows around list members.
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}
