//! The store calls of a membership change, over every store.

use std::sync::{Arc, Mutex};

use allocation_counter::measure;
use bytes::Bytes;
use http::Request;
use scimkit_registry::{Edge, EdgeEdit, ResourceId, ResourceType, Tolerance};
use scimkit_server::Server;
use scimkit_store::{
    Batch, BoxFuture, EdgeQuery, MemoryStore, Page, Query, ReadOptions, RequestContext, Settings,
    Store, StoreError, StoredResource, TenantId, WriteOp, Written,
};
use scimkit_testkit::{contract, replay::HttpTarget};
use serde_json::{Value, json};

use crate::servers::{STORES, TOKEN, server};

/// More than are returned by default, and some to add.
const MEMBERS: usize = 150;
const USERS: usize = 160;

/// A call of a store.
#[derive(Debug, Clone, PartialEq)]
enum Call {
    Add(usize),
    Edges,
    OtherWrite,
    Query,
    Read,
    Remove(usize),
    Replace(usize),
}

/// A store that records its calls.
#[derive(Debug)]
struct Watched {
    calls: Mutex<Vec<Call>>,
    store: Arc<dyn Store>,
}

impl Watched {
    fn called(&self, call: Call) {
        self.calls.lock().unwrap().push(call);
    }

    fn calls(&self) -> Vec<Call> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }
}

impl Store for Watched {
    pass_on!(store: support);

    fn edges<'a>(
        &'a self,
        context: &'a RequestContext,
        query: &'a EdgeQuery,
    ) -> BoxFuture<'a, Result<Vec<Vec<Edge>>, StoreError>> {
        self.called(Call::Edges);
        self.store.edges(context, query)
    }

    fn query<'a>(
        &'a self,
        context: &'a RequestContext,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        self.called(Call::Query);
        self.store.query(context, query)
    }

    fn read<'a>(
        &'a self,
        context: &'a RequestContext,
        kind: &'a Arc<ResourceType>,
        id: &'a ResourceId,
        want: &'a ReadOptions,
    ) -> BoxFuture<'a, Result<StoredResource, StoreError>> {
        self.called(Call::Read);
        self.store.read(context, kind, id, want)
    }

    fn write<'a>(
        &'a self,
        context: &'a RequestContext,
        batch: Batch,
    ) -> BoxFuture<'a, Result<Vec<Result<Written, StoreError>>, StoreError>> {
        let edit = match &batch.writes[..] {
            [WriteOp::Update { change, .. }] => {
                change.edge_changes().first().map(|change| &change.edit)
            }
            _ => None,
        };
        self.called(match edit {
            Some(EdgeEdit::Delta { add, remove }) if remove.is_empty() => Call::Add(add.len()),
            Some(EdgeEdit::Delta { add, remove }) if add.is_empty() => Call::Remove(remove.len()),
            Some(EdgeEdit::Replace(edges)) => Call::Replace(edges.len()),
            _ => Call::OtherWrite,
        });
        self.store.write(context, batch)
    }
}

fn request(method: &str, path: &str, body: &Value) -> Request<Bytes> {
    let builder = Request::builder().method(method).uri(path);
    builder
        .header("authorization", format!("Bearer {TOKEN}"))
        .body(body.to_string().into())
        .unwrap()
}

async fn create(server: &Server, endpoint: &str, body: Value) -> String {
    let answer = server.send(request("POST", endpoint, &body)).await.unwrap();
    let created: Value = serde_json::from_slice(answer.body()).unwrap();
    created["id"].as_str().unwrap().to_owned()
}

async fn patch(server: &Server, group: &str, operation: Value) -> (u16, Bytes) {
    let body = json!({ "Operations": [operation] });
    let path = format!("/Groups/{group}");
    let answer = server.send(request("PATCH", &path, &body)).await.unwrap();
    (answer.status().as_u16(), answer.into_body())
}

/// Returns a watched store with many users, and a server that uses it.
async fn watched(store: Arc<dyn Store>) -> (Arc<Watched>, Server, Vec<String>) {
    let calls = Mutex::default();
    let watched = Arc::new(Watched { calls, store });
    let server = server(Arc::clone(&watched) as Arc<dyn Store>, Tolerance::DEFAULT);
    let mut users = Vec::with_capacity(USERS);
    for n in 0..USERS {
        users.push(create(&server, "/Users", json!({ "userName": n.to_string() })).await);
    }
    (watched, server, users)
}

fn listed(ids: &[String]) -> Value {
    ids.iter().map(|id| json!({ "value": id })).collect()
}

