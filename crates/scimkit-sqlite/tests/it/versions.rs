//! Processes that serve one file under different schemas, as in a rolling upgrade.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use rusqlite::Connection;
use scimkit_core::message::SortOrder;
use scimkit_filter::Filter;
use scimkit_registry::{Change, Registry, ResourceId, Tolerance};
use scimkit_sql::reference::SQLITE_MIGRATIONS;
use scimkit_sqlite::{SqliteOptions, SqliteStore, Synchronous};
use scimkit_store::{
    Batch, DeletePolicy, Document, ExistingMatch, MatchScope, PageStart, Query, RequestContext,
    Settings, Sort, Store, StoreError, TenantId, WriteOp, WriteOutcome,
};
use serde_json::json;

use crate::{
    consistent::check_file,
    schema::{EXACT, FOLDED, UNIQUE, badges},
    support::{context, create, delete, file, kind, second, select, set, wait},
};

const EXACT_UNIQUE: &str = r#""type": "string", "uniqueness": "server", "caseExact": true"#;

/// Opens a store that never rebuilds keys by itself.
fn open(path: &Path) -> SqliteStore {
    let mut options = SqliteOptions::default();
    options.reindex_after = Duration::MAX;
    options.synchronous = Synchronous::Normal;
    SqliteStore::open_with(path, &options).unwrap()
}

/// Returns users with an additional attribute without an index.
fn with_attribute() -> RequestContext {
    let extension = r#"{"id": "urn:example:2.0:More", "name": "More", "attributes": [
        {"name": "badge", "type": "string"}]}"#;
    let user = r#"{"name": "User", "endpoint": "/Users",
        "schema": "urn:ietf:params:scim:schemas:core:2.0:User",
        "schemaExtensions": [
            {"schema": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
             "required": false},
            {"schema": "urn:example:2.0:More", "required": false}]}"#;
    let builder = Registry::builder().schemas_json(extension).unwrap();
    context(builder.resource_types_json(user).unwrap().build().unwrap())
}

