//! The service: one request in, one response out.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method, Request, Response, StatusCode,
    header::{CONNECTION, CONTENT_LENGTH},
    request::Parts,
};
use scimkit_core::{Error, message::SearchRequest};
use scimkit_registry::{Budget, Error as RequestError, Leeway, Quirks, Witness};
use scimkit_store::{ConnectionId, Lane, Limits, Scope, Settings, Store, TenantId, location};

use crate::{
    access::Access,
    answer::Answer,
    auth::{Authenticate, BearerTokens, Me},
    body::Body,
    bulk,
    cursor::Cursors,
    decode, discovery,
    dropped::Dropped,
    error::{Problem, log_store_error},
    hooks::{CreateGuard, Hooks, TakeSecrets},
    incoming::Incoming,
    list, negotiate,
    prefix::Prefix,
    query, resource,
    route::{Route, not_implemented},
    work::{BODY_BYTE, Work},
    writer::Writer,
};

/// A SCIM 2.0 service provider over a [`Store`].
///
/// It is a [`tower_service::Service`] and cheap to clone. Paths are taken below the base path: mount
/// it with the framework's own nesting, or name the prefix with [`Server::with_prefix`].
///
/// Without [`Server::with_authentication`] nobody gets in.
#[derive(Debug, Clone)]
pub struct Server {
    inner: Arc<Inner>,
}

#[derive(Debug, Clone)]
struct Inner {
    authentication: Arc<dyn Authenticate>,
    hooks: Hooks,
    cursors: Arc<Cursors>,
    lane: Arc<Lane>,
    prefix: Prefix,
    requests: Arc<Requests>,
    settings: Arc<Settings>,
    store: Arc<dyn Store>,
}

/// The counter of quirks that requests needed, by `profile` and `quirk`, one for each request.
///
/// It goes to the recorder of the `metrics` crate that the application installs; without one it
/// costs next to nothing. The names are those of the fields of
/// [`Tolerance`](scimkit_registry::Tolerance).
pub const QUIRKS_TOTAL: &str = "scimkit_quirks_total";

/// What the log tells of a request beside its head and status.
#[derive(Debug, Default)]
struct Notes {
    connection: Option<ConnectionId>,
    /// The attributes of which something was left out.
    dropped: Option<String>,
    quirks: Quirks,
    tenant: Option<TenantId>,
}

/// Who asks, and what is noted of the request.
struct Caller<'a> {
    access: Access,
    dropped: &'a Dropped,
    scope: Scope,
    witness: &'a Arc<Witness>,
}

/// Numbers the requests of this process, so that a log line can be found again.
#[derive(Debug)]
struct Requests {
    next: AtomicU64,
    run: String,
}

impl Requests {
    fn name_one(&self) -> String {
        format!(
            "{}-{:x}",
            self.run,
            self.next.fetch_add(1, Ordering::Relaxed)
        )
    }
}

/// The request id in an answer, as it is in the log.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

