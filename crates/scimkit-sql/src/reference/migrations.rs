//! The tables of the reference layout, from release to release.

/// What brings an SQLite database from each format to the next; format 0 is an empty one.
///
/// Released ones are never edited: a later format is one more.
pub const SQLITE_MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001.sql"),
    include_str!("../migrations/0002.sql"),
    include_str!("../migrations/0003.sql"),
    include_str!("../migrations/0004.sql"),
    include_str!("../migrations/0005.sql"),
    include_str!("../migrations/0006.sql"),
    include_str!("../migrations/0007.sql"),
];

/// Type and name of each object in an SQLite database but those of its own, as one text each.
pub const SQLITE_OBJECTS: &str =
    "SELECT type || ' `' || name || '`' FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'";

/// How many objects an SQLite database has, its own included.
pub const SQLITE_OBJECT_COUNT: &str = "SELECT count(*) FROM sqlite_schema";
