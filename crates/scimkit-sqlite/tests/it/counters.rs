//! Totals and capacities are counters that every write adjusts, whoever writes.

use std::{io::Cursor, path::Path, sync::Arc, thread};

use proptest::{prelude::*, sample::select as one_of, test_runner::Config};
use rusqlite::Connection as Db;
use scimkit_filter::Filter;
use scimkit_registry::{Change, Registry, ResourceId, Tolerance};
use scimkit_sql::reference::SQLITE_MIGRATIONS;
use scimkit_sqlite::SqliteStore;
use scimkit_store::{
    Archive, Batch, ConnectionId, DeletePolicy, ExistingMatch, ExpectedVersion, MatchScope,
    OnFailure, Query, RequestContext, Store, StoreError, TenantStore, WriteOp, archive,
    engine::Capacity,
};
use serde_json::{Value, json};

use crate::{
    consistent::check_file,
    support::{add_member, create, delete, file, kind, second, set, standard, wait},
};

const ACTIVE: &str = "active eq true";

/// Returns the scope with a limit on the users that a filter selects.
fn limited(context: &RequestContext, filter: &str, limit: u64) -> RequestContext {
    let mut context = context.clone();
    let user = kind(&context, "User");
    let predicate = Filter::parse(filter).unwrap();
    let predicate = user.bind_filter(&predicate, &Tolerance::DEFAULT).unwrap();
    let capacity = Capacity::new("seats", user, predicate, limit);
    Arc::make_mut(&mut context.settings)
        .policy
        .capacities
        .push(capacity);
    context
}

fn active(name: &str) -> Value {
    json!({"userName": name, "active": true})
}

fn total(store: &SqliteStore, context: &RequestContext, name: &str) -> u64 {
    let page = wait(store.query(context, &Query::new(kind(context, name)).with_page(0, 1)));
    page.unwrap().total.unwrap()
}

/// Returns the counters of users, those with a predicate first: the predicate and the number.
fn counters(path: &Path) -> Vec<(String, i64)> {
    let db = Db::open(path).unwrap();
    let sql = "SELECT predicate, count FROM resource_count WHERE kind = 'User'
               ORDER BY predicate DESC";
    let mut statement = db.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

fn counts(path: &Path) -> Vec<i64> {
    let counters = counters(path).into_iter();
    counters.map(|(_, count)| count).collect()
}

/// Shifts every counter, so that an answer shows whether it was counted or read.
fn shift(path: &Path, by: i64) {
    let db = Db::open(path).unwrap();
    let sql = "UPDATE resource_count SET count = count + ?1";
    assert!(db.execute(sql, [by]).unwrap() > 0);
}

fn exceeded<T>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::CapacityExceeded { .. }))
}

