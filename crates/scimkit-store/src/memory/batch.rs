//! Carries out the writes of a batch in slices.

use std::{iter::Peekable, vec};

use chrono::{DateTime, Utc};

use super::{rows::TenantRows, tenant::Tenant, walk::SLICE};
use crate::{
    Batch, Cause, Intent, OnFailure, ReadOptions, RequestContext, StoreError, WriteOp, Written,
    engine::{self, BatchAnswer, Decision, WriteRequest},
};

/// The units of work beyond which a slice runs on another thread: a few milliseconds.
const LONG: u64 = 4 * SLICE;

/// Returns whether all writes must be in one slice: all of them succeed or fail together, or the batch is only checked.
fn is_whole(on_failure: OnFailure, intent: Intent) -> bool {
    on_failure == OnFailure::RollBack || intent == Intent::Check
}

/// A batch that is being carried out.
pub(super) struct Writing {
    answers: Vec<Result<Written, StoreError>>,
    at: DateTime<Utc>,
    cause: Cause,
    /// The reason why nothing of the batch was written.
    failed: Option<StoreError>,
    failures: u32,
    intent: Intent,
    is_long: bool,
    on_failure: OnFailure,
    /// The writes, with the approximate units of each.
    rest: Peekable<vec::IntoIter<(WriteOp, u64)>>,
    want: ReadOptions,
}

impl Writing {
    /// Prepares a batch, with the approximate units of each write for the current resources.
    pub(super) fn new(tenant: &Tenant, context: &RequestContext, batch: Batch) -> Self {
        let with_weight = |write| {
            let weight = tenant.weight(context, &write);
            (write, weight)
        };
        let writes: Vec<_> = batch.writes.into_iter().map(with_weight).collect();
        let weights = writes.iter().map(|(_, weight)| *weight);
        let longest = if is_whole(batch.on_failure, batch.intent) {
            weights.fold(0, u64::saturating_add)
        } else {
            weights.max().unwrap_or(0)
        };
        Writing {
            answers: Vec::with_capacity(writes.len()),
            at: batch.at,
            cause: batch.cause,
            failed: None,
            failures: 0,
            intent: batch.intent,
            is_long: longest > LONG,
            on_failure: batch.on_failure,
            rest: writes.into_iter().peekable(),
            want: batch.read_options,
        }
    }

    /// Carries out the next writes under the batch's [`OnFailure`], and returns whether they were the last ones.
    pub(super) fn slice(&mut self, tenant: &mut Tenant, context: &RequestContext) -> bool {
        let writes = self.next_writes();
        let count = writes.len();
        if self.on_failure.stops(self.failures) {
            let skipped = writes.into_iter().map(|_| Err(StoreError::Skipped));
            self.answers.extend(skipped);
        } else {
            let rule = match self.on_failure {
                OnFailure::StopAfter(limit) => {
                    OnFailure::StopAfter(limit.saturating_sub(self.failures))
                }
                rule => rule,
            };
            let mut batch = Batch::new(self.at, writes)
                .with_cause(self.cause.clone())
                .with_on_failure(rule);
            batch.intent = self.intent;
            batch.read_options = self.want.clone();
            let answers = match tenant.write(context, batch) {
                Ok(answers) => answers,
                Err(problem) => return self.fail(count, problem),
            };
            let failures = answers.iter().filter(|answer| answer.is_err()).count();
            let failures = u32::try_from(failures).unwrap_or(u32::MAX);
            self.failures = self.failures.saturating_add(failures);
            self.answers.extend(answers);
        }
        self.rest.peek().is_none()
    }

    /// Returns the writes of the next slice: all of them if they must be in one slice, otherwise as many as the units
    /// of a slice allow.
    fn next_writes(&mut self) -> Vec<WriteOp> {
        let (mut writes, mut units) = (Vec::new(), 0_u64);
        let is_whole = is_whole(self.on_failure, self.intent);
        while units < SLICE || is_whole {
            let Some((write, weight)) = self.rest.next() else {
                break;
            };
            units = units.saturating_add(weight);
            writes.push(write);
        }
        writes
    }

    /// Returns whether one of its slices would block other tasks.
    pub(super) fn is_long(&self) -> bool {
        self.is_long
    }

    /// Ends the batch after a slice of `count` writes that failed as a whole.
    fn fail(&mut self, count: usize, problem: StoreError) -> bool {
        if self.answers.is_empty() {
            self.failed = Some(problem)
        } else {
            // The slices before it are written already.
            let rest = count.saturating_add(self.rest.by_ref().count());
            let failed = std::iter::repeat_with(|| Err(problem.clone()));
            self.answers.extend(failed.take(rest));
        }
        true
    }

    pub(super) fn take_answers(&mut self) -> BatchAnswer {
        match self.failed.take() {
            Some(problem) => Err(problem),
            None => Ok(std::mem::take(&mut self.answers)),
        }
    }
}

impl Tenant {
    /// Writes a batch that the engine decides.
    fn write(&mut self, context: &RequestContext, batch: Batch) -> BatchAnswer {
        self.check_complete()?;
        for write in &batch.writes {
            self.keep_up_with(write);
        }
        let mut decision = Decision::new(WriteRequest::in_context(context, batch));
        let mut rows = TenantRows {
            context,
            tenant: self,
        };
        let mut answers = engine::write_blocking(&mut rows, &mut decision)?;
        answers.pop().unwrap_or_else(|| Ok(Vec::new()))
    }

    /// Rebuilds the lookup keys of a type if its schema has changed.
    fn keep_up_with(&mut self, write: &WriteOp) {
        let kind = write.kind();
        self.table(kind);
        if self.deleted.contains_key(kind.name()) {
            self.deleted_of(kind);
        }
    }
}
