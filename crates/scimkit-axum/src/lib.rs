//! A SCIM 2.0 service provider as an axum router.
//!
//! ```
//! use std::sync::Arc;
//! use axum::{Router, routing::get};
//! use scimkit_server::{BearerTokens, Server, Token};
//! use scimkit_store::{Memory, Settings};
//!
//! let token = Token::generate()?;
//! let server = Server::new(Arc::new(Memory::new()), Settings::new("https://app.example/scim/v2"))
//!     .with_authentication(BearerTokens::new([token.digest()]));
//! let app: Router = Router::new()
//!     .route("/", get(async || "the app itself"))
//!     .nest("/scim/v2", scimkit_axum::router(server));
//! # let _ = app;
//! # Ok::<(), scimkit_server::NoRandomness>(())
//! ```

use axum::Router;
use scimkit_server::Server;

/// The server as a router, to be nested below the base path of its URL.
///
/// axum takes the prefix off before the server sees the path. The server bounds bodies itself, so
/// axum's own body limit does not apply.
pub fn router<S: Clone + Send + Sync + 'static>(server: Server) -> Router<S> {
    Router::new().fallback_service(server)
}
