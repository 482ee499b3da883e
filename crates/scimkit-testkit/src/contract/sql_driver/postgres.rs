//! What a driver for PostgreSQL has to do besides the [contract of all drivers](super::check).

use std::{
    error::Error as _,
    thread,
    time::{Duration, Instant},
};

use scimkit_sql::tables::{SqlStatement, SqlValue};
use scimkit_store::rows::TransactionMode;
use scimkit_tables::{Driver as SqlDriver, DriverErrorKind, Transaction as _};
use tokio::time::timeout;

use super::{
    super::fixture::{ensure, ensure_eq},
    CheckOutcome, Connections, ContractReport, FutureDriver,
    fixture::{Fixture, said},
};
use crate::postgres::{self, TestDatabase};

/// Functions that create and use the pools of a driver.
#[expect(
    missing_debug_implementations,
    clippy::exhaustive_structs,
    reason = "the parameters of a check, two functions"
)]
pub struct PostgresPools<'a, D> {
    /// Creates a driver over a pool with a URL and a number of connections.
    pub connect: &'a dyn Fn(&str, u32) -> D,
    /// Runs a query on a connection of the driver's pool, as the application does, and returns its only value, which is
    /// a text.
    pub query: &'a dyn Fn(&D, &'static str) -> String,
}

/// Runs every check, each in a database of its own. Without a server, it prints that they are skipped, and returns
/// none.
///
/// `drive` runs futures in a runtime of tokio with timers.
///
/// # Panics
/// As [`postgres::database`].
pub fn check_postgres<D: SqlDriver>(
    pools: &PostgresPools<'_, D>,
    drive: &FutureDriver<'_>,
) -> Option<ContractReport> {
    let mut outcomes = Vec::new();
    for (name, run) in checks::<D>() {
        let site = Site {
            database: postgres::database()?,
            drive,
            pools,
        };
        outcomes.push((
            name,
            match run(&site) {
                Ok(()) => CheckOutcome::Passed,
                Err(problem) => CheckOutcome::Failed(problem),
            },
        ));
    }
    Some(ContractReport { outcomes })
}

/// A database and the pools for it.
struct Site<'a, D> {
    database: TestDatabase,
    drive: &'a FutureDriver<'a>,
    pools: &'a PostgresPools<'a, D>,
}

/// The name of a rule, and the check of it.
type Check<D> = (&'static str, fn(&Site<'_, D>) -> Result<(), String>);

fn checks<D: SqlDriver>() -> [Check<D>; 6] {
    [
        ("dropped_futures_leave_no_transaction_open", dropped),
        (
            "statement_of_a_dropped_future_keeps_only_its_own_connection",
            running,
        ),
        ("ended_session_is_lost_and_replaced", ended),
        ("changed_definition_is_lost_once", changed),
        ("columns_of_all_types_are_plain_values", types),
        ("parameters_fit_times_with_zones_and_texts", parameters),
    ]
}

impl<D: SqlDriver> Site<'_, D> {
    fn fixture(&self, connections: u32) -> Fixture<'_, D> {
        self.fixture_at(self.database.url(), connections)
    }

    fn fixture_at(&self, url: &str, connections: u32) -> Fixture<'_, D> {
        let driver = (self.pools.connect)(url, connections);
        Fixture::new(driver, Connections::Several, self.drive)
    }

    /// Runs statements on another connection.
    fn execute(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>, String> {
        self.database
            .execute(sql)
            .map_err(|error| error.to_string())
    }

    /// The states of the connections with the name `pool`.
    fn sessions(&self) -> Result<Vec<String>, String> {
        let states = "SELECT state FROM pg_stat_activity
            WHERE application_name = 'pool' AND datname = current_database()";
        let rows = self.execute(states)?;
        Ok(rows.into_iter().flatten().flatten().collect())
    }
}

