//! The results of a conformance check.

use std::{collections::BTreeMap, fmt};

use super::{Requirement, RequirementLevel, causes};
use crate::{escape_invisible, replay::Failure};

/// The result of each requirement.
///
/// As text, it shows each failure once, with the requirements that it breaks; the skipped requirements, with the
/// reason; and the figures of the levels, the cases and the sections. `{:#}` also shows the requirements that hold,
/// and every exchange of a case that failed. Characters that could steer a terminal are
/// [escaped](crate::escape_invisible) in every value.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ConformanceReport {
    /// The numbers of cases by result.
    pub cases: CaseCounts,
    /// One result per requirement, in the order of their sections.
    pub outcomes: Vec<RequirementResult>,
    /// The cases that were not run, also those whose requirements are proven by other cases.
    pub skipped: Vec<SkippedCase>,
    /// Oddities that are not failures, and how often they occurred.
    pub warnings: BTreeMap<String, u64>,
}

/// The numbers of cases by result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CaseCounts {
    /// The cases that found a broken requirement.
    pub failed: usize,
    /// The cases in which every response was as expected.
    pub passed: usize,
    /// The cases for which the server lacks a capability.
    pub skipped: usize,
}

/// A case that was not run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SkippedCase {
    /// The name of the case.
    pub case: String,
    /// The capability that the server lacks.
    pub reason: String,
}

impl ConformanceReport {
    /// Returns the numbers of requirements of a level by result.
    #[must_use]
    pub fn counts(&self, level: RequirementLevel) -> RequirementCounts {
        let mut counts = RequirementCounts::default();
        for outcome in &self.outcomes {
            if outcome.requirement.level != level {
                continue;
            }
            counts.add(&outcome.verdict);
        }
        counts
    }

    /// Returns the requirements that do not hold, with the findings of the cases.
    pub fn failures(&self) -> impl Iterator<Item = (&Requirement, &[Finding])> {
        self.outcomes
            .iter()
            .filter_map(|outcome| match &outcome.verdict {
                RequirementVerdict::Failed(findings) => {
                    Some((&outcome.requirement, findings.as_slice()))
                }
                _ => None,
            })
    }
}

impl fmt::Display for ConformanceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        causes::write_details(self, f)?;
        let must = self.counts(RequirementLevel::Must);
        let should = self.counts(RequirementLevel::Should);
        let CaseCounts {
            failed,
            passed,
            skipped,
        } = self.cases;
        write!(f, "MUST:   {must}\nSHOULD: {should}\n")?;
        write!(
            f,
            "cases:  {passed} passed, {failed} failed, {skipped} skipped"
        )?;
        causes::write_sections(self, f)?;
        for (warning, times) in &self.warnings {
            let warning = escape_invisible(warning);
            write!(f, "\nwarning, {times} times: {warning}")?;
        }
        Ok(())
    }
}

/// The numbers of requirements of a level by result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequirementCounts {
    /// The requirements that at least one case found broken.
    pub failed: usize,
    /// The requirements that hold in every case that ran.
    pub passed: usize,
    /// The requirements for which the server lacks a capability.
    pub skipped: usize,
    /// The requirements without a case.
    pub untested: usize,
}

impl RequirementCounts {
    pub(super) fn add(&mut self, verdict: &RequirementVerdict) {
        match verdict {
            RequirementVerdict::Failed(_) => self.failed += 1,
            RequirementVerdict::Passed(_) => self.passed += 1,
            RequirementVerdict::Skipped(_) => self.skipped += 1,
            RequirementVerdict::Untested => self.untested += 1,
        }
    }

    /// Returns the number of requirements with a case.
    pub(super) fn asked(&self) -> usize {
        self.failed + self.passed + self.skipped
    }
}

impl fmt::Display for RequirementCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RequirementCounts {
            failed,
            passed,
            skipped,
            untested,
        } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped, ")?;
        write!(f, "{untested} not tested over HTTP")
    }
}

/// The result of one requirement.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RequirementResult {
    /// The requirement.
    pub requirement: Requirement,
    /// The result.
    pub verdict: RequirementVerdict,
}

impl fmt::Display for RequirementResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Requirement {
            id,
            level,
            requirement,
            ..
        } = &self.requirement;
        let word = self.verdict.as_str();
        let level = level.as_str();
        let place = self.requirement.place();
        write!(f, "{word:<8} {id} {level}, {place}: {requirement}")?;
        match &self.verdict {
            RequirementVerdict::Failed(findings) => {
                for finding in findings {
                    write!(f, "\n  ")?;
                    finding.fmt(f)?;
                }
                Ok(())
            }
            RequirementVerdict::Skipped(why) => write!(f, "\n  {}", escape_invisible(why)),
            RequirementVerdict::Passed(_) | RequirementVerdict::Untested => Ok(()),
        }
    }
}

/// The result of checking a requirement.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RequirementVerdict {
    /// The requirement does not hold, with the findings of the cases.
    Failed(Vec<Finding>),
    /// The requirement holds in these cases.
    Passed(Vec<String>),
    /// Every case of the requirement needs a capability that the server lacks.
    Skipped(String),
    /// No case checks the requirement.
    Untested,
}

impl RequirementVerdict {
    /// Returns the verdict in a word.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            RequirementVerdict::Failed(_) => "failed",
            RequirementVerdict::Passed(_) => "passed",
            RequirementVerdict::Skipped(_) => "skipped",
            RequirementVerdict::Untested => "untested",
        }
    }
}

/// A case in which a server did not respond as the RFC requires.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Finding {
    /// The name of the case.
    pub case: String,
    /// The step with the unexpected response, and the difference.
    pub failure: Failure,
    /// The expectation of the case, in a sentence.
    pub rule: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let case = escape_invisible(&self.case);
        let rule = escape_invisible(&self.rule);
        write!(f, "{case} ({rule}): ")?;
        self.failure.fmt(f)
    }
}
