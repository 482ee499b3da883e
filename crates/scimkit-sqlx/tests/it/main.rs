//! The drivers over sqlx against their contract.

#![expect(
    clippy::unwrap_used,
    reason = "the lints exempt tests, but not the functions next to them"
)]

mod postgres;
mod sqlite;
mod support;
