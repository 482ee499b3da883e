//! A store that fails: what the client is told, and what it is not.

use std::sync::Arc;

use scimkit_registry::{Edge, ResourceId, ResourceType};
use scimkit_server::Server;
use scimkit_store::{
    Batch, BoxFuture, Capabilities, EdgeQuery, Page, Query, ReadOptions, RequestContext, Store,
    StoreError, StoredResource, Written,
};

use crate::web::{over, request, send, server};

/// Fails at everything, or without an error never answers.
#[derive(Debug)]
struct Failing(Option<fn() -> StoreError>);

impl Failing {
    async fn fail<T>(&self) -> Result<T, StoreError> {
        match self.0 {
            Some(error) => Err(error()),
            None => std::future::pending().await,
        }
    }
}

impl Store for Failing {
    fn support(&self, _: &ResourceType) -> Capabilities {
        Capabilities::full()
    }

    fn edges<'a>(
        &'a self,
        _: &'a RequestContext,
        _: &'a EdgeQuery,
    ) -> BoxFuture<'a, Result<Vec<Vec<Edge>>, StoreError>> {
        Box::pin(self.fail())
    }

    fn query<'a>(
        &'a self,
        _: &'a RequestContext,
        _: &'a Query,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(self.fail())
    }

    fn read<'a>(
        &'a self,
        _: &'a RequestContext,
        _: &'a Arc<ResourceType>,
        _: &'a ResourceId,
        _: &'a ReadOptions,
    ) -> BoxFuture<'a, Result<StoredResource, StoreError>> {
        Box::pin(self.fail())
    }

    fn write<'a>(
        &'a self,
        _: &'a RequestContext,
        _: Batch,
    ) -> BoxFuture<'a, Result<Vec<Result<Written, StoreError>>, StoreError>> {
        Box::pin(self.fail())
    }
}

const REQUESTS: [(&str, &str, &str); 7] = [
    ("POST", "/Users", r#"{"userName":"bjensen"}"#),
    ("GET", "/Users/1", ""),
    ("PUT", "/Users/1", r#"{"userName":"bjensen"}"#),
    (
        "PATCH",
        "/Users/1",
        r#"{"Operations":[{"op":"remove","path":"title"}]}"#,
    ),
    ("DELETE", "/Users/1", ""),
    ("GET", "/Users?filter=title+pr", ""),
    ("POST", "/.search", "{}"),
];

#[tokio::test]
async fn an_internal_error_keeps_its_cause_to_itself() {
    let server = over(Arc::new(Failing(Some(|| {
        StoreError::backend("no such table: secrets")
    }))));
    for (method, path, body) in REQUESTS {
        let answer = send(&server, request(method, path, &[], body)).await;
        answer.is_error(500);
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        assert!(!text.contains("table"), "{text}");
        // It names the request, so that the log can be searched.
        assert!(text.contains(answer.header("x-request-id")), "{text}");
    }
}

#[tokio::test]
async fn temporary_failures_of_a_store_name_a_time_to_retry_and_no_cause() {
    let failures: [(fn() -> StoreError, u16); 4] = [
        (|| StoreError::Busy, 503),
        (|| StoreError::Importing, 503),
        (|| StoreError::storage_full("disk of /secret"), 507),
        (|| StoreError::unavailable("disk of /secret"), 503),
    ];
    for (failure, status) in failures {
        let server = over(Arc::new(Failing(Some(failure))));
        for (method, path, body) in REQUESTS {
            let answer = send(&server, request(method, path, &[], body)).await;
            answer.is_error(status);
            assert_eq!(answer.header("retry-after"), "1");
            let text = String::from_utf8(answer.body.to_vec()).unwrap();
            assert!(!text.contains("secret"), "{text}");
        }
    }
}

/// A store that breaks its contract by answering a write with nothing.
#[derive(Debug)]
struct Silent;

impl Store for Silent {
    fn support(&self, _: &ResourceType) -> Capabilities {
        let mut support = Capabilities::full();
        support.cursor = false;
        support.filter = false;
        support.sort = false;
        support
    }

    fn edges<'a>(
        &'a self,
        _: &'a RequestContext,
        _: &'a EdgeQuery,
    ) -> BoxFuture<'a, Result<Vec<Vec<Edge>>, StoreError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn query<'a>(
        &'a self,
        _: &'a RequestContext,
        _: &'a Query,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async { Ok(Page::new(Vec::new(), None)) })
    }

    fn read<'a>(
        &'a self,
        _: &'a RequestContext,
        _: &'a Arc<ResourceType>,
        _: &'a ResourceId,
        _: &'a ReadOptions,
    ) -> BoxFuture<'a, Result<StoredResource, StoreError>> {
        Box::pin(async { Err(StoreError::NotFound) })
    }

    fn write<'a>(
        &'a self,
        _: &'a RequestContext,
        _: Batch,
    ) -> BoxFuture<'a, Result<Vec<Result<Written, StoreError>>, StoreError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

#[tokio::test]
async fn a_store_that_answers_nothing_is_an_internal_error() {
    let server = over(Arc::new(Silent));
    for (method, path, body) in [REQUESTS[0], REQUESTS[4]] {
        send(&server, request(method, path, &[], body))
            .await
            .is_error(500);
    }
}

#[tokio::test]
async fn the_configuration_tells_what_the_store_can_do() {
    let config = crate::web::get(&over(Arc::new(Silent)), "/ServiceProviderConfig", &[]).await;
    assert_eq!(config.json()["filter"]["supported"], false);
    assert_eq!(config.json()["sort"]["supported"], false);
    assert_eq!(config.json()["pagination"]["index"], true);
}

#[tokio::test]
async fn cursors_are_rejected_if_the_store_does_not_support_them() {
    rejects_cursors(&over(Arc::new(Silent))).await;
}

/// A server should ignore parameters that it does not recognise (RFC 7644 section 3.4.2), but this one recognises
/// `cursor`. Ignoring it would mislead the client: a page without `nextCursor` is the last one (RFC 9865 section 2).
/// So a server without cursors announces that, and rejects them.
async fn rejects_cursors(server: &Server) {
    let config = crate::web::get(server, "/ServiceProviderConfig", &[]).await;
    let pagination = &config.json()["pagination"];
    assert_eq!(pagination["cursor"], false);
    assert_eq!(pagination.get("cursorTimeout"), None);
    for path in ["/Users?cursor", "/Users?cursor=AQ&count=1"] {
        let answer = crate::web::get(server, path, &[]).await;
        answer.is_error(400);
        assert_eq!(answer.json()["scimType"], "invalidCursor");
    }
    let answer = crate::web::get(server, "/Users", &[]).await;
    assert_eq!(answer.json()["startIndex"], 1);
}

#[cfg(not(feature = "cursors"))]
#[tokio::test]
async fn cursors_are_rejected_without_the_feature() {
    rejects_cursors(&server()).await;
}

#[tokio::test]
async fn server_is_ready_if_its_store_answers_in_time() {
    let fails: [(fn() -> StoreError, bool); 4] = [
        (|| StoreError::NotFound, true),
        (|| StoreError::Importing, true),
        (|| StoreError::Busy, false),
        (|| StoreError::backend("secret cause"), false),
    ];
    for (error, ready) in fails {
        let server = over(Arc::new(Failing(Some(error))));
        assert_eq!(server.is_ready().await, ready, "{}", error());
    }
    assert!(server().is_ready().await);
    let started = std::time::Instant::now();
    assert!(!over(Arc::new(Failing(None))).is_ready().await);
    assert!(started.elapsed() >= std::time::Duration::from_secs(1));
}
