//! Paging by cursor over every store, during writes, and misused cursors.

use std::{
    cell::Cell,
    sync::{Arc, mpsc},
    thread,
};

use bytes::Bytes;
use http::{Request, Response};
use scimkit_registry::Tolerance;
use scimkit_server::{BearerTokens, Server, Token};
use scimkit_store::{MemoryStore, Settings, Store, TenantId};
use scimkit_testkit::replay::HttpTarget;
use serde_json::{Value, json};

use crate::servers::{STORES, TOKEN, server};

fn send(server: &Server, token: &str, method: &str, path: &str, body: &Value) -> Response<Bytes> {
    let builder = Request::builder().method(method).uri(path);
    let builder = builder.header("authorization", format!("Bearer {token}"));
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let answer = server.send(builder.body(body.into()).unwrap());
    runtime.unwrap().block_on(answer).unwrap()
}

fn json_of(answer: &Response<Bytes>) -> Value {
    serde_json::from_slice(answer.body()).unwrap()
}

fn create(server: &Server, endpoint: &str, body: &Value) -> String {
    let answer = send(server, TOKEN, "POST", endpoint, body);
    assert_eq!(answer.status(), 201, "{:?}", answer.body());
    json_of(&answer)["id"].as_str().unwrap().to_owned()
}

/// Returns the `displayName` of every resource that a search returns, page by page.
fn walk(server: &Server, path: &str, search: &Value, paged: impl Fn()) -> Vec<String> {
    let mut search = search.clone();
    let mut met = Vec::new();
    search["cursor"] = json!("");
    loop {
        let answer = send(server, TOKEN, "POST", path, &search);
        assert_eq!(answer.status(), 200, "{:?}", answer.body());
        let page = json_of(&answer);
        let first = search["cursor"] == "";
        assert_eq!(page.get("totalResults").is_some(), first, "{page}");
        let resources = page["Resources"].as_array().unwrap();
        assert!(resources.len() <= 3, "{page}");
        let names = resources
            .iter()
            .map(|one| one["displayName"].as_str().unwrap());
        met.extend(names.map(str::to_owned));
        paged();
        match page.get("nextCursor") {
            Some(next) => search["cursor"] = next.clone(),
            None => return met,
        }
    }
}

/// Creates permanent users and groups, with equal and missing values.
fn populate(server: &Server) -> Vec<String> {
    let mut users = Vec::new();
    for n in 0..20 {
        let mut body = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": format!("user{}", n * 7 % 20), "displayName": format!("Stays {}", n * 3 % 20),
        });
        if n % 3 > 0 {
            body["title"] = json!(["x", "X", "y"][n % 3]);
        }
        users.push(create(server, "/Users", &body));
    }
    for (n, user) in users.iter().enumerate().take(7) {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
            "displayName": format!("Stays {}", n + 5), "members": [{"value": user}],
        });
        create(server, "/Groups", &body);
    }
    users
}

/// Creates, changes and deletes others, and changes attributes that nothing is sorted by.
fn write(server: &Server, users: &[String], round: usize) {
    let guest = |name: &str| {
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": name, "displayName": format!("Stays {} guest", round % 20), "title": "x",
        })
    };
    let patch = |path: &str, value: Value| {
        json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "replace", "path": path, "value": value}],
        })
    };
    let first = create(server, "/Users", &guest(&format!("a{round}")));
    let last = create(server, "/Users", &guest(&format!("z{round}")));
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
        "displayName": "Stays 0 guest",
    });
    let group = create(server, "/Groups", &body);
    let stays = &users[round % users.len()];
    for (path, value) in [
        (
            format!("/Users/{stays}"),
            patch("nickName", json!(format!("nick{round}"))),
        ),
        (
            format!("/Users/{first}"),
            patch("userName", json!(format!("m{round}"))),
        ),
        (format!("/Users/{last}"), patch("title", json!("a"))),
        (
            format!("/Groups/{group}"),
            patch("displayName", json!("Stays 9 guest")),
        ),
    ] {
        assert!(
            send(server, TOKEN, "PATCH", &path, &value)
                .status()
                .is_success(),
            "{path}"
        );
    }
    for path in [
        format!("/Users/{first}"),
        format!("/Users/{last}"),
        format!("/Groups/{group}"),
    ] {
        assert_eq!(
            send(server, TOKEN, "DELETE", &path, &Value::Null).status(),
            204
        );
    }
}

