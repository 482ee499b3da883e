//! Creates that take a resource which is there.

use scimkit_core::Version;
use scimkit_registry::{
    Change, Exhausted, Meter, Predicate, ResourceId, ResourceType, ResourceView,
};

use crate::{ConnectionId, WriteOutcome};

/// A resource that a create takes instead of making another: see
/// [`CreatePolicy`](crate::CreatePolicy).
///
/// Which one it is, is decided inside the write. With one resource that satisfies `by` among those
/// that may be taken, the create becomes a write of that one, which keeps its id and `created`:
/// - a retired one is live again ([`WriteOutcome::Relinked`]), with the attributes and edges of the change
///   and no others
/// - a live one is the connection's from then on ([`WriteOutcome::Adopted`], or [`WriteOutcome::Relinked`] where it is
///   dormant and another's): what was sent is set, as far as the attribute mapping lets it through, and
///   everything else stays
///
/// A live one is preferred; several live ones refuse the write with [`StoreError::Ambiguous`](crate::StoreError::Ambiguous). Of
/// several retired ones those count that satisfy the first of the [`terms`](ExistingMatch::terms) which
/// anybody satisfies, and of them the one that was retired last. With none, the create is as any other.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ExistingMatch {
    /// Which resources may be taken.
    pub scope: MatchScope,
    /// What the resource must satisfy, in terms of attributes that documents hold: no membership and
    /// nothing that is computed.
    pub by: Predicate,
    /// Live resources that satisfy this, too, may be taken by a claim among the
    /// [retired](MatchScope::Retired), whatever connection has them: those that were switched off.
    pub deactivated: Option<Predicate>,
    /// The result of an earlier [check](crate::Intent::Check): the create fails if it would now take another
    /// resource, another version of it, or none.
    pub pin: Option<MatchPin>,
    /// What the client sent, of which a live resource takes what is set; the change of the create
    /// where there is none. It lacks what was only filled in.
    pub sent: Option<Change>,
}

impl ExistingMatch {
    /// Claims one of those that satisfy the predicate.
    #[must_use]
    pub fn new(among: MatchScope, by: Predicate) -> Self {
        ExistingMatch {
            scope: among,
            by,
            deactivated: None,
            pin: None,
            sent: None,
        }
    }

    /// What a create does with a live resource that satisfies [`by`](Self::by), by whose it is; `None`
    /// when it may not be taken.
    ///
    /// # Errors
    /// The budget ran out.
    pub fn takes(
        &self,
        kind: &ResourceType,
        connection: Option<&ConnectionId>,
        document: ResourceView<'_>,
        meter: &Meter<'_>,
    ) -> Result<Option<WriteOutcome>, Exhausted> {
        let relinks = match &self.deactivated {
            Some(dormant) if self.scope != MatchScope::Live => {
                kind.matches(dormant, document, meter)?
            }
            _ => false,
        };
        Ok(match (self.scope, connection) {
            (MatchScope::Both | MatchScope::Live, None) => Some(WriteOutcome::Adopted),
            _ => relinks.then_some(WriteOutcome::Relinked),
        })
    }

    /// What resources are recognised by, in the order in which it decides among retired ones.
    #[must_use]
    pub fn terms(&self) -> &[Predicate] {
        match &self.by {
            Predicate::Any(terms) => terms,
            one => std::slice::from_ref(one),
        }
    }

    /// Also among live ones that satisfy this predicate.
    #[must_use]
    pub fn with_deactivated(mut self, dormant: Option<Predicate>) -> Self {
        self.deactivated = dormant;
        self
    }

    /// Requires that the create takes exactly what an earlier check has found.
    ///
    /// If the create would take another resource than the check, or one where the check found none, or
    /// none where it found one, it fails with [`StoreError::OtherCandidate`](crate::StoreError::OtherCandidate);
    /// if it would take another version of the same resource, with
    /// [`StoreError::VersionMismatch`](crate::StoreError::VersionMismatch). Several live ones are
    /// [`StoreError::Ambiguous`](crate::StoreError::Ambiguous) as without a pin.
    ///
    /// # Example
    /// ```
    /// use scimkit_core::Version;
    /// use scimkit_registry::{Predicate, ResourceId};
    /// use scimkit_store::{MatchScope, Candidate, ExistingMatch, MatchPin};
    ///
    /// let found = Candidate::new(ResourceId::from("42"), Version::new("7")?);
    /// let claim = ExistingMatch::new(MatchScope::Live, Predicate::Never).with_pin(MatchPin::Candidate(found.clone()));
    /// assert_eq!(claim.pin, Some(MatchPin::Candidate(found)));
    /// # Ok::<(), scimkit_core::InvalidVersion>(())
    /// ```
    #[must_use]
    pub fn with_pin(mut self, pin: MatchPin) -> Self {
        self.pin = Some(pin);
        self
    }

    /// With what a live resource takes.
    #[must_use]
    pub fn with_change(mut self, sent: Change) -> Self {
        self.sent = Some(sent);
        self
    }
}

/// Which resources a create may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every store must carry out every claim"
)]
pub enum MatchScope {
    /// Either.
    Both,
    /// Those that are there, and that no connection has made or adopted.
    Live,
    /// Those that were [retired](crate::DeletePolicy::Soft), and [deactivated](ExistingMatch::deactivated) ones.
    Retired,
}

/// An existing resource that a create takes, with the version that it had before.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Candidate {
    /// The identifier.
    pub id: ResourceId,
    /// The version. For a soft-deleted resource it is the version of the delete, or `0` if the store does not
    /// know it.
    pub version: Version,
}

impl Candidate {
    /// Creates a candidate from the id and version of a resource.
    #[must_use]
    pub fn new(id: ResourceId, version: Version) -> Self {
        Candidate { id, version }
    }
}

/// The result of a [check](crate::Intent::Check) of a create with a [`ExistingMatch`].
///
/// # Example
/// ```
/// use scimkit_core::Version;
/// use scimkit_store::{MatchPin, WriteOutcome, Written};
///
/// let checked = Written::versioned(WriteOutcome::Created, Version::new("7")?);
/// assert_eq!(checked.pin(), MatchPin::NoCandidate);
/// # Ok::<(), scimkit_core::InvalidVersion>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a claim takes a resource or none")]
pub enum MatchPin {
    /// The create would take this resource in this version.
    Candidate(Candidate),
    /// The create would make a new resource.
    NoCandidate,
}
