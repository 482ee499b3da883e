//! The quickstart on plain hyper.
//!
//! ```text
//! cargo run --release --example quickstart_hyper
//! ```

#[path = "../metrics/mod.rs"]
mod metrics;
#[path = "../serve/mod.rs"]
mod serve;
#[path = "../setup/mod.rs"]
mod setup;

use std::{convert::Infallible, process::ExitCode};

use http_body_util::{Either, Full};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
};
use scimkit::Server;
use serve::Timeouts;
use setup::{Endpoint, Problem, Stop};
use tower::{Layer, Service, service_fn};

/// The path of the base URL.
const PATH: &str = "/scim/v2";

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
    let scim = server.clone().with_prefix(PATH);
    let timeouts = Timeouts::default();
    match recorder {
        None => {
            let app = service_fn(move |request| route(server.clone(), scim.clone(), request));
            serve::serve(listener, app, timeouts, stop).await;
        }
        Some(recorder) => {
            let scim = recorder.layer(scim);
            let app = service_fn(move |request| route(server.clone(), scim.clone(), request));
            serve::serve(listener, app, timeouts, stop).await;
        }
    }
    Ok(())
}

/// The routes of the application: `scim` gets the requests at and below its path.
async fn route<S, B>(
    server: Server,
    mut scim: S,
    request: Request<Incoming>,
) -> Result<Response<Either<B, Full<Bytes>>>, Infallible>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
{
    let path = request.uri().path();
    let below = path.strip_prefix(PATH);
    if below.is_some_and(|below| below.is_empty() || below.starts_with('/')) {
        let response = scim.call(request).await?;
        return Ok(response.map(Either::Left));
    }
    let (status, text) = match path {
        "/" => (StatusCode::OK, "The application itself.\n"),
        "/healthz" => (StatusCode::OK, "ok\n"),
        "/readyz" if server.is_ready().await => (StatusCode::OK, "ok\n"),
        "/readyz" => (StatusCode::SERVICE_UNAVAILABLE, "unavailable\n"),
        _ => (StatusCode::NOT_FOUND, ""),
    };
    let mut response = Response::new(Either::Right(Full::from(text)));
    *response.status_mut() = status;
    Ok(response)
}
