//! The counters of the live resources of a type, and of those that satisfy a predicate.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

use scimkit_registry::{Meter, Predicate, Resource, ResourceType, ResourceView};

use super::{
    decider::Decider,
    facts::{CountQuery, CounterRef, CounterRow},
    known::Known,
    operations::Operations,
    policy::Capacity,
    predicate_text,
    request::Request,
    role_policy::RolePolicy,
};
use crate::StoreError;

/// The number of a tenant's changes after which the use of a counter is recorded again.
const NOTED: u64 = 1_000;
/// The number of a tenant's changes after which an unused counter is removed.
const FORGOTTEN: u64 = 100_000;

impl CounterRef {
    /// Returns the counter of all live resources of a type.
    #[must_use]
    pub fn total(kind: &ResourceType) -> Self {
        CounterRef {
            kind: kind.name().into(),
            predicate: "".into(),
        }
    }

    /// Returns the counter of the live resources of a type that satisfy a predicate.
    ///
    /// Its key contains the bound predicate, so that all processes with that predicate share the counter, and processes
    /// without it can adjust the counter, too.
    pub(super) fn matching(kind: &ResourceType, predicate: &Predicate) -> Self {
        let text = match predicate {
            Predicate::All(terms) if terms.is_empty() => String::new(),
            _ => predicate_text::print(kind, predicate),
        };
        CounterRef {
            kind: kind.name().into(),
            predicate: text.into(),
        }
    }
}

/// Returns the counters that writes of a type need, with queries in case they are not stored: the counters of its
/// capacities, and the total if the store has counters.
pub(super) fn wanted<'r>(
    requests: &'r [Request],
    kind: &'r Arc<ResourceType>,
    known: &Known,
) -> impl Iterator<Item = (CounterRef, CountQuery)> {
    let capacities = requests.iter().flat_map(|r| &r.policy.capacities);
    let own = capacities.filter(|capacity| capacity.kind().name() == kind.name());
    let limited = own.map(|capacity| (capacity.counter().clone(), capacity.query()));
    let total = known.keeps_counters(kind.name()).then(|| {
        let query = CountQuery {
            kind: Arc::clone(kind),
            predicate: None,
        };
        (CounterRef::total(kind), query)
    });
    total.into_iter().chain(limited)
}

impl Capacity {
    fn query(&self) -> CountQuery {
        let counts_all = self.counter().predicate.is_empty();
        CountQuery {
            kind: Arc::clone(self.kind()),
            predicate: (!counts_all).then(|| self.predicate().clone()),
        }
    }
}

/// The counters of a decision, after the writes so far.
pub(super) struct Counters<'d>(Vec<Counter<'d>>);

/// The counts of counters after a write; none for a counter that the write can't adjust.
pub(super) type Moves = Vec<(usize, Option<u64>)>;

struct Counter<'d> {
    /// The count; none if this decision can't adjust it, so that the counter is removed.
    count: Option<u64>,
    counted: Counted<'d>,
    counter: &'d CounterRef,
    /// Whether the counter is stored.
    is_kept: bool,
    /// Whether a policy of the decision uses it.
    is_used: bool,
    /// The stored counter, unless it is new.
    stored: Option<&'d CounterRow>,
}

/// The condition for the resources that count.
enum Counted<'d> {
    All,
    Known(&'d Capacity),
    Read(Arc<ResourceType>, Predicate),
    /// A predicate on attributes that the schema of this process lacks or defines differently.
    Unreadable,
}

impl Counted<'_> {
    fn reads_documents(&self) -> bool {
        matches!(self, Counted::Known(_) | Counted::Read(..))
    }

    /// Returns whether a resource counts; none if this process can't decide it.
    fn has(
        &self,
        document: Option<&Resource>,
        meter: &Meter<'_>,
    ) -> Result<Option<bool>, StoreError> {
        let (kind, predicate) = match self {
            Counted::All => return Ok(Some(document.is_some())),
            Counted::Known(capacity) => (capacity.kind(), capacity.predicate()),
            Counted::Read(kind, predicate) => (kind, predicate),
            Counted::Unreadable => return Ok(None),
        };
        Ok(Some(match document {
            Some(document) => kind.matches(predicate, ResourceView::new(document), meter)?,
            None => false,
        }))
    }
}

