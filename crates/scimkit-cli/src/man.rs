//! `scimkit man`: manual pages.

use std::{fs, path::PathBuf, process::ExitCode};

use clap::{Args, CommandFactory};

use crate::{Arguments, exit, files, output};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Folder for the pages, created if it does not exist
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    let folder = &options.folder;
    let written = fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Arguments::command(), folder));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let problem = files::explain(folder, &error);
            output::error(&format!("can't write manual pages: {problem}"));
            ExitCode::from(exit::UNUSABLE)
        }
    }
}
