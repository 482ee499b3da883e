//! `scimkit replay`: the traffic of identity providers, replayed against a server.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use clap::{Args, ValueEnum};
use indicatif::ProgressBar;
use regex::Regex;
use scimkit::{BearerTokens, MemoryStore, Server, Settings, Token, Tolerance};
use scimkit_testkit::replay::{
    HttpTarget, Mode, Replay, ReplayReport, Scenario, ScenarioResult, ScenarioVerdict,
};
use serde_json::{Value, json};

use crate::{
    chain, check,
    client::{Access, Client},
    exit, output, progress,
    schemas::Schemas,
};

/// The scenarios to replay, the server, and the format of the report.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Exit with 0 even if scenarios could not run because they require what the server lacks
    #[arg(long)]
    allow_skip: bool,

    /// Print JSON instead of text
    #[arg(long)]
    json: bool,

    /// Scenarios to run: those for every server, and those of this mode
    #[arg(long, value_enum, default_value = "compat")]
    mode: ReplayMode,

    /// Run only scenarios whose `provider/name` matches
    #[arg(long, value_name = "REGEX")]
    only: Option<Regex>,

    /// Deviations from the RFC that the built-in server accepts: `default`, `strict`, or the name of an identity
    /// provider
    #[arg(long, default_value = "default", value_name = "NAME", value_parser = profile, conflicts_with = "url")]
    profile: Tolerance,

    #[command(flatten)]
    schemas: Schemas,

    #[command(flatten)]
    access: Access,

    /// Base URL of the server, such as `https://app.example/scim/v2` [default: a built-in server with an empty store]
    #[arg(long, value_name = "URL", conflicts_with_all = ["resource_types", "schemas"])]
    url: Option<String>,

    /// Show every exchange of a failed scenario, not only the last
    #[arg(short, long)]
    verbose: bool,

    /// Scenario files, or folders of scenario files
    #[arg(required = true, value_name = "FILE|FOLDER")]
    files: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ReplayMode {
    /// Every scenario except those of mode info
    All,
    /// Only scenarios for every server
    Both,
    /// Also what identity providers need beyond the RFC
    Compat,
    /// Also observations that are neither right nor wrong
    Info,
    /// Also what only a strict server does
    Rfc,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    match replay(options) {
        Ok(report) => ExitCode::from(status(options, &report)),
        Err(problem) => {
            output::fail(options.json, &problem);
            ExitCode::from(exit::UNUSABLE)
        }
    }
}

fn replay(options: &Options) -> Result<ReplayReport, String> {
    let mut scenarios = Scenario::load_all(&options.files).map_err(|error| chain(&error))?;
    if let Some(wanted) = &options.only {
        scenarios.retain(|scenario| wanted.is_match(&scenario.name()));
    }
    let token = options.access.token.as_deref();
    let report = match &options.url {
        Some(url) => {
            let client = Client::new(url, &options.access, ProgressBar::hidden())?;
            let mut report = replay_against(options, &client, token, &scenarios)?;
            report.warnings.extend(client.warnings());
            report
        }
        None => {
            let token = match token {
                Some(token) => {
                    Token::from_secret(token).map_err(|error| format!("--token: {error}"))?
                }
                None => Token::generate().map_err(|error| error.to_string())?,
            };
            let server = server(options, &token)?;
            replay_against(options, &server, Some(token.reveal()), &scenarios)?
        }
    };
    print(options, &report);
    Ok(report)
}

/// Replays the scenarios. In a text report, the result of each is printed at once.
fn replay_against(
    options: &Options,
    target: &dyn HttpTarget,
    token: Option<&str>,
    scenarios: &[Scenario],
) -> Result<ReplayReport, String> {
    let mut replay = Replay::new(target).with_modes(options.mode.modes().iter().copied());
    if let Some(token) = token {
        replay = replay.with_token(token);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|error| error.to_string())?;
    let bar = progress::items("replaying", scenarios.len());
    Ok(runtime.block_on(replay.run_watched(scenarios, |outcome| {
        if !options.json {
            bar.suspend(|| print_outcome(options, outcome));
        }
        bar.inc(1);
    })))
}

fn print_outcome(options: &Options, outcome: &ScenarioResult) {
    if options.verbose {
        output::say_lines(&format!("{outcome:#}"));
    } else {
        output::say_lines(&outcome.to_string());
    }
}

fn print(options: &Options, report: &ReplayReport) {
    if options.json {
        output::say_json(&as_json(report));
        return;
    }
    sayln!("");
    sayln!("{}", report.counts());
    for (warning, times) in &report.warnings {
        sayln!("warning, {times} times: {warning}");
    }
}

fn status(options: &Options, report: &ReplayReport) -> u8 {
    let counts = report.counts();
    if counts.failed > 0 {
        exit::FAILED
    } else if counts.ran() == 0 {
        exit::UNUSABLE
    } else if counts.not_run > 0 && !options.allow_skip {
        exit::INCOMPLETE
    } else {
        0
    }
}

fn as_json(report: &ReplayReport) -> Value {
    let counts = report.counts();
    let outcomes = report.outcomes.iter().map(|outcome| {
        let mode = outcome.mode.as_str();
        let mut shown = json!({"name": outcome.name, "mode": mode});
        let more = match &outcome.verdict {
            ScenarioVerdict::Failed(failure) => json!({
                "result": "failed",
                "step": failure.step,
                "of": failure.of,
                "exchanges": failure.exchanges.iter().map(check::exchange).collect::<Vec<_>>(),
                "request": failure.request,
                "reason": failure.reason,
            }),
            ScenarioVerdict::NotRun(reason) => json!({"result": "not run", "reason": reason}),
            ScenarioVerdict::Passed { steps } => json!({"result": "passed", "steps": steps}),
            _ => json!({"result": "of another mode"}),
        };
        if let (Value::Object(shown), Value::Object(more)) = (&mut shown, more) {
            shown.extend(more);
        }
        shown
    });
    json!({
        "counts": {
            "failed": counts.failed,
            "notRun": counts.not_run,
            "otherMode": counts.other_mode,
            "passed": counts.passed,
            "steps": counts.steps,
            "stepsPassed": counts.steps_passed,
        },
        "scenarios": outcomes.collect::<Vec<_>>(),
        "warnings": report.warnings,
    })
}

/// A server with an empty store that accepts this token.
fn server(options: &Options, token: &Token) -> Result<Server, String> {
    let mut settings = Settings::new("https://scim.example/v2");
    settings.registry = Arc::new(options.schemas.registry()?);
    settings.tolerance = options.profile;
    Ok(Server::new(Arc::new(MemoryStore::new()), settings)
        .with_authentication(BearerTokens::new([token.digest()])))
}

fn profile(name: &str) -> Result<Tolerance, String> {
    Tolerance::from_profile(name).ok_or_else(|| {
        let names = Tolerance::PROFILES.map(|profile| profile.profile());
        format!("expected one of {}", names.join(", "))
    })
}

impl ReplayMode {
    fn modes(self) -> &'static [Mode] {
        match self {
            ReplayMode::All => &[Mode::Both, Mode::Compat, Mode::Rfc],
            ReplayMode::Both => &[Mode::Both],
            ReplayMode::Compat => &[Mode::Both, Mode::Compat],
            ReplayMode::Info => &[Mode::Both, Mode::Info],
            ReplayMode::Rfc => &[Mode::Both, Mode::Rfc],
        }
    }
}
