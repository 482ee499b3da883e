//! Batches of writes, and their results.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use scimkit_core::Version;
use scimkit_registry::{Change, Resource, ResourceId, ResourceType};

use crate::{Candidate, Cause, ExistingMatch, MatchPin, ReadOptions, StoreError, StoredResource};

/// Writes of one tenant that a store carries out in order.
///
/// # Example
/// ```
/// use chrono::DateTime;
/// use scimkit_registry::{Registry, ResourceId};
/// use scimkit_store::{Batch, ExpectedVersion, Intent, OnFailure, WriteOp};
///
/// let registry = Registry::standard();
/// let kind = registry.resource_type("User").unwrap().clone();
/// let delete = WriteOp::Delete { expect: ExpectedVersion::Any, id: ResourceId::from("42"), kind };
/// let batch = Batch::new(DateTime::UNIX_EPOCH, vec![delete])
///     .with_on_failure(OnFailure::RollBack)
///     .check_only();
/// assert_eq!(batch.intent, Intent::Check);
/// assert_eq!(batch.writes[0].id().as_str(), "42");
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Batch {
    /// The time of the writes, for `created` and `lastModified`.
    pub at: DateTime<Utc>,
    /// The connection, caller and request that cause the writes. The connection owns the resources that they
    /// create or adopt.
    pub cause: Cause,
    /// Whether the batch is written or only checked.
    pub intent: Intent,
    /// The effect of a failed write on the other writes.
    pub on_failure: OnFailure,
    /// The parts of a resource that the results need. Without documents a store may leave [`Written::stored`] out.
    ///
    /// The edges are those of exactly the version in [`Written::stored`], and the types and names of their targets are
    /// those after the batch. The attributes are those of the type of the first write; resources of other types have
    /// no edges. Only a store with [`Capabilities::written_edges`](crate::Capabilities::written_edges) gets a batch
    /// that needs edges. A result has no edges if a later write of the batch has changed the resource, also by deleting
    /// one of its members, or if a later result for the same resource has them.
    pub read_options: ReadOptions,
    /// The writes, in their order.
    pub writes: Vec<WriteOp>,
}

impl Batch {
    /// Creates a batch of writes by the application itself, at the time `at`.
    #[must_use]
    pub fn new(at: DateTime<Utc>, writes: Vec<WriteOp>) -> Self {
        let on_failure = OnFailure::default();
        Batch {
            at,
            cause: Cause::application(),
            intent: Intent::default(),
            on_failure,
            read_options: ReadOptions::document(),
            writes,
        }
    }

    /// Sets the connection, caller and request that cause the writes.
    #[must_use]
    pub fn with_cause(mut self, cause: Cause) -> Self {
        self.cause = cause;
        self
    }

    /// Requests results with versions only: a change of single members then loads no document.
    #[must_use]
    pub fn without_documents(mut self) -> Self {
        self.read_options = ReadOptions::version();
        self
    }

    /// Sets the parts of a resource that the results need.
    #[must_use]
    pub fn with_read_options(mut self, want: ReadOptions) -> Self {
        self.read_options = want;
        self
    }

    /// Turns the batch into a dry run: see [`Intent::Check`].
    #[must_use]
    pub fn check_only(mut self) -> Self {
        self.intent = Intent::Check;
        self
    }

    /// Sets the effect of a failed write on the other writes.
    #[must_use]
    pub fn with_on_failure(mut self, rule: OnFailure) -> Self {
        self.on_failure = rule;
        self
    }
}

/// The choice between writing a batch and only checking it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a store must not commit what it does not know to be a check"
)]
pub enum Intent {
    /// A dry run: the results are those of a commit, edges included, but nothing changes. Only a store with
    /// [`Capabilities::check`](crate::Capabilities::check) gets one.
    Check,
    /// The batch is written.
    #[default]
    Commit,
}

/// The effect of a failed write on the other writes of its batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every store must carry out every rule"
)]
pub enum OnFailure {
    /// The other writes are carried out.
    #[default]
    Continue,
    /// After this number of failures (0 counts as 1) the remaining writes are not carried out; their result is
    /// [`StoreError::Skipped`].
    StopAfter(u32),
    /// All writes are carried out, or none: the writes before the failed one are undone, those after it are not
    /// carried out, and the result of all of these is [`StoreError::Skipped`].
    RollBack,
}

impl OnFailure {
    /// Returns whether the remaining writes are not carried out after this number of failures.
    #[must_use]
    pub fn stops(self, failures: u32) -> bool {
        match self {
            OnFailure::Continue => false,
            OnFailure::StopAfter(limit) => failures >= limit.max(1),
            OnFailure::RollBack => failures > 0,
        }
    }
}

/// A create, update or delete of one resource.
#[derive(Debug, Clone)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every store must carry out every write"
)]
pub enum WriteOp {
    /// Creates a resource.
    Create {
        /// All attributes and edges of the resource.
        change: Change,
        /// The existing resources that the create may adopt or restore; none if it always creates a new resource.
        existing_match: Option<Box<ExistingMatch>>,
        /// An unused identifier. A store that assigns ids itself returns its own: see
        /// [`Capabilities::caller_assigned_ids`](crate::Capabilities::caller_assigned_ids).
        id: ResourceId,
    },
    /// Deletes a resource, with its edges in both directions.
    Delete {
        /// The version that the resource must have.
        expect: ExpectedVersion,
        /// The id of the resource.
        id: ResourceId,
        /// The type of the resource.
        kind: Arc<ResourceType>,
    },
    /// Changes a resource.
    Update {
        /// The changes of attributes and edges.
        change: Change,
        /// The version that the resource must have.
        expect: ExpectedVersion,
        /// The id of the resource.
        id: ResourceId,
    },
}

