//! `scimkit tenant export`, `import` and `erase`: all data of a tenant.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, BufWriter, Cursor, ErrorKind, IsTerminal, Read, Seek, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::Args;
use indicatif::ProgressBar;
use scimkit::{
    RequestContext, Settings, SqliteStore, TenantId,
    provision::validate_tenant_id,
    store::{
        StoreError,
        archive::{self, Archive, ArchiveError, Erased, RecordCounts, TokenExport},
    },
};
use serde_json::{Value, json};

use crate::{
    chain, files, progress,
    schemas::Schemas,
    store_args::{CommandOutput, Failure, IfMissing, StoreArgs},
};

#[derive(Debug, Args)]
pub(crate) struct Erase {
    /// Tenant id
    id: String,

    /// Confirm: the data can't be restored
    #[arg(long, required = true)]
    yes: bool,

    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Tenant id
    #[arg(default_value = "default")]
    id: String,

    /// File to create, readable by its owner alone; it contains personal data [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Leave out the tokens (their digests)
    #[arg(long)]
    without_tokens: bool,

    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// File of an export; `-` reads standard input to its end first
    file: PathBuf,

    /// Id of the imported tenant [default: its id in the export]
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,

    /// Limit on the size of one resource, in bytes [default: 1048576]
    #[arg(long, value_name = "BYTES")]
    max_document: Option<u64>,

    /// Leave out the tokens, so that those of the original are not valid for the copy
    #[arg(long)]
    without_tokens: bool,

    #[command(flatten)]
    schemas: Schemas,

    #[command(flatten)]
    store: StoreArgs,
}

pub(crate) fn erase(options: &Erase) -> ExitCode {
    // `--yes` is a required argument, so it is set.
    let Erase { id, store, yes: _ } = options;
    let tenant = TenantId::from(id.as_str());
    store.run_on_store(IfMissing::Fail, async |store| {
        // This also erases a tenant that has resources but was never created.
        if store
            .erase_tenant(&tenant)
            .await
            .map_err(|e| unusable(&e))?
            == Erased::Nothing
        {
            return Err(Failure::Rejected(format!("there is no tenant `{tenant}`")));
        }
        let text = format!("erased tenant `{tenant}` with all its data");
        Ok(CommandOutput::line(json!({ "erased": id }), text))
    })
}

pub(crate) fn export(options: &Export) -> ExitCode {
    let tenant = TenantId::from(options.id.as_str());
    options
        .store
        .run_on_store(IfMissing::Fail, async |store| match &options.output {
            Some(path) => export_to_file(&store, &tenant, options, path).await,
            None => export_to_stdout(&store, &tenant, options).await,
        })
}

async fn export_to_stdout(
    store: &SqliteStore,
    tenant: &TenantId,
    options: &Export,
) -> Result<CommandOutput, Failure> {
    let stdout = io::stdout();
    // Lines on the same terminal would tear the spinner apart.
    let bar = if stdout.is_terminal() {
        ProgressBar::hidden()
    } else {
        progress::byte_spinner(EXPORTING)
    };
    let output = bar.wrap_write(BufWriter::new(stdout));
    let counts = match export_lines(store, tenant, options, output).await {
        Ok(counts) => counts,
        // The reader has read enough, as `head` does.
        Err(ArchiveError::Io(error)) if error.kind() == ErrorKind::BrokenPipe => {
            return Ok(CommandOutput::new(Value::Null, []));
        }
        Err(error) => return Err(export_failure(error, tenant)),
    };
    drop(bar);
    let mut output = CommandOutput::new(Value::Null, []);
    output.note = vec![summary("exported", tenant, &counts)];
    Ok(output)
}

async fn export_to_file(
    store: &SqliteStore,
    tenant: &TenantId,
    options: &Export,
    path: &Path,
) -> Result<CommandOutput, Failure> {
    let file = create(path)?;
    let bar = progress::byte_spinner(EXPORTING);
    let output = bar.wrap_write(BufWriter::new(&file));
    let exported = match export_lines(store, tenant, options, output).await {
        Ok(counts) => file.sync_all().map(|()| counts).map_err(ArchiveError::Io),
        Err(error) => Err(error),
    };
    drop(bar);
    let counts = exported.map_err(|error| {
        // Half an export is of no use. If it can't be removed, an import rejects it for its missing end.
        drop(std::fs::remove_file(path));
        match error {
            ArchiveError::Io(error) => file_failure(path, &error),
            other => export_failure(other, tenant),
        }
    })?;
    Ok(CommandOutput::line(
        as_json(tenant, &counts),
        summary("exported", tenant, &counts),
    ))
}

async fn export_lines(
    store: &SqliteStore,
    tenant: &TenantId,
    options: &Export,
    output: impl Write,
) -> Result<RecordCounts, ArchiveError> {
    let archive_options = archive_options(options.without_tokens);
    let exported = archive::export_to(store, tenant, &archive_options, output).await;
    exported.map(|(_, counts)| counts)
}

