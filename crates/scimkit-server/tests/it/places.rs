//! Ids that a host's own store may have: each is reached at the place that its answer names.

use std::sync::Arc;

use chrono::DateTime;
use scimkit_registry::{ResourceId, Tolerance};
use scimkit_store::{Batch, MemoryStore, RequestContext, Settings, Store, TenantId, WriteOp};
use serde_json::json;

use crate::web::{get, over, request, send};

const IDS: [&str; 14] = [
    "a/b",
    "a b",
    "..",
    ".search",
    "%2F",
    "é",
    "日本",
    "a?b#c",
    "\"quoted\"",
    "<a>",
    "a;b,c",
    "\\",
    "urn:x:y",
    "a+b",
];

#[tokio::test]
async fn a_resource_is_where_its_location_says() {
    let store = Arc::new(MemoryStore::new());
    let context = RequestContext::new(
        TenantId::default(),
        Arc::new(Settings::new("https://app.example")),
    );
    let kind = context.settings.registry.resource_type("User").unwrap();
    for id in IDS {
        let body = json!({ "userName": id });
        let change = scimkit_patch::create(kind, body, &Tolerance::DEFAULT).unwrap();
        let write = WriteOp::Create {
            existing_match: None,
            change,
            id: ResourceId::from(id),
        };
        let written = store
            .write(&context, Batch::new(DateTime::UNIX_EPOCH, vec![write]))
            .await
            .unwrap();
        assert!(written[0].is_ok());
    }
    let server = over(store);
    let list = get(&server, "/Users", &[]).await.json();
    assert_eq!(list["totalResults"], IDS.len());
    for user in list["Resources"].as_array().unwrap() {
        let location = user["meta"]["location"].as_str().unwrap();
        let path = location
            .strip_prefix("https://app.example/scim/v2")
            .unwrap();
        assert!(
            path.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"/-._~%".contains(&b)),
            "{path}"
        );
        let read = get(&server, path, &[]).await;
        match user["id"].as_str() {
            // What the protocol itself calls `.search` can't be the name of a resource.
            Some(".search") => read.is_error(405),
            _ => assert_eq!(read.json(), *user),
        }
    }
    let deleted = send(&server, request("DELETE", "/Users/a%2Fb", &[], "")).await;
    assert_eq!(deleted.status, 204);
}
