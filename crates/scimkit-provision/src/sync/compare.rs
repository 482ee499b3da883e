//! The comparison of two plans, and whether test mode may end.

use std::{cmp::Ordering, iter::Peekable};

use chrono::TimeDelta;
use serde::Serialize;

use super::step::{MemberChange, Step, StepKey};

/// The number of lines in which two plans differ. A line is a user, a group, or one membership.
///
/// # Example
/// ```
/// use scimkit_provision::sync::{Plan, PlanComparison};
///
/// let comparison = PlanComparison::new(&Plan::default().steps, &Plan::default().steps);
/// assert_eq!(comparison.differences(), 0);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PlanComparison {
    /// The lines that both have, with different content.
    pub changed: u64,
    /// The lines that only the first plan has.
    pub only_first: u64,
    /// The lines that only the second plan has.
    pub only_second: u64,
    /// The lines that both have.
    pub same: u64,
}

/// A line of a plan.
#[derive(Debug)]
struct Line<'s> {
    digest: [u8; 32],
    key: &'s StepKey,
    member: Option<&'s MemberChange>,
}

impl Line<'_> {
    /// Compares what the lines are about. Parts of long memberships don't matter.
    fn order(&self, other: &Line<'_>) -> Ordering {
        let subject = self.key.subject.cmp(&other.key.subject);
        let source = subject.then_with(|| self.key.source.cmp(&other.key.source));
        source.then_with(|| self.member.map(person).cmp(&other.member.map(person)))
    }
}

/// Whether a member is removed, and its id.
fn person(change: &MemberChange) -> (bool, &str) {
    match change {
        MemberChange::Add { user, .. } => (false, user.as_str()),
        MemberChange::Remove(id) => (true, id.as_str()),
    }
}

fn lines<'s>(steps: impl Iterator<Item = &'s Step>) -> impl Iterator<Item = Line<'s>> {
    steps.flat_map(|step| {
        let members = step.members.iter().map(move |member| Line {
            digest: [0; 32],
            key: &step.key,
            member: Some(member),
        });
        let own = step.members.is_empty().then(|| Line {
            digest: step.digest(),
            key: &step.key,
            member: None,
        });
        own.into_iter().chain(members)
    })
}

impl PlanComparison {
    /// Compares the steps of two plans, which are in the order of their keys.
    pub fn new<'s>(
        first: impl IntoIterator<Item = &'s Step>,
        second: impl IntoIterator<Item = &'s Step>,
    ) -> Self {
        let mut comparison = PlanComparison::default();
        let mut first = lines(first.into_iter()).peekable();
        let mut second = lines(second.into_iter()).peekable();
        while let Some(order) = next(&mut first, &mut second) {
            let before = if order.is_le() { first.next() } else { None };
            let after = if order.is_ge() { second.next() } else { None };
            match (before, after) {
                (Some(before), Some(after)) if before.digest == after.digest => {
                    comparison.same += 1;
                }
                (Some(_), Some(_)) => comparison.changed += 1,
                (Some(_), None) => comparison.only_first += 1,
                (None, Some(_)) => comparison.only_second += 1,
                (None, None) => break,
            }
        }
        comparison
    }

    /// Returns the number of lines in which the plans differ.
    #[must_use]
    pub fn differences(&self) -> u64 {
        self.changed + self.only_first + self.only_second
    }

    /// Whether test mode may end without being forced: the plans differ in at most 10 lines, or 1 % of the lines of the
    /// longer plan, and the times are sufficient.
    ///
    /// # Example
    /// ```
    /// use scimkit_provision::{chrono::TimeDelta, sync::{PlanComparison, SettleTimes}};
    ///
    /// let same = PlanComparison::default();
    /// let mut times = SettleTimes::new(TimeDelta::minutes(15), TimeDelta::minutes(45));
    /// assert!(same.is_settled(&times));
    /// times.quiet_for = TimeDelta::minutes(44);
    /// assert!(!same.is_settled(&times));
    /// ```
    #[must_use]
    pub fn is_settled(&self, times: &SettleTimes) -> bool {
        let both = self.same + self.changed;
        let longer = both + self.only_first.max(self.only_second);
        let most = (longer / 100).max(10);
        let is_apart = times.apart >= times.interval;
        let is_quiet = times.quiet_for >= times.quiet;
        self.differences() <= most && is_apart && is_quiet
    }
}

fn next<'s>(
    first: &mut Peekable<impl Iterator<Item = Line<'s>>>,
    second: &mut Peekable<impl Iterator<Item = Line<'s>>>,
) -> Option<Ordering> {
    match (first.peek(), second.peek()) {
        (None, None) => None,
        (Some(_), None) => Some(Ordering::Less),
        (None, Some(_)) => Some(Ordering::Greater),
        (Some(first), Some(second)) => Some(first.order(second)),
    }
}

/// The times by which the plans of a tenant are settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SettleTimes {
    /// The time between the two plans.
    pub apart: TimeDelta,
    /// The minimum time between them: that between two runs.
    pub interval: TimeDelta,
    /// The minimum time since the last request of the identity provider: 45 minutes.
    pub quiet: TimeDelta,
    /// The time since its last request.
    pub quiet_for: TimeDelta,
}

impl SettleTimes {
    /// Creates the times with an interval of 15 minutes.
    #[must_use]
    pub fn new(apart: TimeDelta, quiet_for: TimeDelta) -> Self {
        SettleTimes {
            apart,
            interval: TimeDelta::minutes(15),
            quiet: TimeDelta::minutes(45),
            quiet_for,
        }
    }
}
