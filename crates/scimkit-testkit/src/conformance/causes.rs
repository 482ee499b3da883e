//! Failures grouped by cause, and figures by section.

use std::{collections::BTreeMap, fmt};

use super::{
    ConformanceReport, Finding, Requirement, RequirementCounts, RequirementLevel,
    RequirementResult, RequirementVerdict, SkippedCase,
};
use crate::escape_invisible;

/// A failure, with all requirements that it breaks and all cases that found it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FailureCause<'r> {
    /// The cases that found the failure; at least one.
    pub findings: Vec<&'r Finding>,
    /// The requirements that do not hold because of the failure, in the order of their sections.
    pub requirements: Vec<&'r Requirement>,
}

impl FailureCause<'_> {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for requirement in &self.requirements {
            writeln!(f, "{}", line("failed", requirement))?;
        }
        let mut findings = self.findings.iter();
        if let Some(first) = findings.next() {
            write!(f, "  ")?;
            fmt::Display::fmt(first, f)?;
            writeln!(f)?;
        }
        for other in findings {
            let case = escape_invisible(&other.case);
            let rule = escape_invisible(&other.rule);
            writeln!(f, "  the same: {case} ({rule})")?;
        }
        Ok(())
    }
}

/// The figures of one section of an RFC.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SectionCounts {
    /// The requirements of level MUST.
    pub must: RequirementCounts,
    /// RFC and section in words: `RFC 7644 section 3.6`.
    pub place: String,
    /// The requirements of level SHOULD.
    pub should: RequirementCounts,
}

impl ConformanceReport {
    /// Returns the failures, each with every requirement that it breaks, in the order of the requirements.
    ///
    /// Two cases have the same cause if the first request of both failed in the same way; ids, times and names that
    /// differ from run to run do not count. Failures of later requests depend on the requests before, so they are not grouped.
    #[must_use]
    pub fn causes(&self) -> Vec<FailureCause<'_>> {
        let mut causes: Vec<(Sign, FailureCause<'_>)> = Vec::new();
        for (requirement, findings) in self.failures() {
            for finding in findings {
                let sign = sign(finding);
                let known = causes.iter_mut().find(|(known, _)| *known == sign);
                let cause = match known {
                    Some((_, cause)) => cause,
                    None => {
                        let cause = FailureCause {
                            findings: Vec::new(),
                            requirements: Vec::new(),
                        };
                        causes.push((sign, cause));
                        match causes.last_mut() {
                            Some((_, cause)) => cause,
                            None => continue,
                        }
                    }
                };
                if !cause
                    .findings
                    .iter()
                    .any(|known| known.case == finding.case)
                {
                    cause.findings.push(finding);
                }
                if !cause.requirements.contains(&requirement) {
                    cause.requirements.push(requirement);
                }
            }
        }
        causes.into_iter().map(|(_, cause)| cause).collect()
    }

    /// Returns the figures of each section, in the order of the RFCs.
    #[must_use]
    pub fn sections(&self) -> Vec<SectionCounts> {
        let mut sections: Vec<SectionCounts> = Vec::new();
        for outcome in &self.outcomes {
            let place = outcome.requirement.place();
            if !sections.iter().any(|section| section.place == place) {
                sections.push(SectionCounts {
                    must: RequirementCounts::default(),
                    place: place.clone(),
                    should: RequirementCounts::default(),
                });
            }
            let section = sections.iter_mut().find(|section| section.place == place);
            if let Some(section) = section {
                let counts = match outcome.requirement.level {
                    RequirementLevel::Must => &mut section.must,
                    RequirementLevel::Should => &mut section.should,
                };
                counts.add(&outcome.verdict);
            }
        }
        sections
    }
}

/// The key of a cause: the case, unless its first request failed, the request, and the reason.
type Sign = (Option<String>, String, String);

fn sign(finding: &Finding) -> Sign {
    let failure = &finding.failure;
    let case = (failure.step > 1).then(|| finding.case.clone());
    (case, settled(&failure.request), settled(&failure.reason))
}

/// Returns the text without the parts that differ from run to run: placeholders, names, ids and times.
fn settled(text: &str) -> String {
    let mut settled = String::with_capacity(text.len());
    let mut word = String::new();
    let part = |letter: char| {
        letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | '_' | '{' | '}')
    };
    let end = |word: &mut String, settled: &mut String| {
        let made = word.len() >= 8 && word.contains(|letter: char| letter.is_ascii_digit());
        settled.push_str(if made || word.contains("{{") {
            "*"
        } else {
            word
        });
        word.clear();
    };
    for letter in text.chars() {
        if part(letter) {
            word.push(letter);
        } else {
            end(&mut word, &mut settled);
            settled.push(letter);
        }
    }
    end(&mut word, &mut settled);
    settled
}

fn line(word: &str, requirement: &Requirement) -> String {
    let Requirement {
        id,
        level,
        requirement: text,
        ..
    } = requirement;
    let level = level.as_str();
    let place = requirement.place();
    format!("{word:<8} {id} {level}, {place}: {text}")
}

/// Prints the failures, the skipped requirements, and with `{:#}` those that hold.
pub(super) fn write_details(report: &ConformanceReport, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for cause in report.causes() {
        cause.write(f)?;
    }
    let mut skipped: BTreeMap<&str, Vec<&Requirement>> = BTreeMap::new();
    for outcome in &report.outcomes {
        if let RequirementVerdict::Skipped(why) = &outcome.verdict {
            skipped.entry(why).or_default().push(&outcome.requirement);
        }
    }
    for (why, requirements) in skipped {
        for requirement in requirements {
            writeln!(f, "{}", line("skipped", requirement))?;
        }
        writeln!(f, "  {}", escape_invisible(why))?;
    }
    if !f.alternate() {
        return Ok(());
    }
    for SkippedCase { case, reason } in &report.skipped {
        let case = escape_invisible(case);
        let reason = escape_invisible(reason);
        writeln!(f, "skipped  {case}: {reason}")?;
    }
    let passed =
        |outcome: &&RequirementResult| matches!(outcome.verdict, RequirementVerdict::Passed(_));
    for outcome in report.outcomes.iter().filter(passed) {
        writeln!(f, "{}", line("passed", &outcome.requirement))?;
    }
    Ok(())
}

/// Prints a table of the sections with tested or skipped requirements.
pub(super) fn write_sections(
    report: &ConformanceReport,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let sections = report.sections();
    let tested = |section: &&SectionCounts| section.must.asked() + section.should.asked() > 0;
    let rows: Vec<_> = sections.iter().filter(tested).collect();
    let width = rows.iter().map(|section| section.place.len()).max();
    let width = width.unwrap_or_default();
    for section in rows {
        write!(f, "\n{:width$}", section.place)?;
        for (level, counts) in [("MUST", section.must), ("SHOULD", section.should)] {
            if counts.asked() > 0 {
                let RequirementCounts {
                    failed,
                    passed,
                    skipped,
                    ..
                } = counts;
                write!(
                    f,
                    "  {level} {passed} passed, {failed} failed, {skipped} skipped"
                )?;
            }
        }
    }
    Ok(())
}
