//! `scimkit connection`: a tenant's connections to identity providers, and their settings.

use std::{fs, path::Path, process::ExitCode, sync::Arc};

use clap::{Args, Subcommand};
use scimkit::{
    ConnectionId, Settings, SqliteStore, TenantId,
    provision::{ConnectionSettings, TenantAdmin, tenant_url},
    store::{Connection, TenantLimits},
};
use serde_json::{Map, Value, json};

use crate::{
    exit, files, output,
    schemas::{CustomTransforms, Schemas},
    store_args::{CommandOutput, Failure, IfMissing, TenantArgs, instant, minute},
    sync,
    table::table,
};

/// The settings of a connection, and the exit status.
const SETTINGS: &str = "\
Settings:
  active=true|false            whether the server accepts the connection's requests
  users=true|false             whether the connection provisions users
  groups=on|accept|off         whether it provisions groups; accept takes them without delivering them
  tolerance=PROFILE|JSON       deviations from the RFC to accept: entra, okta, strict, ...
  create_policy=conflict|adopt|restore|adopt_or_restore
                               what a create does if the resource exists
  delete_policy=permanent|soft whether a DELETE is permanent or keeps the resource for a later create
  aliases=keep|drop            what becomes of e-mail addresses other than the primary one
  unknown_members=, cycles=reject|accept
                               members that don't exist, and groups that contain themselves
  patch_response=auto|always|never
                               whether the response to a PATCH contains the resource
  require_if_match=true|false  whether changes need If-Match
  journal=notice|full|off      how much the journal records of each change
  mapping=@FILE                attribute mapping
  capacities=JSON              limits on the number of resources
  roles=JSON                   roles of users by their groups
Staged delivery:
  delivery=direct|staged       whether runs deliver what is sent, from a state of its own
  test_mode=true|false         whether runs end with their report
  source=scim|agent|csv        what the connection is; runs deliver those of the tenant's source
  authoritative=true|false     whether people who were never sent are archived
  on_delete=archive|remove     what becomes of users that the identity provider deleted
  group_source=JSON            groups from an attribute of users, or one group for all
  interval=15m                 shortest time between two runs
  quiet=45m, silence=7days     time without a request after which the identity provider counts as finished, or as silent
  guards=JSON                  limits beyond which a run is blocked
  cleared_fields=JSON          fields that the first live run clears
KEY=@FILE reads the value from a file; KEY= restores the application's default.

Exit status:
  0  done
  1  rejected, or not found
  2  invalid arguments, or the store or a file can't be used";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create a connection
    #[command(after_help = SETTINGS)]
    Create(Create),
    /// Disable a connection: the server rejects its requests with 403
    #[command(alias = "off", after_help = exit::STORE)]
    Disable(Selected),
    /// Enable a connection
    #[command(alias = "on", after_help = exit::STORE)]
    Enable(Selected),
    /// List the connections of a tenant
    #[command(after_help = exit::STORE)]
    List(List),
    /// Remove a connection and its tokens; the resources that it provisioned stay
    #[command(after_help = exit::STORE)]
    Remove(Selected),
    /// Show a connection and its settings
    #[command(after_help = exit::STORE)]
    Show(Selected),
    /// Change the name or the settings of a connection
    #[command(alias = "set", after_help = SETTINGS)]
    Update(Update),
    /// Print the URL to enter in the identity provider
    ///
    /// All connections of a tenant have the same URL: the token tells them apart.
    #[command(after_help = exit::STORE)]
    Url(Url),
}

#[derive(Debug, Args)]
pub(crate) struct Change {
    /// Connection id [default: default]
    #[arg(value_name = "ID")]
    first: Option<String>,

    /// Settings, such as `tolerance=entra`
    #[arg(value_name = "KEY=VALUE")]
    settings: Vec<String>,

    /// Display name
    #[arg(long)]
    name: Option<String>,

    #[command(flatten)]
    schemas: Schemas,

    #[command(flatten)]
    transforms: CustomTransforms,

    #[command(flatten)]
    tenant: TenantArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Limit on the number of connections of the tenant [default: 100]
    #[arg(long, value_name = "N")]
    limit: Option<u64>,

    #[command(flatten)]
    connection: Change,
}

#[derive(Debug, Args)]
pub(crate) struct Update {
    /// Leave test mode although the plans of its runs still differ
    #[arg(long)]
    unsettled: bool,

    #[command(flatten)]
    connection: Change,
}

#[derive(Debug, Args)]
pub(crate) struct Selected {
    /// Connection id
    #[arg(default_value = "default")]
    id: String,

