//! PostgreSQL for tests.
//!
//! - [`TestServer`]: a throwaway server from installed binaries
//! - [`database`]: an empty database for one test, on the server of this process or on one that a variable names
//!
//! | variable | meaning |
//! |---|---|
//! | `SCIMKIT_TEST_POSTGRES` | the URL of a server, as a user that can create databases; none is started then |
//! | `SCIMKIT_REQUIRE_POSTGRES` | a test that would be skipped fails |

mod server;
mod supervisor;

use std::{
    env,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use tokio_postgres::{NoTls, SimpleQueryMessage};

pub use self::server::TestServer;

/// An error of the server, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PostgresError(String);

/// A database of its own for one test, which is removed on drop.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    schemas: AtomicUsize,
    /// The URL of another database, from which this one is created and removed.
    server: String,
    url: String,
}

/// Creates an empty database. Without a server it prints that the test is skipped, and returns none.
///
/// # Panics
/// There is no server although `SCIMKIT_REQUIRE_POSTGRES` is set, or the database can't be created.
#[must_use]
#[expect(clippy::panic, reason = "a test fails with its reason")]
pub fn database() -> Option<TestDatabase> {
    static SERVER: OnceLock<Result<Started, PostgresError>> = OnceLock::new();
    let server = SERVER.get_or_init(|| match env::var("SCIMKIT_TEST_POSTGRES") {
        Ok(url) => Ok(Started::Given(url)),
        Err(_) => TestServer::start().map(Started::Own),
    });
    let server = match server {
        Ok(Started::Given(url)) => url,
        Ok(Started::Own(server)) => server.url(),
        Err(error) => {
            let skipped = format!("SKIPPED, because there is no PostgreSQL: {error}");
            assert!(
                env::var_os("SCIMKIT_REQUIRE_POSTGRES").is_none(),
                "{skipped}"
            );
            report(&skipped);
            return None;
        }
    };
    match TestDatabase::create(server) {
        Ok(database) => Some(database),
        Err(error) => panic!("{error}"),
    }
}

/// The server of this process.
enum Started {
    Given(String),
    /// Its supervisor stops it when the process ends.
    Own(TestServer),
}

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn report(skipped: &str) {
    eprintln!("{skipped}");
}

impl TestDatabase {
    fn create(server: &str) -> Result<Self, PostgresError> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("scimkit_{}_{number}", std::process::id());
        // One of a process that crashed may be left.
        execute(
            server,
            &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
        )?;
        execute(
            server,
            &format!("CREATE DATABASE {name} TEMPLATE template0"),
        )?;
        Ok(TestDatabase {
            url: with_database(server, &name),
            name,
            schemas: AtomicUsize::new(0),
            server: server.to_owned(),
        })
    }

    /// Returns its URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Creates an empty schema, which is cheaper than a database, and returns the URL for it. Extensions are in the schema
    /// `public`, which comes after it.
    ///
    /// # Errors
    /// Those of the server.
    pub fn schema(&self) -> Result<String, PostgresError> {
        let number = self.schemas.fetch_add(1, Ordering::Relaxed);
        self.execute(&format!("CREATE SCHEMA own_{number}"))?;
        let sign = if self.url.contains('?') { '&' } else { '?' };
        let url = &self.url;
        Ok(format!(
            "{url}{sign}options=-csearch_path%3Down_{number}%2Cpublic"
        ))
    }

    /// Runs statements on a connection of their own: see [`execute`].
    ///
    /// # Errors
    /// Those of the server.
    pub fn execute(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>, PostgresError> {
        execute(&self.url, sql)
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let name = &self.name;
        // The server may have stopped before.
        drop(execute(
            &self.server,
            &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
        ));
    }
}

/// Runs statements without parameters on a new connection, and returns the rows of all of them as text.
///
/// It blocks the thread, and can be called inside and outside of a runtime.
///
/// # Errors
/// The server can't be reached, or a statement fails.
pub fn execute(url: &str, sql: &str) -> Result<Vec<Vec<Option<String>>>, PostgresError> {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| PostgresError(error.to_string()))?;
        let rows = runtime.block_on(rows(url, sql));
        rows.map_err(|error| PostgresError(described(&error)))
    };
    thread::scope(|scope| scope.spawn(run).join())
        .unwrap_or_else(|_| Err(PostgresError("a thread panicked".to_owned())))
}

async fn rows(url: &str, sql: &str) -> Result<Vec<Vec<Option<String>>>, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let connection = tokio::spawn(connection);
    let messages = client.simple_query(sql).await?;
    drop(client);
    // What the connection reports on its end is not about the statements.
    drop(connection.await);
    let rows = messages.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let texts = rows.map(|row| {
        let columns = (0..row.len()).map(|column| row.get(column).map(str::to_owned));
        columns.collect()
    });
    Ok(texts.collect())
}

/// An error with what the server said.
fn described(error: &tokio_postgres::Error) -> String {
    let source = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

/// The URL of another database on the same server.
fn with_database(url: &str, name: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("postgresql", url));
    let (place, parameters) = match rest.split_once('?') {
        Some((place, parameters)) => (place, format!("?{parameters}")),
        None => (rest, String::new()),
    };
    let authority = place
        .split_once('/')
        .map_or(place, |(authority, _)| authority);
    format!("{scheme}://{authority}/{name}{parameters}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn database_replaces_that_of_the_url() {
        let cases = [
            (
                "postgresql://u:p@h:5432/a?x=/y",
                "postgresql://u:p@h:5432/t?x=/y",
            ),
            ("postgres://h", "postgres://h/t"),
            ("postgresql:///a?host=/tmp", "postgresql:///t?host=/tmp"),
        ];
        for (url, expected) in cases {
            assert_eq!(with_database(url, "t"), expected);
        }
    }

    #[test]
    fn databases_and_schemas_are_empty_and_separate() {
        let Some(first) = database() else { return };
        let second = database().unwrap();
        first
            .execute("CREATE TABLE a (n integer); INSERT INTO a VALUES (1), (NULL)")
            .unwrap();
        let rows = first.execute("SELECT n, 'x' FROM a ORDER BY n").unwrap();
        let x = || Some("x".to_owned());
        assert_eq!(rows, [vec![Some("1".to_owned()), x()], vec![None, x()]]);
        assert!(second.execute("SELECT n FROM a").is_err());
        let (one, two) = (first.schema().unwrap(), first.schema().unwrap());
        execute(&one, "CREATE TABLE b (n integer)").unwrap();
        assert!(execute(&two, "SELECT n FROM b").is_err());
        let url = second.url().to_owned();
        drop(second);
        assert!(execute(&url, "SELECT 1").is_err());
    }
}
