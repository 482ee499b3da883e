//! Preparation of a planned operation, once the resources that it refers to have ids.

use std::sync::Arc;

use scimkit_core::{ErrorResponse, excerpt};
use scimkit_registry::{Change, ResourceId, ResourceType};
use scimkit_store::{ExpectedVersion, StoreError, WriteOp};
use serde_json::Value;

use super::{
    plan::{Act, Names, Task},
    references::{Body, Made, resolve},
};
use crate::{
    access::AccessLevel,
    edit::{Edit, check_edges},
    error::HandlerError,
    policy::HandledSecrets,
    writer::Writer,
};

/// A decoded operation.
pub(super) enum PreparedOperation {
    /// A create that the guards check together with the resource that it may adopt or restore.
    Create {
        change: Change,
        id: ResourceId,
    },
    /// A delete that the guards check.
    Delete {
        expect: ExpectedVersion,
        id: ResourceId,
        kind: Arc<ResourceType>,
    },
    /// An operation that must read the resource first.
    Edit {
        edit: Arc<Edit>,
        expect: ExpectedVersion,
        id: ResourceId,
        kind: Arc<ResourceType>,
    },
    Write(WriteOp),
}

impl PreparedOperation {
    /// Returns whether the operation can be written without reading.
    pub(super) fn is_write(&self) -> bool {
        matches!(self, PreparedOperation::Write(_))
    }
}

/// The resources that operations create, as far as they are known.
pub(super) struct Created {
    /// The id of each operation's resource: the server's own proposal until the store responds.
    pub(super) ids: Vec<ResourceId>,
    /// The types of the resources that the operations concern.
    pub(super) kinds: Vec<Option<Arc<ResourceType>>>,
    pub(super) names: Names,
}

impl Created {
    fn made(&self, index: usize) -> Option<Made> {
        let kind = self.kinds.get(index)?.as_ref()?;
        Some(Made {
            endpoint: kind.endpoint().to_owned(),
            id: self.ids.get(index)?.to_string(),
        })
    }

    /// Returns the 409 for a reference that can't be resolved.
    pub(super) fn conflict(&self, referred_to: usize, what: &str) -> ErrorResponse {
        let mut names = self.names.iter();
        let name = names.find(|(_, index)| **index == referred_to);
        let name = name.map_or_else(String::new, |(name, _)| excerpt(name));
        ErrorResponse::new(409, format!("`bulkId:{name}` {what}"))
    }

    /// Replaces the references in a body by resource ids.
    ///
    /// # Errors
    /// 409 for a reference to a resource that has no id yet, according to `is_unnamed`.
    fn put_ids_in(
        &self,
        body: Body,
        data: &mut Value,
        is_unnamed: impl Fn(usize) -> bool,
    ) -> Result<(), ErrorResponse> {
        let mut too_early = None;
        resolve(data, body, &mut |name| {
            let index = *self.names.get(name)?;
            if is_unnamed(index) {
                too_early = Some(index);
            }
            self.made(index)
        });
        match too_early {
            None => Ok(()),
            Some(index) => Err(self.conflict(
                index,
                "refers to a resource without an id yet: use its id in a later request",
            )),
        }
    }
}

/// Decodes an operation on the resource `id`.
///
/// # Errors
/// The operation is invalid; 409 for a reference to a resource that has no id yet.
pub(super) async fn ready(
    writer: Writer<'_>,
    created: &Created,
    is_unnamed: impl Fn(usize) -> bool,
    (id, task): (ResourceId, Task),
) -> Result<PreparedOperation, HandlerError> {
    let Task {
        act,
        mut data,
        expect,
        kind,
    } = task;
    // A spent budget fails all remaining operations.
    writer.context.budget.check().map_err(StoreError::from)?;
    writer.access.check(&kind, AccessLevel::Write)?;
    let expect = match (&act, expect) {
        (_, Some(expect)) => expect,
        (Act::Create, None) => ExpectedVersion::Any,
        (_, None) => writer.unconditional()?,
    };
    let body = match act {
        Act::Patch(_) => Body::Patch,
        _ => Body::Resource,
    };
    created.put_ids_in(body, &mut data, is_unnamed)?;
    let limits = &writer.context.settings.limits;
    let is_guarded = !writer.hooks.guards.is_empty();
    let edit = match act {
        Act::Create => {
            let change = writer.decode_create(&kind, data).await?;
            check_edges(&change, limits)?;
            if is_guarded && writer.takes_existing(&kind) {
                return Ok(PreparedOperation::Create { change, id });
            }
            let taken = &mut HandledSecrets::default();
            let creation = writer.creation(id, change, taken).await?;
            return Ok(PreparedOperation::Write(creation));
        }
        Act::Delete(_) if is_guarded => {
            return Ok(PreparedOperation::Delete { expect, id, kind });
        }
        Act::Delete(_) => {
            return Ok(PreparedOperation::Write(WriteOp::Delete {
                expect,
                id,
                kind,
            }));
        }
        Act::Patch(_) => writer.decode_patch(&kind, data).await?,
        Act::Replace(_) => writer.decode_put(&kind, data).await?,
    };
    let change = if is_guarded {
        None
    } else {
        writer.blind(&edit, &id).await?
    };
    match change {
        Some(change) => {
            check_edges(&change, limits)?;
            let taken = &mut HandledSecrets::default();
            let change = writer.revised(change, None).await?;
            let change = writer.without_secrets(change, &id, taken).await?;
            Ok(PreparedOperation::Write(WriteOp::Update {
                change,
                expect,
                id,
            }))
        }
        None => Ok(PreparedOperation::Edit {
            edit,
            expect,
            id,
            kind,
        }),
    }
}
