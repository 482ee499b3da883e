//! The contract of stores, over the tables of different applications.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use scimkit_sqlx::{SqlxPostgres, SqlxSqlite};
use scimkit_store::{Settings, Store};
use scimkit_tables::{Driver, TableStore};
use scimkit_testkit::{
    contract::{self, Subject, archive, dead_letters, journal, key_values, tenancy},
    postgres::{self, TestDatabase},
};
use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions},
};

use crate::{
    layouts::{COMPOSITE, INTEGER, Layout, TEXT},
    postgres::pool,
    postgres_layouts::{
        COMPOSITE_TABLES, INTEGER_TABLES, ONE_TENANT, OWN_IDS, TEXT_TABLES, UUID, UUID_TABLES,
        assert_passed,
    },
    support::{drive, wait},
};

/// A migrated store over a new database in memory.
fn in_memory(layout: &Layout) -> TableStore<SqlxSqlite> {
    let options = SqlitePoolOptions::new().max_connections(1);
    let pool = options.connect_with(SqliteConnectOptions::new().in_memory(true));
    migrated(layout, wait(pool).unwrap())
}

/// A migrated store over a new file.
fn in_folder(layout: &Layout, folder: &Path) -> TableStore<SqlxSqlite> {
    static FILES: AtomicU32 = AtomicU32::new(0);
    let number = FILES.fetch_add(1, Ordering::Relaxed);
    let options = SqliteConnectOptions::new().filename(folder.join(format!("{number}.sqlite")));
    let options = options
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal);
    migrated(layout, wait(SqlitePool::connect_with(options)).unwrap())
}

fn migrated(layout: &Layout, pool: SqlitePool) -> TableStore<SqlxSqlite> {
    wait(sqlx::raw_sql(layout.sql).execute(&pool)).unwrap();
    layout.store(SqlxSqlite::new(pool))
}

/// A migrated store over tables in an empty schema.
fn in_postgres(database: &TestDatabase, layout: &Layout, tables: &str) -> TableStore<SqlxPostgres> {
    let url = database.schema().unwrap();
    postgres::execute(&url, tables).unwrap();
    layout.store(SqlxPostgres::new(pool(&url, 3)))
}

fn check<D: Driver>(subject: &Subject, make: impl Fn() -> TableStore<D>, skipped: &[&[&str]]) {
    let make = || -> Arc<dyn Store> { Arc::new(make()) };
    let report = contract::check_subject(subject, make, &drive);
    assert_passed(&report, skipped);
}

fn subject() -> Subject {
    Subject::new(Settings::new("https://app.example/scim/v2"))
}

#[test]
fn sqlite_with_text_ids_keeps_the_contract() {
    let subject = subject().without_tenants().with_unordered("emails");
    check(&subject, || in_memory(&TEXT), &[&ONE_TENANT]);
}

#[test]
fn sqlite_with_integer_ids_keeps_the_contract() {
    check(&subject(), || in_memory(&INTEGER), &[&OWN_IDS]);
}

#[test]
fn sqlite_keeps_the_contracts_of_tenants_journals_and_archives() {
    let folder = tempfile::tempdir().unwrap();
    let make = || Arc::new(in_folder(&COMPOSITE, folder.path()));
    tenancy::check(|| make(), &drive).unwrap();
    journal::check(|| make(), &drive).unwrap();
    dead_letters::check(|| make(), &drive).unwrap();
    key_values::check(|| make(), &drive).unwrap();
    archive::check(&|| make(), &|| make(), &drive).unwrap();
}

#[test]
fn postgres_with_text_ids_keeps_the_contract() {
    let Some(database) = postgres::database() else {
        return;
    };
    let subject = subject().without_tenants().with_unordered("emails");
    let make = || in_postgres(&database, &TEXT, TEXT_TABLES);
    check(&subject, make, &[&ONE_TENANT]);
}

#[test]
fn postgres_with_integer_ids_keeps_the_contract() {
    let Some(database) = postgres::database() else {
        return;
    };
    let make = || in_postgres(&database, &INTEGER, INTEGER_TABLES);
    check(&subject(), make, &[&OWN_IDS]);
}

#[test]
fn postgres_with_uuids_keeps_the_contract() {
    let Some(database) = postgres::database() else {
        return;
    };
    let subject = subject().without_tenants();
    let make = || in_postgres(&database, &UUID, UUID_TABLES);
    check(&subject, make, &[&ONE_TENANT, &OWN_IDS]);
}

#[test]
fn postgres_keeps_the_contracts_of_tenants_journals_and_archives() {
    let Some(database) = postgres::database() else {
        return;
    };
    let make = || Arc::new(in_postgres(&database, &COMPOSITE, COMPOSITE_TABLES));
    tenancy::check(|| make(), &drive).unwrap();
    journal::check(|| make(), &drive).unwrap();
    dead_letters::check(|| make(), &drive).unwrap();
    key_values::check(|| make(), &drive).unwrap();
    archive::check(&|| make(), &|| make(), &drive).unwrap();
}
