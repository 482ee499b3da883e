//! `scimkit activity`: the journal of a tenant, for people.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Subcommand};
use scimkit::{
    ConnectionId, RequestContext, Settings, SqliteStore, TenantId,
    provision::{
        Clock, TenantAdmin,
        activity::{
            ActivityPages, ActivityQuery, CSV_HEADER, VerifyError, csv_row, find_person, json_row,
            subject_names, verify_journal,
        },
        events::Event,
    },
    registry::ResourceId,
    store::{JournalDigest, StoreError},
};
use serde_json::{Value, json};

use crate::{
    chain, exit, output,
    schemas::Schemas,
    store_args::{CommandOutput, Failure, IfMissing, TenantArgs, minute},
    table::table,
    token,
    transfer::{create, file_failure},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write the changes of a tenant as CSV, the last one first; with `--json`, as lines of JSON
    ///
    /// CSV has the paths of changed attributes, JSON also the values that the journal recorded.
    #[command(after_help = exit::STORE)]
    Export(Export),
    /// List the latest changes of a tenant, the last one first
    #[command(after_help = exit::STORE)]
    List(List),
    /// Verify that no entry of a tenant's journal was altered or removed
    ///
    /// The output ends with the digest of the last entry. Keep it elsewhere, and pass it as `--known` the next time: then
    /// a journal that was rewritten as a whole is found as well.
    #[command(after_help = exit::STORE)]
    Verify(Verify),
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// File to create, readable by its owner alone; it contains personal data [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    selected: Selected,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Maximum number of changes
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: usize,

    #[command(flatten)]
    selected: Selected,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Digest of the last entry at an earlier time
    #[arg(long, value_name = "DIGEST", value_parser = digest)]
    known: Option<JournalDigest>,

    #[command(flatten)]
    tenant: TenantArgs,
}

/// The changes that a command is about.
#[derive(Debug, Args)]
struct Selected {
    /// Only changes by this connection, and those of it
    #[arg(long, value_name = "ID")]
    connection: Option<String>,

    /// Only changes with this outcome, such as `user.deactivated`, `deactivated` or `created`
    #[arg(long, value_name = "OUTCOME")]
    outcome: Option<String>,

    /// Only changes of this user and its memberships: an id, user name, external id or email address
    #[arg(long, value_name = "USER")]
    person: Option<String>,

    #[command(flatten)]
    schemas: Schemas,

    /// Only changes since a time, such as `2026-12-01T08:00:00Z`, or in the last `7d`
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<DateTime<Utc>>,

    #[command(flatten)]
    tenant: TenantArgs,
}

/// A time, or one that many days, hours or minutes ago.
fn since(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.to_utc());
    }
    let expected = || "expected a time such as `2026-12-01T08:00:00Z`, or `7d`".to_owned();
    let long = token::duration(text).map_err(|_| expected())?;
    let long = TimeDelta::from_std(long).map_err(|_| expected())?;
    let since = Clock::default().now().checked_sub_signed(long);
    since.ok_or_else(expected)
}

fn digest(text: &str) -> Result<JournalDigest, String> {
    let expected = || "expected 64 hexadecimal digits".to_owned();
    if text.len() != 64 || !text.is_ascii() {
        return Err(expected());
    }
    let mut digest = JournalDigest::default();
    for (at, byte) in digest.iter_mut().enumerate() {
        let digits = text.get(2 * at..2 * at + 2).ok_or_else(expected)?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| expected())?;
    }
    Ok(digest)
}

pub(crate) fn run(command: &Command) -> ExitCode {
    match command {
        Command::Export(options) => {
            let store = &options.selected.tenant.store;
            store.run_on_store(IfMissing::Fail, async |store| export(store, options).await)
        }
        Command::List(options) => {
            let store = &options.selected.tenant.store;
            store.run_on_store(IfMissing::Fail, async |store| list(store, options).await)
        }
        Command::Verify(options) => {
            let store = &options.tenant.store;
            store.run_on_store(IfMissing::Fail, async |store| verify(store, options).await)
        }
    }
}

