//! A store wrapper that adds spans and metrics to each call.

use std::sync::Arc;

use scimkit_registry::{Edge, ResourceId, ResourceType};
use scimkit_store::{
    Batch, BoxFuture, Capabilities, EdgeQuery, Page, Query, ReadOptions, RequestContext, Store,
    StoreError, StoredResource, Written,
};
use tracing::{Instrument, Span, debug_span};

use crate::telemetry::{STORE_DURATION_SECONDS, timed};

/// A store that forwards each call, and adds a span (`write` or `store`) and a duration.
#[derive(Debug)]
pub(crate) struct ObservedStore(pub(crate) Arc<dyn Store>);

impl Store for ObservedStore {
    fn support(&self, kind: &ResourceType) -> Capabilities {
        self.0.support(kind)
    }

    fn edges<'a>(
        &'a self,
        context: &'a RequestContext,
        query: &'a EdgeQuery,
    ) -> BoxFuture<'a, Result<Vec<Vec<Edge>>, StoreError>> {
        let span = debug_span!("store", call = "edges");
        observed("edges", span, self.0.edges(context, query))
    }

    fn query<'a>(
        &'a self,
        context: &'a RequestContext,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        let span = debug_span!("store", call = "query");
        observed("query", span, self.0.query(context, query))
    }

    fn read<'a>(
        &'a self,
        context: &'a RequestContext,
        kind: &'a Arc<ResourceType>,
        id: &'a ResourceId,
        want: &'a ReadOptions,
    ) -> BoxFuture<'a, Result<StoredResource, StoreError>> {
        let span = debug_span!("store", call = "read");
        observed("read", span, self.0.read(context, kind, id, want))
    }

    fn write<'a>(
        &'a self,
        context: &'a RequestContext,
        batch: Batch,
    ) -> BoxFuture<'a, Result<Vec<Result<Written, StoreError>>, StoreError>> {
        let span = debug_span!("write");
        observed("write", span, self.0.write(context, batch))
    }
}

/// Puts a call into its span and records how long it takes.
fn observed<'a, T: Send + 'a>(
    call: &'static str,
    span: Span,
    work: BoxFuture<'a, T>,
) -> BoxFuture<'a, T> {
    if !cfg!(feature = "metrics") && span.is_disabled() {
        return work;
    }
    let labels = [("call", call.into())];
    Box::pin(timed(STORE_DURATION_SECONDS, labels, work).instrument(span))
}
