//! The steps of a plan.

use std::fmt;

use blake2::{Blake2b256, Digest as _};
use scimkit_registry::ResourceId;
use scimkit_store::ConnectionId;
use serde::{Deserialize, Serialize};

use super::{
    fields::Difference,
    link::{LinkEdit, LinkSource},
    words::{as_optional_text, as_text},
};

/// One step of a plan: what happens to one user, one group, or some members of a group, or why nothing does.
///
/// Steps are in the order of their [keys](Step::key), each of which occurs once in a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Step {
    /// The change in the directory.
    pub action: Action,
    /// The category.
    pub category: Category,
    /// The connection to which the step belongs.
    #[serde(with = "as_text")]
    pub connection: ConnectionId,
    /// The differences of fields, in the order of their names.
    pub differences: Vec<Difference>,
    /// The key.
    pub key: StepKey,
    /// The changes of links.
    pub links: Vec<LinkEdit>,
    /// The changed members.
    pub members: Vec<MemberChange>,
    /// The name of the user or group, for people.
    pub name: String,
    /// The reason for an archive or a rejection.
    pub reason: Option<Reason>,
    /// The id in the directory; none for a user or group that is not in it yet.
    #[serde(with = "as_optional_text")]
    pub target: Option<ResourceId>,
}

/// The key of a step: its subject, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the columns of the key of a step"
)]
pub struct StepKey {
    /// The subject.
    pub subject: StepSubject,
    /// The source of the user or group.
    pub source: StepSource,
    /// The number of the step among those of the members of one group, from 0.
    pub part: u32,
}

/// The subject of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "a report must count every subject")]
pub enum StepSubject {
    /// A user.
    User,
    /// A group.
    Group,
    /// Members of a group.
    Membership,
}

/// The source of the user or group of a step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "the columns of the key of a step")]
pub enum StepSource {
    /// The user or group of the provisioned state with this id.
    State(#[serde(with = "as_text")] ResourceId),
    /// The group that is derived from this value.
    Value(String),
    /// The user or group of the directory with this id, which is not in the provisioned state.
    Directory(#[serde(with = "as_text")] ResourceId),
}

impl From<&LinkSource> for StepSource {
    fn from(source: &LinkSource) -> Self {
        match source {
            LinkSource::User(id) | LinkSource::Group(id) => StepSource::State(id.clone()),
            LinkSource::Value(value) => StepSource::Value(value.clone()),
        }
    }
}

impl StepKey {
    /// Creates the key of the first step of a subject.
    #[must_use]
    pub fn new(subject: StepSubject, source: StepSource) -> Self {
        StepKey {
            subject,
            source,
            part: 0,
        }
    }
}

impl fmt::Display for StepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = match self.subject {
            StepSubject::User => "user",
            StepSubject::Group => "group",
            StepSubject::Membership => "members",
        };
        let (word, id) = match &self.source {
            StepSource::State(id) => ("state", id.as_str()),
            StepSource::Value(value) => ("value", value.as_str()),
            StepSource::Directory(id) => ("directory", id.as_str()),
        };
        write!(f, "{subject}/{}/{word}/{id}", self.part)
    }
}

/// The change of the directory by a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "a directory must carry out every change"
)]
pub enum Action {
    /// Nothing changes in the directory. Links may change.
    None,
    /// The user is archived.
    Archive,
    /// The members change.
    ChangeMembers,
    /// The user or group is created with the fields of the differences.
    Create,
    /// The user or group is removed.
    Remove,
    /// The user is no longer archived, and gets the fields of the differences.
    Restore,
    /// The fields of the differences change.
    Update,
}

/// The category of a step in a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "a report must count every category"
)]
pub enum Category {
    /// Created in the directory.
    Created,
    /// Changed in the directory, or members that were added or removed.
    Changed,
    /// Archived in the directory, or removed from it.
    Archived,
    /// An archived user who is active again, with the same id.
    Restored,
    /// Not delivered, for the [reason](Step::reason) of the step.
    Rejected,
    /// Not delivered, since the user is [exempt](super::Exemptions).
    Exempt,
    /// As it should be.
    Unchanged,
}

impl Category {
    /// All categories, in their order.
    pub const ALL: [Category; 7] = [
        Category::Created,
        Category::Changed,
        Category::Archived,
        Category::Restored,
        Category::Rejected,
        Category::Exempt,
        Category::Unchanged,
    ];

