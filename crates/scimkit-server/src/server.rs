//! The service: one request in, one response out.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{Arc, atomic::AtomicU64},
    task::{Context, Poll},
    time::Duration,
};

use http::{
    HeaderName, HeaderValue, Method, Request, Response, StatusCode,
    header::{CONNECTION, CONTENT_LENGTH},
};
use scimkit_store::{ConnectionId, Lane, Settings, Store, TenantId};
use tracing::{Instrument, Span, field::Empty};

use crate::{
    auth::{Authenticate, BearerTokens},
    body::Body,
    clock::Clock,
    dispatch::{Inner, Notes, Requests},
    error::{HandlerError, log_store_error},
    guard::ChangeGuard,
    health::store_answers,
    hooks::{ChangeListener, Hooks, SecretHandler},
    incoming::Incoming,
    negotiate,
    observed_store::ObservedStore,
    prefix::Prefix,
    response::ResponseParts,
    telemetry::{REQUEST_DURATION_SECONDS, REQUESTS_TOTAL, count, record},
};

/// A SCIM 2.0 service provider over a [`Store`].
///
/// It implements [`tower_service::Service`] and is cheap to clone. It matches paths below the base path: mount it
/// with the framework's nesting, or set the prefix with [`Server::with_prefix`].
///
/// Without [`Server::with_authentication`], every request gets a 401.
#[derive(Debug, Clone)]
pub struct Server {
    inner: Arc<Inner>,
}

/// The response header with the request id, which the log shows too.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

