//! Runs the cases, and derives the result of each requirement.

use super::{
    CaseCounts, ConformanceReport, Finding, Requirement, RequirementResult, RequirementVerdict,
    SkippedCase, cases, requirements,
};
use crate::replay::{self, HttpTarget, Mode, Replay, Scenario};

/// Checks a server for conformance.
#[derive(Debug, Clone)]
pub struct ConformanceCheck<'t> {
    cases: Option<Vec<Scenario>>,
    replay: Replay<'t>,
}

impl<'t> ConformanceCheck<'t> {
    /// Creates a check of that server with all [`cases`].
    #[must_use]
    pub fn new(target: &'t dyn HttpTarget) -> Self {
        ConformanceCheck {
            cases: None,
            replay: Replay::new(target).with_modes([Mode::Both]),
        }
    }

    /// Runs these cases instead of all.
    #[must_use]
    pub fn with_cases(mut self, cases: impl IntoIterator<Item = Scenario>) -> Self {
        self.cases = Some(cases.into_iter().collect());
        self
    }

    /// Runs the cases of these modes; by default those of [`Mode::Both`]. [`Mode::Rfc`] adds cases in which a strict
    /// server returns an error and a lenient one may not.
    #[must_use]
    pub fn with_modes(mut self, modes: impl IntoIterator<Item = Mode>) -> Self {
        self.replay = self.replay.with_modes(modes);
        self
    }

    /// Sends that bearer token.
    #[must_use]
    pub fn with_token(mut self, token: impl Into<String>) -> Self {
        self.replay = self.replay.with_token(token);
        self
    }

    /// Runs the cases one after the other, and returns the result of each requirement.
    ///
    /// # Errors
    /// - [`ConformanceError::NoAnswer`]: the server does not respond
    /// - [`ConformanceError::Refused`]: the server rejects the token
    /// - [`ConformanceError::Cases`]: the cases can't be read, which does not happen to those that ship with this crate
    pub async fn run(&self) -> Result<ConformanceReport, ConformanceError> {
        let cases = match &self.cases {
            Some(cases) => cases.clone(),
            None => cases().map_err(ConformanceError::Cases)?,
        };
        let requirements = requirements().map_err(ConformanceError::Cases)?;
        match self.replay.probe("/Users?count=1").await {
            Err(problem) => return Err(ConformanceError::NoAnswer(problem)),
            Ok(status @ (401 | 403)) => return Err(ConformanceError::Refused(status)),
            Ok(_) => {}
        }
        let replayed = self.replay.run(&cases).await;
        let judged: Vec<_> = cases.iter().zip(&replayed.outcomes).collect();
        let counts = replayed.counts();
        let skipped = replayed
            .outcomes
            .iter()
            .filter_map(|outcome| match &outcome.verdict {
                replay::ScenarioVerdict::NotRun(reason) => Some(SkippedCase {
                    case: outcome.name.clone(),
                    reason: reason.clone(),
                }),
                _ => None,
            });
        Ok(ConformanceReport {
            cases: CaseCounts {
                failed: counts.failed,
                passed: counts.passed,
                skipped: counts.not_run,
            },
            skipped: skipped.collect(),
            outcomes: requirements
                .into_iter()
                .map(|requirement| outcome(requirement, &judged))
                .collect(),
            warnings: replayed.warnings,
        })
    }
}

/// The reason why there is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConformanceError {
    /// The cases or requirements can't be read.
    #[error("the cases can't be read")]
    Cases(#[source] replay::Error),
    /// The server does not respond.
    #[error("{0}")]
    NoAnswer(String),
    /// The server rejects the token, or requires one.
    #[error("the server responds with {0}: pass a valid token")]
    Refused(u16),
}

fn outcome(
    requirement: Requirement,
    judged: &[(&Scenario, &replay::ScenarioResult)],
) -> RequirementResult {
    let (mut findings, mut passed, mut skipped) = (Vec::new(), Vec::new(), Vec::new());
    for (case, outcome) in judged {
        if !case.proves.contains(&requirement.id) {
            continue;
        }
        match &outcome.verdict {
            replay::ScenarioVerdict::Failed(failure) => findings.push(Finding {
                case: case.name(),
                failure: failure.clone(),
                rule: case.quirk.clone(),
            }),
            replay::ScenarioVerdict::NotRun(why) if !skipped.contains(why) => {
                skipped.push(why.clone())
            }
            replay::ScenarioVerdict::Passed { .. } => passed.push(case.name()),
            _ => {}
        }
    }
    let verdict = if !findings.is_empty() {
        RequirementVerdict::Failed(findings)
    } else if !passed.is_empty() {
        RequirementVerdict::Passed(passed)
    } else if !skipped.is_empty() {
        RequirementVerdict::Skipped(skipped.join("; "))
    } else {
        RequirementVerdict::Untested
    };
    RequirementResult {
        requirement,
        verdict,
    }
}
