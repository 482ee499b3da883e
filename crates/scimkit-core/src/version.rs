//! Versions and the entity tags that carry them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest version, in bytes.
const MAX_LENGTH: usize = 128;
/// The most entity tags in one header.
const MAX_TAGS: usize = 64;

/// A resource's version: an opaque text that changes when the resource does.
///
/// - Outside it is always a weak entity tag, `W/"…"`: in the `ETag` header and in `meta.version`, and so in serde.
/// - Its characters are those of an entity tag: visible ASCII without the double quote. At most 128 bytes.
/// - Two versions are equal when their texts are; a weak and a strong tag of the same text are the same version.
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
    /// Takes an opaque text, without quotes and without `W/`, as a version.
    ///
    /// # Errors
    ///
    /// [`InvalidVersion::Character`] when a character can't stand in an entity tag, [`InvalidVersion::Length`] when
    /// the text is longer than 128 bytes.
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

    /// The opaque text, without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The weak entity tag, as a header has it.
    #[must_use]
    pub fn etag(&self) -> String {
        ["W/\"", &self.0, "\""].concat()
    }
}

/// What `If-Match` or `If-None-Match` names.
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
    /// `*`: whatever version there is.
    Any,
    /// One of these versions.
    List(Vec<Version>),
}

impl ETagList {
    /// Reads a header's value; several header lines are joined by a comma first.
    ///
    /// - Weak and strong tags are read alike, because comparison here is always weak: SCIM's versions are weak tags, and
    ///   the strong comparison RFC 9110 asks of `If-Match` would let none of them ever match.
    /// - A comma within quotes belongs to the tag. Empty list members are skipped, as RFC 9110 wants.
    ///
    /// # Errors
    ///
    /// - [`InvalidVersion::Syntax`]: no tag at all, a tag without quotes, `*` among tags, or `w/` in lower case
    /// - [`InvalidVersion::Character`] or [`InvalidVersion::Length`]: a tag that can't be a [`Version`]
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

    /// Whether the header names this version, by weak comparison.
    #[must_use]
    pub fn matches(&self, version: &Version) -> bool {
        match self {
            Self::Any => true,
            Self::List(versions) => versions.contains(version),
        }
    }
}

/// A text that is not a version, an entity tag or a list of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidVersion {
    /// A character that can't stand in an entity tag.
    #[error("an entity tag holds visible ASCII characters without quotes")]
    Character,
    /// Too many tags.
    #[error("more than {MAX_TAGS} entity tags")]
    Count,
    /// A tag that is too long.
    #[error("an entity tag holds at most {MAX_LENGTH} bytes")]
    Length,
    /// Not `*`, `"…"` or `W/"…"`.
    #[error("an entity tag is `\"…\"` or `W/\"…\"`")]
    Syntax,
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "W/\"{}\"", self.0)
    }
}

/// Reads one entity tag, weak or strong.
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

/// The tag that `text` begins with, and what follows its closing quote.
fn read_tag(text: &str) -> Result<(Version, &str), InvalidVersion> {
    let quoted = text.strip_prefix("W/").unwrap_or(text);
    let opened = quoted.strip_prefix('"').ok_or(InvalidVersion::Syntax)?;
    let (tag, rest) = opened.split_once('"').ok_or(InvalidVersion::Syntax)?;
    Ok((Version::new(tag)?, rest))
}

/// `etagc` of RFC 9110 without `obs-text`.
fn is_tag_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'"'
}

/// Without the blanks HTTP allows around list members.
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}
