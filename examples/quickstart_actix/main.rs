//! The quickstart in an actix-web application.
//!
//! ```text
//! cargo run --release --example quickstart_actix
//! ```

#[path = "../metrics/mod.rs"]
mod metrics;
#[path = "../serve/mod.rs"]
mod serve;
#[path = "../setup/mod.rs"]
mod setup;

use std::{process::ExitCode, time::Duration};

use actix_web::{App, HttpServer, web};
use setup::{Endpoint, Problem, Stop};

/// How long a connection may be idle, and how long the head of its first request may take.
const IDLE: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> ExitCode {
    setup::run(serve).await
}

async fn serve(endpoint: Endpoint, stop: Stop) -> Result<(), Problem> {
    let Endpoint {
        listener,
        recorder,
        server,
    } = endpoint;
    let app = move || {
        let server = server.clone();
        let health = scimkit::actix::health(server.clone());
        let scim = match recorder.clone() {
            None => scimkit::actix::scope("/scim/v2", server),
            Some(recorder) => scimkit::actix::scope_with_layer("/scim/v2", server, recorder),
        };
        App::new()
            .route("/", web::get().to(async || "The application itself.\n"))
            .service(health)
            .service(scim)
    };
    HttpServer::new(app)
        .client_request_timeout(IDLE)
        .keep_alive(IDLE)
        // Work for a client that has disconnected is dropped.
        .h1_allow_half_closed(false)
        .shutdown_signal(stop)
        .listen(listener.into_std()?)?
        .run()
        .await?;
    Ok(())
}
