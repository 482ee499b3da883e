//! Users and groups of a directory.

use scimkit_mapping::Record;
use scimkit_registry::ResourceId;

/// A user of a directory.
///
/// # Example
/// ```
/// use scimkit_provision::sync::DirectoryUser;
/// use serde_json::json;
///
/// let fields = json!({"email": "babs@example.com"}).as_object().unwrap().clone();
/// let owner = DirectoryUser::new("7".into(), fields).protected();
/// assert!(owner.is_protected && !owner.is_archived);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DirectoryUser {
    /// The fields of the user.
    pub fields: Record,
    /// The id in the directory.
    pub id: ResourceId,
    /// Whether the user is archived.
    pub is_archived: bool,
    /// Whether the directory protects the user, such as the last administrator: a protected user is never archived.
    pub is_protected: bool,
}

impl DirectoryUser {
    /// Creates an active user, which is not protected.
    #[must_use]
    pub fn new(id: ResourceId, fields: Record) -> Self {
        DirectoryUser {
            fields,
            id,
            is_archived: false,
            is_protected: false,
        }
    }

    /// Makes the user an archived one.
    #[must_use]
    pub fn archived(mut self) -> Self {
        self.is_archived = true;
        self
    }

    /// Protects the user.
    #[must_use]
    pub fn protected(mut self) -> Self {
        self.is_protected = true;
        self
    }

    pub(super) fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field)?.as_str()
    }
}

/// A group of a directory.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DirectoryGroup {
    /// The fields of the group, its name included.
    pub fields: Record,
    /// The id in the directory.
    pub id: ResourceId,
    /// The ids of its members in the directory.
    pub members: Vec<ResourceId>,
    /// The number of its members, if `members` are only some of them.
    pub member_count: u64,
}

impl DirectoryGroup {
    /// Creates a group with all its members.
    #[must_use]
    pub fn new(id: ResourceId, fields: Record, members: Vec<ResourceId>) -> Self {
        DirectoryGroup {
            fields,
            id,
            member_count: members.len() as u64,
            members,
        }
    }
}
