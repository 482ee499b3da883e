//! What a store is asked when a membership changes, over every store.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Request;
use scimkit_registry::{AttrId, Edge, EdgeEdit, ResourceId, ResourceType, Tolerance};
use scimkit_server::Server;
use scimkit_store::{
    Batch, BoxFuture, EdgeQuery, Page, Query, Scope, Store, StoreError, Stored, Support, Write,
    Written,
};
use scimkit_testkit::replay::Target;
use serde_json::{Value, json};

use crate::servers::{STORES, TOKEN, server};

/// More than are shown unasked, and some to come.
const MEMBERS: usize = 150;
const USERS: usize = 160;

/// What a store was asked.
#[derive(Debug, Clone, PartialEq)]
enum Call {
    Add(usize),
    /// With the most edges of each owner.
    Edges(Option<u32>),
    OtherWrite,
    Query,
    Read,
    Remove(usize),
    Replace(usize),
}

/// Another store, and what that was asked.
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
    fn support(&self, kind: &ResourceType) -> Support {
        self.store.support(kind)
    }

    fn edges<'a>(
        &'a self,
        scope: &'a Scope,
        query: &'a EdgeQuery,
    ) -> BoxFuture<'a, Result<Vec<Vec<Edge>>, StoreError>> {
        self.called(Call::Edges(query.limit));
        self.store.edges(scope, query)
    }

    fn query<'a>(
        &'a self,
        scope: &'a Scope,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        self.called(Call::Query);
        self.store.query(scope, query)
    }

    fn read<'a>(
        &'a self,
        scope: &'a Scope,
        kind: &'a Arc<ResourceType>,
        id: &'a ResourceId,
        edges: &'a [AttrId],
    ) -> BoxFuture<'a, Result<Stored, StoreError>> {
        self.called(Call::Read);
        self.store.read(scope, kind, id, edges)
    }

    fn write<'a>(
        &'a self,
        scope: &'a Scope,
        batch: Batch,
    ) -> BoxFuture<'a, Vec<Result<Written, StoreError>>> {
        let edit = match &batch.writes[..] {
            [Write::Update { change, .. }] => change.edges().first().map(|change| &change.edit),
            _ => None,
        };
        self.called(match edit {
            Some(EdgeEdit::Delta { add, remove }) if remove.is_empty() => Call::Add(add.len()),
            Some(EdgeEdit::Delta { add, remove }) if add.is_empty() => Call::Remove(remove.len()),
            Some(EdgeEdit::Replace(edges)) => Call::Replace(edges.len()),
            _ => Call::OtherWrite,
        });
        self.store.write(scope, batch)
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

/// A watched store of many users, and a server over it.
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
async fn a_change_of_membership_reads_nothing() {
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
            // Everything is so already.
            (replace(&users[..MEMBERS]), Call::Replace(MEMBERS)),
            (add(&users[..1]), Call::Add(1)),
        ];
        for (operation, write) in cases {
            let (status, body) = patch(&server, &group, operation.clone()).await;
            assert_eq!((status, body), (204, Bytes::new()), "{name}: {operation}");
            // The one look afterwards tells a big group from a small one.
            let calls = [write, Call::Edges(Some(101))];
            assert_eq!(store.calls(), calls, "{name}: {operation}");
        }
        let clear = json!({ "op": "remove", "path": "members" });
        assert_eq!(patch(&server, &group, clear).await.0, 200);
        assert_eq!(store.calls()[0], Call::Replace(0), "{name}");
        assert_eq!(patch(&server, &group, add(&users[..3])).await.0, 200);
        assert_eq!(store.calls()[0], Call::Add(3), "{name}");
    }
}

/// Who is to be removed is a question to the members here.
#[tokio::test]
async fn a_filter_without_ids_reads_the_members() {
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
