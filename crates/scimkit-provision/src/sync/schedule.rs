//! When the runs of a tenant start.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    rules::PlanScope,
    run::{Run, RunState},
};

/// The time between two full runs.
const DAY: TimeDelta = TimeDelta::days(1);

/// What a tenant's runner has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    /// To go on with the newest run, which has not ended.
    Resume,
    /// To record that the run for what was written is not due.
    Skip {
        until: DateTime<Utc>,
    },
    /// To record that what was written is not delivered: its connection is of another source.
    OtherSource,
    /// To start a run.
    Start(PlanScope),
}

/// What was written since the newest run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dirty {
    /// Nothing.
    No,
    /// Only what connections of another source have sent.
    Other,
    /// Something that a run delivers.
    Yes,
}

/// What is known of a tenant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    /// The shortest time between the starts of two runs.
    pub(super) interval: Duration,
    /// Whether anything was written since the newest run, by whom.
    pub(super) dirty: Dirty,
    pub(super) now: DateTime<Utc>,
    /// The runs, the newest one first.
    pub(super) runs: &'a [Run],
}

/// Decides what is due.
///
/// - A write makes a tenant dirty. A run starts as soon as the interval since the start of the last one is over. Writes
///   within it are covered by one trailing run, and one row says so.
/// - The first run is full, and so is one every day. Until a run has changed the directory, and after a failed one, all
///   runs are full. The others are incremental.
/// - A run that a person has asked for starts at once.
/// - A failed run is repeated after the interval; a blocked one is not, before something changes.
pub(super) fn due(known: Known<'_>) -> Due {
    let Known {
        dirty,
        interval,
        now,
        runs,
    } = known;
    let is_dirty = dirty == Dirty::Yes;
    let is_noted = runs.first().is_some_and(|run| {
        let until = later(
            run.started,
            TimeDelta::from_std(interval).unwrap_or(TimeDelta::MAX),
        );
        run.state == RunState::Skipped && now < until
    });
    if runs.first().is_some_and(|run| run.state.is_active()) {
        return Due::Resume;
    }
    let mut real = runs.iter().filter(|run| run.state != RunState::Skipped);
    let Some(last) = real.next() else {
        return match dirty {
            Dirty::Yes => Due::Start(PlanScope::Full),
            Dirty::Other if !is_noted => Due::OtherSource,
            Dirty::Other | Dirty::No => Due::Nothing,
        };
    };
    let has_failed = last.state == RunState::Failed;
    let mut full = runs.iter().filter(|run| {
        let has_ended = !matches!(run.state, RunState::Skipped | RunState::Failed);
        has_ended && run.scope == PlanScope::Full
    });
    let is_daily = full
        .next()
        .is_none_or(|full| later(full.started, DAY) <= now);
    if !(is_dirty || has_failed || is_daily) {
        return if dirty == Dirty::Other && !is_noted {
            Due::OtherSource
        } else {
            Due::Nothing
        };
    }
    let until = later(
        last.started,
        TimeDelta::from_std(interval).unwrap_or(TimeDelta::MAX),
    );
    if now < until {
        let is_noted = runs
            .first()
            .is_some_and(|run| run.state == RunState::Skipped);
        return if is_dirty && !is_noted {
            Due::Skip { until }
        } else {
            Due::Nothing
        };
    }
    let has_changed = runs.iter().any(|run| run.state == RunState::Completed);
    Due::Start(if is_daily || has_failed || !has_changed {
        PlanScope::Full
    } else {
        PlanScope::Incremental
    })
}

fn later(time: DateTime<Utc>, by: TimeDelta) -> DateTime<Utc> {
    time.checked_add_signed(by)
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::run::RunId;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minute)
    }

    fn run(state: RunState, scope: PlanScope, minute: i64) -> Run {
        Run::new(RunId::new(1), state, scope, at(minute))
    }

    fn due_at(minute: i64, is_dirty: bool, runs: &[Run]) -> Due {
        due(Known {
            interval: Duration::from_secs(900),
            dirty: if is_dirty { Dirty::Yes } else { Dirty::No },
            now: at(minute),
            runs,
        })
    }

    #[test]
    fn first_run_needs_a_write_and_is_full() {
        assert_eq!(due_at(0, false, &[]), Due::Nothing);
        assert_eq!(due_at(0, true, &[]), Due::Start(PlanScope::Full));
    }

    #[test]
    fn write_within_the_interval_is_noted_once_and_covered_by_a_trailing_run() {
        let first = run(RunState::Completed, PlanScope::Full, 0);
        assert_eq!(due_at(5, false, std::slice::from_ref(&first)), Due::Nothing);
        let until = at(15);
        assert_eq!(
            due_at(5, true, std::slice::from_ref(&first)),
            Due::Skip { until }
        );
        let skipped = run(RunState::Skipped, PlanScope::Incremental, 5);
        let runs = [skipped, first];
        assert_eq!(due_at(6, true, &runs), Due::Nothing);
        assert_eq!(due_at(14, true, &runs), Due::Nothing);
        assert_eq!(due_at(15, true, &runs), Due::Start(PlanScope::Incremental));
    }

    #[test]
    fn run_is_full_each_day() {
        let first = run(RunState::Completed, PlanScope::Full, 0);
        let next = run(RunState::Completed, PlanScope::Incremental, 1430);
        let runs = [next, first];
        assert_eq!(due_at(1439, false, &runs), Due::Nothing);
        assert_eq!(
            due_at(1440, false, &runs),
            Due::Nothing,
            "within the interval"
        );
        assert_eq!(due_at(1445, false, &runs), Due::Start(PlanScope::Full));
    }

    #[test]
    fn runs_are_full_until_one_has_changed_the_directory() {
        let test = [run(RunState::Test, PlanScope::Full, 0)];
        assert_eq!(due_at(15, true, &test), Due::Start(PlanScope::Full));
    }

    #[test]
    fn failed_run_is_repeated_and_a_blocked_one_is_not() {
        let done = run(RunState::Completed, PlanScope::Full, 0);
        let failed = [
            run(RunState::Failed, PlanScope::Incremental, 20),
            done.clone(),
        ];
        assert_eq!(due_at(30, false, &failed), Due::Nothing);
        assert_eq!(due_at(35, false, &failed), Due::Start(PlanScope::Full));
        let blocked = [run(RunState::Blocked, PlanScope::Incremental, 20), done];
        assert_eq!(due_at(35, false, &blocked), Due::Nothing);
        assert_eq!(
            due_at(35, true, &blocked),
            Due::Start(PlanScope::Incremental)
        );
    }

    #[test]
    fn write_of_another_source_is_noted_once_per_window() {
        let due_at = |minute, runs: &[Run]| {
            due(Known {
                dirty: Dirty::Other,
                interval: Duration::from_secs(900),
                now: at(minute),
                runs,
            })
        };
        assert_eq!(due_at(0, &[]), Due::OtherSource);
        let noted = run(RunState::Skipped, PlanScope::Incremental, 0);
        assert_eq!(due_at(14, std::slice::from_ref(&noted)), Due::Nothing);
        assert_eq!(due_at(15, &[noted]), Due::OtherSource);
        let done = run(RunState::Completed, PlanScope::Full, 0);
        assert_eq!(due_at(1, &[done]), Due::OtherSource);
    }

    #[test]
    fn run_that_has_not_ended_goes_on() {
        for state in [RunState::Pending, RunState::Planning, RunState::Applying] {
            let runs = [run(state, PlanScope::Full, 0)];
            assert_eq!(due_at(0, false, &runs), Due::Resume);
        }
    }
}
