//! Cases from files, the decisions on open points of the RFC, and properties.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the lints exempt tests, but not the functions next to them"
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
