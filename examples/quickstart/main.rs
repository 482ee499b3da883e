//! A SCIM 2.0 endpoint in an axum application, with an SQLite store.
//!
//! ```text
//! cargo run --release --example quickstart
//! ```

#[path = "../metrics/mod.rs"]
mod metrics;
#[path = "../serve/mod.rs"]
mod serve;
#[path = "../setup/mod.rs"]
mod setup;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use axum::{Router, routing::get};
use serve::Timeouts;
use setup::{Endpoint, Problem, Stop};

#[tokio::main]
async fn main() -> ExitCode {
    setup::run(serve).await
}

async fn serve(endpoint: Endpoint, stop: Stop) -> Result<(), Problem> {
    let server = endpoint.server;
    let mut app = Router::new()
        .route("/", get(async || "The application itself.\n"))
        .merge(scimkit::axum::health(server.clone()))
        .merge(scimkit::axum::router("/scim/v2", server));
    if let Some(recorder) = endpoint.recorder {
        app = app.layer(recorder);
    }
    serve::serve(endpoint.listener, app, Timeouts::default(), stop).await;
    Ok(())
}
