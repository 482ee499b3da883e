//! Writes, and what became of them.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use scimkit_core::Version;
use scimkit_registry::{Change, Resource, ResourceId, ResourceType};

use crate::{Candidate, Cause, Claim, ClaimPin, StoreError, Stored, Want};

/// Writes to be carried out in order.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Batch {
    /// What `created` and `lastModified` become.
    pub at: DateTime<Utc>,
    /// On whose behalf it is written: its connection owns what the batch creates or adopts.
    pub cause: Cause,
    /// Whether anything is to be written.
    pub intent: Intent,
    /// What a write that fails means for the others.
    pub on_failure: OnFailure,
    /// What answers need. Without documents a store may leave [`Written::stored`] out.
    ///
    /// The edges are those of [`Written::stored`] with exactly the version that it names; the attributes
    /// are those of the type of the first write, and resources of other types come without. Only a store
    /// with [`Support::written_edges`](crate::Support::written_edges) is asked for edges. They are left out
    /// - of a resource that a later write of the batch has changed, or may have changed by a delete
    /// - of a batch that is only [checked](Intent::Check)
    pub want: Want,
    /// The writes.
    pub writes: Vec<Write>,
}

impl Batch {
    /// Writes of the application itself, at one moment.
    #[must_use]
    pub fn new(at: DateTime<Utc>, writes: Vec<Write>) -> Self {
        let on_failure = OnFailure::default();
        Batch {
            at,
            cause: Cause::application(),
            intent: Intent::default(),
            on_failure,
            want: Want::document(),
            writes,
        }
    }

    /// Sets on whose behalf it is written.
    #[must_use]
    pub fn with_cause(mut self, cause: Cause) -> Self {
        self.cause = cause;
        self
    }

    /// Asks for answers with versions only: a change of single members then loads no document.
    #[must_use]
    pub fn without_documents(mut self) -> Self {
        self.want = Want::version();
        self
    }

    /// Sets what answers need.
    #[must_use]
    pub fn with_want(mut self, want: Want) -> Self {
        self.want = want;
        self
    }

    /// Makes it a dry run: see [`Intent::Check`].
    #[must_use]
    pub fn only_checked(mut self) -> Self {
        self.intent = Intent::Check;
        self
    }

    /// With another rule for writes that fail.
    #[must_use]
    pub fn on_failure(mut self, rule: OnFailure) -> Self {
        self.on_failure = rule;
        self
    }
}

/// Whether a batch is to be written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a store must not commit what it does not know to be a check"
)]
pub enum Intent {
    /// It answers as it would if it were committed, and changes nothing: a dry run. Only a store with
    /// [`Support::check`](crate::Support::check) gets one.
    Check,
    /// It is.
    #[default]
    Commit,
}

/// What a write that fails means for the others of its batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every store must carry out every rule"
)]
pub enum OnFailure {
    /// Nothing.
    #[default]
    Continue,
    /// After so many failures, at least one, the writes that remain are not carried out and answer
    /// [`StoreError::NotRun`].
    StopAfter(u32),
    /// All writes or none: those before it are undone, those behind it are not carried out, and all
    /// of them answer [`StoreError::NotRun`].
    Undo,
}

impl OnFailure {
    /// Whether after so many failures the writes that remain are not carried out.
    #[must_use]
    pub fn stops(self, failures: u32) -> bool {
        match self {
            OnFailure::Continue => false,
            OnFailure::StopAfter(limit) => failures >= limit.max(1),
            OnFailure::Undo => failures > 0,
        }
    }
}

/// One write.
#[derive(Debug, Clone)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every store must carry out every write"
)]
pub enum Write {
    /// A new resource.
    Create {
        /// All its attributes and edges.
        change: Change,
        /// Which resource it may take instead of making one; none for a create that only makes.
        claim: Option<Box<Claim>>,
        /// An identifier, not used before. A store that assigns its own answers with that one: see
        /// [`Support::given_ids`](crate::Support::given_ids).
        id: ResourceId,
    },
    /// Takes a resource away, with its edges in both directions.
    Delete {
        /// The version it must have.
        expect: Expect,
        /// Which one.
        id: ResourceId,
        /// Its type.
        kind: Arc<ResourceType>,
    },
    /// Changes a resource.
    Update {
        /// What changes.
        change: Change,
        /// The version it must have.
        expect: Expect,
        /// Which one.
        id: ResourceId,
    },
}

