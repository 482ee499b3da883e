//! One tenant can't see, count, time or collide with another, and is the same in another store.

mod noting;

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use http::{Request, Response, header::ETAG};
use regex::{Captures, Regex};
use scimkit_server::{BearerTokens, Server, Token};
use scimkit_sqlite::SqliteStore;
use scimkit_store::{
    BoxFuture, MemoryStore, RequestContext, Settings, Store, TenantId,
    archive::{self, export_to, import_from},
};
use scimkit_testkit::{
    contract::{archive::FullStore, block_on},
    replay::HttpTarget,
};
use serde_json::{Value, json};

use self::noting::Noting;
use crate::servers::STORES;

/// The tokens of two tenants.
const ONE: &str = "one-token-for-tests";
const OTHER: &str = "other-token-for-tests";

/// Creates a server with two tenants.
fn server(store: Arc<dyn Store>) -> Server {
    let digest = |token| Token::from_secret(token).unwrap().digest();
    let tokens = BearerTokens::new([]).with_token(digest(ONE), TenantId::from("one"));
    let tokens = tokens.with_token(digest(OTHER), TenantId::from("other"));
    Server::new(store, Settings::new("https://scim.test/v2")).with_authentication(tokens)
}

fn send(
    server: &Server,
    token: &str,
    (method, path): (&str, &str),
    body: &Value,
) -> Response<Bytes> {
    let builder = Request::builder().method(method).uri(path);
    let builder = builder.header("authorization", format!("Bearer {token}"));
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let answer = server.send(builder.body(body.into()).unwrap());
    runtime.unwrap().block_on(answer).unwrap()
}

fn create(server: &Server, token: &str, path: &str, body: &Value) -> String {
    let answer = send(server, token, ("POST", path), body);
    assert_eq!(answer.status(), 201, "{:?}", answer.body());
    let made: Value = serde_json::from_slice(answer.body()).unwrap();
    made["id"].as_str().unwrap().to_owned()
}

/// Answers as text, with ids and instants replaced by their order.
#[derive(Default)]
struct Alike {
    known: HashMap<String, String>,
}

impl Alike {
    /// Replaces that id by a name from now on.
    fn call(&mut self, id: &str, name: &str) {
        self.known.insert(id.to_owned(), name.to_owned());
    }

    fn text(&mut self, answer: &Response<Bytes>) -> String {
        let mut text = format!("{}\n", answer.status());
        for (name, value) in answer.headers() {
            if name != "x-request-id" {
                text.push_str(&format!("{name}: {}\n", value.to_str().unwrap()));
            }
        }
        text.push_str(std::str::from_utf8(answer.body()).unwrap());
        let varying = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9]{4}-[0-9-]{5}T[0-9:.]+Z";
        let shown = Regex::new(varying)
            .unwrap()
            .replace_all(&text, |found: &Captures<'_>| {
                let found = &found[0];
                if found.ends_with('Z') {
                    return "an instant".to_owned();
                }
                let next = format!("id {}", self.known.len());
                self.known.entry(found.to_owned()).or_insert(next).clone()
            });
        shown.into_owned()
    }
}

fn user(name: &str) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name})
}

fn group(name: &str, members: &[&str]) -> Value {
    let members: Vec<_> = members.iter().map(|id| json!({"value": id})).collect();
    let schema = "urn:ietf:params:scim:schemas:core:2.0:Group";
    json!({"schemas": [schema], "displayName": name, "members": members})
}

