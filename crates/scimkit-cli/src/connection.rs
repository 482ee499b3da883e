//! `scimkit connection`: a tenant's connections to identity providers, and their rules.

use std::{fs, path::Path, process::ExitCode, sync::Arc};

use clap::{Args, Subcommand};
use scimkit::{
    ConnectionId, Settings, TenantId,
    provision::{Administration, Rules, Switch},
    store::{Connection, TenantLimits},
};
use serde_json::{Map, Value, json};

use crate::{
    kept::{self, Answer, Failure, Missing, instant, minute},
    output,
    schemas::{HostTransforms, Schemas},
    table::table,
};

/// What may be said of rules.
const RULES: &str = "Rules:
  active=true|false            whether anything goes through it
  users=, groups=true|false    whether that type does
  tolerance=PROFILE|JSON       what is accepted beyond the RFC: entra, okta, strict, …
  create=conflict|adopt|relink|adopt_or_relink
                               what a create does where somebody is there already
  deletes=erase|retire         what becomes of what is deleted
  aliases=keep|drop            what becomes of e-mail addresses beside the one that counts
  unknown_members=, cycles=refuse|accept
                               members that don't exist, or that close a circle
  patch_answer=auto|always|never
                               whether a PATCH answers with the resource
  require_if_match=true|false  whether changes need If-Match
  journal=notice|full|off      how much of each change is recorded
  mapping=@FILE                an attribute mapping
  capacities=JSON              limits on the number of resources
KEY=@FILE takes the value from a file; KEY= goes back to what the application has.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes a connection.
    #[command(after_help = RULES)]
    Create(Create),
    /// Lists the connections of a tenant.
    List(List),
    /// Switches a connection off: its provider is told so, and nothing goes through it.
    Off(One),
    /// Switches a connection on.
    On(One),
    /// Takes a connection away, with its tokens; what it provisioned stays.
    Remove(One),
    /// Changes the name or the rules of a connection.
    #[command(after_help = RULES)]
    Set(Change),
    /// Shows a connection with all that was chosen for it.
    Show(One),
}

#[derive(Debug, Args)]
pub(crate) struct Change {
    /// What it is called by in commands; `default` unless said.
    #[arg(value_name = "ID")]
    first: Option<String>,

    /// Rules, such as `tolerance=entra`.
    #[arg(value_name = "KEY=VALUE")]
    rules: Vec<String>,

    /// What people call it.
    #[arg(long)]
    name: Option<String>,

    #[command(flatten)]
    schemas: Schemas,

    #[command(flatten)]
    transforms: HostTransforms,

    #[command(flatten)]
    of: kept::InTenant,
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Largest number of connections of the tenant [default: 100]
    #[arg(long, value_name = "N")]
    limit: Option<u64>,

    #[command(flatten)]
    connection: Change,
}

#[derive(Debug, Args)]
pub(crate) struct One {
    /// Which one.
    #[arg(default_value = "default")]
    id: String,

    #[command(flatten)]
    of: kept::InTenant,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    of: kept::InTenant,
}

impl Change {
    /// The id; no id has a `=`, so a first rule is none.
    fn id(&self) -> &str {
        let first = self.first.as_deref().filter(|first| !first.contains('='));
        first.unwrap_or("default")
    }

    fn rules(&self) -> impl Iterator<Item = &String> {
        let first = self.first.iter().filter(|first| first.contains('='));
        first.chain(&self.rules)
    }

    /// Rules as they were kept, with those that are given.
    fn apply(&self, kept: &str) -> Result<Rules, Failure> {
        let refused = |problem: String| Failure::Refused(problem);
        // Rules that nobody can read any more are left behind.
        let kept = Rules::from_json(kept).ok().map(|_| kept);
        let kept = kept.and_then(|kept| serde_json::from_str(kept).ok());
        let mut rules: Map<String, Value> = kept.unwrap_or_default();
        for rule in self.rules() {
            let bad = || refused(format!("`{rule}` is no rule such as `tolerance=entra`"));
            let (key, value) = rule.split_once('=').ok_or_else(bad)?;
            match self::value(key, value)? {
                Some(value) => rules.insert(key.to_owned(), value),
                None => rules.remove(key),
            };
        }
        let text = Value::Object(rules).to_string();
        let rules = Rules::from_json(&text).map_err(|error| refused(error.to_string()))?;
        // A mapping that does not fit would close the connection.
        let mut settings = Settings::new("");
        settings.registry = Arc::new(self.schemas.registry().map_err(Failure::Unusable)?);
        let fits = rules.settings(&settings, &self.transforms.builder());
        fits.map_err(|error| refused(error.to_string()))?;
        Ok(rules)
    }
}

