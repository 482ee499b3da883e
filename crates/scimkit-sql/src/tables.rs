//! The statements of an application's own tables and of the side tables next to them.
//!
//! Statements and their results are owned and consist of plain scalars, so that any database library can run them: see
//! `scimkit_tables::Driver`.

mod statement;

pub use statement::{SqlStatement, SqlValue};
