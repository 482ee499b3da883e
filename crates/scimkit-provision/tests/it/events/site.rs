//! A server whose changes are consumed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::{DateTime, Utc};
use http::{Request, Response, request::Parts};
use http_body_util::BodyExt as _;
use scimkit_core::AuthenticationScheme;
use scimkit_provision::{
    Clock,
    events::{ChangeSignal, Event, EventConsumer, EventError, Events},
};
use scimkit_registry::{Change, ResourceId};
use scimkit_server::{AuthError, Authenticate, Body, Identity, Server};
use scimkit_sqlite::SqliteStore;
use scimkit_store::{
    Archive, Batch, BoxFuture, CreatePolicy, DeadLetters, DeletePolicy, Journal, JournalLevel,
    JournalPolicy, MemoryStore, RequestContext, Settings, Store, TenantId, WriteOp,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle};

/// A store with a journal, as a whole.
pub(crate) trait FullStore: Archive + DeadLetters + Store {}

impl<T: Archive + DeadLetters + Store> FullStore for T {}

/// A server over one of the stores. The path begins with the tenant, and may name a policy: `/acme/soft/Users`.
#[derive(Debug)]
pub(crate) struct Site {
    _folder: Option<TempDir>,
    pub(crate) server: Server,
    pub(crate) store: Arc<dyn FullStore>,
}

pub(crate) fn now() -> DateTime<Utc> {
    Clock::default().now()
}

pub(crate) fn settings(policy: &str) -> Settings {
    let mut settings = Settings::new("https://app.example/scim/v2");
    settings.policy.journal = JournalPolicy::new(JournalLevel::Full);
    match policy {
        "adopt" => settings.create_policy = CreatePolicy::AdoptOrRestore,
        "masked" => {
            let policy = JournalPolicy::new(JournalLevel::Full);
            settings.policy.journal = policy.with_masked(["emails", "userName"]);
        }
        "notice" => settings.policy.journal.level = JournalLevel::Notice,
        "off" => settings.policy.journal.level = JournalLevel::Off,
        "soft" => settings.policy.delete_policy = DeletePolicy::Soft,
        _ => {}
    }
    settings
}

/// Accepts everybody, for the tenant and with the settings that the headers name.
#[derive(Debug)]
struct Open;

impl Authenticate for Open {
    fn authenticate<'a>(&'a self, head: &'a Parts) -> BoxFuture<'a, Result<Identity, AuthError>> {
        Box::pin(async move {
            let header = |name: &str| {
                let value = head.headers.get(name);
                value
                    .and_then(|value| value.to_str().ok())
                    .unwrap_or_default()
            };
            let mut identity = Identity::new(TenantId::from(header("x-tenant")));
            identity.settings = Some(Arc::new(settings(header("x-policy"))));
            Ok(identity)
        })
    }

    fn schemes(&self) -> Vec<AuthenticationScheme> {
        Vec::new()
    }
}

impl Site {
    fn over(store: Arc<dyn FullStore>, folder: Option<TempDir>) -> Self {
        let server = Server::new(store.clone(), settings("")).with_authentication(Open);
        Site {
            _folder: folder,
            server,
            store,
        }
    }

    /// Returns a site over each store.
    pub(crate) fn all() -> [Site; 2] {
        let folder = tempfile::tempdir().unwrap();
        let file = SqliteStore::open(folder.path().join("scim.sqlite")).unwrap();
        [
            Site::over(Arc::new(MemoryStore::new()), None),
            Site::over(Arc::new(file), Some(folder)),
        ]
    }

    /// Wakes a runner after each change.
    pub(crate) fn with_signal(mut self, signal: ChangeSignal) -> Self {
        self.server = self.server.with_change_listener(signal);
        self
    }

    pub(crate) async fn call(
        &self,
        (tenant, policy): (&str, &str),
        method: &str,
        path: &str,
        body: &str,
    ) -> (u16, Value) {
        let request = Request::builder().method(method).uri(path);
        let request = request
            .header("x-tenant", tenant)
            .header("x-policy", policy);
        let request = request.body(body.to_owned()).unwrap();
        let response: Response<Body> = self.server.handle(request).await;
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// Creates a user of the tenant `acme`, and returns its id.
    pub(crate) async fn user(&self, name: &str) -> String {
        self.user_of("acme", name).await
    }

    pub(crate) async fn user_of(&self, tenant: &str, name: &str) -> String {
        let body = format!(r#"{{"userName": "{name}"}}"#);
        let (status, user) = self.call((tenant, ""), "POST", "/Users", &body).await;
        assert_eq!(status, 201, "{user}");
        user["id"].as_str().unwrap().to_owned()
    }

    /// Creates users without an owner, as the application itself does.
    pub(crate) async fn own_users(&self, ids: &[String]) {
        let settings = Arc::new(settings(""));
        let kind = settings.registry.resource_type("User").unwrap().clone();
        let context = RequestContext::new(TenantId::from("acme"), settings.clone());
        let create = |id: &String| {
            let body = json!({"userName": id});
            let document = kind.admit(body, &settings.tolerance).unwrap();
            WriteOp::Create {
                change: Change::create(kind.clone(), document),
                existing_match: None,
                id: ResourceId::from(id.as_str()),
            }
        };
        let batch = Batch::new(now(), ids.iter().map(create).collect());
        for written in self.store.write(&context, batch).await.unwrap() {
            written.unwrap();
        }
    }

    /// Returns a runner that polls often.
    pub(crate) fn events(&self) -> Events {
        let store: Arc<dyn Journal> = self.store.clone();
        Events::new(store).with_poll_interval(Duration::from_millis(5))
    }

    /// Waits until a consumer has confirmed all changes.
    pub(crate) async fn wait_for(&self, consumer: &str) {
        while !self.store.pending(consumer).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Runs a consumer until it has confirmed all changes.
    pub(crate) async fn drain(&self, consumer: EventConsumer) {
        let name = consumer.name().to_owned();
        let events = self.events().with_consumer(consumer);
        events.run(self.wait_for(&name)).await;
    }
}

/// A runner at work.
#[derive(Debug)]
pub(crate) struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) fn start(events: Events) -> Self {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(events.run(async move { stopped.await.unwrap_or_default() }));
        Running { stop, task }
    }

    pub(crate) async fn stop(self) {
        drop(self.stop);
        self.task.await.unwrap();
    }

    /// Ends it as a crash does.
    pub(crate) async fn crash(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

/// The events that consumers have seen, in words.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<Arc<Event>>>>);

impl Seen {
    pub(crate) fn push(&self, event: Arc<Event>) {
        self.0.lock().unwrap().push(event);
    }

    pub(crate) fn all(&self) -> Vec<Arc<Event>> {
        self.0.lock().unwrap().clone()
    }

    /// Returns the numbers of the changes, by tenant.
    pub(crate) fn numbers(&self) -> BTreeMap<String, Vec<u64>> {
        let mut numbers: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for event in self.all() {
            let tenant = numbers.entry(event.tenant().to_string()).or_default();
            tenant.push(event.position().number);
        }
        numbers
    }

    /// Returns a consumer that adds each event.
    pub(crate) fn consumer(&self, name: &str) -> EventConsumer {
        let seen = self.clone();
        let consumer = EventConsumer::new(name, move |event| {
            seen.push(event);
            async { Ok::<(), EventError>(()) }
        });
        consumer.with_retry_delays(Duration::from_millis(2), Duration::from_millis(10))
    }
}
