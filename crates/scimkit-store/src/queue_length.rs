//! The metric for the lengths of queues.

/// The name of the gauge of jobs that wait for a thread.
///
/// Its label `lane` is `lookup`, `query` or `write` for an SQLite store, and `work` for a [`Lane`](crate::Lane), such
/// as that of the server. These names are stable. The gauge needs the feature `metrics`, and its values go to the
/// recorder that the application installs.
pub const QUEUE_LENGTH: &str = "scimkit_queue_length";

/// Reports the number of jobs that wait in a lane as [`QUEUE_LENGTH`]; does nothing without the feature `metrics`.
///
/// # Example
/// ```
/// scimkit_store::report_queue_length("mine", 3);
/// assert_eq!(scimkit_store::QUEUE_LENGTH, "scimkit_queue_length");
/// ```
#[cfg_attr(
    not(feature = "metrics"),
    expect(unused_variables, reason = "nothing is reported without the feature")
)]
pub fn report_queue_length(lane: &'static str, length: usize) {
    #[cfg(feature = "metrics")]
    metrics::gauge!(QUEUE_LENGTH, "lane" => lane).set(length as f64);
}
