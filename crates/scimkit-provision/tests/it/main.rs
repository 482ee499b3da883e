//! Tenants, connections and tokens as a host meets them.

#![expect(
    clippy::unwrap_used,
    reason = "the lints exempt tests, but not the functions next to them"
)]

mod administration;
mod gate;
mod lifecycle;
mod log;
mod places;
mod rules;
mod world;
