//! `scimkit mapping`: a mapping checked, and explained.

mod explain;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Subcommand};
use scimkit::{
    Registry,
    registry::{
        Mapping,
        mapping::{Closures, MappingError},
    },
};
use serde_json::{Value, json};

/// What to do with a mapping.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Checks a mapping against the schemas: every problem of the file, as `file:line:column: what`.
    ///
    /// Exit status: 0 when there is none; 1 when there is one; 2 when nothing could be checked.
    Check(Check),
    /// Shows what goes where, both ways, of a user or a group, and what is kept or dropped.
    ///
    /// Exit status: 0 when the resource would be created; 1 when the mapping refuses it, or has
    /// problems itself; 2 when there is nothing to explain.
    Explain(explain::Explain),
}

#[derive(Debug, Args)]
struct Check {
    #[command(flatten)]
    source: Source,

    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
}

/// A mapping, and the schemas that it is for.
#[derive(Debug, Args)]
struct Source {
    /// The mapping, as TOML or, with the ending `.json`, as JSON.
    file: PathBuf,

    /// A transform of the host's own that the mapping names; here it leaves text as it is.
    #[arg(long, value_name = "NAME")]
    host_transform: Vec<String>,

    /// JSON file of resource types (RFC 7643 section 6) beside User and Group, or in their place.
    #[arg(long, value_name = "FILE")]
    resource_types: Option<PathBuf>,

    /// JSON file of schemas (RFC 7643 section 7) beside those of the RFC.
    #[arg(long, value_name = "FILE")]
    schemas: Option<PathBuf>,
}

/// The mapping has problems, or refuses what it is asked about.
const REFUSED: u8 = 1;
/// A file can't be read, or is not what it should be.
const UNREADABLE: u8 = 2;

#[expect(clippy::print_stderr, reason = "this is the program's output")]
pub(crate) fn run(options: &Options) -> ExitCode {
    let outcome = match &options.command {
        Command::Check(options) => check(options),
        Command::Explain(options) => explain::run(options),
    };
    outcome.unwrap_or_else(|problem| {
        eprintln!("error: {problem}");
        ExitCode::from(UNREADABLE)
    })
}

#[expect(clippy::print_stdout, reason = "this is the program's output")]
fn check(options: &Check) -> Result<ExitCode, String> {
    let mapping = match options.source.load()? {
        Ok(mapping) => mapping,
        Err(error) => {
            tell(&options.source.file, &error, options.json);
            return Ok(ExitCode::from(REFUSED));
        }
    };
    if options.json {
        let types = mapping.types().iter();
        let types = types.map(|t| (t.kind().name().to_owned(), Value::from(t.rules().count())));
        let types: serde_json::Map<_, _> = types.collect();
        println!("{:#}", json!({"problems": [], "rules": types}));
    } else {
        let file = options.source.file.display();
        for rules in mapping.types() {
            let count = rules.rules().count();
            println!(
                "{file}: {}: {count} rules, no problems",
                rules.kind().name()
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows the problems of a mapping as compilers do.
#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is the program's output"
)]
fn tell(file: &Path, error: &MappingError, as_json: bool) {
    if as_json {
        let problem = |problem: &scimkit::registry::mapping::Problem| {
            let position = problem.position();
            json!({
                "line": position.map(|p| p.line),
                "column": position.map(|p| p.column),
                "rule": problem.rule(),
                "message": problem.detail(),
            })
        };
        let problems: Vec<_> = error.problems().iter().map(problem).collect();
        println!("{:#}", json!({"problems": problems}));
        return;
    }
    for problem in error.problems() {
        eprintln!("{}:{problem}", file.display());
    }
}

impl Source {
    /// The mapping, or what is wrong with it.
    fn load(&self) -> Result<Result<Mapping, MappingError>, String> {
        let registry = self.registry()?;
        let text = read(&self.file)?;
        let mut builder = Mapping::builder();
        for name in &self.host_transform {
            let same = |value: &Value| Ok(value.clone());
            builder = builder.closures(name, Closures::new(same, same));
        }
        let is_json = self
            .file
            .extension()
            .is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
        let builder = match is_json {
            true => builder.json(&text),
            false => builder.toml(&text),
        };
        Ok(builder.build(&registry))
    }

    fn registry(&self) -> Result<Registry, String> {
        let mut builder = Registry::builder();
        if let Some(file) = &self.schemas {
            let schemas = builder.schemas_json(&read(file)?);
            builder = schemas.map_err(|e| format!("{}: {e}", file.display()))?;
        }
        if let Some(file) = &self.resource_types {
            let types = builder.resource_types_json(&read(file)?);
            builder = types.map_err(|e| format!("{}: {e}", file.display()))?;
        }
        builder.build().map_err(|e| e.to_string())
    }
}

fn read(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))
}
