//! The product of `before.rs`, with SCIM over its own tables.
//!
//! ```text
//! cargo run --example own_tables
//! ```

#[macro_use]
mod database;
#[path = "../setup/flags/mod.rs"]
mod flags;
mod pages;
#[cfg(test)]
mod tests;

use std::error::Error;

use axum::{Router, http::HeaderMap, routing::post};
use clap::Parser;
use database::Database;
use scimkit::{
    Mapping, TableStore,
    provision::{CapacitySetting, NewToken},
    sqlx::SqlxDriver,
    tables::SqlStatement,
};
use tokio::{net::TcpListener, signal};

#[derive(Debug, Parser)]
struct Options {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR")]
    listen: String,

    /// Database: `sqlite:PATH` or `postgres://…`
    #[arg(long, default_value = "sqlite:own_tables.sqlite", value_name = "URL")]
    store: String,

    #[command(flatten)]
    scim: flags::ScimFlags,
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "this is the program's output")]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let listener = TcpListener::bind(&options.listen).await?;
    println!("The product is at http://{}", listener.local_addr()?);
    let app = app(&options, &listener).await?;
    let stop = async { drop(signal::ctrl_c().await) };
    Ok(axum::serve(listener, app)
        .with_graceful_shutdown(stop)
        .await?)
}

async fn app(options: &Options, listener: &TcpListener) -> Result<Router, Box<dyn Error>> {
    let database = Database::open(&options.store).await?;
    let mut settings = options.scim.settings(listener)?;
    let seats = CapacitySetting::new("seats", "User", pages::SEATS).with_filter("active eq true");
    settings.policy.capacities.push(seats.capacity(&settings)?);
    let mapping = Mapping::builder().text(include_str!("scim.toml"));
    let (server, admin) = on!(&database, pool => {
        let store = TableStore::builder(SqlxDriver::new(pool.clone()), mapping)
            .with_statements(|_, _| SIGN_OUT.map(SqlStatement::new).to_vec());
        let (store, settings) = store.open(settings).await?;
        options.scim.service(store, settings, false).await?
    });
    let app = pages::router(database.clone()).merge(scimkit::axum::router("/scim/v2", server));
    // A real product checks that the person is an administrator.
    let token = async move |headers: HeaderMap| {
        pages::person(&database, &headers).await?;
        let (tenant, connection) = Default::default();
        let new = NewToken::new("from the page");
        let created = admin.create_token(&tenant, &connection, &new).await;
        pages::Page::Ok(created.map_err(pages::failed)?.token.reveal().to_owned())
    };
    Ok(app.route("/tokens", post(token)))
}

/// Signs out the people whom the directory has disabled, in the transaction of each change. The sessions of people whom it
/// deletes go with their rows.
const SIGN_OUT: [&str; 2] = [
    "INSERT INTO audit (entry) SELECT DISTINCT id || ' was signed out: the account is disabled'
     FROM users JOIN sessions ON user_id = id WHERE disabled_at IS NOT NULL",
    "DELETE FROM sessions WHERE user_id IN (SELECT id FROM users WHERE disabled_at IS NOT NULL)",
];
