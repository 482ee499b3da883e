//! Side tables.

use rusqlite::Connection;
use scimkit_registry::Registry;
use scimkit_tables::{KeyType, RusqliteDriver, Table, TableError, TableStore};

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
            known: 2
        })
    ));
}

#[test]
fn table_that_can_not_work_is_rejected() {
    let mapping = "[[User.map]]\nscim = 'userName'\nfield = 'login'";
    let group = "[[Group.map]]\nscim = 'displayName'\nfield = 'name'";
    let problem = |users: Table, groups: Table| {
        let connection = Connection::open_in_memory().unwrap();
        let store = TableStore::builder(RusqliteDriver::with_connection(connection).unwrap());
        let store = store.with_users(users).with_table("Group", groups);
        store
            .build(&Registry::standard())
            .map(drop)
            .unwrap_err()
            .to_string()
    };
    let users = || Table::new("users", mapping);
    let groups = || Table::new("teams", group);
    let integers = |table: Table| table.with_id("id", KeyType::Integer).with_database_ids();
    let cases = [
        (
            problem(Table::new("users", ""), groups()),
            "table `users`: its mapping has no rule for User",
        ),
        (
            problem(users().with_id("id", KeyType::Integer), groups()),
            "table `users`: integers are made by the database: add `with_database_ids`",
        ),
        (
            problem(users().with_database_ids(), groups()),
            "table `users`: the database makes integers or UUIDs, not text",
        ),
        (
            problem(users().with_id_prefix("u-"), groups()),
            "table `users`: only identifiers that the database makes have a prefix",
        ),
        (
            problem(integers(users()), integers(groups()).with_id_prefix("")),
            "table `teams`: its identifiers can be those of `users`: add `with_id_prefix`",
        ),
    ];
    for (problem, expected) in cases {
        assert_eq!(problem, expected);
    }
}
