//! `scimkit tenant`: the customers of an application.

use std::{process::ExitCode, sync::Arc, time::Duration};

use chrono::TimeDelta;
use clap::{Args, Subcommand};
use scimkit::{
    Sqlite, TenantId,
    provision::{Administration, Clock},
    store::{Archive, StoreError, Tenant, TenantLimits},
};
use serde_json::{Value, json};

use crate::{
    chain, connection,
    kept::{self, Answer, Failure, Missing, instant, minute},
    table::table,
    token, transfer,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes a tenant.
    Create(Create),
    /// Takes a tenant away, with everything in it.
    Erase(transfer::Erase),
    /// Writes everything that is kept of a tenant as lines of JSON, while a server may run.
    Export(transfer::Export),
    /// Takes away what was deleted some time ago and kept, so that nothing brings it back.
    Forget(Forget),
    /// Keeps what an export wrote, under the same ids, versions and times: all of it or nothing.
    Import(transfer::Import),
    /// Lists the tenants.
    List(List),
    /// Shows a tenant with its connections and tokens.
    Show(Show),
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// What it is called by in paths, host names and commands: letters from a to z, digits and `-`.
    #[arg(default_value = "default")]
    id: String,

    /// What people call it; as its id, unless said.
    #[arg(long)]
    name: Option<String>,

    /// Largest number of tenants [default: 100000]
    #[arg(long, value_name = "N")]
    limit: Option<u64>,

    #[command(flatten)]
    kept: kept::Options,
}

#[derive(Debug, Args)]
pub(crate) struct Forget {
    /// Which one.
    id: String,

    /// How long ago it was deleted at least, such as `90d`.
    #[arg(long, value_name = "TIME", value_parser = token::duration)]
    older_than: Duration,

    #[command(flatten)]
    kept: kept::Options,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    kept: kept::Options,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Which one.
    #[arg(default_value = "default")]
    id: String,

    #[command(flatten)]
    kept: kept::Options,
}

pub(crate) fn run(command: &Command) -> ExitCode {
    match command {
        Command::Create(options) => {
            let made = async |administration| create(administration, options).await;
            options.kept.run(Missing::Made, made)
        }
        Command::Erase(options) => transfer::erase(options),
        Command::Export(options) => transfer::export(options),
        Command::Forget(options) => {
            let forgotten = async |store| forget(store, options).await;
            options.kept.run_on(Missing::Refused, forgotten)
        }
        Command::Import(options) => transfer::import(options),
        Command::List(options) => options.kept.run(Missing::Refused, list),
        Command::Show(options) => {
            let shown = async |administration| show(administration, &options.id).await;
            options.kept.run(Missing::Refused, shown)
        }
    }
}

async fn create(administration: Administration, options: &Create) -> Result<Answer, Failure> {
    let name = options.name.as_deref().unwrap_or(&options.id);
    let mut limits = TenantLimits::default();
    limits.tenants = options.limit.unwrap_or(limits.tenants);
    let administration = administration.with_limits(limits);
    let tenant = administration.create_tenant(&options.id, name).await?;
    Ok(Answer::new(as_json(&tenant), tenants_table(&[tenant])))
}

async fn forget(store: Arc<Sqlite>, options: &Forget) -> Result<Answer, Failure> {
    let tenant = TenantId::from(options.id.as_str());
    let long = TimeDelta::from_std(options.older_than).ok();
    let before = long.and_then(|long| Clock::default().now().checked_sub_signed(long));
    let too_long = || Failure::Refused("that is longer than there are dates".to_owned());
    let before = before.ok_or_else(too_long)?;
    let count = match store.forget(&tenant, before).await {
        Ok(count) => count,
        Err(StoreError::NotFound) => {
            return Err(Failure::Refused(format!("there is no tenant `{tenant}`")));
        }
        Err(problem) => return Err(Failure::Unusable(chain(&problem))),
    };
    let json = json!({
        "before": instant(before),
        "forgotten": count,
        "tenant": tenant.as_str(),
    });
    let text = format!(
        "forgot {count} of `{tenant}` that were deleted before {} UTC",
        minute(before)
    );
    Ok(Answer::line(json, text))
}

async fn list(administration: Administration) -> Result<Answer, Failure> {
    let tenants = administration.tenants().await?;
    let json: Vec<_> = tenants.iter().map(as_json).collect();
    Ok(Answer::new(
        json!({ "tenants": json }),
        tenants_table(&tenants),
    ))
}

async fn show(administration: Administration, id: &str) -> Result<Answer, Failure> {
    let tenant = administration.tenant(&TenantId::from(id)).await?;
    let connections = administration.connections(&tenant.id).await?;
    let tokens = administration.tokens(&tenant.id).await?;
    let mut json = as_json(&tenant);
    if let Value::Object(object) = &mut json {
        let connections: Vec<_> = connections.iter().map(connection::as_json).collect();
        let tokens: Vec<_> = tokens.iter().map(token::as_json).collect();
        object.insert("connections".to_owned(), connections.into());
        object.insert("tokens".to_owned(), tokens.into());
    }
    let mut lines = tenants_table(&[tenant]);
    lines.push(String::new());
    lines.extend(connection::connections_table(&connections));
    lines.push(String::new());
    lines.extend(token::tokens_table(&tokens));
    Ok(Answer::new(json, lines))
}

fn as_json(tenant: &Tenant) -> Value {
    json!({
        "created": instant(tenant.created),
        "id": tenant.id.as_str(),
        "name": tenant.name,
        "revision": tenant.revision,
    })
}

fn tenants_table(tenants: &[Tenant]) -> Vec<String> {
    let row = |tenant: &Tenant| {
        let id = tenant.id.as_str().to_owned();
        [id, tenant.name.clone(), minute(tenant.created)]
    };
    table(
        ["tenant", "name", "created"],
        tenants.iter().map(row).collect(),
    )
}
