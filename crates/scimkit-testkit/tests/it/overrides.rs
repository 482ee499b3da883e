//! Characteristics that an application changes, over every store.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use scimkit_core::{Mutability, builtin::ENTERPRISE_USER};
use scimkit_registry::Registry;
use scimkit_server::{BearerTokens, Server, Token};
use scimkit_store::{Settings, Store};
use scimkit_testkit::replay::HttpTarget;
use serde_json::{Value, json};

use crate::servers::{STORES, TOKEN};

/// Creates a server where clients may write the display name of a manager.
fn server(store: Arc<dyn Store>) -> Server {
    let path = format!("{ENTERPRISE_USER}:manager.displayName");
    let registry = Registry::builder()
        .characteristics(&path, |attribute| {
            attribute.mutability = Mutability::ReadWrite
        })
        .and_then(|builder| builder.build());
    let mut settings = Settings::new("https://scim.test/v2");
    settings.registry = Arc::new(registry.unwrap());
    let token = Token::from_secret(TOKEN).unwrap();
    Server::new(store, settings).with_authentication(BearerTokens::new([token.digest()]))
}

async fn ask(server: &Server, method: &str, path: &str, body: Value) -> Value {
    let request = Request::builder().method(method).uri(path);
    let request = request.header("authorization", format!("Bearer {TOKEN}"));
    let request = request.body(Bytes::from(body.to_string())).unwrap();
    let answer = server.send(request).await.unwrap();
    assert!(answer.status().is_success(), "{method} {path}: {answer:?}");
    serde_json::from_slice(answer.body()).unwrap()
}

#[tokio::test]
async fn name_of_a_manager_can_be_made_writable() {
    for (store, make) in STORES {
        let server = server(make());
        let boss = json!({"userName": "boss", "displayName": "The Boss"});
        let boss = ask(&server, "POST", "/Users", boss).await;
        let manager = json!({"value": boss["id"], "displayName": "B."});
        let user = json!({"userName": "bjensen", ENTERPRISE_USER: {"manager": manager}});
        let user = ask(&server, "POST", "/Users", user).await;
        let path = format!("/Users/{}", user["id"].as_str().unwrap());
        let shown = |user: &Value| user[ENTERPRISE_USER]["manager"]["displayName"].clone();
        assert_eq!(shown(&user), "B.", "{store}");

        let target = format!("{ENTERPRISE_USER}:manager.displayName");
        let operation = json!({"op": "replace", "path": target, "value": "Boss"});
        let patched = json!({"Operations": [operation]});
        assert_eq!(shown(&ask(&server, "PATCH", &path, patched).await), "Boss");
        assert_eq!(
            shown(&ask(&server, "GET", &path, Value::Null).await),
            "Boss"
        );

        let filter =
            format!("/Users?filter={ENTERPRISE_USER}:manager.displayName%20eq%20%22boss%22");
        let found = ask(&server, "GET", &filter, Value::Null).await;
        assert_eq!(found["totalResults"], 1, "{store}");

        let schema = ask(
            &server,
            "GET",
            &format!("/Schemas/{ENTERPRISE_USER}"),
            Value::Null,
        )
        .await;
        let mut parts = schema["attributes"].as_array().unwrap().iter();
        let manager = parts
            .find(|attribute| attribute["name"] == "manager")
            .unwrap();
        let name = &manager["subAttributes"][2];
        assert_eq!(
            (&name["name"], &name["mutability"]),
            (&json!("displayName"), &json!("readWrite"))
        );
    }
}
