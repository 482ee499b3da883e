//! Who gets in, and that nothing else is looked at before.

use std::sync::Arc;

use http::request::Parts;
use scimkit_core::AuthenticationScheme;
use scimkit_server::{AuthError, Authenticate, BearerTokens, Identity, Server, Token};
use scimkit_store::{BoxFuture, MemoryStore, Settings, TenantId};

use crate::web::{TOKEN, create, get, request, send, server};

#[tokio::test]
async fn the_scheme_is_bearer_in_any_case() {
    let server = server();
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR", "Bearer  "] {
        let value = format!("{scheme} {TOKEN}");
        let headers = [("authorization", value.as_str())];
        assert_eq!(
            get(&server, "/Users", &headers).await.status,
            200,
            "{scheme}"
        );
    }
    for value in [
        TOKEN,
        &format!("Bearer{TOKEN}"),
        &format!("Bearer {TOKEN}x"),
        &format!("Bearer x{TOKEN}"),
        &format!("Bearer {}", TOKEN.to_uppercase()),
        &format!("Bearer \"{TOKEN}\""),
        &format!("Bearer {TOKEN}, Bearer {TOKEN}"),
        &format!("Basic {TOKEN}"),
    ] {
        let answer = get(&server, "/Users", &[("authorization", value)]).await;
        answer.is_error(401);
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"scim\"");
    }
}

#[tokio::test]
async fn two_credentials_are_none() {
    let value = format!("Bearer {TOKEN}");
    let headers = [("authorization", &*value), ("authorization", &*value)];
    get(&server(), "/Users", &headers).await.is_error(401);
}

#[test]
fn a_generated_token_is_recognised_by_its_checksum() {
    let token = Token::generate().unwrap();
    assert_eq!(token.reveal().len(), "scim_".len() + 48);
    assert!(Token::is_generated(token.reveal()));
    let mut other = token.reveal().to_owned().into_bytes();
    other[20] = if other[20] == b'a' { b'b' } else { b'a' };
    assert!(!Token::is_generated(std::str::from_utf8(&other).unwrap()));
    let bare = token.reveal().trim_start_matches("scim_");
    for text in ["", "scim_", "scim_AAAA", bare] {
        assert!(!Token::is_generated(text), "{text}");
    }
}

#[tokio::test]
async fn without_authentication_nobody_gets_in() {
    let server = Server::new(
        Arc::new(MemoryStore::new()),
        Settings::new("https://app.example"),
    );
    get(&server, "/Users", &[]).await.is_error(401);
    get(
        &server,
        "/ServiceProviderConfig",
        &[("authorization", "Bearer ")],
    )
    .await
    .is_error(401);
}

#[tokio::test]
async fn a_token_opens_the_data_of_its_tenant_alone() {
    let other = Token::from_secret("the-other-token").unwrap();
    let tokens = BearerTokens::new([Token::from_secret(TOKEN).unwrap().digest()])
        .with_token(other.digest(), TenantId::from("other"));
    let server = server().with_authentication(tokens);
    let theirs = [("authorization", "Bearer the-other-token")];
    let user = create(&server, "bjensen").await.json();
    let path = format!("/Users/{}", user["id"].as_str().unwrap());

    let body = r#"{"userName":"bjensen"}"#;
    assert_eq!(
        get(&server, "/Users", &theirs).await.json()["totalResults"],
        0
    );
    assert_eq!(
        get(&server, "/?sortBy=id", &theirs).await.json()["totalResults"],
        0
    );
    get(&server, &path, &theirs).await.is_error(404);
    send(&server, request("PUT", &path, &theirs, body))
        .await
        .is_error(404);
    send(&server, request("DELETE", &path, &theirs, ""))
        .await
        .is_error(404);
    let member = format!(
        r#"{{"displayName":"g","members":[{{"value":{}}}]}}"#,
        user["id"]
    );
    send(&server, request("POST", "/Groups", &theirs, &member))
        .await
        .is_error(400);
    assert_eq!(
        send(&server, request("POST", "/Users", &theirs, body))
            .await
            .status,
        201
    );
    assert_eq!(get(&server, &path, &[]).await.json(), user);
}

/// Denies everybody.
#[derive(Debug)]
struct Deny(AuthError);

impl Authenticate for Deny {
    fn authenticate<'a>(&'a self, _: &'a Parts) -> BoxFuture<'a, Result<Identity, AuthError>> {
        Box::pin(async { Err(self.0) })
    }

    fn schemes(&self) -> Vec<AuthenticationScheme> {
        Vec::new()
    }
}

#[tokio::test]
async fn the_host_may_refuse_for_its_own_reasons() {
    let deny = |denied| server().with_authentication(Deny(denied));
    get(&deny(AuthError::Forbidden), "/Users", &[])
        .await
        .is_error(403);
    get(&deny(AuthError::Unauthorized("a test")), "/Users", &[])
        .await
        .is_error(401);
    let answer = get(&deny(AuthError::Unavailable), "/Users", &[]).await;
    answer.is_error(503);
    assert_eq!(answer.header("retry-after"), "1");
}
