//! `scimkit compact`: a store's file written anew.

use std::process::ExitCode;

use clap::Args;
use scimkit::Sqlite;
use serde_json::json;

use crate::{
    chain,
    kept::{self, Answer, Failure},
};

#[derive(Debug, Args)]
pub(crate) struct Compact {
    #[command(flatten)]
    kept: kept::Options,
}

pub(crate) fn run(options: &Compact) -> ExitCode {
    options.kept.say(compact(options))
}

fn compact(options: &Compact) -> Result<Answer, Failure> {
    let path = options.kept.existing()?;
    let compacted = Sqlite::compact(path).map_err(|error| {
        let problem = format!("can't compact `{}`: {}", path.display(), chain(&error));
        Failure::Unusable(problem)
    })?;
    let (before, after) = (compacted.before, compacted.after);
    let json = json!({ "bytesBefore": before, "bytesAfter": after });
    let text = format!(
        "compacted `{}`: {before} bytes before, {after} bytes after",
        path.display()
    );
    Ok(Answer::line(json, text))
}
