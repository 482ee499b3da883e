//! Drivers of [`scimkit_tables::TableStore`] over the pools of [`sqlx`].
//!
//! - [`SqlxSqlite`] (feature `sqlite`): a `SqlitePool`
//! - [`SqlxPostgres`] (feature `postgres`): a `PgPool`
//!
//! The pool is the application's. `sea-orm` uses the same pools: `connection.get_sqlite_connection_pool()`.
//!
//! This crate needs the Rust version of sqlx, which is later than that of the other crates.
//!
//! ```
//! use scimkit_mapping::Mapping;
//! use scimkit_sqlx::SqlxSqlite;
//! use scimkit_tables::TableStore;
//! # let mapping = "[User]\ntable = 'users'\n[[User.map]]\nscim = 'userName'\nfield = 'login'";
//!
//! # let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let pool = sqlx::SqlitePool::connect("sqlite::memory:").await?;
//! let store = TableStore::builder(SqlxSqlite::new(pool), Mapping::builder().text(mapping));
//! # drop(store);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

mod backend;
mod driver;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

pub use self::driver::SqlxDriver;

/// A driver for PostgreSQL over a `PgPool`.
///
/// The wire protocol of sqlx answers one statement before it takes the next, so each is a round trip.
/// [`TokioPostgresDriver`](https://docs.rs/scimkit-tables/latest/scimkit_tables/struct.TokioPostgresDriver.html) sends
/// them together.
#[cfg(feature = "postgres")]
pub type SqlxPostgres = SqlxDriver<sqlx::Postgres>;

/// A driver for SQLite over a `SqlitePool`.
#[cfg(feature = "sqlite")]
pub type SqlxSqlite = SqlxDriver<sqlx::Sqlite>;
