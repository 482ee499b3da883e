//! The server nested in an axum application.

#![expect(
    clippy::unwrap_used,
    reason = "the lints exempt tests, but not the functions next to them"
)]

mod connections;
mod health;

use std::{net::SocketAddr, sync::Arc};

use axum::{Router, body::Body, routing::get};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use scimkit_core::AuthenticationScheme;
use scimkit_server::{
    AuthError, Authenticate, BearerTokens, Identity, Server, TenantInPath, Token,
};
use scimkit_store::{BoxFuture, MemoryStore, Settings, TenantId};
use tower::ServiceExt;

use crate::connections::{Client, head, serve};

/// Serves the application on a port of the loopback interface.
fn start(token: &Token) -> SocketAddr {
    let app = app(token);
    serve(async |listener| {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        axum::serve(listener, app).await
    })
}

#[test]
fn client_that_asks_before_it_sends_a_body_is_told_at_once() {
    let token = Token::generate().unwrap();
    let mut client = Client::new(start(&token));
    let head = head("/scim/v2/Users", "expect: 100-continue\r\n", 1_000);
    assert_eq!(client.send(&[&head]).unwrap(), 401);
    assert!(client.connection.is_none());
}

fn app(token: &Token) -> Router {
    let settings = Settings::new("https://app.example/scim/v2");
    let server = Server::new(Arc::new(MemoryStore::new()), settings)
        .with_authentication(BearerTokens::new([token.digest()]));
    Router::new()
        .route("/", get(async || "app"))
        .merge(scimkit_axum::router("/scim/v2", server))
}

async fn send(app: &Router, request: Request<Body>) -> (StatusCode, serde_json::Value) {
    let response = app.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

#[tokio::test]
async fn the_prefix_is_taken_off_and_locations_keep_it() {
    let token = Token::generate().unwrap();
    let app = app(&token);
    let request = |method: &str, path: &str, body: &str| {
        Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("bearer {}", token.reveal()))
            .header("content-type", "application/scim+json")
            .body(Body::from(body.to_owned()))
            .unwrap()
    };
    let (status, user) = send(
        &app,
        request("POST", "/scim/v2/Users", r#"{"userName":"bjensen"}"#),
    )
    .await;
    assert_eq!(status, StatusCode::CREATED);
    let location = user["meta"]["location"].as_str().unwrap();
    let path = location.strip_prefix("https://app.example").unwrap();
    let (status, same) = send(&app, request("GET", path, "")).await;
    assert_eq!((status, same), (StatusCode::OK, user));

    let (status, error) = send(&app, request("GET", "/scim/v2/Nowhere", "")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(error["status"], "404");
    for root in ["/scim/v2", "/scim/v2/"] {
        let (status, list) = send(&app, request("GET", root, "")).await;
        assert_eq!(
            (status, &list["totalResults"]),
            (StatusCode::OK, &1.into()),
            "{root}"
        );
    }
    let plain = Request::get("/").body(Body::empty()).unwrap();
    assert_eq!(app.oneshot(plain).await.unwrap().status(), StatusCode::OK);
}

/// Lets everybody in whose path names a tenant.
#[derive(Debug)]
struct ByPath;

impl Authenticate for ByPath {
    fn authenticate<'a>(
        &'a self,
        head: &'a http::request::Parts,
    ) -> BoxFuture<'a, Result<Identity, AuthError>> {
        let tenant = head.extensions.get::<TenantInPath>();
        let tenant = tenant.map(|tenant| TenantId::from(tenant.0.as_str()));
        let identity = tenant
            .map(Identity::new)
            .ok_or(AuthError::Unauthorized("no tenant in the path"));
        Box::pin(async move { identity })
    }

    fn schemes(&self) -> Vec<AuthenticationScheme> {
        Vec::new()
    }
}

#[tokio::test]
async fn a_segment_of_the_path_is_the_tenant() {
    let settings = Settings::new("https://app.example/t/{tenant}/scim/v2");
    let server = Server::new(Arc::new(MemoryStore::new()), settings).with_authentication(ByPath);
    let app = Router::new()
        .route("/t/{tenant}", get(async || "the tenant's page"))
        .merge(scimkit_axum::router("/t/{tenant}/scim/v2/", server));
    let request = |method: &str, path: &str, body: &str| {
        Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/scim+json")
            .body(Body::from(body.to_owned()))
            .unwrap()
    };
    let create = request("POST", "/t/acme/scim/v2/Users", r#"{"userName":"bjensen"}"#);
    assert_eq!(send(&app, create).await.0, StatusCode::CREATED);
    for (path, users) in [
        ("/t/acme/scim/v2/Users", 1),
        ("/t/%61cme/scim/v2/Users?count=1", 1),
        ("/t/acme/scim/v2", 1),
        ("/t/acme/scim/v2/", 1),
        ("/t/other/scim/v2/Users", 0),
        ("/t/a%2Fb/scim/v2/Users", 0),
    ] {
        let (status, list) = send(&app, request("GET", path, "")).await;
        assert_eq!(
            (status, &list["totalResults"]),
            (StatusCode::OK, &users.into()),
            "{path}"
        );
    }
    for nowhere in ["/t/acme/scim/v2/Nowhere", "/t/acme/scim/v2x"] {
        let (status, _) = send(&app, request("GET", nowhere, "")).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{nowhere}");
    }
    let (status, _) = send(&app, request("GET", "/t//scim/v2", "")).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let page = request("GET", "/t/acme", "");
    assert_eq!(send(&app, page).await.0, StatusCode::OK);
}
