//! `scimkit completions`: the completion script of a shell.

use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::{Arguments, output};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Shell to complete commands in
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(
        options.shell,
        &mut Arguments::command(),
        "scimkit",
        &mut script,
    );
    output::say_bytes(&script);
    ExitCode::SUCCESS
}
