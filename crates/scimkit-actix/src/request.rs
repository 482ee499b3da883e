//! Requests of actix-web, which has HTTP types of its own.

use std::{
    cell::RefCell,
    fmt,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use actix_web::{
    HttpMessage, HttpRequest,
    dev::{Payload, PeerAddr},
    error::PayloadError,
    http::Version,
};
use bytes::Bytes;
use futures_core::Stream;
use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header::CONTENT_LENGTH,
    request::Parts,
};
use http_body::{Body, Frame, SizeHint};

/// Copies the head of a request.
pub(crate) fn head(request: &HttpRequest, depth: usize) -> Result<Parts, http::Error> {
    let from = request.head();
    let (mut head, ()) = Request::new(()).into_parts();
    head.method = Method::from_bytes(from.method.as_str().as_bytes())?;
    head.uri = uri(request, depth)?;
    head.version = match from.version {
        Version::HTTP_09 => http::Version::HTTP_09,
        Version::HTTP_10 => http::Version::HTTP_10,
        Version::HTTP_2 => http::Version::HTTP_2,
        Version::HTTP_3 => http::Version::HTTP_3,
        _ => http::Version::HTTP_11,
    };
    head.headers = HeaderMap::with_capacity(from.headers.len());
    for (name, value) in &from.headers {
        let name = HeaderName::from_bytes(name.as_str().as_bytes())?;
        let value = HeaderValue::from_bytes(value.as_bytes())?;
        head.headers.append(name, value);
    }
    if let Some(peer) = from.peer_addr {
        head.extensions.insert(PeerAddr(peer));
    }
    if let Some(extensions) = request.extensions().get::<Extensions>() {
        head.extensions.extend(extensions.clone());
    }
    Ok(head)
}

/// Returns the number of bytes that a head announces.
pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Returns the URI without the path of the scopes around this one.
///
/// The router matches decoded paths, but an encoded slash stays encoded. So the segments that it has not matched yet
/// are the last ones of the path as it was sent, after the `depth` segments of this scope.
fn uri(request: &HttpRequest, depth: usize) -> Result<Uri, http::Error> {
    let uri = request.uri();
    let path = uri.path();
    let below = request.match_info().unprocessed().matches('/').count();
    let start = path.rmatch_indices('/').take(depth + below).last();
    let start = start.map_or(path.len(), |(index, _)| index);
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let mut copy = Uri::builder().path_and_query(target.get(start..).unwrap_or_default());
    if let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) {
        copy = copy.scheme(scheme).authority(authority.as_str());
    }
    copy.build()
}

/// A payload that outlives the service: actix-web goes on reading a chunked payload that was dropped, without a limit.
pub(crate) type SharedPayload = Rc<RefCell<Payload>>;

/// The body of a request, as actix-web receives it.
pub struct RequestBody {
    payload: SharedPayload,
    /// The number of bytes that are missing, if it is known.
    left: Option<u64>,
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").finish_non_exhaustive()
    }
}

impl RequestBody {
    pub(crate) fn new(payload: &SharedPayload, headers: &HeaderMap) -> Self {
        let left = match *payload.borrow() {
            Payload::None => Some(0),
            Payload::H1 { .. } => content_length(headers),
            // A middleware may have changed it, for example decompressed.
            _ => None,
        };
        RequestBody {
            payload: Rc::clone(payload),
            left,
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = PayloadError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, PayloadError>>> {
        let next = Pin::new(&mut *self.payload.borrow_mut()).poll_next(context);
        let next = ready!(next);
        match &next {
            Some(Ok(data)) => {
                let received = data.len() as u64;
                self.left = self.left.map(|left| left.saturating_sub(received));
            }
            Some(Err(_)) | None => {
                *self.payload.borrow_mut() = Payload::None;
                self.left = Some(0);
            }
        }
        Poll::Ready(next.map(|data| data.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
