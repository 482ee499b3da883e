//! A SCIM 2.0 endpoint in an axum application, kept in an SQLite file.
//!
//! ```text
//! cargo run --release --example quickstart
//! ```

mod access;
mod options;
mod process;
#[path = "../serve/mod.rs"]
mod serve;

use std::{process::ExitCode, sync::Arc};

use access::Door;
use axum::{Router, routing::get};
use clap::Parser;
use options::{Options, Problem};
use scimkit::{Server, Settings};
use scimkit_testkit::record::Recorder;

#[tokio::main]
async fn main() -> ExitCode {
    process::report(run(Options::parse()).await)
}

async fn run(options: Options) -> Result<(), Problem> {
    process::log();
    let listener = options.listen().await?;
    let mut settings = Settings::new(options.base_url(&listener)?);
    settings.registry = options.registry()?.into();
    let registry = Arc::clone(&settings.registry);
    settings.tolerance = options.tolerance()?;
    settings.policy.unknown_members = options.unknown_members();
    let base_url = settings.base_url.clone();

    let kept = options.open()?;
    let (door, token) = Door::build(&options, kept.tenancy, settings.clone()).await?;
    let server = Server::new(kept.store, settings).with_authentication(door);
    let mut app = Router::new()
        .route("/", get(async || "The application itself.\n"))
        .merge(scimkit::axum::router("/scim/v2", server));
    let recorder = Recorder::new("provider", "recorded")
        .with_prefix("/scim/v2")
        .with_registry(&registry);
    if options.record.is_some() {
        app = app.layer(recorder.clone());
    }

    process::welcome(&base_url, &token);
    process::serve(listener, app).await;
    if let Some(folder) = &options.record {
        process::recorded(recorder.save(folder)?.as_deref());
    }
    Ok(())
}
