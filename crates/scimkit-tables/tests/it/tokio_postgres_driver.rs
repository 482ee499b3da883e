//! PostgreSQL through tokio-postgres: the contract of drivers, and connections that return to their pool.

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use scimkit_sql::tables::{SqlStatement, SqlValue};
use scimkit_store::rows::TransactionMode;
use scimkit_tables::{Driver as _, DriverErrorKind, TokioPostgresDriver, Transaction as _};
use scimkit_testkit::{
    contract::sql_driver::{self, Connections},
    postgres::{self, TestDatabase},
};
use tokio::time::timeout;
use tokio_postgres::{NoTls, SimpleQueryMessage};

use crate::support::{drive, wait};

/// A pool for a URL with a number of connections.
pub(crate) fn pool(url: &str, size: usize, method: RecyclingMethod) -> Pool {
    let manager = ManagerConfig {
        recycling_method: method,
    };
    let manager = Manager::from_config(url.parse().unwrap(), NoTls, manager);
    let pool = Pool::builder(manager)
        .runtime(Runtime::Tokio1)
        .max_size(size);
    pool.wait_timeout(Some(Duration::from_secs(10)))
        .build()
        .unwrap()
}

fn driver(database: &TestDatabase, size: usize) -> TokioPostgresDriver {
    TokioPostgresDriver::new(pool(database.url(), size, RecyclingMethod::Fast))
}

#[test]
fn several_connections_keep_the_contract() {
    let Some(database) = postgres::database() else {
        return;
    };
    let make = || {
        let url = database.schema().unwrap();
        TokioPostgresDriver::new(pool(&url, 4, RecyclingMethod::Fast))
    };
    let report = sql_driver::check(Connections::Several, make, &drive);
    assert!(report.is_success(), "{report}");
    assert_eq!(report.skipped().count(), 0, "{report}");
}

/// The states of the connections of a pool, which has a name of its own.
fn sessions(database: &TestDatabase) -> Vec<String> {
    let states = "SELECT state FROM pg_stat_activity
        WHERE application_name = 'pool' AND datname = current_database()";
    let rows = database.execute(states).unwrap();
    rows.into_iter().flatten().flatten().collect()
}

fn is_idle(database: &TestDatabase) -> bool {
    (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        sessions(database).iter().all(|state| state == "idle")
    })
}

#[test]
fn dropped_futures_leave_no_transaction_open() {
    let Some(database) = postgres::database() else {
        return;
    };
    database.execute("CREATE TABLE names (name text)").unwrap();
    let insert = || SqlStatement::new("INSERT INTO names VALUES ($1)").with_parameter("dropped");
    let sleep = || SqlStatement::new("SELECT 1 FROM pg_sleep(0.002)");
    let separator = if database.url().contains('?') {
        '&'
    } else {
        '?'
    };
    let url = format!("{}{separator}application_name=pool", database.url());
    for method in [
        RecyclingMethod::Fast,
        RecyclingMethod::Verified,
        RecyclingMethod::Clean,
    ] {
        let pool = pool(&url, 3, method.clone());
        let driver = TokioPostgresDriver::new(pool.clone());
        for round in 0..200_u64 {
            // Dropped before anything was sent, while it runs, and after it has ended.
            let patience = Duration::from_micros(round * 40);
            let (driver, statements) = (driver.clone(), vec![insert(), sleep(), insert()]);
            let work = async move {
                let mut transaction = driver.begin(TransactionMode::Write).await.unwrap();
                transaction.run(statements).await.unwrap();
                transaction.run(vec![sleep()]).await.unwrap();
                std::future::pending::<()>().await;
            };
            assert!(wait(async { timeout(patience, work).await }).is_err());
            // The application is the next user of the connection: it is in no transaction, and sees nothing of the last one.
            let state = "SELECT count(*), now() = statement_timestamp() FROM names";
            let state = wait(async { pool.get().await.unwrap().simple_query(state).await });
            let state = state
                .unwrap()
                .into_iter()
                .find_map(|message| match message {
                    SimpleQueryMessage::Row(row) => {
                        Some([0, 1].map(|at| row.get(at).unwrap().to_owned()))
                    }
                    _ => None,
                });
            assert_eq!(state.unwrap(), ["0", "t"], "{method:?}, round {round}");
        }
        assert!(is_idle(&database), "{method:?}: {:?}", sessions(&database));
        let status = driver.pool().status();
        assert!(
            status.size <= 3 && status.available == status.size,
            "{method:?}: {status:?}"
        );
        assert_eq!(sessions(&database).len(), status.size, "{method:?}");
        let rows = database.execute("SELECT count(*) FROM names").unwrap();
        assert_eq!(rows, [[Some("0".to_owned())]], "{method:?}");
    }
}

#[test]
fn statement_of_a_dropped_future_keeps_only_its_own_connection() {
    let Some(database) = postgres::database() else {
        return;
    };
    let driver = driver(&database, 2);
    let work = async {
        let mut transaction = driver.begin(TransactionMode::Write).await.unwrap();
        let sleep = SqlStatement::new("SELECT 1 FROM pg_sleep(1)");
        transaction.run(vec![sleep]).await.unwrap();
    };
    assert!(wait(async { timeout(Duration::from_millis(100), work).await }).is_err());
    let begin = std::time::Instant::now();
    for _ in 0..20 {
        let mut transaction = wait(driver.begin(TransactionMode::Read)).unwrap();
        wait(transaction.run(vec![SqlStatement::new("SELECT 1")])).unwrap();
    }
    assert!(
        begin.elapsed() < Duration::from_millis(800),
        "{:?}",
        begin.elapsed()
    );
}

