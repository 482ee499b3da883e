//! Erased names are neither in the file nor in the files next to it.

use std::{
    fs,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rusqlite::Connection as Db;
use scimkit_registry::{Change, Edge, EdgeEdit, Registry, ResourceId, Tolerance};
use scimkit_sqlite::{OpenError, SqliteOptions, SqliteStore, Synchronous};
use scimkit_store::{
    Archive, Batch, Connection, DeletePolicy, ExpectedVersion, Journal, JournalLevel, JournalQuery,
    RequestContext, Settings, Store, StoreError, Tenant, TenantEntry, TenantId, TenantStore,
    TokenRecord, WriteOp,
};
use serde_json::json;

use crate::{
    consistent::check_file,
    support::{context, file, kind, second, select, set, wait},
};

/// A word in every name of the erased users.
const MARK: &str = "Zyxwvut";
/// A word in the names of the other users.
const OTHER: &str = "Remains";

fn of(tenant: &str, deletes: DeletePolicy) -> RequestContext {
    let mut context = context(Registry::standard());
    context.tenant = TenantId::from(tenant);
    let mut settings = Settings::clone(&context.settings);
    settings.policy.delete_policy = deletes;
    context.settings = Arc::new(settings);
    context
}

fn open(path: &Path) -> SqliteStore {
    let mut options = SqliteOptions::default();
    options.synchronous = Synchronous::Normal;
    SqliteStore::open_with(path, &options).unwrap()
}

/// Returns an id without meaning, like those of the server.
fn id_of(mark: &str, n: usize) -> String {
    let first = mark.bytes().next().unwrap_or_default();
    format!("{:05}-{first}-{n}", (n * 7_919) % 10_007)
}

/// Creates users and a group of them, in many transactions, so that pages are split and moved.
fn fill(store: &SqliteStore, context: &RequestContext, mark: &str, users: std::ops::Range<usize>) {
    let user = kind(context, "User");
    let group = kind(context, "Group");
    let create = |id: String, body| {
        let kind = if id.starts_with('g') { &group } else { &user };
        let body = kind.admit(body, &Tolerance::DEFAULT).unwrap();
        let change = Change::create(Arc::clone(kind), body);
        let existing_match = None;
        let id = ResourceId::from(id);
        WriteOp::Create {
            change,
            existing_match,
            id,
        }
    };
    let ids: Vec<usize> = users.collect();
    for some in ids.chunks(50) {
        let body = |n: usize| {
            // Neither the order of ids nor that of names is the order of creation.
            let spread = (n * 7_919) % 10_007;
            let body = json!({
                "userName": format!("{spread}-{mark}-{n}"),
                "displayName": format!("{mark} {spread}"),
                "title": format!("{mark} {}", "long ".repeat(n % 90)),
                "emails": [{"value": format!("{mark}.{spread}@example.com")}],
            });
            create(id_of(mark, n), body)
        };
        let writes = some.iter().map(|n| body(*n)).collect();
        let written = wait(store.write(context, Batch::new(second(0), writes))).unwrap();
        assert!(written.iter().all(Result::is_ok), "{written:?}");
    }
    let first = ids.first().copied().unwrap_or_default();
    let id = format!("g{}", id_of(mark, first));
    let body = json!({"displayName": format!("Group {mark} {first}")});
    let made = wait(store.write(
        context,
        Batch::new(second(0), vec![create(id.clone(), body)]),
    ))
    .unwrap();
    assert!(made.iter().all(Result::is_ok), "{made:?}");
    let mut change = Change::empty(Arc::clone(&group));
    let add = ids.iter().map(|n| Edge::to(id_of(mark, *n)));
    let add = add.collect();
    let remove = Vec::new();
    change.edit_edges(
        group.attribute_id("members").unwrap(),
        EdgeEdit::Delta { add, remove },
    );
    let update = WriteOp::Update {
        change,
        expect: ExpectedVersion::Any,
        id: id.into(),
    };
    let updated = wait(store.write(context, Batch::new(second(1), vec![update]))).unwrap();
    assert!(updated.iter().all(Result::is_ok), "{updated:?}");
}

/// Returns how often a text is in the file and those next to it, ignoring case.
fn occurrences(path: &Path, text: &str) -> usize {
    let text = text.to_ascii_lowercase();
    let mut count = 0;
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        let mut bytes = fs::read(name).unwrap_or_default();
        bytes.make_ascii_lowercase();
        let found = bytes
            .windows(text.len())
            .filter(|bytes| *bytes == text.as_bytes());
        count += found.count();
    }
    count
}

