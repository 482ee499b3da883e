//! Staged provisioning.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the lints exempt tests, but not the functions next to them"
)]

mod exemptions;
mod groups;
mod guards;
mod properties;
mod reports;
mod runner;
mod site;
mod users;
