//! Carrying the operations of a bulk request out.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use scimkit_core::{Error, excerpt, message::BulkResult};
use scimkit_registry::{ResourceId, ResourceType};
use scimkit_store::{Batch, Expect, OnFailure, StoreError, Stored, Write, Written, location};

use super::{
    plan::{Act, Names, Place, Plan, Task, Unfit},
    ready::{Pending, Ready, Slot},
    references::Made,
};
use crate::{
    clock::{new_id, now},
    edit::Edit,
    error::{Problem, log_store_error, lost},
    write::Conditions,
    writer::Writer,
};

/// Writes that go to the store together, at most: few enough that others need not wait for long.
const TOGETHER: usize = 250;

/// Carries out operations, and keeps what came of them.
pub(super) struct Run<'a> {
    failures: u32,
    /// Of the resources that are made: ours until the store has given its word.
    ids: Vec<ResourceId>,
    /// The types of the resources that the operations are about, as far as they are known.
    kinds: Vec<Option<Arc<ResourceType>>>,
    /// After how many failures no further operation is performed.
    limit: Option<u32>,
    logged: bool,
    /// The operations whose resources have no id that is known before they are there.
    named_late: HashSet<usize>,
    pub(super) names: Names,
    pending: VecDeque<Pending>,
    plan: Plan,
    request_id: &'a str,
    results: Vec<Option<BulkResult>>,
    pub(super) writer: Writer<'a>,
}

/// What came of a write: the resource that there is now, if there is one.
type Outcome = Result<Option<Stored>, Problem>;

impl<'a> Run<'a> {
    pub(super) fn new(
        plan: Plan,
        names: Names,
        limit: Option<u32>,
        writer: Writer<'a>,
        request_id: &'a str,
    ) -> Self {
        let count = plan.tasks.len();
        let late = |task: &Task| {
            let given = writer.store.support(&task.kind).given_ids;
            matches!(task.act, Act::Create) && (!given || writer.claims(&task.kind))
        };
        let kind = |task: &Option<Result<Task, Unfit>>| {
            let task = task.as_ref()?.as_ref().ok()?;
            Some(Arc::clone(&task.kind))
        };
        let kinds = plan.tasks.iter().map(kind).collect();
        let tasks = plan.tasks.iter().enumerate();
        let late = tasks.filter(|(_, task)| matches!(task, Some(Ok(task)) if late(task)));
        Run {
            failures: 0,
            ids: (0..count).map(|_| new_id()).collect(),
            kinds,
            limit,
            logged: false,
            named_late: late.map(|(index, _)| index).collect(),
            names,
            pending: VecDeque::new(),
            plan,
            request_id,
            results: vec![None; count],
            writer,
        }
    }

    /// Carries the operations out until enough have failed; one that was not performed has no
    /// result.
    pub(super) async fn all(mut self) -> Vec<Option<BulkResult>> {
        for unit in self.plan.units() {
            match unit.as_slice() {
                [index] => self.one(*index).await,
                circle => self.circle(circle).await,
            }
            if self.stopped() {
                break;
            }
        }
        self.flush().await;
        self.results
    }

    async fn one(&mut self, index: usize) {
        let waits_for = self.plan.waits_for.get(index).into_iter().flatten();
        let late = waits_for.copied().any(|other| self.must_be_there(other));
        // Whoever is asked about a write sees those before it, and is asked about none that is not to
        // be carried out.
        if late || self.writer.hooks.are_asked() {
            self.flush().await;
            if self.stopped() {
                return;
            }
        }
        match self.ready(index).await {
            Ok(Ready::Write(pending)) => {
                self.pending.push_back(pending);
                if self.pending.len() >= TOGETHER {
                    self.flush().await;
                }
            }
            Ok(Ready::Edit {
                edit,
                expect,
                place,
                slot,
            }) => {
                // It reads what those before it wrote.
                self.flush().await;
                if !self.stopped() {
                    let outcome = self.edit(slot.index, &edit, expect, &place).await;
                    self.settle(slot, outcome);
                }
            }
            Err((slot, problem)) => {
                // Where failures are counted, those before it come first.
                if self.limit.is_some() {
                    self.flush().await;
                }
                if !self.stopped() {
                    self.settle(slot, Err(problem));
                }
            }
        }
    }

    async fn edit(
        &self,
        index: usize,
        edit: &Arc<Edit>,
        wanted: Expect,
        (kind, id): &Place,
    ) -> Outcome {
        if let Some(problem) = self.dangling(index) {
            return Err(problem);
        }
        let barred = None;
        let conditions = Conditions { barred, wanted };
        let updated = self.writer.update(kind, id, edit, &conditions).await?;
        Ok(Some(updated.stored))
    }

