//! `scimkit mapping`: attribute mappings, checked and explained.

mod explain;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Subcommand};
use scimkit::mapping::{Mapping, MappingError, MappingProblem};
use serde_json::{Value, json};

use crate::{
    exit, files, output,
    schemas::{CustomTransforms, Schemas},
};

/// The subcommands of `scimkit mapping`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check a mapping against the schemas, and print its problems and warnings as `FILE:LINE:COLUMN: TEXT`
    #[command(after_help = exit::MAPPING_CHECK)]
    Check(Check),
    /// Show what a mapping makes of a user or a group, in both directions, and what it leaves unmapped
    #[command(after_help = exit::MAPPING_EXPLAIN)]
    Explain(explain::Explain),
}

#[derive(Debug, Args)]
struct Check {
    #[command(flatten)]
    source: Source,

    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

/// A mapping, and the schemas of the application.
#[derive(Debug, Args)]
struct Source {
    /// Mapping file, in JSON if it begins with `{`, otherwise in TOML
    file: PathBuf,

    #[command(flatten)]
    schemas: Schemas,

    #[command(flatten)]
    transforms: CustomTransforms,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    let (wants_json, result) = match &options.command {
        Command::Check(options) => (options.json, check(options)),
        Command::Explain(options) => (options.json, explain::run(options)),
    };
    result.unwrap_or_else(|problem| {
        output::fail(wants_json, &problem);
        ExitCode::from(exit::UNUSABLE)
    })
}

fn check(options: &Check) -> Result<ExitCode, String> {
    let mapping = match options.source.load()? {
        Ok(mapping) => mapping,
        Err(error) => {
            print_problems(&options.source.file, &error, options.json);
            return Ok(ExitCode::from(exit::FAILED));
        }
    };
    if options.json {
        let types = mapping.types().iter();
        let types = types.map(|t| (t.kind().name().to_owned(), Value::from(t.rules().count())));
        let types: serde_json::Map<_, _> = types.collect();
        let warnings: Vec<_> = mapping.warnings().iter().map(as_json).collect();
        output::say_json(&json!({"problems": [], "rules": types, "warnings": warnings}));
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

pub(crate) fn as_json(problem: &MappingProblem) -> Value {
    let position = problem.position();
    json!({
        "line": position.map(|p| p.line),
        "column": position.map(|p| p.column),
        "rule": problem.rule(),
        "message": problem.detail(),
    })
}

/// Prints the problems of a mapping as compilers do.
pub(crate) fn print_problems(file: &Path, error: &MappingError, json: bool) {
    if json {
        let problems: Vec<_> = error.problems().iter().map(as_json).collect();
        output::say_json(&json!({"problems": problems}));
        return;
    }
    for problem in error.problems() {
        hintln!("{}:{problem}", file.display());
    }
}

impl Source {
    /// The mapping, or its problems.
    fn load(&self) -> Result<Result<Mapping, MappingError>, String> {
        let registry = self.schemas.registry()?;
        let text = files::read(&self.file)?;
        Ok(self.transforms.builder().text(&text).build(&registry))
    }
}
