//! `scimkit sync`: the runs of staged delivery.

mod report;
mod settling;

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode, sync::Arc};

use clap::{Args, Subcommand};
use scimkit::{
    SqliteStore,
    provision::{
        Clock, ConnectionSettings, TenantAdmin,
        sync::{Category, ReportFormat, Run, RunId, RunState, RunStore, Step},
    },
    store::{Connection, StoreError},
};
use serde_json::{Value, json};

use self::settling::Site;
pub(crate) use self::settling::check_settled;
use crate::{
    chain, exit,
    store_args::{CommandOutput, Failure, IfMissing, TenantArgs, instant, minute},
    table::table,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Approve the plan of a blocked run
    ///
    /// The server plans again, and applies the plan only if it is still the same. Prints the id of the new run.
    #[command(after_help = exit::STORE)]
    Approve(Decision),
    /// Print the backup of the directory that the server made before the first live run, as CSV
    #[command(after_help = exit::STORE)]
    Backup(Backup),
    /// Compare the plans of two runs, and tell whether test mode can end
    #[command(after_help = exit::STORE)]
    Compare(Compare),
    /// Ask for a full run now, whatever the interval is, and print its id
    ///
    /// The server carries it out within seconds. A request joins a run that has not ended. It passes neither test mode nor
    /// a guard.
    #[command(after_help = exit::STORE)]
    Now(Now),
    /// Reject the plan of a blocked run
    #[command(after_help = exit::STORE)]
    Reject(Decision),
    /// Print the report of a run: what it would change, has changed, or has rejected
    #[command(after_help = exit::STORE)]
    Report(Report),
    /// List the latest runs
    #[command(after_help = exit::STORE)]
    Runs(Runs),
    /// Show the connections with staged delivery, and the latest run
    #[command(after_help = exit::STORE)]
    Status(Selected),
    /// List why users and groups were rejected by the latest run
    #[command(after_help = exit::STORE)]
    Troubles(Selected),
}

#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// File to create, readable by its owner alone; it contains personal data [default: standard output]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    tenant: TenantArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// Id of a run
    first: RunId,

    /// Id of another run
    second: RunId,

    #[command(flatten)]
    tenant: TenantArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Decision {
    /// Id of the run
    run: RunId,

    #[command(flatten)]
    by: By,

    #[command(flatten)]
    tenant: TenantArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Now {
    #[command(flatten)]
    by: By,

    #[command(flatten)]
    tenant: TenantArgs,
}

#[derive(Debug, Args)]
struct By {
    /// Name of the person, for the record
    #[arg(long, default_value = "command line", value_name = "NAME")]
    by: String,
}

#[derive(Debug, Args)]
pub(crate) struct Report {
    /// Id of the run
    run: RunId,

    /// Format: `table`, `json`, `csv` or `html` [default: table, or json with --json]
    #[arg(long, value_name = "FORMAT")]
    format: Option<ReportFormat>,

    /// File to create, readable by its owner alone; it contains personal data [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    tenant: TenantArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Runs {
    /// Maximum number of runs
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: u32,

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
        Command::Approve(options) => with_runs(&options.tenant, async |runs| {
            let approved = runs.approve(options.run, &options.by.by, Clock::default().now());
            let approved = approved
                .await
                .map_err(|error| failed(options.run, &error))?;
            Ok(shown(&approved))
        }),
        Command::Backup(options) => with_runs(&options.tenant, async |runs| {
            report::backup(&runs, options).await
        }),
        Command::Compare(options) => {
            let store = &options.tenant.store;
            store.run_on_store(IfMissing::Fail, async |store| {
                settling::compare(store, options).await
            })
        }
        Command::Now(options) => {
            let store = &options.tenant.store;
            store.run_on_store(IfMissing::Fail, async |store| now(store, options).await)
        }
        Command::Reject(options) => with_runs(&options.tenant, async |runs| {
            let rejected = runs.reject(options.run, &options.by.by).await;
            Ok(shown(
                &rejected.map_err(|error| failed(options.run, &error))?,
            ))
        }),
        Command::Report(options) => with_runs(&options.tenant, async |runs| {
            report::write(&runs, options).await
        }),
        Command::Runs(options) => with_runs(&options.tenant, async |runs| {
            let listed = runs.runs(options.limit).await;
            let listed = listed.map_err(|error| Failure::Unusable(chain(&error)))?;
            let json: Vec<_> = listed.iter().map(as_json).collect();
            Ok(CommandOutput::new(
                json!({ "runs": json }),
                runs_table(&listed),
            ))
        }),
        Command::Status(options) => {
            let store = &options.tenant.store;
            store.run_on_store(IfMissing::Fail, async |store| status(store, options).await)
        }
        Command::Troubles(options) => {
            with_runs(&options.tenant, async |runs| troubles(&runs).await)
        }
    }
}

/// Runs a command on the runs of a tenant that exists.
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

fn failed(run: RunId, error: &StoreError) -> Failure {
    match error {
        StoreError::NotFound => Failure::Rejected(format!("there is no run {run}")),
        StoreError::Invalid { detail } => Failure::Rejected(detail.clone()),
        error => Failure::Unusable(chain(error)),
    }
}

/// A run with its steps.
async fn whole(runs: &RunStore, id: RunId) -> Result<(Run, Vec<Step>), Failure> {
    let failed = |error| failed(id, &error);
    let run = runs.run(id).await.map_err(failed)?;
    let run = run.ok_or_else(|| failed(StoreError::NotFound))?;
    let mut steps = Vec::new();
    loop {
        let page = runs.steps(id, steps.len() as u64).await.map_err(failed)?;
        if page.is_empty() {
            return Ok((run, steps));
        }
        steps.extend(page);
    }
}

