//! What a caller may do, type by type.

use std::sync::Arc;

use http::request::Parts;
use scimkit_core::AuthenticationScheme;
use scimkit_server::{AccessLevel, AuthError, Authenticate, Identity, Server, TenantInPath};
use scimkit_store::{BoxFuture, MemoryStore, Settings, TenantId};
use serde_json::{Value, json};

use crate::web::{Answer, get, request, send};

/// Lets everybody in, with the levels that a header names: `User=write,Group=off`.
#[derive(Debug)]
struct ByHeader;

impl Authenticate for ByHeader {
    fn authenticate<'a>(&'a self, head: &'a Parts) -> BoxFuture<'a, Result<Identity, AuthError>> {
        let mut identity = Identity::new(TenantId::default());
        let levels = head.headers.get("x-access").map(|v| v.to_str().unwrap());
        for (name, level) in levels
            .into_iter()
            .flat_map(|l| l.split(','))
            .filter_map(|one| one.split_once('='))
        {
            identity.access =
                std::mem::take(&mut identity.access).with_level(name, level_of(level));
        }
        if let Some(TenantInPath(tenant)) = head.extensions.get() {
            identity.tenant = TenantId::from(tenant.as_str());
        }
        Box::pin(async move { Ok(identity) })
    }

    fn schemes(&self) -> Vec<AuthenticationScheme> {
        Vec::new()
    }
}

fn level_of(text: &str) -> AccessLevel {
    match text {
        "off" => AccessLevel::Disabled,
        "nothing" => AccessLevel::Denied,
        "read" => AccessLevel::Read,
        _ => AccessLevel::Write,
    }
}

fn serve() -> Server {
    let settings = Settings::new("https://app.example/scim/v2");
    Server::new(Arc::new(MemoryStore::new()), settings).with_authentication(ByHeader)
}

async fn ask(server: &Server, access: &str, call: &str, body: &Value) -> Answer {
    let (method, path) = call.split_once(' ').unwrap();
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    send(
        server,
        request(method, path, &[("x-access", access)], &body),
    )
    .await
}

#[tokio::test]
async fn each_level_is_all_of_those_below_it() {
    let server = serve();
    let user = json!({"userName": "a"});
    let made = ask(&server, "User=write", "POST /Users", &user).await;
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let patch = json!({"Operations": [{"op": "add", "path": "title", "value": "t"}]});
    let calls = [
        ("GET /Users", AccessLevel::Read, Value::Null),
        (&format!("GET /Users/{id}"), AccessLevel::Read, Value::Null),
        ("GET /Users/none", AccessLevel::Read, Value::Null),
        ("POST /Users/.search", AccessLevel::Read, json!({})),
        ("POST /Users", AccessLevel::Write, json!({"userName": "b"})),
        (&format!("PATCH /Users/{id}"), AccessLevel::Write, patch),
        (
            &format!("PUT /Users/{id}"),
            AccessLevel::Write,
            user.clone(),
        ),
        (
            &format!("DELETE /Users/{id}"),
            AccessLevel::Write,
            Value::Null,
        ),
    ];
    let levels = ["off", "nothing", "read", "write"];
    for (call, needed, body) in &calls {
        for level in levels {
            let answer = ask(&server, &format!("User={level}"), call, body).await;
            let allowed = level_of(level) >= *needed;
            assert_eq!(answer.status != 403, allowed, "{call} {level} {answer:?}");
            if !allowed {
                answer.is_error(403);
            }
        }
    }
    // What was refused was not done.
    let left = ask(&server, "User=read", "GET /Users", &Value::Null).await;
    assert_eq!(left.json()["totalResults"], 1);
}

#[tokio::test]
async fn a_refusal_says_what_is_missing() {
    let server = serve();
    for (access, call, detail) in [
        (
            "Group=off",
            "GET /Groups",
            "Group is disabled for this connection",
        ),
        (
            "Group=nothing",
            "GET /Groups",
            "these credentials may not read Group",
        ),
        (
            "Group=read",
            "POST /Groups",
            "these credentials may not write Group",
        ),
        (
            "Group=nothing,User=nothing",
            "GET /",
            "these credentials may read nothing",
        ),
    ] {
        let answer = ask(&server, access, call, &json!({"displayName": "g"})).await;
        answer.is_error(403);
        assert_eq!(answer.json()["detail"], detail);
    }
}

