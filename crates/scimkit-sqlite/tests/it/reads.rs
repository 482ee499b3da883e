//! Slow reads: what stops them, and who does not wait for them.

use std::{
    pin::Pin,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use rusqlite::Connection as Database;
use scimkit_core::message::SortOrder;
use scimkit_filter::Filter;
use scimkit_registry::{Budget, Exhausted, ResourceId, Tolerance};
use scimkit_sqlite::{SqliteOptions, SqliteStore};
use scimkit_store::{
    BoxFuture, Connection, EdgeQuery, Page, Query, ReadOptions, RequestContext, Sort, Store,
    StoreError, StoredResource, Tenant, TenantEntry, TenantId, TenantStore, TokenRecord, Written,
};
use serde_json::json;

use crate::support::{add_member, create, creation, file, kind, second, select, standard, wait};

/// Queries that SQL decides, that are evaluated per document, and that are sorted here.
const QUERIES: [(&str, Option<&str>); 4] = [
    (r#"userName co "user""#, None),
    (r#"title co "nobody" or nickName co "nobody""#, None),
    ("userName pr", Some("title")),
    (r#"title co "T""#, Some("userName")),
];

/// Blocks the thread that reads the deadline of a budget.
#[derive(Clone, Default)]
struct Gate {
    shared: Arc<(Mutex<GateState>, Condvar)>,
}

#[derive(Default)]
struct GateState {
    asked: usize,
    is_open: bool,
}

impl Gate {
    /// Returns a budget that blocks the thread which reads its deadline, except for the first times.
    fn budget(&self, passes: usize) -> Budget {
        let gate = self.clone();
        let asked = AtomicUsize::new(0);
        Budget::with_deadline(u64::MAX, move || {
            if asked.fetch_add(1, Ordering::Relaxed) >= passes {
                let (state, changed) = &*gate.shared;
                let mut state = state.lock().unwrap();
                state.asked += 1;
                changed.notify_all();
                drop(changed.wait_while(state, |state| !state.is_open).unwrap());
            }
            false
        })
    }

    /// Waits until this many threads are blocked.
    fn wait_for(&self, threads: usize) {
        let (state, changed) = &*self.shared;
        let state = state.lock().unwrap();
        drop(
            changed
                .wait_while(state, |state| state.asked < threads)
                .unwrap(),
        );
    }

    fn asked(&self) -> usize {
        self.shared.0.lock().unwrap().asked
    }

    fn open(&self) {
        self.shared.0.lock().unwrap().is_open = true;
        self.shared.1.notify_all();
    }
}

fn tenant(name: &str) -> RequestContext {
    let mut context = standard();
    context.tenant = TenantId::from(name);
    context
}

fn query(context: &RequestContext, filter: &str, sort: Option<&str>) -> Query {
    let kind = kind(context, "User");
    let filter = Filter::parse(filter).unwrap();
    let predicate = kind.bind_filter(&filter, &Tolerance::DEFAULT).unwrap();
    let sort = sort.map(|path| Sort::new(kind.attribute_id(path).unwrap(), SortOrder::Ascending));
    Query::new(kind).with_predicate(predicate).with_sort(sort)
}

fn poll<T>(future: &mut Pin<Box<dyn Future<Output = T> + Send + '_>>) -> Poll<T> {
    future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
}

/// Starts a query that waits for a thread, or occupies one.
fn begin<'a>(
    store: &'a SqliteStore,
    context: &'a RequestContext,
    query: &'a Query,
) -> BoxFuture<'a, Result<Page, StoreError>> {
    let mut future = store.query(context, query);
    assert!(poll(&mut future).is_pending());
    future
}

fn read(
    store: &SqliteStore,
    context: &RequestContext,
    id: &str,
) -> Result<StoredResource, StoreError> {
    let id = ResourceId::from(id);
    wait(store.read(
        context,
        &kind(context, "User"),
        &id,
        &ReadOptions::document(),
    ))
}

fn with_threads(readers: usize, queue: usize) -> (tempfile::TempDir, SqliteStore) {
    let (directory, path) = file();
    let mut options = SqliteOptions::default();
    options.readers = readers;
    options.queue = queue;
    (directory, SqliteStore::open_with(path, &options).unwrap())
}

/// Creates enough users for any query to read the deadline of its budget while it works.
fn fill(store: &SqliteStore, context: &RequestContext) {
    for n in 0..500 {
        let body = json!({"userName": format!("user{n}"), "title": "T".repeat(1_000)});
        create(store, context, ("User", &format!("u{n:03}")), body).unwrap();
    }
}

fn stores() -> Vec<(&'static str, Option<tempfile::TempDir>, SqliteStore)> {
    let (directory, file) = with_threads(1, 16);
    vec![
        ("file", Some(directory), file),
        ("memory", None, SqliteStore::in_memory().unwrap()),
    ]
}

#[test]
fn lookups_are_answered_while_queries_hold_every_query_thread() {
    let (_directory, store) = with_threads(2, 16);
    let one = tenant("one");
    let two = tenant("two");
    let three = tenant("three");
    let entry = Tenant::new(three.tenant.clone(), "", second(0));
    let connection = Connection::new(three.tenant.clone(), "crm".into(), "", second(0));
    let token = TokenRecord::new(&connection, "1", [7; 32], second(0));
    let entries = vec![
        TenantEntry::Tenant(entry),
        TenantEntry::Connection(connection),
        TenantEntry::Token(token),
    ];
    wait(store.put(entries, chrono::DateTime::UNIX_EPOCH.into())).unwrap();
    create(&store, &three, ("User", "u1"), json!({"userName": "a"})).unwrap();
    create(&store, &three, ("Group", "g1"), json!({"displayName": "g"})).unwrap();
    add_member(&store, &three, "g1", "u1").unwrap();

    let gate = Gate::default();
    let held = [one, two].map(|context| context.with_budget(gate.budget(0)));
    let query = query(&three, "userName pr", None);
    let futures = held
        .each_ref()
        .map(|context| begin(&store, context, &query));
    gate.wait_for(2);
    let mut queued = begin(&store, &three, &query);

    assert_eq!(read(&store, &three, "u1").unwrap().id.as_str(), "u1");
    assert!(wait(store.find_token(&[7; 32])).unwrap().is_some());
    let group = kind(&three, "Group");
    let members = group.attribute_id("members").unwrap();
    let of = EdgeQuery::new(group, members, vec!["g1".into()]).with_edge_limit(1_001);
    assert_eq!(wait(store.edges(&three, &of)).unwrap()[0].len(), 1);
    create(&store, &three, ("User", "u2"), json!({"userName": "b"})).unwrap();
    assert!(poll(&mut queued).is_pending());

    gate.open();
    for future in futures {
        assert_eq!(wait(future).unwrap().total, Some(0));
    }
    assert_eq!(wait(queued).unwrap().total, Some(2));
}

#[test]
fn tenant_with_many_queries_leaves_a_thread_to_others() {
    let (_directory, store) = with_threads(3, 16);
    let gate = Gate::default();
    let one = tenant("one").with_budget(gate.budget(0));
    let query = query(&one, "userName pr", None);
    let futures: Vec<_> = (0..4).map(|_| begin(&store, &one, &query)).collect();
    gate.wait_for(2);
    for _ in 0..2 {
        let other = tenant("two");
        assert_eq!(wait(store.query(&other, &query)).unwrap().total, Some(0));
    }
    assert_eq!(gate.asked(), 2);
    gate.open();
    for future in futures {
        assert_eq!(wait(future).unwrap().total, Some(0));
    }
}

#[test]
fn tenant_with_a_full_queue_is_busy_and_others_are_not() {
    let (_directory, store) = with_threads(1, 4);
    let gate = Gate::default();
    let one = tenant("one");
    let two = tenant("two");
    let held = tenant("one").with_budget(gate.budget(0));
    let query = query(&one, "userName pr", None);
    let running = begin(&store, &held, &query);
    gate.wait_for(1);
    let first = begin(&store, &one, &query);
    let second = begin(&store, &one, &query);
    let refused = wait(store.query(&one, &query));
    assert!(matches!(refused, Err(StoreError::Busy)), "{refused:?}");
    let other = begin(&store, &two, &query);
    // A dropped future leaves its place to another.
    drop(first);
    let third = begin(&store, &one, &query);
    gate.open();
    for future in [running, second, third, other] {
        assert_eq!(wait(future).unwrap().total, Some(0));
    }
}

#[test]
fn reads_of_a_store_in_memory_take_turns() {
    let store = SqliteStore::in_memory().unwrap();
    let gate = Gate::default();
    let order = Arc::new(Mutex::new(Vec::new()));
    let noting = |name: &str| {
        let order = Arc::clone(&order);
        let mark = name.to_owned();
        let note = move || {
            let mut order: std::sync::MutexGuard<'_, Vec<String>> = order.lock().unwrap();
            if order.last() != Some(&mark) {
                order.push(mark.clone());
            }
            false
        };
        tenant(name.get(..1).unwrap()).with_budget(Budget::with_deadline(u64::MAX, note))
    };
    let held = tenant("a").with_budget(gate.budget(0));
    let query = query(&held, "userName pr", None);
    let running = begin(&store, &held, &query);
    gate.wait_for(1);
    let scopes = ["a1", "a2", "b1", "a3"].map(noting);
    let futures = scopes
        .each_ref()
        .map(|context| begin(&store, context, &query));
    let lookup = noting("c1");
    let user = kind(&lookup, "User");
    let id = ResourceId::from("u1");
    let want = ReadOptions::document();
    let mut read = store.read(&lookup, &user, &id, &want);
    assert!(poll(&mut read).is_pending());
    gate.open();
    assert!(wait(running).is_ok());
    assert!(matches!(wait(read), Err(StoreError::NotFound)));
    for future in futures {
        assert!(wait(future).is_ok());
    }
    let order = order.lock().unwrap().clone();
    assert_eq!(order, ["c1", "a1", "b1", "a2", "a3"]);
}

#[test]
fn dropped_query_stops_in_the_middle_of_its_work() {
    for (name, _directory, store) in stores() {
        let context = standard();
        fill(&store, &context);
        for (filter, sort) in QUERIES {
            let query = query(&context, filter, sort);
            let whole = standard().with_budget(Budget::unlimited());
            wait(store.query(&whole, &query)).unwrap();

            let gate = Gate::default();
            // The first time is before any work.
            let dropped = standard().with_budget(gate.budget(1));
            let future = begin(&store, &dropped, &query);
            gate.wait_for(1);
            drop(future);
            gate.open();
            // The only thread is free again, and its connection is usable.
            let few = select(&store, &context, "User", r#"userName sw "user49""#);
            assert_eq!(few.unwrap().len(), 11);
            let spent = dropped.budget.spent();
            let all = whole.budget.spent();
            assert!(spent < all, "{name}: {filter}: {spent} of {all}");
            assert_eq!(
                dropped.budget.check(),
                Ok(()),
                "only the part was cancelled"
            );
        }
    }
}

#[test]
fn query_ends_with_its_budget_and_the_next_one_is_answered() {
    for (name, _directory, store) in stores() {
        let context = standard();
        fill(&store, &context);
        for (filter, sort) in QUERIES {
            let query = query(&context, filter, sort);
            let few = standard().with_budget(Budget::new(40_000));
            let ended = wait(store.query(&few, &query));
            let work = matches!(ended, Err(StoreError::Exhausted(Exhausted::Work)));
            assert!(work, "{name}: {filter}: {ended:?}");

            let asked = AtomicUsize::new(0);
            let late = move || asked.fetch_add(1, Ordering::Relaxed) > 0;
            let late = standard().with_budget(Budget::with_deadline(u64::MAX, late));
            let ended = wait(store.query(&late, &query));
            let deadline = matches!(ended, Err(StoreError::Exhausted(Exhausted::Deadline)));
            assert!(deadline, "{name}: {filter}: {ended:?}");

            let cancelled = standard();
            cancelled.budget.cancel();
            let ended = wait(store.query(&cancelled, &query));
            let is_cancelled = matches!(ended, Err(StoreError::Exhausted(Exhausted::Cancelled)));
            assert!(is_cancelled, "{name}: {filter}: {ended:?}");

            assert!(wait(store.query(&context, &query)).is_ok());
            assert_eq!(read(&store, &context, "u007").unwrap().id.as_str(), "u007");
        }
    }
}

#[test]
fn query_over_all_resources_is_rejected_early_if_it_will_not_fit() {
    for (name, _directory, store) in stores() {
        let context = standard();
        fill(&store, &context);
        for sort in [None, Some("title")] {
            let query = query(
                &context,
                r#"title co "nobody" or nickName co "nobody""#,
                sort,
            );
            let whole = standard().with_budget(Budget::unlimited());
            wait(store.query(&whole, &query)).unwrap();
            let limit = whole.budget.spent() / 4;
            let few = standard().with_budget(Budget::new(limit));
            let ended = wait(store.query(&few, &query));
            let work = matches!(ended, Err(StoreError::Exhausted(Exhausted::Work)));
            assert!(work, "{name}: {sort:?}: {ended:?}");
            let spent = few.budget.spent();
            assert!(spent < limit / 2, "{name}: {sort:?}: {spent} of {limit}");
        }
    }
}

#[test]
fn walk_along_memberships_ends_with_the_budget_of_the_write() {
    let store = SqliteStore::in_memory().unwrap();
    let context = standard();
    let group = |id: &str| create(&store, &context, ("Group", id), json!({"displayName": id}));
    for n in 0..60 {
        group(&format!("g{n}")).unwrap();
    }
    for n in 1..60 {
        add_member(&store, &context, &format!("g{}", n - 1), &format!("g{n}")).unwrap();
    }
    for id in ["one", "two"] {
        group(id).unwrap();
    }
    add_member(&store, &context, "one", "two").unwrap();
    let few = standard().with_budget(Budget::new(100_000));
    let ended = add_member(&store, &few, "g59", "one");
    let is_over = matches!(ended, Err(StoreError::Exhausted(Exhausted::Work)));
    assert!(is_over, "{ended:?}");
    let members = |filter| select(&store, &context, "Group", filter).unwrap();
    assert!(members(r#"members.value eq "one""#).is_empty());
    add_member(&store, &context, "g59", "one").unwrap();
    assert_eq!(members(r#"members.value eq "one""#), ["g59"]);
}

#[test]
fn write_with_an_exhausted_budget_or_dropped_future_does_nothing() {
    let (_directory, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    let context = standard();
    create(
        &store,
        &context,
        ("User", "u0"),
        json!({"userName": "zero"}),
    )
    .unwrap();
    // Blocks the writing thread, so that the others wait in its queue.
    let other = Database::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let late = standard().with_budget(Budget::unlimited());
    let write =
        |context, id| -> BoxFuture<'_, Result<Vec<Result<Written, StoreError>>, StoreError>> {
            let mut future = store.write(context, creation(context, id));
            assert!(poll(&mut future).is_pending());
            future
        };
    let done = write(&context, "u1");
    let ended = write(&late, "u2");
    let dropped = write(&context, "u3");
    late.budget.cancel();
    drop(dropped);
    other.execute_batch("ROLLBACK").unwrap();
    assert!(wait(done).unwrap()[0].is_ok());
    let ended = wait(ended);
    let is_cancelled = matches!(ended, Err(StoreError::Exhausted(Exhausted::Cancelled)));
    assert!(is_cancelled, "{ended:?}");
    assert_eq!(
        select(&store, &context, "User", "userName pr").unwrap(),
        ["u0", "u1"]
    );
}
