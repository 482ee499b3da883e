//! The existing resources that a create may adopt or restore.

use scimkit_core::Version;
use scimkit_registry::{
    Change, Exhausted, Meter, Predicate, ResourceId, ResourceType, ResourceView,
};

use crate::{ConnectionId, WriteOutcome};

/// The existing resource that a create adopts or restores instead of creating a new one: see
/// [`CreatePolicy`](crate::CreatePolicy).
///
/// The store looks for it inside the write. If a resource in the [`scope`](Self::scope) satisfies [`predicate`](Self::predicate), the
/// create becomes a write of that resource, which keeps its id and `created`:
/// - A soft-deleted resource is restored ([`WriteOutcome::Restored`]), with the attributes and edges of the change and
///   no others.
/// - A live resource gets the connection as its owner. If it has no owner and the scope has live resources, it is
///   adopted ([`WriteOutcome::Adopted`]), otherwise the outcome is [`WriteOutcome::Restored`]. The values that the
///   client sent are set, as far as the attribute mapping accepts them, and all others stay.
///
/// A live resource is preferred. If several live ones match, the write fails with
/// [`StoreError::Ambiguous`](crate::StoreError::Ambiguous). Of several soft-deleted ones, those count that satisfy the
/// first of the [`terms`](ExistingMatch::terms) that any of them satisfies, and of these the one that was deleted last.
/// If none matches, a new resource is created.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ExistingMatch {
    /// The resources among which the store looks for a match.
    pub scope: MatchScope,
    /// The condition for a match, on attributes that documents contain: it uses no membership and no computed
    /// attribute.
    pub predicate: Predicate,
    /// The condition for deactivated resources. Unless the scope is [`MatchScope::Adoptable`], a live resource that
    /// satisfies this and `predicate` may be taken over, whatever its owner.
    pub deactivated: Option<Predicate>,
    /// The result of an earlier [check](crate::Intent::Check): the create fails if it would now take another
    /// resource, another version of it, or none.
    pub pin: Option<MatchPin>,
    /// The values that the client sent, without added defaults, which are set in a live resource. Without it, that is
    /// the change of the create.
    pub sent: Option<Change>,
}

impl ExistingMatch {
    /// Creates a match for the resources in a scope that satisfy a predicate.
    #[must_use]
    pub fn new(scope: MatchScope, predicate: Predicate) -> Self {
        ExistingMatch {
            predicate,
            scope,
            deactivated: None,
            pin: None,
            sent: None,
        }
    }

    /// Returns the outcome of a create for a live resource that satisfies [`predicate`](Self::predicate) and is owned by
    /// `connection`; none if the create may not take it.
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
        let restores = match &self.deactivated {
            Some(deactivated) if self.scope != MatchScope::Adoptable => {
                kind.matches(deactivated, document, meter)?
            }
            _ => false,
        };
        Ok(match (self.scope, connection) {
            (MatchScope::Both | MatchScope::Adoptable, None) => Some(WriteOutcome::Adopted),
            _ => restores.then_some(WriteOutcome::Restored),
        })
    }

    /// Returns the alternatives of [`predicate`](Self::predicate), in the order in which they select among soft-deleted resources.
    #[must_use]
    pub fn terms(&self) -> &[Predicate] {
        match &self.predicate {
            Predicate::Any(terms) => terms,
            one => std::slice::from_ref(one),
        }
    }

    /// Sets the condition for deactivated resources.
    #[must_use]
    pub fn with_deactivated(mut self, deactivated: Option<Predicate>) -> Self {
        self.deactivated = deactivated;
        self
    }

    /// Requires that the create takes exactly the resource that an earlier check has found.
    ///
    /// If the create would take another resource than the check, or one where the check found none, or
    /// none where it found one, it fails with [`StoreError::OtherCandidate`](crate::StoreError::OtherCandidate);
    /// if it would take another version of the same resource, with
    /// [`StoreError::VersionMismatch`](crate::StoreError::VersionMismatch). Several live matches fail with
    /// [`StoreError::Ambiguous`](crate::StoreError::Ambiguous), as without a pin.
    ///
    /// # Example
    /// ```
    /// use scimkit_core::Version;
    /// use scimkit_registry::{Predicate, ResourceId};
    /// use scimkit_store::{MatchScope, Candidate, ExistingMatch, MatchPin};
    ///
    /// let found = Candidate::new(ResourceId::from("42"), Version::new("7")?);
    /// let pin = MatchPin::Candidate(found.clone());
    /// let existing_match = ExistingMatch::new(MatchScope::Adoptable, Predicate::Never).with_pin(pin);
    /// assert_eq!(existing_match.pin, Some(MatchPin::Candidate(found)));
    /// # Ok::<(), scimkit_core::InvalidVersion>(())
    /// ```
    #[must_use]
    pub fn with_pin(mut self, pin: MatchPin) -> Self {
        self.pin = Some(pin);
        self
    }

    /// Sets the values that are set in a live resource.
    #[must_use]
    pub fn with_change(mut self, sent: Change) -> Self {
        self.sent = Some(sent);
        self
    }
}

/// The resources among which a create may find a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every store must carry out every match"
)]
pub enum MatchScope {
    /// The resources of both other scopes.
    Both,
    /// Live resources without an owner.
    Adoptable,
    /// [Soft-deleted](crate::DeletePolicy::Soft) resources, and [deactivated](ExistingMatch::deactivated) ones.
    Restorable,
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

/// The result of a [check](crate::Intent::Check) of a create with an [`ExistingMatch`].
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
#[expect(clippy::exhaustive_enums, reason = "a match takes a resource or none")]
pub enum MatchPin {
    /// The create would take this resource in this version.
    Candidate(Candidate),
    /// The create would create a new resource.
    NoCandidate,
}