#[test]
fn ended_session_is_lost_and_replaced() {
    let Some(database) = postgres::database() else {
        return;
    };
    let driver = driver(&database, 1);
    let one = || vec![SqlStatement::new("SELECT 1")];
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let mut transaction = wait(driver.begin(TransactionMode::Write)).unwrap();
    wait(transaction.run(one())).unwrap();
    database.execute(end).unwrap();
    let lost = wait(transaction.run(one())).unwrap_err();
    assert_eq!(*lost.kind(), DriverErrorKind::Lost);
    drop(transaction);
    let mut transaction = wait(driver.begin(TransactionMode::Write)).unwrap();
    wait(transaction.run(one())).unwrap();
    // Nobody knows whether a commit without an answer happened.
    database.execute(end).unwrap();
    let unknown = wait(transaction.commit()).unwrap_err();
    assert_eq!(*unknown.kind(), DriverErrorKind::Other);
    let mut transaction = wait(driver.begin(TransactionMode::Write)).unwrap();
    wait(transaction.run(one())).unwrap();
}

#[test]
fn changed_definition_is_lost_once() {
    let Some(database) = postgres::database() else {
        return;
    };
    database
        .execute("CREATE TABLE users (login text); INSERT INTO users VALUES ('ada')")
        .unwrap();
    let driver = driver(&database, 1);
    let select = || vec![SqlStatement::new("SELECT login FROM users")];
    let mut transaction = wait(driver.begin(TransactionMode::Read)).unwrap();
    wait(transaction.run(select())).unwrap();
    drop(transaction);
    database
        .execute("ALTER TABLE users ALTER login TYPE varchar(20)")
        .unwrap();
    let mut transaction = wait(driver.begin(TransactionMode::Read)).unwrap();
    assert_eq!(
        *wait(transaction.run(select())).unwrap_err().kind(),
        DriverErrorKind::Lost
    );
    drop(transaction);
    let mut transaction = wait(driver.begin(TransactionMode::Read)).unwrap();
    assert_eq!(
        wait(transaction.run(select())).unwrap(),
        [[[SqlValue::from("ada")]]]
    );
}

#[test]
fn pool_without_connections_is_busy_or_unavailable() {
    let Some(database) = postgres::database() else {
        return;
    };
    let url = database.url().to_owned();
    let small = Pool::builder(Manager::new(url.parse().unwrap(), NoTls)).runtime(Runtime::Tokio1);
    let small = small
        .max_size(1)
        .wait_timeout(Some(Duration::from_millis(20)))
        .build()
        .unwrap();
    let driver = TokioPostgresDriver::new(small);
    let first = wait(driver.begin(TransactionMode::Write)).unwrap();
    let second = wait(driver.begin(TransactionMode::Write)).unwrap_err();
    assert_eq!(*second.kind(), DriverErrorKind::Busy);
    drop(first);
    let none = pool("postgresql:///none?host=/nowhere", 1, RecyclingMethod::Fast);
    let none = wait(TokioPostgresDriver::new(none).begin(TransactionMode::Read)).unwrap_err();
    assert_eq!(*none.kind(), DriverErrorKind::Unavailable);
}

#[test]
fn columns_of_all_types_are_plain_values() {
    let Some(database) = postgres::database() else {
        return;
    };
    let table = "CREATE EXTENSION citext; CREATE TYPE state AS ENUM ('active', 'disabled');
        CREATE DOMAIN login AS citext CHECK (length(value::text) > 1);
        CREATE TABLE typed (login login, state state, at timestamp, day date, clock time,
            amount numeric(12, 2), ratio real, flag boolean, bits smallint, address inet)";
    database.execute(table).unwrap();
    let zone = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET timezone = %L',
        current_database(), 'Asia/Kolkata'); END $$";
    database.execute(zone).unwrap();
    let driver = driver(&database, 1);
    let values = [
        SqlValue::from("Ada"),
        SqlValue::from("disabled"),
        SqlValue::from("2026-01-02T03:04:05.250Z"),
        SqlValue::from("2026-01-02"),
        SqlValue::from("03:04:05"),
        SqlValue::from("-1234.50"),
        SqlValue::Real(0.1),
        SqlValue::Bool(true),
        SqlValue::Integer(-7),
    ];
    let columns = "login, state, at, day, clock, amount, ratio, flag, bits";
    let insert =
        format!("INSERT INTO typed ({columns}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)");
    // The zone counts, though the column has none.
    let mut sent = values.clone();
    sent[2] = SqlValue::from("2026-01-02T04:34:05.250+01:30");
    let insert = sent
        .into_iter()
        .fold(SqlStatement::new(insert), SqlStatement::with_parameter);
    let select =
        format!("SELECT {columns} FROM typed WHERE login = $1 AND state = $2 AND flag = $3");
    let select = SqlStatement::new(select)
        .with_parameter("ADA")
        .with_parameter("disabled");
    let mut transaction = wait(driver.begin(TransactionMode::Write)).unwrap();
    let rows = wait(transaction.run(vec![insert, select.with_parameter(true)])).unwrap();
    assert_eq!(rows, [vec![], vec![values.to_vec()]]);
    let other = SqlStatement::new("SELECT address FROM typed");
    assert_eq!(
        wait(transaction.run(vec![other.clone()])).unwrap(),
        [[[SqlValue::Null]]]
    );
    wait(transaction.run(vec![SqlStatement::new("UPDATE typed SET address = '::1'")])).unwrap();
    let error = wait(transaction.run(vec![other])).unwrap_err();
    let source = format!("{:?}", std::error::Error::source(&error));
    assert!(source.contains("type `inet` can't be read"), "{source}");
}
