//! How databases spell the same thing.

use std::fmt::Write as _;

/// A database's way to spell what the SQL standard leaves open.
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
    /// PostgreSQL and what speaks its language. The compared columns need `COLLATE "C"`: ranges
    /// are by code point.
    Postgres,
    /// SQLite.
    Sqlite,
}

impl Dialect {
    /// The parameter of that number, counted from 1.
    #[must_use]
    pub fn placeholder(self, number: usize) -> String {
        let mut text = String::new();
        self.push_placeholder(&mut text, number);
        text
    }

    /// Appends the parameter of that number.
    pub(crate) fn push_placeholder(self, text: &mut String, number: usize) {
        text.push(match self {
            Dialect::Postgres => '$',
            Dialect::Sqlite => '?',
        });
        // Writing to a string does not fail.
        let _ = write!(text, "{number}");
    }

    /// Whether the text of `column` has that of `part` somewhere.
    pub(crate) fn contains(self, column: &str, part: &str) -> String {
        match self {
            Dialect::Postgres => format!("position({part} in {column}) > 0"),
            // As bytes: the functions for text stop at a NUL, and UTF-8 needs no characters here.
            Dialect::Sqlite => {
                format!("instr(CAST({column} AS BLOB), CAST({part} AS BLOB)) > 0")
            }
        }
    }

    /// A condition that the planner may take to hold for few rows, so that it starts from them.
    pub(crate) fn rare(self, condition: String) -> String {
        match self {
            Dialect::Postgres => condition,
            Dialect::Sqlite => format!("unlikely({condition})"),
        }
    }

    /// Whether the text of `column` ends with that of `part`, which is not empty.
    pub(crate) fn ends_with(self, column: &str, part: &str) -> String {
        match self {
            Dialect::Postgres => format!("right({column}, char_length({part})) = {part}"),
            Dialect::Sqlite => {
                // `IS`, because of an empty text the function makes NULL.
                let part = format!("CAST({part} AS BLOB)");
                format!("substr(CAST({column} AS BLOB), -length({part})) IS {part}")
            }
        }
    }
}
