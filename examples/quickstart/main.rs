//! A SCIM 2.0 endpoint in an axum application, kept in an SQLite file.
//!
//! ```text
//! cargo run --release --example quickstart
//! ```

mod options;

use std::error::Error;

use axum::{Router, routing::get};
use clap::Parser;
use options::Options;
use scimkit::{BearerTokens, Server, Settings};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    tracing_subscriber::fmt()
        .with_env_filter(options.log_filter())
        .with_writer(std::io::stderr)
        .init();

    let listener = TcpListener::bind(&options.listen).await?;
    let mut settings = Settings::new(options.base_url(listener.local_addr()?));
    settings.registry = options.registry()?.into();
    settings.tolerance = options.tolerance();
    settings.unknown_members = options.unknown_members();
    let base_url = settings.base_url.clone();

    let opened = options.open_store().await?;
    let server = Server::new(opened.store, settings)
        .with_authentication(BearerTokens::new(opened.token_digests));
    let app = Router::new()
        .route(
            "/",
            get(async || "The application itself; its SCIM endpoint is at /scim/v2.\n"),
        )
        .nest("/scim/v2", scimkit::axum::router(server));

    options::welcome(&base_url, opened.new_token.as_ref());
    axum::serve(listener, app)
        .with_graceful_shutdown(options::ctrl_c())
        .await?;
    Ok(())
}
