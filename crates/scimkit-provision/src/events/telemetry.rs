//! The names of the metrics of events, and functions that record them with the `metrics` crate.

use std::time::Duration;

use super::GapReason;

/// The name of the counter of gaps that were delivered, by `consumer` and `reason` (`missing`, `without-values`).
///
/// Like every metric, it needs the feature `metrics`, and goes to the recorder that the application installs.
pub const EVENT_GAPS_TOTAL: &str = "scimkit_event_gaps_total";

/// The name of the gauge of the age of the oldest event that was not delivered, in seconds, by `consumer`.
///
/// It is set with each poll. A tenant whose events the runner has not read yet counts from the moment at which the
/// runner learned of its change.
pub const EVENT_LAG_SECONDS: &str = "scimkit_event_lag_seconds";

/// The name of the counter of calls of handlers, by `consumer` and `outcome`: `handled`, `failed`, or `given-up` for
/// the last attempt before an event becomes a [dead letter](scimkit_store::DeadLetter).
pub const EVENTS_TOTAL: &str = "scimkit_events_total";

/// The end of a call of a handler.
#[derive(Debug, Clone, Copy)]
pub(super) enum Outcome {
    Failed,
    GivenUp,
    Handled,
}

/// Counts a call of a handler.
pub(super) fn count_event(consumer: &str, outcome: Outcome) {
    let outcome = match outcome {
        Outcome::Failed => "failed",
        Outcome::GivenUp => "given-up",
        Outcome::Handled => "handled",
    };
    count(EVENTS_TOTAL, consumer, ("outcome", outcome));
}

/// Counts a gap that was delivered.
pub(super) fn count_gap(consumer: &str, reason: GapReason) {
    let reason = match reason {
        GapReason::Missing => "missing",
        GapReason::WithoutValues => "without-values",
    };
    count(EVENT_GAPS_TOTAL, consumer, ("reason", reason));
}

fn count(name: &'static str, consumer: &str, (label, value): (&'static str, &'static str)) {
    #[cfg(feature = "metrics")]
    metrics::counter!(name, "consumer" => consumer.to_owned(), label => value).increment(1);
    #[cfg(not(feature = "metrics"))]
    let _ = (name, consumer, label, value);
}

/// Sets the age of the oldest event that a consumer has not handled.
pub(super) fn set_lag(consumer: &str, lag: impl FnOnce() -> Duration) {
    #[cfg(feature = "metrics")]
    metrics::gauge!(EVENT_LAG_SECONDS, "consumer" => consumer.to_owned()).set(lag().as_secs_f64());
    #[cfg(not(feature = "metrics"))]
    let _ = (consumer, lag);
}
