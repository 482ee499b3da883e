//! An accept loop with the timeouts that `axum::serve` lacks, so that slow clients can't occupy connections.

use std::{convert::Infallible, error::Error, io, net::SocketAddr, sync::Arc, time::Duration};

use http_body_util::{Either, Full};
use hyper::{
    Request, Response, StatusCode,
    body::{Body, Bytes, Incoming},
    header::{self, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulConnection, GracefulShutdown},
};
use scimkit::core;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_io_timeout::TimeoutStream;
use tower::Service;

/// The limits of connections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeouts {
    /// The maximum number of connections at a time; further ones wait to be accepted.
    pub(crate) connections: usize,
    /// The time until the head of a request is complete, counted from when the connection became idle. An idle
    /// connection is closed after this time, too.
    pub(crate) head: Duration,
    /// The time until a request has its response, including the time for its body.
    pub(crate) request: Duration,
    /// The time without a byte sent or received, also while a response is written.
    pub(crate) silence: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            connections: 1_024,
            head: Duration::from_secs(20),
            request: Duration::from_secs(60),
            silence: Duration::from_secs(30),
        }
    }
}

/// A tower service that is always ready, such as a router of axum.
pub(crate) trait App<B>:
    Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + 'static
{
}

impl<S, B> App<B> for S where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static
{
}

/// Serves until `stop` resolves, then waits for the requests in progress.
///
/// Each request carries the peer's [`SocketAddr`] in its extensions.
pub(crate) async fn serve<S, B>(
    listener: TcpListener,
    app: S,
    timeouts: Timeouts,
    stop: impl Future<Output = ()>,
) where
    S: App<B>,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(timeouts.connections));
    let graceful = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &slots) => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, peer, slot)) => {
                let connection = connection(stream, peer, app.clone(), timeouts);
                let connection = graceful.watch(connection);
                tokio::spawn(async move {
                    // A client that disconnects or is too slow does not affect the server.
                    drop(connection.await);
                    drop(slot);
                });
            }
            // For example too many open files: others may close some.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
    graceful.shutdown().await;
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await;
    let slot = slot.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer, slot))
}

fn connection<S, B>(
    stream: TcpStream,
    peer: SocketAddr,
    app: S,
    timeouts: Timeouts,
) -> impl GracefulConnection + Send
where
    S: App<B>,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let mut stream = TimeoutStream::new(stream);
    stream.set_read_timeout(Some(timeouts.request.max(timeouts.silence)));
    stream.set_write_timeout(Some(timeouts.silence));
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        let answer = app.clone().call(request);
        let answer = tokio::time::timeout(timeouts.request, answer);
        async {
            match answer.await {
                Ok(answer) => answer.map(|answer| answer.map(Either::Left)),
                Err(_) => Ok(too_slow().map(Either::Right)),
            }
        }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(timeouts.head)
        .serve_connection(TokioIo::new(Box::pin(stream)), service)
}

fn too_slow() -> Response<Full<Bytes>> {
    let detail = "the request or its response took too long";
    let error = core::ErrorResponse::new(StatusCode::REQUEST_TIMEOUT.as_u16(), detail);
    let body = serde_json::to_vec(&error).unwrap_or_default();
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = StatusCode::REQUEST_TIMEOUT;
    let media_type = HeaderValue::from_static("application/scim+json");
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, media_type);
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
