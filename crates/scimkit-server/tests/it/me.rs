//! `/Me`: the resource that the caller is.

use std::sync::Arc;

use http::request::Parts;
use scimkit_core::AuthenticationScheme;
use scimkit_server::{AuthError, Authenticate, Identity, Server};
use scimkit_store::{BoxFuture, MemoryStore, Settings, TenantId};

use crate::web::{get, request, send, server};

/// Takes everybody for the user whose id is in a header, and knows one connection that is off.
#[derive(Debug)]
struct ByHeader;

impl Authenticate for ByHeader {
    fn authenticate<'a>(&'a self, head: &'a Parts) -> BoxFuture<'a, Result<Identity, AuthError>> {
        let id = head.headers.get("x-id").map(|id| id.to_str().unwrap());
        let identity = Identity::new(TenantId::default());
        let identity = match id {
            Some("off") => Err(AuthError::ConnectionDisabled),
            Some(id) => Ok(identity.with_me("User", id)),
            None => Ok(identity),
        };
        Box::pin(async move { identity })
    }

    fn schemes(&self) -> Vec<AuthenticationScheme> {
        Vec::new()
    }
}

const BASE: &str = "https://app.example/scim/v2";

fn serve() -> Server {
    Server::new(Arc::new(MemoryStore::new()), Settings::new(BASE)).with_authentication(ByHeader)
}

#[tokio::test]
async fn me_is_the_resource_of_the_caller() {
    let server = serve();
    let made = send(
        &server,
        request("POST", "/Users", &[], r#"{"userName":"a"}"#),
    )
    .await;
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let me = [("x-id", id.as_str())];

    let answer = get(&server, "/Me?attributes=userName", &me).await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()["userName"].as_str()),
        (200, Some("a"))
    );
    assert_eq!(answer.header("location"), format!("{BASE}/Users/{id}"));
    assert_eq!(answer.headers.get_all("location").iter().count(), 1);
    assert_eq!(
        answer.header("content-location"),
        format!("{BASE}/Users/{id}")
    );

    let patch = r#"{"Operations":[{"op":"add","path":"title","value":"t"}]}"#;
    let answer = send(&server, request("PATCH", "/Me", &me, patch)).await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()["title"].as_str()),
        (200, Some("t"))
    );
    assert_eq!(
        answer.json()["meta"]["location"],
        format!("{BASE}/Users/{id}")
    );
    assert_eq!(
        answer.header("content-location"),
        format!("{BASE}/Users/{id}")
    );

    let answer = send(&server, request("PUT", "/Me", &me, r#"{"userName":"b"}"#)).await;
    assert_eq!(answer.status, 200);
    send(&server, request("POST", "/Me", &me, "{}"))
        .await
        .is_error(405);
    get(&server, "/Me/x", &me).await.is_error(501);
    let answer = send(&server, request("DELETE", "/Me", &me, "")).await;
    assert_eq!(answer.status, 204);
    get(&server, "/Me", &me).await.is_error(404);
}

#[tokio::test]
async fn an_id_in_me_is_no_path() {
    let server = serve();
    for id in ["../Groups", "a/b", "?filter=x", "%2e%2e", ""] {
        let answer = get(&server, "/Me", &[("x-id", id)]).await;
        let lists = answer.status == 200 && answer.json()["Resources"].is_array();
        assert!(!lists, "{id}");
    }
}

#[tokio::test]
async fn without_a_resource_there_is_no_me() {
    get(&serve(), "/Me", &[]).await.is_error(501);
    get(&server(), "/Me", &[]).await.is_error(501);
}

#[tokio::test]
async fn a_connection_that_is_off_says_so() {
    let answer = get(&serve(), "/Users", &[("x-id", "off")]).await;
    answer.is_error(403);
    let detail = "this connection is disabled: the application's operator can enable it";
    assert_eq!(answer.json()["detail"], detail);
}

#[tokio::test]
async fn discovery_names_the_documentation() {
    let mut settings = Settings::new(BASE);
    let config = get(&serve(), "/ServiceProviderConfig", &[]).await.json();
    assert_eq!(config.get("documentationUri"), None);
    settings.documentation_uri = Some("https://app.example/help/scim".to_owned());
    let server = Server::new(Arc::new(MemoryStore::new()), settings).with_authentication(ByHeader);
    let config = get(&server, "/ServiceProviderConfig", &[]).await.json();
    assert_eq!(config["documentationUri"], "https://app.example/help/scim");
}