#[test]
fn unfiltered_list_is_not_counted() {
    let (_directory, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    let context = standard();
    for id in ["u1", "u2", "u3"] {
        create(&store, &context, ("User", id), active(id)).unwrap();
    }
    shift(&path, 1_000);
    assert_eq!(total(&store, &context, "User"), 1_003);
    let user = kind(&context, "User");
    for (filter, expected) in [
        ("meta.resourceType eq \"User\"", 1_003),
        ("not (meta.resourceType eq \"User\")", 0),
        ("meta.resourceType eq \"Group\"", 0),
        ("userName pr", 3),
        (
            "meta.resourceType eq \"User\" and meta.resourceType ne \"Group\"",
            1_003,
        ),
    ] {
        let parsed = Filter::parse(filter).unwrap();
        let predicate = user.bind_filter(&parsed, &Tolerance::DEFAULT).unwrap();
        let query = Query::new(Arc::clone(&user)).with_predicate(predicate);
        let page = wait(store.query(&context, &query)).unwrap();
        assert_eq!(page.total, Some(expected), "{filter}");
    }
    // The counter is adjusted, and stored over a restart.
    delete(&store, &context, ("User", "u1")).unwrap();
    drop(store);
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(total(&store, &context, "User"), 1_002);
}

#[test]
fn capacity_is_counted_once_and_kept_over_a_restart() {
    let (_directory, path) = file();
    let context = standard();
    let store = SqliteStore::open(&path).unwrap();
    create(&store, &context, ("User", "u1"), active("a")).unwrap();
    create(&store, &context, ("User", "u2"), json!({"userName": "b"})).unwrap();
    let seats = limited(&context, ACTIVE, 2);
    create(&store, &seats, ("User", "u3"), active("c")).unwrap();
    assert_eq!(counts(&path), [2, 3]);
    assert!(exceeded(&create(
        &store,
        &seats,
        ("User", "u4"),
        active("d")
    )));
    let on = |context| set(&store, context, ("User", "u2"), ("active", json!(true)));
    assert!(exceeded(&on(&seats)));
    shift(&path, 10);
    drop(store);
    let store = SqliteStore::open(&path).unwrap();
    create(&store, &seats, ("User", "u4"), json!({"userName": "d"})).unwrap();
    assert_eq!(counts(&path), [12, 14]);
}

#[test]
fn capacity_is_counted_even_if_the_first_write_fails() {
    let (_directory, path) = file();
    let context = standard();
    let store = SqliteStore::open(&path).unwrap();
    create(&store, &context, ("User", "u1"), active("a")).unwrap();
    let seats = limited(&context, ACTIVE, 1);
    assert!(exceeded(&create(
        &store,
        &seats,
        ("User", "u2"),
        active("b")
    )));
    assert_eq!(counts(&path), [1, 1]);
    check_file(&path, &context);
}

#[test]
fn counters_are_adjusted_by_connections_without_the_capacity() {
    let (_directory, path) = file();
    let context = standard();
    let stores = [
        SqliteStore::open(&path).unwrap(),
        SqliteStore::open(&path).unwrap(),
    ];
    let seats = limited(&context, ACTIVE, 1_000);
    let doctors = limited(&context, "title eq \"Dr\"", 1_000);
    create(&stores[0], &seats, ("User", "u1"), active("a")).unwrap();
    create(&stores[1], &doctors, ("User", "u2"), active("b")).unwrap();
    create(
        &stores[0],
        &context,
        ("Group", "g1"),
        json!({"displayName": "g"}),
    )
    .unwrap();
    let before = counters(&path);
    assert_eq!(before.len(), 3, "{before:?}");
    shift(&path, 100);
    // Neither a membership, nor another type, nor another policy causes a recount.
    add_member(&stores[1], &context, "g1", "u1").unwrap();
    create(&stores[0], &doctors, ("User", "u3"), active("c")).unwrap();
    set(&stores[1], &context, ("User", "u3"), ("title", json!("Dr"))).unwrap();
    delete(&stores[0], &seats, ("User", "u2")).unwrap();
    assert_eq!(counts(&path), [101, 102, 102]);
    create(&stores[1], &seats, ("User", "u4"), active("d")).unwrap();
    assert_eq!(counts(&path), [101, 103, 103]);
}

#[test]
fn write_of_an_older_release_causes_a_recount() {
    let (_directory, path) = file();
    let context = standard();
    let store = SqliteStore::open(&path).unwrap();
    let seats = limited(&context, ACTIVE, 3);
    create(&store, &seats, ("User", "u1"), active("a")).unwrap();
    // Like a process that does not know counters.
    let db = Db::open(&path).unwrap();
    db.execute_batch(
        "BEGIN IMMEDIATE;
         UPDATE counter SET version = version + 1;
         INSERT INTO resource (tenant, kind, id, version, created_us, modified_us, shape, document)
         SELECT tenant, kind, 'u2', version + 1, created_us, modified_us, shape,
                '{\"userName\":\"b\",\"active\":true}' FROM resource;
         COMMIT;",
    )
    .unwrap();
    assert_eq!(total(&store, &context, "User"), 2);
    // A membership does not make an invalid counter valid.
    create(
        &store,
        &context,
        ("Group", "g1"),
        json!({"displayName": "g"}),
    )
    .unwrap();
    assert_eq!(counts(&path), [0_i64; 0]);
    create(&store, &seats, ("User", "u3"), active("c")).unwrap();
    assert_eq!(counts(&path), [3, 3]);
    assert!(exceeded(&create(
        &store,
        &seats,
        ("User", "u4"),
        active("d")
    )));
}

#[test]
fn counter_that_a_schema_cannot_read_is_recounted() {
    let (_directory, path) = file();
    let context = standard();
    let store = SqliteStore::open(&path).unwrap();
    let department = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department";
    let sales = limited(&context, &format!("{department} eq \"Sales\""), 2);
    let sold = |name| {
        json!({"userName": name,
               "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "sales"}})
    };
    create(&store, &sales, ("User", "u1"), sold("a")).unwrap();
    assert_eq!(counts(&path), [1, 1]);
    // Another process lacks this extension.
    let bare = Registry::builder()
        .schemas_json(
            r#"{"id": "urn:ietf:params:scim:schemas:core:2.0:User", "name": "User",
                "attributes": [{"name": "userName", "type": "string", "uniqueness": "server"}]}"#,
        )
        .unwrap()
        .resource_types_json(
            r#"{"name": "User", "endpoint": "/Users",
                "schema": "urn:ietf:params:scim:schemas:core:2.0:User"}"#,
        )
        .unwrap();
    let bare = crate::support::context(bare.build().unwrap());
    create(&store, &bare, ("User", "u2"), json!({"userName": "b"})).unwrap();
    assert_eq!(counts(&path), [2]);
    create(&store, &sales, ("User", "u3"), sold("c")).unwrap();
    assert_eq!(counts(&path), [2, 3]);
    assert!(exceeded(&create(&store, &sales, ("User", "u4"), sold("d"))));
}

#[test]
fn capacity_is_exact_for_writers_of_several_processes() {
    const SEATS: u64 = 25;
    let (_directory, path) = file();
    let context = standard();
    let seats = limited(&context, ACTIVE, SEATS);
    drop(SqliteStore::open(&path).unwrap());
    let write = |writer: usize| {
        // A separate store, like in another process.
        let store = SqliteStore::open(&path).unwrap();
        let mut created = 0;
        for n in 0..12 {
            let id = format!("u{writer}-{n}");
            match create(&store, &seats, ("User", &id), active(&id)) {
                Ok(_) => created += 1,
                Err(StoreError::CapacityExceeded { limit, .. }) => assert_eq!(limit, SEATS),
                Err(StoreError::Busy) => {}
                Err(other) => panic!("{other}"),
            }
        }
        created
    };
    let created: u64 = thread::scope(|threads| {
        let writers: Vec<_> = (0..4).map(|n| threads.spawn(move || write(n))).collect();
        writers.into_iter().map(|one| one.join().unwrap()).sum()
    });
    assert_eq!(created, SEATS);
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(total(&store, &context, "User"), SEATS);
    check_file(&path, &context);
}

#[test]
fn file_of_an_older_format_is_counted_when_it_is_opened() {
    let (_directory, path) = file();
    let db = Db::open(&path).unwrap();
    for migration in &SQLITE_MIGRATIONS[..5] {
        db.execute_batch(migration).unwrap();
    }
    db.execute_batch(
        "PRAGMA application_id = 0x5343494d; PRAGMA user_version = 5;
         INSERT INTO counter VALUES ('default', 2), ('half', 2);
         INSERT INTO import VALUES ('half', 1, 0);
         INSERT INTO resource (tenant, kind, id, version, created_us, modified_us, shape, document)
         VALUES ('default', 'User', '1', 1, 0, 0, '', '{\"userName\":\"a\"}'),
                ('default', 'Group', '2', 2, 0, 0, '', '{\"displayName\":\"b\"}'),
                ('half', 'User', '1', 1, 0, 0, '', '{\"userName\":\"a\"}');",
    )
    .unwrap();
    drop(db);
    let store = SqliteStore::open(&path).unwrap();
    let context = standard();
    assert_eq!(counts(&path), [1]);
    shift(&path, 10);
    assert_eq!(total(&store, &context, "User"), 11);
    assert_eq!(total(&store, &context, "Group"), 11);
}

#[test]
fn imported_tenant_is_counted_and_erased_one_is_not() {
    let (_directory, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    let context = standard();
    let seats = limited(&context, ACTIVE, 2);
    create(&store, &seats, ("User", "u1"), active("a")).unwrap();
    create(&store, &seats, ("User", "u2"), json!({"userName": "b"})).unwrap();
    let options = archive::ArchiveOptions::default();
    let (lines, _) = wait(archive::export_to(
        &store,
        &context.tenant,
        &options,
        Vec::new(),
    ))
    .unwrap();
    wait(store.erase_tenant(&context.tenant)).unwrap();
    assert_eq!(counts(&path), [0_i64; 0]);
    assert_eq!(total(&store, &context, "User"), 0);
    create(&store, &seats, ("User", "u9"), active("z")).unwrap();
    assert_eq!(counts(&path), [1, 1]);
    wait(store.erase_tenant(&context.tenant)).unwrap();
    wait(archive::import_from(
        &store,
        &context,
        &options,
        Cursor::new(lines),
    ))
    .unwrap();
    assert_eq!(counts(&path), [2]);
    shift(&path, 10);
    assert_eq!(total(&store, &context, "User"), 12);
    shift(&path, -10);
    create(&store, &seats, ("User", "u3"), active("c")).unwrap();
    assert!(exceeded(&create(
        &store,
        &seats,
        ("User", "u4"),
        active("d")
    )));
    check_file(&path, &context);
}

/// The next action of one of two processes.
#[derive(Debug, Clone)]
enum Act {
    Match(usize),
    Create(usize, bool),
    Delete(usize),
    Erase,
    Forget,
    Release,
    Set(usize, bool),
    /// Two creates and a failing delete, so that all of them are rolled back.
    Undone(usize),
}

fn act() -> impl Strategy<Value = Act> {
    let user = 0..6_usize;
    let flag = any::<bool>();
    prop_oneof![
        6 => (user.clone(), flag).prop_map(|(user, on)| Act::Create(user, on)),
        4 => (user.clone(), flag).prop_map(|(user, on)| Act::Set(user, on)),
        4 => user.clone().prop_map(Act::Delete),
        3 => user.clone().prop_map(Act::Match),
        1 => user.prop_map(Act::Undone),
        1 => one_of(vec![Act::Erase, Act::Forget, Act::Release]),
    ]
}

fn write(context: &RequestContext, act: &Act) -> Batch {
    let user = kind(context, "User");
    let id = |n: usize| ResourceId::from(format!("u{n}").as_str());
    let body = |n: usize, on| json!({"userName": format!("n{n}"), "active": on});
    let create = |n, on, existing_match| WriteOp::Create {
        change: Change::create(
            Arc::clone(&user),
            user.admit(body(n, on), &Tolerance::DEFAULT).unwrap(),
        ),
        existing_match,
        id: id(n),
    };
    let remove = |n| WriteOp::Delete {
        expect: ExpectedVersion::Any,
        id: id(n),
        kind: Arc::clone(&user),
    };
    let writes = match act {
        Act::Match(n) => {
            let by = Filter::parse("userName pr").unwrap();
            let by = user.bind_filter(&by, &Tolerance::DEFAULT).unwrap();
            vec![create(
                *n,
                true,
                Some(Box::new(ExistingMatch::new(MatchScope::Restorable, by))),
            )]
        }
        Act::Create(n, on) => vec![create(*n, *on, None)],
        Act::Delete(n) => vec![remove(*n)],
        Act::Erase | Act::Forget | Act::Release => Vec::new(),
        Act::Set(n, on) => {
            let mut change = Change::empty(Arc::clone(&user));
            let attr = user.attribute_id("active").unwrap();
            change.difference(attr, Some(&Value::Null), Some(json!(on)));
            let expect = ExpectedVersion::Any;
            let id = id(*n);
            vec![WriteOp::Update { change, expect, id }]
        }
        Act::Undone(n) => vec![
            create(n + 10, true, None),
            create(n + 20, true, None),
            remove(99),
        ],
    };
    let rule = match act {
        Act::Undone(_) => OnFailure::RollBack,
        _ => OnFailure::Continue,
    };
    Batch::new(second(0), writes).with_on_failure(rule)
}

/// Compares every counter with the resources.
fn check_counters(path: &Path) {
    let db = Db::open(path).unwrap();
    let sql = "SELECT k.predicate, k.count,
                   (SELECT count(*) FROM resource r
                    WHERE r.tenant = k.tenant AND r.kind = k.kind
                        AND (k.predicate = '' OR r.document LIKE '%\"active\":true%'))
               FROM resource_count k JOIN counter c USING (tenant)
               WHERE c.counted = c.version AND k.kind = 'User'";
    let mut statement = db.prepare(sql).unwrap();
    let mut rows = statement.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let (predicate, count, counted): (String, i64, i64) = (
            row.get(0).unwrap(),
            row.get(1).unwrap(),
            row.get(2).unwrap(),
        );
        assert_eq!(count, counted, "{predicate:?}");
    }
}

proptest! {
    #![proptest_config(Config { cases: 40, ..Config::default() })]

    #[test]
    fn counters_are_right_after_any_writes_of_two_processes(
        acts in proptest::collection::vec((0..2_usize, 0..3_usize, act()), 1..40)
    ) {
        let (_directory, path) = file();
        let stores = [SqliteStore::open(&path).unwrap(), SqliteStore::open(&path).unwrap()];
        let mut context = standard();
        context.cause.connection = Some(ConnectionId::from("crm"));
        let mut soft = limited(&context, ACTIVE, 2);
        Arc::make_mut(&mut soft.settings).policy.delete_policy = DeletePolicy::Soft;
        let scopes = [context.clone(), limited(&context, ACTIVE, 3), soft];
        for (store, policy, act) in acts {
            let store = &stores[store];
            let context = &scopes[policy];
            match &act {
                Act::Erase => drop(wait(store.erase_tenant(&context.tenant))),
                Act::Forget => drop(wait(store.purge_deleted(&context.tenant, second(9)))),
                Act::Release => {
                    drop(wait(store.remove_connection(
                        &context.tenant,
                        &"crm".into(),
                        chrono::DateTime::UNIX_EPOCH.into(),
                    )));
                }
                act => drop(wait(store.write(context, write(context, act)))),
            }
            check_counters(&path);
            let query = Query::new(kind(context, "User"));
            let page = wait(store.query(context, &query)).unwrap();
            prop_assert_eq!(page.total, Some(page.items.len() as u64));
        }
    }
}
