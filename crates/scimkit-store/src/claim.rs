//! Creates that take a resource which is there.

use scimkit_registry::{Change, Exhausted, Meter, Predicate, ResourceType, View};

use crate::{ConnectionId, How};

/// A resource that a create takes instead of making another: see
/// [`CreatePolicy`](crate::CreatePolicy).
///
/// Which one it is, is decided inside the write. With one resource that satisfies `by` among those
/// that may be taken, the create becomes a write of that one, which keeps its id and `created`:
/// - a retired one is live again ([`How::Relinked`]), with the attributes and edges of the change
///   and no others
/// - a live one is the connection's from then on ([`How::Adopted`], or [`How::Relinked`] where it is
///   dormant and another's): what was sent is set, as [`Settings::adopting`](crate::Settings::adopting)
///   has it, and everything else stays
///
/// A live one is preferred; several live ones refuse the write with [`StoreError::Ambiguous`](crate::StoreError::Ambiguous). Of
/// several retired ones those count that satisfy the first of the [`terms`](Claim::terms) which
/// anybody satisfies, and of them the one that was retired last. With none, the create is as any other.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Claim {
    /// Which resources may be taken.
    pub among: Among,
    /// What the resource must satisfy, in terms of attributes that documents hold: no membership and
    /// nothing that is computed.
    pub by: Predicate,
    /// Live resources that satisfy this, too, may be taken by a claim among the
    /// [retired](Among::Retired), whatever connection has them: those that were switched off.
    pub dormant: Option<Predicate>,
    /// What the client sent, of which a live resource takes what is set; the change of the create
    /// where there is none. It lacks what was only filled in.
    pub sent: Option<Change>,
}

impl Claim {
    /// Claims one of those that satisfy the predicate.
    #[must_use]
    pub fn new(among: Among, by: Predicate) -> Self {
        Claim {
            among,
            by,
            dormant: None,
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
        document: View<'_>,
        meter: &Meter<'_>,
    ) -> Result<Option<How>, Exhausted> {
        let relinks = match &self.dormant {
            Some(dormant) if self.among != Among::Live => kind.matches(dormant, document, meter)?,
            _ => false,
        };
        Ok(match (self.among, connection) {
            (Among::Both | Among::Live, None) => Some(How::Adopted),
            _ => relinks.then_some(How::Relinked),
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
    pub fn or_dormant(mut self, dormant: Option<Predicate>) -> Self {
        self.dormant = dormant;
        self
    }

    /// With what a live resource takes.
    #[must_use]
    pub fn sending(mut self, sent: Change) -> Self {
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
pub enum Among {
    /// Either.
    Both,
    /// Those that are there, and that no connection has made or adopted.
    Live,
    /// Those that were [retired](crate::Deletes::Retire), and [dormant](Claim::dormant) ones.
    Retired,
}
