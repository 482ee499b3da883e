//! `scimkit exemption`: the users that no run changes.

use std::{collections::BTreeMap, fs, path::PathBuf, process::ExitCode, sync::Arc};

use clap::{Args, Subcommand};
use scimkit::{
    SqliteStore,
    provision::{
        TenantAdmin,
        sync::{ExemptionFile, RunStore},
    },
    store::StoreError,
};
use serde_json::{Value, json};

use crate::{
    chain, exit, files, output,
    store_args::{CommandOutput, Failure, IfMissing, TenantArgs},
    table::table,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print all exemptions as CSV, as `exemption import` reads them
    #[command(after_help = exit::STORE)]
    Export(Selected),
    /// Import a CSV file with the columns `Email` and `Provisioning Managed`: `false` exempts a user, `true` ends that
    ///
    /// Other columns are ignored. Wrong rows are reported with their lines, and the others are imported. Users are found by
    /// the next run; those who are not in the directory yet stay pending.
    #[command(after_help = exit::STORE)]
    Import(Import),
    /// List the exempt users
    #[command(after_help = exit::STORE)]
    List(Selected),
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// CSV file
    file: PathBuf,

    /// Report what would change, and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Import nothing if a row is wrong
    #[arg(long)]
    strict: bool,

    #[command(flatten)]
    tenant: TenantArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Selected {
    #[command(flatten)]
    tenant: TenantArgs,
}

pub(crate) fn run(command: &Command) -> ExitCode {
    match command {
        Command::Export(options) => with_runs(&options.tenant, async |runs| {
            let exemptions = runs.exemptions().await.map_err(|error| failed(&error))?;
            let mut text = Vec::new();
            let written = exemptions.to_csv(&mut text, |_| None);
            written.map_err(|error| Failure::Unusable(error.to_string()))?;
            String::from_utf8_lossy(&text).lines().for_each(output::say);
            Ok(CommandOutput::new(Value::Null, []))
        }),
        Command::Import(options) => {
            with_runs(&options.tenant, async |runs| import(&runs, options).await)
        }
        Command::List(options) => with_runs(&options.tenant, async |runs| list(&runs).await),
    }
}

fn with_runs(
    tenant: &TenantArgs,
    command: impl AsyncFnOnce(RunStore) -> Result<CommandOutput, Failure>,
) -> ExitCode {
    tenant
        .store
        .run_on_store(IfMissing::Fail, async |store: Arc<SqliteStore>| {
            TenantAdmin::new(store.clone()).tenant(&tenant.id()).await?;
            command(RunStore::new(store, tenant.id())).await
        })
}

fn failed(error: &StoreError) -> Failure {
    match error {
        StoreError::Invalid { detail } => Failure::Rejected(detail.clone()),
        error => Failure::Unusable(chain(error)),
    }
}

async fn list(runs: &RunStore) -> Result<CommandOutput, Failure> {
    let exemptions = runs.exemptions().await.map_err(|error| failed(&error))?;
    let bound = exemptions
        .bound()
        .map(|(id, email)| (email, Some(id.as_str())));
    let pending = exemptions.pending().map(|email| (email, None));
    let all: Vec<(&str, Option<&str>)> = bound.chain(pending).collect();
    let json: Vec<_> = all
        .iter()
        .map(|(email, id)| json!({"email": email, "id": id, "isPending": id.is_none()}))
        .collect();
    let row = |(email, id): &(&str, Option<&str>)| {
        [(*email).to_owned(), id.unwrap_or("pending").to_owned()]
    };
    let rows = all.iter().map(row).collect();
    Ok(CommandOutput::new(
        json!({ "exemptions": json }),
        table(["email", "id"], rows),
    ))
}

async fn import(runs: &RunStore, options: &Import) -> Result<CommandOutput, Failure> {
    let file = fs::File::open(&options.file)
        .map_err(|error| Failure::Unusable(files::explain(&options.file, &error)))?;
    let file = ExemptionFile::from_csv(file).map_err(|error| {
        Failure::Rejected(format!("`{}`: {}", options.file.display(), chain(&error)))
    })?;
    let problems: Vec<String> = file.problems.iter().map(ToString::to_string).collect();
    if options.strict && !problems.is_empty() {
        return Err(Failure::Rejected(format!(
            "nothing was imported: {}",
            problems.join("; ")
        )));
    }
    let before = runs.exemptions().await.map_err(|error| failed(&error))?;
    let mut after = before.clone();
    // The next run finds the users of new addresses.
    let known: BTreeMap<_, _> = before.bound().map(|(id, email)| (email, id)).collect();
    let changes = after.import(&file.rows, |email| known.get(email).copied().cloned());
    if !options.dry_run {
        let put = runs.put_exemptions(&before, &after).await;
        put.map_err(|error| failed(&error))?;
    }
    let mut lines: Vec<String> = Vec::new();
    lines.extend(
        changes
            .started
            .iter()
            .map(|email| format!("exempt      {email}")),
    );
    lines.extend(
        changes
            .ended
            .iter()
            .map(|email| format!("not exempt  {email}")),
    );
    let done = if options.dry_run {
        "would change"
    } else {
        "changed"
    };
    let count = changes.started.len() + changes.ended.len();
    lines.push(format!("{count} {done}, {} unchanged", changes.unchanged));
    let mut printed = CommandOutput::new(
        json!({
            "dryRun": options.dry_run,
            "ended": changes.ended,
            "problems": problems,
            "started": changes.started,
            "unchanged": changes.unchanged,
        }),
        lines,
    );
    let file = options.file.display();
    printed.note = problems
        .iter()
        .map(|problem| format!("{file}: {problem}"))
        .collect();
    Ok(printed)
}