impl Server {
    /// Creates a server for this store with these settings.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, settings: Settings) -> Self {
        let observed = ObservedStore {
            listeners: Vec::new(),
            store,
        };
        let run = uuid::Uuid::new_v4()
            .simple()
            .to_string()
            .chars()
            .take(8)
            .collect();
        Server {
            inner: Arc::new(Inner {
                authentication: Arc::new(BearerTokens::default()),
                clock: Clock::default(),
                #[cfg(feature = "cursors")]
                cursors: Arc::new(crate::cursor::Cursors::random()),
                hooks: Hooks::default(),
                lane: Arc::new(Lane::new()),
                prefix: Prefix::default(),
                requests: Arc::new(Requests {
                    next: AtomicU64::new(1),
                    run,
                }),
                settings: Arc::new(settings),
                store: Arc::new(observed.clone()),
                observed,
            }),
        }
    }

    /// Sets the authenticator. Without one, every request gets a 401.
    #[must_use]
    pub fn with_authentication(mut self, authentication: impl Authenticate) -> Self {
        Arc::make_mut(&mut self.inner).authentication = Arc::new(authentication);
        self
    }

    /// Adds a listener that is called after each commit.
    #[must_use]
    pub fn with_change_listener(mut self, listener: impl ChangeListener) -> Self {
        let inner = Arc::make_mut(&mut self.inner);
        inner.observed.listeners.push(Arc::new(listener));
        inner.store = Arc::new(inner.observed.clone());
        self
    }

    /// Sets the source of time. Without one, it is the system clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        Arc::make_mut(&mut self.inner).clock = clock;
        self
    }

    /// Adds a guard that can reject changes before they are written; [`guards`](crate::guards) has some.
    ///
    /// Several guards are called in the order in which they were added, until one rejects the change.
    #[must_use]
    pub fn with_guard(mut self, guard: impl ChangeGuard) -> Self {
        let hooks = &mut Arc::make_mut(&mut self.inner).hooks;
        hooks.guards.push(Arc::new(guard));
        self
    }

    /// Sets the handler that receives passwords. Without one, passwords are dropped.
    #[must_use]
    pub fn with_secret_handler(mut self, secrets: impl SecretHandler) -> Self {
        Arc::make_mut(&mut self.inner).hooks.secrets = Some(Arc::new(secrets));
        self
    }

    /// Sets the key that encrypts cursors. All nodes of a service must share it.
    ///
    /// Without it, the key is random: cursors become invalid when the process ends, and other nodes reject them
    /// with `invalidCursor`. Changing the key invalidates all cursors.
    ///
    /// The key is a secret of 256 random bits. It can decrypt the sort key and id of the resource in a cursor, but
    /// it gives no access to resources.
    #[cfg(feature = "cursors")]
    #[must_use]
    pub fn with_cursor_key(mut self, key: [u8; 32]) -> Self {
        Arc::make_mut(&mut self.inner).cursors = Arc::new(crate::cursor::Cursors::under(&key));
        self
    }

    /// Sets the path prefix, such as `/scim/v2`, if the framework does not strip it.
    ///
    /// If the prefix contains `{tenant}`, as in `/tenants/{tenant}/scim/v2`, one whole path segment names the
    /// tenant: see [`TenantInPath`](crate::TenantInPath).
    #[must_use]
    pub fn with_prefix(mut self, prefix: &str) -> Self {
        Arc::make_mut(&mut self.inner).prefix = Prefix::of(prefix);
        self
    }

    /// Returns whether the store responds to a read by id within a second. If not, the log gives the reason at
    /// level `WARN`.
    ///
    /// Use it for readiness probes. It needs neither a caller nor a tenant.
    pub async fn is_ready(&self) -> bool {
        store_answers(&*self.inner.store, &self.inner.settings).await
    }

    /// Handles one request.
    ///
    /// All errors become responses. A body that takes more than a minute to arrive gets a 408. An unread body is
    /// drained, up to 64 KiB and for at most half a second; if more is left, an HTTP/1 response has
    /// `Connection: close`.
    ///
    /// Each request logs one `tracing` event with the method, path, status, duration, request id, tenant and
    /// connection, the reason of a rejection, the [quirks](scimkit_registry::Quirk) that the request needed, and
    /// the attributes whose values were dropped. The event never contains a body, a token or a query string. With
    /// the feature `metrics`, requests are also counted in [`REQUESTS_TOTAL`](crate::REQUESTS_TOTAL) and other
    /// metrics. The span `request`, at level `DEBUG`, covers the whole request.
    pub async fn handle<B: http_body::Body>(&self, request: Request<B>) -> Response<Body> {
        let request_id = self.inner.requests.name_one();
        let span = tracing::debug_span!(
            "request",
            method = %request.method(),
            request_id,
            operation = Empty,
            status = Empty
        );
        self.respond(request, request_id).instrument(span).await
    }

    async fn respond<B: http_body::Body>(
        &self,
        request: Request<B>,
        request_id: String,
    ) -> Response<Body> {
        let started = self.inner.clock.elapsed();
        let (mut head, body) = request.into_parts();
        let body = std::pin::pin!(body);
        let mut body = Incoming::new(body);
        let media_type = negotiate::answer_type(&head.headers);
        let method = head.method.clone();
        if head.method == Method::HEAD {
            head.method = Method::GET;
        }
        let mut notes = Notes::default();
        let answer = match &media_type {
            Ok(_) => {
                let answer = self
                    .inner
                    .answer(&mut head, &mut body, &request_id, &mut notes);
                answer.await
            }
            Err(refusal) => Err(HandlerError::Client(refusal.clone())),
        };
        let answer = answer.unwrap_or_else(|problem| {
            if let HandlerError::Store(error) = &problem {
                log_store_error(error, &request_id);
            }
            notes.reason = Some(problem.reason());
            ResponseParts::problem(&problem, &request_id)
                .challenged(|| self.inner.authentication.schemes())
        });
        let mut response = answer.into_response(media_type.unwrap_or(negotiate::ANSWER));
        if method == Method::HEAD {
            response = without_body(response);
        }
        if let Ok(id) = HeaderValue::from_str(&request_id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        if !body.finish(&head).await {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        let took = self.inner.clock.elapsed().saturating_sub(started);
        let path = self.inner.prefix.logged(head.uri.path());
        notes.report(&method, path, response.status(), took, &request_id);
        response
    }
}

impl Notes {
    /// Logs a request and updates its metrics.
    fn report(
        self,
        method: &Method,
        path: &str,
        status: StatusCode,
        took: Duration,
        request_id: &str,
    ) {
        let operation = self.operation.unwrap_or("none");
        let status = status.as_u16();
        let span = Span::current();
        span.record("operation", operation).record("status", status);
        let code = status.to_string();
        let labels = [("operation", operation.into()), ("status", code.into())];
        count(REQUESTS_TOTAL, labels);
        let labels = [("operation", operation.into())];
        record(REQUEST_DURATION_SECONDS, labels, took);
        let ms = took.as_secs_f64() * 1e3;
        let quirks = self.quirks;
        let quirks = (!quirks.is_empty()).then(|| tracing::field::display(quirks));
        let dropped = self.dropped.as_deref();
        let tenant = self.tenant.as_ref().map(TenantId::as_str);
        let connection = self.connection.as_ref().map(ConnectionId::as_str);
        let reason = self.reason;
        tracing::info!(
            %method, %path, status, ms, reason, tenant, connection, quirks, dropped, %request_id,
            "request"
        );
    }
}

/// Removes the body from the response to a HEAD request and retains the headers of GET. A 304 gets no
/// `Content-Length`.
fn without_body(mut response: Response<Body>) -> Response<Body> {
    let length = http_body::Body::size_hint(response.body()).exact();
    if response.status() != StatusCode::NOT_MODIFIED
        && let Some(length) = length
    {
        let length = HeaderValue::from(length);
        response.headers_mut().insert(CONTENT_LENGTH, length);
    }
    *response.body_mut() = Body::default();
    response
}

impl<B> tower_service::Service<Request<B>> for Server
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let server = self.clone();
        Box::pin(async move { Ok(server.handle(request).await) })
    }
}
