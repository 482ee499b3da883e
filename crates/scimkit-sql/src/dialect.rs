//! The SQL dialects.

use std::fmt::Write as _;

/// The SQL dialect of a database.
///
/// # Example
/// ```
/// use scimkit_sql::Dialect;
///
/// assert_eq!(Dialect::Sqlite.placeholder(3), "?3");
/// assert_eq!(Dialect::Postgres.placeholder(3), "$3");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dialect {
    /// PostgreSQL and compatible databases. Compared columns need `COLLATE "C"`, because ranges are by code point.
    Postgres,
    /// SQLite.
    Sqlite,
}

impl Dialect {
    /// Returns the placeholder of the parameter with that number, counted from 1.
    #[must_use]
    pub fn placeholder(self, number: usize) -> String {
        let mut text = String::new();
        self.push_placeholder(&mut text, number);
        text
    }

    /// Appends the placeholder of the parameter with that number.
    pub(crate) fn push_placeholder(self, text: &mut String, number: usize) {
        text.push(match self {
            Dialect::Postgres => '$',
            Dialect::Sqlite => '?',
        });
        // Writing to a string does not fail.
        let _ = write!(text, "{number}");
    }

    /// Returns a condition that holds if the text of `column` contains that of `part`.
    pub(crate) fn contains(self, column: &str, part: &str) -> String {
        match self {
            Dialect::Postgres => format!("position({part} in {column}) > 0"),
            // Compared as bytes: the text functions stop at a NUL, and UTF-8 can be searched bytewise.
            Dialect::Sqlite => {
                format!("instr(CAST({column} AS BLOB), CAST({part} AS BLOB)) > 0")
            }
        }
    }

    /// Marks a condition as likely to hold for few rows, so that the planner starts from them.
    pub(crate) fn rare(self, condition: String) -> String {
        match self {
            Dialect::Postgres => condition,
            Dialect::Sqlite => format!("unlikely({condition})"),
        }
    }

    /// Returns a condition that holds if the text of `column` ends with that of `part`, which is not empty.
    pub(crate) fn ends_with(self, column: &str, part: &str) -> String {
        match self {
            Dialect::Postgres => format!("right({column}, char_length({part})) = {part}"),
            Dialect::Sqlite => {
                // `IS`, because `substr` returns NULL for an empty text.
                let part = format!("CAST({part} AS BLOB)");
                format!("substr(CAST({column} AS BLOB), -length({part})) IS {part}")
            }
        }
    }
}
