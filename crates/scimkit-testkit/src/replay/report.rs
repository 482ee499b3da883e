//! The results of a replay.

use std::{collections::BTreeMap, fmt};

use super::{Mode, excerpt::excerpt};
use crate::escape_invisible;

/// The results of all scenarios. As text, it has one line per scenario, with the last exchange of each failed one;
/// `{:#}` shows all their exchanges with complete bodies. Characters that could control a terminal are
/// [escaped](crate::escape_invisible) in every value.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ReplayReport {
    /// One result per scenario, in the order of the replay.
    pub outcomes: Vec<ScenarioResult>,
    /// Oddities that are not failures, and how often they occurred.
    pub warnings: BTreeMap<String, u64>,
}

impl ReplayReport {
    /// Returns whether every scenario of the selected modes ran and passed; `false` if there was none.
    #[must_use]
    pub fn holds(&self) -> bool {
        let passed = |outcome: &ScenarioResult| match outcome.verdict {
            ScenarioVerdict::Passed { .. } => Some(true),
            ScenarioVerdict::Failed(_) | ScenarioVerdict::NotRun(_) => Some(false),
            ScenarioVerdict::OtherMode => None,
        };
        let mut judged = self.outcomes.iter().filter_map(passed).peekable();
        judged.peek().is_some() && judged.all(|passed| passed)
    }

    /// Returns the failed scenarios by name.
    pub fn failures(&self) -> impl Iterator<Item = (&str, &Failure)> {
        self.outcomes
            .iter()
            .filter_map(|outcome| match &outcome.verdict {
                ScenarioVerdict::Failed(failure) => Some((outcome.name.as_str(), failure)),
                _ => None,
            })
    }

    /// Returns the numbers of scenarios and steps by result.
    #[must_use]
    pub fn counts(&self) -> ScenarioCounts {
        let mut counts = ScenarioCounts::default();
        for outcome in &self.outcomes {
            match &outcome.verdict {
                ScenarioVerdict::Failed(failure) => {
                    counts.failed += 1;
                    counts.steps += failure.of;
                    counts.steps_passed += failure.step.saturating_sub(1);
                }
                ScenarioVerdict::NotRun(_) => counts.not_run += 1,
                ScenarioVerdict::OtherMode => counts.other_mode += 1,
                ScenarioVerdict::Passed { steps } => {
                    counts.passed += 1;
                    counts.steps += steps;
                    counts.steps_passed += steps;
                }
            }
        }
        counts
    }
}

impl fmt::Display for ReplayReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for outcome in &self.outcomes {
            outcome.fmt(f)?;
            writeln!(f)?;
        }
        self.counts().fmt(f)?;
        for (warning, times) in &self.warnings {
            let warning = escape_invisible(warning);
            write!(f, "\nwarning, {times} times: {warning}")?;
        }
        Ok(())
    }
}

/// The numbers of a [`ReplayReport`], which its text shows in one line after the scenarios.
///
/// # Example
/// ```
/// use scimkit_testkit::replay::ReplayReport;
///
/// let counts = ReplayReport::default().counts();
/// assert_eq!(counts.ran(), 0);
/// assert!(counts.to_string().starts_with("0/0 scenarios passed"));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScenarioCounts {
    /// The scenarios with an unexpected response.
    pub failed: usize,
    /// The scenarios of a selected mode for which the server lacks something.
    pub not_run: usize,
    /// The scenarios of other modes.
    pub other_mode: usize,
    /// The scenarios in which every response was as expected.
    pub passed: usize,
    /// The steps of the scenarios that ran.
    pub steps: usize,
    /// The steps before the first failure of their scenario.
    pub steps_passed: usize,
}

impl ScenarioCounts {
    /// Returns the number of scenarios that ran.
    #[must_use]
    pub fn ran(&self) -> usize {
        self.passed + self.failed
    }
}

