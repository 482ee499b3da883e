//! The application's own columns for the times of its rows.

use chrono::{DateTime, Utc};
use scimkit_core::format_instant;

use super::SqlValue;
use crate::{Dialect, mapped_rows::quoted};

/// How a column holds a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeForm {
    /// Text such as `2026-01-02T03:04:05Z` in SQLite, a timestamp in PostgreSQL.
    Instant,
    /// Whole seconds since 1970, as an integer.
    Seconds,
    /// Text such as `2026-01-02 03:04:05` in SQLite, as its `CURRENT_TIMESTAMP` writes it in UTC, a timestamp in PostgreSQL.
    Timestamp,
}

/// The application's columns with the times of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a row has these two times")]
pub struct TimeColumns {
    /// The column of the creation.
    pub created: String,
    /// How both columns hold their times.
    pub form: TimeForm,
    /// The column of the last change.
    pub modified: String,
}

impl TimeForm {
    /// Returns the value of a column for a time.
    ///
    /// # Example
    /// ```
    /// use chrono::DateTime;
    /// use scimkit_sql::{Dialect, tables::{SqlValue, TimeForm}};
    ///
    /// let at = DateTime::from_timestamp(1_767_323_045, 0).unwrap();
    /// let text = TimeForm::Timestamp.value(Dialect::Sqlite, at);
    /// assert_eq!(text, SqlValue::from("2026-01-02 03:04:05"));
    /// assert_eq!(TimeForm::Seconds.value(Dialect::Sqlite, at), SqlValue::Integer(1_767_323_045));
    /// ```
    #[must_use]
    pub fn value(self, dialect: Dialect, at: DateTime<Utc>) -> SqlValue {
        match (self, dialect) {
            (TimeForm::Seconds, _) => SqlValue::Integer(at.timestamp()),
            (TimeForm::Timestamp, Dialect::Sqlite) => {
                SqlValue::Text(at.format("%Y-%m-%d %H:%M:%S").to_string())
            }
            (TimeForm::Instant | TimeForm::Timestamp, _) => SqlValue::Text(format_instant(at)),
        }
    }

    /// The microseconds of a column; NULL if it has no time. SQLite reads whole seconds.
    pub(super) fn micros(self, dialect: Dialect, alias: &str, column: &str) -> String {
        let column = format!("{alias}.{}", quoted(column));
        match (self, dialect) {
            // Until the year 9999.
            (TimeForm::Seconds, _) => format!(
                "CASE WHEN {column} BETWEEN 0 AND 253402300799 THEN CAST({column} AS bigint) * 1000000 END"
            ),
            (_, Dialect::Postgres) => format!(
                "CASE WHEN isfinite({column}) THEN CAST(extract(epoch FROM {column}) * 1000000 AS bigint) END"
            ),
            (_, Dialect::Sqlite) => {
                format!("CAST(strftime('%s', {column}) AS INTEGER) * 1000000")
            }
        }
    }
}
