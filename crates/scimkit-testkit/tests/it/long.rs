//! Groups that are longer than a page, over every store.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as _;
use http_body_util::{BodyExt, Full};
use scimkit_registry::{Edge, Tolerance};
use scimkit_server::{Body, Server};
use scimkit_store::{BoxFuture, EdgeQuery, MemoryStore, RequestContext, Store, StoreError};
use scimkit_testkit::replay::HttpTarget;
use serde_json::{Value, json};

use crate::servers::{STORES, TOKEN, server};

/// More than two pages.
const MEMBERS: usize = 2_500;

fn request(method: &str, path: &str, body: &Value) -> Request<Bytes> {
    let request = Request::builder().method(method).uri(path);
    let request = request.header("authorization", format!("Bearer {TOKEN}"));
    request.body(body.to_string().into()).unwrap()
}

async fn ask(server: &Server, method: &str, path: &str, body: Value) -> Value {
    let answer = server.send(request(method, path, &body)).await.unwrap();
    assert!(answer.status().is_success(), "{method} {path}: {answer:?}");
    serde_json::from_slice(answer.body()).unwrap_or_default()
}

/// Returns a response without reading its body.
async fn open(server: &Server, path: &str) -> Response<Body> {
    let request = request("GET", path, &Value::Null);
    server.handle(request.map(Full::new)).await
}

/// Creates a large group, some of whose members have display names, and returns the ids of its members in order.
async fn group(server: &Server) -> (String, Vec<String>, Value) {
    let mut users = Vec::with_capacity(MEMBERS);
    for n in 0..MEMBERS {
        let user = json!({"userName": n.to_string(), "displayName": format!("User {n}")});
        let user = ask(server, "POST", "/Users?attributes=id", user).await;
        users.push(user["id"].as_str().unwrap().to_owned());
    }
    users.sort_unstable();
    let members: Value = users.iter().map(|id| json!({"value": id})).collect();
    let group = json!({"displayName": "crew", "members": members});
    let group = ask(server, "POST", "/Groups", group).await;
    (
        format!("/Groups/{}", group["id"].as_str().unwrap()),
        users,
        group,
    )
}

