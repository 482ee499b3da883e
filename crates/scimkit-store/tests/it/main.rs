//! Tests in addition to the contract, which `scimkit-testkit` runs: the engine, the memory store and the printer.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "the lints exempt tests, but not the functions next to them"
)]

mod archive;
mod budget;
mod computed;
mod engine;
mod limits;
mod memory;
mod printer;

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use scimkit_registry::{Change, Registry, ResourceType, Tolerance};
use scimkit_store::{RequestContext, Settings, TenantId};
use serde_json::Value;

/// Returns the result of a future that never waits, but may yield.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            return value;
        }
    }
}

fn context(registry: Registry) -> RequestContext {
    let mut settings = Settings::new("https://example.com/v2");
    settings.registry = Arc::new(registry);
    RequestContext::new(TenantId::default(), Arc::new(settings))
}

fn kind(context: &RequestContext, name: &str) -> Arc<ResourceType> {
    Arc::clone(context.settings.registry.resource_type(name).unwrap())
}

fn body(kind: &Arc<ResourceType>, body: Value) -> Change {
    Change::create(
        Arc::clone(kind),
        kind.admit(body, &Tolerance::DEFAULT).unwrap(),
    )
}
