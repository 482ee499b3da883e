//! What the quickstarts share: the command line, the store, authentication, and the process around the server.

mod access;
#[path = "../../crates/scimkit-cli/src/files.rs"]
mod files;
mod options;
mod process;
mod welcome;

use std::{error::Error, process::ExitCode, sync::Arc};

use access::Authenticator;
use clap::Parser;
use options::{OpenedStore, Options};
pub(crate) use process::Stop;
use scimkit::{Server, Settings};
use scimkit_testkit::record::Recorder;
use tokio::net::TcpListener;

use crate::metrics;

/// Why the server does not start.
pub(crate) type Problem = Box<dyn Error>;

/// The parts of an application that serves SCIM below `/scim/v2`.
pub(crate) struct Endpoint {
    pub(crate) listener: TcpListener,
    /// The layer that records the traffic, with `--record`.
    pub(crate) recorder: Option<Recorder>,
    pub(crate) server: Server,
}

/// Runs a quickstart: `serve` serves the endpoint, and stops gracefully once [`Stop`] resolves.
pub(crate) async fn run(
    serve: impl AsyncFnOnce(Endpoint, Stop) -> Result<(), Problem>,
) -> ExitCode {
    process::report(start(Options::parse(), serve).await)
}

async fn start(
    options: Options,
    serve: impl AsyncFnOnce(Endpoint, Stop) -> Result<(), Problem>,
) -> Result<(), Problem> {
    process::log();
    options.prepare_recording()?;
    let listener = options.listen().await?;
    let metrics = options.listen_for_metrics().await?;
    let mut settings = Settings::new(options.base_url(&listener)?);
    settings.registry = options.registry()?.into();
    let registry = Arc::clone(&settings.registry);
    settings.tolerance = options.tolerance()?;
    settings.policy.unknown_members = options.unknown_members();
    let base_url = settings.base_url.clone();

    let OpenedStore { store, tenants } = options.open()?;
    let (authenticator, token) = Authenticator::build(&options, tenants, settings.clone()).await?;
    let recorder = Recorder::new("provider", "recorded")
        .with_prefix("/scim/v2")
        .with_registry(&registry);
    let endpoint = Endpoint {
        listener,
        recorder: options.record.is_some().then(|| recorder.clone()),
        server: Server::new(store, settings).with_authentication(authenticator),
    };

    if let Some(listener) = metrics {
        welcome::print_metrics(listener.local_addr()?);
        tokio::spawn(metrics::serve(listener, metrics::install()?));
    }
    welcome::print(&base_url, &token);
    process::until_stopped(|stop| serve(endpoint, stop)).await?;
    if let Some(folder) = &options.record {
        welcome::print_recording(recorder.save(folder)?.as_deref());
    }
    Ok(())
}
