//! The plans of queries on large tables: an index of the application is used where the column has one.

use std::sync::{Arc, Mutex};

use deadpool_postgres::RecyclingMethod;
use rusqlite::Connection;
use scimkit_filter::Filter;
use scimkit_mapping::Mapping;
use scimkit_registry::{ResourceType, Tolerance};
use scimkit_sql::{
    Dialect,
    tables::{SqlStatement, SqlValue},
};
use scimkit_store::{
    PagePosition, Query, RequestContext, Settings, Store as _, TenantId, rows::TransactionMode,
};
use scimkit_tables::{
    Driver, DriverError, RusqliteDriver, SqlRow, TableStore, TokioPostgresDriver, Transaction,
};
use scimkit_testkit::postgres;

use crate::{support::wait, tokio_postgres_driver::pool};

const NAME: &str = "[User]\ntable = 'users'";

const MAPPING: &str = r#"
[User.fields]
login = { type = "text", unique = true, filterable = true }
login_key = "text"
directory_id = "text"
display = "text"
display_key = "text"
is_active = "boolean"

[[User.map]]
scim = "userName"
field = "login"
key = "login_key"

[[User.map]]
scim = "externalId"
field = "directory_id"

[[User.map]]
scim = "displayName"
field = "display"
key = "display_key"

[[User.map]]
scim = "active"
field = "is_active"
"#;

const INDEXES: &str = "CREATE UNIQUE INDEX users_by_login ON users (login_key);
    CREATE UNIQUE INDEX users_by_directory_id ON users (directory_id);
    CREATE INDEX users_by_display ON users (display_key);
    CREATE INDEX users_by_active ON users (is_active);";

/// A driver that remembers the statements.
#[derive(Debug)]
struct Recording<D> {
    driver: D,
    seen: Arc<Mutex<Vec<SqlStatement>>>,
}

struct Recorded<T> {
    seen: Arc<Mutex<Vec<SqlStatement>>>,
    transaction: T,
}

impl<D: Driver> Driver for Recording<D> {
    type Transaction = Recorded<D::Transaction>;

    async fn begin(&self, access: TransactionMode) -> Result<Self::Transaction, DriverError> {
        Ok(Recorded {
            seen: Arc::clone(&self.seen),
            transaction: self.driver.begin(access).await?,
        })
    }

    fn dialect(&self) -> Dialect {
        self.driver.dialect()
    }
}

impl<T: Transaction> Transaction for Recorded<T> {
    async fn commit(self) -> Result<(), DriverError> {
        self.transaction.commit().await
    }

    async fn run(
        &mut self,
        statements: Vec<SqlStatement>,
    ) -> Result<Vec<Vec<SqlRow>>, DriverError> {
        self.seen.lock().unwrap().extend(statements.iter().cloned());
        self.transaction.run(statements).await
    }
}

struct World<D> {
    context: RequestContext,
    store: TableStore<Recording<D>>,
    user: Arc<ResourceType>,
}

impl<D: Driver> World<D> {
    fn new(driver: D, table: &str) -> Self {
        let seen = Arc::default();
        let settings = Settings::new("https://app.example/scim/v2");
        let mapping = Mapping::builder().text(table).text(MAPPING);
        let store = TableStore::builder(Recording { driver, seen }, mapping);
        let store = store.build(&settings.registry).unwrap();
        wait(store.migrate()).unwrap();
        World {
            store,
            user: Arc::clone(settings.registry.resource_type("User").unwrap()),
            context: RequestContext::new(TenantId::default(), Arc::new(settings)),
        }
    }

    /// The number of resources of a query, and the plan of each of its statements on users.
    fn plans(&self, query: &Query) -> (usize, Vec<String>) {
        let driver = self.store.driver();
        driver.seen.lock().unwrap().clear();
        let page = wait(self.store.query(&self.context, query)).unwrap();
        let seen = std::mem::take(&mut *driver.seen.lock().unwrap());
        let plan = |mut statement: SqlStatement| {
            let explain = match driver.dialect() {
                Dialect::Postgres => "EXPLAIN",
                _ => "EXPLAIN QUERY PLAN",
            };
            statement.text = format!("{explain} {}", statement.text).into();
            let mut transaction = wait(driver.driver.begin(TransactionMode::Read)).unwrap();
            let rows = wait(transaction.run(vec![statement])).unwrap();
            let lines = rows
                .into_iter()
                .flatten()
                .filter_map(|row| match row.last() {
                    Some(SqlValue::Text(line)) => Some(line.clone()),
                    _ => None,
                });
            lines.collect::<Vec<_>>().join("\n")
        };
        let of_users = seen
            .into_iter()
            .filter(|statement| statement.text.contains("FROM \"users\""));
        (page.items.len(), of_users.map(plan).collect())
    }

