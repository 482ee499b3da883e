//! The tables of a product: people and groups, and what the product shows of them.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use rusqlite::{Connection, Row, types::ValueRef};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

/// The people who use the product before it has SCIM. Some typed their addresses in mixed case; the first two are
/// administrators.
const PEOPLE: [(&str, &str); 30] = [
    ("Ada", "Lovelace"),
    ("Grace", "Hopper"),
    ("Alan", "Turing"),
    ("Annie", "Easley"),
    ("Barbara", "Liskov"),
    ("Charles", "Babbage"),
    ("Claude", "Shannon"),
    ("Donald", "Knuth"),
    ("Dorothy", "Vaughan"),
    ("Edsger", "Dijkstra"),
    ("Frances", "Allen"),
    ("Hedy", "Lamarr"),
    ("Ida", "Rhodes"),
    ("Jean", "Bartik"),
    ("John", "Backus"),
    ("Karen", "Jones"),
    ("Katherine", "Johnson"),
    ("Ken", "Thompson"),
    ("Kurt", "Goedel"),
    ("Leslie", "Lamport"),
    ("Lynn", "Conway"),
    ("Margaret", "Hamilton"),
    ("Mary", "Jackson"),
    ("Nancy", "Lynch"),
    ("Peter", "Naur"),
    ("Radia", "Perlman"),
    ("Shafi", "Goldwasser"),
    ("Sophie", "Wilson"),
    ("Stephen", "Cook"),
    ("Tony", "Hoare"),
];

/// The columns that every product has. `email_key` is the folded address, for lookups.
const EVERY_PRODUCT: &str = "
CREATE TABLE person (
    id TEXT PRIMARY KEY,
    email TEXT NOT NULL,
    email_key TEXT NOT NULL UNIQUE,
    first_name TEXT,
    last_name TEXT,
    archived INTEGER NOT NULL DEFAULT 0,
    admin INTEGER NOT NULL DEFAULT 0,
    alias_emails TEXT
);
CREATE TABLE team (id TEXT PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE team_person (
    team_id TEXT NOT NULL REFERENCES team ON DELETE CASCADE,
    person_id TEXT NOT NULL REFERENCES person ON DELETE CASCADE,
    PRIMARY KEY (team_id, person_id)
);
CREATE INDEX team_person_person ON team_person (person_id);
";

/// The database of a product.
#[derive(Debug, Clone)]
pub(crate) struct Tables {
    connection: Arc<Mutex<Connection>>,
    path: PathBuf,
    /// The folder of a database that ends with the process.
    _folder: Option<Arc<TempDir>>,
}

impl Tables {
    /// Opens the database of a product, or a new one that ends with the process. Creates its tables with 30 people if there
    /// are none; `columns` is the SQL of the columns that this product has besides.
    pub(crate) fn open(
        path: Option<&Path>,
        columns: &str,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let (path, folder) = match path {
            Some(path) => (path.to_owned(), None),
            None => {
                let folder = tempfile::tempdir()?;
                (folder.path().join("product.sqlite"), Some(Arc::new(folder)))
            }
        };
        let mut connection = Connection::open(&path)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.pragma_update(None, "foreign_keys", true)?;
        if !connection.table_exists(None, "person")? {
            let transaction = connection.transaction()?;
            transaction.execute_batch(EVERY_PRODUCT)?;
            add_people(&transaction)?;
            transaction.execute_batch(columns)?;
            transaction.commit()?;
        }
        Ok(Tables {
            connection: Arc::new(Mutex::new(connection)),
            path,
            _folder: folder,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the pages of the product: `/product/users.json` and `/product/groups.json`.
    pub(crate) fn router(&self) -> Router {
        let people = self.clone();
        let groups = self.clone();
        Router::new()
            .route("/product/users.json", get(async move || people.people()))
            .route("/product/groups.json", get(async move || groups.groups()))
    }

    /// Runs a job on the database.
    pub(crate) fn with<T>(&self, job: impl FnOnce(&Connection) -> T) -> T {
        job(&self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner))
    }

    fn people(&self) -> Response {
        let people = "SELECT person.*, (SELECT json_group_array(name ORDER BY name) FROM team
            JOIN team_person ON team_id = team.id WHERE person_id = person.id) AS groups
            FROM person ORDER BY email_key";
        self.rows(people)
    }

    fn groups(&self) -> Response {
        let groups =
            "SELECT id, name, (SELECT json_group_array(email ORDER BY email_key) FROM person
            JOIN team_person ON person_id = person.id WHERE team_id = team.id) AS members
            FROM team ORDER BY name";
        self.rows(groups)
    }

    fn rows(&self, sql: &str) -> Response {
        let rows = self.with(|connection| -> rusqlite::Result<Vec<Value>> {
            let mut statement = connection.prepare_cached(sql)?;
            let names: Vec<String> = statement
                .column_names()
                .into_iter()
                .map(str::to_owned)
                .collect();
            let rows = statement.query_map([], |row| shown(row, &names))?;
            rows.collect()
        });
        match rows {
            Ok(rows) => {
                let json = [(CONTENT_TYPE, "application/json")];
                (json, Value::from(rows).to_string()).into_response()
            }
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        }
    }
}

/// Returns a row as the product shows it.
fn shown(row: &Row<'_>, names: &[String]) -> rusqlite::Result<Value> {
    let mut shown = Map::new();
    for (at, name) in names.iter().enumerate() {
        let value = match (name.as_str(), row.get_ref(at)?) {
            ("email_key", _) => continue,
            ("admin" | "archived", value) => json!(value.as_i64()? != 0),
            ("groups" | "members", value) => {
                serde_json::from_str(value.as_str()?).unwrap_or_default()
            }
            (_, ValueRef::Integer(number)) => json!(number),
            (_, ValueRef::Text(text)) => json!(String::from_utf8_lossy(text)),
            _ => Value::Null,
        };
        shown.insert(name.clone(), value);
    }
    Ok(shown.into())
}

fn add_people(connection: &Connection) -> rusqlite::Result<()> {
    for (at, (first, last)) in PEOPLE.into_iter().enumerate() {
        let email = if at % 5 == 0 {
            format!("{first}.{last}@Example.com")
        } else {
            format!("{first}.{last}@example.com").to_lowercase()
        };
        let alias = (at % 10 == 4).then(|| format!("{first}@example.org").to_lowercase());
        connection.execute(
            "INSERT INTO person (id, email, email_key, first_name, last_name, admin, alias_emails)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            (
                format!("p{:02}", at + 1),
                &email,
                email.to_lowercase(),
                first,
                last,
                at < 2,
                alias,
            ),
        )?;
    }
    Ok(())
}