impl<'d> Counters<'d> {
    pub(super) fn new(requests: &'d [Request], known: &'d Known) -> Self {
        let writes = requests.iter().flat_map(|request| &request.writes);
        let written = writes.map(|prepared| prepared.write.kind());
        let policies = requests.iter().filter_map(|r| r.policy.roles.as_deref());
        let written = written.chain(policies.map(RolePolicy::user));
        let kinds: BTreeMap<&str, &Arc<ResourceType>> =
            written.map(|kind| (kind.name(), kind)).collect();
        let capacities = || requests.iter().flat_map(|r| &r.policy.capacities);
        let stored = known.counters().map(|row| (&row.counter, Some(row)));
        let counted = known.counts().keys().map(|counter| (counter, None));
        let counter = |(counter, stored): (&'d CounterRef, Option<&'d CounterRow>)| {
            let capacity = capacities().find(|capacity| capacity.counter() == counter);
            let is_total = counter.predicate.is_empty();
            let counted = match (capacity, kinds.get(&*counter.kind)) {
                _ if is_total => Counted::All,
                (Some(capacity), _) => Counted::Known(capacity),
                (None, Some(kind)) => predicate_text::parse(kind, &counter.predicate)
                    .map_or(Counted::Unreadable, |predicate| {
                        Counted::Read(Arc::clone(kind), predicate)
                    }),
                (None, None) => Counted::Unreadable,
            };
            Counter {
                count: stored.map_or_else(
                    || known.counts().get(counter).copied(),
                    |row| Some(row.count),
                ),
                counted,
                counter,
                is_kept: known.keeps_counters(&counter.kind),
                is_used: is_total || capacity.is_some(),
                stored,
            }
        };
        Counters(stored.chain(counted).map(counter).collect())
    }

    /// Returns whether a counter of a type depends on the content of documents.
    pub(super) fn read_documents(&self, kind: &ResourceType) -> bool {
        self.of(kind)
            .any(|(_, counter)| counter.counted.reads_documents())
    }

    /// Returns the current counts, for a rollback.
    pub(super) fn mark(&self) -> Vec<Option<u64>> {
        self.0.iter().map(|counter| counter.count).collect()
    }

    pub(super) fn roll_back(&mut self, mark: Vec<Option<u64>>) {
        for (counter, count) in self.0.iter_mut().zip(mark) {
            counter.count = count;
        }
    }

    /// Returns the counters whose counts are not the earlier ones, with both counts.
    fn changed(&self, mark: &[Option<u64>]) -> impl Iterator<Item = (&CounterRef, u64, u64)> {
        let pairs = self.0.iter().zip(mark);
        pairs.filter_map(|(counter, before)| Some((counter.counter, (*before)?, counter.count?)))
    }

    pub(super) fn apply(&mut self, moves: Moves) {
        for (at, count) in moves {
            if let Some(counter) = self.0.get_mut(at) {
                counter.count = count;
            }
        }
    }

    /// Adds the counters to store or remove; `last` is the number of the last change.
    pub(super) fn add_operations(&self, operations: &mut Operations, last: u64) {
        for counter in self.0.iter().filter(|counter| counter.is_kept) {
            let unused = counter
                .stored
                .map_or(0, |row| last.saturating_sub(row.used));
            let is_forgotten = !counter.is_used && unused > FORGOTTEN;
            match counter.count.filter(|_| !is_forgotten) {
                None if counter.stored.is_some() => {
                    operations.removed_counters.push(counter.counter.clone());
                }
                None => {}
                Some(count) => {
                    let is_same = counter.stored.is_some_and(|row| row.count == count);
                    if is_same && (!counter.is_used || unused <= NOTED) {
                        continue;
                    }
                    let used = counter.stored.filter(|_| !counter.is_used);
                    operations.counters.push(CounterRow {
                        count,
                        counter: counter.counter.clone(),
                        used: used.map_or(last, |row| row.used),
                    });
                }
            }
        }
    }

