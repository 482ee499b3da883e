//! `scimkit map`: the attribute mapping of a connection, line by line.

use std::{process::ExitCode, sync::Arc};

use clap::{Args, Subcommand, ValueEnum, builder::PossibleValue};
use scimkit::{
    ConnectionId, RequestContext, Settings, SqliteStore,
    mapping::{
        CheckedRule, FieldType, MappablePath, Mapping, MappingError, MappingFile, Record,
        TypeMapping, mappable_paths,
    },
    provision::{ConnectionSettings, TenantAdmin, activity::find_person},
    registry::{Registry, Resource},
    store::Connection,
};
use serde_json::{Value, json};

use crate::{
    chain, exit,
    mapping::notes,
    schemas::{CustomTransforms, Schemas},
    store_args::{CommandOutput, Failure, IfMissing, TenantArgs},
    table::table,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Manage the fields that the lines can write
    #[command(subcommand)]
    Field(FieldCommand),
    /// List the lines of a connection's mapping, or the SCIM paths that a line can have
    #[command(after_help = exit::STORE)]
    List(List),
    /// Show what a mapping makes of a user that was received, also with one line set otherwise
    ///
    /// Nothing is changed.
    #[command(after_help = exit::STORE)]
    Preview(Preview),
    /// Set the SCIM path of a field, and keep the rest of the mapping as it is written
    ///
    /// A field without a line gets one. The changed mapping is checked as a whole first.
    #[command(after_help = exit::STORE)]
    Set(Set),
}

#[derive(Debug, Subcommand)]
pub(crate) enum FieldCommand {
    /// Add a field, such as a column that the tenant has defined
    #[command(after_help = exit::STORE)]
    Add(AddField),
}

/// The mapping of a connection for one resource type.
#[derive(Debug, Args)]
struct Selected {
    /// Id of the connection
    #[arg(long, default_value = "default", value_name = "ID")]
    connection: String,

    /// Resource type
    #[arg(long = "type", default_value = "User", value_name = "NAME")]
    kind: String,

    #[command(flatten)]
    schemas: Schemas,

    #[command(flatten)]
    transforms: CustomTransforms,

    #[command(flatten)]
    tenant: TenantArgs,
}

#[derive(Debug, Args)]
pub(crate) struct AddField {
    /// Name of the field
    name: String,

    /// JSON type of its values
    #[arg(long = "values", default_value = "text", value_name = "TYPE")]
    data_type: FieldTypeName,

    #[command(flatten)]
    selected: Selected,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// List the SCIM paths that a line can have
    #[arg(long)]
    paths: bool,

    #[command(flatten)]
    selected: Selected,
}

#[derive(Debug, Args)]
pub(crate) struct Preview {
    /// Id, user name, external id or email address of a user
    user: String,

    /// Field to set for the preview
    #[arg(requires = "path")]
    field: Option<String>,

    /// Its SCIM path; an empty one leaves the field out
    path: Option<String>,

    #[command(flatten)]
    selected: Selected,
}

#[derive(Debug, Args)]
pub(crate) struct Set {
    /// Name of the field
    field: String,

    /// SCIM path, such as `addresses[type eq "work"].country`; an empty one removes the line
    path: String,

    #[command(flatten)]
    selected: Selected,
}

/// The type of a field, by its name in a mapping file.
#[derive(Debug, Clone, Copy)]
struct FieldTypeName(FieldType);

impl ValueEnum for FieldTypeName {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [FieldTypeName; FieldType::NAMES.len()] = {
            let mut all = [FieldTypeName(FieldType::Text); FieldType::NAMES.len()];
            let mut at = 0;
            #[expect(clippy::indexing_slicing, reason = "the arrays are equally long")]
            while at < all.len() {
                all[at] = FieldTypeName(FieldType::NAMES[at].1);
                at += 1;
            }
            all
        };
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.name()))
    }
}