/// What a rule is given; nothing where it goes back to its default.
fn value(key: &str, text: &str) -> Result<Option<Value>, Failure> {
    let file = text.strip_prefix('@').map(|path| {
        let text = fs::read_to_string(path);
        text.map_err(|error| Failure::Refused(format!("`{path}` can't be read: {error}")))
    });
    let text = match file {
        Some(text) => text?,
        None if text.is_empty() => return Ok(None),
        None => text.to_owned(),
    };
    if key == "mapping" && !text.contains('\n') && Path::new(&text).is_file() {
        let problem = format!("`{text}` is a file: say `mapping=@{text}`");
        return Err(Failure::Refused(problem));
    }
    // A mapping is kept as it was written, comments and all.
    Ok(Some(match serde_json::from_str(&text) {
        Ok(value) if key != "mapping" => value,
        _ => Value::String(text),
    }))
}

pub(crate) fn run(command: &Command) -> ExitCode {
    match command {
        Command::Create(options) => {
            let made = async |administration| create(administration, options).await;
            options.connection.of.kept.run(Missing::Refused, made)
        }
        Command::List(options) => {
            let listed = async |administration| list(administration, options).await;
            options.of.kept.run(Missing::Refused, listed)
        }
        Command::Off(options) => switch(options, Switch::Off),
        Command::On(options) => switch(options, Switch::On),
        Command::Remove(options) => {
            let removed = async |administration| remove(administration, options).await;
            options.of.kept.run(Missing::Refused, removed)
        }
        Command::Set(options) => {
            let changed = async |administration| set(administration, options).await;
            options.of.kept.run(Missing::Refused, changed)
        }
        Command::Show(options) => {
            let shown = async |administration: Administration| {
                let (tenant, id) = options.ids();
                Ok(told(&administration.connection(&tenant, &id).await?))
            };
            options.of.kept.run(Missing::Refused, shown)
        }
    }
}

impl One {
    fn ids(&self) -> (TenantId, ConnectionId) {
        (self.of.tenant(), self.id.as_str().into())
    }
}

async fn create(administration: Administration, options: &Create) -> Result<Answer, Failure> {
    let mut limits = TenantLimits::default();
    limits.connections = options.limit.unwrap_or(limits.connections);
    let administration = administration.with_limits(limits);
    let options = &options.connection;
    let rules = options.apply("{}")?;
    let (tenant, id) = (options.of.tenant(), options.id());
    let name = options.name.as_deref().unwrap_or(id);
    let made = administration.create_connection(&tenant, id, name, &rules);
    Ok(told(&made.await?))
}

async fn list(administration: Administration, options: &List) -> Result<Answer, Failure> {
    let tenant = options.of.tenant();
    let connections = administration.connections(&tenant).await?;
    let json: Vec<_> = connections.iter().map(as_json).collect();
    let json = json!({ "connections": json });
    Ok(Answer::new(json, connections_table(&connections)))
}

fn switch(options: &One, to: Switch) -> ExitCode {
    let switched = async |administration: Administration| {
        let (tenant, id) = options.ids();
        Ok(told(&administration.switch(&tenant, &id, to).await?))
    };
    options.of.kept.run(Missing::Refused, switched)
}

async fn remove(administration: Administration, options: &One) -> Result<Answer, Failure> {
    let (tenant, id) = options.ids();
    administration.remove_connection(&tenant, &id).await?;
    let text = format!("connection `{id}` is removed, with its tokens");
    Ok(Answer::line(json!({ "removed": id.as_str() }), text))
}

async fn set(administration: Administration, options: &Change) -> Result<Answer, Failure> {
    let tenant = options.of.tenant();
    let id = ConnectionId::from(options.id());
    let seen = administration.connection(&tenant, &id).await?;
    let rules = options.apply(&seen.rules)?;
    let name = options.name.as_deref().unwrap_or(&seen.name);
    let changed = administration.change_connection(&seen, name, &rules);
    Ok(told(&changed.await?))
}

/// A connection with its rules.
fn told(connection: &Connection) -> Answer {
    let mut lines = connections_table(std::slice::from_ref(connection));
    lines.push(String::new());
    let rules = output::json_text(&rules(connection));
    lines.extend(rules.lines().map(str::to_owned));
    Answer::new(as_json(connection), lines)
}

pub(crate) fn as_json(connection: &Connection) -> Value {
    json!({
        "created": instant(connection.created),
        "id": connection.id.as_str(),
        "name": connection.name,
        "revision": connection.revision,
        "rules": rules(connection),
        "tenant": connection.tenant.as_str(),
    })
}

/// The rules of a connection as they are, also those of another release.
fn rules(connection: &Connection) -> Value {
    let text = connection.rules.as_str();
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}

pub(crate) fn connections_table(connections: &[Connection]) -> Vec<String> {
    let on_off = |on: bool| if on { "on" } else { "off" }.to_owned();
    let row = |connection: &Connection| {
        let switches = match Rules::from_json(&connection.rules) {
            Ok(rules) => [rules.active, rules.users, rules.groups].map(on_off),
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
