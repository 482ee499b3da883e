//! The arguments of commands that work on a store, and their output.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    str::FromStr,
    sync::Arc,
};

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;
use scimkit::{
    SqliteStore, TenantId,
    provision::{AdminError, TenantAdmin},
};
use serde_json::Value;

use crate::{chain, database_file, exit, files, output};

/// The store of a command, and the format of its output.
#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,

    /// Store of the server: `sqlite:PATH`
    #[arg(long, env = "SCIMKIT_STORE", value_name = "STORE")]
    store: StoreUrl,
}

/// The tenant of a command, and its store.
#[derive(Debug, Args)]
pub(crate) struct TenantArgs {
    /// Tenant id
    #[arg(long, default_value = "default", value_name = "ID")]
    tenant: String,

    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

impl TenantArgs {
    pub(crate) fn id(&self) -> TenantId {
        TenantId::from(self.tenant.as_str())
    }
}

#[derive(Debug, Clone)]
struct StoreUrl(PathBuf);

impl FromStr for StoreUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            // Some read two slashes as none and others as three, and a path does not need them.
            Some(("sqlite", path)) if path.starts_with("//") => {
                Err("expected `sqlite:PATH`, without `//` before the path")
            }
            Some(("sqlite", path)) if !path.is_empty() => Ok(StoreUrl(path.into())),
            Some(("postgres" | "postgresql", _)) => {
                Err("PostgreSQL is not supported by this release, expected `sqlite:PATH`")
            }
            _ => Err("expected `sqlite:PATH`"),
        }
    }
}

/// What to do if the file of the store does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfMissing {
    Create,
    Fail,
}

/// The output of a successful command.
#[derive(Debug)]
pub(crate) struct CommandOutput {
    /// For machines; null if everything is on standard output already.
    pub(crate) json: Value,
    /// For people, on standard error: what is not part of the result.
    pub(crate) note: Vec<String>,
    /// For people, and for scripts that read line by line.
    pub(crate) lines: Vec<String>,
}

impl CommandOutput {
    pub(crate) fn new(json: Value, lines: impl IntoIterator<Item = String>) -> Self {
        CommandOutput {
            json,
            note: Vec::new(),
            lines: lines.into_iter().collect(),
        }
    }

    /// An output of one line.
    pub(crate) fn line(json: Value, line: String) -> Self {
        CommandOutput::new(json, [line])
    }
}

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command was rejected, or its subject does not exist.
    Rejected(String),
    /// The store or a file can't be used.
    Unusable(String),
}

impl From<AdminError> for Failure {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Store(_) | AdminError::NoRandomness(_) => Failure::Unusable(chain(&error)),
            other => Failure::Rejected(chain(&other)),
        }
    }
}

impl StoreArgs {
    /// Whether the output is JSON.
    pub(crate) fn wants_json(&self) -> bool {
        self.json
    }

    /// Runs a command that administers tenants, and prints its output.
    pub(crate) fn run(
        &self,
        missing: IfMissing,
        command: impl AsyncFnOnce(TenantAdmin) -> Result<CommandOutput, Failure>,
    ) -> ExitCode {
        let on_store = async |store: Arc<SqliteStore>| command(TenantAdmin::new(store)).await;
        self.run_on_store(missing, on_store)
    }

    /// Runs a command that needs the store itself, and prints its output.
    pub(crate) fn run_on_store(
        &self,
        missing: IfMissing,
        command: impl AsyncFnOnce(Arc<SqliteStore>) -> Result<CommandOutput, Failure>,
    ) -> ExitCode {
        self.print(self.result(missing, command))
    }

    /// Runs a command that needs the store itself.
    pub(crate) fn result(
        &self,
        missing: IfMissing,
        command: impl AsyncFnOnce(Arc<SqliteStore>) -> Result<CommandOutput, Failure>,
    ) -> Result<CommandOutput, Failure> {
        let store = self.open(missing)?;
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.map_err(|error| Failure::Unusable(error.to_string()))?;
        runtime.block_on(command(store))
    }

    /// Prints the result of a command.
    pub(crate) fn print(&self, result: Result<CommandOutput, Failure>) -> ExitCode {
        let (problem, status) = match result {
            Ok(printed) if self.json && !printed.json.is_null() => {
                output::say_json(&printed.json);
                return ExitCode::SUCCESS;
            }
            Ok(printed) => {
                printed.note.iter().for_each(|line| output::hint(line));
                printed.lines.iter().for_each(|line| output::say(line));
                return ExitCode::SUCCESS;
            }
            Err(Failure::Rejected(problem)) => (problem, exit::FAILED),
            Err(Failure::Unusable(problem)) => (problem, exit::UNUSABLE),
        };
        output::fail(self.json, &problem);
        ExitCode::from(status)
    }

    /// The path of the file, which exists.
    pub(crate) fn existing(&self) -> Result<&Path, Failure> {
        let StoreUrl(path) = &self.store;
        match path.metadata() {
            Ok(_) => Ok(path),
            Err(error) => Err(Failure::Unusable(files::explain(path, &error))),
        }
    }

    fn open(&self, missing: IfMissing) -> Result<Arc<SqliteStore>, Failure> {
        let StoreUrl(path) = &self.store;
        if missing == IfMissing::Fail {
            self.existing()?;
        }
        let opened = SqliteStore::open(path).map_err(|error| {
            let problem = database_file::explain_database(path)
                .unwrap_or_else(|| format!("`{}`: {}", path.display(), chain(&error)));
            Failure::Unusable(format!("can't open the store: {problem}"))
        })?;
        Ok(Arc::new(opened))
    }
}

/// A time in JSON.
pub(crate) fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A time in a table, to the minute.
pub(crate) fn minute(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M").to_string()
}
