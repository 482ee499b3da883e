//! A SCIM 2.0 service provider as an axum router.
//!
//! ```
//! use std::sync::Arc;
//! use axum::{Router, routing::get};
//! use scimkit_server::{BearerTokens, Server, Token};
//! use scimkit_store::{MemoryStore, Settings};
//!
//! let token = Token::generate()?;
//! let server = Server::new(Arc::new(MemoryStore::new()), Settings::new("https://app.example/scim/v2"))
//!     .with_authentication(BearerTokens::new([token.digest()]));
//! let app: Router = Router::new()
//!     .route("/", get(async || "the app itself"))
//!     .merge(scimkit_axum::router("/scim/v2", server));
//! # let _ = app;
//! # Ok::<(), scimkit_server::RandomnessError>(())
//! ```

use axum::{
    Router,
    http::{StatusCode, header::CACHE_CONTROL},
    response::IntoResponse,
    routing::get,
};
use scimkit_server::Server;

/// The server below `path`, the path of its base URL, as a router to be merged into the
/// application's.
///
/// - The server bounds bodies itself, so axum's own body limit does not apply.
/// - The path becomes the server's [prefix](Server::with_prefix), in place of one that it has.
/// - With `{tenant}` in the path, one whole segment stands for the tenant, and the server finds it
///   there.
///
/// # Panics
/// When axum does not take the path: an empty one, or one that does not start with `/`.
///
/// # Example
/// ```
/// # use std::sync::Arc;
/// # use scimkit_server::Server;
/// # use scimkit_store::{MemoryStore, Settings};
/// let path = "/tenants/{tenant}/scim/v2";
/// let settings = Settings::new(format!("https://app.example{path}"));
/// let server = Server::new(Arc::new(MemoryStore::new()), settings);
/// let app: axum::Router = scimkit_axum::router(path, server);
/// # let _ = app;
/// ```
pub fn router<S: Clone + Send + Sync + 'static>(path: &str, server: Server) -> Router<S> {
    // Nesting would take the path off, which costs each request another URI, and the tenant with it.
    let path = path.trim_end_matches('/');
    let server = server.with_prefix(path);
    Router::new()
        .route_service(path, server.clone())
        .route_service(&format!("{path}/"), server.clone())
        .route_service(&format!("{path}/{{*endpoint}}"), server)
}

/// Routes for probes, without authentication, as a router to be merged into the application's.
///
/// - `GET /healthz`: 200, since the process answers
/// - `GET /readyz`: 200 if the store [answers within a second](Server::is_ready), otherwise 503; the log says why
///
/// The bodies are `ok` and `unavailable`, and say nothing about tenants.
///
/// # Example
/// ```
/// # use std::sync::Arc;
/// # use scimkit_server::Server;
/// # use scimkit_store::{MemoryStore, Settings};
/// let settings = Settings::new("https://app.example/scim/v2");
/// let server = Server::new(Arc::new(MemoryStore::new()), settings);
/// let app: axum::Router = scimkit_axum::health(server.clone())
///     .merge(scimkit_axum::router("/scim/v2", server));
/// # let _ = app;
/// ```
pub fn health<S: Clone + Send + Sync + 'static>(server: Server) -> Router<S> {
    let ready = async move || match server.is_ready().await {
        true => probe(StatusCode::OK, "ok\n"),
        false => probe(StatusCode::SERVICE_UNAVAILABLE, "unavailable\n"),
    };
    Router::new()
        .route("/healthz", get(async || probe(StatusCode::OK, "ok\n")))
        .route("/readyz", get(ready))
}

/// The response to a probe, which no cache keeps.
fn probe(status: StatusCode, text: &'static str) -> impl IntoResponse {
    (status, [(CACHE_CONTROL, "no-store")], text)
}