/// Waits until a text occurs at most this often; the log is emptied soon after the last write.
fn wait_until_gone(path: &Path, text: &str, most: usize) {
    let since = Instant::now();
    loop {
        let left = occurrences(path, text);
        if left <= most {
            return;
        }
        assert!(
            since.elapsed() < Duration::from_secs(120),
            "{left} occurrences of {text}"
        );
        thread::sleep(Duration::from_millis(100));
    }
}

fn delete_all(store: &SqliteStore, context: &RequestContext, mark: &str, path: &Path) {
    for name in ["User", "Group"] {
        let db = Db::open(path).unwrap();
        let sql = "SELECT id FROM resource WHERE tenant = ?1 AND kind = ?2 AND document LIKE ?3";
        let mut statement = db.prepare(sql).unwrap();
        let like = format!("%{mark}%");
        let ids = statement.query_map((context.tenant.as_str(), name, like), |row| row.get(0));
        let ids: Vec<String> = ids.unwrap().map(Result::unwrap).collect();
        drop(statement);
        drop(db);
        // Every third one, so that pages keep some rows and are joined with others.
        for start in 0..3 {
            for id in ids.iter().skip(start).step_by(3) {
                let kind = kind(context, name);
                let expect = ExpectedVersion::Any;
                let write = WriteOp::Delete {
                    expect,
                    id: id.as_str().into(),
                    kind,
                };
                let done = wait(store.write(context, Batch::new(second(2), vec![write]))).unwrap();
                assert!(done.iter().all(Result::is_ok), "{done:?}");
            }
        }
    }
}

#[test]
fn erased_tenant_leaves_no_name_in_the_file() {
    let (_directory, path) = file();
    let store = open(&path);
    let erased = of("acme", DeletePolicy::Soft);
    let other = of("other", DeletePolicy::Permanent);
    for (n, (tenant, mark)) in (1..).zip([(&erased, MARK), (&other, OTHER)]) {
        let id = tenant.tenant.clone();
        let entry = Tenant::new(id.clone(), format!("{mark} Inc."), second(0));
        let connection = Connection::new(id, "crm".into(), entry.name.clone(), second(0));
        let token = TokenRecord::new(&connection, "1", [n; 32], second(0));
        let entries = vec![
            TenantEntry::Tenant(entry),
            TenantEntry::Connection(connection),
            TenantEntry::Token(token),
        ];
        wait(store.put(entries, chrono::DateTime::UNIX_EPOCH.into())).unwrap();
    }
    // In turns, so that both have rows on the same pages.
    for step in 0..6 {
        fill(&store, &erased, MARK, step * 100..step * 100 + 100);
        fill(&store, &other, OTHER, step * 100..step * 100 + 100);
    }
    let id = ResourceId::from(id_of(MARK, 0));
    set(
        &store,
        &erased,
        ("User", id.as_str()),
        ("title", json!("Zyxwvut anew")),
    )
    .unwrap();
    assert!(occurrences(&path, MARK) > 1_000);
    wait(store.erase_tenant(&erased.tenant)).unwrap();
    assert_eq!(occurrences(&path, MARK), 0);
    assert_eq!(
        occurrences(
            &path,
            "\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}"
        ),
        0
    );
    assert!(occurrences(&path, OTHER) > 1_000);
    drop(store);
    assert_eq!(occurrences(&path, MARK), 0);
}

#[test]
fn deleted_resources_are_overwritten_in_the_file() {
    for deletes in [DeletePolicy::Permanent, DeletePolicy::Soft] {
        let (_directory, path) = file();
        let store = open(&path);
        let context = of("default", deletes);
        for step in 0..3 {
            fill(&store, &context, MARK, step * 100..step * 100 + 100);
            fill(&store, &context, OTHER, step * 100..step * 100 + 100);
        }
        let before = occurrences(&path, MARK);
        assert!(before > 1_000);
        delete_all(&store, &context, MARK, &path);
        if deletes == DeletePolicy::Soft {
            assert!(occurrences(&path, MARK) > 300, "kept to come back");
            let count = wait(store.purge_deleted(&context.tenant, second(100))).unwrap();
            assert_eq!(count, 303);
            // Without waiting for the log to be emptied.
            assert!(occurrences(&path, MARK) <= before / 1_000);
        }
        wait_until_gone(&path, MARK, 0);
        assert!(occurrences(&path, OTHER) > 1_000);
        drop(store);
        SqliteStore::compact(&path).unwrap();
        assert_eq!(occurrences(&path, MARK), 0);
    }
}

