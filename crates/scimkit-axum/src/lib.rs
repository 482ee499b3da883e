//! A SCIM 2.0 service provider as an axum router.
//!
//! ```
//! use std::sync::Arc;
//! use axum::{Router, routing::get};
//! use scimkit_server::{BearerTokens, Server, Token};
//! use scimkit_store::{MemoryStore, Settings};
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let token = Token::generate()?;
//! let server = Server::new(Arc::new(MemoryStore::new()), Settings::new("https://app.example/scim/v2"))
//!     .with_authentication(BearerTokens::new([token.digest()]));
//! let app: Router = Router::new()
//!     .route("/", get(async || "the app itself"))
//!     .merge(scimkit_axum::router("/scim/v2", server));
//!
//! let request = http::Request::get("/scim/v2/Users")
//!     .header("Authorization", format!("Bearer {}", token.reveal()))
//!     .body(axum::body::Body::empty())?;
//! assert_eq!(app.oneshot(request).await?.status(), 200);
//! # Ok(())
//! # }
//! ```
//!
//! - [`router`]: the server below a path, such as `/scim/v2` or `/tenants/{tenant}/scim/v2`
//! - [`health`]: routes for probes
//!
//! Guide: [Embed the server](https://docs.rs/scimkit/latest/scimkit/guide/embedding/index.html).

/// The framework.
#[doc(no_inline)]
pub use axum;
use axum::{
    Router,
    http::{StatusCode, header::CACHE_CONTROL},
    response::IntoResponse,
    routing::get,
};
use scimkit_server::Server;

/// Returns a router that serves SCIM below `path`, to merge into the application's router.
///
/// `path` is the path of the server's base URL.
///
/// - The server limits request bodies itself, so axum's own body limit does not apply.
/// - The path replaces the server's [prefix](Server::with_prefix).
/// - If the path contains `{tenant}`, one whole segment names the tenant, and the server reads it from the request.
///
/// # Panics
/// axum rejects the path: it is empty, is `/`, or does not start with `/`.
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
    // Nesting would strip the path, which costs each request a new URI and loses the tenant.
    let path = path.trim_end_matches('/');
    let server = server.with_prefix(path);
    Router::new()
        .route_service(path, server.clone())
        .route_service(&format!("{path}/"), server.clone())
        .route_service(&format!("{path}/{{*endpoint}}"), server)
}

/// Returns a router for health probes without authentication, to merge into the application's router.
///
/// - `GET /healthz`: 200 while the process responds
/// - `GET /readyz`: 200 if the store [responds within a second](Server::is_ready), otherwise 503; the log gives the
///   reason
///
/// The bodies are `ok` and `unavailable`, and reveal nothing about tenants.
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
    let ready = async move || {
        if server.is_ready().await {
            probe(StatusCode::OK, "ok\n")
        } else {
            probe(StatusCode::SERVICE_UNAVAILABLE, "unavailable\n")
        }
    };
    Router::new()
        .route("/healthz", get(async || probe(StatusCode::OK, "ok\n")))
        .route("/readyz", get(ready))
}

/// Builds the response to a probe, which must not be cached.
fn probe(status: StatusCode, text: &'static str) -> impl IntoResponse {
    (status, [(CACHE_CONTROL, "no-store")], text)
}
