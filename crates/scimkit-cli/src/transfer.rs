//! `scimkit tenant export`, `import` and `erase`: a tenant as a whole.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, BufWriter, Cursor, Read, Seek},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::Args;
use scimkit::{
    Scope, Settings, Sqlite, TenantId,
    provision::check_id,
    store::{
        StoreError,
        archive::{self, Archive, ArchiveError, Counts, Erased, Tokens},
    },
};
use serde_json::{Value, json};

use crate::{
    chain,
    kept::{self, Answer, Failure, Missing},
    schemas::Schemas,
};

#[derive(Debug, Args)]
pub(crate) struct Erase {
    /// Which one.
    id: String,

    /// Says that you mean it: nothing of the tenant can be brought back.
    #[arg(long, required = true)]
    yes: bool,

    #[command(flatten)]
    kept: kept::Options,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Which one.
    #[arg(default_value = "default")]
    id: String,

    /// File to write, which must not be there yet; standard output unless said. It holds personal data.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Leave the tokens out, of which only digests are kept.
    #[arg(long)]
    without_tokens: bool,

    #[command(flatten)]
    kept: kept::Options,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// What an export wrote; `-` is standard input, of which a copy is made first.
    file: PathBuf,

    /// Which tenant it becomes; as it was called unless said.
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,

    /// Largest size of the document of one resource, in bytes [default: 1048576]
    #[arg(long, value_name = "BYTES")]
    max_document: Option<u64>,

    /// Leave the tokens out, so that those of the original do not open the copy.
    #[arg(long)]
    without_tokens: bool,

    #[command(flatten)]
    schemas: Schemas,

    #[command(flatten)]
    kept: kept::Options,
}

pub(crate) fn erase(options: &Erase) -> ExitCode {
    // `--yes` is required: that it is there is all there is to know.
    let Erase { id, kept, yes: _ } = options;
    let tenant = TenantId::from(id.as_str());
    kept.run_on(Missing::Refused, async |store| {
        // One that only its resources tell of goes as well.
        if store.erase(&tenant).await.map_err(|e| unusable(&e))? == Erased::Nothing {
            return Err(Failure::Refused(format!("there is no tenant `{tenant}`")));
        }
        let text = format!("tenant `{tenant}` is erased, with everything in it");
        Ok(Answer::line(json!({ "erased": id }), text))
    })
}

pub(crate) fn export(options: &Export) -> ExitCode {
    let tenant = TenantId::from(options.id.as_str());
    options.kept.run_on(Missing::Refused, async |store| {
        let how = how(options.without_tokens);
        let Some(path) = &options.output else {
            let output = BufWriter::new(io::stdout());
            let (_, counts) = exported(
                archive::export_to(&*store, &tenant, &how, output).await,
                &tenant,
            )?;
            let mut answer = Answer::new(Value::Null, []);
            answer.note = vec![told("exported", &tenant, &counts)];
            return Ok(answer);
        };
        let output = BufWriter::new(create(path)?);
        let outcome = archive::export_to(&*store, &tenant, &how, output).await;
        let written = exported(outcome, &tenant).and_then(|(output, counts)| {
            let file = output.into_inner().map_err(|e| failed(path, e.error()))?;
            file.sync_all().map_err(|e| failed(path, &e))?;
            Ok(counts)
        });
        if written.is_err() {
            // Half an export is none; what can't be removed is refused by its missing end.
            drop(std::fs::remove_file(path));
        }
        let counts = written?;
        Ok(Answer::line(
            as_json(&tenant, &counts),
            told("exported", &tenant, &counts),
        ))
    })
}

pub(crate) fn import(options: &Import) -> ExitCode {
    // Before the store is opened, which makes one where there is none.
    let outcome = opened(options).and_then(|(scope, input)| {
        let imported = async |store| imported(store, options, scope, input).await;
        options.kept.ask(Missing::Made, imported)
    });
    options.kept.say(outcome)
}

