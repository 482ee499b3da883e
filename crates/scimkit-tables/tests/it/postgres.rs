//! The contract of stores, over the tables of different applications in PostgreSQL.

use std::sync::Arc;

use deadpool_postgres::RecyclingMethod;
use scimkit_store::{Settings, Store};
use scimkit_tables::{TableStore, TokioPostgresDriver};
use scimkit_testkit::{
    contract::{self, Subject, archive, dead_letters, journal, key_values, tenancy},
    postgres::{self, TestDatabase},
};

use crate::{
    layouts::{COMPOSITE, INTEGER, Layout, TEXT},
    postgres_layouts::{
        COMPOSITE_TABLES, INTEGER_TABLES, ONE_TENANT, OWN_IDS, TEXT_TABLES, UUID, UUID_TABLES,
        assert_passed,
    },
    support::drive,
    tokio_postgres_driver::pool,
};

/// A migrated store over tables in an empty schema.
fn store(
    database: &TestDatabase,
    layout: &Layout,
    tables: &str,
) -> TableStore<TokioPostgresDriver> {
    let url = database.schema().unwrap();
    postgres::execute(&url, tables).unwrap();
    let driver = TokioPostgresDriver::new(pool(&url, 3, RecyclingMethod::Fast));
    layout.store(driver)
}

fn check(layout: &Layout, tables: &str, subject: &Subject, skipped: &[&[&str]]) {
    let Some(database) = postgres::database() else {
        return;
    };
    let make = || -> Arc<dyn Store> { Arc::new(store(&database, layout, tables)) };
    let report = contract::check_subject(subject, make, &drive);
    assert_passed(&report, skipped);
}

fn subject() -> Subject {
    Subject::new(Settings::new("https://app.example/scim/v2"))
}

#[test]
fn table_with_text_ids_keeps_the_contract() {
    let subject = subject().without_tenants().with_unordered("emails");
    check(&TEXT, TEXT_TABLES, &subject, &[&ONE_TENANT]);
}

#[test]
fn table_with_integer_ids_and_tenants_keeps_the_contract() {
    check(&INTEGER, INTEGER_TABLES, &subject(), &[&OWN_IDS]);
}

#[test]
fn table_with_uuids_keeps_the_contract() {
    let subject = subject().without_tenants();
    check(&UUID, UUID_TABLES, &subject, &[&ONE_TENANT, &OWN_IDS]);
}

#[test]
fn tenants_connections_and_tokens_keep_the_contract() {
    let Some(database) = postgres::database() else {
        return;
    };
    let make = || Arc::new(store(&database, &INTEGER, INTEGER_TABLES));
    tenancy::check(|| make(), &drive).unwrap();
}

#[test]
fn journal_keeps_the_contract() {
    let Some(database) = postgres::database() else {
        return;
    };
    let make = || Arc::new(store(&database, &COMPOSITE, COMPOSITE_TABLES));
    journal::check(|| make(), &drive).unwrap();
}

#[test]
fn dead_letters_keep_the_contract() {
    let Some(database) = postgres::database() else {
        return;
    };
    let make = || Arc::new(store(&database, &COMPOSITE, COMPOSITE_TABLES));
    dead_letters::check(|| make(), &drive).unwrap();
}

#[test]
fn key_values_keep_the_contract() {
    let Some(database) = postgres::database() else {
        return;
    };
    let make = || Arc::new(store(&database, &COMPOSITE, COMPOSITE_TABLES));
    key_values::check(|| make(), &drive).unwrap();
}

#[test]
fn exports_and_imports_keep_the_contract() {
    let Some(database) = postgres::database() else {
        return;
    };
    let make = || Arc::new(store(&database, &COMPOSITE, COMPOSITE_TABLES));
    archive::check(&|| make(), &|| make(), &drive).unwrap();
}
