//! The `scimkit` command.

#[macro_use]
mod output;

mod activity;
mod check;
mod client;
mod compact;
mod completions;
mod connection;
mod database;
mod database_file;
mod doctor;
mod exemption;
mod exit;
mod files;
mod filter;
mod idp;
mod init;
mod junit;
mod layout;
mod man;
mod map;
mod mapping;
mod person;
mod progress;
mod reindex;
mod replay;
mod schemas;
mod store_args;
mod sync;
mod table;
mod tenant;
mod token;
mod transfer;
mod tree;
mod webhook;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tools for SCIM 2.0: check servers, replay traffic, explain filters, map tables, manage tenants and tokens
#[derive(Debug, Parser)]
#[command(name = "scimkit", version, after_help = exit::GENERAL)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Read the activity log of a tenant: who changed what, and whether the log is intact
    #[command(subcommand, after_help = exit::STORE)]
    Activity(activity::Command),
    /// Check a server against RFC 7643 and RFC 7644
    ///
    /// The check creates users and groups with unique names and deletes them afterwards. Use a tenant for tests.
    #[command(after_help = exit::CHECK)]
    Check(check::Options),
    /// Rewrite the file of a store, without free space and traces of deleted data
    ///
    /// Stop every process that uses the file first. The command takes as long as copying the file, and needs free
    /// space for two copies.
    #[command(after_help = exit::STORE)]
    Compact(compact::Compact),
    /// Print the completion script of a shell
    ///
    /// For bash, add this line to `~/.bashrc`: source <(scimkit completions bash)
    #[command(after_help = exit::WRITE)]
    Completions(completions::Options),
    /// Manage a tenant's connections to identity providers
    ///
    /// The server may be running: changes apply from its next request on.
    #[command(subcommand, after_help = exit::STORE)]
    Connection(connection::Command),
    /// Find problems in the tables of an application, and print the SQL that fixes them
    ///
    /// The mapping is that of `TableStore`. All rows are read, and nothing is changed. The keys are those that the tables
    /// declare: an integer key is made by the database.
    #[command(after_help = exit::DOCTOR)]
    Doctor(doctor::Options),
    /// Manage the users that no run of staged delivery changes
    ///
    /// The server may be running: changes apply from the next run on.
    #[command(subcommand, after_help = exit::STORE)]
    Exemption(exemption::Command),
    /// Explain a filter: its canonical form, its tree, and the attributes that it binds to
    #[command(after_help = exit::FILTER)]
    Filter(filter::Options),
    /// Simulate an identity provider, and report where the server differs from what was sent
    ///
    /// The simulation creates users and groups below a domain of its own and deletes them afterwards. Use a tenant for
    /// tests. The same seed sends the same requests, apart from ids and the order of parallel requests.
    #[command(after_help = exit::IDP)]
    Idp(idp::Options),
    /// Print an attribute mapping for a table that exists, guessed from the names of its columns
    ///
    /// Standard output has the mapping, or with `--sql` the side tables; standard error has the warnings. Nothing is changed.
    #[command(after_help = exit::INIT)]
    Init(init::Options),
    /// Write the manual pages of all commands to a folder
    #[command(after_help = exit::WRITE)]
    Man(man::Options),
    /// List, set and preview the lines of a connection's attribute mapping
    ///
    /// The server may be running: changes apply from its next request on.
    #[command(subcommand, after_help = exit::STORE)]
    Map(map::Command),
    /// Check an attribute mapping, or explain its effect on a resource
    Mapping(mapping::Options),
    /// Show one user with its latest changes
    #[command(subcommand, after_help = exit::STORE)]
    Person(person::Command),
    /// Replay the traffic of identity providers against a server
    #[command(after_help = exit::REPLAY)]
    Replay(replay::Options),
    /// Ask for runs of staged delivery, read their reports, and decide about blocked ones
    ///
    /// The commands only record what is wanted: the server carries it out within seconds.
    #[command(subcommand, after_help = exit::STORE)]
    Sync(sync::Command),
    /// Manage the tenants of an application
    ///
    /// The server may be running: changes apply from its next request on.
    #[command(subcommand, after_help = exit::STORE)]
    Tenant(tenant::Command),
    /// Manage the bearer tokens of a tenant's connections
    ///
    /// The server may be running: changes apply from its next request on.
    #[command(subcommand, after_help = exit::STORE)]
    Token(token::Command),
    /// List and resend the webhook messages that a receiver did not accept
    #[command(subcommand, after_help = exit::STORE)]
    Webhook(webhook::Command),
}

fn main() -> ExitCode {
    let status = run(arguments().command);
    if output::is_lost() {
        output::error("the output can't be written");
        return ExitCode::from(exit::UNUSABLE);
    }
    status
}

/// Parses the arguments; invalid ones end the process.
fn arguments() -> Arguments {
    Arguments::try_parse().unwrap_or_else(|error| {
        // The message repeats arguments, so it is built again from escaped ones.
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
        Command::Activity(command) => activity::run(&command),
        Command::Check(options) => check::run(&options),
        Command::Compact(options) => compact::run(&options),
        Command::Completions(options) => completions::run(&options),
        Command::Connection(command) => connection::run(&command),
        Command::Doctor(options) => doctor::run(&options),
        Command::Exemption(command) => exemption::run(&command),
        Command::Filter(options) => filter::run(&options),
        Command::Idp(options) => idp::run(&options),
        Command::Init(options) => init::run(&options),
        Command::Man(options) => man::run(&options),
        Command::Map(command) => map::run(&command),
        Command::Mapping(options) => mapping::run(&options),
        Command::Person(command) => person::run(&command),
        Command::Replay(options) => replay::run(&options),
        Command::Sync(command) => sync::run(&command),
        Command::Tenant(command) => tenant::run(&command),
        Command::Token(command) => token::run(&command),
        Command::Webhook(command) => webhook::run(&command),
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(&format!(": {next}"));
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Arguments;

    /// The commands without subcommands, as `tenant create`.
    fn leaves(command: &clap::Command, path: &str, found: &mut Vec<(String, clap::Command)>) {
        for inner in command.get_subcommands() {
            let path = format!("{path} {}", inner.get_name());
            if inner.has_subcommands() {
                leaves(inner, &path, found);
            } else {
                found.push((path.trim_start().to_owned(), inner.clone()));
            }
        }
    }

    #[test]
    fn every_command_documents_its_exit_status() {
        let guide = include_str!("../../../docs/command-line.md");
        let mut found = Vec::new();
        leaves(&Arguments::command(), "", &mut found);
        assert!(found.len() > 20, "{}", found.len());
        for (path, mut command) in found {
            let help = command.render_long_help().to_string();
            assert!(help.contains("Exit status:\n  0  "), "{path}: {help}");
            assert!(guide.contains(&format!("| `{path}` |")), "{path}");
            // Options are nouns and commands imperatives: neither ends with a full stop.
            let about = command.get_about().map(ToString::to_string);
            let helps = command
                .get_arguments()
                .map(|argument| argument.get_help().map(ToString::to_string));
            for text in helps.chain([about]).flatten() {
                assert!(!text.is_empty() && !text.ends_with('.'), "{path}: {text}");
            }
        }
    }
}
