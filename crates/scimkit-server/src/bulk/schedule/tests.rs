//! Tests of the schedule with random requests and a store that fails at random, without any I/O.

use std::collections::HashSet;

use proptest::{collection::vec, prelude::*};
use scimkit_registry::Budget;
use scimkit_store::OnFailure;

use super::{
    super::{
        order::units,
        step::{Outcome, Prepared, Reason, Rules, Step},
    },
    Schedule,
};

/// An operation of a random request.
#[derive(Debug, Clone)]
struct Operation {
    creates: bool,
    /// Whether the store rejects the operation.
    fails: bool,
    named_late: bool,
    prepared: Prepared,
    /// The operations that it refers to, as far as they create a resource.
    refers_to: Vec<usize>,
}

#[derive(Debug, Clone)]
struct Request {
    /// The number of preparations that the budget allows.
    budget: u64,
    in_turn: bool,
    limit: Option<u32>,
    operations: Vec<Operation>,
    units: Vec<Vec<usize>>,
    waits_for: Vec<Vec<usize>>,
}

/// The record of a run.
#[derive(Debug, Default)]
struct Log {
    /// The operations in the order of their results, and whether each succeeded.
    answered: Vec<(usize, bool)>,
    /// The operations that the store or an edit carried out, in order.
    carried_out: Vec<usize>,
    /// The number of times that each operation was sent to the store.
    handed_over: Vec<usize>,
}

impl Request {
    fn rules(&self) -> Rules {
        let all = self.operations.iter().enumerate();
        let late = all.filter(|(_, operation)| operation.creates && operation.named_late);
        Rules {
            in_turn: self.in_turn,
            limit: self.limit,
            named_late: late.map(|(index, _)| index).collect(),
        }
    }

    /// Runs the schedule with a store that behaves as the operations specify.
    fn run(&self) -> Log {
        let mut schedule = Schedule::new(self.waits_for.clone(), self.rules());
        let count = self.operations.len();
        let mut log = Log {
            handed_over: vec![0; count],
            ..Log::default()
        };
        let budget = Budget::new(self.budget);
        // Each operation is prepared, failed or edited once, and sent to the store at most twice.
        for _ in 0..4 * count + 2 {
            match schedule.next() {
                Step::Done => return log,
                Step::Prepare(index) => {
                    self.check_prepared(index, &log);
                    let prepared = match budget.charge(1) {
                        Ok(()) => self.operations[index].prepared,
                        Err(_) => Prepared::Invalid,
                    };
                    schedule.prepared(index, prepared);
                }
                Step::Edit(index) => {
                    self.carry_out(&mut schedule, &mut log, &[index], OnFailure::Continue)
                }
                Step::Write {
                    may_repeat,
                    on_failure,
                    operations,
                } => {
                    assert!((1..=super::BATCH).contains(&operations.len()));
                    let before = log.carried_out.len();
                    self.carry_out(&mut schedule, &mut log, &operations, on_failure);
                    let all = log.carried_out.len() - before == operations.len();
                    assert!(all || may_repeat || self.limit.is_some());
                }
                Step::WriteCircle(operations) => {
                    assert!(operations.len() > 1 && self.units.contains(&operations));
                    self.carry_out(&mut schedule, &mut log, &operations, OnFailure::RollBack);
                }
                Step::Fail(index, reason) => {
                    if let Reason::NotCreated(other) = reason {
                        assert!(log.answered.contains(&(other, false)));
                        assert!(self.waits_for[index].contains(&other));
                    }
                    log.answered.push((index, false));
                }
            }
        }
        panic!("the schedule does not end: {log:?}");
    }

    /// Checks that the required operations have results before an operation is prepared.
    fn check_prepared(&self, index: usize, log: &Log) {
        let answered: HashSet<_> = log.answered.iter().map(|(index, _)| *index).collect();
        let units = &self.units;
        let position = units.iter().position(|unit| unit.contains(&index)).unwrap();
        if self.in_turn {
            let mut before = units[..position].iter().flatten();
            assert!(before.all(|other| answered.contains(other)));
        }
        for other in &self.waits_for[index] {
            let is_late = self.operations[*other].named_late;
            let is_together = units[position].contains(other);
            assert!(!is_late || is_together || answered.contains(other));
        }
    }

