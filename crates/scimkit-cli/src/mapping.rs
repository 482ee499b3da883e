//! `scimkit mapping`: a mapping checked, and explained.

mod explain;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Subcommand};
use scimkit::mapping::{Mapping, MappingError, Problem};
use serde_json::{Value, json};

use crate::schemas::{HostTransforms, Schemas, read};

/// What to do with a mapping.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check a mapping against the schemas: every problem and warning of the file, as
    /// `file:line:column: what`
    ///
    /// Exit status: 0 without problems, also with warnings; 1 with problems; 2 if nothing could be checked.
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
    /// Mapping file: JSON if it begins with `{`, otherwise TOML.
    file: PathBuf,

    #[command(flatten)]
    schemas: Schemas,

    #[command(flatten)]
    transforms: HostTransforms,
}

/// The mapping has problems, or refuses what it is asked about.
const REFUSED: u8 = 1;
/// A file can't be read, or is not what it should be.
const UNREADABLE: u8 = 2;

pub(crate) fn run(options: &Options) -> ExitCode {
    let outcome = match &options.command {
        Command::Check(options) => check(options),
        Command::Explain(options) => explain::run(options),
    };
    outcome.unwrap_or_else(|problem| {
        hintln!("error: {problem}");
        ExitCode::from(UNREADABLE)
    })
}

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
        let warnings: Vec<_> = mapping.warnings().iter().map(as_json).collect();
        crate::output::say_json(&json!({"problems": [], "rules": types, "warnings": warnings}));
    } else {
        let file = options.source.file.display();
        for warning in mapping.warnings() {
            hintln!("{file}:{warning} (warning)");
        }
        for rules in mapping.types() {
            let count = rules.rules().count();
            sayln!(
                "{file}: {}: {count} rules, no problems",
                rules.kind().name()
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn as_json(problem: &Problem) -> Value {
    let position = problem.position();
    json!({
        "line": position.map(|p| p.line),
        "column": position.map(|p| p.column),
        "rule": problem.rule(),
        "message": problem.detail(),
    })
}

/// Shows the problems of a mapping as compilers do.
fn tell(file: &Path, error: &MappingError, json: bool) {
    if json {
        let problems: Vec<_> = error.problems().iter().map(as_json).collect();
        crate::output::say_json(&json!({"problems": problems}));
        return;
    }
    for problem in error.problems() {
        hintln!("{}:{problem}", file.display());
    }
}

impl Source {
    /// The mapping, or what is wrong with it.
    fn load(&self) -> Result<Result<Mapping, MappingError>, String> {
        let registry = self.schemas.registry()?;
        let text = read(&self.file)?;
        Ok(self.transforms.builder().with_file(&text).build(&registry))
    }
}
