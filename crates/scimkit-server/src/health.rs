//! Readiness of the server.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use futures_timer::Delay;
use scimkit_registry::ResourceId;
use scimkit_store::{ReadOptions, RequestContext, Settings, Store, StoreError, TenantId};

/// The time within which the store must respond.
const DEADLINE: Duration = Duration::from_secs(1);

/// Returns whether the store responds to a read in time; otherwise logs the reason.
///
/// It reads a resource that does not exist by its id, in the tenant `default`.
pub(crate) async fn store_answers(store: &dyn Store, settings: &Arc<Settings>) -> bool {
    let Some(kind) = settings.registry.resource_types().first() else {
        return true;
    };
    let context = RequestContext::new(TenantId::default(), Arc::clone(settings));
    let id = ResourceId::from("readiness");
    let options = ReadOptions::document();
    let mut read = pin!(store.read(&context, kind, &id, &options));
    let mut deadline = pin!(Delay::new(DEADLINE));
    let answer = poll_fn(|context| match read.as_mut().poll(context) {
        Poll::Ready(answer) => Poll::Ready(Some(answer)),
        Poll::Pending => deadline.as_mut().poll(context).map(|()| None),
    });
    match answer.await {
        // The import of one tenant does not affect the others.
        Some(Err(StoreError::Importing)) => true,
        Some(Err(error)) if error.is_failure() => {
            tracing::warn!(%error, "readiness check failed");
            false
        }
        Some(_) => true,
        None => {
            tracing::warn!("readiness check timed out");
            false
        }
    }
}
