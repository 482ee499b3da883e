//! Limits on the number of resources, and the counters behind them.

use std::{collections::BTreeMap, sync::Arc};

use scimkit_registry::{Resource, ResourceType, View};

use super::{
    Request,
    decide::Decider,
    facts::{CountQuery, CounterRef, CounterRow},
    policy::Capacity,
};
use crate::StoreError;

/// The capacities of all batches of a decision, by their counters.
pub(super) type Capacities<'r> = BTreeMap<CounterRef, &'r Capacity>;

/// The capacities of some batches: each write moves the counters of all of them.
pub(super) fn of_requests(requests: &[Request]) -> Capacities<'_> {
    let capacities = requests.iter().flat_map(|r| &r.policy.capacities);
    capacities.map(|one| (one.counter(), one)).collect()
}

impl Capacity {
    pub(super) fn query(&self) -> CountQuery {
        CountQuery {
            kind: Arc::clone(&self.kind),
            predicate: self.predicate.clone(),
        }
    }
}

/// The counters that a write moves, as they are after it.
pub(super) type Counted = Vec<(CounterRef, u64)>;

impl Decider<'_> {
    /// The counters that move when a live resource gets another document, or comes, or goes.
    ///
    /// # Errors
    /// [`StoreError::CapacityExceeded`].
    pub(super) fn counted(
        &self,
        request: &Request,
        kind: &ResourceType,
        (before, after): (Option<&Resource>, Option<&Resource>),
    ) -> Result<Counted, StoreError> {
        let mut counted = Counted::new();
        let of_kind = self.capacities.iter();
        for (counter, capacity) in of_kind.filter(|(counter, _)| *counter.kind == *kind.name()) {
            let meter = request.budget.meter();
            let counts = |document: Option<&Resource>| match document {
                Some(document) => {
                    let view = View::of(document);
                    capacity.kind.matches(&capacity.predicate, view, &meter)
                }
                None => Ok(false),
            };
            let count = self.counts.get(counter).copied().unwrap_or(0);
            match (counts(before)?, counts(after)?) {
                (false, true) => {
                    let count = count.saturating_add(1);
                    check(request, counter, count)?;
                    counted.push((counter.clone(), count));
                }
                (true, false) => counted.push((counter.clone(), count.saturating_sub(1))),
                _ => {}
            }
        }
        Ok(counted)
    }

    /// All counters, as they are after the decision.
    pub(super) fn counters(&self) -> Vec<CounterRow> {
        let counts = self.counts.iter();
        counts
            .map(|(counter, count)| CounterRow {
                count: *count,
                counter: counter.clone(),
            })
            .collect()
    }
}

/// Rejects one more than the policy of the batch allows.
fn check(request: &Request, counter: &CounterRef, count: u64) -> Result<(), StoreError> {
    let mut limits = request.policy.capacities.iter();
    let own = limits.find(|one| count > one.limit && one.counter() == *counter);
    match own {
        Some(Capacity { limit, name, .. }) => Err(StoreError::CapacityExceeded {
            limit: *limit,
            name: name.clone(),
        }),
        None => Ok(()),
    }
}
