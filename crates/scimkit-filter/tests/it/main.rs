//! The tests of the crate's public interface.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the lints exempt tests, but not the functions next to them"
)]

mod allocations;
mod api;
mod cases;
mod choices;
mod errors;
mod hostile;
mod leniency;
mod meaning;
mod mistakes;
#[cfg(feature = "nom")]
mod nom;
mod properties;
