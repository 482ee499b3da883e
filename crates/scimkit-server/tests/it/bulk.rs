//! Bulk requests over stores that fail, break their contract or assign ids of their own.

use std::sync::{Arc, Mutex};

use http::request::Parts;
use scimkit_core::AuthenticationScheme;
use scimkit_registry::{Edge, ResourceId, ResourceType};
use scimkit_server::{AuthError, Authenticate, Identity, Server};
use scimkit_store::{
    Batch, BoxFuture, Capabilities, Cause, ConnectionId, EdgeQuery, MemoryStore, OnFailure, Page,
    Query, ReadOptions, RequestContext, Settings, Store, StoreError, StoredResource, TenantId,
    WriteOp, Written,
};
use serde_json::{Value, json};

use crate::web::{Answer, get, over, request, send};

/// A memory store with a way of its own, which remembers the batches that it was given.
#[derive(Debug)]
struct Odd {
    batches: Batches,
    causes: Arc<Mutex<Vec<Cause>>>,
    memory: MemoryStore,
    way: Way,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    /// Gives resources ids that it makes up.
    AssignsIds,
    /// Answers no write at all.
    IsSilent,
    None,
    /// Says of every write that it was not run.
    RunsNothing,
    /// Fails at every write.
    Fails,
}

type Batches = Arc<Mutex<Vec<(usize, OnFailure)>>>;

fn odd(way: Way) -> (Server, Batches) {
    let batches = Batches::default();
    let store = Odd {
        batches: Arc::clone(&batches),
        causes: Arc::default(),
        memory: MemoryStore::new(),
        way,
    };
    (over(Arc::new(store)), batches)
}

impl Store for Odd {
    fn support(&self, kind: &ResourceType) -> Capabilities {
        let mut support = self.memory.support(kind);
        support.caller_assigned_ids = self.way != Way::AssignsIds;
        support
    }

    fn edges<'a>(
        &'a self,
        context: &'a RequestContext,
        query: &'a EdgeQuery,
    ) -> BoxFuture<'a, Result<Vec<Vec<Edge>>, StoreError>> {
        self.memory.edges(context, query)
    }

    fn query<'a>(
        &'a self,
        context: &'a RequestContext,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        self.memory.query(context, query)
    }

    fn read<'a>(
        &'a self,
        context: &'a RequestContext,
        kind: &'a Arc<ResourceType>,
        id: &'a ResourceId,
        want: &'a ReadOptions,
    ) -> BoxFuture<'a, Result<StoredResource, StoreError>> {
        self.memory.read(context, kind, id, want)
    }

    fn write<'a>(
        &'a self,
        context: &'a RequestContext,
        mut batch: Batch,
    ) -> BoxFuture<'a, Result<Vec<Result<Written, StoreError>>, StoreError>> {
        let count = batch.writes.len();
        self.batches.lock().unwrap().push((count, batch.on_failure));
        self.causes.lock().unwrap().push(batch.cause.clone());
        match self.way {
            Way::AssignsIds => {
                for write in &mut batch.writes {
                    if let WriteOp::Create { id, .. } = write {
                        *id = ResourceId::from(format!("own-{id}"));
                    }
                }
            }
            Way::Fails => {
                return Box::pin(async { Err(StoreError::backend("no such table: secrets")) });
            }
            Way::IsSilent => return Box::pin(async { Ok(Vec::new()) }),
            Way::None => {}
            Way::RunsNothing => {
                let answers = (0..count).map(|_| Err(StoreError::Skipped)).collect();
                return Box::pin(async { Ok(answers) });
            }
        }
        self.memory.write(context, batch)
    }
}

async fn bulk(server: &Server, operations: &Value, limit: Option<u32>) -> Answer {
    let body = json!({"Operations": operations, "failOnErrors": limit}).to_string();
    send(server, request("POST", "/Bulk", &[], &body)).await
}