impl Selected {
    fn context(&self) -> Result<RequestContext, Failure> {
        let mut settings = Settings::new("");
        settings.registry = Arc::new(self.schemas.registry().map_err(Failure::Unusable)?);
        Ok(RequestContext::new(self.tenant.id(), Arc::new(settings)))
    }

    async fn query(&self, store: &Arc<SqliteStore>) -> Result<ActivityQuery, Failure> {
        let admin = TenantAdmin::new(store.clone());
        admin.tenant(&self.tenant.id()).await?;
        let mut query = ActivityQuery::default();
        query.outcome.clone_from(&self.outcome);
        query.since = self.since;
        query.connection = self.connection.as_deref().map(ConnectionId::from);
        if let Some(person) = &self.person {
            let found = find_person(&**store, &self.context()?, person).await;
            // The id of a user that was deleted is still in the journal.
            let id = found.map_err(failure)?.map(|found| found.id);
            query.person = Some(id.unwrap_or_else(|| ResourceId::from(person.as_str())));
        }
        Ok(query)
    }
}

fn failure(error: StoreError) -> Failure {
    match error {
        StoreError::Invalid { detail } => Failure::Rejected(detail),
        error => Failure::Unusable(chain(&error)),
    }
}

async fn list(store: Arc<SqliteStore>, options: &List) -> Result<CommandOutput, Failure> {
    let query = options.selected.query(&store).await?;
    let events = latest(&store, &options.selected.tenant.id(), query, options.limit).await?;
    let context = options.selected.context()?;
    let names = subject_names(&*store, &context, &events).await;
    let names = names.map_err(failure)?;
    let name = |event: &Event| {
        let id = event.user().or_else(|| event.group());
        id.and_then(|id| names.get(id)).cloned()
    };
    let json = events.iter().map(|event| {
        let mut row = json_row(event);
        if let (Value::Object(row), Some(name)) = (&mut row, name(event)) {
            row.insert("name".to_owned(), name.into());
        }
        row
    });
    let json: Vec<_> = json.collect();
    let rows = events
        .iter()
        .map(|event| row(event, name(event).unwrap_or_default()));
    let headings = [
        "time",
        "number",
        "connection",
        "outcome",
        "id",
        "name",
        "changed",
    ];
    let rows = table(headings, rows.collect());
    Ok(CommandOutput::new(json!({ "changes": json }), rows))
}

/// The latest changes.
pub(crate) async fn latest(
    store: &SqliteStore,
    tenant: &TenantId,
    query: ActivityQuery,
    limit: usize,
) -> Result<Vec<Event>, Failure> {
    let mut pages = ActivityPages::new(store, tenant, query);
    let mut events = Vec::new();
    while events.len() < limit
        && let Some(page) = pages.next().await.map_err(failure)?
    {
        events.extend(page);
    }
    events.truncate(limit);
    Ok(events)
}

/// The cells of a change in a table.
pub(crate) fn row(event: &Event, name: String) -> [String; 7] {
    let entry = event.entry();
    let connection = entry.and_then(|entry| entry.cause.connection.as_ref());
    let id = entry.map(|entry| entry.subject.columns().id.to_owned());
    let details = event.details();
    let paths = details.map(|details| {
        let mut paths: Vec<_> = details
            .attributes
            .iter()
            .map(|one| one.path.clone())
            .collect();
        for (sign, count) in [
            ('+', event.member_added().count()),
            ('-', event.member_removed().count()),
        ] {
            if count > 0 {
                paths.push(format!("members{sign}{count}"));
            }
        }
        paths.join(" ")
    });
    [
        entry.map(|entry| minute(entry.at)).unwrap_or_default(),
        event.position().number.to_string(),
        connection.map(ToString::to_string).unwrap_or_default(),
        event.outcomes().join(" "),
        id.unwrap_or_default(),
        name,
        paths.unwrap_or_default(),
    ]
}