/// Runs the requests of one tenant, and returns every answer.
fn life(server: &Server, token: &str, between: impl Fn(usize)) -> Vec<String> {
    let mut alike = Alike::default();
    let mut answers = Vec::new();
    let mut ask = |what: (&str, &str), body: &Value| -> Value {
        between(answers.len());
        let answer = send(server, token, what, body);
        answers.push(alike.text(&answer));
        serde_json::from_slice(answer.body()).unwrap_or_default()
    };
    let id = |made: &Value| made["id"].as_str().unwrap().to_owned();
    let ada = id(&ask(("POST", "/Users"), &user("ada")));
    let bo = id(&ask(("POST", "/Users"), &user("bo")));
    ask(("POST", "/Users"), &user("ADA"));
    let crew = id(&ask(("POST", "/Groups"), &group("crew", &[&ada])));
    let add = json!([{"op": "add", "path": "members", "value": [{"value": bo}]}]);
    ask(
        ("PATCH", &format!("/Groups/{crew}")),
        &json!({"Operations": add}),
    );
    let rename = json!([{"op": "replace", "path": "userName", "value": "bo2"}]);
    ask(
        ("PATCH", &format!("/Users/{bo}")),
        &json!({"Operations": rename}),
    );
    let operations = json!([
        {"method": "POST", "path": "/Users", "bulkId": "a", "data": user("carl")},
        {"method": "POST", "path": "/Groups", "bulkId": "b", "data": group("more", &["bulkId:a"])},
        {"method": "POST", "path": "/Users", "bulkId": "c", "data": user("Bo2")},
    ]);
    ask(("POST", "/Bulk"), &json!({"Operations": operations}));
    ask(("GET", "/Users?sortBy=userName&count=2"), &Value::Null);
    ask(
        ("GET", "/Users?filter=groups.display%20eq%20%22crew%22"),
        &Value::Null,
    );
    ask(("GET", "/Groups"), &Value::Null);
    ask(
        ("POST", "/.search"),
        &json!({"filter": "id pr", "sortBy": "meta.created", "count": 3}),
    );
    ask(("DELETE", &format!("/Users/{ada}")), &Value::Null);
    ask(("GET", &format!("/Groups/{crew}")), &Value::Null);
    ask(("GET", "/?count=0"), &Value::Null);
    ask(("GET", "/ServiceProviderConfig"), &Value::Null);
    answers
}

#[test]
fn tenant_is_not_affected_by_another() {
    for (store, make) in STORES {
        let alone = life(&server(make()), ONE, |_| {});
        let shared = server(make());
        // The other one is active between any two requests, with the same names.
        let beside = life(&shared, ONE, |n| {
            for name in ["ada", "bo", "bo2", "carl"] {
                send(&shared, OTHER, ("POST", "/Users"), &user(name));
            }
            let crew = create(&shared, OTHER, "/Groups", &group("crew", &[]));
            if n % 3 == 0 {
                send(
                    &shared,
                    OTHER,
                    ("DELETE", &format!("/Groups/{crew}")),
                    &Value::Null,
                );
            }
        });
        for (alone, beside) in alone.iter().zip(&beside) {
            assert_eq!(beside, alone, "{store}");
        }
        let made = |answer: &&String| answer.starts_with("201 ");
        assert_eq!(alone.iter().filter(made).count(), 3, "{store}");
    }
}

