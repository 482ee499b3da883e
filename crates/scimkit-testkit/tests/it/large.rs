//! The largest document, over every store.

use std::sync::Arc;

use bytes::Bytes;
use chrono::DateTime;
use http::Request;
use scimkit_registry::{ResourceId, Tolerance};
use scimkit_server::{BearerTokens, Server, Token};
use scimkit_store::{CreatePolicy, RequestContext, Settings, Store, StoreExt, TenantId};
use scimkit_testkit::replay::HttpTarget;
use serde_json::{Value, json};

use crate::servers::{STORES, TOKEN, settings};

/// Creates a server with this limit on the bytes of documents.
pub(crate) fn limited(store: &Arc<dyn Store>, document: u64, more: fn(&mut Settings)) -> Server {
    let mut settings = settings(Tolerance::DEFAULT);
    settings.limits.document = document;
    more(&mut settings);
    let token = Token::from_secret(TOKEN).unwrap();
    Server::new(Arc::clone(store), settings)
        .with_authentication(BearerTokens::new([token.digest()]))
}

/// Returns the status and body of a response.
pub(crate) async fn ask(server: &Server, call: &str, body: Value) -> (u16, Value) {
    let (method, path) = call.split_once(' ').unwrap();
    let request = Request::builder().method(method).uri(path);
    let request = request.header("authorization", format!("Bearer {TOKEN}"));
    let text = match &body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    let answer = server.send(request.body(Bytes::from(text)).unwrap()).await;
    let answer = answer.unwrap();
    let body = serde_json::from_slice(answer.body()).unwrap_or_default();
    (answer.status().as_u16(), body)
}

fn user(name: &str, bytes: usize) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": name,
        "title": "x".repeat(bytes),
    })
}

fn patch(op: &str, path: &str, value: &Value) -> Value {
    let operation = json!({"op": op, "path": path, "value": value});
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [operation],
    })
}

/// A text that makes a document too large, and one of which two do.
const TOO_LONG: usize = 2_000;
const HALF: usize = 600;

#[tokio::test]
async fn document_limit_holds_for_every_verb() {
    for (store, make) in STORES {
        let server = limited(&make(), 1_000, |_| ());
        let refused = |(status, body): (u16, Value)| {
            assert_eq!(status, 413, "{store}: {body}");
            let detail = body["detail"].as_str().unwrap();
            assert!(detail.contains("more than 1000"), "{detail}");
        };
        refused(ask(&server, "POST /Users", user("a", TOO_LONG)).await);
        let (status, made) = ask(&server, "POST /Users", user("a", HALF)).await;
        assert_eq!(status, 201, "{store}");
        let path = format!("/Users/{}", made["id"].as_str().unwrap());
        refused(ask(&server, &format!("PUT {path}"), user("a", TOO_LONG)).await);
        // The document afterwards counts, not the request.
        let half = json!("x".repeat(HALF));
        let two = patch("add", "nickName", &half);
        refused(ask(&server, &format!("PATCH {path}"), two).await);
        let many = json!([{"value": "a@x.example"}, {"value": "b@x.example"}]);
        let one = patch("add", "emails", &many);
        assert_eq!(ask(&server, &format!("PATCH {path}"), one).await.0, 200);
        let (_, shown) = ask(&server, &format!("GET {path}"), Value::Null).await;
        assert_eq!(
            (shown.get("nickName"), shown["title"].as_str()),
            (None, half.as_str())
        );
    }
}

