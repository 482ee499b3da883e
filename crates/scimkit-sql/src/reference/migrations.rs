//! The tables of the reference layout, from release to release.

/// The migrations of an SQLite database from each format to the next; format 0 is an empty database.
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
];

/// Selects type and name of each object in an SQLite database except its internal ones, as one text each.
pub const SQLITE_OBJECTS: &str =
    "SELECT type || ' `' || name || '`' FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'";

/// Counts the objects of an SQLite database, its internal ones included.
pub const SQLITE_OBJECT_COUNT: &str = "SELECT count(*) FROM sqlite_schema";