    /// Returns the word for the category.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Category::Created => "created",
            Category::Changed => "changed",
            Category::Archived => "archived",
            Category::Restored => "restored",
            Category::Rejected => "rejected",
            Category::Exempt => "exempt",
            Category::Unchanged => "unchanged",
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The change of one membership.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "a directory must carry out every change"
)]
pub enum MemberChange {
    /// A user of the provisioned state becomes a member.
    Add {
        /// The id in the provisioned state.
        #[serde(with = "as_text")]
        user: ResourceId,
        /// The id in the directory; none for a user that the plan creates, which has a link when the step is applied.
        #[serde(with = "as_optional_text")]
        target: Option<ResourceId>,
    },
    /// The user of the directory with this id is no longer a member.
    Remove(#[serde(with = "as_text")] ResourceId),
}

/// The reason for an archive or a rejection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// Several users or groups of the directory match.
    Ambiguous {
        /// Those of the directory, by id.
        candidates: Vec<Named>,
    },
    /// Others of the provisioned state are linked to the same one of the directory, or match it.
    Claimed {
        /// The one of the directory.
        candidate: Named,
        /// The others of the provisioned state, by id.
        others: Vec<Named>,
    },
    /// The identity provider deleted it.
    Deleted,
    /// Others of the provisioned state, which are not in the directory either, have the same value of a matching field.
    Duplicate {
        /// The others of the provisioned state, by id.
        others: Vec<Named>,
    },
    /// The user is inactive at the identity provider.
    Inactive,
    /// The directory rejected the step.
    Directory(String),
    /// A value can't be converted.
    Invalid(String),
    /// Nobody delivered the user, and the identity provider never sent it.
    NeverSent,
    /// The directory has no seat for another active user.
    NoSeat,
    /// The user would be archived, but is protected by the directory.
    Protected,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Ambiguous { candidates } => {
                write!(f, "several match: {}", Names(candidates))
            }
            Reason::Claimed { candidate, others } => {
                write!(f, "{candidate} is also matched by {}", Names(others))
            }
            Reason::Deleted => f.write_str("deleted by the identity provider"),
            Reason::Duplicate { others } => {
                write!(f, "has the same matching value as {}", Names(others))
            }
            Reason::Inactive => f.write_str("inactive at the identity provider"),
            Reason::Directory(problem) | Reason::Invalid(problem) => f.write_str(problem),
            Reason::NeverSent => f.write_str("never sent by the identity provider"),
            Reason::NoSeat => f.write_str("no seat is left"),
            Reason::Protected => f.write_str("protected by the directory"),
        }
    }
}

/// A user or group with its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "an id and its name")]
pub struct Named {
    /// The id.
    #[serde(with = "as_text")]
    pub id: ResourceId,
    /// The name.
    pub name: String,
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({})", self.name, self.id)
    }
}

struct Names<'n>(&'n [Named]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, named) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{named}")?;
        }
        Ok(())
    }
}

impl Step {
    /// Creates a step that changes nothing.
    pub(super) fn new(
        key: StepKey,
        category: Category,
        connection: &ConnectionId,
        name: &str,
    ) -> Self {
        Step {
            action: Action::None,
            category,
            connection: connection.clone(),
            differences: Vec::new(),
            key,
            links: Vec::new(),
            members: Vec::new(),
            name: name.to_owned(),
            reason: None,
            target: None,
        }
    }

    /// Whether the step changes the directory or a link.
    #[must_use]
    pub fn has_effect(&self) -> bool {
        self.action != Action::None || !self.links.is_empty()
    }

    /// Returns the BLAKE2b digest (256 bits) of everything in the step but its key and name.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let content = (
            &self.action,
            &self.category,
            self.connection.as_str(),
            &self.differences,
            &self.links,
            &self.members,
            &self.reason,
            self.target.as_ref().map(ResourceId::as_str),
        );
        // The types of a step have no maps with other keys than text, so that they always are JSON.
        let text = serde_json::to_vec(&content).unwrap_or_default();
        Blake2b256::digest(&text).into()
    }
}

/// Computes the hash of a plan from its steps, in the order of their keys.
#[derive(Debug, Clone, Default)]
pub struct PlanHasher {
    last: [u8; 32],
}

impl PlanHasher {
    /// Adds the next step.
    pub fn add(&mut self, step: &Step) {
        let mut hasher = Blake2b256::new();
        hasher.update(self.last);
        hasher.update(step.digest());
        hasher.update(step.key.to_string());
        self.last = hasher.finalize().into();
    }

    /// Returns the hash of the steps so far.
    #[must_use]
    pub fn hash(&self) -> PlanHash {
        PlanHash(self.last)
    }
}

/// The hash of a plan. Two plans with one hash have the same steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct PlanHash([u8; 32]);

impl fmt::Display for PlanHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
