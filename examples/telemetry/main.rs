//! Spans to an OpenTelemetry collector (OTLP over HTTP), and metrics as Prometheus text.
//!
//! ```text
//! OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 cargo run --example telemetry --features telemetry
//! ```
//!
//! Without the variable, the same address is used. Any collector that accepts OTLP over HTTP will do.

#[path = "../metrics/mod.rs"]
mod metrics;
#[path = "../serve/mod.rs"]
mod serve;
mod spans;
#[cfg(test)]
mod tests;

use std::{error::Error, sync::Arc};

use axum::Router;
use scimkit::{BearerTokens, Server, Settings, SqliteStore, Token};
use serve::Timeouts;
use tokio::{net::TcpListener, signal, task};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "this is the program's output")]
async fn main() -> Result<(), Box<dyn Error>> {
    let exported = spans::install(None)?;
    let recorded = metrics::install()?;

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let base_url = format!("http://{}/scim/v2", listener.local_addr()?);
    let folder = tempfile::tempdir()?;
    let store = SqliteStore::open(folder.path().join("scim.sqlite"))?;
    let token = Token::generate()?;
    let server = Server::new(Arc::new(store), Settings::new(&base_url))
        .with_authentication(BearerTokens::new([token.digest()]));
    let app: Router = scimkit::axum::router("/scim/v2", server);

    // On an address of its own, which only the monitoring system reaches.
    let monitoring = TcpListener::bind("127.0.0.1:0").await?;
    println!(
        "curl -H 'Authorization: Bearer {}' {base_url}/Users\ncurl http://{}/metrics",
        token.reveal(),
        monitoring.local_addr()?
    );
    tokio::spawn(metrics::serve(monitoring, recorded));
    let stop = async { drop(signal::ctrl_c().await) };
    serve::serve(listener, app, Timeouts::default(), stop).await;
    // Sends what is left, for at most five seconds.
    task::spawn_blocking(move || exported.shutdown()).await??;
    Ok(())
}