async fn export(store: Arc<SqliteStore>, options: &Export) -> Result<CommandOutput, Failure> {
    let query = options.selected.query(&store).await?;
    let tenant = options.selected.tenant.id();
    let mut pages = ActivityPages::new(&*store, &tenant, query);
    let wants_json = options.selected.tenant.store.wants_json();
    let mut target = match &options.output {
        Some(path) => Target::File(BufWriter::new(create(path)?)),
        None => Target::StandardOutput,
    };
    let failed = |error: io::Error| match &options.output {
        Some(path) => file_failure(path, &error),
        None => Failure::Unusable(error.to_string()),
    };
    let mut count = 0_u64;
    if !wants_json {
        target.put(CSV_HEADER).map_err(failed)?;
    }
    while let Some(page) = pages.next().await.map_err(failure)? {
        for event in &page {
            let line = if wants_json {
                output::escape_json(&json_row(event).to_string())
            } else {
                csv_row(event)
            };
            target.put(&line).map_err(failed)?;
            count = count.saturating_add(1);
        }
    }
    match target {
        Target::File(mut file) => {
            file.flush().map_err(failed)?;
            let json = json!({ "exported": count });
            Ok(CommandOutput::line(
                json,
                format!("exported {count} changes"),
            ))
        }
        Target::StandardOutput => Ok(CommandOutput::new(Value::Null, [])),
    }
}

/// The place of an export.
enum Target {
    File(BufWriter<File>),
    StandardOutput,
}

impl Target {
    fn put(&mut self, line: &str) -> io::Result<()> {
        match self {
            Target::File(file) => writeln!(file, "{line}"),
            Target::StandardOutput => {
                output::say(line);
                Ok(())
            }
        }
    }
}

async fn verify(store: Arc<SqliteStore>, options: &Verify) -> Result<CommandOutput, Failure> {
    let tenant = options.tenant.id();
    TenantAdmin::new(store.clone()).tenant(&tenant).await?;
    let verified = verify_journal(&*store, &tenant, options.known).await;
    let verified = verified.map_err(|error| match error {
        VerifyError::Store(error) => Failure::Unusable(chain(&error)),
        fault => Failure::Rejected(format!("the journal of `{tenant}` is not intact: {fault}")),
    })?;
    let digest: String = verified
        .last_digest
        .map(|byte| format!("{byte:02x}"))
        .concat();
    let json = json!({
        "blanked": verified.blanked,
        "digest": digest,
        "entries": verified.entries,
        "first": verified.first,
        "last": verified.last,
        "tenant": tenant.as_str(),
    });
    let (entries, blanked) = (verified.entries, verified.blanked);
    let range = match verified.first {
        Some(first) => format!("numbers {first} to {}", verified.last),
        None => format!("after number {}", verified.last),
    };
    let line = format!("ok `{tenant}`: {entries} entries, {blanked} of them blanked, {range}");
    Ok(CommandOutput::new(json, [line, digest]))
}

#[cfg(test)]
mod tests {
    use super::{digest, since};

    #[test]
    fn times_are_dates_or_durations() {
        let at = since("2026-12-01T08:00:00+01:00").unwrap();
        assert_eq!(at.to_rfc3339(), "2026-12-01T07:00:00+00:00");
        assert!(since("7d").unwrap() < since("1h").unwrap());
        for text in ["", "yesterday", "7", "2026-12-01", "99999999999999y"] {
            assert!(since(text).is_err(), "{text}");
        }
    }

    #[test]
    fn digests_have_64_digits() {
        let text = "0f".repeat(32);
        assert_eq!(digest(&text).unwrap(), [15; 32]);
        for text in ["", "0f", &"0g".repeat(32), &"é".repeat(32)] {
            assert!(digest(text).is_err(), "{text}");
        }
    }
}
