//! What requests are sent to.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use scimkit_server::Server;
use scimkit_store::BoxFuture;

/// Why no answer came at all.
pub type TransportError = Box<dyn std::error::Error + Send + Sync>;

/// Marks a request for the base URL itself, without a slash after it, which an [`http::Uri`] can't say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "it says everything by being there"
)]
pub struct NoSlash;

/// Anything that answers HTTP requests: a [`Server`] in this process, or one behind a socket.
pub trait HttpTarget: Send + Sync {
    /// Sends one request and waits for the whole answer.
    ///
    /// The URI has no authority; its path is below the base path of the service provider, such as
    /// `/Users/2819`. With [`NoSlash`] among the extensions, the path is `/` and stands for nothing. A refusal is an answer like any other.
    ///
    /// # Errors
    /// When there is no answer.
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>>;
}

impl HttpTarget for Server {
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
