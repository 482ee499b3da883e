//! Links between the provisioned state and the directory.

use std::collections::BTreeSet;

use scimkit_registry::ResourceId;
use scimkit_store::ConnectionId;
use serde::{Deserialize, Serialize};

use super::words::as_text;

/// The source of a user or group of the directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "a runner must know what each link leads from"
)]
pub enum LinkSource {
    /// The user of the provisioned state with this id.
    User(#[serde(with = "as_text")] ResourceId),
    /// The group of the provisioned state with this id.
    Group(#[serde(with = "as_text")] ResourceId),
    /// The group that is derived from this value of an attribute.
    Value(String),
}

/// The link from a user or group of the provisioned state to the one in the directory that a run delivered or matched.
///
/// A tenant has at most one link with a source. A link whose source no longer exists keeps the id of a user that was
/// deleted, so that a person who comes back gets the same user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Link {
    /// The connection that delivers it.
    #[serde(with = "as_text")]
    pub connection: ConnectionId,
    /// Whether a run created the target.
    pub is_created: bool,
    /// The names of the fields that were delivered with a value.
    pub fields: BTreeSet<String>,
    /// The source.
    pub source: LinkSource,
    /// The id in the directory.
    #[serde(with = "as_text")]
    pub target: ResourceId,
}

impl Link {
    /// Creates a link to an existing user or group, without fields.
    #[must_use]
    pub fn new(connection: ConnectionId, source: LinkSource, target: ResourceId) -> Self {
        Link {
            connection,
            is_created: false,
            fields: BTreeSet::new(),
            source,
            target,
        }
    }
}

/// The change of a link that belongs to a step, and is written when the step is applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "a runner must carry out every change"
)]
pub enum LinkEdit {
    /// Links the source to the id that the create returns.
    Create {
        /// The names of the delivered fields.
        fields: BTreeSet<String>,
        /// The source.
        source: LinkSource,
    },
    /// Adds or replaces the link of its source.
    Put(Link),
    /// Removes the link of this source.
    Remove(LinkSource),
}
