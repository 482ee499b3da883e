//! The application's own columns for the times of its rows.

use chrono::{DateTime, Utc};
use scimkit_core::format_instant;
use scimkit_mapping::TimeForm;

use super::SqlValue;
use crate::{Dialect, mapped_rows::quoted};

impl SqlValue {
    /// Returns the value of a column for a time.
    ///
    /// # Example
    /// ```
    /// use chrono::DateTime;
    /// use scimkit_mapping::TimeForm;
    /// use scimkit_sql::{Dialect, tables::SqlValue};
    ///
    /// let at = DateTime::from_timestamp(1_767_323_045, 0).unwrap();
    /// let text = SqlValue::from_time(TimeForm::Timestamp, Dialect::Sqlite, at);
    /// assert_eq!(text, SqlValue::from("2026-01-02 03:04:05"));
    /// let seconds = SqlValue::from_time(TimeForm::Seconds, Dialect::Sqlite, at);
    /// assert_eq!(seconds, SqlValue::Integer(1_767_323_045));
    /// ```
    #[must_use]
    pub fn from_time(form: TimeForm, dialect: Dialect, at: DateTime<Utc>) -> SqlValue {
        match (form, dialect) {
            (TimeForm::Seconds, _) => SqlValue::Integer(at.timestamp()),
            (TimeForm::Timestamp, Dialect::Sqlite) => {
                SqlValue::Text(at.format("%Y-%m-%d %H:%M:%S").to_string())
            }
            (TimeForm::Instant | TimeForm::Timestamp, _) => SqlValue::Text(format_instant(at)),
        }
    }
}

/// The microseconds of a column; NULL if it has no time. SQLite reads whole seconds.
pub(super) fn micros(form: TimeForm, dialect: Dialect, alias: &str, column: &str) -> String {
    let column = format!("{alias}.{}", quoted(column));
    match (form, dialect) {
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
