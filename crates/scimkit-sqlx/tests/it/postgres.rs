//! PostgreSQL.

use std::time::Duration;

use scimkit_sql::tables::SqlStatement;
use scimkit_sqlx::SqlxPostgres;
use scimkit_store::rows::TransactionMode;
use scimkit_tables::{Driver as _, DriverErrorKind, Transaction as _};
use scimkit_testkit::{
    contract::sql_driver::{self, Connections, PostgresPools},
    postgres,
};
use sqlx::{PgPool, Row as _, postgres::PgPoolOptions};

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

#[test]
fn pools_of_the_application_stay_usable() {
    let query = |driver: &SqlxPostgres, query: &'static str| {
        let pool = driver.pool();
        let row = wait(async { sqlx::raw_sql(query).fetch_one(pool).await });
        row.unwrap().get(0)
    };
    let pools = PostgresPools {
        connect: &|url, size| SqlxPostgres::new(pool(url, size)),
        query: &query,
    };
    if let Some(report) = sql_driver::check_postgres(&pools, &drive) {
        assert!(report.is_success(), "{report}");
    }
}

#[test]
fn parameter_of_an_unknown_type_is_rejected() {
    let Some(database) = postgres::database() else {
        return;
    };
    database
        .execute("CREATE TABLE typed (address inet)")
        .unwrap();
    let driver = SqlxPostgres::new(pool(database.url(), 1));
    let unknown = SqlStatement::new("UPDATE typed SET address = $1").with_parameter("::1");
    let mut transaction = wait(driver.begin(TransactionMode::Write)).unwrap();
    let error = wait(transaction.run(vec![unknown])).unwrap_err();
    assert_eq!(
        (error.kind(), error.statement()),
        (&DriverErrorKind::Rejected, Some(0))
    );
}
