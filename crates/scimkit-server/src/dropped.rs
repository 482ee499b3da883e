//! What was left out of requests, for logs and metrics.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

/// The counter of values that were left out of what providers sent, by `reason` (`alias`, `secret`,
/// `unmapped`) and `attribute`, one for each request.
///
/// It goes to the recorder of the `metrics` crate that the application installs, as
/// [`QUIRKS_TOTAL`](crate::QUIRKS_TOTAL) does.
pub const DROPPED_TOTAL: &str = "scimkit_dropped_total";

/// What one request lost: reasons and paths.
#[derive(Debug, Default)]
pub(crate) struct Dropped(Mutex<BTreeSet<(&'static str, String)>>);

impl Dropped {
    pub(crate) fn note(&self, reason: &'static str, path: &str) {
        let mut dropped = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        dropped.insert((reason, path.to_owned()));
    }

    /// Counts them, and tells their paths for the log.
    pub(crate) fn count(self) -> Option<String> {
        let dropped = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        for (reason, path) in &dropped {
            let labels = [
                ("reason", (*reason).to_owned()),
                ("attribute", path.clone()),
            ];
            metrics::counter!(DROPPED_TOTAL, &labels).increment(1);
        }
        let paths: Vec<_> = dropped.iter().map(|(_, path)| path.as_str()).collect();
        (!paths.is_empty()).then(|| paths.join(","))
    }
}
