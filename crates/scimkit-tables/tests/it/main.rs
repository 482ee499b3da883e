//! The store and its drivers against their contracts.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "the lints exempt tests, but not the functions next to them"
)]

mod archive;
mod calls;
mod columns;
mod contract;
mod explain;
mod foreign;
mod ids;
mod journal;
mod layouts;
mod migration;
mod own_statements;
mod postgres;
mod postgres_layouts;
mod postgres_own_statements;
mod postgres_rows;
mod roles;
mod rusqlite_driver;
mod sqlite_layouts;
mod support;
mod tokio_postgres_driver;
mod verify;