impl fmt::Display for ScenarioCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ScenarioCounts {
            failed,
            not_run,
            other_mode,
            passed,
            steps,
            steps_passed,
        } = self;
        let ran = self.ran();
        write!(f, "{passed}/{ran} scenarios passed, {failed} failed, ")?;
        write!(f, "{not_run} not run, {other_mode} of another mode; ")?;
        write!(
            f,
            "{steps_passed}/{steps} steps passed before a first failure"
        )
    }
}

/// The result of one scenario.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ScenarioResult {
    /// The servers for which the scenario is valid.
    pub mode: Mode,
    /// The identity provider and the scenario.
    pub name: String,
    /// The result.
    pub verdict: ScenarioVerdict,
}

impl ScenarioResult {
    pub(super) fn new(mode: Mode, name: String, verdict: ScenarioVerdict) -> Self {
        ScenarioResult {
            mode,
            name,
            verdict,
        }
    }
}

impl fmt::Display for ScenarioResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = escape_invisible(&self.name);
        match &self.verdict {
            ScenarioVerdict::Failed(failure) => {
                write!(f, "FAIL {name}: ")?;
                failure.fmt(f)
            }
            ScenarioVerdict::NotRun(why) => write!(f, "not run {name}: {}", escape_invisible(why)),
            ScenarioVerdict::OtherMode => write!(f, "skip {name}: its mode is not selected"),
            ScenarioVerdict::Passed { steps } => write!(f, "ok   {name} ({steps} steps)"),
        }
    }
}

/// The result of running a scenario.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ScenarioVerdict {
    /// A response was not as expected.
    Failed(Failure),
    /// The server lacks something that the scenario requires.
    NotRun(String),
    /// The mode of the scenario is not selected.
    OtherMode,
    /// Every response was as expected.
    Passed {
        /// The number of steps.
        steps: usize,
    },
}

/// The place and reason of a failure.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Failure {
    /// The requests and responses up to the failure.
    pub exchanges: Vec<Exchange>,
    /// The number of steps in the scenario.
    pub of: usize,
    /// The difference from the expectation, as a sentence.
    pub reason: String,
    /// The request of the failed step, as the scenario spells it: method and path.
    pub request: String,
    /// The number of the failed step, from 1.
    pub step: usize,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure {
            exchanges,
            of,
            reason,
            request,
            step,
        } = self;
        let request = escape_invisible(request);
        let reason = escape_invisible(reason);
        write!(f, "step {step}/{of} {request}: {reason}")?;
        let hidden = if f.alternate() {
            0
        } else {
            exchanges.len().saturating_sub(1)
        };
        for exchange in exchanges.iter().skip(hidden) {
            write!(f, "\n     ")?;
            exchange.write(f, self.point())?;
        }
        Ok(())
    }
}

impl Failure {
    /// Returns the path in the body at which the step failed.
    fn point(&self) -> Option<&str> {
        let (path, _) = self.reason.split_once(": ")?;
        path.starts_with('$').then_some(path)
    }
}

/// A request and its response.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Exchange {
    /// The body of the response.
    pub answer: String,
    /// The body that was sent.
    pub body: Option<String>,
    /// The method.
    pub method: String,
    /// The path and query.
    pub path: String,
    /// The status of the response.
    pub status: u16,
}

/// The maximum number of characters of a body in a report, unless it is printed with `{:#}`.
const SHOWN: usize = 2_000;

impl Exchange {
    fn write(&self, f: &mut fmt::Formatter<'_>, point: Option<&str>) -> fmt::Result {
        let most = if f.alternate() { usize::MAX } else { SHOWN };
        let method = escape_invisible(&self.method);
        let path = escape_invisible(&self.path);
        write!(f, "{method} {path} ")?;
        if let Some(body) = &self.body {
            write!(f, "{} ", escape_invisible(&excerpt(body, None, most)))?;
        }
        let answer = excerpt(&self.answer, point, most);
        write!(f, "-> {} {}", self.status, escape_invisible(&answer))
    }
}

/// Prints one line. Of bodies with more than 2,000 characters it shows the beginning and the end; `{:#}` shows all of
/// them.
impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, None)
    }
}