#[tokio::test]
async fn membership_change_reads_nothing() {
    for (name, make) in STORES {
        let (store, server, users) = watched(make()).await;
        let body = json!({ "displayName": "crew", "members": listed(&users[..MEMBERS]) });
        let group = create(&server, "/Groups?attributes=id", body).await;
        store.calls();
        let add = |ids| json!({ "op": "add", "path": "members", "value": listed(ids) });
        let replace = |ids| json!({ "op": "replace", "path": "members", "value": listed(ids) });
        let removed = format!(r#"members[value eq "{}"]"#, users[0]);
        let either = format!(
            r#"members[value eq "{}" or value eq "{}"]"#,
            users[1], users[2]
        );
        let cases = [
            (add(&users[MEMBERS..]), Call::Add(10)),
            (
                json!({ "op": "add", "value": { "members": listed(&users[..1]) } }),
                Call::Add(1),
            ),
            (json!({ "op": "remove", "path": removed }), Call::Remove(1)),
            (json!({ "op": "remove", "path": either }), Call::Remove(2)),
            (
                json!({ "op": "remove", "path": "members", "value": listed(&users[3..6]) }),
                Call::Remove(3),
            ),
            (replace(&users[..MEMBERS]), Call::Replace(MEMBERS)),
            // No effect.
            (replace(&users[..MEMBERS]), Call::Replace(MEMBERS)),
            (add(&users[..1]), Call::Add(1)),
        ];
        for (operation, write) in cases {
            let (status, body) = patch(&server, &group, operation.clone()).await;
            assert_eq!((status, body), (204, Bytes::new()), "{name}: {operation}");
            // The answer to the write distinguishes a big group from a small one.
            assert_eq!(store.calls(), [write], "{name}: {operation}");
        }
        let clear = json!({ "op": "remove", "path": "members" });
        assert_eq!(patch(&server, &group, clear).await.0, 200);
        assert_eq!(store.calls()[0], Call::Replace(0), "{name}");
        assert_eq!(patch(&server, &group, add(&users[..3])).await.0, 200);
        assert_eq!(store.calls()[0], Call::Add(3), "{name}");
    }
}

#[test]
fn one_more_member_of_a_hundred_thousand_allocates_little() {
    const MANY: usize = 100_000;
    // The response has the first hundred members, with their names; a hundred thousand would take megabytes.
    const MOST: u64 = 128 << 10;
    let store = Arc::new(MemoryStore::new());
    let server = server(Arc::clone(&store) as Arc<dyn Store>, Tolerance::DEFAULT);
    fill(&store, MANY);
    let operations = [
        json!({ "op": "add", "path": "members", "value": [{ "value": "u100000" }] }),
        json!({ "op": "add", "value": { "members": [{ "value": "u100001" }] } }),
        json!({ "op": "remove", "path": r#"members[value eq "u050000"]"# }),
        json!({ "op": "remove", "path": "members", "value": [{ "value": "u070000" }] }),
        // No effect.
        json!({ "op": "add", "path": "members", "value": [{ "value": "u100000" }] }),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.unwrap();
    for operation in operations {
        let mut answer = None;
        let used =
            measure(|| answer = Some(runtime.block_on(patch(&server, "g", operation.clone()))));
        assert_eq!(answer.unwrap().0, 204, "{operation}");
        assert!(used.bytes_total < MOST, "{operation}: {used:?}");
    }
}

/// Creates users `u000000` and so on, and a group `g` with this many of them; two are in no group.
fn fill(store: &MemoryStore, members: usize) {
    let context = RequestContext::new(
        TenantId::default(),
        Arc::new(Settings::new("https://scim.test/v2")),
    );
    let kind = |name| Arc::clone(context.settings.registry.resource_type(name).unwrap());
    let create = |kind: &Arc<ResourceType>, id: &str, body: Value| {
        let change = scimkit_patch::create(kind, body, &Tolerance::DEFAULT).unwrap();
        let id = ResourceId::from(id);
        WriteOp::Create {
            change,
            existing_match: None,
            id,
        }
    };
    let ids: Vec<_> = (0..members + 2).map(|n| format!("u{n:06}")).collect();
    let user = |id: &String| create(&kind("User"), id, json!({ "userName": id }));
    let mut writes: Vec<_> = ids.iter().map(user).collect();
    let body = json!({ "displayName": "crew", "members": listed(&ids[..members]) });
    writes.push(create(&kind("Group"), "g", body));
    let batch = Batch::new(chrono::DateTime::UNIX_EPOCH, writes);
    contract::block_on(Box::pin(async move {
        let answers = store.write(&context, batch).await.unwrap();
        assert!(answers.iter().all(Result::is_ok));
    }));
}

/// The members must be read to find those to remove.
#[tokio::test]
async fn filter_without_ids_reads_the_members() {
    for (name, make) in STORES {
        let (store, server, users) = watched(make()).await;
        let body = json!({ "displayName": "crew", "members": listed(&users[..3]) });
        let group = create(&server, "/Groups", body).await;
        store.calls();
        let remove = json!({ "op": "remove", "path": r#"members[type eq "User"]"# });
        assert_eq!(patch(&server, &group, remove).await.0, 200, "{name}");
        assert_eq!(store.calls()[..2], [Call::Read, Call::Remove(3)], "{name}");
    }
}