fn ids(resource: &Value) -> Vec<&str> {
    let members = resource["members"].as_array().into_iter().flatten();
    members
        .map(|member| member["value"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn long_group_is_returned_completely() {
    for (store, make) in STORES {
        let server = server(make(), Tolerance::DEFAULT);
        let (path, users, made) = group(&server).await;
        assert_eq!(ids(&made), users, "{store}");

        let shown = ask(&server, "GET", &path, Value::Null).await;
        assert_eq!(shown, made, "{store}");
        let member = &shown["members"][1_234];
        assert_eq!(member["type"], "User");
        assert_eq!(
            member["$ref"],
            format!("https://scim.test/v2/Users/{}", users[1_234])
        );
        assert!(member["display"].as_str().unwrap().starts_with("User "));

        let some = ask(
            &server,
            "GET",
            &format!("{path}?attributes=members.value"),
            Value::Null,
        )
        .await;
        assert_eq!(
            (ids(&some), some.get("displayName")),
            (users.iter().map(String::as_str).collect(), None)
        );
        assert_eq!(some["members"][2_400], json!({"value": users[2_400]}));

        let none = ask(
            &server,
            "GET",
            &format!("{path}?excludedAttributes=members"),
            Value::Null,
        )
        .await;
        assert_eq!(
            (none.get("members"), &none["displayName"]),
            (None, &json!("crew"))
        );

        let without = json!({"displayName": "crew", "members": made["members"]});
        assert_eq!(ids(&ask(&server, "PUT", &path, without).await), users);
    }
}

#[tokio::test]
async fn long_group_is_sent_in_parts_with_its_version() {
    for (_, make) in STORES {
        let server = server(make(), Tolerance::DEFAULT);
        let (path, ..) = group(&server).await;
        let mut answer = open(&server, &path).await;
        let etag = answer.headers()["etag"].to_str().unwrap().to_owned();
        assert_eq!(answer.body().size_hint().exact(), None);
        let (mut parts, mut text) = (0, Vec::new());
        while let Some(frame) = answer.body_mut().frame().await {
            text.extend(frame.unwrap().into_data().unwrap());
            parts += 1;
        }
        let whole: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(whole["meta"]["version"], etag);
        assert_eq!(parts, 4);

        let mut known = request("GET", &path, &Value::Null);
        known
            .headers_mut()
            .insert("if-none-match", etag.parse().unwrap());
        assert_eq!(server.send(known).await.unwrap().status(), 304);
        let head = server
            .send(request("HEAD", &path, &Value::Null))
            .await
            .unwrap();
        assert_eq!((head.status().as_u16(), head.body().len()), (200, 0));
        assert!(head.headers().get("content-length").is_none());
    }
}

#[tokio::test]
async fn permanent_members_are_sent_once() {
    for (store, make) in STORES {
        let server = server(make(), Tolerance::DEFAULT);
        let (path, users, _) = group(&server).await;
        let other = ask(&server, "POST", "/Users", json!({"userName": "other"})).await;
        let mut answer = open(&server, &path).await;
        let (mut text, mut gone) = (Vec::new(), BTreeSet::new());
        for round in 0.. {
            let Some(frame) = answer.body_mut().frame().await else {
                break;
            };
            text.extend(frame.unwrap().into_data().unwrap());
            // After the reader, before it, and at its position.
            for at in [10 + round, 999 + round, 1_999 + round, 2_400 + round] {
                let path_of = format!(r#"members[value eq "{}"]"#, users[at]);
                let remove = json!({"Operations": [{"op": "remove", "path": path_of}]});
                ask(&server, "PATCH", &path, remove).await;
                gone.insert(users[at].clone());
            }
            let add = json!({"op": "add", "path": "members", "value": [{"value": other["id"]}]});
            ask(&server, "PATCH", &path, json!({"Operations": [add]})).await;
        }
        let whole: Value = serde_json::from_slice(&text).unwrap();
        let sent = ids(&whole);
        let distinct: BTreeSet<_> = sent.iter().collect();
        assert_eq!(distinct.len(), sent.len(), "{store}");
        for id in users.iter().filter(|id| !gone.contains(*id)) {
            assert!(distinct.contains(&id.as_str()), "{store}: {id} is missing");
        }
    }
}

/// A store that fails at its second page of edges.
#[derive(Debug)]
struct Failing {
    pages: AtomicU32,
    store: MemoryStore,
}

impl Store for Failing {
    pass_on!(store: support query read write);

    fn edges<'a>(
        &'a self,
        context: &'a RequestContext,
        query: &'a EdgeQuery,
    ) -> BoxFuture<'a, Result<Vec<Vec<Edge>>, StoreError>> {
        if query.after.is_some() && self.pages.fetch_add(1, Ordering::Relaxed) > 0 {
            return Box::pin(async { Err(StoreError::Busy) });
        }
        self.store.edges(context, query)
    }
}

#[tokio::test]
async fn aborted_response_is_not_a_shorter_list() {
    // Creating the group returns it, too: two pages for that, and one before the failure.
    let store = Failing {
        pages: AtomicU32::new(0),
        store: MemoryStore::new(),
    };
    let store = Arc::new(store);
    let server = server(Arc::clone(&store) as Arc<dyn Store>, Tolerance::DEFAULT);
    let mut members = Vec::with_capacity(MEMBERS);
    for n in 0..MEMBERS {
        let user = json!({"userName": n.to_string()});
        let user = ask(&server, "POST", "/Users?attributes=id", user).await;
        members.push(json!({"value": user["id"]}));
    }
    let group = json!({"displayName": "crew", "members": members});
    let group = ask(&server, "POST", "/Groups?attributes=id", group).await;
    let path = format!("/Groups/{}", group["id"].as_str().unwrap());

    let mut answer = open(&server, &path).await;
    assert_eq!(answer.status(), 200);
    let mut text = Vec::new();
    let broken = loop {
        match answer.body_mut().frame().await {
            Some(Ok(frame)) => text.extend(frame.into_data().unwrap()),
            Some(Err(error)) => break error,
            None => panic!("the answer ended"),
        }
    };
    assert_eq!(broken.to_string(), "the response was cut off");
    assert!(serde_json::from_slice::<Value>(&text).is_err());
    assert!(answer.body_mut().frame().await.is_none());
}

#[tokio::test]
async fn members_can_be_requested_in_pages() {
    for (store, make) in STORES {
        let server = server(make(), Tolerance::DEFAULT);
        let (path, users, _) = group(&server).await;
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let page = format!("{path}?attributes=members&membersCount=700&membersAfter={after}");
            let page = ask(&server, "GET", &page, Value::Null).await;
            let ids = ids(&page);
            seen.extend(ids.iter().map(|id| (*id).to_owned()));
            let Some(last) = ids.last().filter(|_| ids.len() == 700) else {
                break;
            };
            after = (*last).to_owned();
        }
        assert_eq!(seen, users, "{store}");

        let first = ask(
            &server,
            "GET",
            &format!("{path}?membersCount=2"),
            Value::Null,
        )
        .await;
        assert_eq!(
            (ids(&first), &first["displayName"]),
            (vec![&*users[0], &*users[1]], &json!("crew"))
        );
        let none = ask(
            &server,
            "GET",
            &format!("{path}?membersCount=0"),
            Value::Null,
        )
        .await;
        assert_eq!(
            (none.get("members"), &none["displayName"]),
            (None, &json!("crew"))
        );
        let most = ask(
            &server,
            "GET",
            &format!("{path}?membersCount=5000"),
            Value::Null,
        )
        .await;
        assert_eq!(ids(&most).len(), 1_000);
        let bad = server
            .send(request(
                "GET",
                &format!("{path}?membersCount=-1"),
                &Value::Null,
            ))
            .await;
        assert_eq!(bad.unwrap().status(), 400);
    }
}
