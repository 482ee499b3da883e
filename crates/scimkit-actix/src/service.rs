//! The server as a service for bodies that stay on one thread, and the way of one request through it.

use std::{
    cell::RefCell,
    convert::Infallible,
    error::Error,
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::{
    dev::{ServiceRequest, ServiceResponse},
    error::{ErrorBadRequest, ErrorInternalServerError},
};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body;
use scimkit_server::Server;
use tower_service::Service;

use crate::{RequestBody, request, response};

/// A [`Server`] as a tower service whose futures and request bodies stay on one thread.
#[derive(Debug, Clone)]
pub struct LocalServer(pub(crate) Server);

impl<B: Body + 'static> Service<Request<B>> for LocalServer {
    type Response = Response<scimkit_server::Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let LocalServer(server) = self.clone();
        Box::pin(async move { Ok(server.handle(request).await) })
    }
}

/// Sends a request of actix-web through the service. `depth` is the number of segments in the path of the scope.
///
/// # Errors
/// The head of the request or of the response is not valid for the other version of the `http` crate.
pub(crate) async fn respond<S, B>(
    mut service: S,
    request: ServiceRequest,
    depth: usize,
) -> Result<ServiceResponse, actix_web::Error>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error>>> + 'static,
{
    let (request, payload) = request.into_parts();
    let head = request::head(&request, depth).map_err(ErrorBadRequest)?;
    let is_head = head.method == Method::HEAD;
    let payload = Rc::new(RefCell::new(payload));
    let body = RequestBody::new(&payload, &head.headers);
    let Ok(()) = poll_fn(|context| service.poll_ready(context)).await;
    let Ok(response) = service.call(Request::from_parts(head, body)).await;
    let response =
        response::convert(response, is_head, payload).map_err(ErrorInternalServerError)?;
    Ok(ServiceResponse::new(request, response))
}
