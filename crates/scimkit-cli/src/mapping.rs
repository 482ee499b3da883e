//! `scimkit mapping`: attribute mappings, checked and explained.

mod explain;

use std::{
    path::{self, Path, PathBuf},
    process::ExitCode,
    slice,
};

use clap::{Args, Subcommand};
pub(crate) use explain::notes;
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
            print_problems(slice::from_ref(&options.source.file), &error, options.json);
            return Ok(ExitCode::from(exit::FAILED));
        }
    };
    if options.json {
        let types = mapping.types().iter();
        let types = types.map(|t| (t.kind().name().to_owned(), Value::from(t.rules().count())));
        let types: serde_json::Map<_, _> = types.collect();
        let warnings = problems_json(slice::from_ref(&options.source.file), mapping.warnings());
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

/// The file with a problem.
pub(crate) fn file_of<'a>(files: &'a [PathBuf], problem: &MappingProblem) -> path::Display<'a> {
    let text = problem.position().map_or(0, |position| position.text);
    let file = files.get(text).or(files.first());
    file.map_or(Path::new(""), PathBuf::as_path).display()
}

pub(crate) fn problems_json(files: &[PathBuf], problems: &[MappingProblem]) -> Vec<Value> {
    let as_json = |problem: &MappingProblem| {
        let position = problem.position();
        json!({
            "file": file_of(files, problem).to_string(),
            "line": position.map(|p| p.line),
            "column": position.map(|p| p.column),
            "rule": problem.rule(),
            "message": problem.detail(),
        })
    };
    problems.iter().map(as_json).collect()
}

/// Prints the problems of a mapping in these files as compilers do.
pub(crate) fn print_problems(files: &[PathBuf], error: &MappingError, json: bool) {
    if json {
        let problems = problems_json(files, error.problems());
        output::say_json(&json!({"problems": problems}));
        return;
    }
    for problem in error.problems() {
        hintln!("{}:{problem}", file_of(files, problem));
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
