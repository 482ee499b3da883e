//! SQLite.

use std::{cell::Cell, time::Duration};

use scimkit_sql::tables::SqlStatement;
use scimkit_sqlx::SqlxSqlite;
use scimkit_store::rows::TransactionMode;
use scimkit_tables::{Driver as _, DriverErrorKind, Transaction as _};
use scimkit_testkit::contract::sql_driver::{self, Connections};
use sqlx::{
    Executor as _, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions},
};

use crate::support::{drive, wait};

#[test]
fn one_connection_keeps_the_contract() {
    let make = || {
        let options = SqlitePoolOptions::new().max_connections(1);
        let pool = options.connect_with(SqliteConnectOptions::new().in_memory(true));
        SqlxSqlite::new(wait(pool).unwrap())
    };
    let report = sql_driver::check(Connections::One, make, &drive);
    assert!(report.is_success(), "{report}");
    let skipped: Vec<_> = report.skipped().map(|(name, _)| name).collect();
    assert_eq!(skipped, ["read_sees_one_moment"]);
}

#[test]
fn several_connections_keep_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let number = Cell::new(0);
    let make = || {
        number.set(number.get() + 1);
        let path = folder.path().join(format!("{}.sqlite", number.get()));
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true);
        let options = options.journal_mode(SqliteJournalMode::Wal);
        SqlxSqlite::new(wait(SqlitePool::connect_with(options)).unwrap())
    };
    let report = sql_driver::check(Connections::Several, make, &drive);
    assert!(report.is_success(), "{report}");
    assert_eq!(report.skipped().count(), 0, "{report}");
}

#[test]
fn connection_that_is_not_free_in_time_is_busy() {
    let options = SqlitePoolOptions::new().max_connections(1);
    let options = options.acquire_timeout(Duration::from_millis(20));
    let pool = wait(options.connect("sqlite::memory:")).unwrap();
    let driver = SqlxSqlite::new(pool);
    let first = wait(driver.begin(TransactionMode::Read)).unwrap();
    let second = wait(driver.begin(TransactionMode::Read)).unwrap_err();
    assert_eq!(*second.kind(), DriverErrorKind::Busy);
    drop(first);
}

#[test]
fn lock_of_the_application_is_busy() {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteConnectOptions::new().filename(folder.path().join("app.sqlite"));
    let options = options
        .create_if_missing(true)
        .busy_timeout(Duration::from_millis(10));
    let pool = wait(SqlitePool::connect_with(options)).unwrap();
    let own = wait(async {
        let mut own = pool.acquire().await.unwrap();
        own.execute("CREATE TABLE users (login TEXT)")
            .await
            .unwrap();
        own.execute("BEGIN IMMEDIATE").await.unwrap();
        own
    });
    let driver = SqlxSqlite::new(pool);
    let delete = || vec![SqlStatement::new("DELETE FROM users")];
    let mut transaction = wait(driver.begin(TransactionMode::Write)).unwrap();
    let busy = wait(transaction.run(delete())).unwrap_err();
    assert_eq!(*busy.kind(), DriverErrorKind::Busy);
    drop(transaction);
    let mut own = own;
    wait(async { own.execute("ROLLBACK").await }).unwrap();
    let mut transaction = wait(driver.begin(TransactionMode::Write)).unwrap();
    wait(transaction.run(delete())).unwrap();
    wait(transaction.commit()).unwrap();
    wait(async move { drop(own) });
}