#[test]
fn paging_during_writes_returns_every_resource_once_in_order() {
    let orders = [
        ("displayName", "ascending"),
        ("displayName", "descending"),
        ("groups.display", "ascending"),
        ("meta.created", "descending"),
        ("title", "ascending"),
        ("title", "descending"),
        ("userName", "ascending"),
    ];
    for (store, make) in STORES {
        let server = server(make(), Tolerance::DEFAULT);
        let users = populate(&server);
        let mut searches = Vec::new();
        for path in ["/.search", "/Users/.search"] {
            for filter in [
                "id pr",
                r#"displayName sw "STAYS""#,
                r#"not (externalId eq "x")"#,
            ] {
                let search = json!({
                    "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
                    "filter": filter, "count": 3,
                });
                for (by, order) in orders {
                    let mut sorted = search.clone();
                    sorted["sortBy"] = json!(by);
                    sorted["sortOrder"] = json!(order);
                    searches.push((path, sorted));
                }
                searches.push((path, search));
            }
        }
        let quiet: Vec<_> = searches
            .iter()
            .map(|(p, s)| walk(&server, p, s, || ()))
            .collect();
        for (met, (path, _)) in quiet.iter().zip(&searches) {
            assert_eq!(met.len(), if *path == "/.search" { 27 } else { 20 });
        }
        // One round of writes per page: a list in the order of creation would never end if more is created than read.
        // more is created than read.
        let (page, pages) = mpsc::channel();
        thread::scope(|scope| {
            let (server, users) = (&server, &users);
            scope.spawn(move || {
                for round in pages {
                    write(server, users, round);
                }
            });
            let rounds = Cell::new(0);
            let paged = || {
                page.send(rounds.replace(rounds.get() + 1)).unwrap();
            };
            for (expected, (path, search)) in quiet.iter().zip(&searches) {
                let mut met = walk(server, path, search, paged);
                let by_name = search["sortBy"] == "displayName";
                let down = search["sortOrder"] == "descending";
                let order = |a: &String, b: &String| if down { a >= b } else { a <= b };
                assert!(
                    !by_name || met.is_sorted_by(order),
                    "{store}: {path} {met:?}"
                );
                met.retain(|name| !name.contains("guest"));
                assert_eq!(met, *expected, "{store}: {path} {search}");
            }
            drop(page);
        });
    }
}

/// Creates a node of a service with two tenants.
fn node(store: &Arc<dyn Store>, key: Option<[u8; 32]>) -> Server {
    let digest = |secret| Token::from_secret(secret).unwrap().digest();
    let tokens = BearerTokens::default()
        .with_token(digest("of-one"), TenantId::from("one"))
        .with_token(digest("of-two"), TenantId::from("two"));
    let server = Server::new(Arc::clone(store), Settings::new("https://scim.test/v2"));
    let server = server.with_authentication(tokens);
    match key {
        Some(key) => server.with_cursor_key(key),
        None => server,
    }
}

#[test]
fn cursor_is_valid_for_its_tenant_on_every_node_with_the_key() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let first = node(&store, Some([231; 32]));
    for tenant in ["of-one", "of-two"] {
        for n in 0..3 {
            let body = json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
                "userName": format!("{tenant}{n}"),
            });
            assert_eq!(send(&first, tenant, "POST", "/Users", &body).status(), 201);
        }
    }
    let page = send(
        &first,
        "of-one",
        "GET",
        "/Users?cursor&count=2",
        &Value::Null,
    );
    let next = json_of(&page)["nextCursor"].as_str().unwrap().to_owned();
    let ask = |server: &Server, token: &str, cursor: &str| {
        let path = format!("/Users?cursor={cursor}&count=2");
        send(server, token, "GET", &path, &Value::Null)
    };
    for server in [&first, &first.clone(), &node(&store, Some([231; 32]))] {
        let page = json_of(&ask(server, "of-one", &next));
        assert_eq!(page["itemsPerPage"], 1);
        assert_eq!(page["Resources"][0]["userName"], "of-one2");
    }
    let noise = ask(&first, "of-two", "noise");
    assert_eq!(json_of(&noise)["scimType"], "invalidCursor");
    let others = [
        ask(&first, "of-two", &next),
        ask(&node(&store, Some([2; 32])), "of-one", &next),
        ask(&node(&store, None), "of-one", &next),
    ];
    for other in others {
        assert_eq!(
            (other.status(), other.body()),
            (noise.status(), noise.body())
        );
    }
    let shown = format!("{first:?}");
    // Four bytes in a row, because digests and salts are shown and may hold any one or two.
    assert!(!shown.contains("231, 231, 231, 231"), "{shown}");
}
