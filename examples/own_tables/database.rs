//! The database of the product: SQLite for a start, PostgreSQL in production.

use sqlx::{PgPool, SqlitePool, sqlite::SqliteConnectOptions};

/// The people who use the product already. Some of them typed their logins in mixed case.
const PEOPLE: [(&str, &str, &str); 20] = [
    ("Ada.Lovelace@example.com", "Ada", "Lovelace"),
    ("alan@example.com", "Alan", "Turing"),
    ("Babs@Example.com", "Barbara", "Jensen"),
    ("BARBARA.LISKOV@example.com", "Barbara", "Liskov"),
    ("claude@example.com", "Claude", "Shannon"),
    ("DonaldK@example.com", "Donald", "Knuth"),
    ("dorothy@example.com", "Dorothy", "Vaughan"),
    ("Edsger@example.com", "Edsger", "Dijkstra"),
    ("Frances.Allen@example.com", "Frances", "Allen"),
    ("grace@example.com", "Grace", "Hopper"),
    ("Hedy@example.com", "Hedy", "Lamarr"),
    ("jean@example.com", "Jean", "Bartik"),
    ("john@example.com", "John", "Backus"),
    ("Karen@Example.com", "Karen", "Sparck Jones"),
    ("katherine@example.com", "Katherine", "Johnson"),
    ("Kurt.Goedel@example.com", "Kurt", "Gödel"),
    ("leslie@example.com", "Leslie", "Lamport"),
    ("Margaret@example.com", "Margaret", "Hamilton"),
    ("radia@example.com", "Radia", "Perlman"),
    ("tony@example.com", "Tony", "Hoare"),
];

const TABLES: &str = "
CREATE TABLE users (
    id TEXT PRIMARY KEY,
    login TEXT NOT NULL,
    login_key TEXT NOT NULL UNIQUE,
    given_name TEXT,
    family_name TEXT,
    job_title TEXT,
    disabled_at TEXT,
    plan TEXT NOT NULL DEFAULT 'free'
);
CREATE TABLE teams (id TEXT PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE team_members (
    team_id TEXT NOT NULL REFERENCES teams ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users ON DELETE CASCADE,
    PRIMARY KEY (team_id, user_id)
);
CREATE INDEX team_members_user ON team_members (user_id);
CREATE TABLE sessions (
    secret TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users ON DELETE CASCADE
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE TABLE audit (at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, entry TEXT NOT NULL);
INSERT INTO teams (id, name) VALUES ('t1', 'Compilers'), ('t2', 'Networks');
";

/// The pool of the database that the operator chose.
#[derive(Debug, Clone)]
pub(crate) enum Database {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

/// Runs the same statement on either database.
macro_rules! on {
    ($database:expr, $pool:ident => $work:expr) => {
        match $database {
            $crate::database::Database::Postgres($pool) => $work,
            $crate::database::Database::Sqlite($pool) => $work,
        }
    };
}

impl Database {
    /// Opens the database at a URL, and creates the tables if it is empty.
    pub(crate) async fn open(url: &str) -> Result<Self, sqlx::Error> {
        let database = if url.starts_with("postgres") {
            Database::Postgres(PgPool::connect(url).await?)
        } else {
            let options = url.parse::<SqliteConnectOptions>()?.create_if_missing(true);
            Database::Sqlite(SqlitePool::connect_with(options).await?)
        };
        if on!(&database, pool => sqlx::query("SELECT id FROM users").fetch_optional(pool).await.is_err())
        {
            on!(&database, pool => sqlx::raw_sql(TABLES).execute(pool).await.map(drop))?;
            for (at, (login, given, family)) in PEOPLE.into_iter().enumerate() {
                let id = format!("u{:02}", at + 1);
                database.add_person(&id, login, given, family).await?;
                let team = if at % 2 == 0 { "t1" } else { "t2" };
                database.join_team(team, &id).await?;
            }
        }
        Ok(database)
    }

    pub(crate) async fn add_person(
        &self,
        id: &str,
        login: &str,
        given_name: &str,
        family_name: &str,
    ) -> Result<(), sqlx::Error> {
        let insert = "INSERT INTO users (id, login, login_key, given_name, family_name) VALUES ($1, $2, $3, $4, $5)";
        on!(self, pool => {
            let insert = sqlx::query(insert).bind(id).bind(login).bind(login.to_lowercase());
            insert.bind(given_name).bind(family_name).execute(pool).await.map(drop)
        })
    }

    async fn join_team(&self, team: &str, user: &str) -> Result<(), sqlx::Error> {
        let insert = "INSERT INTO team_members (team_id, user_id) VALUES ($1, $2)";
        on!(self, pool => sqlx::query(insert).bind(team).bind(user).execute(pool).await.map(drop))
    }

    /// The people, each with the names of their teams.
    pub(crate) async fn people(&self) -> Result<Vec<(String, String)>, sqlx::Error> {
        let select = "SELECT login, COALESCE(name, '') FROM users LEFT JOIN team_members ON user_id = users.id
            LEFT JOIN teams ON teams.id = team_id ORDER BY login_key, name";
        on!(self, pool => sqlx::query_as(select).fetch_all(pool).await)
    }

    /// The number of people who can sign in.
    pub(crate) async fn seats_in_use(&self) -> Result<i64, sqlx::Error> {
        let select = "SELECT count(*) FROM users WHERE disabled_at IS NULL";
        on!(self, pool => sqlx::query_scalar(select).fetch_one(pool).await)
    }

    /// The id of the person with a login who can sign in.
    pub(crate) async fn enabled_person(&self, login: &str) -> Result<Option<String>, sqlx::Error> {
        let select = "SELECT id FROM users WHERE login_key = $1 AND disabled_at IS NULL";
        let login = login.to_lowercase();
        on!(self, pool => sqlx::query_scalar(select).bind(login).fetch_optional(pool).await)
    }

    pub(crate) async fn start_session(&self, secret: &str, user: &str) -> Result<(), sqlx::Error> {
        let insert = "INSERT INTO sessions (secret, user_id) VALUES ($1, $2)";
        on!(self, pool => sqlx::query(insert).bind(secret).bind(user).execute(pool).await.map(drop))
    }

    /// The id and the login of the person whose session that is.
    pub(crate) async fn session(
        &self,
        secret: &str,
    ) -> Result<Option<(String, String)>, sqlx::Error> {
        let select = "SELECT users.id, login FROM sessions JOIN users ON users.id = user_id WHERE secret = $1";
        on!(self, pool => sqlx::query_as(select).bind(secret).fetch_optional(pool).await)
    }

    /// Signs a person out everywhere.
    pub(crate) async fn end_sessions(&self, user: &str) -> Result<(), sqlx::Error> {
        let delete = "DELETE FROM sessions WHERE user_id = $1";
        on!(self, pool => sqlx::query(delete).bind(user).execute(pool).await.map(drop))
    }

    pub(crate) async fn add_to_audit(&self, entry: &str) -> Result<(), sqlx::Error> {
        let insert = "INSERT INTO audit (entry) VALUES ($1)";
        on!(self, pool => sqlx::query(insert).bind(entry).execute(pool).await.map(drop))
    }

    pub(crate) async fn audit(&self) -> Result<Vec<String>, sqlx::Error> {
        let select = "SELECT entry FROM audit ORDER BY at, entry";
        on!(self, pool => sqlx::query_scalar(select).fetch_all(pool).await)
    }
}
