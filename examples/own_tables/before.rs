//! The product before it had SCIM, with [`database`] and [`pages`].
//!
//! ```text
//! cargo run --example own_tables_before
//! ```

mod database;
mod pages;

use std::error::Error;

use axum::Router;
use clap::Parser;
use database::Database;
use tokio::{net::TcpListener, signal};

#[derive(Debug, Parser)]
struct Options {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR")]
    listen: String,

    /// Database: `sqlite:PATH` or `postgres://…`
    #[arg(long, default_value = "sqlite:own_tables.sqlite", value_name = "URL")]
    store: String,
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "this is the program's output")]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let listener = TcpListener::bind(&options.listen).await?;
    println!("The product is at http://{}", listener.local_addr()?);
    let app = app(&options).await?;
    let stop = async { drop(signal::ctrl_c().await) };
    Ok(axum::serve(listener, app)
        .with_graceful_shutdown(stop)
        .await?)
}

async fn app(options: &Options) -> Result<Router, Box<dyn Error>> {
    let database = Database::open(&options.store).await?;
    Ok(pages::router(database))
}