pub(crate) fn run(command: &Command) -> ExitCode {
    match command {
        Command::Field(FieldCommand::Add(options)) => {
            let kind = &options.selected.kind;
            options.selected.edit(|file, before| {
                // A mapping that declares one field has to declare all.
                for known in before.for_type(kind).map_or(&[][..], TypeMapping::fields) {
                    file.add_field(kind, &known.name, known.data_type)?;
                }
                file.add_field(kind, &options.name, options.data_type.0)
            })
        }
        Command::List(options) => {
            let store = &options.selected.tenant.store;
            store.run(IfMissing::Fail, async |admin| list(admin, options).await)
        }
        Command::Preview(options) => {
            let store = &options.selected.tenant.store;
            store.run_on_store(IfMissing::Fail, async |store| preview(store, options).await)
        }
        Command::Set(options) => options
            .selected
            .edit(|file, _| set(file, &options.selected.kind, &options.field, &options.path)),
    }
}

type Edit = Result<(), MappingError>;

/// Sets a line, or removes it if the path is empty.
fn set(file: &mut MappingFile, kind: &str, field: &str, path: &str) -> Edit {
    if path.is_empty() {
        file.remove_line(kind, field);
        return Ok(());
    }
    file.set_line(kind, field, path)
}

impl Selected {
    async fn connection(
        &self,
        admin: &TenantAdmin,
    ) -> Result<(Connection, ConnectionSettings), Failure> {
        let id = ConnectionId::from(self.connection.as_str());
        let connection = admin.connection(&self.tenant.id(), &id).await?;
        let settings = ConnectionSettings::from_json(&connection.settings)
            .map_err(|error| Failure::Rejected(error.to_string()))?;
        Ok((connection, settings))
    }

    fn registry(&self) -> Result<Registry, Failure> {
        self.schemas.registry().map_err(Failure::Unusable)
    }

    /// The mapping of a text, checked.
    fn mapping(&self, text: &str) -> Result<Mapping, Failure> {
        let mapping = self
            .transforms
            .builder()
            .text(text)
            .build(&self.registry()?);
        mapping.map_err(|error| Failure::Rejected(format!("the mapping: {error}")))
    }

    /// Edits the mapping of the connection and stores it.
    fn edit(&self, edit: impl FnOnce(&mut MappingFile, &Mapping) -> Edit) -> ExitCode {
        let edited = async |admin: TenantAdmin| {
            let (seen, mut settings) = self.connection(&admin).await?;
            let before = settings.mapping.as_deref().unwrap_or_default();
            let mapping = self.mapping(before)?;
            let text = edited_text(before, |file| edit(file, &mapping))?;
            let mapping = self.mapping(&text)?;
            settings.mapping = Some(text);
            admin
                .change_connection(&seen, &seen.name, &settings)
                .await?;
            Ok(lines(mapping.for_type(&self.kind)))
        };
        self.tenant.store.run(IfMissing::Fail, edited)
    }
}

fn edited_text(
    before: &str,
    edit: impl FnOnce(&mut MappingFile) -> Edit,
) -> Result<String, Failure> {
    let rejected = |error: MappingError| Failure::Rejected(error.to_string());
    let mut file = MappingFile::parse(before).map_err(rejected)?;
    edit(&mut file).map_err(rejected)?;
    Ok(file.to_string())
}

async fn list(admin: TenantAdmin, options: &List) -> Result<CommandOutput, Failure> {
    let selected = &options.selected;
    let (_, settings) = selected.connection(&admin).await?;
    if options.paths {
        return paths(&selected.registry()?, &selected.kind);
    }
    let Some(text) = &settings.mapping else {
        let note = "the connection has no mapping of its own: that of the application applies";
        let mut printed = lines(None);
        printed.note.push(note.to_owned());
        return Ok(printed);
    };
    Ok(lines(selected.mapping(text)?.for_type(&selected.kind)))
}

/// The lines of a mapping, and the declared fields without one.
fn lines(rules: Option<&TypeMapping>) -> CommandOutput {
    let mapped: Vec<CheckedRule<'_>> = rules.into_iter().flat_map(TypeMapping::rules).collect();
    let has_line = |field: &str| mapped.iter().any(|rule| rule.field() == Some(field));
    let fields = rules.map_or(&[][..], TypeMapping::fields).iter();
    let free: Vec<&str> = fields
        .map(|field| field.name.as_str())
        .filter(|name| !has_line(name))
        .collect();
    let mut rows: Vec<[String; 3]> = mapped
        .iter()
        .map(|rule| {
            [
                field_of(*rule),
                paths_of(*rule).join(", "),
                notes(*rule).join(", "),
            ]
        })
        .collect();
    let without = |name: &&str| [(*name).to_owned(), String::new(), "no line".to_owned()];
    rows.extend(free.iter().map(without));
    let line = |rule: &CheckedRule<'_>| json!({"field": rule.field(), "notes": notes(*rule), "scim": paths_of(*rule)});
    let json = json!({
        "fieldsWithoutLine": free,
        "lines": mapped.iter().map(line).collect::<Vec<_>>(),
    });
    CommandOutput::new(json, table(["field", "scim", "notes"], rows))
}