#[tokio::test]
async fn a_query_of_all_types_shows_what_may_be_read() {
    let server = serve();
    ask(&server, "", "POST /Users", &json!({"userName": "a"})).await;
    ask(&server, "", "POST /Groups", &json!({"displayName": "g"})).await;
    for (access, names) in [("", 2), ("User=nothing", 1), ("Group=off", 1)] {
        for call in ["GET /", "POST /.search"] {
            let answer = ask(&server, access, call, &json!({})).await;
            assert_eq!(answer.json()["totalResults"], names, "{access}");
        }
    }
    let filtered = ask(
        &server,
        "User=nothing",
        "GET /?filter=meta.resourceType%20eq%20%22User%22",
        &Value::Null,
    );
    assert_eq!(filtered.await.json()["totalResults"], 0);
}

#[tokio::test]
async fn the_operations_of_a_bulk_request_are_checked_one_by_one() {
    let server = serve();
    let operation = |path: &str, name: &str, body: Value| json!({"method": "POST", "path": path, "bulkId": name, "data": body});
    let group = json!({"displayName": "g", "members": [{"value": "bulkId:u"}]});
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [
            operation("/Users", "u", json!({"userName": "a"})),
            operation("/Groups", "g", group),
        ],
    });
    for (access, statuses) in [("Group=read", ["201", "403"]), ("User=off", ["403", "409"])] {
        let answer = ask(&server, access, "POST /Bulk", &body).await.json();
        let found: Vec<_> = answer["Operations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|operation| operation["status"].as_str().unwrap())
            .collect();
        assert_eq!(found, statuses, "{access} {answer}");
    }
    let groups = get(&server, "/Groups", &[]).await.json();
    assert_eq!(groups["totalResults"], 0);
}

#[tokio::test]
async fn discovery_does_not_show_what_is_switched_off() {
    let server = serve();
    let ids = async |access: &str, path: &str| -> Vec<String> {
        let answer = ask(&server, access, path, &Value::Null).await.json();
        let all = answer["Resources"].as_array().unwrap().iter();
        all.map(|one| {
            one["id"]
                .as_str()
                .unwrap()
                .rsplit(':')
                .next()
                .unwrap()
                .to_owned()
        })
        .collect()
    };
    assert_eq!(ids("Group=off", "GET /ResourceTypes").await, ["User"]);
    let schemas = ids("Group=off", "GET /Schemas").await;
    assert!(!schemas.contains(&"Group".to_owned()), "{schemas:?}");
    let all = ids("Group=nothing", "GET /Schemas").await;
    assert_eq!(all.len(), schemas.len() + 1);
    let gone = [
        "/ResourceTypes/Group",
        "/Schemas/urn:ietf:params:scim:schemas:core:2.0:Group",
    ];
    for path in gone {
        let answer = ask(&server, "Group=off", &format!("GET {path}"), &Value::Null).await;
        answer.is_error(404);
        let answer = ask(&server, "", &format!("GET {path}"), &Value::Null).await;
        assert_eq!(answer.status, 200);
    }
}

#[tokio::test]
async fn what_may_not_be_read_is_not_seen_from_the_other_end() {
    let server = serve();
    let user = ask(&server, "", "POST /Users", &json!({"userName": "a"})).await;
    let user = user.json();
    let members = json!([{"value": user["id"]}]);
    let group = json!({"displayName": "Board", "members": members});
    ask(&server, "", "POST /Groups", &group).await;
    let one = format!(
        "GET /Users/{}?attributes=groups,userName",
        user["id"].as_str().unwrap()
    );
    let filter = "GET /Users?filter=groups.display%20eq%20%22Board%22";
    for (access, shown) in [
        ("", true),
        ("Group=read", true),
        ("Group=nothing", false),
        ("Group=off", false),
    ] {
        for call in [one.as_str(), "GET /Users"] {
            let text = ask(&server, access, call, &Value::Null).await;
            let text = text.json().to_string();
            assert_eq!(text.contains("Board"), shown, "{access} {call} {text}");
        }
        let found = ask(&server, access, filter, &Value::Null).await;
        assert_eq!(found.status == 200, shown, "{access}");
        let sorted = ask(&server, access, "GET /Users?sortBy=groups", &Value::Null).await;
        assert_eq!(sorted.status == 200, shown, "{access}");
    }
}

#[tokio::test]
async fn a_tenant_in_the_path_is_whom_the_data_are_of() {
    let server = serve().with_prefix("/t/{tenant}/scim/v2");
    let user = json!({"userName": "a"});
    for path in ["POST /t/acme/scim/v2/Users", "POST /t/b%2Fc/scim/v2/Users"] {
        assert_eq!(ask(&server, "", path, &user).await.status, 201, "{path}");
    }
    ask(&server, "", "POST /t/acme/scim/v2/Users", &user)
        .await
        .is_error(409);
    for path in [
        "GET /scim/v2/Users",
        "GET /t//scim/v2/Users",
        "GET /t/acme/Users",
    ] {
        ask(&server, "", path, &Value::Null).await.is_error(404);
    }
}
