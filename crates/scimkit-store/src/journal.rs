//! The journal: one entry per change of a tenant, in commit order.
//!
//! - [`JournalEntry`]: the subject, time and cause of a change, chained by digests, so that [`verify`] finds an entry
//!   that was altered, removed or added later
//! - [`JournalDetails`]: the changed attributes and members of an entry
//! - [`JournalLevel`]: the amount of detail that is recorded
//! - [`Journal`]: the trait of stores that read, lease and trim journals
//! - [`DeadLetters`]: the trait of stores that remember which entries a consumer has given up
//! - [`KeyValues`]: the trait of stores that keep the values of a component above them

mod chain;
mod dead_letters;
mod details;
mod key_values;
mod printing;
mod reading;
mod sealing;

use std::{fmt, str::FromStr, sync::Arc};

use chrono::{DateTime, Utc};
use scimkit_registry::ResourceId;

pub use self::{
    chain::{BrokenChain, ChainFault, ChainVerifier, VerifiedChain, verify},
    dead_letters::{DeadLetter, DeadLetters},
    details::{
        AttributeChange, DetailsError, JournalDetails, JournalMember, MemberChange, RecordedValue,
    },
    key_values::{KeyValue, KeyValueCondition, KeyValueEdit, KeyValues},
    reading::{
        ConsumerRow, Journal, JournalFilter, JournalPage, JournalPosition, JournalQuery,
        JournalRead, JournalStart, Lease, LeaseAnswer, LeaseDecision, LeaseRequest,
    },
    sealing::{ChainHead, DirectoryChange, JournalRows, JournalSeed, seal_directory_changes},
};
pub(crate) use self::{
    printing::{PartPrinter, Values},
    sealing::{Draft, seal},
};
use crate::{Cause, ConnectionId};

/// A BLAKE2b digest of 256 bits (RFC 7693), as `b2sum --length=256` prints it in hexadecimal.
pub type JournalDigest = [u8; 32];

/// The amount of detail that the journal records of each write.
///
/// All connections of a tenant should have the same level: a write under [`JournalLevel::Off`] leaves a gap, so that
/// consumers have to [resynchronise](LeaseAnswer::Resync).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a store must not record less than the level requires"
)]
pub enum JournalLevel {
    /// No writes. Changes of tenants, connections and tokens are still recorded.
    Off,
    /// The cause and time of each write, the paths of the changed attributes, and the ids of added and removed members,
    /// but no values.
    #[default]
    Notice,
    /// As [`Notice`](JournalLevel::Notice), with the values of changed attributes before and after.
    Full,
}

/// The level and masks of the journal.
///
/// # Example
/// ```
/// use scimkit_store::{JournalLevel, JournalPolicy};
///
/// let policy = JournalPolicy::new(JournalLevel::Full).with_masked(["name", "emails"]);
/// assert!(policy.masks("name.familyName") && policy.masks("emails"));
/// assert!(!policy.masks("nickName"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalPolicy {
    /// The amount of detail.
    pub level: JournalLevel,
    /// The canonical paths of masked attributes, in addition to those that are never returned. The path of a complex
    /// attribute or of an extension covers all attributes in it.
    pub masked: Vec<String>,
}

impl JournalPolicy {
    /// Creates a policy with that level, which masks only the attributes that are never returned.
    #[must_use]
    pub fn new(level: JournalLevel) -> Self {
        let masked = Vec::new();
        JournalPolicy { level, masked }
    }

    /// Adds attributes to mask.
    #[must_use]
    pub fn with_masked<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.masked.extend(paths.into_iter().map(Into::into));
        self
    }

    /// Returns whether the value of the attribute with that path is masked.
    #[must_use]
    pub fn masks(&self, path: &str) -> bool {
        let covers = |outer: &str, inner: &str| {
            let rest = inner.get(..outer.len()).zip(inner.get(outer.len()..));
            rest.is_some_and(|(start, rest)| {
                start.eq_ignore_ascii_case(outer)
                    && (rest.is_empty() || rest.starts_with(['.', ':']))
            })
        };
        // A value is masked as a whole if one of its parts is.
        let mut masked = self.masked.iter();
        masked.any(|masked| covers(masked, path) || covers(path, masked))
    }
}

/// An entry of the journal, or one part of it.
///
/// A change that is recorded in several parts, such as a delete with the groups that lose a member,
/// has one number, and its parts count from 0. Part 0 of a change of a resource has its changed attributes; further parts
/// with the same action and subject have more of its members.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the columns of an entry")]
pub struct JournalEntry {
    /// The kind of change.
    pub action: JournalAction,
    /// The time of the change, to the millisecond. It may be earlier than that of the entry before, as clocks differ.
    pub at: DateTime<Utc>,
    /// The details of the change; none after they were blanked.
    pub body: Option<JournalBody>,
    /// The digest of the salt and text of the body, which stays when the body is blanked.
    pub body_digest: JournalDigest,
    /// The connection, caller and request that caused the change.
    pub cause: Cause,
    /// The number of the change among all changes of the tenant, which is the version after the change.
    pub number: u64,
    /// The number of the part, from 0.
    pub part: u32,
    /// The digest of the part before it in the tenant's journal; zeros for the first part.
    pub previous: JournalDigest,
    /// The resource, tenant, connection or token that was changed.
    pub subject: JournalSubject,
}

