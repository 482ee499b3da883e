//! A SCIM 2.0 endpoint in an axum application, with an SQLite store.
//!
//! ```text
//! cargo run --release --example quickstart
//! ```

mod access;
#[path = "../../crates/scimkit-cli/src/files.rs"]
mod files;
#[path = "../metrics/mod.rs"]
mod metrics;
mod options;
mod process;
#[path = "../serve/mod.rs"]
mod serve;
#[cfg(test)]
mod tests;
mod welcome;

use std::{process::ExitCode, sync::Arc};

use access::Authenticator;
use axum::{Router, routing::get};
use clap::Parser;
use options::{OpenedStore, Options, Problem};
use scimkit::{Server, Settings};
use scimkit_testkit::record::Recorder;

#[tokio::main]
async fn main() -> ExitCode {
    process::report(run(Options::parse()).await)
}

async fn run(options: Options) -> Result<(), Problem> {
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
    let server = Server::new(store, settings).with_authentication(authenticator);
    let mut app = Router::new()
        .route("/", get(async || "The application itself.\n"))
        .merge(scimkit::axum::health(server.clone()))
        .merge(scimkit::axum::router("/scim/v2", server));
    let recorder = Recorder::new("provider", "recorded")
        .with_prefix("/scim/v2")
        .with_registry(&registry);
    if options.record.is_some() {
        app = app.layer(recorder.clone());
    }

    if let Some(listener) = metrics {
        welcome::print_metrics(listener.local_addr()?);
        tokio::spawn(metrics::serve(listener, metrics::install()?));
    }
    welcome::print(&base_url, &token);
    process::serve(listener, app).await;
    if let Some(folder) = &options.record {
        welcome::print_recording(recorder.save(folder)?.as_deref());
    }
    Ok(())
}
