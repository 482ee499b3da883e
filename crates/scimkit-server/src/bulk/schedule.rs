//! The schedule of the operations of a bulk request: outcomes in, the next step out.
//!
//! The schedule reads, writes and awaits nothing. The driver requests a [`Step`], carries it out, and reports the
//! outcome; see `bulk.rs` for the rules of order and failure.

use std::collections::VecDeque;

use scimkit_store::OnFailure;

use super::{
    order::units,
    step::{Outcome, Prepared, Reason, Rules, Step},
};

/// The maximum number of writes in one batch: few enough that other requests don't wait for long.
const BATCH: usize = 250;

/// The operations of one bulk request, by their index.
#[derive(Debug)]
pub(super) struct Schedule {
    /// The step that has begun and is not completely reported yet.
    active: Active,
    /// The failures that the driver must still turn into results.
    failed: VecDeque<(usize, Reason)>,
    failures: u32,
    /// Whether a batch may contain operations that refer to pending ones. After a batch was cut short it may not,
    /// so that no write is sent to the store more than twice, however many operations fail.
    leaning: bool,
    /// The step that follows once nothing is pending.
    next: Option<Next>,
    /// The prepared writes that are not in a batch yet, in order.
    pending: VecDeque<usize>,
    rules: Rules,
    states: Vec<State>,
    units: VecDeque<Vec<usize>>,
    // INVARIANT: each is the index of an operation that creates a resource.
    waits_for: Vec<Vec<usize>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Open,
    Done,
    Failed,
}

#[derive(Debug)]
enum Active {
    Nothing,
    /// A single operation that is being prepared, or read and changed.
    One,
    /// The operations of a cycle that are still to be prepared, and those that are prepared.
    Preparing {
        count: usize,
        creates: Vec<usize>,
        left: VecDeque<usize>,
    },
    Batch {
        /// Whether one of the operations refers to another one in the batch or to a pending one.
        leans: bool,
        /// The number of failures before the batch.
        failures: u32,
        left: VecDeque<usize>,
        /// The operations that the store did not reach.
        repeat: Vec<usize>,
    },
    Circle {
        left: VecDeque<usize>,
    },
}

#[derive(Debug)]
enum Next {
    Circle(Vec<usize>),
    Edit(usize),
    Fail(usize, Reason),
    Prepare(usize),
    /// No specific step: the batch was full, or all units are used up.
    Unit,
}

impl Schedule {
    pub(super) fn new(waits_for: Vec<Vec<usize>>, rules: Rules) -> Self {
        Schedule {
            active: Active::Nothing,
            failed: VecDeque::new(),
            failures: 0,
            leaning: true,
            next: None,
            pending: VecDeque::new(),
            rules,
            states: vec![State::Open; waits_for.len()],
            units: units(&waits_for).into(),
            waits_for,
        }
    }

    /// Returns the next step, once all outcomes so far are reported.
    pub(super) fn next(&mut self) -> Step {
        loop {
            if let Some((index, reason)) = self.failed.pop_front() {
                return Step::Fail(index, reason);
            }
            if let Some(step) = self.of_circle() {
                return step;
            }
            if self.stopped() || !matches!(self.active, Active::Nothing) {
                return Step::Done;
            }
            let step = match self.next.take() {
                None => match self.units.pop_front() {
                    Some(unit) => self.unit(unit),
                    None if self.pending.is_empty() => return Step::Done,
                    None => {
                        self.flush_before(Next::Unit);
                        None
                    }
                },
                Some(next) => match self.batch() {
                    Some(step) => {
                        self.next = Some(next);
                        Some(step)
                    }
                    None if !self.failed.is_empty() => {
                        self.next = Some(next);
                        None
                    }
                    None => self.after_flush(next),
                },
            };
            if let Some(step) = step {
                return step;
            }
        }
    }