    /// Creates that refer to each other: all of them or none.
    async fn circle(&mut self, circle: &[usize]) {
        self.flush().await;
        if self.stopped() {
            return;
        }
        let mut creates = Vec::new();
        for index in circle {
            match self.ready(*index).await {
                Ok(Ready::Write(pending)) => creates.push(pending),
                Ok(Ready::Edit { slot, .. }) => self.settle(slot, Err(lost())),
                Err((slot, problem)) => self.settle(slot, Err(problem)),
            }
        }
        if creates.len() == circle.len() {
            return self.create_together(creates).await;
        }
        for Pending { slot, .. } in creates {
            self.settle(slot, Err(not_all_made()));
        }
    }

    /// Makes the resources of a circle, each with those edges whose targets are there by then, and
    /// adds the other edges when all are there.
    async fn create_together(&mut self, creates: Vec<Pending>) {
        let (mut slots, mut writes, mut updates) = (Vec::new(), Vec::new(), Vec::new());
        let ids = creates.iter().map(|create| create.slot.index);
        let mut to_come: HashSet<_> = ids.filter_map(|index| self.id(index).cloned()).collect();
        for Pending { slot, write } in creates {
            let Write::Create {
                mut change,
                claim,
                id,
            } = write
            else {
                continue;
            };
            to_come.remove(&id);
            let later = change.split_edges(|target| to_come.contains(target));
            if !later.is_empty() {
                let (id, expect) = (id.clone(), Expect::Any);
                let change = later;
                updates.push((slots.len(), Write::Update { change, expect, id }));
            }
            writes.push((slots.len(), Write::Create { change, claim, id }));
            slots.push(slot);
        }
        let (owners, writes): (Vec<_>, Vec<_>) = writes.into_iter().chain(updates).unzip();
        let answers = self.write(writes, OnFailure::Undo).await;
        let mut outcomes: Vec<Option<Outcome>> = slots.iter().map(|_| None).collect();
        for (owner, answer) in owners.into_iter().zip(answers) {
            let last = match answer {
                Err(StoreError::NotRun) => continue,
                Err(StoreError::Cycle { attr, .. }) => Err(closes(&attr)),
                answer => outcome(answer),
            };
            if let Some(slot) = outcomes.get_mut(owner) {
                *slot = Some(last);
            }
        }
        for (slot, outcome) in slots.into_iter().zip(outcomes) {
            self.settle(slot, outcome.unwrap_or_else(|| Err(not_all_made())));
        }
    }

    /// Carries out what is pending.
    async fn flush(&mut self) {
        // Once a batch was cut short, references wait for what they lead to: no write is handed over
        // more than twice, however many fail.
        let mut leaning = true;
        while !self.stopped() && !self.pending.is_empty() {
            let sound = |pending: &&Pending| {
                self.dangling(pending.slot.index).is_none() && (leaning || !self.leans(pending))
            };
            let count = self.pending.iter().take_while(sound).count();
            if count > 0 {
                let pending = self.pending.len();
                self.write_first(count).await;
                leaning &= self.pending.len() + count == pending;
            } else if let Some(Pending { slot, .. }) = self.pending.pop_front() {
                let problem = self.dangling(slot.index).unwrap_or_else(lost);
                self.settle(slot, Err(problem));
            }
        }
    }

    /// Whether it refers to what is not settled yet, and pending before it.
    fn leans(&self, pending: &Pending) -> bool {
        let waits_for = self.plan.waits_for.get(pending.slot.index);
        let mut others = waits_for.into_iter().flatten();
        others.any(|other| self.result(*other).is_none())
    }