#[tokio::test]
async fn document_limit_holds_for_each_operation_of_a_bulk_request() {
    for (store, make) in STORES {
        let server = limited(&make(), 1_000, |_| ());
        let (_, made) = ask(&server, "POST /Users", user("a", HALF)).await;
        let path = format!("/Users/{}", made["id"].as_str().unwrap());
        let half = json!("x".repeat(HALF));
        let operation = |method: &str, path: &str, data: Value| json!({"method": method, "path": path, "bulkId": path, "data": data});
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
            "Operations": [
                operation("POST", "/Users", user("b", TOO_LONG)),
                operation("PUT", &path, user("a", TOO_LONG)),
                operation("PATCH", &path, patch("add", "nickName", &half)),
                operation("PATCH", &path, patch("replace", "title", &json!("short"))),
                operation("PATCH", &path, patch("add", "nickName", &half)),
            ],
        });
        let (status, answer) = ask(&server, "POST /Bulk", body).await;
        assert_eq!(status, 200, "{store}: {answer}");
        let statuses: Vec<_> = answer["Operations"].as_array().unwrap().iter().collect();
        let statuses: Vec<_> = statuses.iter().map(|o| o["status"].as_str()).collect();
        let wanted = ["413", "413", "413", "200", "200"].map(Some);
        assert_eq!(statuses, wanted, "{store}: {answer}");
    }
}

#[tokio::test]
async fn members_do_not_count_as_bytes_of_a_document() {
    for (store, make) in STORES {
        let server = limited(&make(), 1_000, |_| ());
        let mut members = Vec::new();
        for n in 0..40 {
            let (_, made) = ask(&server, "POST /Users", user(&n.to_string(), 1)).await;
            members.push(json!({"value": made["id"]}));
        }
        let group = json!({"displayName": "crew", "members": members});
        let (status, made) = ask(&server, "POST /Groups", group).await;
        assert_eq!(status, 201, "{store}");
        let path = format!("PATCH /Groups/{}", made["id"].as_str().unwrap());
        let rename = patch("replace", "displayName", &json!("team"));
        assert_eq!(ask(&server, &path, rename).await.0, 200, "{store}");
    }
}

/// A lowered limit must not prevent anyone from being deactivated.
#[tokio::test]
async fn document_above_a_lowered_limit_can_be_changed_but_does_not_grow() {
    for (store, make) in STORES {
        let make = make();
        let (_, made) = ask(
            &limited(&make, 10_000, |_| ()),
            "POST /Users",
            user("a", TOO_LONG),
        )
        .await;
        let path = format!("PATCH /Users/{}", made["id"].as_str().unwrap());
        let server = limited(&make, 1_000, |_| ());
        for (attr, value, status) in [
            ("active", json!(false), 200),
            ("nickName", json!("x".repeat(100)), 413),
            ("title", json!("x".repeat(TOO_LONG - 500)), 200),
            ("title", json!("x".repeat(TOO_LONG)), 413),
            ("title", json!("Dr"), 200),
            ("nickName", json!("x".repeat(100)), 200),
        ] {
            let (found, body) = ask(&server, &path, patch("replace", attr, &value)).await;
            assert_eq!(found, status, "{store}: {attr}: {body}");
        }
    }
}

/// An adoption adds the sent attributes to the existing ones.
#[tokio::test]
async fn document_limit_holds_for_what_an_adoption_leads_to() {
    for (store, make) in STORES {
        let make = make();
        let host = limited(&make, 1_000, |_| ());
        assert_eq!(ask(&host, "POST /Users", user("a", HALF)).await.0, 201);
        let adopting = limited(&make, 1_000, |settings| {
            settings.create_policy = CreatePolicy::Adopt;
        });
        let mut more = json!({"userName": "a", "nickName": "x".repeat(HALF)});
        let (status, body) = ask(&adopting, "POST /Users", more.clone()).await;
        assert_eq!(status, 409, "{store}: the connection has made it: {body}");
        let context =
            RequestContext::new(TenantId::default(), Arc::new(settings(Tolerance::DEFAULT)));
        let kind = context.settings.registry.resource_type("User").unwrap();
        let change = scimkit_patch::create(kind, user("b", HALF), &Tolerance::DEFAULT).unwrap();
        make.create(
            &context,
            DateTime::UNIX_EPOCH,
            ResourceId::from("b"),
            change,
        )
        .await
        .unwrap();
        more["userName"] = json!("b");
        let (status, body) = ask(&adopting, "POST /Users", more).await;
        assert_eq!(status, 413, "{store}: {body}");
    }
}
