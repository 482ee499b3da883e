//! The number of store calls per request.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use scimkit_registry::{Edge, ResourceId, ResourceType, Tolerance};
use scimkit_server::Server;
use scimkit_store::{
    Batch, BoxFuture, EdgeQuery, ExpectedVersion, Page, Query, ReadOptions, RequestContext, Store,
    StoreError, StoredResource, WriteOp, engine::BatchAnswer,
};
use serde_json::{Value, json};

use crate::servers::{STORES, TOKEN, server};

/// Records each call of the inner store.
#[derive(Debug)]
struct Watched {
    store: Arc<dyn Store>,
    visits: Mutex<Vec<&'static str>>,
}

impl Watched {
    fn note(&self, visit: &'static str) {
        let mut visits = self.visits.lock().unwrap_or_else(PoisonError::into_inner);
        visits.push(visit);
    }

    fn take(&self) -> Vec<&'static str> {
        let mut visits = self.visits.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut visits)
    }
}

impl Store for Watched {
    pass_on!(store: support);

    fn edges<'a>(
        &'a self,
        context: &'a RequestContext,
        query: &'a EdgeQuery,
    ) -> BoxFuture<'a, Result<Vec<Vec<Edge>>, StoreError>> {
        self.note("edges");
        self.store.edges(context, query)
    }

    fn query<'a>(
        &'a self,
        context: &'a RequestContext,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        self.note("query");
        self.store.query(context, query)
    }

    fn read<'a>(
        &'a self,
        context: &'a RequestContext,
        kind: &'a Arc<ResourceType>,
        id: &'a ResourceId,
        want: &'a ReadOptions,
    ) -> BoxFuture<'a, Result<StoredResource, StoreError>> {
        self.note("read");
        self.store.read(context, kind, id, want)
    }

    fn write<'a>(
        &'a self,
        context: &'a RequestContext,
        batch: Batch,
    ) -> BoxFuture<'a, BatchAnswer> {
        let note = batch.writes.iter().find_map(|write| match write {
            WriteOp::Update { expect, .. } => match expect {
                ExpectedVersion::Base(base) => {
                    // The tree that was read is passed on; only the memory store holds it, too.
                    assert!(Arc::strong_count(&base.document) <= 2);
                    Some("write on base")
                }
                ExpectedVersion::OneOf(_) => Some("write on version"),
                _ => None,
            },
            _ => None,
        });
        self.note(note.unwrap_or("write"));
        self.store.write(context, batch)
    }
}

async fn send(server: &Server, (method, path): (&str, &str), body: &Value) -> Value {
    let text = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("content-type", "application/scim+json")
        .body(Full::new(Bytes::from(text)))
        .unwrap();
    let response = server.handle(request).await;
    assert!(
        response.status().is_success(),
        "{method} {path}: {response:?}"
    );
    let body = response.into_body().collect().await.unwrap();
    serde_json::from_slice(&body.to_bytes()).unwrap_or_default()
}

#[tokio::test]
async fn requests_visit_the_store_as_rarely_as_possible() {
    let patch = |operation: Value| json!({"Operations": [operation]});
    let retitle = patch(json!({"op": "replace", "path": "title", "value": "Dr."}));
    for (name, make) in STORES {
        let store = Arc::new(Watched {
            store: make(),
            visits: Mutex::default(),
        });
        let server = server(Arc::<Watched>::clone(&store), Tolerance::DEFAULT);
        let user = send(&server, ("POST", "/Users"), &json!({"userName": "ann"})).await;
        assert_eq!(store.take(), ["write"], "{name}");
        let user = user["id"].as_str().unwrap();
        let group = json!({"displayName": "team", "members": [{"value": user}]});
        let group = send(&server, ("POST", "/Groups"), &group).await;
        let group = group["id"].as_str().unwrap();
        store.take();

        let one = format!("/Users/{user}");
        let team = format!("/Groups/{group}");
        let renamed = json!({"userName": "bob", "title": "Dr."});
        let remove = json!({"op": "remove", "path": format!("members[value eq \"{user}\"]")});
        let rename = patch(json!({"op": "replace", "path": "displayName", "value": "crew"}));
        // (request, body, visits, whether the response contains the user's group)
        let cases: [(&str, &str, &Value, &[&str], bool); 8] = [
            ("GET", &one, &Value::Null, &["read"], true),
            ("PATCH", &one, &retitle, &["read", "write on version"], true),
            // It changes nothing, so there is nothing to write; the response is read at one moment.
            ("PATCH", &one, &retitle, &["read", "read"], true),
            ("PUT", &one, &renamed, &["read", "write on base"], true),
            (
                "PATCH",
                &team,
                &rename,
                &["read", "write on version"],
                false,
            ),
            ("PATCH", &team, &patch(remove), &["write"], false),
            ("DELETE", &one, &Value::Null, &["write"], false),
            ("DELETE", &team, &Value::Null, &["write"], false),
        ];
        for (method, path, body, visits, shows_group) in cases {
            let answer = send(&server, (method, path), body).await;
            assert_eq!(store.take(), visits, "{name}: {method} {path}");
            if shows_group {
                assert_eq!(
                    answer["groups"][0]["value"], *group,
                    "{name}: {method} {path}"
                );
            }
        }
    }
}