/// The statuses of the operations that were performed.
fn statuses(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    let operations = body["Operations"].as_array().unwrap().iter();
    operations
        .map(|o| o["status"].as_str().unwrap().to_owned())
        .collect()
}

fn post(path: &str, id: &str, data: &Value) -> Value {
    json!({"method": "POST", "path": path, "bulkId": id, "data": data})
}

fn user(id: &str) -> Value {
    post("/Users", id, &json!({"userName": id}))
}

fn group(id: &str, members: &[&str]) -> Value {
    let members: Vec<_> = members.iter().map(|m| json!({"value": m})).collect();
    post(
        "/Groups",
        id,
        &json!({"displayName": id, "members": members}),
    )
}

fn join(group: &str, member: &str) -> Value {
    let operation = json!({"op": "add", "path": "members", "value": [{"value": member}]});
    json!({"method": "PATCH", "path": format!("/Groups/{group}"), "data": {"Operations": [operation]}})
}

#[tokio::test]
async fn a_store_that_fails_fails_each_operation() {
    let operations = json!([
        user("a"),
        {"method": "DELETE", "path": "/Users/1"},
        group("g", &["bulkId:a"]),
        group("h", &["bulkId:i"]),
        group("i", &["bulkId:h"]),
    ]);
    for way in [Way::Fails, Way::IsSilent, Way::RunsNothing] {
        let (server, _) = odd(way);
        let answer = bulk(&server, &operations, None).await;
        let found = statuses(&answer);
        assert_eq!(found.len(), 5, "{way:?}");
        assert_eq!(found[..2], ["500", "500"], "{way:?}");
        let failed = |status: &String| status == "409" || status == "500";
        assert!(found.iter().all(failed), "{way:?}: {found:?}");
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        assert!(!text.contains("table"), "{text}");
        assert!(text.contains(answer.header("x-request-id")), "{text}");
        // It does not keep to the rule for failures either, and no more is asked of it.
        let found = statuses(&bulk(&server, &operations, Some(1)).await);
        assert_eq!(found[0], "500", "{way:?}");
        assert!(found.iter().all(|status| status == "500"), "{way:?}");
    }
}

#[tokio::test]
async fn batch_that_fails_as_a_whole_answers_no_more_operations_than_may_fail() {
    let (server, batches) = odd(Way::Fails);
    let operations = json!([user("a"), user("b"), user("c"), user("d")]);
    let found = statuses(&bulk(&server, &operations, Some(2)).await);
    assert_eq!(found, ["500", "500"]);
    let found = statuses(&bulk(&server, &operations, None).await);
    assert_eq!(found, ["500"; 4]);
    assert_eq!(batches.lock().unwrap().len(), 2);
}

