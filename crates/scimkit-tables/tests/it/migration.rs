//! Side tables.

use rusqlite::Connection;
use scimkit_mapping::Mapping;
use scimkit_registry::Registry;
use scimkit_tables::{RusqliteDriver, TableError, TableStore};

use crate::{layouts::TEXT, support::wait};

fn tables(connection: &Connection) -> Vec<String> {
    let names = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
    let mut names = connection.prepare(names).unwrap();
    let names = names.query_map([], |row| row.get(0)).unwrap();
    names.map(Result::unwrap).collect()
}

#[test]
fn migration_adds_side_tables_once_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (store, own) = TEXT.in_file(&folder.path().join("app.sqlite"));
    let made = tables(&own);
    wait(store.migrate()).unwrap();
    assert_eq!(tables(&own), made);
    let others: Vec<_> = made
        .iter()
        .filter(|name| !name.starts_with("scim_"))
        .collect();
    assert_eq!(others, ["memberships", "teams", "user_emails", "users"]);
    // The text that is printed makes the same tables.
    let printed = Connection::open_in_memory().unwrap();
    printed.execute_batch(TEXT.sql).unwrap();
    printed.execute_batch(&store.migration_sql()).unwrap();
    assert_eq!(tables(&printed), made);
    own.execute("INSERT INTO scim_migration VALUES (99, 0)", [])
        .unwrap();
    let newer = wait(store.migrate());
    assert!(matches!(
        newer,
        Err(TableError::Newer {
            found: 99,
            known: 3
        })
    ));
}

#[test]
fn mapping_without_tables_is_rejected() {
    let connection = Connection::open_in_memory().unwrap();
    let driver = RusqliteDriver::with_connection(connection).unwrap();
    let mapping = Mapping::builder().text(
        "[User]\ntable = 'users'\n[[User.map]]\nscim = 'userName'\nfield = 'login'\n
         [[Group.map]]\nscim = 'displayName'\nfield = 'name'",
    );
    let store = TableStore::builder(driver, mapping).build(&Registry::standard());
    assert_eq!(
        store.map(drop).unwrap_err().to_string(),
        "the mapping names no table for Group: add `[Group.table]`"
    );
}
