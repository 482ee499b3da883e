//! From a planned operation to a write, once what it refers to has an id.

use std::sync::Arc;

use scimkit_core::Error;
use scimkit_store::{Expect, StoreError, Write};
use serde_json::Value;

use super::{
    plan::{Act, Place, Target, Task, Unfit},
    references::{Body, resolve},
    run::Run,
};
use crate::{
    access::Level,
    edit::{Edit, check_edges},
    error::{Problem, lost},
    policy::Taken,
};

/// Where the outcome of an operation belongs.
#[derive(Clone)]
pub(super) struct Slot {
    pub(super) index: usize,
    /// The operation that makes the resource, where that is another one.
    pub(super) made_by: Option<usize>,
    /// The resource; none for one that this operation makes.
    pub(super) place: Option<Place>,
    /// The status of success.
    pub(super) status: u16,
}

/// A write that needs nothing read.
pub(super) struct Pending {
    pub(super) slot: Slot,
    pub(super) write: Write,
}

/// An operation that is read to its end.
pub(super) enum Ready {
    /// It must see the resource first.
    Edit {
        edit: Arc<Edit>,
        expect: Expect,
        place: Place,
        slot: Slot,
    },
    Write(Pending),
}

impl Run<'_> {
    /// Puts in the ids of what an operation refers to, and reads it to its end.
    pub(super) async fn ready(&mut self, index: usize) -> Result<Ready, (Slot, Problem)> {
        let mut slot = Slot {
            index,
            made_by: None,
            place: None,
            status: 200,
        };
        match self.take_task(index) {
            Ok(task) => {
                self.find(&mut slot, &task);
                self.read(slot.clone(), task)
                    .await
                    .map_err(|problem| (slot, problem))
            }
            Err(Unfit { place, problem }) => {
                slot.place = place;
                Err((slot, problem))
            }
        }
    }

    /// Notes the resource that is there before the operation.
    fn find(&self, slot: &mut Slot, task: &Task) {
        let (Act::Delete(target) | Act::Patch(target) | Act::Replace(target)) = &task.act else {
            return;
        };
        let id = match target {
            Target::MadeBy(index) => {
                slot.made_by = Some(*index);
                self.id(*index).cloned()
            }
            Target::There(id) => Some(id.clone()),
        };
        slot.place = id.map(|id| (Arc::clone(&task.kind), id));
    }

    async fn read(&self, mut slot: Slot, task: Task) -> Result<Ready, Problem> {
        if let Some(problem) = self.dangling(slot.index) {
            return Err(problem);
        }
        let Task {
            act,
            mut data,
            expect,
            kind,
        } = task;
        let writer = self.writer;
        // What is over is over for all operations that remain.
        writer.scope.budget.check().map_err(StoreError::from)?;
        writer.access.check(&kind, Level::Write)?;
        let expect = match (&act, expect) {
            (_, Some(expect)) => expect,
            (Act::Create, None) => Expect::Any,
            (_, None) => writer.unconditional()?,
        };
        self.put_ids_in(&act, &mut data)?;
        let made = || Some((Arc::clone(&kind), self.id(slot.index)?.clone()));
        let place = slot.place.clone().or_else(made).ok_or_else(lost)?;
        let id = place.1.clone();
        let edit = match act {
            Act::Create => {
                slot.status = 201;
                let change = writer.decode_create(&kind, data).await?;
                check_edges(&change, &writer.scope.settings.limits)?;
                let write = writer.creation(id, change).await?;
                return Ok(Ready::Write(Pending { slot, write }));
            }
            Act::Delete(_) => {
                slot.status = 204;
                let write = Write::Delete { expect, id, kind };
                return Ok(Ready::Write(Pending { slot, write }));
            }
            Act::Patch(_) => writer.decode_patch(&kind, data).await?,
            Act::Replace(_) => writer.decode_put(&kind, data).await?,
        };
        match writer.blind(&edit, &id).await? {
            Some(change) => {
                check_edges(&change, &writer.scope.settings.limits)?;
                let taken = &mut Taken::default();
                let change = writer.revised(&id, change, None, taken).await?;
                let write = Write::Update { change, expect, id };
                Ok(Ready::Write(Pending { slot, write }))
            }
            None => Ok(Ready::Edit {
                edit,
                expect,
                place,
                slot,
            }),
        }
    }

    fn put_ids_in(&self, act: &Act, data: &mut Value) -> Result<(), Error> {
        let body = match act {
            Act::Patch(_) => Body::Patch,
            _ => Body::Resource,
        };
        let mut too_early = None;
        resolve(data, body, &mut |name| {
            let index = *self.names.get(name)?;
            if self.must_be_there(index) {
                too_early = Some(index);
            }
            self.made(index)
        });
        match too_early {
            None => Ok(()),
            Some(index) => Err(self.conflict(index, "can't be referred to before it is made")),
        }
    }
}
