//! `scimkit check`: a server held against what the RFCs ask.

use std::{fs, path::PathBuf, process::ExitCode};

use clap::{Args, ValueEnum};
use regex::Regex;
use scimkit_testkit::{
    conformance::{self, Cause, Check, Counts, Finding, Level, Outcome, Report, Verdict},
    replay::{Exchange, Mode, Scenario},
};
use serde_json::{Value, json};

use crate::{
    chain,
    client::{Access, Client},
    junit, output,
};

/// Which server to check, what of it, and what to show.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,

    /// Write the report as JUnit XML to this file as well.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    /// What must hold for an exit status of 0.
    #[arg(long, value_enum, default_value = "must")]
    level: Asked,

    /// Only the cases whose name, or a requirement of which, this regular expression finds something
    /// in: `patch/`, `7644-3[.]6`.
    #[arg(long, value_name = "REGEX")]
    only: Option<Regex>,

    /// Ask as well for the refusals that a lenient server may do without.
    #[arg(long)]
    strict: bool,

    #[command(flatten)]
    access: Access,

    /// Show what holds as well, and every exchange of a case that failed.
    #[arg(short, long)]
    verbose: bool,

    /// Base URL of the server, such as `https://app.example/scim/v2`.
    url: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Asked {
    /// What the RFCs require.
    Must,
    /// What they recommend as well.
    Should,
}

/// A requirement of the level that was asked for does not hold.
const FAILED: u8 = 1;
/// Nothing could be checked.
const NOTHING_RUN: u8 = 2;

pub(crate) fn run(options: &Options) -> ExitCode {
    match checked(options) {
        Ok(report) => ExitCode::from(status(options.level.level(), &report)),
        Err(problem) => {
            hintln!("error: {problem}");
            ExitCode::from(NOTHING_RUN)
        }
    }
}

fn checked(options: &Options) -> Result<Report, String> {
    let client = Client::new(&options.url, options.access.timeout)?;
    let mut check = Check::of(&client);
    if options.strict {
        check = check.with_modes([Mode::Both, Mode::Rfc]);
    }
    if let Some(token) = &options.access.token {
        check = check.with_token(token);
    }
    if let Some(wanted) = &options.only {
        let mut cases = conformance::cases().map_err(|error| chain(&error))?;
        cases.retain(|case| is_wanted(wanted, case));
        if cases.is_empty() {
            return Err(format!("there is no case for `{wanted}`"));
        }
        check = check.with_cases(cases);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|problem| problem.to_string())?;
    let mut report = runtime
        .block_on(check.run())
        .map_err(|error| chain(&error))?;
    report.warnings.extend(client.warnings());
    if options.only.is_some() {
        report
            .outcomes
            .retain(|outcome| !matches!(outcome.verdict, Verdict::Untested));
    }
    show(options, &report);
    if let Some(file) = &options.junit {
        let text = junit::of(&report, options.level.level()).map_err(|error| chain(&error))?;
        fs::write(file, text)
            .map_err(|problem| format!("`{}` can't be written: {problem}", file.display()))?;
    }
    Ok(report)
}

fn is_wanted(wanted: &Regex, case: &Scenario) -> bool {
    wanted.is_match(&case.name()) || case.ledger.iter().any(|id| wanted.is_match(id))
}

fn show(options: &Options, report: &Report) {
    if options.json {
        output::say_json(&as_json(report));
    } else if options.verbose {
        output::say_lines(&format!("{report:#}"));
    } else {
        output::say_lines(&report.to_string());
    }
}

fn status(asked: Level, report: &Report) -> u8 {
    let (must, should) = (report.counts(Level::Must), report.counts(Level::Should));
    let ran = |counts: Counts| counts.failed + counts.passed;
    if must.failed > 0 || (asked == Level::Should && should.failed > 0) {
        FAILED
    } else if ran(must) + ran(should) == 0 {
        NOTHING_RUN
    } else {
        0
    }
}

fn as_json(report: &Report) -> Value {
    let counts = |level| as_json_counts(report.counts(level));
    let skipped = report.skipped.iter();
    let skipped = skipped.map(|skipped| json!({"case": skipped.case, "reason": skipped.reason}));
    let sections = report.sections().into_iter().map(|section| {
        json!({
            "must": as_json_counts(section.must),
            "section": section.place,
            "should": as_json_counts(section.should),
        })
    });
    json!({
        "cases": {
            "failed": report.cases.failed,
            "passed": report.cases.passed,
            "skipped": report.cases.skipped,
        },
        "causes": report.causes().iter().map(cause).collect::<Vec<_>>(),
        "counts": {"must": counts(Level::Must), "should": counts(Level::Should)},
        "requirements": report.outcomes.iter().map(outcome).collect::<Vec<_>>(),
        "sections": sections.collect::<Vec<_>>(),
        "skippedCases": skipped.collect::<Vec<_>>(),
        "warnings": report.warnings,
    })
}

fn as_json_counts(counts: Counts) -> Value {
    json!({
        "failed": counts.failed,
        "passed": counts.passed,
        "skipped": counts.skipped,
        "untested": counts.untested,
    })
}

/// A cause: the requirements that it breaks, the cases that found it, and the exchanges of the first of these.
fn cause(cause: &Cause<'_>) -> Value {
    let ids = cause.requirements.iter().map(|requirement| &requirement.id);
    let cases = cause.findings.iter().map(|finding| &finding.case);
    let failure = cause.findings.first().map(|finding| &finding.failure);
    let exchanges = failure.iter().flat_map(|failure| &failure.exchanges);
    json!({
        "cases": cases.collect::<Vec<_>>(),
        "exchanges": exchanges.map(exchange).collect::<Vec<_>>(),
        "reason": failure.map(|failure| &failure.reason),
        "request": failure.map(|failure| &failure.request),
        "requirements": ids.collect::<Vec<_>>(),
    })
}

/// A request and its response, with whole bodies.
pub(crate) fn exchange(exchange: &Exchange) -> Value {
    json!({
        "answer": exchange.answer,
        "body": exchange.body,
        "method": exchange.method,
        "path": exchange.path,
        "status": exchange.status,
    })
}

fn outcome(outcome: &Outcome) -> Value {
    let requirement = &outcome.requirement;
    let mut shown = json!({
        "id": requirement.id,
        "level": requirement.level.as_str(),
        "requirement": requirement.requirement,
        "result": outcome.verdict.as_str(),
        "section": requirement.place(),
    });
    let more = match &outcome.verdict {
        Verdict::Failed(findings) => json!({
            "findings": findings.iter().map(finding).collect::<Vec<_>>(),
        }),
        Verdict::Passed(cases) => json!({"cases": cases}),
        Verdict::Skipped(why) => json!({"reason": why}),
        _ => json!({}),
    };
    if let (Value::Object(shown), Value::Object(more)) = (&mut shown, more) {
        shown.extend(more);
    }
    shown
}

fn finding(finding: &Finding) -> Value {
    json!({
        "case": finding.case,
        "of": finding.failure.of,
        "reason": finding.failure.reason,
        "request": finding.failure.request,
        "rule": finding.rule,
        "step": finding.failure.step,
    })
}

impl Asked {
    fn level(self) -> Level {
        match self {
            Asked::Must => Level::Must,
            Asked::Should => Level::Should,
        }
    }
}
