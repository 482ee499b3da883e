//! A store wrapper that adds spans and metrics to each call, and reports commits.

use std::sync::Arc;

use scimkit_registry::{Edge, ResourceId, ResourceType};
use scimkit_store::{
    Batch, BoxFuture, Capabilities, EdgeQuery, Intent, Page, Query, ReadOptions, RequestContext,
    Store, StoreError, StoredResource, WriteOutcome, Written,
};
use tracing::{Instrument, Span, debug_span};

use crate::{
    hooks::ChangeListener,
    telemetry::{STORE_DURATION_SECONDS, timed},
};

/// A store that forwards each call, adds a span (`write` or `store`) and a duration, and calls the listeners after
/// each commit.
#[derive(Debug, Clone)]
pub(crate) struct ObservedStore {
    pub(crate) listeners: Vec<Arc<dyn ChangeListener>>,
    pub(crate) store: Arc<dyn Store>,
}

impl Store for ObservedStore {
    fn support(&self, kind: &ResourceType) -> Capabilities {
        self.store.support(kind)
    }

    fn edges<'a>(
        &'a self,
        context: &'a RequestContext,
        query: &'a EdgeQuery,
    ) -> BoxFuture<'a, Result<Vec<Vec<Edge>>, StoreError>> {
        let span = debug_span!("store", call = "edges");
        observed("edges", span, self.store.edges(context, query))
    }

    fn query<'a>(
        &'a self,
        context: &'a RequestContext,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        let span = debug_span!("store", call = "query");
        observed("query", span, self.store.query(context, query))
    }

    fn read<'a>(
        &'a self,
        context: &'a RequestContext,
        kind: &'a Arc<ResourceType>,
        id: &'a ResourceId,
        want: &'a ReadOptions,
    ) -> BoxFuture<'a, Result<StoredResource, StoreError>> {
        let span = debug_span!("store", call = "read");
        observed("read", span, self.store.read(context, kind, id, want))
    }

    fn write<'a>(
        &'a self,
        context: &'a RequestContext,
        batch: Batch,
    ) -> BoxFuture<'a, Result<Vec<Result<Written, StoreError>>, StoreError>> {
        let span = debug_span!("write");
        let is_commit = batch.intent == Intent::Commit;
        let written = observed("write", span, self.store.write(context, batch));
        if self.listeners.is_empty() || !is_commit {
            return written;
        }
        Box::pin(async move {
            let results = written.await?;
            if results.iter().flatten().any(is_change) {
                for listener in &self.listeners {
                    listener.changed(&context.tenant);
                }
            }
            Ok(results)
        })
    }
}

fn is_change(written: &Written) -> bool {
    written.outcome != WriteOutcome::Unchanged
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
