//! The names of the metrics, and functions that record them with the `metrics` crate.
//!
//! Without the feature `metrics`, nothing is recorded.

use std::{
    borrow::Cow,
    time::{Duration, Instant},
};

/// The name of the counter of values dropped from requests, by `reason` (`alias`, `secret`, `unmapped`) and
/// `attribute`. Each attribute counts once per request and reason.
///
/// Like every metric, it needs the feature `metrics`.
pub const DROPPED_TOTAL: &str = "scimkit_dropped_total";

/// The name of the counter of quirks that requests needed, by `profile` and `quirk`. Each quirk counts once per
/// request.
///
/// It needs the feature `metrics`, and goes to the recorder that the application installs. The quirks have the
/// names of the fields of [`Tolerance`](scimkit_registry::Tolerance).
pub const QUIRKS_TOTAL: &str = "scimkit_quirks_total";

/// The name of the histogram of seconds from a request to the head of its response, by `operation` as in
/// [`REQUESTS_TOTAL`].
pub const REQUEST_DURATION_SECONDS: &str = "scimkit_request_duration_seconds";

/// The name of the counter of requests, by `operation` and `status`.
///
/// The operation is `bulk`, `create`, `delete`, `discover`, `list`, `patch`, `read`, `replace` or `search`. It is
/// `none` if the request is rejected before its endpoint is known, for example with 401.
pub const REQUESTS_TOTAL: &str = "scimkit_requests_total";

/// The name of the histogram of seconds that authentication takes, including the token lookup.
pub const SIGN_IN_DURATION_SECONDS: &str = "scimkit_sign_in_duration_seconds";

/// The name of the histogram of seconds that a call to the [`Store`](scimkit_store::Store) takes, including waiting
/// time, by `call`: `edges`, `query`, `read` or `write`.
pub const STORE_DURATION_SECONDS: &str = "scimkit_store_duration_seconds";

/// The labels of a metric.
pub(crate) type Labels<const N: usize> = [(&'static str, Cow<'static, str>); N];

/// Increments a counter by one.
pub(crate) fn count<const N: usize>(name: &'static str, labels: Labels<N>) {
    #[cfg(feature = "metrics")]
    metrics::counter!(name, metric_labels(labels)).increment(1);
    #[cfg(not(feature = "metrics"))]
    let _ = (name, labels);
}

/// Records a duration.
pub(crate) fn record<const N: usize>(name: &'static str, labels: Labels<N>, took: Duration) {
    #[cfg(feature = "metrics")]
    metrics::histogram!(name, metric_labels(labels)).record(took);
    #[cfg(not(feature = "metrics"))]
    let _ = (name, labels, took);
}

/// Awaits a future and records how long it took.
pub(crate) async fn timed<T, const N: usize>(
    name: &'static str,
    labels: Labels<N>,
    work: impl Future<Output = T>,
) -> T {
    let started = cfg!(feature = "metrics").then(Instant::now);
    let done = work.await;
    if let Some(started) = started {
        record(name, labels, started.elapsed());
    }
    done
}

#[cfg(feature = "metrics")]
fn metric_labels<const N: usize>(labels: Labels<N>) -> Vec<metrics::Label> {
    let label = |(name, value)| metrics::Label::new(name, value);
    labels.into_iter().map(label).collect()
}
