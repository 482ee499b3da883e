//! Tests of this crate with the memory store.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the lints exempt tests, but not the functions next to them"
)]

#[macro_use]
mod double;

mod archive;
mod bulk;
mod conformance;
mod contract;
mod corpus;
mod cursor;
mod dead_letters;
mod devices;
mod fuzz;
mod guard;
mod idp;
mod journal;
mod key_values;
mod large;
mod lists;
mod long;
mod matcher;
mod matches;
mod membership;
mod overrides;
mod policies;
mod protocol;
mod race;
mod record;
mod replay;
mod rows;
mod score;
mod secrets;
mod servers;
mod slices;
mod store_directory;
mod subjects;
mod teams;
mod tenancy;
mod tenants;
mod visits;
mod work;
