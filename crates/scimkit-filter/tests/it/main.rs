//! Everything that is promised about filters and paths, from outside.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the lints know tests, but not the functions beside them"
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
