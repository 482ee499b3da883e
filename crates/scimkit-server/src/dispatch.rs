//! The path of one request: authentication, routing, and the call of its handler.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use http::{Method, StatusCode, request::Parts};
use scimkit_core::{ErrorResponse, message::SearchRequest};
use scimkit_registry::{Budget, QuirkPolicy, QuirkRecorder, QuirkSet, RequestError};
use scimkit_store::{
    ConnectionId, Lane, RequestContext, RequestLimits, Settings, Store, TenantId, location,
};
use tracing::Instrument;

use crate::{
    access::Access,
    auth::{AuthError, Authenticate, Identity, Me},
    bulk,
    clock::Clock,
    decode, discovery,
    dropped::Dropped,
    error::HandlerError,
    hooks::Hooks,
    incoming::{ARRIVAL, Incoming},
    list, negotiate,
    observed_store::ObservedStore,
    prefix::Prefix,
    query, resource,
    response::ResponseParts,
    route::{Route, not_implemented},
    telemetry::{QUIRKS_TOTAL, SIGN_IN_DURATION_SECONDS, count, timed},
    work::{BODY_BYTE, Work},
    writer::Writer,
};

/// The store, the settings and the other parts that a server handles requests with.
#[derive(Debug, Clone)]
pub(crate) struct Inner {
    pub(crate) authentication: Arc<dyn Authenticate>,
    pub(crate) clock: Clock,
    #[cfg(feature = "cursors")]
    pub(crate) cursors: Arc<crate::cursor::Cursors>,
    pub(crate) hooks: Hooks,
    pub(crate) lane: Arc<Lane>,
    /// The same store as `store`, to which listeners can be added.
    pub(crate) observed: ObservedStore,
    pub(crate) prefix: Prefix,
    pub(crate) requests: Arc<Requests>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) store: Arc<dyn Store>,
}

/// The log fields of a request, in addition to its head and status.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) connection: Option<ConnectionId>,
    /// The attributes from which values were dropped.
    pub(crate) dropped: Option<String>,
    /// The operation, as in metrics; `None` before the endpoint is known.
    pub(crate) operation: Option<&'static str>,
    pub(crate) quirks: QuirkSet,
    /// The reason of a rejection, for operators.
    pub(crate) reason: Option<&'static str>,
    pub(crate) tenant: Option<TenantId>,
}

/// The authenticated caller, and fields for the log.
struct Caller<'a> {
    access: Access,
    dropped: &'a Dropped,
    operation: &'a mut Option<&'static str>,
    context: RequestContext,
    witness: &'a Arc<QuirkRecorder>,
}

/// A counter that numbers the requests of this process, so that log lines can be found by request id.
#[derive(Debug)]
pub(crate) struct Requests {
    pub(crate) next: AtomicU64,
    pub(crate) run: String,
}

impl Requests {
    pub(crate) fn name_one(&self) -> String {
        format!(
            "{}-{:x}",
            self.run,
            self.next.fetch_add(1, Ordering::Relaxed)
        )
    }
}

impl Inner {
    pub(crate) async fn answer<B: http_body::Body>(
        &self,
        head: &mut Parts,
        body: &mut Incoming<'_, B>,
        request_id: &str,
        notes: &mut Notes,
    ) -> Result<ResponseParts, HandlerError> {
        let (tenant, path) = self.prefix.strip(head.uri.path()).unzip();
        if let Some(tenant) = tenant.flatten() {
            head.extensions.insert(tenant);
        }
        let head = &*head;
        let identity = self.sign_in(head).await?;
        let settings = identity
            .settings
            .unwrap_or_else(|| Arc::clone(&self.settings));
        let mut context = RequestContext::new(identity.tenant, settings);
        notes.connection = Some(identity.connection.clone());
        notes.tenant = Some(context.tenant.clone());
        let actor = identity.actor;
        let actor = actor.or_else(|| Some(identity.me.as_ref()?.id.as_str().into()));
        context.cause.actor = actor;
        context.cause.connection = Some(identity.connection);
        context.cause.request = Some(request_id.into());
        context.extensions = identity.extensions;
        let path = path.ok_or_else(|| ErrorResponse::not_found("there is no such endpoint"))?;
        let alias = alias(path, identity.me.as_ref(), &context.settings);
        let (path, location) = alias.as_ref().map_or((path, None), |alias| {
            (alias.path.as_str(), Some(alias.location.as_str()))
        });
        let base_url = context.settings.base_url.as_str();
        let witness = QuirkRecorder::new(context.settings.tolerance).with_base_url(base_url);
        let witness = Arc::new(witness);
        let dropped = Dropped::default();
        let caller = Caller {
            access: identity.access,
            dropped: &dropped,
            operation: &mut notes.operation,
            context,
            witness: &witness,
        };
        let answer = self.routed((head, path), body, caller, request_id).await;
        count_quirks(&witness);
        notes.dropped = dropped.count();
        notes.quirks = witness.quirks();
        match location {
            Some(location) => answer.map(|answer| answer.located(location)),
            None => answer,
        }
    }

    async fn sign_in(&self, head: &Parts) -> Result<Identity, AuthError> {
        let identity = self.authentication.authenticate(head);
        let identity = timed(SIGN_IN_DURATION_SECONDS, [], identity);
        identity.instrument(tracing::debug_span!("sign-in")).await
    }

