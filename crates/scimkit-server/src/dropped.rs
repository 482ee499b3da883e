//! Values that were dropped from requests, for logs and metrics.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

/// The name of the counter of values that were dropped from requests, by `reason` (`alias`, `secret`,
/// `unmapped`) and `attribute`. Each attribute counts once per request and reason.
///
/// It goes to the recorder of the `metrics` crate that the application installs, as
/// [`QUIRKS_TOTAL`](crate::QUIRKS_TOTAL) does.
pub const DROPPED_TOTAL: &str = "scimkit_dropped_total";

/// The values dropped from one request: reasons and paths.
#[derive(Debug, Default)]
pub(crate) struct Dropped(Mutex<BTreeSet<(&'static str, String)>>);

impl Dropped {
    pub(crate) fn note(&self, reason: &'static str, path: &str) {
        let mut dropped = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        dropped.insert((reason, path.to_owned()));
    }

    /// Counts them, and returns their paths for the log.
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
