//! A server over an application's tables in SQLite.

use std::path::Path;

use rusqlite::Connection;
use scimkit::{
    BearerTokens, Mapping, Server, Settings, TableStore, TokenDigest, tables::RusqliteDriver,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use crate::client::TOKEN;

/// The tables of an application. The attributes without a column are in a side table.
const TABLES: &str = "
CREATE TABLE users (
    id TEXT PRIMARY KEY,
    login TEXT NOT NULL UNIQUE,
    given_name TEXT,
    family_name TEXT,
    full_name TEXT,
    job_title TEXT,
    is_active INTEGER,
    plan TEXT NOT NULL DEFAULT 'free'
);
CREATE TABLE teams (id TEXT PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE team_members (
    team_id TEXT NOT NULL REFERENCES teams,
    user_id TEXT NOT NULL REFERENCES users,
    PRIMARY KEY (team_id, user_id)
);
CREATE INDEX team_members_user ON team_members (user_id);";

const USERS: &str = r#"
[User]
table = "users"

[User.fields]
login = { type = "text", unique = true, filterable = true, folded = true }
given_name = "text"
family_name = "text"
full_name = "text"
job_title = "text"
is_active = "boolean"

[[User.map]]
scim = "userName"
field = "login"
transform = ["fold"]

[[User.map]]
scim = "name.givenName"
field = "given_name"

[[User.map]]
scim = "name.familyName"
field = "family_name"

[[User.map]]
scim = "displayName"
field = "full_name"

[[User.map]]
scim = "title"
field = "job_title"

[[User.map]]
scim = "active"
field = "is_active"
"#;

const TEAMS: &str = r#"
[Group.table]
name = "teams"
members = { table = "team_members", group = "team_id", user = "user_id" }

[Group.fields]
name = "text"

[[Group.map]]
scim = "displayName"
field = "name"
"#;

/// Serves until SIGTERM, with a new database in that file.
#[tokio::main]
pub(crate) async fn serve(file: &Path) {
    Connection::open(file)
        .unwrap()
        .execute_batch(TABLES)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/scim/v2", listener.local_addr().unwrap());
    let mapping = Mapping::builder().text(USERS).text(TEAMS);
    let store = TableStore::builder(RusqliteDriver::open(file).unwrap(), mapping);
    let (store, settings) = store.open(Settings::new(&url)).await.unwrap();
    let token = TokenDigest::new(TOKEN.as_bytes());
    let server = Server::new(store, settings).with_authentication(BearerTokens::new([token]));
    println!("{url}");
    let stopped = async {
        signal(SignalKind::terminate()).unwrap().recv().await;
    };
    let app: axum::Router = scimkit::axum::router("/scim/v2", server);
    axum::serve(listener, app)
        .with_graceful_shutdown(stopped)
        .await
        .unwrap();
}
