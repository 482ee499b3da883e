//! `scimkit replay`: provider traffic against a server, and what came of it.

use std::{fs, path::PathBuf, process::ExitCode, sync::Arc};

use clap::{Args, ValueEnum};
use regex::Regex;
use scimkit::{BearerTokens, Memory, Registry, Server, Settings, Token, Tolerance};
use scimkit_testkit::replay::{Mode, Outcome, Replay, Report, Scenario, Target, Verdict};
use serde_json::{Value, json};

use crate::{
    chain, check,
    client::{Access, Client},
    output,
};

/// What to replay, against which server, and what to show.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Exit with 0 although scenarios were not run because something is missing that they require.
    #[arg(long)]
    allow_skip: bool,

    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,

    /// Which expectations apply: those for every server, and of this mode.
    #[arg(long, value_enum, default_value = "compat")]
    mode: Modes,

    /// Only the scenarios whose `provider/name` this regular expression finds something in.
    #[arg(long, value_name = "REGEX")]
    only: Option<Regex>,

    /// Without --url: what the server in this process accepts beyond the RFC: `default`, `strict`,
    /// or the name of a provider.
    #[arg(long, default_value = "default", value_name = "NAME", value_parser = profile, conflicts_with = "url")]
    profile: Tolerance,

    /// Without --url: JSON file of further resource types (RFC 7643 section 6); may be repeated.
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    resource_types: Vec<PathBuf>,

    /// Without --url: JSON file of further schemas (RFC 7643 section 7); may be repeated.
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    schemas: Vec<PathBuf>,

    #[command(flatten)]
    access: Access,

    /// Base URL of the server, such as `https://app.example/scim/v2`; without it, a server in this
    /// process over an empty store.
    #[arg(long, value_name = "URL")]
    url: Option<String>,

    /// Show every exchange of a scenario that failed, instead of the last.
    #[arg(short, long)]
    verbose: bool,

    /// Scenario files, or folders of them.
    #[arg(required = true, value_name = "FILE|FOLDER")]
    files: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Modes {
    /// Every scenario but those of mode info.
    All,
    /// What holds for every server.
    Both,
    /// What providers need beyond the RFC.
    Compat,
    /// What is only worth knowing.
    Info,
    /// The strict answers of the RFC.
    Rfc,
}

/// A scenario failed.
const FAILED: u8 = 1;
/// Nothing was run, or could be.
const NOTHING_RUN: u8 = 2;
/// What ran passed, but not all of the mode was run.
const NOT_ALL_RUN: u8 = 3;

pub(crate) fn run(options: &Options) -> ExitCode {
    match replay(options) {
        Ok(report) => ExitCode::from(status(options, &report)),
        Err(problem) => {
            hintln!("error: {problem}");
            ExitCode::from(NOTHING_RUN)
        }
    }
}

fn replay(options: &Options) -> Result<Report, String> {
    let mut scenarios = Scenario::load_all(&options.files).map_err(|error| chain(&error))?;
    if let Some(wanted) = &options.only {
        scenarios.retain(|scenario| wanted.is_match(&scenario.name()));
    }
    let report = match &options.url {
        Some(url) => {
            let client = Client::new(url, options.access.timeout)?;
            let mut report = against(
                options,
                &client,
                options.access.token.as_deref(),
                &scenarios,
            )?;
            report.warnings.extend(client.warnings());
            report
        }
        None => {
            let token = match &options.access.token {
                Some(token) => Token::from_secret(token).map_err(|e| format!("--token: {e}"))?,
                None => Token::generate().map_err(|e| e.to_string())?,
            };
            let server = server(options, &token)?;
            against(options, &server, Some(token.reveal()), &scenarios)?
        }
    };
    show(options, &report);
    Ok(report)
}

/// Replays the scenarios; as text, each is reported as soon as its end is known.
fn against(
    options: &Options,
    target: &dyn Target,
    token: Option<&str>,
    scenarios: &[Scenario],
) -> Result<Report, String> {
    let mut replay = Replay::of(target).with_modes(options.mode.modes().iter().copied());
    if let Some(token) = token {
        replay = replay.with_token(token);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|problem| problem.to_string())?;
    Ok(runtime.block_on(replay.run_watched(scenarios, |outcome| {
        if !options.json {
            line(options, outcome);
        }
    })))
}

fn line(options: &Options, outcome: &Outcome) {
    if options.verbose {
        output::say_lines(&format!("{outcome:#}"));
    } else {
        output::say_lines(&outcome.to_string());
    }
}

fn show(options: &Options, report: &Report) {
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

fn status(options: &Options, report: &Report) -> u8 {
    let counts = report.counts();
    if counts.failed > 0 {
        FAILED
    } else if counts.ran() == 0 {
        NOTHING_RUN
    } else if counts.not_run > 0 && !options.allow_skip {
        NOT_ALL_RUN
    } else {
        0
    }
}

fn as_json(report: &Report) -> Value {
    let counts = report.counts();
    let outcomes = report.outcomes.iter().map(|outcome| {
        let mode = outcome.mode.as_str();
        let mut shown = json!({"name": outcome.name, "mode": mode});
        let more = match &outcome.verdict {
            Verdict::Failed(failure) => json!({
                "result": "failed",
                "step": failure.step,
                "of": failure.of,
                "exchanges": failure.exchanges.iter().map(check::exchange).collect::<Vec<_>>(),
                "request": failure.request,
                "reason": failure.reason,
            }),
            Verdict::NotRun(reason) => json!({"result": "not run", "reason": reason}),
            Verdict::Passed { steps } => json!({"result": "passed", "steps": steps}),
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

/// A server over an empty store that lets that token in.
fn server(options: &Options, token: &Token) -> Result<Server, String> {
    let mut registry = Registry::builder();
    for file in &options.schemas {
        let added = registry.schemas_json(&read(file)?);
        registry = added.map_err(|problem| unusable(file, &problem))?;
    }
    for file in &options.resource_types {
        let added = registry.resource_types_json(&read(file)?);
        registry = added.map_err(|problem| unusable(file, &problem))?;
    }
    let mut settings = Settings::new("https://scim.example/v2");
    settings.registry = Arc::new(registry.build().map_err(|error| chain(&error))?);
    settings.tolerance = options.profile;
    Ok(Server::new(Arc::new(Memory::new()), settings)
        .with_authentication(BearerTokens::new([token.digest()])))
}

fn read(file: &PathBuf) -> Result<String, String> {
    fs::read_to_string(file).map_err(|problem| unusable(file, &problem))
}

fn unusable(file: &std::path::Path, problem: &dyn std::error::Error) -> String {
    format!("`{}` can't be used: {}", file.display(), chain(problem))
}

fn profile(name: &str) -> Result<Tolerance, String> {
    Tolerance::named(name).ok_or_else(|| "there is no such profile".to_owned())
}

impl Modes {
    fn modes(self) -> &'static [Mode] {
        match self {
            Modes::All => &[Mode::Both, Mode::Compat, Mode::Rfc],
            Modes::Both => &[Mode::Both],
            Modes::Compat => &[Mode::Both, Mode::Compat],
            Modes::Info => &[Mode::Both, Mode::Info],
            Modes::Rfc => &[Mode::Both, Mode::Rfc],
        }
    }
}