fn dropped<D: SqlDriver>(site: &Site<'_, D>) -> Result<(), String> {
    site.execute("CREATE TABLE names (name text)")?;
    let insert = || SqlStatement::new("INSERT INTO names VALUES ($1)").with_parameter("dropped");
    let sleep = || SqlStatement::new("SELECT 1 FROM pg_sleep(0.002)");
    let url = site.database.url();
    let sign = if url.contains('?') { '&' } else { '?' };
    let fixture = site.fixture_at(&format!("{url}{sign}application_name=pool"), 3);
    for round in 0..300_u64 {
        // Dropped before anything was sent, while it runs, and after it has ended.
        let patience = Duration::from_micros(round * 40);
        let work = async {
            let mut transaction = fixture.driver.begin(TransactionMode::Write).await?;
            let statements = vec![insert(), sleep(), insert()];
            transaction.run(statements).await?;
            transaction.run(vec![sleep()]).await?;
            std::future::pending().await
        };
        match fixture.wait(async { timeout(patience, work).await })? {
            Ok(Err(error)) => return Err(said(&error)),
            Ok(Ok(())) => return Err("the work has ended".to_owned()),
            Err(_) => {}
        }
        // The application is the next user of the connection: it is in no transaction, and sees nothing of the last
        // one.
        let state = "SELECT count(*) || ' ' || (now() = statement_timestamp()) FROM names";
        let state = (site.pools.query)(&fixture.driver, state);
        ensure_eq!(state, "0 true", "rows and state in round {round}");
    }
    let mut states = site.sessions()?;
    for _ in 0..200 {
        if states.iter().all(|state| state == "idle") {
            break;
        }
        thread::sleep(Duration::from_millis(20));
        states = site.sessions()?;
    }
    ensure!(
        states.iter().all(|state| state == "idle"),
        "sessions are {states:?}"
    );
    ensure!(
        states.len() <= 3,
        "a pool of three has the sessions {states:?}"
    );
    let rows = site.execute("SELECT count(*) FROM names")?;
    ensure_eq!(rows, [[Some("0".to_owned())]], "the rows");
    Ok(())
}

fn running<D: SqlDriver>(site: &Site<'_, D>) -> Result<(), String> {
    let fixture = site.fixture(2);
    let work = async {
        let mut transaction = fixture.driver.begin(TransactionMode::Write).await?;
        let sleep = SqlStatement::new("SELECT 1 FROM pg_sleep(1)");
        transaction.run(vec![sleep]).await
    };
    let patience = Duration::from_millis(100);
    let ended = fixture.wait(async { timeout(patience, work).await })?;
    ensure!(ended.is_err(), "a statement of a second has ended early");
    let begin = Instant::now();
    for _ in 0..20 {
        fixture.read(SqlStatement::new("SELECT 1"))?;
    }
    let took = begin.elapsed();
    ensure!(took < Duration::from_millis(800), "others took {took:?}");
    Ok(())
}

fn ended<D: SqlDriver>(site: &Site<'_, D>) -> Result<(), String> {
    let fixture = site.fixture(1);
    let one = || vec![SqlStatement::new("SELECT 1")];
    let opened = || {
        let mut transaction = fixture.begin(TransactionMode::Write)?;
        let ran = fixture.run(&mut transaction, one())?;
        ran.map(|_| transaction).map_err(|error| said(&error))
    };
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let mut transaction = opened()?;
    site.execute(end)?;
    let lost = fixture.run(&mut transaction, one())?;
    let lost = lost.err().ok_or("a statement of an ended session ran")?;
    ensure_eq!(*lost.kind(), DriverErrorKind::Lost, "the kind of {lost:?}");
    drop(transaction);
    let transaction = opened()?;
    // Nobody knows whether a commit without an answer happened.
    site.execute(end)?;
    let unknown = fixture.wait(transaction.commit())?;
    let unknown = unknown.err().ok_or("an ended session was committed")?;
    ensure_eq!(
        *unknown.kind(),
        DriverErrorKind::Other,
        "the kind of {unknown:?}"
    );
    opened().map(drop)
}

fn changed<D: SqlDriver>(site: &Site<'_, D>) -> Result<(), String> {
    site.execute("CREATE TABLE users (login text); INSERT INTO users VALUES ('ada')")?;
    let fixture = site.fixture(1);
    let select = || SqlStatement::new("SELECT login FROM users");
    fixture.read(select())?;
    site.execute("ALTER TABLE users ALTER login TYPE varchar(20)")?;
    let mut transaction = fixture.begin(TransactionMode::Read)?;
    let stale = fixture.run(&mut transaction, vec![select()])?;
    let stale = stale
        .err()
        .ok_or("a statement over the former columns ran")?;
    ensure_eq!(
        *stale.kind(),
        DriverErrorKind::Lost,
        "the kind of {stale:?}"
    );
    drop(transaction);
    ensure_eq!(
        fixture.read(select())?,
        [[SqlValue::from("ada")]],
        "the row"
    );
    Ok(())
}

