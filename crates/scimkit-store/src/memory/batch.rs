//! The writes of a batch, in slices.

use std::vec;

use chrono::{DateTime, Utc};

use super::{tenant::Tenant, undo::Before, walk::SLICE};
use crate::{Batch, OnFailure, Scope, StoreError, Write, Written};

/// A batch that is being carried out.
pub(super) struct Writing {
    answers: Vec<Result<Written, StoreError>>,
    at: DateTime<Utc>,
    failures: u32,
    on_failure: OnFailure,
    rest: vec::IntoIter<Write>,
    /// What there was before each write, while all may have to be undone.
    undo: Vec<Before>,
}

impl Writing {
    pub(super) fn new(batch: Batch) -> Self {
        Writing {
            answers: Vec::with_capacity(batch.writes.len()),
            at: batch.at,
            failures: 0,
            on_failure: batch.on_failure,
            rest: batch.writes.into_iter(),
            undo: Vec::new(),
        }
    }

    /// Carries out some writes in order, under the batch's rule for those that fail; tells whether
    /// that were all.
    ///
    /// What may have to be undone is carried out at once: as long as the lock is held nobody sees it.
    pub(super) fn slice(&mut self, tenant: &mut Tenant, scope: &Scope) -> bool {
        let begun = scope.budget.spent();
        let undoes = self.on_failure == OnFailure::Undo;
        for write in self.rest.by_ref() {
            if undoes {
                self.undo.push(tenant.before(scope, &write));
            }
            let answer = match self.on_failure.stops(self.failures) {
                true => Err(StoreError::NotRun),
                false => tenant.write(scope, self.at, write),
            };
            self.failures += u32::from(answer.is_err());
            self.answers.push(answer);
            if !undoes && scope.budget.spent().saturating_sub(begun) >= SLICE {
                return false;
            }
        }
        if undoes && self.failures > 0 {
            for before in std::mem::take(&mut self.undo).into_iter().rev() {
                tenant.restore(before);
            }
            let done = self.answers.iter_mut().filter(|answer| answer.is_ok());
            done.for_each(|answer| *answer = Err(StoreError::NotRun));
        }
        true
    }

    pub(super) fn answers(self) -> Vec<Result<Written, StoreError>> {
        self.answers
    }
}
