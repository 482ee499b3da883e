//! `scimkit check`: a server, checked against the RFCs.

use std::{fs, path::PathBuf, process::ExitCode};

use clap::{Args, ValueEnum};
use regex::Regex;
use scimkit_testkit::{
    conformance::{
        self, ConformanceCheck, ConformanceReport, FailureCause, Finding, RequirementCounts,
        RequirementLevel, RequirementResult, RequirementVerdict,
    },
    replay::{Exchange, Mode, Scenario},
};
use serde_json::{Value, json};

use crate::{
    chain,
    client::{Access, Client},
    exit, files, junit, output, progress,
};

/// The server to check, the cases to run, and the format of the report.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,

    /// Also write the report as JUnit XML to this file
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    /// Requirements that must hold for exit status 0
    #[arg(long, value_enum, default_value = "must")]
    level: MinimumLevel,

    /// Run only cases whose name or requirement matches, such as `patch/` or `7644-3[.]6`
    #[arg(long, value_name = "REGEX")]
    only: Option<Regex>,

    /// Also check that the server rejects what a lenient one may accept
    #[arg(long)]
    strict: bool,

    #[command(flatten)]
    access: Access,

    /// Also show the requirements that hold, and every exchange of a failed case
    #[arg(short, long)]
    verbose: bool,

    /// Base URL of the server, such as `https://app.example/scim/v2`
    url: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum MinimumLevel {
    /// What the RFCs require
    Must,
    /// Also what they recommend
    Should,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    match check(options) {
        Ok(report) => ExitCode::from(status(options.level.level(), &report)),
        Err(problem) => {
            output::fail(options.json, &problem);
            ExitCode::from(exit::UNUSABLE)
        }
    }
}

fn check(options: &Options) -> Result<ConformanceReport, String> {
    let bar = progress::request_spinner("checking");
    let client = Client::new(&options.url, &options.access, bar.clone())?;
    let mut check = ConformanceCheck::new(&client);
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
            return Err(format!("no case matches --only `{wanted}`"));
        }
        check = check.with_cases(cases);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|error| error.to_string())?;
    let mut report = runtime
        .block_on(check.run())
        .map_err(|error| chain(&error))?;
    bar.finish_and_clear();
    report.warnings.extend(client.warnings());
    if options.only.is_some() {
        report
            .outcomes
            .retain(|outcome| !matches!(outcome.verdict, RequirementVerdict::Untested));
    }
    if let Some(file) = &options.junit {
        let text =
            junit::document(&report, options.level.level()).map_err(|error| chain(&error))?;
        fs::write(file, text).map_err(|error| files::explain(file, &error))?;
    }
    print(options, &report);
    Ok(report)
}

fn is_wanted(wanted: &Regex, case: &Scenario) -> bool {
    wanted.is_match(&case.name()) || case.proves.iter().any(|id| wanted.is_match(id))
}

fn print(options: &Options, report: &ConformanceReport) {
    if options.json {
        output::say_json(&as_json(report));
    } else if options.verbose {
        output::say_lines(&format!("{report:#}"));
    } else {
        output::say_lines(&report.to_string());
    }
}

fn status(minimum: RequirementLevel, report: &ConformanceReport) -> u8 {
    let must = report.counts(RequirementLevel::Must);
    let should = report.counts(RequirementLevel::Should);
    let ran = |counts: RequirementCounts| counts.failed + counts.passed;
    if must.failed > 0 || (minimum == RequirementLevel::Should && should.failed > 0) {
        exit::FAILED
    } else if ran(must) + ran(should) == 0 {
        exit::UNUSABLE
    } else {
        0
    }
}

fn as_json(report: &ConformanceReport) -> Value {
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
        "counts": {"must": counts(RequirementLevel::Must), "should": counts(RequirementLevel::Should)},
        "requirements": report.outcomes.iter().map(outcome).collect::<Vec<_>>(),
        "sections": sections.collect::<Vec<_>>(),
        "skippedCases": skipped.collect::<Vec<_>>(),
        "warnings": report.warnings,
    })
}

fn as_json_counts(counts: RequirementCounts) -> Value {
    json!({
        "failed": counts.failed,
        "passed": counts.passed,
        "skipped": counts.skipped,
        "untested": counts.untested,
    })
}

/// A cause: the requirements that fail because of it, the cases that found it, and the exchanges of the first case.
fn cause(cause: &FailureCause<'_>) -> Value {
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
        "response": exchange.answer,
        "body": exchange.body,
        "method": exchange.method,
        "path": exchange.path,
        "status": exchange.status,
    })
}

fn outcome(outcome: &RequirementResult) -> Value {
    let requirement = &outcome.requirement;
    let mut shown = json!({
        "id": requirement.id,
        "level": requirement.level.as_str(),
        "requirement": requirement.requirement,
        "result": outcome.verdict.as_str(),
        "section": requirement.place(),
    });
    let more = match &outcome.verdict {
        RequirementVerdict::Failed(findings) => json!({
            "findings": findings.iter().map(finding).collect::<Vec<_>>(),
        }),
        RequirementVerdict::Passed(cases) => json!({"cases": cases}),
        RequirementVerdict::Skipped(why) => json!({"reason": why}),
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

impl MinimumLevel {
    fn level(self) -> RequirementLevel {
        match self {
            MinimumLevel::Must => RequirementLevel::Must,
            MinimumLevel::Should => RequirementLevel::Should,
        }
    }
}
