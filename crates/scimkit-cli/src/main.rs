//! The `scimkit` command.

mod filter;
mod tree;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tools for SCIM 2.0.
#[derive(Debug, Parser)]
#[command(name = "scimkit", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows how a filter is read: its canonical form, its tree, and what it binds to.
    Filter(filter::Options),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Filter(options) => filter::run(&options),
    }
}
