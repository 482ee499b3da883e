//! Exports to and imports from files, and between a file and memory.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

use scimkit_registry::ResourceId;
use scimkit_sqlite::{SqliteOptions, SqliteStore};
use scimkit_store::{
    Archive, Connection, DeadLetter, DeadLetters, DeletePolicy, Document, Journal, JournalPosition,
    KeyValueEdit, KeyValues, LeaseRequest, MemoryStore, StoreError, Tenant, TenantEntry, TenantId,
    TenantStore, TokenRecord, UnknownMemberPolicy,
    archive::{ArchiveRecord, DeletedRecord, Erased, TenantHeader, numbered},
    next_item,
};
use scimkit_testkit::contract::{
    archive::{self, FullStore},
    block_on,
};
use serde_json::json;

use crate::{
    consistent::check_lenient_file,
    support::{create, delete, file, second, select, standard, wait},
};

#[test]
fn files_keep_the_contract() {
    for check in archive::checks() {
        let ((_one, from), (_other, to)) = (file(), file());
        let open = |path| -> Arc<dyn FullStore> { Arc::new(SqliteStore::open(path).unwrap()) };
        let kept = check.run(open(&from), open(&to), &block_on);
        assert_eq!(kept, Ok(()), "{}", check.name());
        for path in [&from, &to] {
            check_lenient_file(path, &standard());
        }
    }
}

#[test]
fn tenant_is_the_same_after_moves_between_memory_and_a_database() {
    let memory = || -> Arc<dyn FullStore> { Arc::new(MemoryStore::new()) };
    let database = || -> Arc<dyn FullStore> { Arc::new(SqliteStore::in_memory().unwrap()) };
    archive::check(&memory, &database, &block_on).unwrap();
    archive::check(&database, &memory, &block_on).unwrap();
}

