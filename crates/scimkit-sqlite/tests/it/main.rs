//! The contract of the store, and faults that only a file can have.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the lints exempt tests, but not the functions next to them"
)]

mod archive;
mod bulk;
mod consistent;
mod contract;
mod counters;
mod crash;
mod disk;
mod erased;
mod files;
mod host_table;
mod imports;
mod property;
mod reads;
mod schema;
mod support;
mod tenancy;
mod versions;