async fn now(store: Arc<SqliteStore>, options: &Now) -> Result<CommandOutput, Failure> {
    let site = Site::new(store, &options.tenant).await?;
    if site.staged.is_empty() {
        let problem = "no connection of the tenant has staged delivery: set `delivery=staged`";
        return Err(Failure::Rejected(problem.to_owned()));
    }
    let asked = site.runs.ask(&options.by.by, Clock::default().now()).await;
    let asked = asked.map_err(|error| Failure::Unusable(chain(&error)))?;
    Ok(CommandOutput::line(as_json(&asked), asked.id.to_string()))
}

async fn status(store: Arc<SqliteStore>, options: &Selected) -> Result<CommandOutput, Failure> {
    let site = Site::new(store, &options.tenant).await?;
    let failed = |error: StoreError| Failure::Unusable(chain(&error));
    let last = site.runs.runs(1).await.map_err(failed)?.pop();
    let mode = |settings: &ConnectionSettings| if settings.test_mode { "test" } else { "live" };
    let rows = site.staged.iter().map(|(connection, settings)| {
        let authoritative = if settings.authoritative {
            "authoritative"
        } else {
            ""
        };
        [
            connection.id.to_string(),
            mode(settings).to_owned(),
            authoritative.to_owned(),
        ]
    });
    let mut lines = table(["connection", "mode", ""], rows.collect());
    lines.push(String::new());
    match &last {
        Some(run) => lines.extend(runs_table(std::slice::from_ref(run))),
        None => lines.push("no run yet".to_owned()),
    }
    let connection = |(connection, settings): &(Connection, ConnectionSettings)| {
        json!({
            "authoritative": settings.authoritative,
            "id": connection.id.as_str(),
            "mode": mode(settings),
        })
    };
    let json = json!({
        "connections": site.staged.iter().map(connection).collect::<Vec<_>>(),
        "lastRun": last.as_ref().map(as_json),
    });
    Ok(CommandOutput::new(json, lines))
}

async fn troubles(runs: &RunStore) -> Result<CommandOutput, Failure> {
    let failed = |error: StoreError| Failure::Unusable(chain(&error));
    let listed = runs.runs(200).await.map_err(failed)?;
    let Some(last) = listed.iter().find(|run| run.summary.is_some()) else {
        return Ok(CommandOutput::line(
            json!({"troubles": []}),
            "no run yet".to_owned(),
        ));
    };
    let (_, steps) = whole(runs, last.id).await?;
    let mut troubles: BTreeMap<(String, String), (u64, String)> = BTreeMap::new();
    for step in steps
        .iter()
        .filter(|step| step.category == Category::Rejected)
    {
        let reason = step
            .reason
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        let key = (step.connection.to_string(), reason);
        let known = troubles
            .entry(key)
            .or_insert_with(|| (0, masked(&step.name)));
        known.0 += 1;
    }
    let row = |((connection, reason), (count, sample)): (&(String, String), &(u64, String))| {
        [
            connection.clone(),
            count.to_string(),
            sample.clone(),
            reason.clone(),
        ]
    };
    let as_json = |((connection, reason), (count, sample)): (&(String, String), &(u64, String))| json!({"connection": connection, "count": count, "reason": reason, "sample": sample});
    let json = json!({
        "run": last.id.number(),
        "troubles": troubles.iter().map(as_json).collect::<Vec<_>>(),
    });
    let rows = troubles.iter().map(row).collect();
    Ok(CommandOutput::new(
        json,
        table(["connection", "count", "sample", "reason"], rows),
    ))
}

/// A name of which only the first letter and the domain are shown.
fn masked(name: &str) -> String {
    let (local, domain) = match name.split_once('@') {
        Some((local, domain)) => (local, format!("@{domain}")),
        None => (name, String::new()),
    };
    let first: String = local.chars().take(1).collect();
    format!("{first}…{domain}")
}

fn shown(run: &Run) -> CommandOutput {
    CommandOutput::new(as_json(run), runs_table(std::slice::from_ref(run)))
}

fn runs_table(runs: &[Run]) -> Vec<String> {
    let row = |run: &Run| {
        let counts = run
            .summary
            .iter()
            .flat_map(|summary| summary.connections.values());
        let mut users = [0; 5];
        for counts in counts {
            let own = counts.users;
            let own = [
                own.created,
                own.changed,
                own.archived,
                own.restored,
                own.rejected,
            ];
            for (sum, number) in users.iter_mut().zip(own) {
                *sum += number;
            }
        }
        let state = if run.is_test && run.state == RunState::Blocked {
            "blocked (test)".to_owned()
        } else {
            run.state.to_string()
        };
        let [created, changed, archived, restored, rejected] =
            users.map(|number| number.to_string());
        [
            run.id.to_string(),
            minute(run.started),
            state,
            format!("{:?}", run.scope).to_lowercase(),
            created,
            changed,
            archived,
            restored,
            rejected,
            run.reason.clone().unwrap_or_default(),
        ]
    };
    table(
        [
            "run", "started", "state", "scope", "created", "changed", "archived", "restored",
            "rejected", "reason",
        ],
        runs.iter().map(row).collect(),
    )
}

fn as_json(run: &Run) -> Value {
    json!({
        "askedBy": run.asked_by,
        "connections": run.connections,
        "ended": run.ended.map(instant),
        "id": run.id.number(),
        "isTest": run.is_test,
        "reason": run.reason,
        "rejectedBy": run.rejected_by,
        "scope": run.scope,
        "started": instant(run.started),
        "state": run.state,
        "steps": run.steps,
        "summary": run.summary,
    })
}