impl JournalEntry {
    /// Returns the changed attributes and members; none after they were blanked.
    ///
    /// # Errors
    /// [`DetailsError`]: the text is not in the format of this version.
    pub fn details(&self) -> Result<Option<JournalDetails>, DetailsError> {
        let body = self.body.as_ref();
        body.map(|body| JournalDetails::from_text(&body.text))
            .transpose()
    }

    /// Returns the position of the entry in its journal.
    #[must_use]
    pub fn position(&self) -> JournalPosition {
        JournalPosition {
            number: self.number,
            part: self.part,
        }
    }
}

/// The part of an entry that can be blanked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the columns of an entry")]
pub struct JournalBody {
    /// Random bytes, so that a blanked text can't be guessed from its digest.
    pub salt: [u8; 16],
    /// The JSON text of the [`JournalDetails`].
    pub text: String,
}

/// The subject of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every store must record every subject"
)]
pub enum JournalSubject {
    /// A connection of the tenant.
    Connection(ConnectionId),
    /// A resource.
    Resource {
        /// Its identifier.
        id: ResourceId,
        /// The name of its type.
        kind: Arc<str>,
    },
    /// The tenant itself.
    Tenant,
    /// A token, by its id in lists and commands.
    Token(String),
}

/// The columns in which a store keeps a [`JournalSubject`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the columns of a subject")]
pub struct SubjectColumns<'s> {
    /// The word for the kind of subject.
    pub word: &'static str,
    /// The name of the resource type; empty for other subjects.
    pub kind: &'s str,
    /// The identifier; empty for a tenant.
    pub id: &'s str,
}

impl JournalSubject {
    /// Returns the stored word of the subject, the name of its type and its identifier, which are empty if the subject
    /// has none.
    #[must_use]
    pub fn columns(&self) -> SubjectColumns<'_> {
        let (word, kind, id) = match self {
            JournalSubject::Connection(id) => ("connection", "", id.as_str()),
            JournalSubject::Resource { id, kind } => ("resource", &**kind, id.as_str()),
            JournalSubject::Tenant => ("tenant", "", ""),
            JournalSubject::Token(id) => ("token", "", id.as_str()),
        };
        SubjectColumns { word, kind, id }
    }

    /// Returns the subject with these [columns](Self::columns), or none for an unknown word.
    #[must_use]
    pub fn from_columns(word: &str, kind: &str, id: &str) -> Option<Self> {
        Some(match word {
            "connection" => JournalSubject::Connection(ConnectionId::from(id)),
            "resource" => JournalSubject::Resource {
                id: ResourceId::from(id),
                kind: kind.into(),
            },
            "tenant" => JournalSubject::Tenant,
            "token" => JournalSubject::Token(id.to_owned()),
            _ => return None,
        })
    }
}

/// The kind of change that an entry records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JournalAction {
    /// A create adopted a resource without an owner.
    Adopted,
    /// The subject was created.
    Created,
    /// The subject was removed permanently.
    Deleted,
    /// Only the members of the resource changed, by a write or because a member was deleted.
    MembersChanged,
    /// The connection was removed, so that the listed resources no longer have an owner.
    Released,
    /// A create restored a soft-deleted resource, or took over a deactivated one.
    Restored,
    /// The resource was soft-deleted.
    SoftDeleted,
    /// Attributes of the subject changed, and possibly its members.
    Updated,
}

impl JournalAction {
    const ALL: [(JournalAction, &'static str); 8] = [
        (JournalAction::Adopted, "adopted"),
        (JournalAction::Created, "created"),
        (JournalAction::Deleted, "deleted"),
        (JournalAction::MembersChanged, "members-changed"),
        (JournalAction::Released, "released"),
        (JournalAction::Restored, "restored"),
        (JournalAction::SoftDeleted, "soft-deleted"),
        (JournalAction::Updated, "updated"),
    ];

    /// Returns the stored word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let mut all = JournalAction::ALL.iter();
        all.find(|(action, _)| *action == self)
            .map_or("", |(_, word)| word)
    }
}

impl fmt::Display for JournalAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The error for a stored word that is not an action of this version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown journal action `{0}`")]
pub struct UnknownAction(String);

impl FromStr for JournalAction {
    type Err = UnknownAction;

    fn from_str(word: &str) -> Result<Self, UnknownAction> {
        let mut all = JournalAction::ALL.iter();
        let found = all.find(|(_, known)| *known == word);
        found
            .map(|(action, _)| *action)
            .ok_or_else(|| UnknownAction(word.to_owned()))
    }
}