pub(crate) fn import(options: &Import) -> ExitCode {
    // The input is opened first: opening the store may create it.
    let result = open_input(options).and_then(|(context, input)| {
        let imported = async |store| imported(store, options, context, input).await;
        options.store.result(IfMissing::Create, imported)
    });
    options.store.print(result)
}

async fn imported(
    store: Arc<SqliteStore>,
    options: &Import,
    context: RequestContext,
    input: Input,
) -> Result<CommandOutput, Failure> {
    let archive_options = archive_options(options.without_tokens);
    let bar = progress::bytes("importing", input.length);
    let lines = bar.wrap_read(input.lines);
    let counts = archive::import_from(&*store, &context, &archive_options, lines).await;
    drop(bar);
    let counts = counts.map_err(|error| match error {
        ArchiveError::Io(_) | ArchiveError::Store(_) => Failure::Unusable(chain(&error)),
        other => Failure::Rejected(format!("nothing was imported: {other}")),
    })?;
    Ok(CommandOutput::line(
        as_json(&context.tenant, &counts),
        summary("imported", &context.tenant, &counts),
    ))
}

fn unusable(error: &StoreError) -> Failure {
    Failure::Unusable(chain(error))
}

/// The task of an export's progress.
const EXPORTING: &str = "exporting";
/// Limit on the length of the first line of an export, in bytes.
const FIRST_LINE: u64 = 64 << 10;

/// The lines of an export, from a file.
struct Input {
    /// In bytes.
    length: u64,
    lines: Box<dyn BufRead + Send>,
}

/// The input of an import, and the tenant to create.
fn open_input(options: &Import) -> Result<(RequestContext, Input), Failure> {
    let registry = options.schemas.registry().map_err(Failure::Unusable)?;
    let mut settings = Settings::new("");
    settings.registry = Arc::new(registry);
    settings.limits.document = options.max_document.unwrap_or(settings.limits.document);
    let (exported, input) = input(&options.file)?;
    let tenant = options.tenant.as_deref().map_or(exported, TenantId::from);
    validate_tenant_id(tenant.as_str())?;
    Ok((RequestContext::new(tenant, Arc::new(settings)), input))
}

/// The lines of a file, and the tenant that they name.
fn input(path: &Path) -> Result<(TenantId, Input), Failure> {
    let unreadable = |error: io::Error| file_failure(path, &error);
    let opened = if path.as_os_str() == "-" {
        spooled(io::stdin().lock())
    } else {
        File::open(path)
    };
    let file = opened.map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let mut input = BufReader::new(file);
    let mut first = Vec::new();
    let mut start = input.by_ref().take(FIRST_LINE);
    start.read_until(b'\n', &mut first).map_err(unreadable)?;
    let line: Value = serde_json::from_slice(&first).unwrap_or_default();
    let id = line.pointer("/tenant/id").and_then(Value::as_str);
    let no_export = || {
        let problem = format!(
            "`{}` is no export: its first line names no tenant",
            path.display()
        );
        Failure::Rejected(problem)
    };
    let tenant = TenantId::from(id.ok_or_else(no_export)?);
    let lines = Box::new(Cursor::new(first).chain(input));
    Ok((tenant, Input { length, lines }))
}

/// The content of a pipe, in a file without a name: the tenant is unavailable during an import, which should not wait
/// for the other end of a pipe.
fn spooled(mut pipe: impl Read) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    io::copy(&mut pipe, &mut file)?;
    file.rewind()?;
    Ok(file)
}

fn archive_options(without_tokens: bool) -> archive::ArchiveOptions {
    let mut options = archive::ArchiveOptions::default();
    if without_tokens {
        options.tokens = TokenExport::Leave;
    }
    options
}

/// A new file that only its owner may read.
pub(crate) fn create(path: &Path) -> Result<File, Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(path)
        .map_err(|error| file_failure(path, &error))
}

fn export_failure(error: ArchiveError, tenant: &TenantId) -> Failure {
    match error {
        ArchiveError::Store(StoreError::NotFound) => {
            Failure::Rejected(format!("there is no tenant `{tenant}`"))
        }
        other => Failure::Unusable(chain(&other)),
    }
}

pub(crate) fn file_failure(path: &Path, error: &io::Error) -> Failure {
    Failure::Unusable(files::explain(path, error))
}

fn as_json(tenant: &TenantId, counts: &RecordCounts) -> Value {
    json!({
        "connections": counts.connections,
        "members": counts.members,
        "resources": counts.resources,
        "deleted": counts.deleted,
        "tenant": tenant.as_str(),
        "tokens": counts.tokens,
    })
}

fn summary(done: &str, tenant: &TenantId, counts: &RecordCounts) -> String {
    let RecordCounts {
        connections,
        members,
        resources,
        deleted,
        tokens,
        ..
    } = counts;
    format!(
        "{done} `{tenant}`: {resources} resources, {members} members, {deleted} soft-deleted resources, \
         {connections} connections, {tokens} tokens"
    )
}