    /// Accepts the result of a [`Step::Prepare`].
    pub(super) fn prepared(&mut self, index: usize, prepared: Prepared) {
        if let Active::Preparing { creates, .. } = &mut self.active {
            match prepared {
                // One that must read is never carried out: an operation that refers to it fails, since its id is not
                // known before.
                Prepared::Write | Prepared::Edit => creates.push(index),
                Prepared::Invalid => self.fail(index, Reason::Invalid),
            }
            return;
        }
        self.active = Active::Nothing;
        match prepared {
            Prepared::Write => {
                self.pending.push_back(index);
                if self.pending.len() >= BATCH {
                    self.flush_before(Next::Unit);
                }
            }
            // It reads the writes of the preceding operations.
            Prepared::Edit => self.flush_before(Next::Edit(index)),
            Prepared::Invalid => self.reject(index, Reason::Invalid),
        }
    }

    /// Accepts the outcome of an operation, and returns whether it is final: an operation that the store did not
    /// reach may be tried again, or gets no result.
    pub(super) fn report(&mut self, index: usize, outcome: Outcome) -> bool {
        let stopped = self.stopped();
        match &mut self.active {
            Active::Nothing | Active::Preparing { .. } => return false,
            Active::One => self.active = Active::Nothing,
            Active::Circle { left } => {
                left.pop_front();
                if left.is_empty() {
                    self.active = Active::Nothing;
                }
            }
            Active::Batch {
                failures,
                leans,
                left,
                repeat,
            } => {
                left.pop_front();
                let is_last = left.is_empty();
                // Otherwise a store that stops without a failure would be called forever.
                let repeats = *leans && self.failures > *failures;
                let is_skipped = outcome == Outcome::NotRun && (repeats || (!*leans && stopped));
                if is_skipped && repeats {
                    repeat.push(index);
                }
                if is_last {
                    let repeat = std::mem::take(repeat);
                    self.active = Active::Nothing;
                    self.leaning &= repeat.is_empty();
                    repeat
                        .into_iter()
                        .rev()
                        .for_each(|n| self.pending.push_front(n));
                }
                if is_skipped {
                    return false;
                }
            }
        }
        match outcome {
            Outcome::Done => self.set(index, State::Done),
            Outcome::Failed | Outcome::NotRun => {
                self.set(index, State::Failed);
                self.failures = self.failures.saturating_add(1);
            }
        }
        true
    }

    pub(super) fn has_failed(&self, index: usize) -> bool {
        self.state(index) == State::Failed
    }

    /// Returns whether an operation creates a resource whose id is not known before the write.
    pub(super) fn is_unnamed(&self, index: usize) -> bool {
        self.rules.named_late.contains(&index) && self.state(index) == State::Open
    }

    /// Returns the next step of a cycle that is being prepared.
    fn of_circle(&mut self) -> Option<Step> {
        let Active::Preparing {
            count,
            creates,
            left,
        } = &mut self.active
        else {
            return None;
        };
        if let Some(index) = left.pop_front() {
            let Some(other) = self.not_created(index) else {
                return Some(Step::Prepare(index));
            };
            self.fail(index, Reason::NotCreated(other));
        } else {
            let is_whole = creates.len() == *count;
            let creates = std::mem::take(creates);
            if is_whole {
                let left = creates.iter().copied().collect();
                self.active = Active::Circle { left };
                return Some(Step::WriteCircle(creates));
            }
            self.active = Active::Nothing;
            let creates = creates.into_iter();
            creates.for_each(|index| self.fail(index, Reason::Circle));
        }
        self.failed.pop_front().map(|(n, why)| Step::Fail(n, why))
    }

    fn unit(&mut self, unit: Vec<usize>) -> Option<Step> {
        let [index] = unit.as_slice() else {
            self.flush_before(Next::Circle(unit));
            return None;
        };
        let index = *index;
        let waits_for = self.waits_for.get(index).into_iter().flatten();
        let unnamed = waits_for.copied().any(|other| self.is_unnamed(other));
        if unnamed || self.rules.in_turn {
            self.flush_before(Next::Prepare(index));
            return None;
        }
        self.prepare(index)
    }

