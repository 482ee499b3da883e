//! Execution of the operations of a bulk request according to their schedule.

use std::{collections::HashMap, sync::Arc};

use scimkit_core::message::BulkResult;
use scimkit_registry::ResourceType;
use scimkit_store::{
    Batch, OnFailure, ReadOptions, StoreError, StoredResource, WriteOp, Written, location,
};

use super::{
    plan::{Act, InvalidOperation, Names, Plan, ResourceRef, Target, Task},
    prepared_operation::{Created, PreparedOperation, ready},
    reference_cycle,
    schedule::Schedule,
    step::{Outcome, Prepared, Reason, Rules, Step},
};
use crate::{
    error::{HandlerError, log_store_error, lost},
    write::Conditions,
    writer::Writer,
};

/// A run that carries out operations and collects their results.
pub(super) struct Run<'a> {
    created: Created,
    /// The number of failures after which no further operation is carried out.
    limit: Option<u32>,
    logged: bool,
    /// The errors of operations that can't be carried out.
    problems: HashMap<usize, HandlerError>,
    ready: HashMap<usize, PreparedOperation>,
    request_id: &'a str,
    results: Vec<Option<BulkResult>>,
    schedule: Schedule,
    slots: Vec<Slot>,
    /// The task of each operation, taken when the operation is prepared.
    tasks: Vec<Option<Task>>,
    writer: Writer<'a>,
}

/// The parts of an operation's result that do not depend on its outcome.
struct Slot {
    /// The HTTP status of success.
    status: u16,
    /// The resource; `None` for an operation that creates one.
    target: Option<(Arc<ResourceType>, Target)>,
}

/// The outcome of a write: the resource after it, if it still exists.
type Answer = Result<Option<StoredResource>, HandlerError>;

impl<'a> Run<'a> {
    pub(super) fn new(
        plan: Plan,
        names: Names,
        limit: Option<u32>,
        writer: Writer<'a>,
        request_id: &'a str,
    ) -> Self {
        let Plan { tasks, waits_for } = plan;
        let count = tasks.len();
        let late = |task: &Task| {
            let given = writer.store.support(&task.kind).caller_assigned_ids;
            matches!(task.act, Act::Create) && (!given || writer.takes_existing(&task.kind))
        };
        let all = tasks.iter().enumerate();
        let named_late = all.filter(|(_, task)| task.as_ref().is_ok_and(late));
        let rules = Rules {
            in_turn: writer.hooks.are_asked(),
            limit,
            named_late: named_late.map(|(index, _)| index).collect(),
        };
        let kind =
            |task: &Result<Task, InvalidOperation>| Some(Arc::clone(&task.as_ref().ok()?.kind));
        let created = Created {
            ids: (0..count).map(|_| writer.clock.new_id()).collect(),
            kinds: tasks.iter().map(kind).collect(),
            names,
        };
        let slots = tasks.iter().map(Slot::of).collect();
        let mut problems = HashMap::new();
        let tasks = tasks.into_iter().enumerate();
        let tasks = tasks.map(|(index, task)| match task {
            Ok(task) => Some(task),
            Err(InvalidOperation { problem, .. }) => {
                problems.insert(index, problem);
                None
            }
        });
        Run {
            created,
            limit,
            logged: false,
            tasks: tasks.collect(),
            problems,
            ready: HashMap::new(),
            request_id,
            results: vec![None; count],
            schedule: Schedule::new(waits_for, rules),
            slots,
            writer,
        }
    }

    /// Carries out the operations until enough have failed. An operation that was not carried out has no result.
    pub(super) async fn all(mut self) -> Vec<Option<BulkResult>> {
        loop {
            match self.schedule.next() {
                Step::Done => return self.results,
                Step::Prepare(index) => {
                    let prepared = self.prepare(index).await;
                    self.schedule.prepared(index, prepared);
                }
                Step::Edit(index) => {
                    let answer = self.edit(index).await;
                    self.report(index, answer);
                }
                Step::Write {
                    may_repeat,
                    on_failure,
                    operations,
                } => self.write_batch(operations, on_failure, may_repeat).await,
                Step::WriteCircle(operations) => self.write_circle(operations).await,
                Step::Fail(index, reason) => {
                    let problem = self.problem(index, reason);
                    self.settle(index, Err(problem));
                }
            }
        }
    }

