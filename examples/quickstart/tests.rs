//! Tests of the metrics.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use scimkit::{BearerTokens, Server, Settings, SqliteStore, Token};
use tower::ServiceExt;

use crate::metrics;

async fn send(app: &Router, path: &str, token: &str) -> (StatusCode, String) {
    let request = Request::get(path).header("authorization", format!("Bearer {token}"));
    let request = request.body(Body::empty()).unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn metrics_of_requests_store_and_queues_are_prometheus_text() {
    let recorded = metrics::install().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("scim.sqlite")).unwrap();
    let token = Token::generate().unwrap();
    let settings = Settings::new("https://app.example/scim/v2");
    let server = Server::new(Arc::new(store), settings)
        .with_authentication(BearerTokens::new([token.digest()]));
    let app =
        scimkit::axum::router("/scim/v2", server.clone()).merge(scimkit::axum::health(server));
    let ready = send(&app, "/readyz", "none").await;
    assert_eq!(ready, (StatusCode::OK, "ok\n".to_owned()));
    let (status, _) = send(&app, "/scim/v2/Users", token.reveal()).await;
    assert_eq!(status, StatusCode::OK);
    let (status, _) = send(&app, "/scim/v2/Users", "wrong").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);

    let (status, text) = send(&metrics::app(recorded), "/metrics", "none").await;
    assert_eq!(status, StatusCode::OK);
    for line in [
        r#"scimkit_requests_total{operation="list",status="200"} 1"#,
        r#"scimkit_requests_total{operation="none",status="401"} 1"#,
        r#"scimkit_request_duration_seconds_bucket{operation="list",le="+Inf"} 1"#,
        "scimkit_sign_in_duration_seconds_count 2",
        r#"scimkit_store_duration_seconds_count{call="query"} 1"#,
        r#"scimkit_queue_length{lane="lookup"} 0"#,
        r#"scimkit_queue_length{lane="query"} 0"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    assert!(!text.contains(token.reveal()), "{text}");
}
