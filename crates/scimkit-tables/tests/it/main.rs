//! The store and its drivers against their contracts.

#![expect(
    clippy::unwrap_used,
    reason = "the lints exempt tests, but not the functions next to them"
)]

mod rusqlite_driver;
