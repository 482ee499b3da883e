//! No slice of a request is long, over every store, neither with large memberships nor with one large document.

use std::sync::Arc;

use chrono::DateTime;
use http::StatusCode;
use scimkit_registry::{Change, ResourceId, Tolerance};
use scimkit_store::{Batch, RequestContext, Store, TenantId, WriteOp};
use serde_json::{Value, json};

use crate::{
    servers::{STORES, settings},
    work::{assert_stays_free, assert_stays_free_once, request, server},
};

/// A number of memberships that take about 500 ms to delete or replace in a debug build.
const MANY: usize = 20_000;

/// Creates resources with numbers as ids.
async fn seed(
    store: &Arc<dyn Store>,
    kind: &str,
    numbers: std::ops::Range<usize>,
    body: impl Fn(usize) -> Value,
) {
    let settings = Arc::new(settings(Tolerance::DEFAULT));
    let context = RequestContext::new(TenantId::default(), Arc::clone(&settings));
    let kind = settings.registry.resource_type(kind).unwrap();
    let create = |n: usize| {
        let admitted = kind.admit(body(n), &Tolerance::DEFAULT).unwrap();
        WriteOp::Create {
            change: Change::create(Arc::clone(kind), admitted),
            existing_match: None,
            id: ResourceId::from(n.to_string()),
        }
    };
    let writes = numbers.map(create).collect();
    let written = store
        .write(&context, Batch::new(DateTime::UNIX_EPOCH, writes))
        .await
        .unwrap();
    assert!(written.iter().all(Result::is_ok), "{written:?}");
}

fn member(n: usize) -> Value {
    json!({"userName": format!("user{n}")})
}

#[tokio::test]
async fn runtime_thread_stays_free_while_a_user_in_many_groups_is_read_and_deleted() {
    for (name, make) in STORES {
        // A new user per attempt.
        const USERS: usize = 5;
        let store = make();
        seed(&store, "User", 0..USERS, member).await;
        let members: Value = (0..USERS)
            .map(|n| json!({"value": n.to_string()}))
            .collect();
        let group = |n| json!({"displayName": format!("g{n}"), "members": members});
        seed(&store, "Group", USERS..USERS + MANY, group).await;
        let server = server(store, u64::MAX);
        for path in ["/Users/0", "/Users?count=5"] {
            let request = || request("GET", path, &Value::Null);
            let statuses = [StatusCode::OK, StatusCode::OK];
            assert_stays_free(&server, request, statuses, &format!("GET {path}, {name}")).await;
        }
        let next = std::cell::Cell::new(0);
        let request = || {
            let path = format!("/Users/{}", next.get());
            next.set(next.get() + 1);
            request("DELETE", &path, &Value::Null)
        };
        let statuses = [StatusCode::NO_CONTENT, StatusCode::NO_CONTENT];
        assert_stays_free(&server, request, statuses, &format!("DELETE, {name}")).await;
    }
}

#[tokio::test]
async fn runtime_thread_stays_free_while_a_large_group_is_emptied_and_deleted() {
    const EMPTY: &str = r#"{"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "remove", "path": "members"}]}"#;
    for (name, make) in STORES {
        let store = make();
        seed(&store, "User", 0..MANY, member).await;
        let members: Value = (0..MANY).map(|n| json!({"value": n.to_string()})).collect();
        let group = |n| json!({"displayName": format!("g{n}"), "members": members});
        // A new group per attempt.
        seed(&store, "Group", MANY..MANY + 10, group).await;
        let server = server(store, u64::MAX);
        let next = std::cell::Cell::new(MANY);
        let path = || {
            next.set(next.get() + 1);
            format!("/Groups/{}", next.get() - 1)
        };
        let empty: Value = serde_json::from_str(EMPTY).unwrap();
        let statuses = [StatusCode::OK, StatusCode::NO_CONTENT];
        let patch = || request("PATCH", &path(), &empty);
        assert_stays_free(&server, patch, statuses, &format!("PATCH, {name}")).await;
        next.set(MANY + 5);
        let delete = || request("DELETE", &path(), &Value::Null);
        assert_stays_free(&server, delete, statuses, &format!("DELETE, {name}")).await;
    }
}

/// Long work runs elsewhere, and holds the lock of its tenant meanwhile.
#[tokio::test]
async fn runtime_thread_stays_free_while_a_read_waits_for_a_long_write() {
    for (name, make) in STORES {
        let store = make();
        seed(&store, "User", 0..MANY, member).await;
        let members: Value = (0..MANY).map(|n| json!({"value": n.to_string()})).collect();
        let group = |n| json!({"displayName": format!("g{n}"), "members": members});
        seed(&store, "Group", MANY..MANY + 5, group).await;
        let server = server(store, u64::MAX);
        let next = std::cell::Cell::new(MANY);
        let read = || {
            let writing = server.clone();
            let path = format!("/Groups/{}", next.get());
            next.set(next.get() + 1);
            tokio::spawn(async move {
                let delete = request("DELETE", &path, &Value::Null);
                scimkit_testkit::replay::HttpTarget::send(&writing, delete).await
            });
            request("GET", "/Users/7", &Value::Null)
        };
        let statuses = [StatusCode::OK, StatusCode::OK];
        assert_stays_free(&server, read, statuses, &format!("GET, {name}")).await;
    }
}

/// Returns a user of some megabytes in small values.
fn large(n: usize) -> Value {
    let text = "x".repeat(400);
    let element = |n: usize| json!({"value": format!("{n}"), "type": "work", "display": text});
    let elements: Value = (0..1_000).map(element).collect();
    json!({
        "userName": format!("user{n}"),
        "displayName": format!("user {n}"),
        "emails": elements,
        "entitlements": elements,
        "ims": elements,
        "phoneNumbers": elements,
        "photos": elements,
        "roles": elements,
    })
}

#[tokio::test]
async fn runtime_thread_stays_free_while_a_large_document_is_rendered() {
    let named = [
        "userName",
        "emails.value",
        "roles.display",
        "photos",
        "ims.type",
    ];
    let named = vec![named.join(","); 40].join(",");
    for (name, make) in STORES {
        let store = make();
        seed(&store, "User", 0..3, large).await;
        let server = server(store, u64::MAX);
        for path in [
            "/Users/0",
            &format!("/Users/0?attributes={named}"),
            "/Users/0?excludedAttributes=roles",
            "/Users?count=3&excludedAttributes=roles",
            "/Users?count=3&sortBy=displayName&cursor",
            "/?count=3&sortBy=displayName&attributes=userName",
        ] {
            let request = || request("GET", path, &Value::Null);
            let statuses = [StatusCode::OK, StatusCode::OK];
            let name = format!("{path}, {name}");
            assert_stays_free_once(&server, request, statuses, (&name, 30)).await;
        }
    }
}
