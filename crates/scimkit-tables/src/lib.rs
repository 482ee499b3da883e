//! A SCIM 2.0 store over the tables that an application has already.
//!
//! - [`Driver`]: the seam to a database library, with one contract test: `scimkit_testkit::contract::sql_driver`
//! - [`RusqliteDriver`](crate::RusqliteDriver) (feature `rusqlite`): SQLite

#![cfg_attr(docsrs, feature(doc_cfg))]

mod driver;
mod driver_error;
#[cfg(feature = "rusqlite")]
mod rusqlite_driver;

#[cfg(feature = "rusqlite")]
pub use self::rusqlite_driver::RusqliteDriver;
pub use self::{
    driver::{Driver, SqlRow, Transaction},
    driver_error::{DriverError, DriverErrorKind},
};