    fn carry_out(
        &self,
        schedule: &mut Schedule,
        log: &mut Log,
        operations: &[usize],
        on_failure: OnFailure,
    ) {
        let mut failures = 0;
        let undone = on_failure == OnFailure::RollBack
            && operations.iter().any(|index| self.operations[*index].fails);
        for index in operations {
            log.handed_over[*index] += 1;
            let fails = self.operations[*index].fails;
            let outcome = match on_failure.stops(failures) {
                true => Outcome::NotRun,
                false if undone || fails => Outcome::Failed,
                false => Outcome::Done,
            };
            if outcome != Outcome::NotRun {
                self.check_references(*index, operations, log);
                log.carried_out.push(*index);
            }
            failures += u32::from(outcome == Outcome::Failed);
            if schedule.report(*index, outcome) {
                log.answered.push((*index, outcome == Outcome::Done));
            }
        }
    }

    /// Checks that the targets of an operation exist when it is carried out, or are created together with it.
    fn check_references(&self, index: usize, together: &[usize], log: &Log) {
        let circle = self
            .units
            .iter()
            .find(|unit| unit.contains(&index))
            .unwrap();
        for other in &self.waits_for[index] {
            let is_together = circle.contains(other) && together == circle.as_slice();
            assert!(
                is_together || log.answered.contains(&(*other, true)),
                "{index} before {other}"
            );
        }
    }
}

fn waits_for(operations: &[Operation]) -> Vec<Vec<usize>> {
    let creates = |other: &usize| operations.get(*other).is_some_and(|o| o.creates);
    let own = |(index, operation): (usize, &Operation)| {
        let mut others: Vec<_> = operation
            .refers_to
            .iter()
            .copied()
            .filter(creates)
            .collect();
        others.sort_unstable();
        others.dedup();
        others.retain(|other| *other != index);
        others
    };
    operations.iter().enumerate().map(own).collect()
}

fn operation(count: usize) -> impl Strategy<Value = Operation> {
    let prepared = prop_oneof![
        6 => Just(Prepared::Write),
        2 => Just(Prepared::Edit),
        1 => Just(Prepared::Invalid),
    ];
    let rarely = || prop::bool::weighted(0.15);
    let parts = (
        any::<bool>(),
        rarely(),
        rarely(),
        prepared,
        vec(0..count, 0..3),
    );
    parts.prop_map(
        |(creates, fails, named_late, prepared, refers_to)| Operation {
            creates,
            fails,
            named_late,
            // A create reads nothing.
            prepared: match prepared {
                Prepared::Edit if creates => Prepared::Write,
                other => other,
            },
            refers_to,
        },
    )
}

