//! The server in an actix-web application.

#![expect(
    clippy::unwrap_used,
    reason = "the lints exempt tests, but not the functions next to them"
)]

mod adapters;
mod application;
#[path = "../../../scimkit-axum/tests/it/connections.rs"]
mod connections;
mod streams;

use std::{net::SocketAddr, sync::Arc};

use actix_web::{App, HttpServer, web};
use scimkit_server::{BearerTokens, Server, Token};
use scimkit_store::{MemoryStore, Settings};

use crate::connections::serve;

/// A server that rejects bodies over 64 KiB.
fn server(token: &Token) -> Server {
    let mut settings = Settings::new("https://app.example/scim/v2");
    settings.limits.body = 64 << 10;
    Server::new(Arc::new(MemoryStore::new()), settings)
        .with_authentication(BearerTokens::new([token.digest()]))
}

/// Serves an application on a port of the loopback interface.
fn start_app(configure: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static) -> SocketAddr {
    serve(async move |listener| {
        let app = move || {
            App::new()
                .route("/", web::get().to(async || "app"))
                .configure(configure.clone())
        };
        let server = HttpServer::new(app)
            .workers(2)
            .h1_allow_half_closed(false)
            .disable_signals();
        server.listen(listener)?.run().await
    })
}

fn start(token: &Token) -> SocketAddr {
    let server = server(token);
    start_app(move |app| {
        app.service(scimkit_actix::health(server.clone()))
            .service(scimkit_actix::scope("/scim/v2", server.clone()));
    })
}
