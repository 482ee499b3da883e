//! Tenants, connections and tokens as a host meets them.

#![expect(
    clippy::unwrap_used,
    reason = "the lints exempt tests, but not the functions next to them"
)]

mod activity;
mod administration;
mod connection_authenticator;
mod events;
mod lifecycle;
mod log;
mod rules;
#[cfg(feature = "sync")]
mod sync;
mod tenant_locations;
mod world;
