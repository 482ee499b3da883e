//! SQLite through rusqlite: the contract of drivers, and a file that the application uses as well.

use rusqlite::Connection;
use scimkit_sql::tables::{SqlStatement, SqlValue};
use scimkit_store::rows::TransactionMode;
use scimkit_tables::{Driver as _, DriverErrorKind, RusqliteDriver, Transaction as _};
use scimkit_testkit::contract::{
    block_on,
    sql_driver::{self, Connections},
};

use crate::support::wait;

#[test]
fn one_connection_keeps_the_contract() {
    let make = || RusqliteDriver::with_connection(Connection::open_in_memory().unwrap()).unwrap();
    let report = sql_driver::check(Connections::One, make, &block_on);
    assert!(report.is_success(), "{report}");
    let skipped: Vec<_> = report.skipped().map(|(name, _)| name).collect();
    assert_eq!(skipped, ["read_sees_one_moment"]);
}

#[test]
fn several_connections_keep_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let number = std::cell::Cell::new(0);
    let make = || {
        number.set(number.get() + 1);
        let path = folder.path().join(format!("{}.sqlite", number.get()));
        let connection = Connection::open(&path).unwrap();
        connection
            .pragma_update(None, "journal_mode", "WAL")
            .unwrap();
        RusqliteDriver::open(&path).unwrap()
    };
    let report = sql_driver::check(Connections::Several, make, &block_on);
    assert!(report.is_success(), "{report}");
    assert_eq!(report.skipped().count(), 0, "{report}");
}

#[test]
fn missing_file_is_unavailable() {
    let folder = tempfile::tempdir().unwrap();
    let error = RusqliteDriver::open(folder.path().join("none.sqlite")).unwrap_err();
    assert_eq!(*error.kind(), DriverErrorKind::Unavailable);
}

#[test]
fn application_writes_next_to_the_driver() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sqlite");
    let own = Connection::open(&path).unwrap();
    own.execute_batch("CREATE TABLE users (id INTEGER PRIMARY KEY, login TEXT)")
        .unwrap();
    let driver = RusqliteDriver::open(&path).unwrap();
    own.execute("INSERT INTO users (login) VALUES ('ada')", [])
        .unwrap();
    let mut reading = wait(driver.begin(TransactionMode::Read)).unwrap();
    let select = SqlStatement::new("SELECT login FROM users");
    let rows = wait(reading.run(vec![select])).unwrap();
    assert_eq!(rows, [vec![vec![SqlValue::from("ada")]]]);
    drop(reading);
    let count = |connection: &mut Connection| {
        let count = "SELECT count(*) FROM users";
        connection
            .query_row(count, [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    assert_eq!(wait(driver.call(count)).unwrap(), 1);
    // A transaction of the application that stays open makes a write wait, and then fail as busy.
    let quick = RusqliteDriver::with_connections(0, || {
        let connection = Connection::open(&path)?;
        connection.busy_timeout(std::time::Duration::from_millis(10))?;
        Ok(connection)
    });
    let quick = quick.unwrap();
    own.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut writing = wait(quick.begin(TransactionMode::Write)).unwrap();
    let delete = SqlStatement::new("DELETE FROM users");
    let error = wait(writing.run(vec![delete.clone()])).unwrap_err();
    assert_eq!(*error.kind(), DriverErrorKind::Busy);
    drop(writing);
    own.execute_batch("ROLLBACK").unwrap();
    let mut writing = wait(quick.begin(TransactionMode::Write)).unwrap();
    wait(writing.run(vec![delete])).unwrap();
    wait(writing.commit()).unwrap();
    let left = "SELECT count(*) FROM users";
    assert_eq!(
        own.query_row(left, [], |row| row.get::<_, i64>(0)).unwrap(),
        0
    );
}

#[test]
fn job_that_panics_leaves_the_connection_usable() {
    let connection = Connection::open_in_memory().unwrap();
    let driver = RusqliteDriver::with_connection(connection).unwrap();
    let broken = wait(driver.call(|connection| {
        connection
            .execute_batch("BEGIN; CREATE TABLE t (a)")
            .unwrap();
        assert!(connection.is_autocommit(), "on purpose");
    }));
    assert_eq!(*broken.unwrap_err().kind(), DriverErrorKind::Other);
    let tables = |connection: &mut Connection| {
        let count = "SELECT count(*) FROM sqlite_schema";
        connection
            .query_row(count, [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    assert_eq!(wait(driver.call(tables)).unwrap(), 0);
}