    async fn routed<B: http_body::Body>(
        &self,
        (head, path): (&Parts, &str),
        body: &mut Incoming<'_, B>,
        mut caller: Caller<'_>,
        request_id: &str,
    ) -> Result<ResponseParts, HandlerError> {
        let settings = Arc::clone(&caller.context.settings);
        let limits = &settings.limits;
        let route = Route::find(&settings.registry, &head.method, path);
        let route = match route {
            Err(HandlerError::Method(allowed)) if head.method == Method::OPTIONS => {
                return Ok(ResponseParts::empty(StatusCode::NO_CONTENT).allowing(allowed));
            }
            found => found?,
        };
        *caller.operation = Some(route.operation());
        if matches!(route, Route::Bulk) && limits.bulk_operations == 0 {
            return Err(not_implemented());
        }
        route.check(&caller.access)?;
        let bytes = match route.body_limit(limits) {
            Some(limit) => read(head, body, limit).await?,
            None => Bytes::new(),
        };
        let bytes = decode::without_byte_order_mark(bytes, caller.witness)?;
        // The deadline starts here: until now, the client determined how long reading took.
        caller.context.budget = budget(limits, &self.clock);
        let cancellation = Cancellation::of(&caller.context.budget);
        let writer = Writer {
            access: &caller.access,
            clock: &self.clock,
            #[cfg(feature = "cursors")]
            cursors: &self.cursors,
            dropped: caller.dropped,
            hooks: &self.hooks,
            context: &caller.context,
            store: &self.store,
            witness: caller.witness,
            work: &Work::new(&self.lane),
        };
        let is_query = matches!(route, Route::List(_) | Route::Search(_));
        let answer = self.drive(route, head, bytes, writer, request_id).await;
        cancellation.disarm();
        answer.map_err(|problem| {
            if is_query {
                problem.of_query()
            } else {
                problem
            }
        })
    }

    async fn drive(
        &self,
        route: Route,
        head: &Parts,
        bytes: Bytes,
        writer: Writer<'_>,
        request_id: &str,
    ) -> Result<ResponseParts, HandlerError> {
        let Writer {
            access,
            context,
            witness,
            ..
        } = writer;
        let parameters = head.uri.query();
        let ask = resource::ResourceRequest { head, writer };
        let types = |kind| match kind {
            Some(kind) => Ok(vec![kind]),
            None => access.readable(context.settings.registry.resource_types()),
        };
        let json = async |bytes: Bytes| {
            let units = BODY_BYTE.saturating_mul(bytes.len() as u64);
            let limits = context.settings.limits;
            let read = move || decode::body(&bytes, &limits);
            Ok::<_, HandlerError>(writer.work.run(context, units, read).await??)
        };
        match route {
            Route::Bulk => bulk::answer(writer, bytes, request_id).await,
            Route::Create(kind) => ask.create(&kind, json(bytes).await?).await,
            Route::Delete(kind, id) => ask.delete(kind, id).await,
            Route::Discover(what) => {
                let authentication = &*self.authentication;
                discovery::answer(&what, parameters, writer, authentication)
            }
            Route::List(kind) => {
                let search = query::search(parameters, writer)?;
                list::answer(writer, types(kind)?, search).await
            }
            Route::Patch(kind, id) => ask.patch(&kind, &id, json(bytes).await?).await,
            Route::Read(kind, id) => ask.read(&kind, &id).await,
            Route::Replace(kind, id) => ask.replace(&kind, &id, json(bytes).await?).await,
            Route::Search(kind) => {
                let search = SearchRequest::from_value(json(bytes).await?)?;
                RequestError::check_message(
                    search.schemas_mismatch,
                    "a search request",
                    &**witness,
                )?;
                list::answer(writer, types(kind)?, search).await
            }
        }
    }
}

/// Creates the budget of a request, with its deadline.
fn budget(limits: &RequestLimits, clock: &Clock) -> Budget {
    match clock.elapsed().checked_add(limits.duration) {
        Some(end) => {
            let clock = clock.clone();
            Budget::with_deadline(limits.work, move || clock.elapsed() >= end)
        }
        None => Budget::new(limits.work),
    }
}

/// A guard that cancels a budget when it is dropped, together with the future of a request whose client has
/// disconnected.
struct Cancellation(Option<Budget>);

impl Cancellation {
    fn of(budget: &Budget) -> Self {
        Cancellation(Some(budget.clone()))
    }

    /// Prevents the cancellation after the response is complete.
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

/// Checks the headers of the body (type, length) before reading it, so that no body is read only to be rejected.
async fn read<B: http_body::Body>(
    head: &Parts,
    body: &mut Incoming<'_, B>,
    limit: usize,
) -> Result<Bytes, HandlerError> {
    negotiate::check_body_type(&head.headers)?;
    decode::check_length(&head.headers, limit)?;
    Ok(body.read(limit, ARRIVAL).await?)
}

/// The resource that `/Me` stands for.
struct Alias {
    location: String,
    /// The path below the base path.
    path: String,
}

/// Returns the resource that `/Me` stands for, if the path is `/Me` and the caller has a resource.
fn alias(path: &str, me: Option<&Me>, settings: &Settings) -> Option<Alias> {
    let is_me = path.trim_matches('/') == "Me";
    let me = me.filter(|me| is_me && !me.id.as_str().is_empty())?;
    let kind = settings.registry.resource_type(&me.resource_type)?;
    let location = location(settings, kind, &me.id);
    let path = location.strip_prefix(&settings.base_url)?.to_owned();
    Some(Alias { location, path })
}

/// Counts the quirks that a request needed, so that operators see which ones an identity provider has.
fn count_quirks(witness: &QuirkRecorder) {
    let profile = witness.tolerance().profile();
    for quirk in witness.quirks().iter() {
        let labels = [("profile", profile.into()), ("quirk", quirk.name().into())];
        count(QUIRKS_TOTAL, labels);
    }
}
