//! The recorder as a layer, which listens to a service and passes on its messages.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::{
    Recorder,
    exchange::{RecordedRequest, RecordedResponse},
    recorded_body::{Copied, RecordedBody},
};

impl<S> Layer<S> for Recorder {
    type Service = Recorded<S>;

    fn layer(&self, inner: S) -> Recorded<S> {
        Recorded {
            inner,
            recorder: self.clone(),
        }
    }
}

/// A service that a [`Recorder`] records.
#[derive(Debug, Clone)]
pub struct Recorded<S> {
    inner: S,
    recorder: Recorder,
}

impl<S, B, R> Service<Request<B>> for Recorded<S>
where
    S: Service<Request<RecordedBody<B>>, Response = Response<R>>,
    B: Body,
    R: Body,
{
    type Response = Response<RecordedBody<R>>;
    type Error = S::Error;
    type Future = Answering<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Some(exchange) = self.exchange(&request) else {
            return Answering {
                exchange: None,
                future: Box::pin(self.inner.call(request.map(RecordedBody::deaf))),
            };
        };
        let most = self.recorder.limits().body;
        let sent = Arc::clone(&exchange.sent);
        let request = request.map(|body| {
            RecordedBody::new(body, most, move |copied| {
                *sent.lock().unwrap_or_else(PoisonError::into_inner) = copied;
            })
        });
        Answering {
            exchange: Some(exchange),
            future: Box::pin(self.inner.call(request)),
        }
    }
}

impl<S> Recorded<S> {
    /// Returns what to record of a request, or `None` if it is not recorded.
    fn exchange<B>(&self, request: &Request<B>) -> Option<Exchange> {
        let uri = request
            .uri()
            .path_and_query()
            .map_or("/", |whole| whole.as_str());
        let target = self.recorder.below_prefix(uri)?.to_owned();
        let at = self.recorder.next_step()?;
        Some(Exchange {
            recorded: RecordedRequest {
                at,
                headers: request.headers().clone(),
                method: request.method().clone(),
                target,
            },
            recorder: self.recorder.clone(),
            sent: Arc::new(Mutex::new(Copied::Unread)),
        })
    }
}

/// A request in progress.
struct Exchange {
    recorded: RecordedRequest,
    recorder: Recorder,
    sent: Arc<Mutex<Copied>>,
}

impl Exchange {
    fn end(self, response: &RecordedResponse, got: &Copied) {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = std::mem::replace(&mut *sent, Copied::Unread);
        let most = self.recorder.limits().bytes;
        let mut recording = self.recorder.recording();
        recording.add(&self.recorded, sent, response, got, most);
    }
}

/// The response to a request that a [`Recorder`] records.
pub struct Answering<F> {
    exchange: Option<Exchange>,
    future: Pin<Box<F>>,
}

impl<F> fmt::Debug for Answering<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answering").finish_non_exhaustive()
    }
}

impl<F, R, E> Future for Answering<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
{
    type Output = Result<Response<RecordedBody<R>>, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let response = std::task::ready!(self.future.as_mut().poll(context))?;
        let Some(exchange) = self.exchange.take() else {
            return Poll::Ready(Ok(response.map(RecordedBody::deaf)));
        };
        let most = exchange.recorder.limits().body;
        let (head, body) = response.into_parts();
        let response = RecordedResponse {
            headers: head.headers.clone(),
            status: head.status,
        };
        let body = RecordedBody::new(body, most, move |got| exchange.end(&response, &got));
        Poll::Ready(Ok(Response::from_parts(head, body)))
    }
}

impl<F> Drop for Answering<F> {
    fn drop(&mut self) {
        if let Some(exchange) = self.exchange.take() {
            exchange.recorder.recording().leave_out("without an answer");
        }
    }
}
