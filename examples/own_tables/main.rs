//! The product of `before`, with SCIM over its own tables.
//!
//! ```text
//! cargo run --example own_tables
//! ```

#[macro_use]
#[path = "before/database.rs"]
mod database;
#[path = "../setup/flags/mod.rs"]
mod flags;
#[path = "before/pages.rs"]
mod pages;
mod scim;
#[cfg(test)]
mod tests;

use std::error::Error;

use clap::Parser;
use database::Database;
use scimkit::sqlx::SqlxDriver;
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
    let database = Database::open(&options.store).await?;
    let listener = TcpListener::bind(&options.listen).await?;
    println!("The product is at http://{}", listener.local_addr()?);
    let settings = options.scim.settings(&listener)?;
    let app = pages::router(database.clone());
    let app = app.merge(on!(&database, pool => {
        let driver = SqlxDriver::new(pool.clone());
        scim::router(driver, &database, settings, &options.scim).await
    })?);
    let stop = async { drop(signal::ctrl_c().await) };
    Ok(axum::serve(listener, app)
        .with_graceful_shutdown(stop)
        .await?)
}
