//! The migrations of the reference layout.

/// The migrations of an SQLite database, each from one format to the next. Format 0 is an empty database.
///
/// Released migrations are never edited: a new format is a new migration.
pub const SQLITE_MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001.sql"),
    include_str!("../migrations/0002.sql"),
    include_str!("../migrations/0003.sql"),
    include_str!("../migrations/0004.sql"),
    include_str!("../migrations/0005.sql"),
    include_str!("../migrations/0006.sql"),
    include_str!("../migrations/0007.sql"),
    include_str!("../migrations/0008.sql"),
    include_str!("../migrations/0009.sql"),
];

/// Selects the type and name of each object in an SQLite database, without internal objects, as one text per object.
pub const SQLITE_OBJECTS: &str =
    "SELECT type || ' `' || name || '`' FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'";

/// Counts the objects of an SQLite database, including internal ones.
pub const SQLITE_OBJECT_COUNT: &str = "SELECT count(*) FROM sqlite_schema";
