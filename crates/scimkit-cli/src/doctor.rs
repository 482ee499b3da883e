//! `scimkit doctor`: what would go wrong with the tables of an application.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use scimkit::{
    Registry, TableStore,
    tables::{Driver, FindingSeverity, TableError, TableFinding, TableReport},
};
use serde_json::{Map, Value, json};

use crate::{
    chain,
    database::{Database, DatabaseArgs, block_on},
    exit, files,
    mapping::{file_of, print_problems, problems_json},
    output,
    schemas::{CustomTransforms, Schemas},
};

/// The mapping of the tables.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    database: DatabaseArgs,

    /// Print JSON instead of text
    #[arg(long)]
    json: bool,

    /// Mapping file that names the tables, in JSON if it begins with `{`, otherwise in TOML; repeatable
    #[arg(long, required = true, value_name = "FILE")]
    mapping: Vec<PathBuf>,

    #[command(flatten)]
    schemas: Schemas,

    #[command(flatten)]
    transforms: CustomTransforms,
}

/// The result of a check.
enum Outcome {
    /// The mapping can't be used.
    Invalid(scimkit::mapping::MappingError),
    /// The findings, and the warnings of the mapping.
    Report(TableReport, Vec<scimkit::mapping::MappingProblem>),
}

pub(crate) fn run(options: &Options) -> ExitCode {
    let outcome = block_on(async {
        let registry = options.schemas.registry()?;
        match options.database.open()? {
            Database::Postgres(driver) => examine(options, driver, &registry).await,
            Database::Sqlite(driver) => examine(options, driver, &registry).await,
        }
    });
    match outcome {
        Ok(Outcome::Invalid(error)) => {
            print_problems(&options.mapping, &error, options.json);
            ExitCode::from(exit::FAILED)
        }
        Ok(Outcome::Report(report, warnings)) => {
            print(options, &report, &warnings);
            let mut findings = report.findings().iter();
            let is_well = findings.all(|finding| finding.severity() == FindingSeverity::Hint);
            exit::code(is_well, exit::FAILED)
        }
        Err(problem) => {
            output::fail(options.json, &problem);
            ExitCode::from(exit::UNUSABLE)
        }
    }
}

async fn examine<D: Driver>(
    options: &Options,
    driver: D,
    registry: &Registry,
) -> Result<Outcome, String> {
    let mut mapping = options.transforms.builder();
    for file in &options.mapping {
        mapping = mapping.text(&files::read(file)?);
    }
    let store = match TableStore::builder(driver, mapping).build(registry) {
        Err(TableError::Mapping(error)) => return Ok(Outcome::Invalid(error)),
        Err(error) => return Err(chain(&error)),
        Ok(store) => store,
    };
    let report = store.verify().await.map_err(|error| chain(&error))?;
    Ok(Outcome::Report(report, store.mapping().warnings().to_vec()))
}

fn print(options: &Options, report: &TableReport, warnings: &[scimkit::mapping::MappingProblem]) {
    let findings = report.findings();
    if options.json {
        let counts = report
            .counts()
            .map(|(kind, count)| (kind.name().to_owned(), Value::from(count)));
        output::say_json(&json!({
            "counts": counts.collect::<Map<_, _>>(),
            "findings": findings.iter().map(finding_json).collect::<Vec<_>>(),
            "omitted": report.omitted(),
            "warnings": problems_json(&options.mapping, warnings),
        }));
        return;
    }
    for warning in warnings {
        hintln!("{}:{warning} (warning)", file_of(&options.mapping, warning));
    }
    for finding in findings {
        output::say(&finding_line(finding));
        if let Some(sql) = &finding.fix {
            let lines: Vec<_> = sql.lines().map(|line| format!("    {line}")).collect();
            output::say_lines(&(lines.join("\n") + ";"));
        }
    }
    if report.omitted() > 0 {
        sayln!(
            "{} more findings of the same kinds are not listed",
            report.omitted()
        );
    }
    if report.is_clean() {
        sayln!("ok: nothing would go wrong");
    }
}

/// A finding in one line.
pub(crate) fn finding_line(finding: &TableFinding) -> String {
    let mut place = finding.table.clone();
    if let Some(column) = &finding.column {
        place.push_str(&format!(".{column}"));
    }
    if let Some(row) = &finding.row {
        place.push_str(&format!(", row `{row}`"));
    }
    format!(
        "{}: {place}: {}",
        finding.severity().name(),
        finding.problem
    )
}

fn finding_json(finding: &TableFinding) -> Value {
    json!({
        "column": finding.column,
        "kind": finding.kind.name(),
        "fix": finding.fix,
        "problem": finding.problem,
        "row": finding.row,
        "severity": finding.severity().name(),
        "table": finding.table,
    })
}