impl WriteOp {
    /// Returns the id of the resource. For a create, this is the id for a new resource; if the create adopts or
    /// restores an existing one, that has another id.
    #[must_use]
    pub fn id(&self) -> &ResourceId {
        let (WriteOp::Create { id, .. } | WriteOp::Delete { id, .. } | WriteOp::Update { id, .. }) =
            self;
        id
    }

    /// Returns the type of the resource.
    #[must_use]
    pub fn kind(&self) -> &Arc<ResourceType> {
        match self {
            WriteOp::Create { change, .. } | WriteOp::Update { change, .. } => change.kind(),
            WriteOp::Delete { kind, .. } => kind,
        }
    }
}

/// The version that a resource must have to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every store must check every expectation"
)]
pub enum ExpectedVersion {
    /// Any version: the resource only has to exist.
    Any,
    /// One of these versions.
    OneOf(Vec<Version>),
    /// The version that was read, with the document from which the change was computed.
    Base(Base),
}

/// The version and document of a resource, as they were read.
///
/// A write that [expects](ExpectedVersion::Base) this version carries its document, so that the store need not parse
/// it again.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use scimkit_core::Version;
/// use scimkit_registry::Resource;
/// use scimkit_store::{Base, ExpectedVersion};
///
/// let base = Base::new(Version::new("7")?, Arc::new(Resource::default()));
/// let expect = ExpectedVersion::Base(base);
/// assert!(expect.check(&Version::new("7")?).is_ok());
/// assert!(expect.check(&Version::new("8")?).is_err());
/// # Ok::<(), scimkit_core::InvalidVersion>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Base {
    /// The whole document of the resource in that version.
    pub document: Arc<Resource>,
    /// The version.
    pub version: Version,
}

impl Base {
    /// Creates a base from a version and its document.
    #[must_use]
    pub fn new(version: Version, document: Arc<Resource>) -> Self {
        Base { document, version }
    }
}

impl ExpectedVersion {
    /// Checks the current version of the resource.
    ///
    /// # Errors
    /// [`StoreError::VersionMismatch`] with that version, if it is not the expected one.
    pub fn check(&self, actual: &Version) -> Result<(), StoreError> {
        let is_met = match self {
            ExpectedVersion::Any => true,
            ExpectedVersion::Base(base) => base.version == *actual,
            ExpectedVersion::OneOf(versions) => versions.contains(actual),
        };
        if is_met {
            Ok(())
        } else {
            Err(StoreError::VersionMismatch {
                actual: actual.clone(),
            })
        }
    }
}

/// The result of a successful write.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Written {
    /// The resource that a create adopted or restored because of an [`ExistingMatch`], as it was before: with its
    /// document and its owner, without edges. A soft-deleted resource has the version of the delete.
    pub before: Option<Box<StoredResource>>,
    /// The existing resource that a create adopted or restored because of an [`ExistingMatch`], with its version
    /// before.
    pub candidate: Option<Candidate>,
    /// The outcome.
    pub outcome: WriteOutcome,
    /// The resource after the write; none after a delete, or if the batch needs no document.
    pub stored: Option<StoredResource>,
    /// The version of the resource; none after a delete.
    pub version: Option<Version>,
}

impl Written {
    /// Creates the result of a create or update, with the resource.
    #[must_use]
    pub fn stored(how: WriteOutcome, stored: StoredResource) -> Self {
        Written {
            before: None,
            candidate: None,
            outcome: how,
            version: Some(stored.version.clone()),
            stored: Some(stored),
        }
    }

    /// Creates the result of a create or update, with the version alone.
    #[must_use]
    pub fn versioned(how: WriteOutcome, version: Version) -> Self {
        Written {
            before: None,
            candidate: None,
            outcome: how,
            stored: None,
            version: Some(version),
        }
    }

    /// Creates the result of a delete.
    #[must_use]
    pub fn deleted() -> Self {
        Written {
            before: None,
            candidate: None,
            outcome: WriteOutcome::Deleted,
            stored: None,
            version: None,
        }
    }

    /// Returns the match that the create has found, for [`ExistingMatch::with_pin`](crate::ExistingMatch::with_pin).
    #[must_use]
    pub fn pin(&self) -> MatchPin {
        self.candidate
            .clone()
            .map_or(MatchPin::NoCandidate, MatchPin::Candidate)
    }
}

/// The outcome of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteOutcome {
    /// A create adopted a resource without an owner.
    Adopted,
    /// A resource was created.
    Created,
    /// A resource was deleted.
    Deleted,
    /// A create restored a soft-deleted resource, or took over a deactivated one.
    Restored,
    /// The resource already has the requested content.
    Unchanged,
    /// A resource was changed.
    Updated,
}
