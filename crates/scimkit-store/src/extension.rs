//! One write at a time, as sugar over a batch.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use scimkit_registry::{Change, ResourceId, ResourceType};

use crate::{
    Batch, BoxFuture, ExpectedVersion, RequestContext, Store, StoreError, WriteOp, Written,
};

/// Single creates, updates and deletes: each is a [`Batch`] of one write with the [cause](RequestContext::cause) of the scope.
pub trait StoreExt: Store {
    /// Makes a resource.
    ///
    /// # Errors
    /// As [`Store::write`].
    fn create<'a>(
        &'a self,
        context: &'a RequestContext,
        at: DateTime<Utc>,
        id: ResourceId,
        change: Change,
    ) -> BoxFuture<'a, Result<Written, StoreError>> {
        self.write_one(
            context,
            at,
            WriteOp::Create {
                change,
                existing_match: None,
                id,
            },
        )
    }

    /// Takes a resource away.
    ///
    /// # Errors
    /// As [`Store::write`].
    fn delete<'a>(
        &'a self,
        context: &'a RequestContext,
        at: DateTime<Utc>,
        (kind, id): (Arc<ResourceType>, ResourceId),
        expect: ExpectedVersion,
    ) -> BoxFuture<'a, Result<Written, StoreError>> {
        self.write_one(context, at, WriteOp::Delete { expect, id, kind })
    }

    /// Changes a resource.
    ///
    /// # Errors
    /// As [`Store::write`].
    fn update<'a>(
        &'a self,
        context: &'a RequestContext,
        at: DateTime<Utc>,
        id: ResourceId,
        change: Change,
        expect: ExpectedVersion,
    ) -> BoxFuture<'a, Result<Written, StoreError>> {
        self.write_one(context, at, WriteOp::Update { change, expect, id })
    }

    /// Carries out one write.
    ///
    /// # Errors
    /// As [`Store::write`]; [`StoreError::Backend`] when the store gives no answer.
    fn write_one<'a>(
        &'a self,
        context: &'a RequestContext,
        at: DateTime<Utc>,
        write: WriteOp,
    ) -> BoxFuture<'a, Result<Written, StoreError>> {
        Box::pin(async move {
            let batch = Batch::new(at, vec![write]).with_cause(context.cause.clone());
            let answers = self.write(context, batch).await?;
            let none = || Err(StoreError::backend("the store gave no answer to a write"));
            answers.into_iter().next().unwrap_or_else(none)
        })
    }
}

impl<S: Store + ?Sized> StoreExt for S {}