/// Returns requests with a resource `{id}`, next to the tenant's own user `{u}` and group `{g}`.
fn naming() -> Vec<(&'static str, &'static str, Value)> {
    let patch = |op: Value| json!({"Operations": [op]});
    let rename = patch(json!({"op": "replace", "path": "displayName", "value": "mine"}));
    let member = json!([{"value": "{id}"}]);
    let manager = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager";
    let bulk = json!({"Operations": [
        {"method": "PATCH", "path": "/Users/{id}", "data": rename},
        {"method": "DELETE", "path": "/Groups/{id}"},
        {"method": "POST", "path": "/Groups", "bulkId": "g", "data": group("bulk", &["{u}", "{id}"])},
        {"method": "PATCH", "path": "/Groups/{g}", "data":
            patch(json!({"op": "add", "path": "members", "value": member}))},
        {"method": "PUT", "path": "/Users/{id}", "data": user("taken over")},
    ]});
    let search = |filter: &str| json!({"filter": filter});
    vec![
        ("GET", "/Users/{id}", Value::Null),
        ("GET", "/Groups/{id}", Value::Null),
        ("GET", "/Users/{id}?attributes=userName", Value::Null),
        ("PUT", "/Users/{id}", user("taken over")),
        ("PUT", "/Groups/{id}", group("taken over", &["{u}"])),
        ("PATCH", "/Users/{id}", rename),
        (
            "PATCH",
            "/Groups/{id}",
            patch(json!({"op": "add", "path": "members", "value": [{"value": "{u}"}]})),
        ),
        ("DELETE", "/Users/{id}", Value::Null),
        ("DELETE", "/Groups/{id}", Value::Null),
        ("POST", "/Groups", group("with another's", &["{u}", "{id}"])),
        ("PUT", "/Groups/{g}", group("g", &["{id}"])),
        (
            "PATCH",
            "/Groups/{g}",
            patch(json!({"op": "add", "path": "members", "value": member})),
        ),
        (
            "PATCH",
            "/Groups/{g}",
            patch(json!({"op": "remove", "path": "members[value eq \"{id}\"]"})),
        ),
        (
            "PATCH",
            "/Users/{u}",
            patch(json!({"op": "add", "path": manager, "value": {"value": "{id}"}})),
        ),
        ("GET", "/Users/{u}", Value::Null),
        ("GET", "/Users?filter=id%20eq%20%22{id}%22", Value::Null),
        (
            "GET",
            "/Users?filter=groups.value%20eq%20%22{id}%22",
            Value::Null,
        ),
        (
            "GET",
            "/Groups?filter=members%5Bvalue%20eq%20%22{id}%22%5D",
            Value::Null,
        ),
        (
            "POST",
            "/Users/.search",
            search(&format!("{manager}.value eq \"{{id}}\"")),
        ),
        ("POST", "/.search", search("id eq \"{id}\"")),
        ("POST", "/.search", search("id pr")),
        ("POST", "/Bulk", bulk),
        ("GET", "/?count=0", Value::Null),
    ]
}

/// Published failures of other products let the token of one organisation change the users of another.
#[test]
fn id_of_another_tenant_is_like_a_missing_id() {
    for (name, make) in STORES {
        for own in ["/Users", "/Groups"] {
            let run = |nobodys: bool| {
                let store = Arc::new(Noting::over(make()));
                let server = server(Arc::clone(&store) as Arc<dyn Store>);
                let body = if own == "/Users" {
                    user("theirs")
                } else {
                    group("theirs", &[])
                };
                let theirs = create(&server, OTHER, own, &body);
                let id = if nobodys {
                    // In the same form, but not in use.
                    format!("{}-777777777777", theirs.rsplit_once('-').unwrap().0)
                } else {
                    theirs
                };
                let u = create(&server, ONE, "/Users", &user("mine"));
                let g = create(&server, ONE, "/Groups", &group("mine", &[&u]));
                let mut alike = Alike::default();
                alike.call(&id, "their id");
                store.take();
                let answers = naming().into_iter().map(|(method, path, body)| {
                    let put = |text: &str| {
                        text.replace("{id}", &id)
                            .replace("{u}", &u)
                            .replace("{g}", &g)
                    };
                    let body = serde_json::from_str(&put(&body.to_string())).unwrap();
                    let answer = send(&server, ONE, (method, &put(path)), &body);
                    (
                        format!("{method} {path}"),
                        alike.text(&answer),
                        store.take(),
                    )
                });
                answers.collect::<Vec<_>>()
            };
            // The store calls are the same, too, so that a miss takes as long.
            let pairs = run(false).into_iter().zip(run(true));
            for (theirs, nobodys) in pairs {
                assert_eq!(theirs, nobodys, "{name}, an id of {own}");
            }
        }
    }
}

#[test]
fn cursor_of_another_tenant_is_like_an_invalid_one() {
    for (name, make) in STORES {
        let server = server(make());
        for n in 0..3 {
            create(&server, ONE, "/Users", &user(&format!("u{n}")));
            create(&server, OTHER, "/Users", &user(&format!("u{n}")));
        }
        let first = send(
            &server,
            OTHER,
            ("GET", "/Users?cursor&count=1"),
            &Value::Null,
        );
        let page: Value = serde_json::from_slice(first.body()).unwrap();
        let theirs = page["nextCursor"].as_str().unwrap();
        let noise: String = theirs.chars().rev().collect();
        let mut alike = Alike::default();
        let answers = [theirs, &noise].map(|cursor| {
            let path = format!("/Users?count=1&cursor={cursor}");
            let answer = send(&server, ONE, ("GET", &path), &Value::Null);
            assert_eq!(answer.status(), 400, "{name}");
            alike.text(&answer)
        });
        assert_eq!(answers[0], answers[1], "{name}");
        let own = format!("/Users?count=1&cursor={theirs}");
        let answer = send(&server, OTHER, ("GET", &own), &Value::Null);
        assert_eq!(answer.status(), 200, "{name}");
    }
}

