//! Tests of remembered rows.

use std::path::Path;

use rusqlite::Connection;

use super::{Remnants, remember};
use crate::{
    SqliteOptions,
    file::{DatabaseLocation, open_writer},
};

/// Returns a connection that remembers some removed rows, each between others.
pub(crate) fn removed(path: &Path, rows: u32) -> Connection {
    let place = DatabaseLocation::File(path.to_owned());
    let db = open_writer(&place, &SqliteOptions::default()).unwrap();
    db.busy_timeout(std::time::Duration::ZERO).unwrap();
    remember(&db).unwrap();
    let insert = "INSERT INTO lookup_key VALUES ('t', 'User', 'a', ?1, ?1)";
    for n in 0..=2 * rows {
        db.execute(insert, [format!("{n:09}")]).unwrap();
    }
    let delete = "DELETE FROM lookup_key WHERE CAST(id AS INTEGER) % 2 = 1";
    assert_eq!(db.execute(delete, []).unwrap(), rows as usize);
    db
}

fn keys(db: &Connection) -> Vec<(String, String)> {
    let mut statement = db.prepare("SELECT value, id FROM lookup_key").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

#[test]
fn removed_rows_wait_while_another_process_writes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("scim.db");
    let db = removed(&path, 20);
    let mut remnants = Remnants::default();
    let before = keys(&db);
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(!remnants.overwrite_some(&db) && Remnants::are_left(&db));
    other.execute_batch("COMMIT").unwrap();
    // The rows need two transactions.
    assert!(remnants.overwrite_some(&db) && Remnants::are_left(&db));
    assert!(remnants.overwrite_some(&db) && !Remnants::are_left(&db));
    assert!(!remnants.overwrite_some(&db));
    assert_eq!(keys(&db), before);
}
