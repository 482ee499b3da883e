//! The effects of an identity provider on the product's table.

use std::sync::Arc;

use axum::body::Body;
use http_body_util::BodyExt;
use rusqlite::Connection;
use scimkit::{Server, Token};
use scimkit_testkit::contract::{self, Subject};
use serde_json::{Value, json};

use super::{TABLE, people, server, settings};

struct World {
    server: Server,
    token: Token,
}

impl World {
    fn new() -> Self {
        let token = Token::generate().unwrap();
        let server = server("https://app.example/scim/v2", &token).unwrap();
        World { server, token }
    }

    async fn ask(&self, call: &str, body: Value) -> (u16, Value) {
        let (method, path) = call.split_once(' ').unwrap();
        let request = axum::http::Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.token.reveal()));
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let answer = self
            .server
            .handle(request.body(Body::from(text)).unwrap())
            .await;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (
            head.status.as_u16(),
            serde_json::from_slice(&body).unwrap_or_default(),
        )
    }
}

#[tokio::test]
async fn existing_people_are_found_and_adopted() {
    let world = World::new();
    let filter = "GET /Users?filter=userName%20eq%20%22BABS@example.com%22";
    let (_, found) = world.ask(filter, Value::Null).await;
    assert_eq!(found["Resources"][0]["id"], "p-1", "{found}");
    let body = json!({
        "userName": "Babs@example.com",
        "externalId": "7",
        "title": "Tour Guide",
        "nickName": "Babs",
        "phoneNumbers": [{"type": "work", "value": "+1 555 0100"}],
    });
    let (status, user) = world.ask("POST /Users", body.clone()).await;
    assert_eq!((status, &user["id"]), (201, &json!("p-1")), "{user}");
    // The spelling differs only in case, so the product's own remains.
    assert_eq!(user["userName"], "Babs@Example.com");
    assert_eq!(user["name"]["givenName"], "Barbara");
    assert_eq!(user["phoneNumbers"][0]["value"], "+1 555 0100");
    assert_eq!(user.get("nickName"), None);
    let (status, body) = world.ask("POST /Users", body).await;
    assert_eq!((status, &body["scimType"]), (409, &json!("uniqueness")));
}

#[tokio::test]
async fn people_are_created_changed_and_deleted() {
    let world = World::new();
    let body = json!({"userName": "am@example.com", "name": {"familyName": "M"}});
    let (status, made) = world.ask("POST /Users", body).await;
    assert_eq!(status, 201, "{made}");
    assert_eq!(made["active"], true);
    let path = format!("/Users/{}", made["id"].as_str().unwrap());
    let value = json!({"active": "False", "name.givenName": "A"});
    let patch = json!({"Operations": [{"op": "Replace", "value": value}]});
    let (status, user) = world.ask(&format!("PATCH {path}"), patch.clone()).await;
    assert_eq!((status, &user["active"]), (200, &json!(false)), "{user}");
    assert_eq!(user["name"], json!({"familyName": "M", "givenName": "A"}));
    assert_ne!(user["meta"]["version"], made["meta"]["version"]);
    let (_, same) = world.ask(&format!("PATCH {path}"), patch).await;
    assert_eq!(same, user);
    for (filter, found) in [
        ("active%20eq%20false", 1),
        ("name.familyName%20eq%20%22m%22", 1),
        (
            "name.familyName%20sw%20%22j%22%20and%20active%20eq%20true",
            1,
        ),
        ("phoneNumbers%20pr", 0),
    ] {
        let (_, list) = world
            .ask(&format!("GET /Users?filter={filter}"), Value::Null)
            .await;
        assert_eq!(list["totalResults"], found, "{filter}: {list}");
    }
    // An attribute with a default always has a value.
    let gone = json!({"Operations": [{"op": "remove", "path": "active"}]});
    let (status, kept) = world.ask(&format!("PATCH {path}"), gone).await;
    assert_eq!((status, &kept["active"]), (200, &json!(false)), "{kept}");
    let taken = json!({"userName": "BABS@example.com"});
    let (status, _) = world.ask(&format!("PUT {path}"), taken).await;
    assert_eq!(status, 409);
    assert_eq!(
        world.ask(&format!("DELETE {path}"), Value::Null).await.0,
        204
    );
    assert_eq!(world.ask(&format!("GET {path}"), Value::Null).await.0, 404);
}

#[tokio::test]
async fn discovery_describes_the_columns_of_the_table() {
    let world = World::new();
    let (_, types) = world.ask("GET /ResourceTypes", Value::Null).await;
    assert_eq!(types["totalResults"], 1);
    let (_, schemas) = world.ask("GET /Schemas", Value::Null).await;
    let user = &schemas["Resources"][0];
    let names: Vec<_> = user["attributes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attribute| attribute["name"].as_str().unwrap())
        .collect();
    assert!(
        names.contains(&"phoneNumbers") && !names.contains(&"nickName"),
        "{names:?}"
    );
}

#[test]
fn store_meets_the_contract_within_the_limits_of_its_table() {
    let settings = settings("https://app.example/scim/v2").unwrap();
    let make = || {
        let database = Connection::open_in_memory().unwrap();
        database.execute_batch(TABLE).unwrap();
        database.execute("DELETE FROM person", []).unwrap();
        Arc::new(people(database, &settings).unwrap()) as Arc<dyn scimkit::Store>
    };
    let subject = Subject::new(settings.clone()).with_filled_in("active");
    let report = contract::check_subject(&subject, make, &contract::block_on);
    println!("{report}");
    assert!(report.is_success(), "{report}");
}
