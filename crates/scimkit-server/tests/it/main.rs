//! The server as a host meets it.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "the lints exempt tests, but not the functions next to them"
)]

mod access;
mod auth;
mod bodies;
mod bulk;
mod clock;
mod failures;
mod headers;
mod log;
mod me;
#[cfg(feature = "metrics")]
mod metrics;
mod places;
#[cfg(feature = "metrics")]
mod quirks;
#[cfg(feature = "metrics")]
mod recorder;
mod spans;
mod web;
