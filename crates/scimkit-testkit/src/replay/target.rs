//! The target of requests.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use scimkit_server::Server;
use scimkit_store::BoxFuture;

/// The reason why there is no response.
pub type TransportError = Box<dyn std::error::Error + Send + Sync>;

/// Marks a request for the base URL itself, without a trailing slash, which an [`http::Uri`] can't represent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a marker without contents")]
pub struct NoSlash;

/// Anything that answers HTTP requests: a [`Server`] in this process, or a remote server.
pub trait HttpTarget: Send + Sync {
    /// Sends one request and waits for the complete response.
    ///
    /// The URI has no authority. Its path is below the base path of the service provider, such as `/Users/2819`. With
    /// [`NoSlash`] among the extensions, the path is `/` and must be ignored. An error response is a response like any
    /// other.
    ///
    /// # Errors
    /// If there is no response.
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
