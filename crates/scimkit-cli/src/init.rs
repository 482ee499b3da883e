//! `scimkit init`: a mapping and side tables for tables that exist.

pub(crate) mod guess;

use std::process::ExitCode;

use clap::Args;
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
    layout::Layout,
    output,
};

/// The tables to map.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    database: DatabaseArgs,

    /// Table with one row per group
    #[arg(long, value_name = "TABLE")]
    groups: Option<String>,

    /// Print JSON instead of text
    #[arg(long)]
    json: bool,

    /// Print the SQL that creates the side tables instead of the mapping
    #[arg(long, conflicts_with = "json")]
    sql: bool,

    /// Table with one row per user
    #[arg(long, value_name = "TABLE")]
    table: String,

    /// Column with the tenant of each row
    #[arg(long, value_name = "COLUMN")]
    tenant: Option<String>,
}

/// A table and the guessed mapping of its columns.
struct Part {
    layout: Layout,
    mapping: Mapping,
}

/// What the command prints.
struct Proposal {
    mapping: String,
    migration: String,
    unmapped: Vec<String>,
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
    let mut parts = guess_all(options, &driver, Folding::Folded).await?;
    let (mut report, mut migration) = verify(driver.clone(), &parts).await?;
    let mut warnings = Vec::new();
    let needs_folding = |finding: &TableFinding| match finding.kind {
        FindingKind::NotFolded => true,
        FindingKind::Duplicate => finding.table == options.table,
        _ => false,
    };
    if report.findings().iter().any(needs_folding) {
        // SQL must not compare these columns before all rows are folded.
        warnings.push(
            "the text of some rows is not folded: run `scimkit doctor` with `folded = true` in the mapping for the statements \
             that fix them, and leave it there afterwards"
                .to_owned(),
        );
        parts = guess_all(options, &driver, Folding::AsTheyAre).await?;
        (report, migration) = verify(driver, &parts).await?;
    }
    let findings = report.findings().iter();
    let findings = findings.filter(|finding| finding.kind != FindingKind::SideTables);
    warnings.extend(findings.map(finding_line));
    for Part { layout, mapping } in &parts {
        if let Some(tenant) = mapping.tenant().filter(|_| options.tenant.is_none()) {
            warnings.push(format!(
                "if `{tenant}` has the customer of each row, add `--tenant {tenant}`"
            ));
        }
        if layout.kind == "Group" && layout.table.members.is_none() {
            warnings.push(
                "no table of the members of groups was found: name it in `members`, or they are stored in a side table"
                    .to_owned(),
            );
        }
    }
    warnings.dedup();
    let unmapped = parts.iter().flat_map(|part| part.mapping.unmapped());
    Ok(Proposal {
        mapping: text(&parts),
        migration,
        unmapped: unmapped.map(str::to_owned).collect(),
        warnings,
    })
}

async fn guess_all<D: Driver>(
    options: &Options,
    driver: &D,
    folding: Folding,
) -> Result<Vec<Part>, String> {
    let mut parts = vec![guess(options, driver, "User", &options.table, folding).await?];
    if let Some(groups) = &options.groups {
        let mut part = guess(options, driver, "Group", groups, folding).await?;
        part.layout.find_members(driver, &options.table).await?;
        parts.push(part);
    }
    Ok(parts)
}

async fn guess<D: Driver>(
    options: &Options,
    driver: &D,
    kind: &'static str,
    name: &str,
    folding: Folding,
) -> Result<Part, String> {
    let columns = table_columns(driver, name).await;
    let columns = columns.map_err(|error| chain(&error))?;
    if columns.is_empty() {
        return Err(format!("there is no table `{name}` in the database"));
    }
    let layout = Layout::new(kind, name, &columns, options.tenant.as_deref())?;
    let own: Vec<_> = columns
        .into_iter()
        .filter(|column| !layout.contains(&column.name))
        .collect();
    let mapping = Mapping::guess(kind, &own, folding);
    if mapping.is_empty() {
        return Err(format!(
            "no column of `{name}` has a known name: write the mapping yourself, as in `docs/mapping.md`"
        ));
    }
    Ok(Part { layout, mapping })
}

/// The mapping file.
fn text(parts: &[Part]) -> String {
    let texts = parts.iter().map(|Part { layout, mapping }| {
        let name = &layout.table.name;
        let head = format!("# Guessed from the columns of the table `{name}`: check each rule.");
        format!("{head}\n{layout}{mapping}")
    });
    texts.collect::<Vec<_>>().join("\n")
}

/// Verifies the tables with their mapping, and returns the SQL of the side tables as well.
async fn verify<D: Driver>(driver: D, parts: &[Part]) -> Result<(TableReport, String), String> {
    let mapping = scimkit::Mapping::builder().text(&text(parts));
    let store = TableStore::builder(driver, mapping).build(&Registry::standard());
    let store = store.map_err(|error| chain(&error))?;
    let report = store.verify().await.map_err(|error| chain(&error))?;
    Ok((report, store.migration_sql()))
}

fn print(options: &Options, proposal: &Proposal) {
    if options.json {
        output::say_json(&json!({
            "mapping": proposal.mapping,
            "migration": proposal.migration,
            "unmapped": proposal.unmapped,
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
    output::say_lines(&proposal.mapping);
    hintln!(
        "the side tables: `TableStore::migrate` creates them, `scimkit init --sql` prints them"
    );
}
