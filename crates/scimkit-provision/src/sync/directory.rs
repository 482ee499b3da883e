//! The interface to a directory.

use std::fmt;

use scimkit_mapping::Record;
use scimkit_registry::ResourceId;
use scimkit_store::BoxFuture;

use super::{
    entry::{DirectoryGroup, DirectoryUser},
    fields::Difference,
};

/// The users and groups of an application, to which runs deliver.
///
/// - Users and groups have fields, which the mappings of connections name, and ids of the directory.
/// - An archived user stays in the directory with its id, and does not count as active.
/// - A call may be repeated: after a crash, a run continues with the step at which it stopped. The step has the same
///   [`StepId`] then, and [`is_repeated`](StepId::is_repeated) tells it. Changes by id have the same effect twice. Before
///   a create is repeated, the directory has to look for the user or group that the first attempt may have created.
/// - Over a remote interface that neither accepts a step id nor finds users by a unique field, a create whose answer was
///   lost can't be told from one that was never received.
///
/// [`StoreDirectory`](super::StoreDirectory) makes any store a directory.
pub trait Directory: fmt::Debug + Send + Sync + 'static {
    /// Carries out one step, and returns the id of the user or group that a create has made.
    ///
    /// # Errors
    /// - [`DirectoryError::Rejected`]: the run reports the step as rejected and goes on.
    /// - [`DirectoryError::Unavailable`]: the run fails, and a later one continues.
    fn apply<'a>(
        &'a self,
        step: &'a StepId,
        change: &'a DirectoryChange,
    ) -> BoxFuture<'a, Result<Option<ResourceId>, DirectoryError>>;

    /// Returns the number of active users that the directory can have; none without a limit.
    fn capacity(&self) -> BoxFuture<'_, Result<Option<u64>, DirectoryError>> {
        Box::pin(async { Ok(None) })
    }

    /// Returns the groups after an id with their members, in the order of their ids, at most `limit`.
    ///
    /// # Errors
    /// [`DirectoryError::Unavailable`].
    fn groups<'a>(
        &'a self,
        after: Option<&'a ResourceId>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<DirectoryGroup>, DirectoryError>>;

    /// Returns the users after an id, archived ones included, in the order of their ids, at most `limit`.
    ///
    /// # Errors
    /// [`DirectoryError::Unavailable`].
    fn users<'a>(
        &'a self,
        after: Option<&'a ResourceId>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<DirectoryUser>, DirectoryError>>;
}

/// The identity of a step: the same for every attempt, and different for every other step of any run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StepId {
    /// Whether an earlier attempt may have carried out the step.
    pub is_repeated: bool,
    /// The identity as text: at most 64 characters, letters, digits and hyphens.
    pub text: String,
}

impl StepId {
    /// Creates the identity of a step that no attempt has carried out.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        StepId {
            is_repeated: false,
            text: text.into(),
        }
    }

    /// Marks the step as one that may have been carried out.
    #[must_use]
    pub fn repeated(mut self) -> Self {
        self.is_repeated = true;
        self
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A change of a directory.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a directory must carry out every change"
)]
pub enum DirectoryChange {
    /// Archives a user.
    ArchiveUser(ResourceId),
    /// Adds and removes members of a group, by the ids of users. Members that are there already, or gone already, are no
    /// error.
    ChangeMembers {
        /// The group.
        group: ResourceId,
        /// The users to add.
        added: Vec<ResourceId>,
        /// The users to remove.
        removed: Vec<ResourceId>,
    },
    /// Creates a group with these fields.
    CreateGroup(Record),
    /// Creates an active user with these fields.
    CreateUser(Record),
    /// Removes a group; it is no error if it is gone.
    RemoveGroup(ResourceId),
    /// Removes a user; it is no error if it is gone.
    RemoveUser(ResourceId),
    /// Makes an archived user active again, and changes its fields.
    RestoreUser {
        /// The user.
        id: ResourceId,
        /// The differences of its fields.
        differences: Vec<Difference>,
    },
    /// Changes the fields of a group.
    UpdateGroup {
        /// The group.
        id: ResourceId,
        /// The differences of its fields.
        differences: Vec<Difference>,
    },
    /// Changes the fields of a user.
    UpdateUser {
        /// The user.
        id: ResourceId,
        /// The differences of its fields.
        differences: Vec<Difference>,
    },
}

/// The reason why a directory did not carry out a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a runner must know whether it can go on"
)]
pub enum DirectoryError {
    /// The directory rejects this change; the text tells an administrator why.
    #[error("{0}")]
    Rejected(String),
    /// The directory can't be used now.
    #[error("the directory can't be used: {0}")]
    Unavailable(String),
}