    fn of(&self, kind: &ResourceType) -> impl Iterator<Item = (usize, &Counter<'d>)> {
        let counters = self.0.iter().enumerate();
        counters.filter(|(_, counter)| *counter.counter.kind == *kind.name())
    }
}

impl Decider<'_> {
    /// Returns the counts after a live resource is added, changed or removed, and checks them.
    ///
    /// # Errors
    /// - [`StoreError::CapacityExceeded`]: a count would exceed the maximum of a capacity.
    /// - [`StoreError::TooFewLeft`]: a count would fall below its minimum.
    pub(super) fn counted(
        &self,
        request: &Request,
        kind: &ResourceType,
        documents: (Option<&Resource>, Option<&Resource>),
    ) -> Result<Moves, StoreError> {
        let moves = self.moved(request, kind, documents)?;
        self.check_moves(request, &moves)?;
        Ok(moves)
    }

    /// Checks the counts after one resource is added, changed or removed.
    pub(super) fn check_moves(&self, request: &Request, moves: &Moves) -> Result<(), StoreError> {
        for (at, after) in moves {
            let counter = self.counters.0.get(*at);
            let counts = counter.and_then(|counter| Some((counter, counter.count?, (*after)?)));
            if let Some((counter, before, after)) = counts {
                check_count(request, counter.counter, (before, after))?;
            }
        }
        Ok(())
    }

    /// Checks the counts after all changes since these counts.
    pub(super) fn check_counts(
        &self,
        request: &Request,
        mark: &[Option<u64>],
    ) -> Result<(), StoreError> {
        for (counter, before, after) in self.counters.changed(mark) {
            check_count(request, counter, (before, after))?;
        }
        Ok(())
    }

    /// Returns the counts after a live resource is added, changed or removed.
    pub(super) fn moved(
        &self,
        request: &Request,
        kind: &ResourceType,
        (before, after): (Option<&Resource>, Option<&Resource>),
    ) -> Result<Moves, StoreError> {
        let meter = request.budget.meter();
        let mut moves = Moves::new();
        for (at, counter) in self.counters.of(kind) {
            let counted = &counter.counted;
            let counts = (counted.has(before, &meter)?, counted.has(after, &meter)?);
            let (Some(count), (Some(before), Some(after))) = (counter.count, counts) else {
                moves.push((at, None));
                continue;
            };
            match (before, after) {
                (false, true) => moves.push((at, Some(count.saturating_add(1)))),
                (true, false) => moves.push((at, Some(count.saturating_sub(1)))),
                _ => {}
            }
        }
        Ok(moves)
    }
}

/// Rejects a count that has become greater than a maximum in the policy of the batch, or smaller than a minimum.
fn check_count(
    request: &Request,
    counter: &CounterRef,
    (before, after): (u64, u64),
) -> Result<(), StoreError> {
    match after.cmp(&before) {
        Ordering::Equal => Ok(()),
        Ordering::Greater => check_limit(request, counter, after),
        Ordering::Less => check_least(request, counter, after),
    }
}

/// Rejects a count that exceeds a maximum in the policy of the batch.
fn check_limit(request: &Request, counter: &CounterRef, count: u64) -> Result<(), StoreError> {
    let mut limits = request.policy.capacities.iter();
    let own = limits.find(|one| count > one.limit && one.counter() == counter);
    match own {
        Some(Capacity { limit, name, .. }) => Err(StoreError::CapacityExceeded {
            limit: *limit,
            name: name.clone(),
        }),
        None => Ok(()),
    }
}

/// Rejects a count below a minimum in the policy of the batch.
fn check_least(request: &Request, counter: &CounterRef, count: u64) -> Result<(), StoreError> {
    let mut limits = request.policy.capacities.iter();
    let own = limits.find(|one| count < one.least && one.counter() == counter);
    match own {
        Some(Capacity { least, name, .. }) => Err(StoreError::TooFewLeft {
            least: *least,
            name: name.clone(),
        }),
        None => Ok(()),
    }
}
