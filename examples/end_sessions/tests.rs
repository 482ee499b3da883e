use std::time::Duration;

use axum::{body::Body, http::Request};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::*;

struct Application {
    server: Server,
    sessions: Arc<Sessions>,
    token: Token,
}

impl Application {
    async fn call(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("authorization", format!("Bearer {}", self.token.reveal()));
        let request = request.body(Body::from(body.to_string())).unwrap();
        let response = self.server.handle(request).await;
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    async fn signed_in(&self, name: &str) -> String {
        let (status, user) = self.call("POST", "/Users", json!({"userName": name})).await;
        assert_eq!(status, 201);
        let id = user["id"].as_str().unwrap();
        self.sessions.start(name, &ResourceId::from(id));
        id.to_owned()
    }

    /// Waits until a session has ended.
    async fn ended(&self, session: &str) {
        loop {
            let notified = self.sessions.ended.notified();
            let mut notified = std::pin::pin!(notified);
            notified.as_mut().enable();
            if !self.sessions.users().contains_key(session) {
                return;
            }
            notified.await;
        }
    }
}

fn application() -> (Application, Events) {
    let token = Token::generate().unwrap();
    let sessions = Arc::new(Sessions::default());
    let (server, events) = service("https://app.example/scim/v2", &token, &sessions);
    let application = Application {
        server,
        sessions,
        token,
    };
    // Within an hour, only the signal wakes the runner.
    (
        application,
        events.with_poll_interval(Duration::from_secs(3_600)),
    )
}

#[tokio::test]
async fn a_deactivated_user_loses_its_sessions_at_once() {
    let (application, events) = application();
    let running = tokio::spawn(events.run(std::future::pending()));
    for session in ["patched", "replaced", "deleted", "stays"] {
        let id = application.signed_in(session).await;
        let path = format!("/Users/{id}");
        let inactive = json!({"op": "replace", "path": "active", "value": false});
        let (method, body) = match session {
            "patched" => ("PATCH", json!({"Operations": [inactive]})),
            "replaced" => ("PUT", json!({"userName": session, "active": false})),
            "deleted" => ("DELETE", Value::Null),
            _ => continue,
        };
        let (status, _) = application.call(method, &path, body).await;
        assert!(status < 300, "{status}");
        application.ended(session).await;
    }
    assert_eq!(application.sessions.users().len(), 1);
    running.abort();
}

#[tokio::test]
async fn sessions_are_compared_after_a_gap() {
    let (application, events) = application();
    for session in ["active", "inactive"] {
        application.signed_in(session).await;
    }
    let gone = ResourceId::from("gone");
    application.sessions.start("gone", &gone);
    let inactive = application.sessions.users()["inactive"].clone();
    let patch = json!({"Operations": [{"op": "replace", "path": "active", "value": false}]});
    let path = format!("/Users/{}", inactive.as_str());
    assert_eq!(application.call("PATCH", &path, patch).await.0, 200);
    // The memory store forgets old changes.
    for number in 0..4_000 {
        let patch = json!({"Operations": [{"op": "replace", "path": "title", "value": number.to_string()}]});
        assert_eq!(application.call("PATCH", &path, patch).await.0, 200);
    }
    let running = tokio::spawn(events.run(std::future::pending()));
    application.ended("inactive").await;
    application.ended("gone").await;
    assert_eq!(application.sessions.users().len(), 1);
    running.abort();
}
