//! PostgreSQL through tokio-postgres: the contract of drivers, and connections that return to their pool.

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use scimkit_store::rows::TransactionMode;
use scimkit_tables::{Driver as _, DriverErrorKind, TokioPostgresDriver};
use scimkit_testkit::{
    contract::sql_driver::{self, Connections, PostgresPools},
    postgres,
};
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

/// Returns the first value in the answers to a query.
fn first(messages: &[SimpleQueryMessage]) -> String {
    let mut rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    rows.next().unwrap().to_owned()
}

#[test]
fn pools_of_the_application_stay_usable() {
    let query = |driver: &TokioPostgresDriver, query: &'static str| {
        let answers = async {
            let client = driver.pool().get().await.unwrap();
            client.simple_query(query).await.unwrap()
        };
        first(&wait(answers))
    };
    for method in [
        RecyclingMethod::Fast,
        RecyclingMethod::Verified,
        RecyclingMethod::Clean,
    ] {
        let pools = PostgresPools {
            connect: &|url, size| {
                let size = size.try_into().unwrap();
                TokioPostgresDriver::new(pool(url, size, method.clone()))
            },
            query: &query,
        };
        if let Some(report) = sql_driver::check_postgres(&pools, &drive) {
            assert!(report.is_success(), "{method:?}: {report}");
        }
    }
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