    async fn prepare(&mut self, index: usize) -> Prepared {
        let known = self.resource(index).map(|resource| resource.id);
        let id = known.or_else(|| self.created.ids.get(index).cloned());
        let task = self.tasks.get_mut(index).and_then(Option::take);
        let (Some(id), Some(task)) = (id, task) else {
            return Prepared::Invalid;
        };
        let is_unnamed = |other| self.schedule.is_unnamed(other);
        let ready = ready(self.writer, &self.created, is_unnamed, (id, task)).await;
        let (prepared, ready) = match ready {
            Ok(ready) if ready.is_write() => (Prepared::Write, ready),
            Ok(ready) => (Prepared::Edit, ready),
            Err(problem) => {
                self.problems.insert(index, problem);
                return Prepared::Invalid;
            }
        };
        self.ready.insert(index, ready);
        prepared
    }

    async fn edit(&mut self, index: usize) -> Answer {
        let writer = self.writer;
        let conditions = |wanted| Conditions {
            barred: None,
            want: ReadOptions::document(),
            wanted,
        };
        match self.ready.remove(&index) {
            Some(PreparedOperation::Create { change, id }) => {
                let want = ReadOptions::document();
                Ok(Some(writer.create(id, change, &want).await?))
            }
            Some(PreparedOperation::Delete { expect, id, kind }) => {
                writer.delete(&kind, &id, &conditions(expect)).await?;
                Ok(None)
            }
            Some(PreparedOperation::Edit {
                edit,
                expect,
                id,
                kind,
            }) => {
                let conditions = conditions(expect);
                let updated = writer.update(&kind, &id, (&edit, &[]), &conditions);
                Ok(Some(updated.await?.stored))
            }
            Some(PreparedOperation::Write(_)) | None => Err(lost()),
        }
    }

    async fn write_batch(
        &mut self,
        operations: Vec<usize>,
        on_failure: OnFailure,
        may_repeat: bool,
    ) {
        let write = |index: &usize| {
            if may_repeat {
                match self.ready.get(index) {
                    Some(PreparedOperation::Write(write)) => Some((*index, write.clone())),
                    _ => None,
                }
            } else {
                Some((*index, self.take_write(*index)?))
            }
        };
        let (operations, writes): (Vec<_>, Vec<_>) = operations.iter().filter_map(write).unzip();
        let answers = self.write(writes, on_failure).await;
        for (index, answer) in operations.into_iter().zip(answers) {
            let answer = answer.map(|written| written.stored);
            self.report(index, answer.map_err(HandlerError::Store));
        }
    }

    async fn write_circle(&mut self, operations: Vec<usize>) {
        let mut creates = Vec::with_capacity(operations.len());
        for index in &operations {
            creates.extend(self.take_write(*index).map(|write| (*index, write)));
        }
        let (owners, writes): (Vec<_>, Vec<_>) =
            reference_cycle::writes(creates).into_iter().unzip();
        let answers = self.write(writes, OnFailure::RollBack).await;
        let mut answers = reference_cycle::outcomes(owners.into_iter().zip(answers));
        for index in operations {
            let answer = answers.remove(&index);
            let answer = answer.unwrap_or_else(|| Err(reference_cycle::not_all_made()));
            self.report(index, answer);
        }
    }

    fn take_write(&mut self, index: usize) -> Option<WriteOp> {
        match self.ready.remove(&index) {
            Some(PreparedOperation::Write(write)) => Some(write),
            _ => None,
        }
    }

