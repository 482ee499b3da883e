//! The command line of the quickstarts.

use std::{
    fs::{self, OpenOptions},
    path::PathBuf,
    str::FromStr,
    sync::Arc,
};

use clap::Parser;
use scimkit::{MemoryStore, Server, Settings, SqliteStore};
use tokio::net::TcpListener;

use super::{
    database_file,
    flags::{Problem, ScimFlags, files, invalid},
};

/// Run a SCIM 2.0 endpoint that identity providers can provision users and groups to
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR")]
    listen: String,

    /// Store of users, groups and tokens: `sqlite:PATH` or `memory`
    #[arg(long, default_value = "sqlite:scimkit.sqlite", value_name = "STORE")]
    store: StoreChoice,

    #[command(flatten)]
    pub(crate) scim: ScimFlags,

    /// Save an anonymised recording of the traffic to this folder at the end, for `scimkit replay`
    #[arg(long, value_name = "FOLDER")]
    pub(crate) record: Option<PathBuf>,

    /// Address at which to serve metrics as Prometheus text, at /metrics
    #[arg(long, value_name = "ADDR")]
    metrics: Option<String>,
}

#[derive(Debug, Clone)]
enum StoreChoice {
    Memory,
    Sqlite(PathBuf),
}

impl FromStr for StoreChoice {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("sqlite:") {
            Some(path) if path.starts_with("//") => {
                Err("expected `sqlite:PATH`, without `//` before the path")
            }
            Some(path) if !path.is_empty() => Ok(StoreChoice::Sqlite(path.into())),
            _ if text == "memory" => Ok(StoreChoice::Memory),
            _ => Err("expected `sqlite:PATH` or `memory`"),
        }
    }
}

impl Options {
    pub(crate) async fn listen(&self) -> Result<TcpListener, Problem> {
        bind(&self.listen, "--listen").await
    }

    /// Returns the listener for metrics, if there is one.
    pub(crate) async fn listen_for_metrics(&self) -> Result<Option<TcpListener>, Problem> {
        match &self.metrics {
            Some(address) => bind(address, "--metrics").await.map(Some),
            None => Ok(None),
        }
    }

    /// Opens the store, and returns its server.
    pub(crate) async fn server(&self, settings: Settings) -> Result<Server, Problem> {
        let service = match &self.store {
            StoreChoice::Memory => {
                let store = Arc::new(MemoryStore::new());
                self.scim.service(store, settings, true).await?
            }
            StoreChoice::Sqlite(path) => {
                let opened = SqliteStore::open(path).map_err(|error| -> Problem {
                    match database_file::explain_database(path) {
                        Some(problem) => format!("can't open the store: {problem}").into(),
                        None => invalid(path, error),
                    }
                })?;
                self.scim.service(Arc::new(opened), settings, false).await?
            }
        };
        Ok(service.0)
    }

    /// Creates the folder for the recording, and checks early that files can be written to it.
    pub(crate) fn prepare_recording(&self) -> Result<(), Problem> {
        let Some(folder) = &self.record else {
            return Ok(());
        };
        let probe = folder.join(".scimkit-quickstart");
        fs::create_dir_all(folder)
            .and_then(|()| {
                OpenOptions::new()
                    .write(true)
                    .create(true)
                    .truncate(true)
                    .open(&probe)
            })
            .and_then(|_| fs::remove_file(&probe))
            .map_err(|error| format!("can't record: {}", files::explain(folder, &error)).into())
    }
}

async fn bind(address: &str, option: &str) -> Result<TcpListener, Problem> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|error| {
        format!("can't listen on {address}: {error}; use {option} for another address").into()
    })
}
