//! Deletes of one resource.

use std::sync::Arc;

use scimkit_registry::{ResourceId, ResourceType};
use scimkit_store::{ExpectedVersion, ReadOptions, WriteOp};

use crate::{
    error::HandlerError,
    write::{Conditions, check_barred},
    writer::Writer,
};

impl Writer<'_> {
    /// Deletes a resource. If there are guards, it deletes only the version that they saw, and tries again after a lost
    /// race, unless the client named a version.
    pub(crate) async fn delete(
        &self,
        kind: &Arc<ResourceType>,
        id: &ResourceId,
        conditions: &Conditions,
    ) -> Result<(), HandlerError> {
        let mut attempts = self.attempts();
        loop {
            match self.try_delete(kind, id, conditions).await {
                Err(problem) if conditions.may_retry(&problem) => attempts.next()?,
                done => return done,
            }
        }
    }

    async fn try_delete(
        &self,
        kind: &Arc<ResourceType>,
        id: &ResourceId,
        conditions: &Conditions,
    ) -> Result<(), HandlerError> {
        let mut expect = conditions.wanted.clone();
        let is_guarded = !self.hooks.guards.is_empty();
        if conditions.barred.is_some() || is_guarded {
            let want = ReadOptions::document();
            let before = self.before(kind, id, &want, &expect).await?;
            if let Some(barred) = &conditions.barred {
                check_barred(barred, &before)?;
            }
            if is_guarded {
                self.guard_delete(kind, &before).await?;
                expect = ExpectedVersion::OneOf(vec![before.version]);
            }
        }
        let delete = WriteOp::Delete {
            expect,
            id: id.clone(),
            kind: Arc::clone(kind),
        };
        self.write(delete, &ReadOptions::version()).await?;
        Ok(())
    }
}
