//! `scimkit person`: one user, as an operator sees it.

use std::{process::ExitCode, sync::Arc};

use clap::{Args, Subcommand};
use scimkit::{
    RequestContext, Settings, SqliteStore,
    provision::{
        TenantAdmin,
        activity::{ActivityQuery, find_person, json_row},
    },
    registry::ResourceId,
    store::{StoreError, StoredResource},
};
use serde_json::{Map, Value, json};

use crate::{
    activity, chain, exit, output,
    schemas::Schemas,
    store_args::{CommandOutput, Failure, IfMissing, TenantArgs, instant},
    table::table,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what is stored of a user, and its latest changes
    ///
    /// For a user that was deleted, name its id: the journal still has its changes.
    #[command(after_help = exit::STORE)]
    Show(Show),
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Id, user name, external id or email address
    user: String,

    /// Maximum number of changes
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: usize,

    #[command(flatten)]
    schemas: Schemas,

    #[command(flatten)]
    tenant: TenantArgs,
}

pub(crate) fn run(command: &Command) -> ExitCode {
    match command {
        Command::Show(options) => {
            let store = &options.tenant.store;
            store.run_on_store(IfMissing::Fail, async |store| show(store, options).await)
        }
    }
}

async fn show(store: Arc<SqliteStore>, options: &Show) -> Result<CommandOutput, Failure> {
    let tenant = options.tenant.id();
    TenantAdmin::new(store.clone()).tenant(&tenant).await?;
    let mut settings = Settings::new("");
    settings.registry = Arc::new(options.schemas.registry().map_err(Failure::Unusable)?);
    let context = RequestContext::new(tenant.clone(), Arc::new(settings));
    let found = find_person(&*store, &context, &options.user).await;
    let stored = found.map_err(|error| match error {
        StoreError::Invalid { detail } => Failure::Rejected(detail),
        error => Failure::Unusable(chain(&error)),
    })?;
    let id = stored.as_ref().map_or_else(
        || ResourceId::from(&*options.user),
        |stored| stored.id.clone(),
    );
    let query = ActivityQuery::default().with_person(id.clone());
    let events = activity::latest(&store, &tenant, query, options.limit).await?;
    if stored.is_none() && events.is_empty() {
        let user = &options.user;
        return Err(Failure::Rejected(format!("there is no user `{user}`")));
    }
    let attributes = stored.as_ref().map(attributes).transpose()?;
    let changes: Vec<_> = events.iter().map(json_row).collect();
    let json = json!({
        "changes": changes,
        "id": id.as_str(),
        "owner": stored.as_ref().and_then(|stored| stored.owner.as_ref()).map(|owner| owner.as_str()),
        "stored": attributes,
        "version": stored.as_ref().map(|stored| stored.version.as_str()),
    });
    let mut lines = match &attributes {
        Some(attributes) => output::json_text(attributes)
            .lines()
            .map(str::to_owned)
            .collect(),
        None => vec![format!("no user with the id `{id}` is stored")],
    };
    lines.push(String::new());
    let rows = events.iter().map(|event| {
        let [time, number, connection, outcome, subject, _, changed] =
            activity::row(event, String::new());
        [time, number, connection, outcome, subject, changed]
    });
    let headings = ["time", "number", "connection", "outcome", "id", "changed"];
    lines.extend(table(headings, rows.collect()));
    Ok(CommandOutput::new(json, lines))
}

/// What is stored of a user, with its id and times.
fn attributes(stored: &StoredResource) -> Result<Value, Failure> {
    let text = stored.document.text();
    let document: Map<String, Value> =
        serde_json::from_slice(text).map_err(|error| Failure::Unusable(error.to_string()))?;
    let mut shown = Map::new();
    shown.insert("id".to_owned(), stored.id.as_str().into());
    let owner = stored.owner.as_ref().map(|owner| owner.as_str());
    shown.insert("owner".to_owned(), owner.into());
    shown.insert("created".to_owned(), instant(stored.created).into());
    shown.insert(
        "lastModified".to_owned(),
        instant(stored.last_modified).into(),
    );
    shown.extend(document.into_iter().filter(|(name, _)| name != "schemas"));
    Ok(shown.into())
}