    fn after_flush(&mut self, next: Next) -> Option<Step> {
        match next {
            Next::Circle(unit) => {
                self.active = Active::Preparing {
                    count: unit.len(),
                    creates: Vec::with_capacity(unit.len()),
                    left: unit.into(),
                };
                None
            }
            Next::Edit(index) => match self.not_created(index) {
                None => {
                    self.active = Active::One;
                    Some(Step::Edit(index))
                }
                Some(other) => {
                    self.fail(index, Reason::NotCreated(other));
                    None
                }
            },
            Next::Fail(index, reason) => {
                self.fail(index, reason);
                None
            }
            Next::Prepare(index) => self.prepare(index),
            Next::Unit => None,
        }
    }

    fn prepare(&mut self, index: usize) -> Option<Step> {
        if let Some(other) = self.not_created(index) {
            self.reject(index, Reason::NotCreated(other));
            return None;
        }
        self.active = Active::One;
        Some(Step::Prepare(index))
    }

    /// Fails an operation. If failures are limited, the preceding operations are carried out first.
    fn reject(&mut self, index: usize, reason: Reason) {
        match self.rules.limit {
            Some(_) => self.flush_before(Next::Fail(index, reason)),
            None => self.fail(index, reason),
        }
    }

    fn fail(&mut self, index: usize, reason: Reason) {
        self.set(index, State::Failed);
        self.failures = self.failures.saturating_add(1);
        self.failed.push_back((index, reason));
    }

    /// Schedules all pending operations before the next step.
    fn flush_before(&mut self, next: Next) {
        self.leaning = true;
        self.next = Some(next);
    }

    /// Returns the next batch of pending operations, or `None` if nothing is pending or the first operation can't
    /// be carried out.
    ///
    /// If one operation refers to another in the batch, the batch stops at the first failure, so that no write
    /// refers to a resource that does not exist.
    fn batch(&mut self) -> Option<Step> {
        let first = *self.pending.front()?;
        let is_sound = |index: &&usize| {
            self.not_created(**index).is_none() && (self.leaning || !self.leans(**index))
        };
        let count = self.pending.iter().take_while(is_sound).count();
        if count == 0 {
            let reason = self.not_created(first);
            self.pending.pop_front();
            self.fail(first, reason.map_or(Reason::Invalid, Reason::NotCreated));
            return None;
        }
        let operations: Vec<usize> = self.pending.drain(..count).collect();
        let leans = operations.iter().any(|index| self.leans(*index));
        let on_failure = match self.rules.limit {
            _ if leans => OnFailure::StopAfter(1),
            Some(limit) => OnFailure::StopAfter(limit.saturating_sub(self.failures)),
            None => OnFailure::Continue,
        };
        self.active = Active::Batch {
            failures: self.failures,
            leans,
            left: operations.iter().copied().collect(),
            repeat: Vec::new(),
        };
        Some(Step::Write {
            may_repeat: leans,
            on_failure,
            operations,
        })
    }

    /// Returns whether an operation refers to one that is not carried out yet.
    fn leans(&self, index: usize) -> bool {
        let mut others = self.waits_for.get(index).into_iter().flatten();
        others.any(|other| self.state(*other) == State::Open)
    }

    /// Returns the first failed operation among those whose resources this one refers to.
    fn not_created(&self, index: usize) -> Option<usize> {
        let mut others = self.waits_for.get(index)?.iter().copied();
        others.find(|other| self.has_failed(*other))
    }

    fn state(&self, index: usize) -> State {
        self.states.get(index).copied().unwrap_or(State::Open)
    }

    fn set(&mut self, index: usize, state: State) {
        if let Some(known) = self.states.get_mut(index) {
            *known = state;
        }
    }

    fn stopped(&self) -> bool {
        self.rules.limit.is_some_and(|limit| self.failures >= limit)
    }
}

#[cfg(test)]
mod tests;