#[test]
fn nothing_is_left_of_an_erased_tenant() {
    let (_directory, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    let tenants = [TenantId::from("acme"), TenantId::from("other")];
    for (n, tenant) in (0..).zip(&tenants) {
        let mut context = standard();
        context.tenant = tenant.clone();
        let settings = Arc::make_mut(&mut context.settings);
        settings.policy.delete_policy = DeletePolicy::Soft;
        settings.policy.unknown_members = UnknownMemberPolicy::Accept;
        let entry = Tenant::new(tenant.clone(), "", second(0));
        let connection = Connection::new(tenant.clone(), "crm".into(), "", second(0));
        let token = TokenRecord::new(&connection, "1", [n; 32], second(0));
        let entries = vec![
            TenantEntry::Tenant(entry),
            TenantEntry::Connection(connection),
            TenantEntry::Token(token),
        ];
        wait(store.put(entries, second(0).into())).unwrap();
        // More rows than one step handles.
        let member = |n: usize| json!({"value": format!("m{n}")});
        let members: Vec<_> = (0..5_001).map(member).collect();
        let group = json!({"displayName": "g", "members": members});
        create(&store, &context, ("Group", "g1"), group).unwrap();
        for id in ["u1", "u2"] {
            create(&store, &context, ("User", id), json!({"userName": id})).unwrap();
        }
        delete(&store, &context, ("User", "u2")).unwrap();
        // As in a file of an older release.
        let db = rusqlite::Connection::open(&path).unwrap();
        let sql = "INSERT INTO keys_before (tenant, kind, fingerprint) VALUES (?1, 'User', '0')";
        db.execute(sql, [tenant.as_str()]).unwrap();
        let lease = LeaseRequest::new("events", "one", second(0), std::time::Duration::MAX);
        wait(store.lease(tenant, &lease)).unwrap();
        let position = JournalPosition { number: 1, part: 0 };
        let letter = DeadLetter::new("events", position, second(0), 1, "");
        wait(store.put_dead_letter(tenant, &letter)).unwrap();
        let value = KeyValueEdit::put("runs", "1", "");
        assert!(wait(store.edit_key_values(tenant, &[value])).unwrap());
    }
    let rows = |tenant: &TenantId| rows(&path, tenant);
    let [acme, other] = &tenants;
    let before = rows(other);
    assert_eq!(before.len(), 16);
    // No import is in progress.
    let is_kept = |(table, count): &(String, i64)| *count > 0 || table == "import";
    assert!(before.iter().all(is_kept), "{before:?}");
    assert_eq!(wait(store.erase_tenant(acme)).unwrap(), Erased::All);
    assert!(
        rows(acme).iter().all(|(_, count)| *count == 0),
        "{:?}",
        rows(acme)
    );
    assert_eq!(rows(other), before);
}

/// Returns the number of a tenant's rows in each table.
fn rows(path: &Path, tenant: &TenantId) -> Vec<(String, i64)> {
    let db = rusqlite::Connection::open(path).unwrap();
    let sql = "SELECT name FROM sqlite_schema s WHERE type = 'table' AND EXISTS
               (SELECT 1 FROM pragma_table_info(s.name) WHERE name = 'tenant')";
    let mut statement = db.prepare(sql).unwrap();
    let tables = statement
        .query_map([], |row| row.get::<_, String>(0))
        .unwrap();
    let count = |table: Result<String, _>| {
        let table = table.unwrap();
        let sql = format!("SELECT count(*) FROM {table} WHERE tenant = ?1");
        let count: i64 = db
            .query_row(&sql, [tenant.as_str()], |row| row.get(0))
            .unwrap();
        (table, count)
    };
    tables.map(count).collect()
}

/// Writes of others between the steps are removed, too: what remains started after the last step.
#[test]
fn erasure_removes_everything_despite_concurrent_writers() {
    const WRITES: usize = 20_000;
    let (_directory, path) = file();
    let context = {
        let mut context = standard();
        let settings = Arc::make_mut(&mut context.settings);
        settings.policy.unknown_members = UnknownMemberPolicy::Accept;
        context
    };
    let store = SqliteStore::open(&path).unwrap();
    let other = SqliteStore::open(&path).unwrap();
    let acme = &context.tenant;
    for round in 0..3 {
        let entry = TenantEntry::Tenant(Tenant::new(acme.clone(), "", second(0)));
        wait(store.put(vec![entry], second(0).into())).unwrap();
        let member = |n: usize| json!({"value": format!("m{n}")});
        let members: Vec<_> = (0..12_000).map(member).collect();
        let group = json!({"displayName": "g", "members": members});
        create(&store, &context, ("Group", "g1"), group).unwrap();
        let is_erased = AtomicBool::new(false);
        let (going, started) = mpsc::channel();
        // Writes one user after another, and returns their number.
        let writer = |store: &SqliteStore, name: &str, going: mpsc::Sender<()>| {
            let mut n = 0;
            while n < WRITES && !is_erased.load(Ordering::Acquire) {
                let id = format!("{name}{n:05}");
                let user = || create(store, &context, ("User", &id), json!({"userName": id}));
                while let Err(problem) = user() {
                    assert!(matches!(problem, StoreError::Busy), "{problem:?}");
                }
                n += 1;
                let crm = Connection::new(acme.clone(), "crm".into(), "", second(0));
                // The tenant does not exist any more, or the connection exists.
                drop(wait(
                    store.put(vec![TenantEntry::Connection(crm)], second(0).into()),
                ));
                going.send(()).unwrap();
            }
            n
        };
        let written = thread::scope(|threads| {
            let more = going.clone();
            let beside = threads.spawn(|| writer(&store, "a", going));
            let apart = threads.spawn(|| writer(&other, "b", more));
            started.recv().unwrap();
            let erased = wait(store.erase_tenant(acme));
            is_erased.store(true, Ordering::Release);
            assert_eq!(erased.unwrap(), Erased::All);
            [("a", beside.join().unwrap()), ("b", apart.join().unwrap())]
        });
        let left = rows(&path, acme);
        let left = |name: &str| left.iter().find(|(table, _)| table == name).unwrap().1;
        let gone = (left("tenant"), left("connection"), left("edge"));
        assert_eq!(gone, (0, 0, 0));
        check_lenient_file(&path, &standard());
        // Only the last consecutive users of each writer are left, and none from before.
        for (name, written) in written {
            let filter = format!(r#"userName sw "{name}""#);
            let ids = select(&store, &context, "User", &filter).unwrap();
            let last = written - ids.len()..written;
            let last: Vec<_> = last.map(|n| format!("{name}{n:05}")).collect();
            assert_eq!(ids, last, "round {round}");
        }
        wait(store.erase_tenant(acme)).unwrap();
        let left = rows(&path, acme);
        assert!(left.iter().all(|(_, count)| *count == 0), "{left:?}");
    }
}

#[test]
fn purge_takes_more_than_one_step() {
    const RETIRED: usize = 12_000;
    let (_directory, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    let context = standard();
    let start = TenantHeader::new(context.tenant.clone(), None, 1);
    let retired = (0..RETIRED).map(|n| {
        let user = format!(r#"{{"userName":"u{n}"}}"#);
        let deleted = second(if n % 3 == 0 { 9 } else { 5 });
        let id = ResourceId::from(format!("u{n:05}"));
        ArchiveRecord::Deleted(DeletedRecord::new(
            "User",
            id,
            second(0),
            deleted,
            Document::from_text(user),
        ))
    });
    let records = [ArchiveRecord::Start(start)].into_iter().chain(retired);
    wait(store.import_records(&context, numbered(records))).unwrap();
    let forgotten = wait(store.purge_deleted(&context.tenant, second(9))).unwrap();
    assert_eq!(forgotten, RETIRED as u64 * 2 / 3);
    let left = rows(&path, &context.tenant);
    let left = |name: &str| left.iter().find(|(table, _)| table == name).unwrap().1;
    assert_eq!((left("retired"), left("retired_key")), (4_000, 4_000));
    check_lenient_file(&path, &context);
}

#[test]
fn server_works_during_an_export() {
    const USERS: usize = 100;
    let (_directory, path) = file();
    let mut options = SqliteOptions::default();
    options.readers = 1;
    let store = Arc::new(SqliteStore::open_with(&path, &options).unwrap());
    let context = standard();
    for n in 0..USERS {
        let id = format!("u{n}");
        create(&store, &context, ("User", &id), json!({"userName": id})).unwrap();
    }
    // The consumer itself reads and writes in the middle of the export.
    let mut taken = 0;
    let mut records = store.export_records(&context.tenant);
    while let Some(record) = wait(Box::pin(next_item(&mut records))) {
        record.unwrap();
        let id = format!("new{taken}");
        create(&store, &context, ("User", &id), json!({"userName": id})).unwrap();
        taken += 1;
        let query = format!(r#"userName eq "{id}""#);
        assert_eq!(select(&store, &context, "User", &query).unwrap(), [id]);
    }
    // The tenant and the users that existed.
    assert_eq!(taken, USERS + 1);
}

#[test]
fn a_dropped_export_ends_its_transaction() {
    let (_directory, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    let context = standard();
    for n in 0..100 {
        let id = format!("u{n}");
        create(&store, &context, ("User", &id), json!({"userName": id})).unwrap();
    }
    let mut records = store.export_records(&context.tenant);
    wait(Box::pin(next_item(&mut records))).unwrap().unwrap();
    create(
        &store,
        &context,
        ("User", "new"),
        json!({"userName": "new"}),
    )
    .unwrap();
    // A reader of an older state prevents emptying the log.
    let is_busy = || {
        let db = rusqlite::Connection::open(&path).unwrap();
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
            row.get::<_, bool>(0)
        })
        .unwrap()
    };
    assert!(is_busy());
    drop(records);
    let since = std::time::Instant::now();
    while is_busy() {
        assert!(since.elapsed().as_secs() < 60, "the export goes on");
        thread::yield_now();
    }
}