    /// Carries out the first of those that are pending, in one batch.
    ///
    /// Where one refers to another in it, the batch ends with the first failure, so that nothing is
    /// written that refers to what is not there; the rest stays pending.
    async fn write_first(&mut self, count: usize) {
        let batch: Vec<Pending> = self.pending.drain(..count).collect();
        let leans = batch.iter().any(|pending| self.leans(pending));
        let rule = match self.limit {
            _ if leans => OnFailure::StopAfter(1),
            Some(limit) => OnFailure::StopAfter(limit.saturating_sub(self.failures)),
            None => OnFailure::Continue,
        };
        let kept = match leans {
            true => batch
                .iter()
                .map(|pending| Some(pending.write.clone()))
                .collect(),
            false => vec![None; count],
        };
        let (slots, writes): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|p| (p.slot, p.write)).unzip();
        let answers = self.write(writes, rule).await;
        let failures = self.failures;
        let mut rest = Vec::new();
        for ((slot, kept), answer) in slots.into_iter().zip(kept).zip(answers) {
            match (answer, kept) {
                // A store that stops before anything failed would be asked for ever.
                (Err(StoreError::NotRun), Some(write)) if self.failures > failures => {
                    rest.push(Pending { slot, write });
                }
                (Err(StoreError::NotRun), None) if self.stopped() => {}
                (answer, _) => self.settle(slot, outcome(answer)),
            }
        }
        for pending in rest.into_iter().rev() {
            self.pending.push_front(pending);
        }
    }

    /// Returns the store's answers. One that it leaves out is its failure, and a batch that failed as a
    /// whole answers each of its writes, up to the failures that the request allows.
    async fn write(
        &self,
        writes: Vec<Write>,
        rule: OnFailure,
    ) -> impl Iterator<Item = Result<Written, StoreError>> + use<> {
        let count = writes.len();
        let allowed = match (rule, self.limit) {
            (OnFailure::StopAfter(allowed), Some(_)) => usize::try_from(allowed).unwrap_or(count),
            _ => count,
        };
        let batch = Batch::new(now(), writes).on_failure(rule);
        let answers = self.writer.submit(batch).await.unwrap_or_else(|problem| {
            let failed = (0..count).map(|n| match n < allowed {
                true => Err(problem.clone()),
                false => Err(StoreError::NotRun),
            });
            failed.collect()
        });
        let none = || Err(StoreError::backend("the store gave no answer to a write"));
        answers.into_iter().chain(std::iter::repeat_with(none))
    }

    fn settle(&mut self, slot: Slot, outcome: Outcome) {
        let Slot {
            index,
            made_by,
            mut place,
            status,
        } = slot;
        if made_by.is_some_and(|other| self.failed(other)) {
            place = None;
        }
        let mut result = BulkResult::new(status);
        match outcome {
            Ok(Some(stored)) => {
                if let Some(known) = self.ids.get_mut(index) {
                    *known = stored.id.clone();
                }
                result.version = Some(stored.version);
                place = Some((stored.kind, stored.id));
            }
            Ok(None) => {}
            Err(problem) => {
                self.failures += 1;
                self.log(&problem);
                let error = problem.message(self.request_id);
                result.status = error.status;
                result.response = Some(error);
            }
        }
        let settings = &self.writer.scope.settings;
        result.location = place.map(|(kind, id)| location(settings, &kind, &id));
        if let Some(slot) = self.results.get_mut(index) {
            *slot = Some(result);
        }
    }

    /// The first failure of the store itself belongs into the log; those behind it are the same.
    fn log(&mut self, problem: &Problem) {
        if let Problem::Store(error) = problem
            && !self.logged
        {
            self.logged = log_store_error(error, self.request_id);
        }
    }

    pub(super) fn take_task(&mut self, index: usize) -> Result<Task, Unfit> {
        let task = self.plan.tasks.get_mut(index).and_then(Option::take);
        task.unwrap_or_else(|| {
            let (place, problem) = (None, lost());
            Err(Unfit { place, problem })
        })
    }

    /// The id of what an operation makes.
    pub(super) fn id(&self, index: usize) -> Option<&ResourceId> {
        self.ids.get(index)
    }

    /// What an operation makes, as far as it is known.
    pub(super) fn made(&self, index: usize) -> Option<Made> {
        let kind = self.kinds.get(index)?.as_ref()?;
        Some(Made {
            endpoint: kind.endpoint().to_owned(),
            id: self.id(index)?.to_string(),
        })
    }

    pub(super) fn failed(&self, index: usize) -> bool {
        self.result(index)
            .is_some_and(|result| result.response.is_some())
    }

    /// Whether the id of what an operation makes is not known before it is there.
    pub(super) fn must_be_there(&self, index: usize) -> bool {
        self.named_late.contains(&index) && self.result(index).is_none()
    }

    /// Why an operation can't be carried out that refers to what was not made.
    pub(super) fn dangling(&self, index: usize) -> Option<Problem> {
        let mut waits_for = self.plan.waits_for.get(index)?.iter();
        let failed = waits_for.find(|other| self.failed(**other))?;
        let problem = self.conflict(*failed, "was not made: its own operation says why");
        Some(problem.into())
    }

    /// 409 over a reference.
    pub(super) fn conflict(&self, referred_to: usize, what: &str) -> Error {
        let mut names = self.names.iter();
        let name = names.find(|(_, index)| **index == referred_to);
        let name = name.map_or_else(String::new, |(name, _)| excerpt(name));
        Error::new(409, format!("`bulkId:{name}` {what}"))
    }

    fn result(&self, index: usize) -> Option<&BulkResult> {
        self.results.get(index)?.as_ref()
    }

    fn stopped(&self) -> bool {
        self.limit.is_some_and(|limit| self.failures >= limit)
    }
}

fn outcome(answer: Result<Written, StoreError>) -> Outcome {
    Ok(answer?.stored)
}

/// 409, as the RFC has it for a circle that can't be resolved.
fn closes(attr: &str) -> Problem {
    let detail = format!(
        "`{attr}`: operations that refer to each other would make a resource a member of itself"
    );
    Error::new(409, detail).into()
}

fn not_all_made() -> Problem {
    let detail = "of operations that refer to each other in a circle, another one failed";
    Error::new(409, detail).into()
}
