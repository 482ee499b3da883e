//! Routes for probes.

use std::sync::Arc;

use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use scimkit_registry::{Edge, ResourceId, ResourceType};
use scimkit_server::Server;
use scimkit_store::{
    Batch, BoxFuture, Capabilities, EdgeQuery, MemoryStore, Page, Query, ReadOptions,
    RequestContext, Settings, Store, StoreError, StoredResource, Written,
};
use tower::ServiceExt;

/// A store that is always busy.
#[derive(Debug)]
struct Busy;

fn busy<'a, T: Send + 'a>() -> BoxFuture<'a, Result<T, StoreError>> {
    Box::pin(async { Err(StoreError::Busy) })
}

impl Store for Busy {
    fn support(&self, _: &ResourceType) -> Capabilities {
        Capabilities::full()
    }

    fn edges<'a>(
        &'a self,
        _: &'a RequestContext,
        _: &'a EdgeQuery,
    ) -> BoxFuture<'a, Result<Vec<Vec<Edge>>, StoreError>> {
        busy()
    }

    fn query<'a>(
        &'a self,
        _: &'a RequestContext,
        _: &'a Query,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        busy()
    }

    fn read<'a>(
        &'a self,
        _: &'a RequestContext,
        _: &'a Arc<ResourceType>,
        _: &'a ResourceId,
        _: &'a ReadOptions,
    ) -> BoxFuture<'a, Result<StoredResource, StoreError>> {
        busy()
    }

    fn write<'a>(
        &'a self,
        _: &'a RequestContext,
        _: Batch,
    ) -> BoxFuture<'a, Result<Vec<Result<Written, StoreError>>, StoreError>> {
        busy()
    }
}

async fn get(store: Arc<dyn Store>, path: &str) -> (StatusCode, String) {
    let server = Server::new(store, Settings::new("https://app.example/scim/v2"));
    let app = scimkit_axum::health::<()>(server);
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = app.oneshot(request).await.unwrap();
    assert_eq!(response.headers()["cache-control"], "no-store");
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn process_is_up_and_ready_if_its_store_answers() {
    let ok = "ok\n".to_owned();
    let unavailable = "unavailable\n".to_owned();
    let memory = || Arc::new(MemoryStore::new());
    assert_eq!(
        get(memory(), "/healthz").await,
        (StatusCode::OK, ok.clone())
    );
    assert_eq!(get(memory(), "/readyz").await, (StatusCode::OK, ok.clone()));
    assert_eq!(get(Arc::new(Busy), "/healthz").await, (StatusCode::OK, ok));
    let rejected = (StatusCode::SERVICE_UNAVAILABLE, unavailable);
    assert_eq!(get(Arc::new(Busy), "/readyz").await, rejected);
}
