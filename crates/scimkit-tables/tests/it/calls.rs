//! The number of calls to a database.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use chrono::DateTime;
use rusqlite::Connection;
use scimkit_registry::{Change, Edge, EdgeEdit, Registry, ResourceId, ResourceType, Tolerance};
use scimkit_sql::{Dialect, tables::SqlStatement};
use scimkit_store::{
    Batch, ExpectedVersion, Query, ReadOptions, RequestContext, Settings, Store as _, TenantId,
    WriteOp, rows::TransactionMode,
};
use scimkit_tables::{Driver, DriverError, RusqliteDriver, SqlRow, TableStore, Transaction};
use serde_json::json;

use crate::{
    layouts::{INTEGER, Layout, TEXT},
    support::wait,
};

/// A driver that counts the calls that run statements or commit. The first statements may begin a transaction.
#[derive(Debug)]
struct Counting {
    calls: Arc<AtomicUsize>,
    driver: RusqliteDriver,
}

struct Counted<T> {
    calls: Arc<AtomicUsize>,
    transaction: T,
}

impl Driver for Counting {
    type Transaction = Counted<<RusqliteDriver as Driver>::Transaction>;

    async fn begin(&self, access: TransactionMode) -> Result<Self::Transaction, DriverError> {
        Ok(Counted {
            calls: Arc::clone(&self.calls),
            transaction: self.driver.begin(access).await?,
        })
    }

    fn dialect(&self) -> Dialect {
        self.driver.dialect()
    }
}

impl<T: Transaction> Transaction for Counted<T> {
    async fn commit(self) -> Result<(), DriverError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.transaction.commit().await
    }

    async fn run(
        &mut self,
        statements: Vec<SqlStatement>,
    ) -> Result<Vec<Vec<SqlRow>>, DriverError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.transaction.run(statements).await
    }
}

struct World {
    context: RequestContext,
    group: Arc<ResourceType>,
    store: TableStore<Counting>,
    user: Arc<ResourceType>,
}

impl World {
    fn new(layout: &Layout, tenant: TenantId) -> Self {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(layout.sql).unwrap();
        let driver = Counting {
            calls: Arc::default(),
            driver: RusqliteDriver::with_connection(connection).unwrap(),
        };
        let store = TableStore::builder(driver, layout.mapping());
        let store = store.build(&Registry::standard()).unwrap();
        wait(store.migrate()).unwrap();
        let settings = Arc::new(Settings::new("https://app.example/scim/v2"));
        let kind = |name| Arc::clone(settings.registry.resource_type(name).unwrap());
        World {
            group: kind("Group"),
            user: kind("User"),
            context: RequestContext::new(tenant, settings),
            store,
        }
    }

    /// The calls of a future.
    fn calls<T: Send>(&self, future: impl Future<Output = T> + Send) -> (usize, T) {
        let calls = &self.store.driver().calls;
        calls.store(0, Ordering::Relaxed);
        let result = wait(future);
        (calls.load(Ordering::Relaxed), result)
    }

    /// The attributes with edges that responses show.
    fn shown(&self, kind: &ResourceType) -> ReadOptions {
        let names = ["groups", "manager", "members"];
        let attrs = names.iter().filter_map(|name| kind.attribute_id(name));
        let mut options = ReadOptions::edges(attrs.collect::<Vec<_>>());
        options.document = true;
        options
    }

    /// Writes as the server does, and returns the number of calls and the id.
    fn write(&self, write: WriteOp) -> (usize, Option<ResourceId>) {
        let options = self.shown(write.kind());
        let mut batch = Batch::new(DateTime::UNIX_EPOCH, vec![write]);
        batch.read_options = options;
        let (calls, answer) = self.calls(self.store.write(&self.context, batch));
        let written = answer.unwrap().pop().unwrap().unwrap();
        let id = written.stored.map(|stored| stored.id);
        (calls, id)
    }

    fn create(
        &self,
        kind: &Arc<ResourceType>,
        id: &str,
        name: &str,
    ) -> (usize, Option<ResourceId>) {
        let body = json!({"userName": name, "displayName": name, "nickName": name});
        let body = kind.admit(body, &Tolerance::DEFAULT).unwrap();
        self.write(WriteOp::Create {
            change: Change::create(Arc::clone(kind), body),
            existing_match: None,
            id: ResourceId::from(id),
        })
    }

    fn update(&self, id: &ResourceId, change: Change) -> usize {
        let (id, expect) = (id.clone(), ExpectedVersion::Any);
        self.write(WriteOp::Update { change, expect, id }).0
    }

    fn read(&self, kind: &Arc<ResourceType>, id: &ResourceId) -> usize {
        let options = self.shown(kind);
        let read = self.store.read(&self.context, kind, id, &options);
        let (calls, stored) = self.calls(read);
        stored.unwrap();
        calls
    }

    fn list(&self, kind: &Arc<ResourceType>) -> usize {
        let mut query = Query::new(Arc::clone(kind));
        query.edges = self.shown(kind).edges;
        let (calls, page) = self.calls(self.store.query(&self.context, &query));
        assert_eq!(page.unwrap().total, Some(1));
        calls
    }
}

/// The calls of each request, for a layout whose ids the server makes and one whose ids the database makes.
const CALLS: &[(&str, usize, usize)] = &[
    ("POST user", 4, 5),
    ("POST group", 4, 5),
    ("GET user", 1, 1),
    ("PATCH title of user", 4, 4),
    ("PATCH that adds a member", 4, 4),
    ("GET user in a group", 2, 2),
    ("PATCH title of user in a group", 5, 5),
    ("GET group with a member", 2, 2),
    ("list of users in a group", 3, 3),
    ("DELETE user in a group", 5, 5),
    ("DELETE group", 4, 4),
];

#[test]
fn requests_need_few_calls() {
    let counted = |layout, tenant| {
        let world = World::new(layout, tenant);
        let (first, ada) = world.create(&world.user, "u1", "ada");
        let ada = ada.unwrap();
        let (second, crew) = world.create(&world.group, "g1", "Crew");
        let crew = crew.unwrap();
        let mut calls = vec![first, second, world.read(&world.user, &ada)];
        let title = |value: &str| {
            let mut change = Change::empty(Arc::clone(&world.user));
            let title = world.user.attribute_id("title").unwrap();
            change.difference(title, None, Some(json!(value)));
            change
        };
        calls.push(world.update(&ada, title("Dr")));
        let mut change = Change::empty(Arc::clone(&world.group));
        let members = world.group.attribute_id("members").unwrap();
        let (add, remove) = (vec![Edge::to(ada.as_str())], Vec::new());
        change.edit_edges(members, EdgeEdit::Delta { add, remove });
        calls.push(world.update(&crew, change));
        calls.push(world.read(&world.user, &ada));
        calls.push(world.update(&ada, title("Prof")));
        calls.push(world.read(&world.group, &crew));
        calls.push(world.list(&world.user));
        for (kind, id) in [(&world.user, ada), (&world.group, crew)] {
            let (kind, expect) = (Arc::clone(kind), ExpectedVersion::Any);
            calls.push(world.write(WriteOp::Delete { expect, id, kind }).0);
        }
        calls
    };
    let text = counted(&TEXT, TenantId::default());
    let integer = counted(&INTEGER, TenantId::from("acme"));
    let names = CALLS.iter().map(|(name, ..)| *name);
    let counted: Vec<_> = names
        .zip(text.into_iter().zip(integer))
        .map(|(name, (text, integer))| (name, text, integer))
        .collect();
    assert_eq!(counted, CALLS);
}
