//! A SCIM 2.0 service provider as an actix-web scope.
//!
//! ```
//! use std::sync::Arc;
//! use actix_web::{App, web};
//! use scimkit_server::{BearerTokens, Server, Token};
//! use scimkit_store::{MemoryStore, Settings};
//!
//! let token = Token::generate()?;
//! let server = Server::new(Arc::new(MemoryStore::new()), Settings::new("https://app.example/scim/v2"))
//!     .with_authentication(BearerTokens::new([token.digest()]));
//! // The closure of `HttpServer::new` runs once per worker: clones of the server are cheap and share everything.
//! let app = move || {
//!     App::new()
//!         .route("/", web::get().to(async || "the app itself"))
//!         .service(scimkit_actix::scope("/scim/v2", server.clone()))
//! };
//! # let _ = app();
//! # Ok::<(), scimkit_server::RandomnessError>(())
//! ```
//!
//! Two settings of `actix_web::HttpServer` matter to SCIM:
//!
//! - `h1_allow_half_closed(false)` ends the work for a client that has disconnected. By default, actix-web finishes it.
//! - `max_connections` bounds the clients that do not read their responses: actix-web has no timeout for those.

mod request;
mod response;
mod service;

use std::{convert::Infallible, error::Error};

use actix_web::{
    HttpResponse, HttpResponseBuilder, Resource, Scope,
    dev::{HttpServiceFactory, fn_service},
    guard,
    http::header::{CACHE_CONTROL, ContentType},
    web,
};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
pub use request::RequestBody;
use scimkit_server::Server;
pub use service::LocalServer;
use tower_layer::{Identity, Layer};
use tower_service::Service;

/// Returns a scope that serves SCIM below `path`, for `App::service`.
///
/// `path` is the path of the server's base URL.
///
/// - The server limits request bodies itself while it reads them, so actix-web's `PayloadConfig` does not apply.
///   Bodies are neither collected nor copied on their way from and to actix-web.
/// - The path replaces the server's [prefix](Server::with_prefix). It matches with and without a trailing slash.
/// - If the path contains `{tenant}`, one whole segment names the tenant, and the server reads it from the request.
/// - The scope can be part of other scopes, whose paths the server does not see.
/// - An [`Authenticate`](scimkit_server::Authenticate) finds in the extensions of the head the address of the peer,
///   as [`PeerAddr`](actix_web::dev::PeerAddr), and the values of an [`http::Extensions`] that a middleware inserted
///   into the extensions of the request.
///
/// # Panics
/// actix-web rejects the path when the application starts, for example because a `{` is not closed.
///
/// # Example
/// ```
/// # use std::sync::Arc;
/// # use scimkit_server::Server;
/// # use scimkit_store::{MemoryStore, Settings};
/// let path = "/tenants/{tenant}/scim/v2";
/// let settings = Settings::new(format!("https://app.example{path}"));
/// let server = Server::new(Arc::new(MemoryStore::new()), settings);
/// let app = actix_web::App::new().service(scimkit_actix::scope(path, server));
/// # let _ = app;
/// ```
pub fn scope(path: &str, server: Server) -> Scope {
    scope_with_layer(path, server, Identity::new())
}

/// Returns a scope like [`scope`], with a tower layer around the server.
///
/// The layer wraps a [`LocalServer`], since the bodies of actix-web stay on the thread of their worker.
///
/// # Panics
/// As [`scope`].
///
/// # Example
/// ```
/// # use std::sync::Arc;
/// # use scimkit_actix::{LocalServer, RequestBody};
/// # use scimkit_server::Server;
/// # use scimkit_store::{MemoryStore, Settings};
/// use http::Request;
/// use tower::{ServiceExt, layer::layer_fn};
///
/// let without_cookies = layer_fn(|server: LocalServer| {
///     server.map_request(|mut request: Request<RequestBody>| {
///         request.headers_mut().remove("cookie");
///         request
///     })
/// });
/// # let server = Server::new(Arc::new(MemoryStore::new()), Settings::new("https://app.example/scim/v2"));
/// let app = actix_web::App::new()
///     .service(scimkit_actix::scope_with_layer("/scim/v2", server, without_cookies));
/// # let _ = app;
/// ```
pub fn scope_with_layer<L, B>(path: &str, server: Server, layer: L) -> Scope
where
    L: Layer<LocalServer>,
    L::Service: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
    L::Service: Clone + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error>>> + 'static,
{
    let path = path.trim_matches('/');
    let path = if path.is_empty() {
        String::new()
    } else {
        format!("/{path}")
    };
    let depth = path.matches('/').count();
    let service = layer.layer(LocalServer(server.with_prefix(&path)));
    // An empty segment is no tenant, and the server says so.
    let pattern = path.replace("{tenant}", "{tenant:[^/]*}");
    web::scope(&pattern).default_service(fn_service(move |request| {
        service::respond(service.clone(), request, depth)
    }))
}

/// Returns the routes of health probes without authentication, for `App::service`.
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
/// let app = actix_web::App::new()
///     .service(scimkit_actix::health(server.clone()))
///     .service(scimkit_actix::scope("/scim/v2", server));
/// # let _ = app;
/// ```
pub fn health(server: Server) -> impl HttpServiceFactory + 'static {
    let ready = move || {
        let server = server.clone();
        async move {
            if server.is_ready().await {
                probe(HttpResponse::Ok(), "ok\n")
            } else {
                probe(HttpResponse::ServiceUnavailable(), "unavailable\n")
            }
        }
    };
    let healthy = async || probe(HttpResponse::Ok(), "ok\n");
    let route = || web::route().guard(guard::Any(guard::Get()).or(guard::Head()));
    let resource = |path, route| Resource::new(path).route(route);
    (
        resource("/healthz", route().to(healthy)),
        resource("/readyz", route().to(ready)),
    )
}

/// Builds the response to a probe, which must not be cached.
fn probe(mut response: HttpResponseBuilder, text: &'static str) -> HttpResponse {
    response
        .content_type(ContentType::plaintext())
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(text)
}
