//! A bound for the queries of a tenant that are evaluated at the same time.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// The maximum number of long queries of one tenant that are evaluated at the same time: each holds a pointer to each
/// resource, and all take turns on the threads of the runtime.
const MOST: usize = 16;

/// The long queries of one tenant.
#[derive(Debug, Default)]
pub(super) struct LongQueries(AtomicUsize);

impl LongQueries {
    /// Admits a query until the returned guard is dropped; returns none while [`MOST`] are admitted.
    pub(super) fn admit(self: &Arc<Self>) -> Option<Admitted> {
        let one_more = |count| (count < MOST).then_some(count + 1);
        let admitted = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        admitted.ok().map(|_| Admitted(Arc::clone(self)))
    }
}

/// A query that is being evaluated.
#[derive(Debug)]
pub(super) struct Admitted(Arc<LongQueries>);

impl Drop for Admitted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_is_admitted_after_another_has_ended() {
        let queries = Arc::new(LongQueries::default());
        let mut admitted: Vec<_> = (0..MOST).map(|_| queries.admit()).collect();
        assert!(admitted.iter().all(Option::is_some));
        assert!(queries.admit().is_none());
        drop(admitted.pop());
        assert!(queries.admit().is_some());
    }
}