/// A path, its response and the entity tag of the response.
type Shown = (String, Bytes, Option<String>);

/// Returns every way in which stored data are visible.
fn shown(server: &Server) -> Vec<Shown> {
    let get = |path: &str| {
        let answer = send(server, ONE, ("GET", path), &Value::Null);
        assert_eq!(answer.status(), 200, "{path}: {:?}", answer.body());
        let tag = answer.headers().get(ETAG);
        let tag = tag.map(|tag| tag.to_str().unwrap().to_owned());
        (path.to_owned(), answer.into_body(), tag)
    };
    let mut shown = Vec::new();
    for list in ["/Users", "/Groups", "/?sortBy=meta.lastModified"] {
        shown.push(get(list));
        let page: Value = serde_json::from_slice(&shown.last().unwrap().1).unwrap();
        for one in page["Resources"].as_array().unwrap() {
            let location = one["meta"]["location"].as_str().unwrap();
            shown.push(get(location.strip_prefix("https://scim.test/v2").unwrap()));
        }
    }
    shown
}

#[test]
fn clients_do_not_notice_a_move_to_another_store() {
    let stores: [fn() -> Arc<dyn FullStore>; 2] = [
        || Arc::new(MemoryStore::new()),
        || Arc::new(SqliteStore::in_memory().unwrap()),
    ];
    let wait = |future: BoxFuture<'_, ()>| block_on(future);
    for kinds in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let from = stores[kinds.0]();
        let to = stores[kinds.1]();
        let before = server(Arc::clone(&from) as Arc<dyn Store>);
        life(&before, ONE, |_| {});
        let settings = Settings::new("https://scim.test/v2");
        let context = RequestContext::new(TenantId::from("one"), Arc::new(settings));
        wait(Box::pin(async {
            let options = archive::ArchiveOptions::default();
            let (lines, _) = export_to(&*from, &context.tenant, &options, Vec::new())
                .await
                .unwrap();
            let lines = std::io::Cursor::new(lines);
            import_from(&*to, &context, &options, lines).await.unwrap();
        }));
        let now = server(Arc::clone(&to) as Arc<dyn Store>);
        let before = shown(&before);
        let after = shown(&now);
        let as_json = |shown: &Shown| {
            let body: Value = serde_json::from_slice(&shown.1).unwrap();
            (shown.0.clone(), body, shown.2.clone())
        };
        // A different store may return the members of an object in another order.
        let alike = before.iter().map(as_json).eq(after.iter().map(as_json));
        assert!(alike, "{before:?}\n{after:?}");
        assert!(
            kinds.0 != kinds.1 || after == before,
            "{before:?}\n{after:?}"
        );
        assert!(before.len() > 8);
        // The versions that a client has are still valid, and its writes get new ones.
        let (path, _, tag) = before.iter().find(|(_, _, tag)| tag.is_some()).unwrap();
        let request =
            Request::patch(path.as_str()).header("authorization", format!("Bearer {ONE}"));
        let request = request.header("if-match", tag.as_deref().unwrap());
        let rename = json!([{"op": "replace", "path": "displayName", "value": "after"}]);
        let body = json!({"Operations": rename}).to_string();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let answer = runtime
            .block_on(now.send(request.body(body.into()).unwrap()))
            .unwrap();
        assert_eq!(answer.status(), 200, "{:?}", answer.body());
        let tags: Vec<_> = before
            .iter()
            .filter_map(|(_, _, tag)| tag.as_deref())
            .collect();
        assert!(!tags.contains(&answer.headers()[ETAG].to_str().unwrap()));
    }
}
