//! A service with its administration, a clock to turn, and a tenancy that is watched.

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use scimkit_provision::{
    Clock, ConnectionAuthenticator, ConnectionSettings, CreatedToken, NewToken, TenantAdmin,
};
use scimkit_server::{Server, Token};
use scimkit_sqlite::SqliteStore;
use scimkit_store::{
    BoxFuture, Connection, ConnectionId, FoundToken, MemoryStore, Settings, Stamp, Store,
    StoreError, Tenant, TenantEntry, TenantId, TenantStore, TokenRecord,
};
use serde_json::Value;

pub(crate) const BASE_URL: &str = "https://app.example/scim/v2";

/// What a watched tenancy does with what it is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Good,
    /// It fails to note uses.
    UsesFail,
    /// It never ends noting a use.
    UsesHang,
    Busy,
    /// The import of every tenant is in progress.
    Importing,
    /// Somebody else renames the tokens of a put before it is done, so many times.
    RenamesBeforePuts(u32),
}

/// A tenancy that tells what it was asked.
#[derive(Debug)]
pub(crate) struct Watched {
    asked: Mutex<Vec<&'static str>>,
    inner: Arc<dyn TenantStore>,
    mood: Mutex<Mood>,
}

impl Watched {
    /// What it was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    pub(crate) fn be(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// What somebody else does meanwhile, if anything.
    async fn rename(&self, entries: &[TenantEntry]) {
        let renames = match &mut *self.mood.lock().unwrap() {
            Mood::RenamesBeforePuts(left @ 1..) => {
                *left -= 1;
                true
            }
            _ => false,
        };
        for entry in entries.iter().filter(|_| renames) {
            let TenantEntry::Token(token) = entry else {
                continue;
            };
            let kept = self.inner.tokens(&token.tenant).await.unwrap();
            let kept = kept.into_iter().find(|kept| kept.id == token.id);
            if let Some(mut kept) = kept {
                kept.name = "renamed".to_owned();
                self.inner
                    .put(
                        vec![TenantEntry::Token(kept)],
                        chrono::DateTime::UNIX_EPOCH.into(),
                    )
                    .await
                    .unwrap();
            }
        }
    }

    fn note(&self, what: &'static str) -> Result<&dyn TenantStore, StoreError> {
        self.asked.lock().unwrap().push(what);
        match *self.mood.lock().unwrap() {
            Mood::Busy => Err(StoreError::Busy),
            Mood::Importing => Err(StoreError::Importing),
            _ => Ok(&*self.inner),
        }
    }
}

impl TenantStore for Watched {
    fn connection<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: &'a ConnectionId,
    ) -> BoxFuture<'a, Result<Option<(Tenant, Connection)>, StoreError>> {
        Box::pin(async move { self.note("connection")?.connection(tenant, id).await })
    }

    fn connections<'a>(
        &'a self,
        tenant: &'a TenantId,
    ) -> BoxFuture<'a, Result<Vec<Connection>, StoreError>> {
        Box::pin(async move { self.note("connections")?.connections(tenant).await })
    }

    fn find_token<'a>(
        &'a self,
        digest: &'a [u8; 32],
    ) -> BoxFuture<'a, Result<Option<FoundToken>, StoreError>> {
        Box::pin(async move { self.note("open")?.find_token(digest).await })
    }

    fn put(
        &self,
        entries: Vec<TenantEntry>,
        stamp: Stamp,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let inner = self.note("put")?;
            self.rename(&entries).await;
            inner.put(entries, stamp).await
        })
    }

    fn remove_connection<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: &'a ConnectionId,
        stamp: Stamp,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let inner = self.note("remove_connection")?;
            inner.remove_connection(tenant, id, stamp).await
        })
    }

    fn tenant<'a>(&'a self, id: &'a TenantId) -> BoxFuture<'a, Result<Option<Tenant>, StoreError>> {
        Box::pin(async move { self.note("tenant")?.tenant(id).await })
    }

    fn tenants(&self) -> BoxFuture<'_, Result<Vec<Tenant>, StoreError>> {
        Box::pin(async move { self.note("tenants")?.tenants().await })
    }

    fn tokens<'a>(
        &'a self,
        tenant: &'a TenantId,
    ) -> BoxFuture<'a, Result<Vec<TokenRecord>, StoreError>> {
        Box::pin(async move { self.note("tokens")?.tokens(tenant).await })
    }

    fn record_token_use<'a>(
        &'a self,
        digest: &'a [u8; 32],
        at: DateTime<Utc>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let inner = self.note("used")?;
            let mood = *self.mood.lock().unwrap();
            match mood {
                Mood::UsesFail => Err(StoreError::backend("no disk")),
                Mood::UsesHang => std::future::pending().await,
                _ => inner.record_token_use(digest, at).await,
            }
        })
    }
}

