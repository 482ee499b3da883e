//! The `scimkit` command.

#[macro_use]
mod output;

mod check;
mod client;
mod compact;
mod connection;
mod filter;
mod junit;
mod kept;
mod mapping;
mod replay;
mod schemas;
mod table;
mod tenant;
mod token;
mod transfer;
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
    /// Holds a server against what RFC 7643 and RFC 7644 ask of it, and reports what it does otherwise.
    ///
    /// It creates users and groups under names of its own and deletes them afterwards. Exit status: 0
    /// when every requirement of the level holds that could be checked; 1 when one does not; 2 when
    /// nothing could be checked.
    Check(check::Options),
    /// Write the file of a store anew, without free space and without traces of what was deleted
    ///
    /// Stop the server first. It takes as long as copying the file, and needs free space for two copies.
    /// Exit status: 0 when it is done; 2 when the file is in use or can't be used.
    Compact(compact::Compact),
    /// Makes, lists, changes, switches and removes the connections of a tenant to identity providers.
    ///
    /// Exit status: 0 when it is done; 1 when it is refused, or something is not there; 2 when the store
    /// can't be used.
    #[command(subcommand)]
    Connection(connection::Command),
    /// Shows how a filter is read: its canonical form, its tree, and what it binds to.
    Filter(filter::Options),
    /// Checks an attribute mapping, or explains what it does with a resource.
    Mapping(mapping::Options),
    /// Replays what providers send against a server, and reports what it answered otherwise.
    ///
    /// Exit status: 0 when every scenario of the mode passed; 1 when one failed; 2 when none was
    /// run; 3 when the others passed but something was missing that one requires.
    Replay(replay::Options),
    /// Makes, lists, shows, exports, imports and erases the tenants of a server.
    ///
    /// Exit status: 0 when it is done; 1 when it is refused, or something is not there; 2 when the store
    /// can't be used.
    #[command(subcommand)]
    Tenant(tenant::Command),
    /// Makes, lists, rotates and revokes the tokens that open connections.
    ///
    /// Exit status: 0 when it is done; 1 when it is refused, or something is not there; 2 when the store
    /// can't be used.
    #[command(subcommand)]
    Token(token::Command),
}

/// Exit status of an output that can't be written.
const LOST: u8 = 2;

fn main() -> ExitCode {
    let status = run(arguments().command);
    if output::is_lost() {
        hintln!("error: the output can't be written");
        return ExitCode::from(LOST);
    }
    status
}

/// Parses the arguments; an invalid one ends the command.
fn arguments() -> Arguments {
    Arguments::try_parse().unwrap_or_else(|error| {
        // The message repeats arguments, so it is made again from escaped ones.
        let shown = std::env::args_os().map(|argument| output::visible(argument.to_string_lossy()));
        let again = Arguments::try_parse_from(shown).err();
        again
            .filter(|again| again.kind() == error.kind())
            .unwrap_or_else(|| {
                let message = error.to_string();
                clap::Error::raw(error.kind(), output::visible(message.trim_end()) + "\n")
            })
            .exit()
    })
}

fn run(command: Command) -> ExitCode {
    match command {
        Command::Check(options) => check::run(&options),
        Command::Compact(options) => compact::run(&options),
        Command::Connection(command) => connection::run(&command),
        Command::Filter(options) => filter::run(&options),
        Command::Mapping(options) => mapping::run(&options),
        Command::Replay(options) => replay::run(&options),
        Command::Tenant(command) => tenant::run(&command),
        Command::Token(command) => token::run(&command),
    }
}

/// An error and its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(next) = cause {
        text.push_str(&format!(": {next}"));
        cause = next.source();
    }
    text
}
