//! Reports as JUnit XML, for tools that show test results.

use quick_junit::{NonSuccessKind, SerializeError, TestCase, TestCaseStatus, TestSuite};
use scimkit_testkit::{
    conformance::{ConformanceReport, RequirementLevel, RequirementResult, RequirementVerdict},
    escape_invisible,
};

/// A report with one test case per requirement that was checked.
///
/// A requirement that does not hold is a failure at the minimum level and above, and skipped below it.
///
/// # Errors
/// The report can't be serialised.
pub(crate) fn document(
    report: &ConformanceReport,
    minimum: RequirementLevel,
) -> Result<String, SerializeError> {
    let mut suite = TestSuite::new("scimkit check");
    for outcome in &report.outcomes {
        let Some(status) = status(outcome, minimum) else {
            continue;
        };
        let requirement = &outcome.requirement;
        let name = format!("{} {}", requirement.id, requirement.requirement);
        let mut case = TestCase::new(text(&name), status);
        case.set_classname(text(&requirement.place()));
        suite.add_test_case(case);
    }
    let mut written = quick_junit::Report::new("scimkit check");
    written.add_test_suite(suite);
    written.to_string()
}

/// The status of a test case; none for a requirement that was not checked.
fn status(outcome: &RequirementResult, minimum: RequirementLevel) -> Option<TestCaseStatus> {
    let status = match &outcome.verdict {
        RequirementVerdict::Failed(findings) => {
            let level = outcome.requirement.level;
            let mut status = if level >= minimum {
                TestCaseStatus::non_success(NonSuccessKind::Failure)
            } else {
                TestCaseStatus::skipped()
            };
            let reasons: Vec<_> = findings
                .iter()
                .map(|finding| finding.failure.reason.as_str())
                .collect();
            let message = format!("{}: {}", level.as_str(), reasons.join("; "));
            status.set_message(text(&message));
            let shown = outcome.to_string();
            let lines: Vec<_> = shown.lines().map(text).collect();
            status.set_description(lines.join("\n"));
            status
        }
        RequirementVerdict::Skipped(why) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(text(why));
            status
        }
        RequirementVerdict::Passed(_) => TestCaseStatus::success(),
        _ => return None,
    };
    Some(status)
}

/// One line with escapes for invisible characters; what XML 1.0 does not allow becomes U+FFFD.
fn text(line: &str) -> String {
    escape_invisible(line).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}