/// Counts changes of lookup keys from now on.
fn count_keys(path: &Path) {
    let sql = "CREATE TABLE changed (what TEXT);
        CREATE TRIGGER key_put AFTER INSERT ON lookup_key
            BEGIN INSERT INTO changed VALUES ('put'); END;
        CREATE TRIGGER key_removed AFTER DELETE ON lookup_key
            BEGIN INSERT INTO changed VALUES ('removed'); END;";
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

fn count(path: &Path, sql: &str) -> i64 {
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(Duration::from_secs(5)).unwrap();
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn added_attribute_rebuilds_no_keys_and_texts_stay_sendable() {
    let (_directory, path) = file();
    let old = context(Registry::standard());
    let new = with_attribute();
    let first = open(&path);
    let second = open(&path);
    for n in 0..100 {
        let body = json!({"userName": format!("U{n}"), "title": "Dr"});
        create(&first, &old, ("User", &format!("{n:03}")), body).unwrap();
    }
    count_keys(&path);
    let users = [(&first, &old), (&second, &new)];
    for round in 0..6 {
        for (store, context) in users {
            let filter = format!(r#"userName eq "u{round}""#);
            assert_eq!(select(store, context, "User", &filter).unwrap().len(), 1);
            let page = wait(store.query(context, &Query::new(kind(context, "User")))).unwrap();
            assert_eq!(page.items.len(), 100);
            assert!(page.items.iter().all(|item| item.document.is_exact()));
            set(
                store,
                context,
                ("User", "007"),
                ("title", json!(round.to_string())),
            )
            .unwrap();
        }
    }
    assert_eq!(count(&path, "SELECT count(*) FROM changed"), 0);
    // The new attribute survives a write under the old schema, which does not show it.
    let badge = ("urn:example:2.0:More:badge", json!("b1"));
    set(&second, &new, ("User", "007"), badge).unwrap();
    set(&first, &old, ("User", "007"), ("title", json!("last"))).unwrap();
    let shown = |store: &SqliteStore, context: &RequestContext| {
        let filter = Filter::parse(r#"title eq "last""#).unwrap();
        let user = kind(context, "User");
        let predicate = user.bind_filter(&filter, &Tolerance::DEFAULT).unwrap();
        let page = wait(store.query(context, &Query::new(user).with_predicate(predicate))).unwrap();
        let [item] = &*page.items else {
            panic!("{page:?}")
        };
        item.document.clone()
    };
    let text = shown(&second, &new);
    assert!(text.is_exact() && badge_of(&text) == "b1", "{text:?}");
    assert!(!shown(&first, &old).is_exact());
    check_file(&path, &new);
}

fn badge_of(document: &Document) -> String {
    let document: serde_json::Value = serde_json::from_slice(document.text()).unwrap();
    document["urn:example:2.0:More"]["badge"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// Random numbers, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % bound
    }
}

/// Returns the meaning of a code under a schema.
fn seen(code: &str, is_exact: bool) -> String {
    if is_exact {
        code.to_owned()
    } else {
        code.to_lowercase()
    }
}

/// Compares every answer of one store with the codes.
fn check(
    store: &SqliteStore,
    context: &RequestContext,
    is_exact: bool,
    codes: &BTreeMap<String, Option<&str>>,
) {
    let ids = |holds: &dyn Fn(&str) -> bool| -> Vec<String> {
        let held = codes.iter().filter(|(_, code)| code.is_some_and(holds));
        held.map(|(id, _)| id.clone()).collect()
    };
    for code in ["a", "A", "Ab", "aB", "c"] {
        let wanted = seen(code, is_exact);
        let filter = format!(r#"code eq "{code}""#);
        let equal = ids(&|code| seen(code, is_exact) == wanted);
        assert_eq!(
            select(store, context, "Badge", &filter).unwrap(),
            equal,
            "{filter}"
        );
        let filter = format!(r#"not (code sw "{code}") and code pr"#);
        let others = ids(&|code| !seen(code, is_exact).starts_with(&wanted));
        assert_eq!(
            select(store, context, "Badge", &filter).unwrap(),
            others,
            "{filter}"
        );
    }
    for order in [SortOrder::Ascending, SortOrder::Descending] {
        let badge = kind(context, "Badge");
        let code = badge.attribute_id("code").unwrap();
        let mut query = Query::new(badge).with_sort(Some(Sort::new(code, order)));
        query.count = 3;
        let mut expected: Vec<_> = codes.iter().collect();
        expected.sort_by(|(a_id, a), (b_id, b)| {
            let key = |code: Option<&str>| (code.is_none(), code.map(|code| seen(code, is_exact)));
            let by_key = key(**a).cmp(&key(**b));
            let by_key = match order {
                SortOrder::Ascending => by_key,
                SortOrder::Descending => by_key.reverse(),
            };
            by_key.then_with(|| a_id.cmp(b_id))
        });
        let expected: Vec<_> = expected.into_iter().map(|(id, _)| id.clone()).collect();
        let mut found = Vec::new();
        loop {
            let page = wait(store.query(context, &query)).unwrap();
            assert_eq!(page.total, Some(codes.len() as u64));
            found.extend(page.items.iter().map(|item| item.id.to_string()));
            match page.next {
                Some(next) => query.start = PageStart::After(next),
                None => break,
            }
        }
        assert_eq!(found, expected, "{order:?}");
    }
}

#[test]
fn different_indexes_lead_to_right_results() {
    const CODES: [&str; 6] = ["a", "A", "ab", "Ab", "aB", "c"];
    for seed in 0..4 {
        let (_directory, path) = file();
        let versions = [
            (open(&path), badges(FOLDED, true), false),
            (open(&path), badges(EXACT, true), true),
            (open(&path), badges(FOLDED, false), false),
        ];
        let mut random = Random(seed);
        let mut codes: BTreeMap<String, Option<&str>> = BTreeMap::new();
        for step in 0..60 {
            let (store, context, _) = &versions[usize::try_from(random.below(3)).unwrap()];
            let code = CODES
                .get(usize::try_from(random.below(8)).unwrap())
                .copied();
            let known = codes.len() as u64;
            let id = (known > 0).then(|| {
                let at = usize::try_from(random.below(known)).unwrap();
                codes.keys().nth(at).unwrap().clone()
            });
            match (random.below(4), id) {
                (0, Some(id)) => {
                    delete(store, context, ("Badge", &id)).unwrap();
                    codes.remove(&id);
                }
                (1, Some(id)) => {
                    let value = code.map_or(json!(null), |code| json!(code));
                    set(store, context, ("Badge", &id), ("code", value)).unwrap();
                    codes.insert(id, code);
                }
                _ => {
                    let id = format!("{step:02}");
                    let body = code.map_or(json!({}), |code| json!({"code": code}));
                    create(store, context, ("Badge", &id), body).unwrap();
                    codes.insert(id, code);
                }
            }
            if step % 5 == 4 {
                for (store, context, is_exact) in &versions {
                    check(store, context, *is_exact, &codes);
                }
            }
        }
        for (store, context, is_exact) in &versions {
            wait(store.reindex(&context.tenant, &kind(context, "Badge"))).unwrap();
            check(store, context, *is_exact, &codes);
            check_file(&path, context);
        }
    }
}

#[test]
fn unique_values_stay_unique_whichever_schema_wrote_them() {
    let (_directory, path) = file();
    let folded = badges(UNIQUE, true);
    let exact = badges(EXACT_UNIQUE, true);
    let indexed = {
        let schema = r#"{"id": "urn:example:2.0:Badge", "name": "Badge", "attributes": [
            {"name": "displayName", "type": "string"},
            {"name": "code", "type": "string", "uniqueness": "server"}]}"#;
        let badge =
            r#"{"name": "Badge", "endpoint": "/Badges", "schema": "urn:example:2.0:Badge"}"#;
        let builder = Registry::builder().schemas_json(schema).unwrap();
        let builder = builder.resource_types_json(badge).unwrap();
        context(builder.index("Badge", "displayName").build().unwrap())
    };
    let one = open(&path);
    let two = open(&path);
    let put = |store: &SqliteStore, context: &RequestContext, id: &str, code: &str| match create(
        store,
        context,
        ("Badge", id),
        json!({"code": code}),
    ) {
        Ok(_) => true,
        Err(StoreError::Duplicate { attr }) if attr == "code" => false,
        Err(other) => panic!("{other:?}"),
    };
    assert!(put(&one, &folded, "1", "Ada"));
    assert!(!put(&two, &exact, "2", "Ada"));
    assert!(!put(&two, &indexed, "2", "aDA"));
    assert!(put(&two, &indexed, "2", "bo"));
    assert!(put(&two, &exact, "3", "ada"));
    assert!(!put(&one, &folded, "4", "ADA"));
    assert!(!put(&one, &folded, "4", "BO"));
    assert!(!put(&two, &exact, "4", "bo"));
    assert!(put(&one, &folded, "4", "cy"));
    let taken = set(&two, &exact, ("Badge", "3"), ("code", json!("cy")));
    assert!(matches!(taken, Err(StoreError::Duplicate { .. })));
    // A resource does not conflict with its own value, also if its keys have another definition.
    set(&two, &exact, ("Badge", "4"), ("code", json!("Cy"))).unwrap();
    set(&one, &folded, ("Badge", "4"), ("code", json!("cY"))).unwrap();
}

#[test]
fn deleted_resources_are_found_again_under_another_schema() {
    let (_directory, path) = file();
    let retiring = |mut context: RequestContext| {
        let mut settings = Settings::clone(&context.settings);
        settings.policy.delete_policy = DeletePolicy::Soft;
        context.settings = Arc::new(settings);
        context
    };
    let old = retiring(badges(FOLDED, true));
    let new = retiring(badges(EXACT, true));
    let first = open(&path);
    let second_store = open(&path);
    for (id, code) in [("1", "Ada"), ("2", "ada")] {
        create(&first, &old, ("Badge", id), json!({"code": code})).unwrap();
        delete(&first, &old, ("Badge", id)).unwrap();
    }
    let existing_match = |context: &RequestContext| {
        let badge = kind(context, "Badge");
        let filter = Filter::parse(r#"code eq "Ada""#).unwrap();
        let by = badge.bind_filter(&filter, &Tolerance::DEFAULT).unwrap();
        let body = badge
            .admit(json!({"code": "Ada"}), &Tolerance::DEFAULT)
            .unwrap();
        let write = WriteOp::Create {
            change: Change::create(badge, body),
            existing_match: Some(Box::new(ExistingMatch::new(MatchScope::Restorable, by))),
            id: ResourceId::from("9"),
        };
        Batch::new(second(9), vec![write])
    };
    let mut written = wait(second_store.write(&new, existing_match(&new))).unwrap();
    let written = written.pop().unwrap().unwrap();
    assert_eq!(written.outcome, WriteOutcome::Restored);
    let ids = "SELECT group_concat(id) FROM retired";
    let left: String = Connection::open(&path)
        .unwrap()
        .query_row(ids, [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, "2");
}

#[test]
fn keys_are_rebuilt_while_others_write() {
    const RESOURCES: usize = 3_000;
    let (_directory, path) = file();
    let store = open(&path);
    fill(&store, RESOURCES);
    let new = badges(EXACT, true);
    let mut other = badges(FOLDED, true);
    other.tenant = TenantId::from("other");
    let is_done = AtomicBool::new(false);
    let writes = AtomicU32::new(0);
    let reindexed = thread::scope(|threads| {
        threads.spawn(|| {
            for n in 0.. {
                if is_done.load(Ordering::Acquire) {
                    break;
                }
                create(
                    &store,
                    &other,
                    ("Badge", &format!("o{n}")),
                    json!({"code": "o"}),
                )
                .unwrap();
                writes.fetch_add(1, Ordering::AcqRel);
            }
        });
        let before = writes.load(Ordering::Acquire);
        let reindexed = wait(store.reindex(&new.tenant, &kind(&new, "Badge"))).unwrap();
        let between = writes.load(Ordering::Acquire) - before;
        is_done.store(true, Ordering::Release);
        assert!(between >= 3, "{between} writes came in between");
        reindexed
    });
    assert_eq!(reindexed.resources, RESOURCES as u64);
    let query = "SELECT count(DISTINCT keys) FROM resource WHERE tenant = 'default'";
    assert_eq!(count(&path, query), 1);
    check_file(&path, &new);
}

/// Queries rebuild outdated keys once no process uses another schema.
#[test]
fn queries_rebuild_outdated_keys_once_no_other_schema_is_used() {
    let (_directory, path) = file();
    let patient = SqliteStore::open(&path).unwrap();
    fill(&patient, 600);
    let new = badges(EXACT, true);
    let outdated = format!(
        "SELECT count(*) FROM resource WHERE keys <> '{}'",
        kind(&new, "Badge").key_fingerprint()
    );
    let ask = |store: &SqliteStore| {
        let found = select(store, &new, "Badge", r#"code eq "C7""#).unwrap();
        assert_eq!(found, ["00007"]);
    };
    for _ in 0..3 {
        ask(&patient);
    }
    create(&patient, &new, ("Badge", "x"), json!({})).unwrap();
    assert_eq!(
        count(&path, &outdated),
        600,
        "the other schema was just used"
    );
    let mut options = SqliteOptions::default();
    options.reindex_after = Duration::ZERO;
    let store = SqliteStore::open_with(&path, &options).unwrap();
    for step in 0.. {
        ask(&store);
        let left = count(&path, &outdated);
        assert!(step < 1_000, "{left} rows are left");
        if left == 0 {
            break;
        }
    }
    check_file(&path, &new);
}

/// Creates this many resources under the old schema.
fn fill(store: &SqliteStore, resources: usize) {
    let old = badges(FOLDED, true);
    let badge = kind(&old, "Badge");
    let write = |n: usize| {
        let body = json!({"code": format!("C{n}"), "displayName": format!("Badge {n}")});
        WriteOp::Create {
            change: Change::create(
                Arc::clone(&badge),
                badge.admit(body, &Tolerance::DEFAULT).unwrap(),
            ),
            existing_match: None,
            id: ResourceId::from(format!("{n:05}")),
        }
    };
    let writes = (0..resources).map(write).collect();
    let written = wait(store.write(&old, Batch::new(second(0), writes))).unwrap();
    assert!(written.iter().all(Result::is_ok));
}

const FILE: &str = "SCIMKIT_REINDEX_FILE";

#[test]
fn process_killed_during_a_rebuild_of_keys_loses_nothing() {
    const RESOURCES: usize = 4_000;
    let (_directory, path) = file();
    let store = open(&path);
    fill(&store, RESOURCES);
    let new = badges(EXACT, true);
    let badge = kind(&new, "Badge");
    let keyed = format!(
        "SELECT count(*) FROM resource WHERE keys = '{}'",
        badge.key_fingerprint()
    );
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "versions::reindexing_child", "--nocapture"])
        .env(FILE, &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().ends_with("started")));
    while count(&path, &keyed) == 0 {
        thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let done = u64::try_from(count(&path, &keyed)).unwrap();
    check_file(&path, &new);
    for (filter, expected) in [
        (r#"code eq "C7""#, 1),
        (r#"code eq "c7""#, 0),
        ("code pr", RESOURCES as u64),
    ] {
        let filter = Filter::parse(filter).unwrap();
        let predicate = badge.bind_filter(&filter, &Tolerance::DEFAULT).unwrap();
        let query = Query::new(Arc::clone(&badge)).with_predicate(predicate);
        assert_eq!(
            wait(store.query(&new, &query)).unwrap().total,
            Some(expected)
        );
    }
    let rest = wait(store.reindex(&new.tenant, &badge)).unwrap();
    assert_eq!(rest.resources + done, RESOURCES as u64);
    assert!(rest.resources < RESOURCES as u64, "nothing was done before");
    check_file(&path, &new);
}

#[test]
fn reindexing_child() {
    let Ok(path) = std::env::var(FILE) else {
        return;
    };
    let store = SqliteStore::open(path).unwrap();
    let new = badges(EXACT, true);
    println!("\nstarted");
    wait(store.reindex(&new.tenant, &kind(&new, "Badge"))).unwrap();
}

/// Creates a file in the format before keys named their definition, with the keys of its one resource.
fn older_file(path: &Path, fingerprint: &str) {
    let db = Connection::open(path).unwrap();
    for migration in &SQLITE_MIGRATIONS[..3] {
        db.execute_batch(migration).unwrap();
    }
    db.execute_batch(&format!(
        "PRAGMA application_id = 0x5343494d; PRAGMA user_version = 3;
         INSERT INTO counter VALUES ('default', 2);
         INSERT INTO kind VALUES ('default', 'Badge', '{fingerprint}');
         INSERT INTO resource (tenant, kind, id, version, created_us, modified_us, display, shape,
                               document)
         VALUES ('default', 'Badge', '1', 1, 1000, 1000, NULL, '{fingerprint}',
                 '{{\"schemas\":[\"urn:example:2.0:Badge\"],\"code\":\"Aa\"}}');
         INSERT INTO lookup_key VALUES ('default', 'Badge', 'code', 'aa', '1', 1);
         INSERT INTO retired (tenant, kind, id, created_us, retired_us, document)
         VALUES ('default', 'Badge', '2', 1000, 2000, '{{\"code\":\"B\"}}');
         INSERT INTO retired_key VALUES ('default', 'Badge', 'code', 'b', '2');"
    ))
    .unwrap();
}

#[test]
fn older_file_keeps_its_keys() {
    let old = badges(UNIQUE, true);
    let new = badges(EXACT_UNIQUE, true);
    for is_served_first in [true, false] {
        let (_directory, path) = file();
        older_file(&path, &kind(&old, "Badge").fingerprint().to_string());
        let store = open(&path);
        if is_served_first {
            assert_eq!(
                select(&store, &old, "Badge", r#"code eq "AA""#).unwrap(),
                ["1"]
            );
            let taken = create(&store, &old, ("Badge", "3"), json!({"code": "AA"}));
            assert!(matches!(taken, Err(StoreError::Duplicate { .. })));
            create(&store, &old, ("Badge", "3"), json!({"code": "c"})).unwrap();
            let page = wait(store.query(&old, &Query::new(kind(&old, "Badge")))).unwrap();
            assert!(page.items.iter().all(|item| item.document.is_exact()));
        }
        assert_eq!(
            select(&store, &new, "Badge", r#"code eq "Aa""#).unwrap(),
            ["1"]
        );
        assert!(
            select(&store, &new, "Badge", r#"code eq "aa""#)
                .unwrap()
                .is_empty()
        );
        let taken = create(&store, &new, ("Badge", "4"), json!({"code": "Aa"}));
        assert!(matches!(taken, Err(StoreError::Duplicate { .. })));
        let reindexed = wait(store.reindex(&new.tenant, &kind(&new, "Badge"))).unwrap();
        assert_eq!(reindexed.resources, 2 + u64::from(is_served_first));
        assert_eq!(
            select(&store, &new, "Badge", r#"code eq "Aa""#).unwrap(),
            ["1"]
        );
        drop(store);
        check_file(&path, &new);
    }
}
