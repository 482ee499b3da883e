//! Tests of reads without a transaction.

use rusqlite::Connection;
use scimkit_registry::Registry;
use scimkit_store::StoreError;

use super::Row;
use crate::{
    SqliteOptions,
    error::Failure,
    file::{DatabaseLocation, open_reader, open_writer},
};

const VERSION: &str = "SELECT version FROM resource";

fn version(db: &Connection) -> i64 {
    db.query_row(VERSION, [], |row| row.get(0)).unwrap()
}

#[test]
fn statements_inside_a_complete_read_share_its_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.sqlite");
    let options = SqliteOptions::default();
    let writer = open_writer(&DatabaseLocation::File(path.clone()), &options).unwrap();
    let insert = "INSERT INTO resource (tenant, kind, id, version, created_us, modified_us,
                      shape, document) VALUES ('t', 'User', 'u', 1, 0, 0, '', '{}')";
    writer.execute(insert, []).unwrap();
    let reader = open_reader(&path, &options).unwrap();
    let registry = Registry::standard();
    let user = registry.resource_type("User").unwrap();
    let read = |id: &str| {
        Row::read_complete(&reader, ("t", user), id, |row, _| {
            writer
                .execute("UPDATE resource SET version = 2", [])
                .unwrap();
            Ok((row.version, version(&reader)))
        })
    };
    assert_eq!(read("u").unwrap(), (1, 1));
    assert_eq!(version(&reader), 2);

    let missing = read("other").unwrap_err();
    assert!(matches!(missing, Failure::Store(StoreError::NotFound)));
    let import = "INSERT INTO import (tenant, attempt, has_entry) VALUES ('t', 1, 0)";
    writer.execute(import, []).unwrap();
    for id in ["u", "other"] {
        let importing = read(id).unwrap_err();
        assert!(matches!(importing, Failure::Store(StoreError::Importing)));
    }
}
