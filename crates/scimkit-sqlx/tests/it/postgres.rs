//! PostgreSQL.

use std::time::Duration;

use scimkit_sql::tables::{SqlStatement, SqlValue};
use scimkit_sqlx::SqlxPostgres;
use scimkit_store::rows::TransactionMode;
use scimkit_tables::{Driver as _, DriverErrorKind, Transaction as _};
use scimkit_testkit::{
    contract::sql_driver::{self, Connections},
    postgres::{self, TestDatabase},
};
use sqlx::{PgPool, postgres::PgPoolOptions};
use tokio::time::timeout;

use crate::support::{drive, wait};

pub(crate) fn pool(url: &str, size: u32) -> PgPool {
    let options = PgPoolOptions::new().max_connections(size);
    wait(
        options
            .acquire_timeout(Duration::from_secs(10))
            .connect(url),
    )
    .unwrap()
}

fn driver(database: &TestDatabase, size: u32) -> SqlxPostgres {
    SqlxPostgres::new(pool(database.url(), size))
}

#[test]
fn several_connections_keep_the_contract() {
    let Some(database) = postgres::database() else {
        return;
    };
    let make = || SqlxPostgres::new(pool(&database.schema().unwrap(), 4));
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
    let pool = pool(&url, 3);
    let driver = SqlxPostgres::new(pool.clone());
    for round in 0..300_u64 {
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
        let state: (i64, bool) = wait(async {
            let rows = sqlx::raw_sql(state).fetch_one(&pool).await.unwrap();
            use sqlx::Row as _;
            (rows.get(0), rows.get(1))
        });
        assert_eq!(state, (0, true), "round {round}");
    }
    let is_idle = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        sessions(&database).iter().all(|state| state == "idle")
    });
    assert!(is_idle, "{:?}", sessions(&database));
    let rows = database.execute("SELECT count(*) FROM names").unwrap();
    assert_eq!(rows, [[Some("0".to_owned())]]);
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
    assert_eq!(*lost.kind(), DriverErrorKind::Lost, "{lost:?}");
    drop(transaction);
    let mut transaction = wait(driver.begin(TransactionMode::Write)).unwrap();
    wait(transaction.run(one())).unwrap();
    // Nobody knows whether a commit without an answer happened.
    database.execute(end).unwrap();
    let unknown = wait(transaction.commit()).unwrap_err();
    assert_eq!(*unknown.kind(), DriverErrorKind::Other, "{unknown:?}");
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
fn columns_of_all_types_are_plain_values() {
    let Some(database) = postgres::database() else {
        return;
    };
    let table = "CREATE EXTENSION citext; CREATE TYPE state AS ENUM ('active', 'disabled');
        CREATE DOMAIN login AS citext CHECK (length(value::text) > 1);
        CREATE TABLE typed (login login, state state, at timestamp, day date, clock time,
            amount numeric(12, 2), ratio real, flag boolean, bits smallint, address inet)";
    database.execute(table).unwrap();
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
    let unknown = SqlStatement::new("UPDATE typed SET address = $1").with_parameter("::1");
    let error = wait(transaction.run(vec![unknown])).unwrap_err();
    assert_eq!(
        (error.kind(), error.statement()),
        (&DriverErrorKind::Rejected, Some(0))
    );
}
