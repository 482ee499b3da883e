//! `scimkit doctor`: what would go wrong with the tables of an application.

use std::{path::PathBuf, process::ExitCode, str::FromStr};

use clap::Args;
use scimkit::{
    Registry, TableStore,
    tables::{
        Driver, FindingSeverity, Table, TableError, TableFinding, TableReport, table_columns,
    },
};
use serde_json::{Map, Value, json};

use crate::{
    chain,
    database::{Database, DatabaseArgs, block_on},
    exit, files,
    layout::Keys,
    mapping::{as_json, print_problems},
    output,
    schemas::Schemas,
};

/// The tables and their mapping.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    database: DatabaseArgs,

    /// Table of the groups
    #[arg(long, value_name = "TABLE")]
    groups: Option<String>,

    /// Print JSON instead of text
    #[arg(long)]
    json: bool,

    /// Mapping file, in JSON if it begins with `{`, otherwise in TOML; repeatable
    #[arg(long, required = true, value_name = "FILE")]
    mapping: Vec<PathBuf>,

    /// Table of the members of groups, its column of the group, and its column of the user
    #[arg(long, requires = "groups", value_name = "TABLE,GROUP,USER")]
    members: Option<Members>,

    #[command(flatten)]
    schemas: Schemas,

    /// Table of the users
    #[arg(long, value_name = "TABLE")]
    table: String,

    /// Column with the tenant of each row
    #[arg(long, value_name = "COLUMN")]
    tenant: Option<String>,
}

/// The names of a table of memberships.
#[derive(Debug, Clone)]
struct Members {
    member: String,
    owner: String,
    table: String,
}

impl FromStr for Members {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let names: Vec<_> = text.split(',').map(str::to_owned).collect();
        match <[String; 3]>::try_from(names) {
            Ok([table, owner, member])
                if [&table, &owner, &member]
                    .iter()
                    .all(|name| !name.is_empty()) =>
            {
                Ok(Members {
                    member,
                    owner,
                    table,
                })
            }
            _ => Err("expected `TABLE,GROUP,USER`, such as `team_members,team_id,user_id`"),
        }
    }
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
            if let Some(file) = options.mapping.first() {
                print_problems(file, &error, options.json);
            }
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
    let mut text = String::new();
    for file in &options.mapping {
        text.push_str(&files::read(file)?);
        text.push('\n');
    }
    let users = described(options, &driver, &options.table, &text).await?;
    let mut groups = None;
    if let Some(name) = &options.groups {
        // The mapping is in the text of the users.
        let mut table = described(options, &driver, name, "").await?;
        if let Some(members) = &options.members {
            table = table.with_members(&members.table, &members.owner, &members.member);
        }
        groups = Some(table);
    }
    let mut builder = TableStore::builder(driver).with_users(users);
    if let Some(groups) = groups {
        builder = builder.with_groups(groups);
    }
    let store = match builder.build(registry) {
        Err(TableError::Mapping(error)) => return Ok(Outcome::Invalid(error)),
        Err(error) => return Err(chain(&error)),
        Ok(store) => store,
    };
    let report = store.verify().await.map_err(|error| chain(&error))?;
    Ok(Outcome::Report(report, store.mapping().warnings().to_vec()))
}

/// The table of a name with the keys that its columns tell. One that does not exist is a finding.
async fn described<D: Driver>(
    options: &Options,
    driver: &D,
    name: &str,
    mapping: &str,
) -> Result<Table, String> {
    let columns = table_columns(driver, name).await;
    let columns = columns.map_err(|error| chain(&error))?;
    if columns.is_empty() {
        return Ok(Table::new(name, mapping));
    }
    let keys = Keys::new(name, &columns, options.tenant.as_deref())?;
    Ok(keys.table(name, mapping))
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
            "warnings": warnings.iter().map(as_json).collect::<Vec<_>>(),
        }));
        return;
    }
    for warning in warnings {
        hintln!("mapping:{warning} (warning)");
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
