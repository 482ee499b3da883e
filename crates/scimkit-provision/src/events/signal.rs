//! The wake-up of a runner after a commit in the same process.

use std::{
    collections::BTreeSet,
    future::poll_fn,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

use scimkit_server::ChangeListener;
use scimkit_store::TenantId;

/// The maximum number of remembered tenants; for more, the runner asks the store which tenants have changed.
const MOST: usize = 1_000;

/// Wakes [`Events`](super::Events) as soon as a tenant has changed.
///
/// Pass it to [`Server::with_change_listener`](scimkit_server::Server::with_change_listener). After a change by the
/// application itself, call [`changed`](ChangeListener::changed). Without a signal, a change is found by the next poll.
#[derive(Debug, Clone, Default)]
pub struct ChangeSignal {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    changed: Changed,
    waker: Option<Waker>,
}

/// The tenants that have changed since the runner last looked.
#[derive(Debug, Default)]
pub(super) struct Changed {
    /// Whether there are more than `tenants`.
    pub(super) has_more: bool,
    // INVARIANT: at most `MOST`.
    pub(super) tenants: BTreeSet<TenantId>,
}

impl ChangeSignal {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a change.
    pub(super) async fn next(&self) -> Changed {
        let next = poll_fn(|context| {
            let mut state = self.state();
            if state.changed.tenants.is_empty() {
                state.waker = Some(context.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(mem::take(&mut state.changed))
        });
        next.await
    }
}

impl ChangeListener for ChangeSignal {
    fn changed(&self, tenant: &TenantId) {
        let mut state = self.state();
        let changed = &mut state.changed;
        if changed.tenants.len() < MOST {
            changed.tenants.insert(tenant.clone());
        } else if !changed.tenants.contains(tenant) {
            changed.has_more = true;
        }
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
