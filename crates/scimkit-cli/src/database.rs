//! The database of an application, as an argument.

use std::{path::PathBuf, str::FromStr};

use clap::Args;
use deadpool_postgres::{Manager, Pool, Runtime};
use scimkit::tables::{RusqliteDriver, TokioPostgresDriver};

use crate::{chain, database_file, files};

/// The database of the application.
#[derive(Debug, Args)]
pub(crate) struct DatabaseArgs {
    /// Database of the application: `sqlite:PATH` or `postgres://USER:PASSWORD@HOST/NAME`
    #[arg(
        long,
        env = "SCIMKIT_DATABASE",
        hide_env_values = true,
        value_name = "URL"
    )]
    // Not parsed by clap, whose errors show the value with its password.
    database: String,
}

#[derive(Debug, Clone)]
enum DatabaseUrl {
    Postgres(Box<tokio_postgres::Config>),
    Sqlite(PathBuf),
}

/// The driver of a database.
#[derive(Debug)]
pub(crate) enum Database {
    Postgres(TokioPostgresDriver),
    Sqlite(RusqliteDriver),
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("sqlite", path)) if path.starts_with("//") => {
                Err("expected `sqlite:PATH`, without `//` before the path".to_owned())
            }
            Some(("sqlite", path)) if !path.is_empty() => Ok(DatabaseUrl::Sqlite(path.into())),
            Some(("postgres" | "postgresql", _)) => {
                let config = text
                    .parse()
                    .map_err(|error| chain(&error as &tokio_postgres::Error));
                config.map(|config| DatabaseUrl::Postgres(Box::new(config)))
            }
            _ => Err("expected `sqlite:PATH` or `postgres://…`".to_owned()),
        }
    }
}

impl DatabaseArgs {
    /// Opens the database, which must exist.
    pub(crate) fn open(&self) -> Result<Database, String> {
        match self.database.parse()? {
            DatabaseUrl::Postgres(config) => {
                let manager = Manager::new(*config, tokio_postgres::NoTls);
                let pool = Pool::builder(manager).runtime(Runtime::Tokio1).max_size(2);
                let pool = pool.build().map_err(|error| chain(&error))?;
                Ok(Database::Postgres(TokioPostgresDriver::new(pool)))
            }
            DatabaseUrl::Sqlite(path) => {
                if let Err(error) = path.metadata() {
                    return Err(files::explain(&path, &error));
                }
                let driver = RusqliteDriver::open(&path);
                let driver = driver.map_err(|error| {
                    let problem = database_file::explain_database(&path);
                    problem.unwrap_or_else(|| format!("`{}`: {}", path.display(), chain(&error)))
                })?;
                Ok(Database::Sqlite(driver))
            }
        }
    }
}

/// Runs a command on its database.
pub(crate) fn block_on<T>(command: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .map_err(|error| error.to_string())?
        .block_on(command)
}
