//! `scimkit compact`: the file of a store, rewritten.

use std::process::ExitCode;

use clap::Args;
use scimkit::SqliteStore;
use serde_json::json;

use crate::{
    chain,
    store_args::{CommandOutput, Failure, StoreArgs},
};

#[derive(Debug, Args)]
pub(crate) struct Compact {
    #[command(flatten)]
    store: StoreArgs,
}

pub(crate) fn run(options: &Compact) -> ExitCode {
    options.store.print(compact(options))
}

fn compact(options: &Compact) -> Result<CommandOutput, Failure> {
    let path = options.store.existing()?;
    let compacted = SqliteStore::compact(path).map_err(|error| {
        let problem = format!("can't compact `{}`: {}", path.display(), chain(&error));
        Failure::Unusable(problem)
    })?;
    let before = compacted.before;
    let after = compacted.after;
    let json = json!({ "bytesBefore": before, "bytesAfter": after });
    let text = format!(
        "compacted `{}`: {before} bytes before, {after} bytes after",
        path.display()
    );
    Ok(CommandOutput::line(json, text))
}
