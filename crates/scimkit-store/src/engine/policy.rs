//! What a write decides by.

use std::sync::Arc;

use scimkit_registry::{Change, Mapping, Registry, Resource, mapping::Occasion};

use crate::{Claim, Cycles, Deletes, Settings, StoreError, UnknownMembers};

/// What a write decides by: the part of the [`Settings`] that the engine knows.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Policy {
    /// What to do with a member that would make its group a member of itself.
    pub cycles: Cycles,
    /// What becomes of a resource that is deleted.
    pub deletes: Deletes,
    /// What lets the attributes of an adoption through.
    pub mapping: Option<Arc<Mapping>>,
    /// The resource types that memberships lead to.
    pub registry: Arc<Registry>,
    /// What to do with a member that does not exist.
    pub unknown_members: UnknownMembers,
}

impl Policy {
    /// The default policy with that registry.
    #[must_use]
    pub fn new(registry: Arc<Registry>) -> Self {
        Policy {
            cycles: Cycles::default(),
            deletes: Deletes::default(),
            mapping: None,
            registry,
            unknown_members: UnknownMembers::default(),
        }
    }

    /// The change by which a create adopts a live resource: what was sent, as the mapping lets it
    /// through for what is stored, so that nothing is removed that the mapping does not name.
    ///
    /// # Errors
    /// [`StoreError::Invalid`]: the mapping rejects it.
    pub fn adoption_change(
        &self,
        change: &Change,
        claim: &Claim,
        before: &Resource,
    ) -> Result<Change, StoreError> {
        let sent = claim.sent.as_ref().unwrap_or(change).clone();
        let mapping = self.mapping.as_ref();
        let Some(mapping) = mapping.and_then(|m| m.of(change.kind().name())) else {
            return Ok(sent);
        };
        let shaped = mapping.shape(sent, Occasion::Adopt(before));
        let shaped = shaped.map_err(|problem| StoreError::Invalid {
            detail: problem.to_string(),
        })?;
        Ok(shaped.change)
    }
}

impl From<&Settings> for Policy {
    fn from(settings: &Settings) -> Self {
        Policy {
            cycles: settings.cycles,
            deletes: settings.deletes,
            mapping: settings.mapping().cloned(),
            registry: Arc::clone(&settings.registry),
            unknown_members: settings.unknown_members,
        }
    }
}
