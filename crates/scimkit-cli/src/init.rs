//! `scimkit init`: a mapping and side tables for a table that exists.

mod guess;

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use scimkit::{
    Registry, TableStore,
    tables::{Driver, FindingKind, TableFinding, TableReport, table_columns},
};
use serde_json::json;

use self::guess::{Folding, Mapping};
use crate::{
    chain,
    database::{Database, DatabaseArgs, block_on},
    doctor::finding_line,
    exit,
    layout::Keys,
    output,
};

/// The table to map.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    database: DatabaseArgs,

    /// Print JSON instead of text
    #[arg(long)]
    json: bool,

    /// Resources in the rows of the table
    #[arg(long, value_enum, default_value = "user")]
    resources: Resources,

    /// Print the SQL that creates the side tables instead of the mapping
    #[arg(long, conflicts_with = "json")]
    sql: bool,

    /// Table with one row per user or group
    #[arg(long, value_name = "TABLE")]
    table: String,

    /// Column with the tenant of each row
    #[arg(long, value_name = "COLUMN")]
    tenant: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Resources {
    /// Groups
    Group,
    /// Users
    User,
}

impl Resources {
    /// The name of the resource type.
    fn kind(self) -> &'static str {
        match self {
            Resources::Group => "Group",
            Resources::User => "User",
        }
    }
}

/// What the command prints.
struct Proposal {
    code: String,
    mapping: Mapping,
    migration: String,
    warnings: Vec<String>,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    let proposal = block_on(async {
        match options.database.open()? {
            Database::Postgres(driver) => propose(options, driver).await,
            Database::Sqlite(driver) => propose(options, driver).await,
        }
    });
    match proposal {
        Ok(proposal) => {
            print(options, &proposal);
            ExitCode::SUCCESS
        }
        Err(problem) => {
            output::fail(options.json, &problem);
            ExitCode::from(exit::UNUSABLE)
        }
    }
}

async fn propose<D: Driver + Clone>(options: &Options, driver: D) -> Result<Proposal, String> {
    let name = options.table.as_str();
    let columns = table_columns(&driver, name).await;
    let columns = columns.map_err(|error| chain(&error))?;
    if columns.is_empty() {
        return Err(format!("there is no table `{name}` in the database"));
    }
    let keys = Keys::new(name, &columns, options.tenant.as_deref())?;
    let kind = options.resources.kind();
    let own: Vec<_> = columns
        .into_iter()
        .filter(|column| !keys.contain(&column.name))
        .collect();
    let mut mapping = Mapping::guess(kind, &own, Folding::Folded);
    if mapping.is_empty() {
        return Err(format!(
            "no column of `{name}` has a known name: write the mapping yourself, as in `docs/mapping.md`"
        ));
    }
    let (mut report, mut migration) = verify(options, driver.clone(), &keys, &mapping).await?;
    let mut warnings = Vec::new();
    let needs_folding = |finding: &TableFinding| {
        matches!(
            finding.kind,
            FindingKind::NotFolded | FindingKind::Duplicate
        )
    };
    if report.findings().iter().any(needs_folding) {
        // SQL must not compare these columns before all rows are folded.
        warnings.push(
            "the text of some rows is not folded: run `scimkit doctor` with `folded = true` in the mapping for the statements \
             that fix them, and leave it there afterwards"
                .to_owned(),
        );
        mapping = Mapping::guess(kind, &own, Folding::AsTheyAre);
        (report, migration) = verify(options, driver, &keys, &mapping).await?;
    }
    let findings = report.findings().iter();
    let findings = findings.filter(|finding| finding.kind != FindingKind::SideTables);
    warnings.extend(findings.map(finding_line));
    if let Some(tenant) = mapping.tenant().filter(|_| options.tenant.is_none()) {
        warnings.push(format!(
            "if `{tenant}` has the customer of each row, add `--tenant {tenant}`"
        ));
    }
    Ok(Proposal {
        code: keys.code(name),
        mapping,
        migration,
        warnings,
    })
}

/// Verifies the table with a mapping, and returns the SQL of the side tables as well.
async fn verify<D: Driver>(
    options: &Options,
    driver: D,
    keys: &Keys,
    mapping: &Mapping,
) -> Result<(TableReport, String), String> {
    let table = keys.table(&options.table, &mapping.to_string());
    let builder = TableStore::builder(driver);
    let builder = builder.with_table(options.resources.kind(), table);
    let store = builder.build(&Registry::standard());
    let store = store.map_err(|error| chain(&error))?;
    let report = store.verify().await.map_err(|error| chain(&error))?;
    Ok((report, store.migration_sql()))
}

fn print(options: &Options, proposal: &Proposal) {
    if options.json {
        output::say_json(&json!({
            "code": proposal.code,
            "mapping": proposal.mapping.to_string(),
            "migration": proposal.migration,
            "unmapped": proposal.mapping.unmapped(),
            "warnings": proposal.warnings,
        }));
        return;
    }
    for warning in &proposal.warnings {
        hintln!("{warning}");
    }
    if options.sql {
        output::say_lines(&proposal.migration);
        return;
    }
    sayln!(
        "# Guessed from the columns of the table `{}`: check each rule.",
        options.table
    );
    sayln!("# Table: {}", proposal.code);
    output::say_lines(&proposal.mapping.to_string());
    hintln!(
        "the side tables: `TableStore::migrate` creates them, `scimkit init --sql` prints them"
    );
}