impl Server {
    /// A server over that store, under those rules.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, settings: Settings) -> Self {
        let run = uuid::Uuid::new_v4()
            .simple()
            .to_string()
            .chars()
            .take(8)
            .collect();
        Server {
            inner: Arc::new(Inner {
                authentication: Arc::new(BearerTokens::default()),
                cursors: Arc::new(Cursors::random()),
                hooks: Hooks::default(),
                lane: Arc::new(Lane::new()),
                prefix: Prefix::default(),
                requests: Arc::new(Requests {
                    next: AtomicU64::new(1),
                    run,
                }),
                settings: Arc::new(settings),
                store,
            }),
        }
    }

    /// Lets those in whom the host knows.
    #[must_use]
    pub fn with_authentication(mut self, authentication: impl Authenticate) -> Self {
        Arc::make_mut(&mut self.inner).authentication = Arc::new(authentication);
        self
    }

    /// Asks before a resource is created.
    #[must_use]
    pub fn with_create_guard(mut self, guard: impl CreateGuard) -> Self {
        Arc::make_mut(&mut self.inner).hooks.guard = Some(Arc::new(guard));
        self
    }

    /// Hands the passwords that are sent to the host, instead of dropping them.
    #[must_use]
    pub fn with_secrets(mut self, secrets: impl TakeSecrets) -> Self {
        Arc::make_mut(&mut self.inner).hooks.secrets = Some(Arc::new(secrets));
        self
    }

    /// Seals cursors with that key, which every node of a service must have.
    ///
    /// Without it the key is random: then cursors end with the process, and other nodes refuse them
    /// with `invalidCursor`. Its bytes are a secret, of 256 random bits; who has them can read what
    /// a cursor says of a resource, its sort key and id, but see no resource that way. With another
    /// key, all cursors are invalid.
    #[must_use]
    pub fn with_cursor_key(mut self, key: [u8; 32]) -> Self {
        Arc::make_mut(&mut self.inner).cursors = Arc::new(Cursors::under(&key));
        self
    }

    /// Takes paths below `prefix`, such as `/scim/v2`, where the framework does not strip it.
    ///
    /// With `{tenant}` in it, as in `/tenants/{tenant}/scim/v2`, one whole segment of a path stands for
    /// the tenant: see [`TenantInPath`](crate::TenantInPath).
    #[must_use]
    pub fn with_prefix(mut self, prefix: &str) -> Self {
        Arc::make_mut(&mut self.inner).prefix = Prefix::of(prefix);
        self
    }

    /// Answers one request.
    ///
    /// Whatever goes wrong is an answer too. A body that the answer did not need is drained, up to
    /// 64 KiB and for half a second; beyond that an answer in HTTP/1 announces `Connection: close`.
    ///
    /// Writes one `tracing` event for each request: method,
    /// path, status, time, request id, tenant and connection, the [quirks](scimkit_registry::Quirk) that it needed and the
    /// attributes of which something was left out, and never a body, a token or a query string. Each
    /// of those is also counted once, in the metrics [`QUIRKS_TOTAL`](crate::QUIRKS_TOTAL) and
    /// [`DROPPED_TOTAL`](crate::DROPPED_TOTAL).
    pub async fn handle<B: http_body::Body>(&self, request: Request<B>) -> Response<Body> {
        let started = Instant::now();
        let request_id = self.inner.requests.name_one();
        let (mut head, body) = request.into_parts();
        let body = std::pin::pin!(body);
        let mut body = Incoming::new(body);
        let media_type = negotiate::answer_type(&head.headers);
        let (method, path) = (head.method.clone(), head.uri.path().to_owned());
        if head.method == Method::HEAD {
            head.method = Method::GET;
        }
        let mut notes = Notes::default();
        let answer = match &media_type {
            Ok(_) => {
                let answer = self.answer(&mut head, &mut body, &request_id, &mut notes);
                answer.await
            }
            Err(refusal) => Err(Problem::Client(refusal.clone())),
        };
        let answer = answer.unwrap_or_else(|problem| {
            if let Problem::Store(error) = &problem {
                log_store_error(error, &request_id);
            }
            Answer::problem(&problem, &request_id)
                .challenged(|| self.inner.authentication.schemes())
        });
        let mut response = answer.into_response(media_type.unwrap_or(negotiate::ANSWER));
        if method == Method::HEAD {
            // What GET would send, without sending it; a 304 says nothing of the body it spares.
            let length = http_body::Body::size_hint(response.body()).exact();
            if response.status() != StatusCode::NOT_MODIFIED
                && let Some(length) = length
            {
                response
                    .headers_mut()
                    .insert(CONTENT_LENGTH, HeaderValue::from(length));
            }
            *response.body_mut() = Body::default();
        }
        if let Ok(id) = HeaderValue::from_str(&request_id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        if !body.finish(&head).await {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        let (status, ms) = (
            response.status().as_u16(),
            started.elapsed().as_secs_f64() * 1e3,
        );
        let Notes {
            connection,
            dropped,
            quirks,
            tenant,
        } = notes;
        let quirks = (!quirks.is_empty()).then(|| tracing::field::display(quirks));
        let dropped = dropped.as_deref();
        let tenant = tenant.as_ref().map(TenantId::as_str);
        let connection = connection.as_ref().map(ConnectionId::as_str);
        tracing::info!(
            %method, %path, status, ms, tenant, connection, quirks, dropped, %request_id, "request"
        );
        response
    }

    async fn answer<B: http_body::Body>(
        &self,
        head: &mut Parts,
        body: &mut Incoming<'_, B>,
        request_id: &str,
        notes: &mut Notes,
    ) -> Result<Answer, Problem> {
        let inner = &*self.inner;
        let uri = head.uri.clone();
        let (tenant, path) = inner.prefix.strip(uri.path()).unzip();
        if let Some(tenant) = tenant.flatten() {
            head.extensions.insert(tenant);
        }
        let head = &*head;
        let identity = inner.authentication.authenticate(head).await?;
        let settings = identity
            .settings
            .unwrap_or_else(|| Arc::clone(&inner.settings));
        let mut scope = Scope::new(identity.tenant, settings);
        notes.connection = Some(identity.connection.clone());
        notes.tenant = Some(scope.tenant.clone());
        let actor = identity.actor;
        let actor = actor.or_else(|| Some(identity.me.as_ref()?.id.as_str().into()));
        scope.cause.actor = actor;
        scope.cause.connection = Some(identity.connection);
        scope.cause.request = Some(request_id.into());
        scope.extensions = identity.extensions;
        let path = path.ok_or_else(|| Error::not_found("there is no such endpoint"))?;
        let alias = alias(path, identity.me.as_ref(), &scope.settings);
        let (path, location) = alias.as_ref().map_or((path, None), |alias| {
            (alias.path.as_str(), Some(alias.location.as_str()))
        });
        let base_url = scope.settings.base_url.as_str();
        let witness = Witness::of(scope.settings.tolerance).with_base_url(base_url);
        let witness = Arc::new(witness);
        let dropped = Dropped::default();
        let caller = Caller {
            access: identity.access,
            dropped: &dropped,
            scope,
            witness: &witness,
        };
        let answer = self.routed((head, path), body, caller, request_id).await;
        count(&witness);
        notes.dropped = dropped.count();
        notes.quirks = witness.quirks();
        match location {
            Some(location) => answer.map(|answer| answer.located(location)),
            None => answer,
        }
    }

    async fn routed<B: http_body::Body>(
        &self,
        (head, path): (&Parts, &str),
        body: &mut Incoming<'_, B>,
        mut caller: Caller<'_>,
        request_id: &str,
    ) -> Result<Answer, Problem> {
        let settings = Arc::clone(&caller.scope.settings);
        let limits = &settings.limits;
        let route = Route::find(&settings.registry, &head.method, path);
        let route = match route {
            Err(Problem::Method(allowed)) if head.method == Method::OPTIONS => {
                return Ok(Answer::empty(StatusCode::NO_CONTENT).allowing(allowed));
            }
            found => found?,
        };
        if matches!(route, Route::Bulk) && limits.bulk_operations == 0 {
            return Err(not_implemented());
        }
        route.check(&caller.access)?;
        let bytes = match route.body_limit(limits) {
            Some(limit) => read(head, body, limit).await?,
            None => Bytes::new(),
        };
        let bytes = decode::without_byte_order_mark(bytes, caller.witness)?;
        // From here on it is the server that takes time.
        caller.scope.budget = budget(limits);
        let cancellation = Cancellation::of(&caller.scope.budget);
        let writer = Writer {
            access: &caller.access,
            dropped: caller.dropped,
            hooks: &self.inner.hooks,
            scope: &caller.scope,
            store: &self.inner.store,
            witness: caller.witness,
            work: &Work::new(&self.inner.lane),
        };
        let is_query = matches!(route, Route::List(_) | Route::Search(_));
        let answer = self.drive(route, head, bytes, writer, request_id).await;
        cancellation.disarm();
        answer.map_err(|problem| match is_query {
            true => problem.of_query(),
            false => problem,
        })
    }

    async fn drive(
        &self,
        route: Route,
        head: &Parts,
        bytes: Bytes,
        writer: Writer<'_>,
        request_id: &str,
    ) -> Result<Answer, Problem> {
        let Writer {
            access,
            scope,
            witness,
            ..
        } = writer;
        let cursors = &*self.inner.cursors;
        let parameters = head.uri.query();
        let ask = resource::Ask { head, writer };
        let types = |kind| match kind {
            Some(kind) => Ok(vec![kind]),
            None => access.readable(scope.settings.registry.types()),
        };
        let json = async |bytes: Bytes| {
            let units = BODY_BYTE.saturating_mul(bytes.len() as u64);
            let limits = scope.settings.limits;
            let read = move || decode::body(&bytes, &limits);
            Ok::<_, Problem>(writer.work.run(scope, units, read).await??)
        };
        match route {
            Route::Bulk => bulk::answer(writer, bytes, request_id).await,
            Route::Create(kind) => ask.create(&kind, json(bytes).await?).await,
            Route::Delete(kind, id) => ask.delete(kind, id).await,
            Route::Discover(what) => {
                let authentication = &*self.inner.authentication;
                discovery::answer(&what, parameters, writer, authentication)
            }
            Route::List(kind) => {
                let search = query::search(parameters, writer)?;
                list::answer(writer, types(kind)?, search, cursors).await
            }
            Route::Patch(kind, id) => ask.patch(&kind, &id, json(bytes).await?).await,
            Route::Read(kind, id) => ask.read(&kind, &id).await,
            Route::Replace(kind, id) => ask.replace(&kind, &id, json(bytes).await?).await,
            Route::Search(kind) => {
                let search = SearchRequest::from_value(json(bytes).await?)?;
                RequestError::check_message(search.schemas_misfit, "a search request", &**witness)?;
                list::answer(writer, types(kind)?, search, cursors).await
            }
        }
    }
}

/// The work that a request may cause, and until when.
fn budget(limits: &Limits) -> Budget {
    match Instant::now().checked_add(limits.duration) {
        Some(end) => Budget::with_deadline(limits.work, move || Instant::now() >= end),
        None => Budget::new(limits.work),
    }
}

/// Cancels a budget when it is dropped, as it is with the future of a request whose client is gone.
struct Cancellation(Option<Budget>);

impl Cancellation {
    fn of(budget: &Budget) -> Self {
        Cancellation(Some(budget.clone()))
    }

    /// The answer is there.
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for Cancellation {
    fn drop(&mut self) {
        if let Some(budget) = &self.0 {
            budget.cancel();
        }
    }
}

/// Checks what the head tells of the body, then reads it: nothing is read in vain.
async fn read<B: http_body::Body>(
    head: &Parts,
    body: &mut Incoming<'_, B>,
    limit: usize,
) -> Result<Bytes, Problem> {
    negotiate::check_body_type(&head.headers)?;
    decode::check_length(&head.headers, limit)?;
    Ok(body.read(limit).await?)
}

/// What `/Me` stands for.
struct Alias {
    location: String,
    /// Below the base path.
    path: String,
}

/// The resource behind `/Me`, where the caller is one.
fn alias(path: &str, me: Option<&Me>, settings: &Settings) -> Option<Alias> {
    let is_me = path.trim_matches('/') == "Me";
    let me = me.filter(|me| is_me && !me.id.as_str().is_empty())?;
    let kind = settings.registry.by_name(&me.resource_type)?;
    let location = location(settings, kind, &me.id);
    let path = location.strip_prefix(&settings.base_url)?.to_owned();
    Some(Alias { location, path })
}

/// Counts what a provider's request needed, so that an operator sees what it really does.
fn count(witness: &Witness) {
    let profile = witness.tolerance().profile();
    for quirk in witness.quirks().iter() {
        metrics::counter!(QUIRKS_TOTAL, "profile" => profile, "quirk" => quirk.name()).increment(1);
    }
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
