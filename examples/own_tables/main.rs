//! SCIM for the existing users table of a product: a mapping, and a database of rows in 200 lines.
//!
//! ```text
//! cargo run --example own_tables
//! ```

mod people;

use std::{error::Error, sync::Arc};

use people::People;
use rusqlite::Connection;
use scimkit::{
    BearerTokens, CreatePolicy, Registry, Server, Settings, Token,
    core::builtin,
    mapping::{FoldReport, Mapping, RowText, check_folded},
    registry::RegistryBuilder,
    store::rows::{RowStore, Simple},
};

/// The product's own table, in which each company is a tenant. SCIM never reads or writes `plan`; the columns from
/// `connection` on and the trigger were added for SCIM.
const TABLE: &str = "CREATE TABLE person (
    id TEXT NOT NULL,
    company TEXT NOT NULL DEFAULT 'default',
    email TEXT NOT NULL,
    first_name TEXT,
    last_name TEXT,
    display_name TEXT,
    addresses TEXT,
    job_title TEXT,
    phone TEXT,
    status TEXT NOT NULL DEFAULT 'active',
    plan TEXT NOT NULL DEFAULT 'free',
    directory_id TEXT,
    connection TEXT,
    created INTEGER NOT NULL DEFAULT 0,
    changed INTEGER NOT NULL DEFAULT 0,
    removed INTEGER NOT NULL DEFAULT 0,
    revision INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (company, id)
) STRICT;
CREATE TRIGGER person_revision AFTER UPDATE ON person BEGIN
    UPDATE person SET revision = revision + 1 WHERE company = NEW.company AND id = NEW.id;
END;
CREATE UNIQUE INDEX person_email ON person (company, email) WHERE NOT removed;
INSERT INTO person (id, email, first_name, last_name, plan)
    VALUES ('p-1', 'Babs@Example.com', 'Barbara', 'Jensen', 'gold');";

/// Returns the settings of the endpoint: only users, with the attributes of the mapping.
fn settings(base_url: &str) -> Result<Settings, Box<dyn Error>> {
    let mut settings = Settings::new(base_url);
    settings.registry = Arc::new(users_alone()?);
    // Existing people are adopted by their e-mail addresses.
    settings.create_policy = CreatePolicy::Adopt;
    let mapping = Mapping::builder().text(include_str!("mapping.toml"));
    let mapping = Arc::new(mapping.build(&settings.registry)?);
    Ok(settings.with_mapping(mapping)?)
}

/// Returns a store of the product's people in that database.
fn people(
    database: Connection,
    settings: &Settings,
) -> Result<RowStore<Simple<People>>, Box<dyn Error>> {
    let users = settings
        .mapping()
        .and_then(|mapping| mapping.for_type("User"));
    let users = users.ok_or("users are mapped")?;
    Ok(RowStore::new(Simple::new(People::new(database, users))))
}

/// Creates a SCIM endpoint for that table.
fn server(base_url: &str, token: &Token) -> Result<Server, Box<dyn Error>> {
    let settings = settings(base_url)?;
    let database = Connection::open_in_memory()?;
    database.execute_batch(TABLE)?;
    report(&database)?;
    let people = people(database, &settings)?;
    Ok(Server::new(Arc::new(people), settings)
        .with_authentication(BearerTokens::new([token.digest()])))
}

/// Reports the rows whose logins are not folded. They can still be found, but only by reading every row: see "Columns
/// that exist already" in docs/mapping.md.
#[expect(clippy::print_stderr, reason = "a message for the operator")]
fn report(database: &Connection) -> Result<(), Box<dyn Error>> {
    let mut statement = database.prepare("SELECT id, email FROM person WHERE NOT removed")?;
    let rows = statement.query_map([], |row| {
        let (row, text) = (row.get(0)?, row.get(1)?);
        Ok(RowText { row, text })
    })?;
    let rows: Vec<RowText<String, String>> = rows.collect::<Result<_, _>>()?;
    let report: FoldReport<String> = check_folded(rows);
    for RowText { row, text } in &report.unfolded {
        eprintln!("person {row}: the login is not folded; `{text}` would be");
    }
    match report.duplicates.first() {
        None => Ok(()),
        Some(ids) => Err(format!("these people have the same login: {}", ids.join(", ")).into()),
    }
}

/// Returns a registry with users only, because the product has no groups.
fn users_alone() -> Result<Registry, Box<dyn Error>> {
    let mut users = builtin::user_resource_type();
    users.schema_extensions.clear();
    let registry = RegistryBuilder::default()
        .schema(builtin::user())
        .resource_type(users);
    Ok(registry.build()?)
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "this is the program's output")]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let base_url = format!("http://{}/scim/v2", listener.local_addr()?);
    let token = Token::generate()?;
    println!(
        "curl -i -H 'Authorization: Bearer {}' '{base_url}/Users'",
        token.reveal()
    );
    let server = server(&base_url, &token)?;
    let app: axum::Router = scimkit::axum::router("/scim/v2", server);
    Ok(axum::serve(listener, app).await?)
}

#[cfg(test)]
mod tests;