    /// Returns the store's results. A missing result counts as a failure of the store. If a batch fails as a whole,
    /// each of its writes fails, up to the number of failures that the request allows.
    async fn write(
        &self,
        writes: Vec<WriteOp>,
        rule: OnFailure,
    ) -> impl Iterator<Item = Result<Written, StoreError>> + use<> {
        let count = writes.len();
        let allowed = match (rule, self.limit) {
            (OnFailure::StopAfter(allowed), Some(_)) => usize::try_from(allowed).unwrap_or(count),
            _ => count,
        };
        let batch = Batch::new(self.writer.clock.now(), writes).with_on_failure(rule);
        let answers = self.writer.submit(batch).await.unwrap_or_else(|problem| {
            let failed = (0..count).map(|n| {
                if n < allowed {
                    Err(problem.clone())
                } else {
                    Err(StoreError::Skipped)
                }
            });
            failed.collect()
        });
        let none = || {
            Err(StoreError::backend(
                "the store returned no result for a write",
            ))
        };
        answers.into_iter().chain(std::iter::repeat_with(none))
    }

    /// Reports the outcome of an operation to the schedule, and records the result if it is final.
    fn report(&mut self, index: usize, answer: Answer) {
        let outcome = match &answer {
            Ok(_) => Outcome::Done,
            Err(HandlerError::Store(StoreError::Skipped)) => Outcome::NotRun,
            Err(_) => Outcome::Failed,
        };
        if self.schedule.report(index, outcome) {
            self.ready.remove(&index);
            self.settle(index, answer);
        }
    }

    fn settle(&mut self, index: usize, answer: Answer) {
        let status = self.slots.get(index).map_or(200, |slot| slot.status);
        let mut result = BulkResult::new(status);
        let mut resource = self.resource(index);
        match answer {
            Ok(Some(stored)) => {
                if let Some(known) = self.created.ids.get_mut(index) {
                    *known = stored.id.clone();
                }
                result.version = Some(stored.version);
                let kind = self.created.kinds.get(index).cloned().flatten();
                resource = kind.map(|kind| ResourceRef {
                    kind,
                    id: stored.id,
                });
            }
            Ok(None) => {}
            Err(problem) => {
                self.log(&problem);
                let error = problem.message(self.request_id);
                result.status = error.status;
                result.response = Some(error);
            }
        }
        let settings = &self.writer.context.settings;
        result.location = resource.map(|ResourceRef { kind, id }| location(settings, &kind, &id));
        if let Some(slot) = self.results.get_mut(index) {
            *slot = Some(result);
        }
    }

    /// Returns the resource before an operation, as far as it is known.
    fn resource(&self, index: usize) -> Option<ResourceRef> {
        let (kind, target) = self.slots.get(index)?.target.as_ref()?;
        let id = match target {
            Target::MadeBy(other) if self.schedule.has_failed(*other) => None,
            Target::MadeBy(other) => self.created.ids.get(*other),
            Target::There(id) => Some(id),
        };
        Some(ResourceRef {
            kind: Arc::clone(kind),
            id: id?.clone(),
        })
    }

    /// Returns the reason why an operation is not carried out.
    fn problem(&mut self, index: usize, reason: Reason) -> HandlerError {
        match reason {
            Reason::Circle => reference_cycle::not_all_made(),
            Reason::Invalid => self.problems.remove(&index).unwrap_or_else(lost),
            Reason::NotCreated(other) => {
                let what = "was not created: see the error of its own operation";
                self.created.conflict(other, what).into()
            }
        }
    }

    /// Logs the first failure of the store itself; later failures have the same cause.
    fn log(&mut self, problem: &HandlerError) {
        if let HandlerError::Store(error) = problem
            && !self.logged
        {
            self.logged = log_store_error(error, self.request_id);
        }
    }
}

impl Slot {
    fn of(task: &Result<Task, InvalidOperation>) -> Self {
        let target = |resource: &ResourceRef| {
            (
                Arc::clone(&resource.kind),
                Target::There(resource.id.clone()),
            )
        };
        let (status, target) = match task {
            Err(invalid) => (200, invalid.resource.as_ref().map(target)),
            Ok(Task { act, kind, .. }) => match act {
                Act::Create => (201, None),
                Act::Delete(target) => (204, Some((Arc::clone(kind), target.clone()))),
                Act::Patch(target) | Act::Replace(target) => {
                    (200, Some((Arc::clone(kind), target.clone())))
                }
            },
        };
        Slot { status, target }
    }
}
