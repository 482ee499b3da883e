//! Cases from files, the decisions on what the RFC leaves open, and properties.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the lints know tests, but not the functions beside them"
)]

mod decisions;
mod extensions;
mod harness;
mod limits;
mod model;
mod mutability;
mod needs;
mod properties;
mod put;
mod rows;