impl Write {
    /// Returns the id of the resource; for a create, that of the new resource, unless it adopts or
    /// restores another one.
    #[must_use]
    pub fn id(&self) -> &ResourceId {
        let (Write::Create { id, .. } | Write::Delete { id, .. } | Write::Update { id, .. }) = self;
        id
    }

    /// Returns the type of that resource.
    #[must_use]
    pub fn kind(&self) -> &Arc<ResourceType> {
        match self {
            Write::Create { change, .. } | Write::Update { change, .. } => change.kind(),
            Write::Delete { kind, .. } => kind,
        }
    }
}

/// The version that a resource must have to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every store must check every expectation"
)]
pub enum Expect {
    /// Any: it only has to exist.
    Any,
    /// One of these.
    OneOf(Vec<Version>),
    /// The one that was read, to whose document the change was computed.
    Base(Base),
}

/// A resource as it was read.
///
/// A write that [expects](Expect::Base) it brings the document along, so that nobody has to take it apart
/// again.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use scimkit_core::Version;
/// use scimkit_registry::Resource;
/// use scimkit_store::{Base, Expect};
///
/// let base = Base::new(Version::new("7")?, Arc::new(Resource::default()));
/// let expect = Expect::Base(base);
/// assert!(expect.check(&Version::new("7")?).is_ok());
/// assert!(expect.check(&Version::new("8")?).is_err());
/// # Ok::<(), scimkit_core::InvalidVersion>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Base {
    /// The document that the resource has in that version, whole.
    pub document: Arc<Resource>,
    /// The version.
    pub version: Version,
}

impl Base {
    /// The document of a resource in a version.
    #[must_use]
    pub fn new(version: Version, document: Arc<Resource>) -> Self {
        Base { document, version }
    }
}

impl Expect {
    /// Checks the actual version.
    ///
    /// # Errors
    /// [`StoreError::Stale`] with the actual one.
    pub fn check(&self, actual: &Version) -> Result<(), StoreError> {
        let is_met = match self {
            Expect::Any => true,
            Expect::Base(base) => base.version == *actual,
            Expect::OneOf(versions) => versions.contains(actual),
        };
        match is_met {
            true => Ok(()),
            false => Err(StoreError::Stale {
                actual: actual.clone(),
            }),
        }
    }
}

/// What a write did.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Written {
    /// The resource that a create took because of a [`Claim`], as it was before.
    pub candidate: Option<Candidate>,
    /// What happened.
    pub how: How,
    /// The resource as it now is; none after a delete, and where no document was wanted.
    pub stored: Option<Stored>,
    /// The version of the resource; none after a delete.
    pub version: Option<Version>,
}

impl Written {
    /// A write that left a resource behind.
    #[must_use]
    pub fn stored(how: How, stored: Stored) -> Self {
        Written {
            candidate: None,
            how,
            version: Some(stored.version.clone()),
            stored: Some(stored),
        }
    }

    /// A write that left a resource behind which the answer does not carry.
    #[must_use]
    pub fn versioned(how: How, version: Version) -> Self {
        Written {
            candidate: None,
            how,
            stored: None,
            version: Some(version),
        }
    }

    /// A delete.
    #[must_use]
    pub fn deleted() -> Self {
        Written {
            candidate: None,
            how: How::Deleted,
            stored: None,
            version: None,
        }
    }

    /// What the claim of a create has found, to [pin](crate::Claim::pinned) it later.
    #[must_use]
    pub fn pin(&self) -> ClaimPin {
        self.candidate
            .clone()
            .map_or(ClaimPin::NoCandidate, ClaimPin::Candidate)
    }
}

/// What happened in a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum How {
    /// A create took a resource of the host.
    Adopted,
    /// A resource was made.
    Created,
    /// It is gone.
    Deleted,
    /// A create brought a retired resource back, or took a dormant one.
    Relinked,
    /// Everything was so already.
    Unchanged,
    /// It changed.
    Updated,
}
