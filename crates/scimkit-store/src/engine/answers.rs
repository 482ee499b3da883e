//! The edges that the answers to a batch carry.

use std::{collections::BTreeSet, sync::Arc};

use scimkit_registry::{ResourceId, ResourceType};

use crate::{Batch, How, Intent, StoreError, Stored, Want, Written};

/// The edges that the answers to a batch carry.
///
/// A store reads them once the operations are applied and before others see them: in the same
/// transaction, under the tenant's lock. So they are the edges of the version that the answer names.
#[derive(Debug, Clone, Default)]
pub struct AnswerEdges {
    /// Whether each write is of that type.
    is_of_kind: Vec<bool>,
    kind: Option<Arc<ResourceType>>,
    want: Want,
}

impl AnswerEdges {
    /// Returns the edges that a batch needs.
    #[must_use]
    pub fn new(batch: &Batch) -> Self {
        let needs_any = !batch.want.edges.is_empty() && batch.intent == Intent::Commit;
        let first = batch.writes.first().filter(|_| needs_any);
        let kind = first.map(|write| Arc::clone(write.kind()));
        let is_of_kind = |kind: &Arc<ResourceType>| {
            let kinds = batch.writes.iter().map(|write| write.kind().name());
            kinds.map(|name| name == kind.name()).collect()
        };
        AnswerEdges {
            is_of_kind: kind.as_ref().map(is_of_kind).unwrap_or_default(),
            kind,
            want: batch.want.clone(),
        }
    }

    /// Reads the edges of each resource that is to carry them: that of the last answer about it, unless a
    /// delete follows in the batch, which may have changed it.
    ///
    /// # Errors
    /// The errors of `read`.
    pub fn add<E>(
        &self,
        answers: &mut [Result<Written, StoreError>],
        mut read: impl FnMut(&Arc<ResourceType>, &mut Stored, &Want) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(kind) = &self.kind else {
            return Ok(());
        };
        let mut later: BTreeSet<ResourceId> = BTreeSet::new();
        for (answer, is_of_kind) in answers.iter_mut().zip(&self.is_of_kind).rev() {
            let Ok(written) = answer else { continue };
            if written.how == How::Deleted {
                return Ok(());
            }
            let Some(stored) = &mut written.stored else {
                continue;
            };
            if later.insert(stored.id.clone()) && *is_of_kind {
                read(kind, stored, &self.want)?;
            }
        }
        Ok(())
    }
}
