//! The details of an entry, and their stored text.

use scimkit_registry::ResourceId;
use serde::Deserialize;
use serde_json::Value;

use crate::ResourceRef;

/// The details of a change.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct JournalDetails {
    /// The changed attributes.
    pub attributes: Vec<AttributeChange>,
    /// The added and removed members, by attribute. The entry of a delete does not list the members of the deleted
    /// resource.
    pub members: Vec<MemberChange>,
    /// The resources that lost their owner, as pairs of type name and id.
    pub released: Vec<ResourceRef>,
}

/// The change of one attribute.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AttributeChange {
    /// The value after the change.
    pub after: RecordedValue,
    /// The value before the change.
    pub before: RecordedValue,
    /// The canonical path.
    pub path: String,
}

/// The value of an attribute, or the reason why it is not recorded.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum RecordedValue {
    /// The attribute had no value.
    Absent,
    /// The value is never returned, or the policy masks it.
    Masked,
    /// The [level](super::JournalLevel) records no values.
    NotRecorded,
    /// The value takes more than 16 KiB of JSON text, or exceeds the 64 KiB for all values of an entry.
    TooLarge {
        /// The length of its JSON text in bytes.
        bytes: u64,
    },
    /// The recorded value.
    Value(Value),
}

/// The change of the members of one resource under one attribute.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemberChange {
    /// The added members.
    pub added: Vec<JournalMember>,
    /// The canonical path of the membership attribute.
    pub attr: String,
    /// The removed members.
    pub removed: Vec<ResourceId>,
}

/// An added member.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalMember {
    /// Its identifier.
    pub id: ResourceId,
    /// The name of its type from the client's request, if any.
    pub kind: Option<String>,
}

/// The error for a text that is not the details of an entry.
#[derive(Debug, thiserror::Error)]
#[error("invalid details of a journal entry")]
pub struct DetailsError(#[from] serde_json::Error);

impl JournalDetails {
    /// Reads the details of an entry.
    ///
    /// # Errors
    /// [`DetailsError`]: the text is not in the format of this version.
    ///
    /// # Example
    /// ```
    /// use scimkit_store::{JournalDetails, RecordedValue};
    ///
    /// let text = r#"{"values":true,"attributes":[{"path":"active","before":true,"after":false}]}"#;
    /// let details = JournalDetails::from_text(text)?;
    /// assert_eq!(details.attributes[0].after, RecordedValue::Value(false.into()));
    /// assert!(JournalDetails::from_text("{").is_err());
    /// # Ok::<(), scimkit_store::DetailsError>(())
    /// ```
    pub fn from_text(text: &str) -> Result<Self, DetailsError> {
        let stored: StoredDetails = serde_json::from_str(text)?;
        let has_values = stored.values;
        let attributes = stored.attributes.into_iter();
        let members = stored.members.into_iter();
        Ok(JournalDetails {
            attributes: attributes.flat_map(|one| one.changes(has_values)).collect(),
            members: members.map(StoredMembers::change).collect(),
            released: stored
                .released
                .into_iter()
                .map(|(kind, id)| ResourceRef {
                    kind,
                    id: ResourceId::from(id),
                })
                .collect(),
        })
    }
}

/// The details as they are stored. `printing.rs` writes them.
#[derive(Deserialize)]
struct StoredDetails {
    #[serde(default)]
    attributes: Vec<StoredAttribute>,
    #[serde(default)]
    members: Vec<StoredMembers>,
    #[serde(default)]
    released: Vec<(String, String)>,
    #[serde(default)]
    values: bool,
}

/// A changed attribute. Without values, it is its path, or a list of a prefix and the rest of each path with that
/// prefix.
#[derive(Deserialize)]
#[serde(untagged)]
enum StoredAttribute {
    Path(String),
    Paths(Vec<String>),
    Values(StoredValues),
}

impl StoredAttribute {
    fn changes(self, has_values: bool) -> Vec<AttributeChange> {
        let without_values = |path| AttributeChange {
            after: RecordedValue::NotRecorded,
            before: RecordedValue::NotRecorded,
            path,
        };
        match self {
            StoredAttribute::Path(path) => vec![without_values(path)],
            StoredAttribute::Paths(texts) => {
                let Some((prefix, rests)) = texts.split_first() else {
                    return Vec::new();
                };
                let paths = rests.iter().map(|rest| format!("{prefix}{rest}"));
                paths.map(without_values).collect()
            }
            StoredAttribute::Values(values) => vec![values.change(has_values)],
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredValues {
    after: Option<Value>,
    after_bytes: Option<u64>,
    before: Option<Value>,
    before_bytes: Option<u64>,
    #[serde(default)]
    masked: bool,
    path: String,
}

impl StoredValues {
    fn change(self, has_values: bool) -> AttributeChange {
        let masked = self.masked;
        let recorded = |value: Option<Value>, bytes: Option<u64>| match (value, bytes) {
            _ if masked => RecordedValue::Masked,
            (Some(value), _) => RecordedValue::Value(value),
            (None, Some(bytes)) => RecordedValue::TooLarge { bytes },
            (None, None) if has_values => RecordedValue::Absent,
            (None, None) => RecordedValue::NotRecorded,
        };
        AttributeChange {
            after: recorded(self.after, self.after_bytes),
            before: recorded(self.before, self.before_bytes),
            path: self.path,
        }
    }
}

#[derive(Deserialize)]
struct StoredMembers {
    #[serde(default)]
    added: Vec<StoredMember>,
    attr: String,
    #[serde(default)]
    removed: Vec<String>,
}

impl StoredMembers {
    fn change(self) -> MemberChange {
        let added = self.added.into_iter().map(|member| match member {
            StoredMember::Id(id) => JournalMember {
                id: ResourceId::from(id),
                kind: None,
            },
            StoredMember::Typed(id, kind) => JournalMember {
                id: ResourceId::from(id),
                kind: Some(kind),
            },
        });
        MemberChange {
            added: added.collect(),
            attr: self.attr,
            removed: self.removed.into_iter().map(ResourceId::from).collect(),
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum StoredMember {
    Id(String),
    Typed(String, String),
}
