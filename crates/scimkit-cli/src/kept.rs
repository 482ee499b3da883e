//! The store that commands work on, and how they answer.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    str::FromStr,
    sync::Arc,
};

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;
use scimkit::{
    Sqlite, TenantId,
    provision::{Administration, Error},
};
use serde_json::{Value, json};

use crate::{chain, output};

/// Where tenants, connections and tokens are kept, and who reads the answer.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,

    /// What a server keeps its data in, which may be running: `sqlite:PATH`.
    #[arg(long, env = "SCIMKIT_STORE", value_name = "STORE")]
    store: Place,
}

/// The tenant of a command, and where that is kept.
#[derive(Debug, Args)]
pub(crate) struct InTenant {
    /// Of which tenant.
    #[arg(long, default_value = "default", value_name = "ID")]
    tenant: String,

    #[command(flatten)]
    pub(crate) kept: Options,
}

impl InTenant {
    pub(crate) fn tenant(&self) -> TenantId {
        TenantId::from(self.tenant.as_str())
    }
}

#[derive(Debug, Clone)]
struct Place(PathBuf);

impl FromStr for Place {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            // Some read two slashes as none and others as three, and a path has no need of them.
            Some(("sqlite", path)) if path.starts_with("//") => {
                Err("a store is `sqlite:PATH`, with no `//` before the path")
            }
            Some(("sqlite", path)) if !path.is_empty() => Ok(Place(path.into())),
            Some(("postgres" | "postgresql", _)) => {
                Err("this release knows no PostgreSQL; a store is `sqlite:PATH`")
            }
            _ => Err("a store is `sqlite:PATH`"),
        }
    }
}

/// What to do where there is no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    Made,
    Refused,
}

/// What a command answers.
#[derive(Debug)]
pub(crate) struct Answer {
    /// For machines; null where the answer is on standard output already.
    pub(crate) json: Value,
    /// Lines for people, on standard error, that are not part of the answer.
    pub(crate) note: Vec<String>,
    /// For people, and for scripts that read it line by line.
    pub(crate) lines: Vec<String>,
}

impl Answer {
    pub(crate) fn new(json: Value, lines: impl IntoIterator<Item = String>) -> Self {
        Answer {
            json,
            note: Vec::new(),
            lines: lines.into_iter().collect(),
        }
    }

    /// An answer of one line.
    pub(crate) fn line(json: Value, line: String) -> Self {
        Answer::new(json, [line])
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What was asked for is not there, or can't be done.
    Refused(String),
    /// The store can't be used.
    Unusable(String),
}

/// Exit status of what was refused, or is not there.
const REFUSED: u8 = 1;
/// Exit status of a store that can't be used, and of arguments that can't be understood.
const UNUSABLE: u8 = 2;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Store(_) | Error::NoRandomness(_) => Failure::Unusable(chain(&error)),
            other => Failure::Refused(chain(&other)),
        }
    }
}

impl Options {
    /// Whether a machine reads the answer.
    pub(crate) fn wants_json(&self) -> bool {
        self.json
    }

    /// Carries a command out and says what came of it.
    pub(crate) fn run(
        &self,
        missing: Missing,
        command: impl AsyncFnOnce(Administration) -> Result<Answer, Failure>,
    ) -> ExitCode {
        let on = async |store: Arc<Sqlite>| command(Administration::new(store)).await;
        self.run_on(missing, on)
    }

    /// Carries out a command that asks the store itself.
    pub(crate) fn run_on(
        &self,
        missing: Missing,
        command: impl AsyncFnOnce(Arc<Sqlite>) -> Result<Answer, Failure>,
    ) -> ExitCode {
        self.say(self.ask(missing, command))
    }

    /// What comes of a command that asks the store itself.
    pub(crate) fn ask(
        &self,
        missing: Missing,
        command: impl AsyncFnOnce(Arc<Sqlite>) -> Result<Answer, Failure>,
    ) -> Result<Answer, Failure> {
        let store = self.open(missing)?;
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.map_err(|problem| Failure::Unusable(problem.to_string()))?;
        runtime.block_on(command(store))
    }

    /// Says what came of a command.
    pub(crate) fn say(&self, outcome: Result<Answer, Failure>) -> ExitCode {
        let (problem, status) = match outcome {
            Ok(answer) if self.json && !answer.json.is_null() => {
                output::say_json(&answer.json);
                return ExitCode::SUCCESS;
            }
            Ok(answer) => {
                answer.note.iter().for_each(|line| output::hint(line));
                answer.lines.iter().for_each(|line| output::say(line));
                return ExitCode::SUCCESS;
            }
            Err(Failure::Refused(problem)) => (problem, REFUSED),
            Err(Failure::Unusable(problem)) => (problem, UNUSABLE),
        };
        if self.json {
            output::say_json(&json!({ "error": problem }));
        }
        hintln!("error: {problem}");
        ExitCode::from(status)
    }

    /// The path of the file, which is there.
    pub(crate) fn existing(&self) -> Result<&Path, Failure> {
        let Place(path) = &self.store;
        match path.exists() {
            true => Ok(path),
            false => Err(Failure::Unusable(format!(
                "there is no file `{}`",
                path.display()
            ))),
        }
    }

    /// The store itself.
    pub(crate) fn open(&self, missing: Missing) -> Result<Arc<Sqlite>, Failure> {
        let Place(path) = &self.store;
        if missing == Missing::Refused {
            self.existing()?;
        }
        let opened = Sqlite::open(path).map_err(|error| {
            let problem = format!("`{}` can't be used: {}", path.display(), chain(&error));
            Failure::Unusable(problem)
        })?;
        Ok(Arc::new(opened))
    }
}

/// A moment as JSON has it.
pub(crate) fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A moment as a table has it, to the minute.
pub(crate) fn minute(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M").to_string()
}
