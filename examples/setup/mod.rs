//! What the quickstarts share: the command line, the store, authentication, and the process around the server.

#[path = "../../crates/scimkit-cli/src/database_file.rs"]
mod database_file;
mod flags;
mod options;
mod process;

use std::process::ExitCode;

use clap::Parser;
pub(crate) use flags::Problem;
use flags::files;
use options::Options;
pub(crate) use process::Stop;
use scimkit::Server;
use scimkit_testkit::record::Recorder;
use tokio::net::TcpListener;

use crate::metrics;

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
    let settings = options.scim.settings(&listener)?;
    if let Some(listener) = metrics {
        process::print_metrics(listener.local_addr()?);
        tokio::spawn(metrics::serve(listener, metrics::install()?));
    }

    let recorder = Recorder::new("provider", "recorded")
        .with_prefix("/scim/v2")
        .with_registry(&settings.registry);
    let endpoint = Endpoint {
        listener,
        recorder: options.record.is_some().then(|| recorder.clone()),
        server: options.server(settings).await?,
    };

    process::until_stopped(|stop| serve(endpoint, stop)).await?;
    if let Some(folder) = &options.record {
        process::print_recording(recorder.save(folder)?.as_deref());
    }
    Ok(())
}