/// A caller that is named or is a resource.
#[derive(Debug)]
struct Caller(Option<&'static str>);

impl Authenticate for Caller {
    fn authenticate<'a>(&'a self, _: &'a Parts) -> BoxFuture<'a, Result<Identity, AuthError>> {
        let mut identity = Identity::new(TenantId::default()).with_me("User", "u7");
        identity.connection = ConnectionId::from("entra");
        identity.actor = self.0.map(Into::into);
        Box::pin(async { Ok(identity) })
    }

    fn schemes(&self) -> Vec<AuthenticationScheme> {
        Vec::new()
    }
}

#[tokio::test]
async fn batches_carry_connection_caller_and_request() {
    for (actor, expected) in [(Some("token-7"), "token-7"), (None, "u7")] {
        let causes = Arc::<Mutex<Vec<Cause>>>::default();
        let store = Odd {
            batches: Batches::default(),
            causes: Arc::clone(&causes),
            memory: MemoryStore::new(),
            way: Way::None,
        };
        let settings = Settings::new("https://app.example/scim/v2");
        let server = Server::new(Arc::new(store), settings).with_authentication(Caller(actor));
        let body = json!({"userName": "a"}).to_string();
        let single = send(&server, request("POST", "/Users", &[], &body)).await;
        let many = bulk(&server, &json!([user("b"), user("c")]), None).await;
        let cause = |answer: &Answer| {
            Cause::application()
                .with_actor(expected)
                .with_connection(ConnectionId::from("entra"))
                .with_request(answer.header("x-request-id"))
        };
        assert_eq!(*causes.lock().unwrap(), [cause(&single), cause(&many)]);
    }
}

#[tokio::test]
async fn ids_that_the_store_assigns_are_the_ones_referred_to() {
    let (server, _) = odd(Way::AssignsIds);
    let operations = json!([
        user("a"),
        group("g", &["bulkId:a", "bulkId:b"]),
        user("b"),
        join("bulkId:g", "bulkId:c"),
        user("c"),
        {"method": "PATCH", "path": "/Groups/bulkId:g", "data": {"Operations": [
            {"op": "remove", "path": "members[value eq \"bulkId:b\"]"},
        ]}},
        // Nothing has an id yet that another could refer to.
        group("x", &["bulkId:y"]),
        group("y", &["bulkId:x"]),
        group("z", &["bulkId:z"]),
    ]);
    let answer = bulk(&server, &operations, None).await;
    let expected = [
        "201", "201", "201", "200", "201", "200", "409", "409", "409",
    ];
    assert_eq!(statuses(&answer), expected);
    let groups = get(&server, "/Groups", &[]).await.json();
    assert_eq!(groups["totalResults"], 1);
    let location = &answer.json()["Operations"][1]["location"];
    assert_eq!(&groups["Resources"][0]["meta"]["location"], location);
    assert!(location.as_str().unwrap().contains("/Groups/own-"));
    let members = groups["Resources"][0]["members"].as_array().unwrap();
    assert_eq!(members.len(), 2);
    for member in members {
        let id = member["value"].as_str().unwrap();
        let read = get(&server, &format!("/Users/{id}"), &[]).await;
        assert_eq!(read.status, 200);
    }
}

#[tokio::test]
async fn writes_that_read_nothing_go_to_the_store_together() {
    let (server, batches) = odd(Way::None);
    let users = (0..600).map(|n| user(&format!("u{n}")));
    let groups = (0..100).map(|n| group(&format!("g{n}"), &[&format!("bulkId:u{n}")]));
    let joins = (0..100).map(|n| join(&format!("bulkId:g{n}"), "bulkId:u599"));
    let deletes = (0..200)
        .map(|n| json!({"method": "DELETE", "path": format!("/Users/bulkId:u{}", n + 100)}));
    let operations: Vec<_> = users.chain(groups).chain(joins).chain(deletes).collect();
    let answer = bulk(&server, &json!(operations), None).await;
    assert!(
        statuses(&answer)
            .iter()
            .all(|status| status.starts_with('2'))
    );
    let sizes: Vec<_> = batches.lock().unwrap().iter().map(|(n, _)| *n).collect();
    assert_eq!(sizes, [250, 250, 250, 250]);
}

#[tokio::test]
async fn many_failures_that_others_refer_to_stay_bounded() {
    let (server, batches) = odd(Way::None);
    let taken = |n: usize| post("/Users", &format!("u{n}"), &json!({"userName": "same"}));
    let users = (0..500).map(taken);
    let groups = (0..500).map(|n| group(&format!("g{n}"), &[&format!("bulkId:u{n}")]));
    let mixed: Vec<_> = users
        .zip(groups)
        .flat_map(|(user, group)| [user, group])
        .collect();
    let answer = bulk(&server, &json!(mixed), None).await;
    let found = statuses(&answer);
    assert_eq!(found[..4], ["201", "201", "409", "409"]);
    assert_eq!(found.iter().filter(|status| *status == "201").count(), 2);
    // No more visits than single requests would have made.
    assert!(batches.lock().unwrap().len() <= 1_000);
    assert_eq!(get(&server, "/Groups", &[]).await.json()["totalResults"], 1);
}