    /// Checks that every statement of a filter uses an index.
    fn uses(&self, filter: &str, index: &str) {
        let text = Filter::parse(filter).unwrap();
        let predicate = self.user.bind_filter(&text, &Tolerance::DEFAULT).unwrap();
        let query = Query::new(Arc::clone(&self.user)).with_predicate(predicate);
        let (found, plans) = self.plans(&query);
        assert!(found > 0, "{filter}");
        assert!(!plans.is_empty(), "{filter}");
        for plan in plans {
            assert!(plan.contains(index), "{filter}: no {index} in\n{plan}");
            assert!(
                !plan.contains("SCAN t\n") && !plan.contains("Seq Scan on users"),
                "{filter}: {plan}"
            );
        }
    }

    fn check(&self, key: &str) {
        self.uses(r#"userName eq "USER-77777""#, "users_by_login");
        self.uses(
            r#"userName eq "user-77777" and active eq true"#,
            "users_by_login",
        );
        self.uses(r#"externalId eq "d-77777""#, "users_by_directory_id");
        self.uses(r#"displayName eq "Name 7777""#, "users_by_display");
        self.uses(r#"displayName sw "name 7777""#, "users_by_display");
        self.uses(r#"id eq "id-077777""#, key);
        self.uses("active eq false", "users_by_active");
        // A page needs no sort.
        let (found, plans) = self.plans(&Query::new(Arc::clone(&self.user)).with_page(1, 100));
        assert_eq!(found, 100);
        let page = plans.iter().find(|plan| plan.contains(key));
        assert!(
            page.is_some_and(|plan| !plan.contains("Sort") && !plan.contains("TEMP B-TREE")),
            "{plans:?}"
        );
    }
}

#[test]
fn sqlite_uses_the_indexes_of_the_application() {
    let connection = Connection::open_in_memory().unwrap();
    let tables = format!(
        "CREATE TABLE users (
            id TEXT PRIMARY KEY, login TEXT NOT NULL, login_key TEXT NOT NULL, directory_id TEXT,
            display TEXT, display_key TEXT, is_active INTEGER NOT NULL DEFAULT 1
        ) STRICT;
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
        INSERT INTO users SELECT printf('id-%06d', i), 'User-' || i, 'user-' || i, 'd-' || i,
            'Name ' || (i / 10), 'name ' || (i / 10), i % 1000 > 0
            FROM n;
        {INDEXES} ANALYZE;"
    );
    connection.execute_batch(&tables).unwrap();
    World::new(RusqliteDriver::with_connection(connection).unwrap(), NAME)
        .check("sqlite_autoindex_users_1");
}

#[test]
fn postgres_uses_the_indexes_of_the_application() {
    let Some(database) = postgres::database() else {
        return;
    };
    let tables = format!(
        "CREATE TABLE users (
            id text COLLATE \"C\" PRIMARY KEY, login text NOT NULL, login_key text COLLATE \"C\" NOT NULL,
            directory_id text, display text, display_key text COLLATE \"C\",
            is_active boolean NOT NULL DEFAULT true
        );
        INSERT INTO users SELECT 'id-' || to_char(i, 'FM000000'), 'User-' || i, 'user-' || i,
            'd-' || i, 'Name ' || (i / 10), 'name ' || (i / 10),
            i % 1000 > 0 FROM generate_series(1, 100000) i;
        {INDEXES} ANALYZE"
    );
    database.execute(&tables).unwrap();
    let pool = pool(database.url(), 2, RecyclingMethod::Fast);
    World::new(TokioPostgresDriver::new(pool), NAME).check("users_pkey");
}

#[test]
fn postgres_reads_pages_of_uuids_without_a_sort() {
    let Some(database) = postgres::database() else {
        return;
    };
    let tables = "CREATE TABLE users (
            id uuid PRIMARY KEY DEFAULT gen_random_uuid(), login text, login_key text,
            directory_id text, display text, display_key text, is_active boolean
        );
        INSERT INTO users (login, login_key) SELECT 'User-' || i, 'user-' || i
            FROM generate_series(1, 100000) i;
        ANALYZE";
    database.execute(tables).unwrap();
    let pool = pool(database.url(), 2, RecyclingMethod::Fast);
    let table = "[User.table]\nname = 'users'\nid = { type = 'uuid', generated = true }";
    let world = World::new(TokioPostgresDriver::new(pool), table);
    let query = Query::new(Arc::clone(&world.user)).with_page(1, 100);
    let (_, first) = world.plans(&query);
    let last = "80000000-0000-0000-0000-000000000000".into();
    let after = PagePosition::new(None, last);
    let (_, next) = world.plans(&query.with_page_after(after, 100));
    for plans in [first, next] {
        let page = plans.iter().find(|plan| plan.contains("Limit"));
        let is_scan = |plan: &String| plan.contains("users_pkey") && !plan.contains("Sort");
        assert!(page.is_some_and(is_scan), "{plans:?}");
    }
}
