//! Requests and answers in a line each.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header::AUTHORIZATION};
use http_body_util::{BodyExt, Full};
use scimkit_server::{BearerTokens, Server, Token};
use scimkit_store::{MemoryStore, Settings, Store};
use serde_json::Value;

/// The token that every server here lets in.
pub(crate) const TOKEN: &str = "a-token-for-tests";

/// An answer with its body read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) body: Bytes,
    pub(crate) headers: HeaderMap,
    pub(crate) status: StatusCode,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Checks that it is an error message of that status, in the media type of SCIM.
    pub(crate) fn is_error(&self, status: u16) {
        assert_eq!(self.status, status, "{self:?}");
        let body = self.json();
        assert_eq!(body["schemas"][0], scimkit_core::message::ERROR);
        assert_eq!(body["status"], status.to_string());
        assert_eq!(self.header("content-type"), "application/scim+json");
    }
}

/// A server over an empty memory store.
pub(crate) fn server() -> Server {
    over(Arc::new(MemoryStore::new()))
}

pub(crate) fn over(store: Arc<dyn Store>) -> Server {
    make(store, Settings::new("https://app.example/scim/v2"))
}

pub(crate) fn with_settings(settings: Settings) -> Server {
    make(Arc::new(MemoryStore::new()), settings)
}

fn make(store: Arc<dyn Store>, settings: Settings) -> Server {
    let token = Token::from_secret(TOKEN).unwrap();
    Server::new(store, settings).with_authentication(BearerTokens::new([token.digest()]))
}

/// A request with the token and these headers.
pub(crate) fn request(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Request<Full<Bytes>> {
    let mut builder = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    if !headers.iter().any(|(name, _)| *name == "authorization") {
        builder = builder.header(AUTHORIZATION, format!("Bearer {TOKEN}"));
    }
    builder
        .body(Full::new(Bytes::from(body.to_owned())))
        .unwrap()
}

pub(crate) async fn send<B: http_body::Body>(server: &Server, request: Request<B>) -> Answer {
    let (head, body) = server.handle(request).await.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer {
        body,
        headers: head.headers,
        status: head.status,
    }
}

pub(crate) async fn get(server: &Server, path: &str, headers: &[(&str, &str)]) -> Answer {
    send(server, request("GET", path, headers, "")).await
}

/// Creates a user of that name.
pub(crate) async fn create(server: &Server, name: &str) -> Answer {
    let body = serde_json::json!({ "userName": name }).to_string();
    let answer = send(server, request("POST", "/Users", &[], &body)).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    answer
}
