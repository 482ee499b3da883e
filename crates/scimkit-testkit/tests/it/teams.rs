//! Teams in teams: a custom type with two memberships and their inverse, over every store.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use scimkit_registry::Registry;
use scimkit_server::{BearerTokens, Server, Token};
use scimkit_store::{CyclePolicy, Settings};
use scimkit_testkit::replay::HttpTarget;
use serde_json::{Value, json};

use crate::servers::{Make, STORES, TOKEN};

fn server((_, make): Make, cycles: CyclePolicy) -> Server {
    let edges = |name: &str, mutability: &str| {
        let text = |name: &str| json!({ "name": name, "type": "string", "caseExact": true });
        let reference =
            json!({ "name": "$ref", "type": "reference", "referenceTypes": ["Team", "User"] });
        json!({ "name": name, "type": "complex", "multiValued": true, "mutability": mutability,
            "subAttributes": [text("value"), text("type"), reference] })
    };
    let schema = "urn:example:params:scim:schemas:2.0:Team";
    let attributes = [
        json!({ "name": "displayName", "type": "string" }),
        edges("members", "readWrite"),
        edges("coaches", "readWrite"),
        edges("memberOf", "readOnly"),
    ];
    let schemas = json!([{ "id": schema, "name": "Team", "attributes": attributes }]);
    let types = json!([{ "name": "Team", "endpoint": "/Teams", "schema": schema }]);
    let registry = Registry::builder()
        .schemas_json(&schemas.to_string())
        .unwrap()
        .resource_types_json(&types.to_string())
        .unwrap();
    let mut settings = Settings::new("https://scim.test/v2");
    settings.policy.cycles = cycles;
    settings.registry = Arc::new(registry.build().unwrap());
    let token = Token::from_secret(TOKEN).unwrap();
    Server::new(make(), settings).with_authentication(BearerTokens::new([token.digest()]))
}

async fn send(server: &Server, method: &str, path: &str, body: Value) -> (u16, Value) {
    let request = Request::builder().method(method).uri(path);
    let request = request
        .header("authorization", format!("Bearer {TOKEN}"))
        .body(Bytes::from(body.to_string()));
    let answer = server.send(request.unwrap()).await.unwrap();
    let body = serde_json::from_slice(answer.body()).unwrap_or_default();
    (answer.status().as_u16(), body)
}

async fn team(server: &Server, members: &[&str]) -> String {
    let members: Vec<_> = members.iter().map(|id| json!({ "value": id })).collect();
    let body = json!({ "displayName": "team", "members": members });
    let (status, created) = send(server, "POST", "/Teams", body).await;
    assert_eq!(status, 201, "{created}");
    created["id"].as_str().unwrap().to_owned()
}

async fn add(server: &Server, team: &str, attr: &str, id: &str) -> (u16, Value) {
    let operation = json!({ "op": "add", "path": attr, "value": [{ "value": id }] });
    let body = json!({ "Operations": [operation] });
    send(server, "PATCH", &format!("/Teams/{team}"), body).await
}

/// Returns the ids under an attribute of a team.
async fn ids(server: &Server, team: &str, attr: &str) -> Vec<String> {
    let (_, team) = send(server, "GET", &format!("/Teams/{team}"), Value::Null).await;
    let elements = team[attr].as_array().cloned().unwrap_or_default();
    let id = |element: &Value| element["value"].as_str().unwrap().to_owned();
    elements.iter().map(id).collect()
}

#[tokio::test]
async fn accepted_cycle_is_returned_one_step_at_a_time() {
    for make in STORES {
        let server = server(make, CyclePolicy::Accept);
        let inner = team(&server, &[]).await;
        let middle = team(&server, &[&inner]).await;
        let outer = team(&server, &[&middle]).await;
        assert_eq!(add(&server, &inner, "members", &outer).await.0, 200);
        assert_eq!(add(&server, &inner, "members", &inner).await.0, 200);
        assert_eq!(ids(&server, &inner, "members").await, [&*inner, &*outer]);
        assert_eq!(ids(&server, &inner, "memberOf").await, [&*inner, &*middle]);
        assert_eq!(ids(&server, &middle, "memberOf").await, [&*outer]);
        let filter = format!("/Teams?filter=memberOf.value%20eq%20%22{inner}%22");
        let (_, found) = send(&server, "GET", &filter, Value::Null).await;
        assert_eq!(found["totalResults"], 2, "{found}");
    }
}

#[tokio::test]
async fn cycle_is_within_one_membership() {
    for make in STORES {
        let server = server(make, CyclePolicy::Reject);
        let inner = team(&server, &[]).await;
        let outer = team(&server, &[&inner]).await;
        // A team may coach one of its members.
        assert_eq!(add(&server, &inner, "coaches", &outer).await.0, 200);
        for (team, attr, id) in [
            (&inner, "members", &outer),
            (&outer, "coaches", &inner),
            (&inner, "coaches", &inner),
        ] {
            let (status, error) = add(&server, team, attr, id).await;
            assert_eq!((status, &error["scimType"]), (400, &json!("invalidValue")));
        }
        assert_eq!(ids(&server, &inner, "memberOf").await, [&*outer]);
        assert_eq!(ids(&server, &outer, "memberOf").await, [&*inner]);
    }
}
