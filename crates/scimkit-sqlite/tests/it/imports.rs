//! Interrupted imports, and the effect of a long import on others.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{SyncSender, sync_channel},
    },
    thread,
};

use rusqlite::Connection as Db;
use scimkit_registry::ResourceId;
use scimkit_sqlite::SqliteStore;
use scimkit_store::{
    Archive, Document, Query, RequestContext, ResourceRef, Store, StoreError, Tenant, TenantId,
    TenantStore, Timestamps,
    archive::{
        ArchiveError, ArchiveRecord, Erased, MemberRecord, MembershipRecord, NumberedRecord,
        ResourceRecord, TenantHeader, numbered,
    },
    stream_from,
};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    consistent::check_lenient_file,
    support::{create, file, kind, second, select, standard, wait},
};

type Handed = Result<NumberedRecord, ArchiveError>;

const USERS: usize = 3_000;

fn acme() -> RequestContext {
    let mut context = standard();
    context.tenant = TenantId::from("acme");
    context
}

/// Returns a tenant with users, followed by a group of them.
fn records(users: usize) -> Vec<ArchiveRecord> {
    let acme = TenantId::from("acme");
    let mut entry = Tenant::new(acme.clone(), "Acme", second(0));
    entry.revision = 1;
    let version = |n: usize| scimkit_core::Version::new(n.to_string()).unwrap();
    let start = TenantHeader::new(acme, Some(entry), users as u64 + 1);
    let mut records = vec![ArchiveRecord::Start(start)];
    let id = |n: usize| ResourceId::from(format!("u{n:06}"));
    let at = Timestamps {
        created: second(0),
        last_modified: second(1),
    };
    records.extend((0..users).map(|n| {
        let user = format!(r#"{{"userName":"user{n}","title":"{}"}}"#, "x".repeat(300));
        let document = Document::from_text(user);
        ArchiveRecord::Resource(ResourceRecord::new(
            "User",
            id(n),
            version(n + 1),
            at,
            document,
        ))
    }));
    let document = Document::from_text(r#"{"displayName":"all"}"#);
    let group = ResourceId::from("x");
    let resource = ResourceRecord::new("Group", group.clone(), version(users + 1), at, document);
    records.push(ArchiveRecord::Resource(resource));
    let ids: Vec<_> = (0..users)
        .map(|n| MemberRecord {
            id: id(n),
            kind: None,
        })
        .collect();
    records.extend(ids.chunks(1_000).map(|piece| {
        let owner = ResourceRef {
            kind: "Group".to_owned(),
            id: group.clone(),
        };
        ArchiveRecord::Edges(MembershipRecord::new(owner, "members", piece.to_vec()))
    }));
    records
}

fn whole(
    store: &SqliteStore,
    context: &RequestContext,
    records: Vec<ArchiveRecord>,
) -> Result<(), ArchiveError> {
    wait(store.import_records(context, numbered(records)))
}

/// Imports records, and acts after all but the last one have been passed on.
fn before_the_end(
    store: &SqliteStore,
    context: &RequestContext,
    records: Vec<ArchiveRecord>,
    act: impl FnOnce(&SyncSender<Handed>),
) -> Result<(), ArchiveError> {
    let (hand, source) = sync_channel::<Handed>(0);
    thread::scope(|threads| {
        let import = threads.spawn(|| wait(store.import_records(context, stream_from(source))));
        for (line, record) in (1..).zip(records) {
            hand.send(Ok(NumberedRecord { line, record })).unwrap();
        }
        act(&hand);
        drop(hand);
        import.join().unwrap()
    })
}

/// Returns a copy of the file as a crash would leave it.
fn crashed(path: &Path) -> (TempDir, PathBuf) {
    let (directory, copy) = file();
    for end in ["", "-wal"] {
        let name = |path: &Path| PathBuf::from(format!("{}{end}", path.display()));
        fs::copy(name(path), name(&copy)).unwrap();
    }
    (directory, copy)
}

fn rows(path: &Path, table: &str) -> i64 {
    let db = Db::open(path).unwrap();
    let sql = format!("SELECT count(*) FROM {table} WHERE tenant = 'acme'");
    db.query_row(&sql, [], |row| row.get(0)).unwrap()
}

fn is_importing(store: &SqliteStore, context: &RequestContext) {
    let found = select(store, context, "User", "id pr");
    assert!(matches!(found, Err(StoreError::Importing)), "{found:?}");
    let made = create(store, context, ("User", "n"), json!({"userName": "n"}));
    assert!(matches!(made, Err(StoreError::Importing)), "{made:?}");
    let entry = wait(store.tenant(&context.tenant));
    assert!(matches!(entry, Err(StoreError::Importing)), "{entry:?}");
    assert_eq!(wait(store.tenants()).unwrap(), []);
}

fn has_all(store: &SqliteStore, context: &RequestContext) {
    let last = format!(r#"userName eq "user{}""#, USERS - 1);
    let id = format!("u{:06}", USERS - 1);
    assert_eq!(select(store, context, "User", &last).unwrap(), [id]);
    let query = Query::new(kind(context, "User"));
    let total = wait(store.query(context, &query)).unwrap().total;
    assert_eq!(total, Some(USERS as u64));
}

#[test]
fn crashed_import_is_ended_by_an_import_or_an_erasure() {
    let (_directory, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    let context = acme();
    let mut copies = Vec::new();
    let done = before_the_end(&store, &context, records(USERS), |_| {
        copies = vec![crashed(&path), crashed(&path)];
    });
    done.unwrap();
    let [(_one, again), (_other, erased)] = &copies[..] else {
        panic!("{copies:?}");
    };
    for copy in [again, erased] {
        let written = rows(copy, "resource");
        assert!((1..USERS as i64).contains(&written), "{written} rows");
        is_importing(&SqliteStore::open(copy).unwrap(), &context);
    }

    let store = SqliteStore::open(again).unwrap();
    whole(&store, &context, records(USERS)).unwrap();
    has_all(&store, &context);
    let tables = ["resource", "edge", "tenant", "import"].map(|table| rows(again, table));
    assert_eq!(tables, [USERS as i64 + 1, USERS as i64, 1, 0]);
    check_lenient_file(again, &context);

    let store = SqliteStore::open(erased).unwrap();
    assert_eq!(
        wait(store.erase_tenant(&context.tenant)).unwrap(),
        Erased::All
    );
    for table in ["resource", "edge", "tenant", "lookup_key", "import"] {
        assert_eq!(rows(erased, table), 0, "{table}");
    }
    create(&store, &context, ("User", "n"), json!({"userName": "n"})).unwrap();
}

#[test]
fn import_in_progress_is_invisible_to_another_process() {
    let (_directory, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    let context = acme();
    let other = SqliteStore::open(&path).unwrap();
    let others = standard();
    let done = before_the_end(&store, &context, records(USERS), |_| {
        is_importing(&other, &context);
        create(&other, &others, ("User", "o"), json!({"userName": "o"})).unwrap();
        assert_eq!(select(&other, &others, "User", "id pr").unwrap(), ["o"]);
    });
    done.unwrap();
    has_all(&other, &context);
}

#[test]
fn dropped_import_ends_and_a_later_one_succeeds() {
    let (_directory, path) = file();
    let store = Arc::new(SqliteStore::open(&path).unwrap());
    let context = acme();
    let (hand, source) = sync_channel::<Handed>(0);
    let mut import = store.import_records(&context, stream_from(source));
    let mut task = std::task::Context::from_waker(std::task::Waker::noop());
    // The writing thread wakes it; polling repeatedly works as well.
    let taken = thread::spawn(move || {
        for (line, record) in (1..).zip(records(USERS)) {
            if hand.send(Ok(NumberedRecord { line, record })).is_err() {
                return;
            }
        }
    });
    while rows(&path, "resource") == 0 {
        assert!(import.as_mut().poll(&mut task).is_pending());
        thread::yield_now();
    }
    drop(import);
    // The thread that reads the source ends.
    taken.join().unwrap();
    is_importing(&store, &context);
    whole(&store, &context, records(USERS)).unwrap();
    has_all(&store, &context);
    check_lenient_file(&path, &context);
}

/// Back-pressure: while the store can't write, at most two pieces are read from the source.
#[test]
fn import_reads_no_more_than_the_store_writes() {
    let (_directory, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    let context = acme();
    let taken = Arc::new(AtomicUsize::new(0));
    let taking = Arc::clone(&taken);
    let records = records(USERS).into_iter().inspect(move |_| {
        taking.fetch_add(1, Ordering::Relaxed);
    });
    let mut import = store.import_records(&context, numbered(records));
    let mut task = std::task::Context::from_waker(std::task::Waker::noop());
    while rows(&path, "import") == 0 {
        assert!(import.as_mut().poll(&mut task).is_pending());
        thread::yield_now();
    }
    let other = Db::open(&path).unwrap();
    other
        .busy_timeout(std::time::Duration::from_secs(60))
        .unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    for _ in 0..20_000 {
        assert!(import.as_mut().poll(&mut task).is_pending());
    }
    let while_locked = taken.load(Ordering::Relaxed);
    assert!(while_locked <= 2 * 512, "{while_locked} records");
    other.execute_batch("ROLLBACK").unwrap();
    wait(import).unwrap();
    assert_eq!(taken.load(Ordering::Relaxed), USERS + 5);
    has_all(&store, &context);
}

#[test]
fn a_failed_import_of_many_records_leaves_no_row() {
    let (_directory, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    let context = acme();
    let mut broken = records(USERS);
    broken.push(broken[1].clone());
    let line = broken.len() as u64;
    let failed = whole(&store, &context, broken);
    assert!(
        matches!(failed, Err(ArchiveError::Line { line: at, .. }) if at == line),
        "{failed:?}"
    );
    let tables = [
        "resource",
        "lookup_key",
        "edge",
        "tenant",
        "keys_before",
        "counter",
        "import",
    ];
    assert_eq!(tables.map(|table| rows(&path, table)), [0; 7]);
}

#[test]
fn the_write_ahead_log_stays_small_during_an_import() {
    const MOST: u64 = 10 << 20;
    let (_directory, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    let context = acme();
    whole(&store, &context, records(20_000)).unwrap();
    let log = fs::metadata(format!("{}-wal", path.display()))
        .unwrap()
        .len();
    let file = fs::metadata(&path).unwrap().len();
    assert!(log < MOST && file > MOST, "{log} bytes beside {file}");
}
