//! What came of a check.

use std::{collections::BTreeMap, fmt};

use super::{Level, Requirement};
use crate::replay::Failure;

/// What came of each requirement. As text: those that do not hold or were skipped, and the figures;
/// `{:#}` shows those that hold as well, and every exchange of a case that failed.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Report {
    /// One for each requirement, in the order of their sections.
    pub outcomes: Vec<Outcome>,
    /// What is odd but no failure, and how often it was seen.
    pub warnings: BTreeMap<String, u64>,
}

impl Report {
    /// How many requirements of a level went how.
    #[must_use]
    pub fn counts(&self, level: Level) -> Counts {
        let mut counts = Counts::default();
        for outcome in &self.outcomes {
            if outcome.requirement.level != level {
                continue;
            }
            match outcome.verdict {
                Verdict::Failed(_) => counts.failed += 1,
                Verdict::Passed(_) => counts.passed += 1,
                Verdict::Skipped(_) => counts.skipped += 1,
                Verdict::Untested => counts.untested += 1,
            }
        }
        counts
    }

    /// The requirements that do not hold, with the cases that say so.
    pub fn failures(&self) -> impl Iterator<Item = (&Requirement, &[Finding])> {
        self.outcomes
            .iter()
            .filter_map(|outcome| match &outcome.verdict {
                Verdict::Failed(findings) => Some((&outcome.requirement, findings.as_slice())),
                _ => None,
            })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for outcome in &self.outcomes {
            let shown = match outcome.verdict {
                Verdict::Failed(_) | Verdict::Skipped(_) => true,
                Verdict::Passed(_) => f.alternate(),
                Verdict::Untested => false,
            };
            if shown {
                outcome.fmt(f)?;
                writeln!(f)?;
            }
        }
        let (must, should) = (self.counts(Level::Must), self.counts(Level::Should));
        write!(f, "MUST:   {must}\nSHOULD: {should}")?;
        for (warning, times) in &self.warnings {
            write!(f, "\nwarning, {times} times: {warning}")?;
        }
        Ok(())
    }
}

/// The figures of one level.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Those that a case found broken.
    pub failed: usize,
    /// Those that all cases which ran found kept.
    pub passed: usize,
    /// Those for which something is missing on the server.
    pub skipped: usize,
    /// Those that no case asks about.
    pub untested: usize,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts {
            failed,
            passed,
            skipped,
            untested,
        } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped, ")?;
        write!(f, "{untested} not tested over HTTP")
    }
}

/// What came of one requirement.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Outcome {
    /// Which one.
    pub requirement: Requirement,
    /// How it went.
    pub verdict: Verdict,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Requirement {
            id,
            level,
            requirement,
            ..
        } = &self.requirement;
        let word = self.verdict.as_str();
        let (level, place) = (level.as_str(), self.requirement.place());
        write!(f, "{word:<8} {id} {level}, {place}: {requirement}")?;
        match &self.verdict {
            Verdict::Failed(findings) => {
                for finding in findings {
                    write!(f, "\n  ")?;
                    finding.fmt(f)?;
                }
                Ok(())
            }
            Verdict::Skipped(why) => write!(f, "\n  {why}"),
            Verdict::Passed(_) | Verdict::Untested => Ok(()),
        }
    }
}

/// How a requirement went.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Verdict {
    /// It does not hold: what these cases found.
    Failed(Vec<Finding>),
    /// It holds, as these cases saw.
    Passed(Vec<String>),
    /// Something is missing that each of its cases requires.
    Skipped(String),
    /// No case asks about it.
    Untested,
}

impl Verdict {
    /// The verdict in a word.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Verdict::Failed(_) => "failed",
            Verdict::Passed(_) => "passed",
            Verdict::Skipped(_) => "skipped",
            Verdict::Untested => "untested",
        }
    }
}

/// A case that a server did not answer as the RFC asks.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Finding {
    /// The name of the case.
    pub case: String,
    /// Which step was answered otherwise, and how.
    pub failure: Failure,
    /// What the case asks for, in a sentence.
    pub rule: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): ", self.case, self.rule)?;
        self.failure.fmt(f)
    }
}
