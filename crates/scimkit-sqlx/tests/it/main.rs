//! The drivers over sqlx against their contract.

#![expect(
    clippy::unwrap_used,
    reason = "the lints exempt tests, but not the functions next to them"
)]

// The tables of applications are those of the tests of `scimkit-tables`.
#[path = "../../../scimkit-tables/tests/it/layouts.rs"]
mod layouts;
mod postgres;
#[path = "../../../scimkit-tables/tests/it/postgres_layouts.rs"]
mod postgres_layouts;
mod sqlite;
mod stores;
#[path = "../../../scimkit-tables/tests/it/support.rs"]
mod support;
