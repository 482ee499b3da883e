//! An accept loop with the timeouts that `axum::serve` lacks, so that slow clients can't occupy connections.

use std::{io, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{Request, StatusCode, header},
    response::{IntoResponse, Response},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
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

/// Serves until `stop` resolves, then waits for the requests in progress.
///
/// Each request carries the peer's address as [`ConnectInfo`].
pub(crate) async fn serve(
    listener: TcpListener,
    app: Router,
    timeouts: Timeouts,
    stop: impl Future<Output = ()>,
) {
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
) -> io::Result<(TcpStream, std::net::SocketAddr, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await;
    let slot = slot.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer, slot))
}

fn connection(
    stream: TcpStream,
    peer: std::net::SocketAddr,
    app: Router,
    timeouts: Timeouts,
) -> impl hyper_util::server::graceful::GracefulConnection + Send {
    let mut stream = TimeoutStream::new(stream);
    stream.set_read_timeout(Some(timeouts.request.max(timeouts.silence)));
    stream.set_write_timeout(Some(timeouts.silence));
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        // A router is always ready.
        let answer = app.clone().call(request.map(Body::new));
        let answer = tokio::time::timeout(timeouts.request, answer);
        async { answer.await.unwrap_or_else(|_| Ok(too_slow())) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(timeouts.head)
        .serve_connection(TokioIo::new(Box::pin(stream)), service)
}

fn too_slow() -> Response {
    let detail = "the request or its response took too long";
    let error = core::ErrorResponse::new(StatusCode::REQUEST_TIMEOUT.as_u16(), detail);
    let body = serde_json::to_string(&error).unwrap_or_default();
    let headers = [
        (header::CONTENT_TYPE, "application/scim+json"),
        (header::CONNECTION, "close"),
    ];
    (StatusCode::REQUEST_TIMEOUT, headers, body).into_response()
}
