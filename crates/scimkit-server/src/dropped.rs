//! Values that were dropped from requests, for logs and metrics.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use crate::telemetry::{DROPPED_TOTAL, count};

/// The values dropped from one request, as reasons and paths.
#[derive(Debug, Default)]
pub(crate) struct Dropped(Mutex<BTreeSet<(&'static str, String)>>);

impl Dropped {
    pub(crate) fn note(&self, reason: &'static str, path: &str) {
        let mut dropped = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        dropped.insert((reason, path.to_owned()));
    }

    /// Counts the dropped values, and returns their paths for the log.
    pub(crate) fn count(self) -> Option<String> {
        let dropped = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        for (reason, path) in &dropped {
            let labels = [
                ("reason", (*reason).into()),
                ("attribute", path.clone().into()),
            ];
            count(DROPPED_TOTAL, labels);
        }
        let paths: Vec<_> = dropped.iter().map(|(_, path)| path.as_str()).collect();
        (!paths.is_empty()).then(|| paths.join(","))
    }
}
