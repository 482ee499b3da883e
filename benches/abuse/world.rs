//! A server with one store, in the measuring process.

use std::sync::Arc;

use chrono::DateTime;
use http::{Method, Request, StatusCode};
use scimkit::{
    BearerTokens, MemoryStore, RequestContext, Server, Settings, SqliteStore, Store, TenantId,
    Token, Tolerance,
    registry::{Change, ResourceId},
    store::{Archive, Batch, WriteOp},
};
use serde_json::Value;

pub(crate) const TOKEN: &str = "benchmark-token";
/// The token of a second tenant.
pub(crate) const OTHER_TOKEN: &str = "another-benchmark-token";

/// The file of an SQLite store.
pub(crate) const FILE: &str = "abuse.sqlite";

/// A server and its store.
pub(crate) struct World {
    pub(crate) archive: Arc<dyn Archive>,
    /// The folder with the file of the store; deleted when the row ends.
    pub(crate) folder: Option<tempfile::TempDir>,
    pub(crate) server: Server,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) context: RequestContext,
}

impl World {
    pub(crate) fn new(store: &str) -> Self {
        let folder = (store == "sqlite").then(|| tempfile::tempdir().unwrap());
        let (store, archive): (Arc<dyn Store>, Arc<dyn Archive>) = match &folder {
            Some(folder) => {
                let store = Arc::new(SqliteStore::open(folder.path().join(FILE)).unwrap());
                (store.clone(), store)
            }
            None => {
                let store = Arc::new(MemoryStore::new());
                (store.clone(), store)
            }
        };
        let settings = Settings::new("https://scim.example/v2");
        let digest = |secret| Token::from_secret(secret).unwrap().digest();
        let other = TenantId::from("other");
        let tokens = BearerTokens::new([digest(TOKEN)]).with_token(digest(OTHER_TOKEN), other);
        let server = Server::new(Arc::clone(&store), settings.clone());
        World {
            archive,
            folder,
            server: server.with_authentication(tokens),
            store,
            context: RequestContext::new(TenantId::default(), Arc::new(settings)),
        }
    }

    /// Returns the bytes of the write-ahead log; 0 for a store in memory.
    pub(crate) fn log_bytes(&self) -> u64 {
        let log = self
            .folder
            .as_ref()
            .map(|folder| folder.path().join("abuse.sqlite-wal"));
        let log = log.and_then(|log| std::fs::metadata(log).ok());
        log.map_or(0, |log| log.len())
    }

    /// Creates resources through the store, 250 at a time, with their numbers as ids.
    pub(crate) async fn seed(&self, kind: &str, count: usize, body: impl Fn(usize) -> Value) {
        self.seed_from(0, kind, count, body).await;
    }

    /// Creates resources like [`World::seed`], with numbers starting at `first`.
    pub(crate) async fn seed_from(
        &self,
        first: usize,
        kind: &str,
        count: usize,
        body: impl Fn(usize) -> Value,
    ) {
        let kind = self.context.settings.registry.resource_type(kind).unwrap();
        let create = |number: usize| {
            let admitted = kind.admit(body(number), &Tolerance::DEFAULT).unwrap();
            WriteOp::Create {
                change: Change::create(Arc::clone(kind), admitted),
                existing_match: None,
                id: ResourceId::from(number.to_string()),
            }
        };
        let numbers: Vec<usize> = (first..first + count).collect();
        for some in numbers.chunks(250) {
            let writes = some.iter().map(|number| create(*number)).collect();
            let batch = Batch::new(DateTime::UNIX_EPOCH, writes);
            for answer in self.store.write(&self.context, batch).await.unwrap() {
                answer.unwrap();
            }
        }
    }

    /// Sends a request and reads the whole response; returns its status and length.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: String,
    ) -> (StatusCode, usize) {
        call(self.server.clone(), method, path.to_owned(), body).await
    }

    pub(crate) async fn get(&self, path: &str) -> StatusCode {
        self.call(Method::GET, path, String::new()).await.0
    }
}

/// Sends a request like [`World::call`], in a form that can be spawned.
pub(crate) async fn call(
    server: Server,
    method: Method,
    path: String,
    body: String,
) -> (StatusCode, usize) {
    call_as(TOKEN, server, method, path, body).await
}

/// Sends a request like [`call`], for the tenant of that token.
pub(crate) async fn call_as(
    token: &'static str,
    server: Server,
    method: Method,
    path: String,
    body: String,
) -> (StatusCode, usize) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/scim+json")
        .body(axum::body::Body::from(body))
        .unwrap();
    let (head, body) = server.handle(request).await.into_parts();
    let mut body = std::pin::pin!(body);
    let mut bytes = 0;
    while let Some(frame) =
        std::future::poll_fn(|context| http_body::Body::poll_frame(body.as_mut(), context)).await
    {
        bytes += frame.unwrap().into_data().map_or(0, |data| data.len());
    }
    (head.status, bytes)
}