fn request() -> impl Strategy<Value = Request> {
    let operations = prop_oneof![24 => 1..16_usize, 1 => 250..260_usize]
        .prop_flat_map(|count| vec(operation(count), count));
    let budget = prop_oneof![4 => Just(u64::MAX), 1 => 0..20_u64];
    let limit = prop::option::of(1..4_u32);
    let parts = (budget, prop::bool::weighted(0.2), limit, operations);
    parts.prop_map(|(budget, in_turn, limit, operations)| {
        let waits_for = waits_for(&operations);
        Request {
            budget,
            in_turn,
            limit,
            units: units(&waits_for),
            operations,
            waits_for,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn operations_are_carried_out_once_and_after_what_they_refer_to(request in request()) {
        // References are checked while each operation is carried out.
        let log = request.run();
        let distinct: HashSet<_> = log.carried_out.iter().collect();
        prop_assert_eq!(distinct.len(), log.carried_out.len());
        prop_assert!(log.handed_over.iter().all(|times| *times <= 2));
        let answered: HashSet<_> = log.answered.iter().map(|(index, _)| *index).collect();
        prop_assert_eq!(answered.len(), log.answered.len());
        prop_assert!(log.carried_out.iter().all(|index| answered.contains(index)));
    }

    #[test]
    fn every_operation_is_answered_unless_enough_have_failed(request in request()) {
        let log = request.run();
        let failures = log.answered.iter().filter(|(_, done)| !done).count();
        let is_stopped = request.limit.is_some_and(|limit| failures >= limit as usize);
        prop_assert!(is_stopped || log.answered.len() == request.operations.len());
        if let Some(limit) = request.limit {
            let largest = request.units.iter().map(Vec::len).max().unwrap_or(0);
            prop_assert!(failures < limit as usize + largest);
        }
    }

    #[test]
    fn circles_stand_or_fall_together(request in request()) {
        let log = request.run();
        for circle in &request.units {
            let done = |index: &usize| log.answered.contains(&(*index, true));
            prop_assert!(circle.iter().all(done) || !circle.iter().any(done));
        }
    }

    #[test]
    fn a_budget_is_one_for_all_operations(request in request()) {
        let log = request.run();
        let paid = usize::try_from(request.budget).unwrap_or(usize::MAX);
        prop_assert!(log.carried_out.len() <= paid);
    }

    #[test]
    fn operations_keep_the_order_in_which_they_come(request in request()) {
        let place = |index: &usize| request.units.iter().flatten().position(|other| other == index);
        let log = request.run();
        prop_assert!(log.carried_out.iter().map(place).is_sorted());
    }
}

#[test]
fn a_circle_that_can_not_be_prepared_is_not_written() {
    let rules = Rules::default();
    let mut schedule = Schedule::new(vec![vec![1], vec![0]], rules);
    assert_eq!(schedule.next(), Step::Prepare(0));
    schedule.prepared(0, Prepared::Write);
    assert_eq!(schedule.next(), Step::Prepare(1));
    schedule.prepared(1, Prepared::Invalid);
    assert_eq!(schedule.next(), Step::Fail(1, Reason::Invalid));
    assert_eq!(schedule.next(), Step::Fail(0, Reason::Circle));
    assert_eq!(schedule.next(), Step::Done);
}

#[test]
fn what_the_store_did_not_come_to_is_handed_over_again() {
    // Operation 1 refers to 0, and 2 refers to none.
    let mut schedule = Schedule::new(vec![vec![], vec![0], vec![]], Rules::default());
    for index in 0..3 {
        assert_eq!(schedule.next(), Step::Prepare(index));
        schedule.prepared(index, Prepared::Write);
    }
    let write = |may_repeat, on_failure, operations: &[usize]| Step::Write {
        may_repeat,
        on_failure,
        operations: operations.to_vec(),
    };
    let all = write(true, OnFailure::StopAfter(1), &[0, 1, 2]);
    assert_eq!(schedule.next(), all);
    assert!(schedule.report(0, Outcome::Failed));
    assert!(!schedule.report(1, Outcome::NotRun));
    assert!(!schedule.report(2, Outcome::NotRun));
    assert_eq!(schedule.next(), Step::Fail(1, Reason::NotCreated(0)));
    assert_eq!(schedule.next(), write(false, OnFailure::Continue, &[2]));
    assert!(schedule.report(2, Outcome::Done));
    assert_eq!(schedule.next(), Step::Done);
}

#[test]
fn a_store_that_does_nothing_is_not_asked_for_ever() {
    let mut schedule = Schedule::new(vec![vec![], vec![0]], Rules::default());
    for index in 0..2 {
        assert_eq!(schedule.next(), Step::Prepare(index));
        schedule.prepared(index, Prepared::Write);
    }
    assert!(matches!(schedule.next(), Step::Write { .. }));
    assert!(schedule.report(0, Outcome::NotRun));
    assert!(!schedule.report(1, Outcome::NotRun));
    assert_eq!(schedule.next(), Step::Fail(1, Reason::NotCreated(0)));
    assert_eq!(schedule.next(), Step::Done);
}