fn field_of(rule: CheckedRule<'_>) -> String {
    rule.field().unwrap_or("-").to_owned()
}

fn paths_of(rule: CheckedRule<'_>) -> Vec<&str> {
    rule.paths().collect()
}

/// The SCIM paths that a line can have.
fn paths(registry: &Registry, kind: &str) -> Result<CommandOutput, Failure> {
    let Some(kind) = registry.resource_type(kind) else {
        return Err(Failure::Rejected(format!(
            "there is no resource type `{kind}`"
        )));
    };
    let paths = mappable_paths(kind);
    let row = |path: &MappablePath| [path.path.clone(), path.data_type.name().to_owned()];
    let as_json = |path: &MappablePath| json!({"path": path.path, "type": path.data_type.name()});
    let json = json!({"paths": paths.iter().map(as_json).collect::<Vec<_>>()});
    Ok(CommandOutput::new(
        json,
        table(["scim", "type"], paths.iter().map(row).collect()),
    ))
}

async fn preview(store: Arc<SqliteStore>, options: &Preview) -> Result<CommandOutput, Failure> {
    let selected = &options.selected;
    let admin = TenantAdmin::new(store.clone());
    let (_, connection) = selected.connection(&admin).await?;
    let text = connection.mapping.unwrap_or_default();
    let now = selected.mapping(&text)?;
    let then = match (&options.field, &options.path) {
        (Some(field), Some(path)) => {
            let text = edited_text(&text, |file| set(file, &selected.kind, field, path))?;
            selected.mapping(&text)?
        }
        _ => now.clone(),
    };
    let user = received(&store, selected, &options.user).await?;
    let before = record(&now, &selected.kind, &user);
    let after = record(&then, &selected.kind, &user);
    let mut names: Vec<&String> = before.values.keys().chain(after.values.keys()).collect();
    names.sort();
    names.dedup();
    let shown = |record: &Delivered, name: &str| {
        record
            .values
            .get(name)
            .map_or("-".to_owned(), Value::to_string)
    };
    let rows = names.iter().map(|name| {
        let (now, then) = (shown(&before, name), shown(&after, name));
        let mark = if now == then { "" } else { "changed" };
        [(*name).clone(), now, then, mark.to_owned()]
    });
    let mut lines = table(["field", "now", "then", ""], rows.collect());
    lines.extend(
        after
            .problem
            .iter()
            .map(|problem| format!("rejected: {problem}")),
    );
    let json = json!({
        "now": before.values,
        "rejected": after.problem,
        "then": after.values,
    });
    Ok(CommandOutput::new(json, lines))
}

/// The values that a mapping delivers of a resource.
#[derive(Default)]
struct Delivered {
    problem: Option<String>,
    values: Record,
}

fn record(mapping: &Mapping, kind: &str, resource: &Resource) -> Delivered {
    let Some(rules) = mapping.for_type(kind) else {
        return Delivered::default();
    };
    match rules.to_record(resource) {
        Ok(values) => Delivered {
            problem: None,
            values,
        },
        Err(error) => Delivered {
            problem: Some(error.detail().to_owned()),
            values: Record::new(),
        },
    }
}

/// The user as it is stored.
async fn received(
    store: &Arc<SqliteStore>,
    selected: &Selected,
    user: &str,
) -> Result<Resource, Failure> {
    let mut settings = Settings::new("");
    settings.registry = Arc::new(selected.registry()?);
    let context = RequestContext::new(selected.tenant.id(), Arc::new(settings));
    let found = find_person(&**store, &context, user).await;
    let found = found.map_err(|error| Failure::Unusable(chain(&error)))?;
    let stored = found.ok_or_else(|| Failure::Rejected(format!("there is no user `{user}`")))?;
    let tree = stored.document.shared_tree();
    let tree = tree.map_err(|error| Failure::Unusable(error.to_string()))?;
    Ok(Resource::clone(&tree))
}
