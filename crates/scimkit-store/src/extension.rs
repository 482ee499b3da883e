//! Convenience methods for single writes.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use scimkit_registry::{Change, ResourceId, ResourceType};

use crate::{
    Batch, BoxFuture, ExpectedVersion, RequestContext, Store, StoreError, WriteOp, Written,
};

/// Creates, updates and deletes single resources: each call is a [`Batch`] of one write, with the
/// [cause](RequestContext::cause) of the scope.
pub trait StoreExt: Store {
    /// Creates a resource.
    ///
    /// # Errors
    /// As for [`StoreExt::write_one`].
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

    /// Deletes a resource.
    ///
    /// # Errors
    /// As for [`StoreExt::write_one`].
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
    /// As for [`StoreExt::write_one`].
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
    /// The errors of the batch and of the write, as for [`Store::write`]; [`StoreError::Backend`] if the store returns
    /// no result.
    fn write_one<'a>(
        &'a self,
        context: &'a RequestContext,
        at: DateTime<Utc>,
        write: WriteOp,
    ) -> BoxFuture<'a, Result<Written, StoreError>> {
        Box::pin(async move {
            let batch = Batch::new(at, vec![write]).with_cause(context.cause.clone());
            let answers = self.write(context, batch).await?;
            let none = || {
                Err(StoreError::backend(
                    "the store returned no result for a write",
                ))
            };
            answers.into_iter().next().unwrap_or_else(none)
        })
    }
}

impl<S: Store + ?Sized> StoreExt for S {}