/// A clock that a test turns.
#[derive(Debug, Clone)]
pub(crate) struct Hands(Arc<Mutex<DateTime<Utc>>>);

impl Hands {
    pub(crate) fn clock(&self) -> Clock {
        let hands = self.clone();
        Clock::of(move || *hands.at())
    }

    pub(crate) fn at(&self) -> MutexGuard<'_, DateTime<Utc>> {
        self.0.lock().unwrap()
    }

    pub(crate) fn forward(&self, by: TimeDelta) {
        *self.at() += by;
    }
}

/// A service that is run by its administration.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) administration: TenantAdmin,
    pub(crate) hands: Hands,
    pub(crate) server: Server,
    pub(crate) tenancy: Arc<Watched>,
}

impl World {
    pub(crate) fn in_memory() -> Self {
        World::at(BASE_URL)
    }

    /// In memory, under that base URL.
    pub(crate) fn at(base_url: &str) -> Self {
        World::over(Arc::new(MemoryStore::new()), base_url, |gate| gate)
    }

    pub(crate) fn in_file(path: &Path) -> Self {
        World::over(
            Arc::new(SqliteStore::open(path).unwrap()),
            BASE_URL,
            |gate| gate,
        )
    }

    pub(crate) fn over<S: Store + TenantStore>(
        store: Arc<S>,
        base_url: &str,
        with: impl Fn(ConnectionAuthenticator) -> ConnectionAuthenticator,
    ) -> Self {
        let hands = Hands(Arc::new(Mutex::new(
            "2026-01-01T00:00:00Z".parse().unwrap(),
        )));
        let tenancy = Arc::new(Watched {
            asked: Mutex::default(),
            inner: store.clone(),
            mood: Mutex::default(),
        });
        let settings = Settings::new(base_url);
        let gate = ConnectionAuthenticator::new(tenancy.clone(), settings.clone())
            .with_clock(hands.clock());
        let administration = TenantAdmin::new(tenancy.clone()).with_clock(hands.clock());
        let prefix = base_url.splitn(4, '/').nth(3).unwrap_or_default();
        World {
            administration,
            hands,
            server: Server::new(store, settings)
                .with_authentication(with(gate))
                .with_prefix(&format!("/{prefix}")),
            tenancy,
        }
    }

    /// A tenant with a connection and a token of that.
    pub(crate) async fn customer(&self, tenant: &str) -> CreatedToken {
        let made = self.administration.create_tenant(tenant, tenant).await;
        self.connection(&made.unwrap().id, "entra").await
    }

    /// Another connection of a tenant, and a token of that.
    pub(crate) async fn connection(&self, tenant: &TenantId, id: &str) -> CreatedToken {
        let rules = ConnectionSettings::default();
        let made = self
            .administration
            .create_connection(tenant, id, id, &rules);
        let id = made.await.unwrap().id;
        let new = NewToken::new("a");
        let issued = self
            .administration
            .create_token(tenant, &id, &new)
            .await
            .unwrap();
        self.tenancy.asked();
        issued
    }

    /// The status that a request with that token has.
    pub(crate) async fn status(&self, token: &Token) -> u16 {
        self.get("/scim/v2/Users", token.reveal()).await.status()
    }

    pub(crate) async fn get(&self, uri: &str, secret: &str) -> Answer {
        let authorization = format!("Bearer {secret}");
        self.ask(uri, &[("authorization", &authorization)]).await
    }

    /// A GET with these headers and no others.
    pub(crate) async fn ask(&self, uri: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::get(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Full::default()).unwrap()).await
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let (head, body) = self.server.handle(request).await.into_parts();
        Answer {
            body: body.collect().await.unwrap().to_bytes(),
            headers: head.headers,
            status: head.status,
        }
    }
}

/// An answer with its body read.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) body: Bytes,
    pub(crate) headers: HeaderMap,
    status: StatusCode,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// Without the name of the request, which no two have in common.
    pub(crate) fn anonymous(mut self) -> Self {
        let id = self.headers.remove("x-request-id").unwrap();
        let body = std::str::from_utf8(&self.body).unwrap();
        self.body = body.replace(id.to_str().unwrap(), "…").into();
        self
    }
}
