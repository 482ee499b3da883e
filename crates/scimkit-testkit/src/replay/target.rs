//! What requests are sent to.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use scimkit_server::Server;
use scimkit_store::BoxFuture;

/// Why no answer came at all.
pub type TransportError = Box<dyn std::error::Error + Send + Sync>;

/// Anything that answers HTTP requests: a [`Server`] in this process, or one behind a socket.
pub trait Target: Send + Sync {
    /// Sends one request and waits for the whole answer.
    ///
    /// The URI has no authority; its path is below the base path of the service provider, such as
    /// `/Users/2819`. A refusal is an answer like any other.
    ///
    /// # Errors
    /// When there is no answer.
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>>;
}

impl Target for Server {
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        Box::pin(async move {
            let response = self.handle(request.map(Full::new)).await;
            let (head, body) = response.into_parts();
            Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
        })
    }
}