/// SQLite reorganises pages as rows are inserted and removed, and leaves copies of rows between the others.
#[test]
fn removed_names_are_overwritten_on_pages_with_other_rows() {
    for deletes in [DeletePolicy::Permanent, DeletePolicy::Soft] {
        let (_directory, path) = file();
        let store = open(&path);
        let context = of("default", deletes);
        for step in 0..3 {
            fill(&store, &context, MARK, step * 100..step * 100 + 100);
            fill(&store, &context, OTHER, step * 100..step * 100 + 100);
            for n in (0..step * 100).step_by(7) {
                // Documents grow and shrink, which moves their neighbours.
                let title = json!("longer ".repeat(n % 60 + 1));
                let user = id_of(MARK, n);
                set(&store, &context, ("User", &user), ("title", title)).unwrap();
                let user = id_of(OTHER, n);
                let title = json!("longer ".repeat((n * 3) % 60 + 1));
                set(&store, &context, ("User", &user), ("title", title)).unwrap();
            }
        }
        delete_all(&store, &context, MARK, &path);
        if deletes == DeletePolicy::Soft {
            wait(store.purge_deleted(&context.tenant, second(100))).unwrap();
        }
        wait_until_gone(&path, MARK, 0);
        assert!(occurrences(&path, OTHER) > 1_000);
        let found = select(&store, &context, "User", r#"displayName eq "remains 7919""#).unwrap();
        assert_eq!(found, [id_of(OTHER, 1)]);
        drop(store);
        check_file(&path, &context);
    }
}

#[test]
fn changed_values_and_tokens_leave_nothing_in_the_file() {
    let (_directory, path) = file();
    let store = open(&path);
    let context = of("default", DeletePolicy::Permanent);
    fill(&store, &context, OTHER, 0..50);
    let tenant = Tenant::new(context.tenant.clone(), "", second(0));
    let connection = Connection::new(context.tenant.clone(), "crm".into(), MARK, second(0));
    let mut token = TokenRecord::new(
        &connection,
        "1",
        *b"0123456789Zyxwvut0123456789abcde",
        second(0),
    );
    token.name = MARK.to_owned();
    let entries = vec![
        TenantEntry::Tenant(tenant),
        TenantEntry::Connection(connection),
        TenantEntry::Token(token),
    ];
    wait(store.put(entries, chrono::DateTime::UNIX_EPOCH.into())).unwrap();
    let id = id_of(OTHER, 0);
    let user = ("User", id.as_str());
    for path in ["title", "displayName", "userName"] {
        set(
            &store,
            &context,
            user,
            (path, json!(format!("{MARK} {path}"))),
        )
        .unwrap();
    }
    for path in ["title", "displayName", "userName"] {
        set(&store, &context, user, (path, json!("x"))).unwrap();
    }
    wait(store.remove_connection(
        &context.tenant,
        &"crm".into(),
        chrono::DateTime::UNIX_EPOCH.into(),
    ))
    .unwrap();
    wait_until_gone(&path, MARK, 0);
}

/// A reader of an older state holds the log, and other requests wait only briefly for it.
#[test]
fn reader_delays_only_the_emptying_of_the_log() {
    let (_directory, path) = file();
    let store = open(&path);
    let erased = of("acme", DeletePolicy::Permanent);
    let other = of("other", DeletePolicy::Permanent);
    fill(&store, &erased, MARK, 0..100);
    let reader = Db::open(&path).unwrap();
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM resource;")
        .unwrap();
    fill(&store, &other, OTHER, 0..50);
    wait(store.erase_tenant(&erased.tenant)).unwrap();
    assert!(occurrences(&path, MARK) > 0);
    fill(&store, &other, OTHER, 50..100);
    drop(reader);
    wait_until_gone(&path, MARK, 0);
}

/// The rest is overwritten in short transactions, for seconds.
#[test]
fn another_process_writes_while_removed_rows_are_overwritten() {
    let (_directory, path) = file();
    let store = open(&path);
    let mut options = SqliteOptions::default();
    options.busy_timeout = Duration::from_secs(1);
    let other = SqliteStore::open_with(&path, &options).unwrap();
    let context = of("default", DeletePolicy::Permanent);
    for step in 0..3 {
        fill(&store, &context, MARK, step * 200..step * 200 + 200);
        fill(&store, &context, OTHER, step * 200..step * 200 + 200);
    }
    delete_all(&store, &context, MARK, &path);
    let since = Instant::now();
    let (mut written, mut busy) = (0, 0);
    for n in (0..600).cycle() {
        let id = id_of(OTHER, n);
        let title = json!(format!("title {n}"));
        match set(&other, &context, ("User", &id), ("title", title)) {
            // On a busy machine, a turn may come late.
            Err(StoreError::Busy) => busy += 1,
            answer => {
                answer.unwrap();
                written += 1;
            }
        }
        if since.elapsed() > Duration::from_secs(6) {
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    assert!(written > 10 * busy, "{written} written, {busy} busy");
    wait_until_gone(&path, MARK, 0);
}

/// Rows that moved between pages may have left copies; a compacted file has none.
#[test]
fn compacted_file_has_no_trace_of_deleted_rows() {
    let (_directory, path) = file();
    let store = open(&path);
    let context = of("default", DeletePolicy::Permanent);
    for step in 0..3 {
        fill(&store, &context, MARK, step * 100..step * 100 + 100);
        fill(&store, &context, OTHER, step * 100..step * 100 + 100);
    }
    let ids = |mark: &str| {
        let sql = "SELECT group_concat(id) FROM resource WHERE document LIKE ?1";
        let db = Db::open(&path).unwrap();
        let ids: String = db
            .query_row(sql, [format!("%{mark}%")], |row| row.get(0))
            .unwrap();
        ids
    };
    let deleted = ids(MARK);
    delete_all(&store, &context, MARK, &path);
    // The journal contains the ids of deleted resources until it is trimmed.
    let until = chrono::DateTime::<chrono::Utc>::MAX_UTC;
    wait(store.trim(&context.tenant, until)).unwrap();
    let rest = ids(OTHER);
    assert!(matches!(SqliteStore::compact(&path), Err(OpenError::InUse)));
    drop(store);
    let compacted = SqliteStore::compact(&path).unwrap();
    assert!(compacted.after < compacted.before, "{compacted:?}");
    assert_eq!(fs::metadata(&path).unwrap().len(), compacted.after);
    for gone in deleted.split(',').chain([MARK]) {
        assert_eq!(occurrences(&path, gone), 0, "{gone}");
    }
    let store = open(&path);
    assert_eq!(ids(OTHER), rest);
    let found = select(&store, &context, "User", r#"displayName eq "remains 7919""#).unwrap();
    assert_eq!(found, [id_of(OTHER, 1)]);
    drop(store);
    check_file(&path, &context);
    let missing = SqliteStore::compact(path.with_extension("none"));
    assert!(matches!(missing, Err(OpenError::Sqlite(_))));
}

/// At the level that records values, the journal contains names until their resources are purged.
#[test]
fn entries_of_purged_resources_leave_no_name_in_the_file() {
    let (_directory, path) = file();
    let store = open(&path);
    let mut context = of("default", DeletePolicy::Soft);
    Arc::make_mut(&mut context.settings).policy.journal.level = JournalLevel::Full;
    fill(&store, &context, MARK, 0..300);
    fill(&store, &context, OTHER, 0..300);
    delete_all(&store, &context, MARK, &path);
    assert!(occurrences(&path, MARK) > 600);
    wait(store.purge_deleted(&context.tenant, second(9_999))).unwrap();
    // As after single deletes, a reorganised page may have left copies.
    wait_until_gone(&path, MARK, 20);
    let query = JournalQuery::latest().with_limit(JournalQuery::MAX_LIMIT);
    let page = wait(store.entries(&context.tenant, &query)).unwrap().page();
    assert!(
        page.unwrap()
            .entries
            .iter()
            .any(|entry| entry.body.is_none())
    );
    wait(store.erase_tenant(&context.tenant)).unwrap();
    wait_until_gone(&path, OTHER, 0);
}

#[test]
fn trimmed_entries_leave_no_name_in_the_file() {
    let (_directory, path) = file();
    let store = open(&path);
    let mut context = of("default", DeletePolicy::Permanent);
    Arc::make_mut(&mut context.settings).policy.journal.level = JournalLevel::Full;
    fill(&store, &context, MARK, 0..300);
    delete_all(&store, &context, MARK, &path);
    assert!(occurrences(&path, MARK) > 600);
    wait(store.trim(&context.tenant, second(9_999))).unwrap();
    wait_until_gone(&path, MARK, 20);
}
