//! The server as a host meets it.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "the lints exempt tests, but not the functions next to them"
)]

mod access;
mod actix;
mod auth;
mod bodies;
mod bulk;
mod clock;
mod failures;
mod headers;
mod log;
mod me;
mod places;
mod quirks;
mod web;
