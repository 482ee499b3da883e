//! Events, against each store with a journal.

#![expect(
    clippy::indexing_slicing,
    reason = "the lints exempt tests, but not the functions next to them"
)]

mod cases;
mod delivery;
mod gaps;
mod letters;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(feature = "metrics")]
#[path = "../../../scimkit-server/tests/it/recorder.rs"]
mod recorder;
mod sharing;
pub(crate) mod site;
#[cfg(feature = "webhook")]
mod webhook;