fn types<D: SqlDriver>(site: &Site<'_, D>) -> Result<(), String> {
    let table = "CREATE EXTENSION citext; CREATE TYPE state AS ENUM ('active', 'disabled');
        CREATE DOMAIN login AS citext CHECK (length(value::text) > 1);
        CREATE TABLE typed (login login, state state, day date, clock time,
            amount numeric(12, 2), ratio real, flag boolean, bits smallint, address inet)";
    site.execute(table)?;
    let fixture = site.fixture(1);
    let values = [
        SqlValue::from("Ada"),
        SqlValue::from("disabled"),
        SqlValue::from("2026-01-02"),
        SqlValue::from("03:04:05"),
        SqlValue::from("-1234.50"),
        SqlValue::Real(0.1),
        SqlValue::Bool(true),
        SqlValue::Integer(-7),
    ];
    let columns = "login, state, day, clock, amount, ratio, flag, bits";
    let insert = format!("INSERT INTO typed ({columns}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
    fixture.must_write(vec![fixture.sql(&insert, &values)])?;
    let select =
        format!("SELECT {columns} FROM typed WHERE login = ?1 AND state = ?2 AND flag = ?3");
    let parameters = ["ADA", "disabled"].map(SqlValue::from);
    let parameters = [&parameters[..], &[SqlValue::Bool(true)]].concat();
    let rows = fixture.read(fixture.sql(&select, &parameters))?;
    ensure_eq!(rows, [values.to_vec()], "the row");
    let other = SqlStatement::new("SELECT address FROM typed");
    let rows = fixture.read(other.clone())?;
    ensure_eq!(
        rows,
        [[SqlValue::Null]],
        "a column of another type without a value"
    );
    site.execute("UPDATE typed SET address = '::1'")?;
    let mut transaction = fixture.begin(TransactionMode::Read)?;
    let unread = fixture.run(&mut transaction, vec![other])?;
    let unread = unread.err().ok_or("a value of the type `inet` was read")?;
    let source = format!("{:?}", unread.source()).to_lowercase();
    let expected = "type `inet` can't be read";
    ensure!(
        source.contains(expected),
        "the source of the error is {source}"
    );
    Ok(())
}

/// The zone of a time counts, whatever the zone of the session, and whether the column has zones. A boolean is a word
/// in a text.
fn parameters<D: SqlDriver>(site: &Site<'_, D>) -> Result<(), String> {
    let zone = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET timezone = %L',
        current_database(), 'Asia/Kolkata'); END $$";
    site.execute(zone)?;
    let table = "CREATE TABLE typed (plain timestamp, zoned timestamptz, long text,
        short varchar(5), fixed char(4), data json, binary_data jsonb)";
    site.execute(table)?;
    let fixture = site.fixture(1);
    let insert = "INSERT INTO typed VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let times = [
        "2026-01-02T04:34:05.250+01:30",
        "2026-01-01T22:04:05.25-05:00",
        "2026-01-02T03:04:05.250Z",
    ];
    for time in times {
        let time = [const { SqlValue::Null }; 2].map(|_| SqlValue::from(time));
        let values = [&time[..], &[const { SqlValue::Bool(true) }; 5]].concat();
        fixture.must_write(vec![fixture.sql(insert, &values)])?;
    }
    let columns = "plain, zoned, long, short, fixed, data, binary_data";
    for time in times {
        let select = format!("SELECT {columns} FROM typed WHERE plain = ?1 AND zoned = ?2");
        let parameters = [SqlValue::from(time), SqlValue::from(time)];
        let rows = fixture.read(fixture.sql(&select, &parameters))?;
        let time = [const { SqlValue::Null }; 2].map(|_| SqlValue::from(times[2]));
        let words = [const { SqlValue::Null }; 5].map(|_| SqlValue::from("true"));
        let row = [&time[..], &words].concat();
        ensure_eq!(
            rows,
            [row.clone(), row.clone(), row],
            "the rows of one time"
        );
    }
    let select = "SELECT count(*) FROM typed WHERE long = ?1 AND short = ?2";
    let words = [SqlValue::Bool(true), SqlValue::Bool(true)];
    let rows = fixture.read(fixture.sql(select, &words))?;
    ensure_eq!(rows, [[SqlValue::Integer(3)]], "the rows with a word");
    Ok(())
}
