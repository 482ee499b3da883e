//! The `scimkit` command.

mod client;
mod filter;
mod replay;
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
    /// Replays what providers send against a server, and reports what it answered otherwise.
    ///
    /// Exit status: 0 when every scenario of the mode passed; 1 when one failed; 2 when none was
    /// run; 3 when the others passed but something was missing that one requires.
    Replay(replay::Options),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Filter(options) => filter::run(&options),
        Command::Replay(options) => replay::run(&options),
    }
}