async fn imported(
    store: Arc<Sqlite>,
    options: &Import,
    scope: Scope,
    input: Input,
) -> Result<Answer, Failure> {
    let how = how(options.without_tokens);
    let counts = archive::import_from(&*store, &scope, &how, input).await;
    let counts = counts.map_err(|error| match error {
        ArchiveError::Io(_) | ArchiveError::Store(_) => Failure::Unusable(chain(&error)),
        other => Failure::Refused(format!("nothing was imported: {other}")),
    })?;
    Ok(Answer::line(
        as_json(&scope.tenant, &counts),
        told("imported", &scope.tenant, &counts),
    ))
}

fn unusable(error: &StoreError) -> Failure {
    Failure::Unusable(chain(error))
}

/// Bytes of the first line of an export at most.
const FIRST_LINE: u64 = 64 << 10;

/// What an import reads, which keeps nobody waiting.
type Input = Box<dyn BufRead + Send>;

/// What an import reads, and what becomes of it.
fn opened(options: &Import) -> Result<(Scope, Input), Failure> {
    let registry = options.schemas.registry().map_err(Failure::Unusable)?;
    let mut settings = Settings::new("");
    settings.registry = Arc::new(registry);
    settings.limits.document = options.max_document.unwrap_or(settings.limits.document);
    let (was, input) = input(&options.file)?;
    let tenant = options.tenant.as_deref().map_or(was, TenantId::from);
    check_id(tenant.as_str())?;
    Ok((Scope::new(tenant, Arc::new(settings)), input))
}

/// The lines of a file, and whose they are.
fn input(path: &Path) -> Result<(TenantId, Input), Failure> {
    let opened = match path.as_os_str() == "-" {
        true => spooled(io::stdin().lock()),
        false => File::open(path),
    };
    let mut input = BufReader::new(opened.map_err(|e| failed(path, &e))?);
    let mut first = Vec::new();
    let mut start = input.by_ref().take(FIRST_LINE);
    start
        .read_until(b'\n', &mut first)
        .map_err(|e| failed(path, &e))?;
    let line: Value = serde_json::from_slice(&first).unwrap_or_default();
    let id = line.pointer("/tenant/id").and_then(Value::as_str);
    let bad = || {
        Failure::Refused(format!(
            "`{}` does not start as an export does",
            path.display()
        ))
    };
    let tenant = TenantId::from(id.ok_or_else(bad)?);
    Ok((tenant, Box::new(Cursor::new(first).chain(input))))
}

/// All that a pipe has, in a file without a name: the tenant can't be used during an import, which should not wait for
/// the other end of a pipe.
fn spooled(mut pipe: impl Read) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    io::copy(&mut pipe, &mut file)?;
    file.rewind()?;
    Ok(file)
}

fn how(without_tokens: bool) -> archive::Options {
    let mut options = archive::Options::default();
    if without_tokens {
        options.tokens = Tokens::Leave;
    }
    options
}

/// A file of its own, which only its owner may read.
fn create(path: &Path) -> Result<File, Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|e| failed(path, &e))
}

fn exported<T>(outcome: Result<T, ArchiveError>, tenant: &TenantId) -> Result<T, Failure> {
    outcome.map_err(|error| match error {
        ArchiveError::Store(StoreError::NotFound) => {
            Failure::Refused(format!("there is no tenant `{tenant}`"))
        }
        other => Failure::Unusable(chain(&other)),
    })
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::Unusable(format!("`{}`: {error}", path.display()))
}

fn as_json(tenant: &TenantId, counts: &Counts) -> Value {
    json!({
        "connections": counts.connections,
        "members": counts.members,
        "resources": counts.resources,
        "retired": counts.retired,
        "tenant": tenant.as_str(),
        "tokens": counts.tokens,
    })
}

fn told(what: &str, tenant: &TenantId, counts: &Counts) -> String {
    let Counts {
        connections,
        members,
        resources,
        retired,
        tokens,
        ..
    } = counts;
    format!(
        "{what} `{tenant}`: {resources} resources, {members} members, {retired} retired, \
         {connections} connections, {tokens} tokens"
    )
}
