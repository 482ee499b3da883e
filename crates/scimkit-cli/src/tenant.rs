//! `scimkit tenant`: the tenants of an application.

use std::{process::ExitCode, sync::Arc, time::Duration};

use chrono::TimeDelta;
use clap::{Args, Subcommand};
use scimkit::{
    SqliteStore, TenantId,
    provision::{Clock, TenantAdmin},
    store::{Archive, StoreError, Tenant, TenantLimits, TenantSource},
};
use serde_json::{Value, json};

use crate::{
    chain, connection, exit, reindex,
    store_args::{CommandOutput, Failure, IfMissing, StoreArgs, instant, minute},
    table::table,
    token, transfer,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create a tenant, and the store if it does not exist
    #[command(after_help = exit::STORE)]
    Create(Create),
    /// Erase a tenant with all its data
    #[command(after_help = exit::STORE)]
    Erase(transfer::Erase),
    /// Export all data of a tenant as lines of JSON, while the server may be running
    #[command(after_help = exit::STORE)]
    Export(transfer::Export),
    /// Import an export with its ids, versions and times: completely, or not at all
    #[command(after_help = exit::STORE)]
    Import(transfer::Import),
    /// List the tenants
    #[command(after_help = exit::STORE)]
    List(List),
    /// Purge soft-deleted resources
    #[command(alias = "forget", after_help = exit::STORE)]
    Purge(Purge),
    /// Rebuild the lookup keys of a tenant's resources after a change of the schemas
    ///
    /// Optional: the server finds resources without current keys, too, but more slowly, and rebuilds the keys in time.
    #[command(after_help = exit::STORE)]
    Reindex(reindex::Options),
    /// Show a tenant with its connections and tokens
    #[command(after_help = exit::STORE)]
    Show(Show),
    /// Change what delivers the users of a tenant, in staged delivery
    ///
    /// Runs deliver only what connections of this source have sent. Test mode returns on all the tenant's staged connections.
    #[command(after_help = exit::STORE)]
    Source(Source),
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Id in paths, host names and commands: `a`-`z`, `0`-`9` and `-`
    #[arg(default_value = "default")]
    id: String,

    /// Display name [default: the id]
    #[arg(long)]
    name: Option<String>,

    /// Limit on the number of tenants [default: 100000]
    #[arg(long, value_name = "N")]
    limit: Option<u64>,

    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Purge {
    /// Tenant id
    id: String,

    /// Minimum time since the deletion, such as `90d`
    #[arg(long, value_name = "TIME", value_parser = token::duration)]
    older_than: Duration,

    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Source {
    /// Tenant id
    id: String,

    /// `scim`, `agent` or `csv`
    #[arg(value_parser = source)]
    source: TenantSource,

    /// Revision of the tenant that was seen; the change is rejected if it is no longer the current one
    #[arg(long, value_name = "N")]
    revision: Option<u64>,

    #[command(flatten)]
    store: StoreArgs,
}

fn source(word: &str) -> Result<TenantSource, String> {
    let known = TenantSource::WORDS.iter().find(|(known, _)| *known == word);
    let source = known.map(|(_, source)| *source);
    source.ok_or_else(|| "expected one of agent, csv, scim".to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Tenant id
    #[arg(default_value = "default")]
    id: String,

    #[command(flatten)]
    store: StoreArgs,
}

pub(crate) fn run(command: &Command) -> ExitCode {
    match command {
        Command::Create(options) => {
            let store = &options.store;
            store.run(IfMissing::Create, async |admin| {
                create(admin, options).await
            })
        }
        Command::Erase(options) => transfer::erase(options),
        Command::Export(options) => transfer::export(options),
        Command::Import(options) => transfer::import(options),
        Command::List(options) => options.store.run(IfMissing::Fail, list),
        Command::Purge(options) => {
            let purged = async |store| purge(store, options).await;
            options.store.run_on_store(IfMissing::Fail, purged)
        }
        Command::Reindex(options) => reindex::run(options),
        Command::Source(options) => {
            let store = &options.store;
            store.run(IfMissing::Fail, async |admin| {
                change_source(admin, options).await
            })
        }
        Command::Show(options) => {
            let store = &options.store;
            store.run(IfMissing::Fail, async |admin| {
                show(admin, &options.id).await
            })
        }
    }
}

async fn create(admin: TenantAdmin, options: &Create) -> Result<CommandOutput, Failure> {
    let name = options.name.as_deref().unwrap_or(&options.id);
    let mut limits = TenantLimits::default();
    limits.tenants = options.limit.unwrap_or(limits.tenants);
    let admin = admin.with_limits(limits);
    let tenant = admin.create_tenant(&options.id, name).await?;
    Ok(CommandOutput::new(
        as_json(&tenant),
        tenants_table(&[tenant]),
    ))
}

async fn purge(store: Arc<SqliteStore>, options: &Purge) -> Result<CommandOutput, Failure> {
    let tenant = TenantId::from(options.id.as_str());
    let long = TimeDelta::from_std(options.older_than).ok();
    let before = long.and_then(|long| Clock::default().now().checked_sub_signed(long));
    let too_long =
        || Failure::Rejected("--older-than is too long: no date is that early".to_owned());
    let before = before.ok_or_else(too_long)?;
    let count = match store.purge_deleted(&tenant, before).await {
        Ok(count) => count,
        Err(StoreError::NotFound) => {
            return Err(Failure::Rejected(format!("there is no tenant `{tenant}`")));
        }
        Err(problem) => return Err(Failure::Unusable(chain(&problem))),
    };
    let json = json!({
        "before": instant(before),
        "purged": count,
        "tenant": tenant.as_str(),
    });
    let text = format!(
        "purged {count} resources of `{tenant}` that were deleted before {} UTC",
        minute(before)
    );
    Ok(CommandOutput::line(json, text))
}

async fn list(admin: TenantAdmin) -> Result<CommandOutput, Failure> {
    let tenants = admin.tenants().await?;
    let json: Vec<_> = tenants.iter().map(as_json).collect();
    Ok(CommandOutput::new(
        json!({ "tenants": json }),
        tenants_table(&tenants),
    ))
}

async fn change_source(admin: TenantAdmin, options: &Source) -> Result<CommandOutput, Failure> {
    let seen = admin.tenant(&TenantId::from(options.id.as_str())).await?;
    if let Some(revision) = options.revision
        && revision != seen.revision
    {
        let current = seen.revision;
        return Err(Failure::Rejected(format!(
            "tenant `{}` has changed: its revision is {current}, not {revision}",
            seen.id
        )));
    }
    let changed = admin.change_source(&seen, options.source).await?;
    let text = format!(
        "the source of tenant `{}` is {}",
        changed.id, changed.source
    );
    Ok(CommandOutput::line(as_json(&changed), text))
}

async fn show(admin: TenantAdmin, id: &str) -> Result<CommandOutput, Failure> {
    let tenant = admin.tenant(&TenantId::from(id)).await?;
    let connections = admin.connections(&tenant.id).await?;
    let tokens = admin.tokens(&tenant.id).await?;
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
    Ok(CommandOutput::new(json, lines))
}

fn as_json(tenant: &Tenant) -> Value {
    json!({
        "created": instant(tenant.created),
        "id": tenant.id.as_str(),
        "name": tenant.name,
        "revision": tenant.revision,
        "source": tenant.source.as_str(),
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