    #[command(flatten)]
    tenant: TenantArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Url {
    /// Base URL of the server, in which `{tenant}` stands for the tenant
    #[arg(long, env = "SCIMKIT_BASE_URL", value_name = "URL")]
    base_url: String,

    #[command(flatten)]
    selected: Selected,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    tenant: TenantArgs,
}

impl Change {
    /// The id. An id contains no `=`, so a first argument with one is a setting.
    fn id(&self) -> &str {
        let first = self.first.as_deref().filter(|first| !first.contains('='));
        first.unwrap_or("default")
    }

    fn settings(&self) -> impl Iterator<Item = &String> {
        let first = self.first.iter().filter(|first| first.contains('='));
        first.chain(&self.settings)
    }

    /// The stored settings with those of the arguments.
    fn apply(&self, stored: &str) -> Result<ConnectionSettings, Failure> {
        let rejected = |problem: String| Failure::Rejected(problem);
        // Settings that this release can't read are dropped.
        let stored = ConnectionSettings::from_json(stored).ok();
        let stored = stored.and_then(|stored| serde_json::to_value(stored).ok());
        let stored = stored.and_then(|stored| stored.as_object().cloned());
        let mut members: Map<String, Value> = stored.unwrap_or_default();
        for setting in self.settings() {
            let invalid = || {
                rejected(format!(
                    "invalid setting `{setting}`: expected KEY=VALUE, such as `tolerance=entra`"
                ))
            };
            let (key, value) = setting.split_once('=').ok_or_else(invalid)?;
            let key = current_key(key);
            match self::value(key, value)? {
                Some(value) => members.insert(key.to_owned(), value),
                None => members.remove(key),
            };
        }
        let text = Value::Object(members).to_string();
        let rules =
            ConnectionSettings::from_json(&text).map_err(|error| rejected(error.to_string()))?;
        // With an invalid mapping, the server would reject every request of the connection. One that is stored already was
        // checked with the schemas of the application, which this command may not know.
        let mut changed = rules.clone();
        if !self
            .settings()
            .any(|setting| setting.starts_with("mapping="))
        {
            changed.mapping = None;
        }
        let mut settings = Settings::new("");
        settings.registry = Arc::new(self.schemas.registry().map_err(Failure::Unusable)?);
        let checked = changed.apply_to(&settings, &self.transforms.builder());
        checked.map_err(|error| rejected(error.to_string()))?;
        Ok(rules)
    }
}

/// The key of a setting, given that or its former one.
fn current_key(key: &str) -> &str {
    match key {
        "create" => "create_policy",
        "deletes" => "delete_policy",
        "patch_answer" => "patch_response",
        key => key,
    }
}

/// The value of a setting; none if it gets its default back.
fn value(key: &str, text: &str) -> Result<Option<Value>, Failure> {
    let text = match text.strip_prefix('@').map(Path::new) {
        Some(path) => fs::read_to_string(path)
            .map_err(|error| Failure::Rejected(files::explain(path, &error)))?,
        None if text.is_empty() => return Ok(None),
        None => text.to_owned(),
    };
    if key == "mapping" && !text.contains('\n') && Path::new(&text).is_file() {
        let problem = format!("`{text}` is a file: use `mapping=@{text}`");
        return Err(Failure::Rejected(problem));
    }
    // A mapping is stored as it was written, with its comments.
    Ok(Some(match serde_json::from_str(&text) {
        Ok(value) if key != "mapping" => value,
        _ => Value::String(text),
    }))
}

pub(crate) fn run(command: &Command) -> ExitCode {
    match command {
        Command::Create(options) => {
            let store = &options.connection.tenant.store;
            store.run(IfMissing::Fail, async |admin| create(admin, options).await)
        }
        Command::Disable(options) => set_active(options, false),
        Command::Enable(options) => set_active(options, true),
        Command::List(options) => {
            let store = &options.tenant.store;
            store.run(IfMissing::Fail, async |admin| list(admin, options).await)
        }
        Command::Remove(options) => {
            let store = &options.tenant.store;
            store.run(IfMissing::Fail, async |admin| remove(admin, options).await)
        }
        Command::Show(options) => {
            let shown = async |admin: TenantAdmin| {
                let (tenant, id) = options.ids();
                Ok(shown(&admin.connection(&tenant, &id).await?))
            };
            options.tenant.store.run(IfMissing::Fail, shown)
        }
        Command::Update(options) => {
            let store = &options.connection.tenant.store;
            store.run_on_store(IfMissing::Fail, async |store| update(store, options).await)
        }
        Command::Url(options) => {
            let store = &options.selected.tenant.store;
            store.run(IfMissing::Fail, async |admin| url(admin, options).await)
        }
    }
}

impl Selected {
    fn ids(&self) -> (TenantId, ConnectionId) {
        (self.tenant.id(), self.id.as_str().into())
    }
}

async fn create(admin: TenantAdmin, options: &Create) -> Result<CommandOutput, Failure> {
    let mut limits = TenantLimits::default();
    limits.connections = options.limit.unwrap_or(limits.connections);
    let admin = admin.with_limits(limits);
    let options = &options.connection;
    let rules = options.apply("{}")?;
    let id = options.id();
    let name = options.name.as_deref().unwrap_or(id);
    let tenant = options.tenant.id();
    let created = admin.create_connection(&tenant, id, name, &rules);
    Ok(shown(&created.await?))
}

async fn list(admin: TenantAdmin, options: &List) -> Result<CommandOutput, Failure> {
    let connections = admin.connections(&options.tenant.id()).await?;
    let json: Vec<_> = connections.iter().map(as_json).collect();
    let json = json!({ "connections": json });
    Ok(CommandOutput::new(json, connections_table(&connections)))
}

fn set_active(options: &Selected, active: bool) -> ExitCode {
    let update = async |admin: TenantAdmin| {
        let (tenant, id) = options.ids();
        let updated = if active {
            admin.enable_connection(&tenant, &id).await
        } else {
            admin.disable_connection(&tenant, &id).await
        };
        Ok(shown(&updated?))
    };
    options.tenant.store.run(IfMissing::Fail, update)
}

async fn url(admin: TenantAdmin, options: &Url) -> Result<CommandOutput, Failure> {
    let base_url = &options.base_url;
    if !["https://", "http://"]
        .iter()
        .any(|start| base_url.starts_with(start))
    {
        let problem = format!("invalid base URL `{base_url}`: expected `https://` at its start");
        return Err(Failure::Rejected(problem));
    }
    let (tenant, id) = options.selected.ids();
    admin.connection(&tenant, &id).await?;
    let url = tenant_url(base_url, &tenant);
    let json = json!({ "connection": id.as_str(), "tenant": tenant.as_str(), "url": url });
    Ok(CommandOutput::line(json, url))
}

async fn remove(admin: TenantAdmin, options: &Selected) -> Result<CommandOutput, Failure> {
    let (tenant, id) = options.ids();
    admin.remove_connection(&tenant, &id).await?;
    let text = format!("removed connection `{id}` and its tokens");
    Ok(CommandOutput::line(json!({ "removed": id.as_str() }), text))
}

async fn update(store: Arc<SqliteStore>, options: &Update) -> Result<CommandOutput, Failure> {
    let unsettled = options.unsettled;
    let options = &options.connection;
    let admin = TenantAdmin::new(store.clone());
    let id = ConnectionId::from(options.id());
    let seen = admin.connection(&options.tenant.id(), &id).await?;
    let rules = options.apply(&seen.settings)?;
    let was_test = ConnectionSettings::from_json(&seen.settings)
        .is_ok_and(|before| before.is_staged() && before.test_mode);
    if was_test && rules.is_staged() && !rules.test_mode && !unsettled {
        sync::check_settled(store, &options.tenant, &id).await?;
    }
    let name = options.name.as_deref().unwrap_or(&seen.name);
    let changed = admin.change_connection(&seen, name, &rules);
    Ok(shown(&changed.await?))
}

/// A connection and its settings.
fn shown(connection: &Connection) -> CommandOutput {
    let mut lines = connections_table(std::slice::from_ref(connection));
    lines.push(String::new());
    let settings = output::json_text(&settings(connection));
    lines.extend(settings.lines().map(str::to_owned));
    CommandOutput::new(as_json(connection), lines)
}

pub(crate) fn as_json(connection: &Connection) -> Value {
    json!({
        "created": instant(connection.created),
        "id": connection.id.as_str(),
        "name": connection.name,
        "revision": connection.revision,
        "settings": settings(connection),
        "tenant": connection.tenant.as_str(),
    })
}

/// The stored settings of a connection, also those of another release.
fn settings(connection: &Connection) -> Value {
    let text = connection.settings.as_str();
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}

pub(crate) fn connections_table(connections: &[Connection]) -> Vec<String> {
    let yes_no = |holds: bool| if holds { "yes" } else { "no" }.to_owned();
    let row = |connection: &Connection| {
        let switches = match ConnectionSettings::from_json(&connection.settings) {
            Ok(rules) => [rules.active, rules.users, rules.groups.is_accepted()].map(yes_no),
            Err(_) => ["?", "?", "?"].map(str::to_owned),
        };
        let [active, users, groups] = switches;
        let id = connection.id.as_str().to_owned();
        let created = minute(connection.created);
        [id, connection.name.clone(), active, users, groups, created]
    };
    let headings = ["connection", "name", "active", "users", "groups", "created"];
    table(headings, connections.iter().map(row).collect())
}
