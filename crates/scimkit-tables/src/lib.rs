//! A SCIM 2.0 store over the tables that an application has already.
//!
//! - [`TableStore`]: the store. The [mapping](scimkit_mapping::Mapping) names its [tables](scimkit_mapping::Table) and their columns
//! - [`TableStore::verify`]: what would go wrong with the tables, row by row
//! - [`Driver`]: the seam to a database library, with one contract test: `scimkit_testkit::contract::sql_driver`
//! - [`RusqliteDriver`] (feature `rusqlite`): SQLite
//! - [`TokioPostgresDriver`] (feature `tokio-postgres`): PostgreSQL

#![cfg_attr(docsrs, feature(doc_cfg))]

mod archive;
mod database;
mod dead_letters;
mod documents;
mod driver;
mod driver_error;
mod edges;
mod journal;
mod key_values;
mod list;
mod lookups;
mod open_write;
mod own_statements;
pub mod postgres;
mod rows;
#[cfg(feature = "rusqlite")]
mod rusqlite_driver;
mod side_tables;
mod store;
mod table;
mod table_error;
mod tenants;
#[cfg(feature = "tokio-postgres")]
mod tokio_postgres_driver;
mod transaction;
mod values;
mod verify;
mod writes;

pub use scimkit_sql::tables::{SqlStatement, SqlValue};

#[cfg(feature = "rusqlite")]
pub use self::rusqlite_driver::RusqliteDriver;
#[cfg(feature = "tokio-postgres")]
pub use self::tokio_postgres_driver::TokioPostgresDriver;
pub use self::{
    driver::{Driver, SqlRow, Transaction},
    driver_error::{DriverError, DriverErrorKind},
    open_write::OpenWrite,
    store::{TableStore, TableStoreBuilder},
    table_error::TableError,
    verify::{FindingKind, FindingSeverity, TableColumn, TableFinding, TableReport, table_columns},
};
