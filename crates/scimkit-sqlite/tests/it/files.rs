//! The contents of a file, its users, and foreign contents.

use std::path::Path;

use rusqlite::Connection;
use scimkit_registry::ResourceId;
use scimkit_sql::reference::SQLITE_MIGRATIONS;
use scimkit_sqlite::{OpenError, SqliteOptions, SqliteStore, Synchronous};
use scimkit_store::{
    ConnectionId, ReadOptions, Store, StoreError, TenantId, TenantStore, WriteOutcome,
};
use serde_json::json;

use crate::{
    consistent::check_file,
    support::{add_member, create, delete, file, kind, second, select, set, standard, wait},
};

/// The last format of a file.
const FORMAT: i64 = 9;

#[test]
fn data_are_unchanged_after_reopening() {
    let (_directory, path) = file();
    let context = standard();
    let store = SqliteStore::open(&path).unwrap();
    create(
        &store,
        &context,
        ("User", "u1"),
        json!({"userName": "Ada", "title": "Dr"}),
    )
    .unwrap();
    create(&store, &context, ("User", "u2"), json!({"userName": "bo"})).unwrap();
    create(
        &store,
        &context,
        ("Group", "g1"),
        json!({"displayName": "g"}),
    )
    .unwrap();
    let version = add_member(&store, &context, "g1", "u1")
        .unwrap()
        .stored
        .unwrap()
        .version;
    delete(&store, &context, ("User", "u2")).unwrap();
    drop(store);
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(
        select(&store, &context, "User", r#"userName eq "ADA""#).unwrap(),
        ["u1"]
    );
    assert_eq!(
        select(&store, &context, "Group", r#"members.value eq "u1""#).unwrap(),
        ["g1"]
    );
    assert_eq!(
        select(&store, &context, "User", "userName pr").unwrap(),
        ["u1"]
    );
    let group = wait(store.read(
        &context,
        &kind(&context, "Group"),
        &ResourceId::from("g1"),
        &ReadOptions::document(),
    ))
    .unwrap();
    assert_eq!(group.version, version);
    // The id existed before, so its versions continue.
    let again = create(&store, &context, ("User", "u2"), json!({"userName": "bo"})).unwrap();
    assert!(
        again
            .stored
            .unwrap()
            .version
            .as_str()
            .parse::<u64>()
            .unwrap()
            > 4
    );
    drop(store);
    check_file(&path, &context);
}

#[test]
fn two_stores_share_a_file() {
    let (_directory, path) = file();
    let context = standard();
    let one = SqliteStore::open(&path).unwrap();
    let two = SqliteStore::open(&path).unwrap();
    create(&one, &context, ("User", "u0"), json!({"userName": "first"})).unwrap();
    let taken = create(&two, &context, ("User", "u1"), json!({"userName": "FIRST"}));
    assert!(matches!(taken, Err(StoreError::Duplicate { attr }) if attr == "userName"));
    std::thread::scope(|threads| {
        for (store, name) in [(&one, "one"), (&two, "two")] {
            let context = &context;
            threads.spawn(move || {
                for n in 0..50 {
                    let id = format!("{name}{n}");
                    let body = json!({"userName": id});
                    create(store, context, ("User", &id), body).unwrap();
                    let how = set(store, context, ("User", "u0"), ("title", json!(id)))
                        .unwrap()
                        .outcome;
                    assert_eq!(how, WriteOutcome::Updated);
                }
            });
        }
    });
    for store in [&one, &two] {
        assert_eq!(
            select(store, &context, "User", r#"userName sw "one""#)
                .unwrap()
                .len(),
            50
        );
        assert_eq!(
            select(store, &context, "User", r#"userName sw "two""#)
                .unwrap()
                .len(),
            50
        );
    }
    drop((one, two));
    check_file(&path, &context);
}

#[test]
fn waiting_too_long_for_another_writer_is_busy() {
    let (_directory, path) = file();
    let context = standard();
    let mut options = SqliteOptions::default();
    options.busy_timeout = std::time::Duration::from_millis(20);
    options.synchronous = Synchronous::Normal;
    let store = SqliteStore::open_with(&path, &options).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = create(&store, &context, ("User", "u1"), json!({"userName": "a"}));
    assert!(matches!(refused, Err(StoreError::Busy)), "{refused:?}");
    other.execute_batch("ROLLBACK").unwrap();
    create(&store, &context, ("User", "u1"), json!({"userName": "a"})).unwrap();
}

#[test]
fn the_write_ahead_log_is_on() {
    let (_directory, path) = file();
    drop(SqliteStore::open(&path).unwrap());
    let mode: String = Connection::open(&path)
        .unwrap()
        .query_row("PRAGMA journal_mode", [], |row| row.get(0))
        .unwrap();
    assert_eq!(mode, "wal");
}

#[test]
fn empty_file_is_migrated_to_the_last_format() {
    let (_directory, path) = file();
    std::fs::write(&path, "").unwrap();
    drop(SqliteStore::open(&path).unwrap());
    let connection = Connection::open(&path).unwrap();
    let number = |sql: &str| {
        connection
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    assert_eq!(number("PRAGMA user_version"), FORMAT);
    assert_eq!(number("PRAGMA application_id"), 0x5343_494d);
    drop(connection);
    drop(SqliteStore::open(&path).unwrap());
}

#[test]
fn newer_file_is_rejected_and_not_changed() {
    let (_directory, path) = file();
    drop(SqliteStore::open(&path).unwrap());
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let before = std::fs::read(&path).unwrap();
    let refused = SqliteStore::open(&path).unwrap_err();
    assert!(
        matches!(
            refused,
            OpenError::Newer {
                found: 99,
                known: FORMAT
            }
        ),
        "{refused:?}"
    );
    assert_eq!(
        refused.to_string(),
        format!("the file has format 99, this release knows up to {FORMAT}")
    );
    assert!(std::fs::read(&path).unwrap() == before);
}

#[test]
fn file_of_another_application_is_rejected_and_not_changed() {
    let (_directory, path) = file();
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch("CREATE TABLE customer (name TEXT)")
        .unwrap();
    drop(connection);
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(SqliteStore::open(&path), Err(OpenError::Foreign)));
    assert!(std::fs::read(&path).unwrap() == before);
    std::fs::write(
        &path,
        "this is not a database, however long its text may be",
    )
    .unwrap();
    assert!(matches!(SqliteStore::open(&path), Err(OpenError::Foreign)));
    let below = path.join("no directory");
    assert!(matches!(
        SqliteStore::open(&below),
        Err(OpenError::Sqlite(_))
    ));
}

#[test]
fn damaged_store_is_rejected_and_not_changed() {
    let damages = [
        ("PRAGMA user_version = -1", "no release writes format -1"),
        ("PRAGMA user_version = 0", "no release writes format 0"),
        ("DROP TABLE edge", "it has no index `edge_by_target`"),
        (
            "DROP INDEX token_by_digest",
            "it has no index `token_by_digest`",
        ),
        ("DROP TABLE counter", "it has no table `counter`"),
    ];
    for (damage, expected) in damages {
        let (_directory, path) = file();
        drop(SqliteStore::open(&path).unwrap());
        Connection::open(&path)
            .unwrap()
            .execute_batch(damage)
            .unwrap();
        rejected(&path, expected);
    }
    let empty = [
        (0, "no release writes format 0"),
        (1, "it has no index `edge_by_target`"),
        (FORMAT, "it has no index `edge_by_target`"),
        (-7, "no release writes format -7"),
    ];
    for (format, expected) in empty {
        let (_directory, path) = file();
        let made = Connection::open(&path).unwrap();
        made.pragma_update(None, "application_id", 0x5343_494d)
            .unwrap();
        made.pragma_update(None, "user_version", format).unwrap();
        drop(made);
        rejected(&path, expected);
    }
}

fn rejected(path: &Path, expected: &str) {
    let before = std::fs::read(path).unwrap();
    let error = SqliteStore::open(path).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        format!("the file is a damaged store: {expected}")
    );
    assert!(std::fs::read(path).unwrap() == before);
}

#[test]
fn negative_format_of_another_application_is_rejected() {
    let (_directory, path) = file();
    let other = Connection::open(&path).unwrap();
    other.pragma_update(None, "user_version", -1).unwrap();
    drop(other);
    assert!(matches!(SqliteStore::open(&path), Err(OpenError::Foreign)));
}

#[test]
fn stores_can_create_one_file_at_the_same_time() {
    for _ in 0..20 {
        let (_directory, path) = file();
        std::thread::scope(|threads| {
            let open = || SqliteStore::open(&path).map(drop);
            let all: Vec<_> = (0..4).map(|_| threads.spawn(open)).collect();
            for one in all {
                one.join().unwrap().unwrap();
            }
        });
    }
}

#[test]
fn tokens_of_the_first_format_are_of_the_default_connection() {
    let first = SQLITE_MIGRATIONS[0];
    for (digests, tenants) in [(&[][..], 0), (&[[9; 32], [7; 32]], 1)] {
        let (_directory, path) = file();
        let before = Connection::open(&path).unwrap();
        before.execute_batch(first).unwrap();
        before
            .execute_batch("PRAGMA application_id = 0x5343494d; PRAGMA user_version = 1")
            .unwrap();
        for (n, digest) in digests.iter().enumerate() {
            let created = 1_700_000_000_000_000 + 1_000_000 * i64::try_from(n).unwrap();
            before
                .execute("INSERT INTO token VALUES (?1, ?2)", (digest, created))
                .unwrap();
        }
        drop(before);
        let store = SqliteStore::open(&path).unwrap();
        let kept = wait(store.tokens(&TenantId::default())).unwrap();
        let kept: Vec<_> = kept.iter().map(|token| token.digest).collect();
        assert_eq!(kept, digests);
        assert_eq!(wait(store.tenants()).unwrap().len(), tenants);
        for (n, digest) in digests.iter().enumerate() {
            let opened = wait(store.find_token(digest)).unwrap().unwrap();
            assert_eq!(opened.tenant.id, TenantId::default());
            assert_eq!(opened.connection.id, ConnectionId::default());
            assert_eq!(opened.token.created, second(i64::try_from(n).unwrap()));
            assert!(opened.token.is_valid_at(second(100)));
        }
    }
}

#[test]
fn unpolled_future_does_nothing() {
    let (_directory, path) = file();
    let context = standard();
    let store = SqliteStore::open(&path).unwrap();
    drop(store.read(
        &context,
        &kind(&context, "User"),
        &ResourceId::from("u1"),
        &ReadOptions::document(),
    ));
    create(&store, &context, ("User", "u1"), json!({"userName": "a"})).unwrap();
}
