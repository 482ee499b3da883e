//! No secret is ever logged: runs the whole corpus with authentication, and searches the log.

use std::{
    io::Write,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{Request, Response};
use scimkit_core::ErrorResponse;
use scimkit_provision::{ConnectionAuthenticator, ConnectionSettings, NewToken, TenantAdmin};
use scimkit_registry::Tolerance;
use scimkit_server::{ChangeGuard, ProposedChange, Secret, SecretHandler, Server, Token};
use scimkit_sqlite::SqliteStore;
use scimkit_store::{BoxFuture, MemoryStore, RequestContext, Store, TenantStore};
use scimkit_testkit::replay::{HttpTarget, Mode, Replay, Scenario, TransportError};
use serde_json::Value;

use crate::servers::settings;

/// The log, to be searched.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl Write for Logged {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The passwords of the corpus that are the same in each run.
const PASSWORDS: [&str; 2] = ["1mz050nq", "N3w-pass"];

/// A server that records requests with passwords and the calls of its hooks.
#[derive(Debug)]
struct Watched {
    /// The number of requests with each of the passwords.
    had: [AtomicUsize; PASSWORDS.len()],
    hooks: Arc<Hooks>,
    sent: AtomicUsize,
    server: Server,
}

impl Watched {
    fn new(server: Server) -> Self {
        let hooks = Arc::new(Hooks::default());
        Watched {
            had: Default::default(),
            server: server
                .with_guard(Guard(Arc::clone(&hooks)))
                .with_secret_handler(Takes(Arc::clone(&hooks))),
            hooks,
            sent: AtomicUsize::default(),
        }
    }
}

impl HttpTarget for Watched {
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        self.sent.fetch_add(1, Ordering::Relaxed);
        let body = String::from_utf8_lossy(request.body());
        for (had, password) in self.had.iter().zip(PASSWORDS) {
            had.fetch_add(body.matches(password).count(), Ordering::Relaxed);
        }
        self.server.send(request)
    }
}

/// The number of calls of each hook.
#[derive(Debug, Default)]
struct Hooks {
    guarded: AtomicUsize,
    taken: [AtomicUsize; PASSWORDS.len()],
}

/// A hook that logs everything.
#[derive(Debug)]
struct Guard(Arc<Hooks>);

impl ChangeGuard for Guard {
    fn check<'a>(
        &'a self,
        context: &'a RequestContext,
        proposed: &'a ProposedChange,
    ) -> BoxFuture<'a, Result<(), ErrorResponse>> {
        self.0.guarded.fetch_add(1, Ordering::Relaxed);
        tracing::info!(?context.tenant, ?proposed, "a change");
        Box::pin(async { Ok(()) })
    }
}

/// A hook that logs everything.
#[derive(Debug)]
struct Takes(Arc<Hooks>);

impl SecretHandler for Takes {
    fn take<'a>(
        &'a self,
        context: &'a RequestContext,
        secret: Secret<'a>,
    ) -> BoxFuture<'a, Result<Option<Value>, ErrorResponse>> {
        let value = secret.value.as_str().unwrap_or_default();
        for (taken, password) in self.0.taken.iter().zip(PASSWORDS) {
            taken.fetch_add(value.matches(password).count(), Ordering::Relaxed);
        }
        tracing::info!(?context.tenant, ?secret, "a secret");
        Box::pin(async { Ok(None) })
    }
}

/// Returns the start of every form of a token's digest.
fn forms(digest: &[u8; 32]) -> [String; 2] {
    let head = &digest[..6];
    let hex = head.iter().map(|byte| format!("{byte:02x}")).collect();
    let numbers: Vec<_> = head.iter().map(u8::to_string).collect();
    [hex, numbers.join(", ")]
}

/// Both interfaces of one store.
type Kept = (&'static str, Arc<dyn Store>, Arc<dyn TenantStore>);

fn stores() -> [Kept; 2] {
    let memory = Arc::new(MemoryStore::new());
    let sqlite = Arc::new(SqliteStore::in_memory().unwrap());
    [
        ("memory", memory.clone(), memory),
        ("sqlite", sqlite.clone(), sqlite),
    ]
}

#[tokio::test]
async fn log_of_the_whole_corpus_contains_no_token_or_password() {
    let logged = Logged::default();
    let writer = logged.clone();
    let filter = tracing::level_filters::LevelFilter::TRACE;
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(filter)
        .with_writer(move || writer.clone())
        .finish();
    let _listening = tracing::subscriber::set_default(subscriber);
    // With a single subscriber, `tracing` takes the interest of the first thread for that of all threads: another test
    // would switch the log off.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let corpus = Scenario::corpus().unwrap();
    let mut needles: Vec<_> = PASSWORDS.map(str::to_owned).into();
    for (name, store, tenancy) in stores() {
        let administration = TenantAdmin::new(Arc::clone(&tenancy));
        let tenant = administration.create_tenant("acme", "Acme").await.unwrap();
        let rules = ConnectionSettings::default();
        let connection = administration
            .create_connection(&tenant.id, "okta", "Okta", &rules)
            .await
            .unwrap();
        let issued = administration
            .create_token(&tenant.id, &connection.id, &NewToken::new("corpus"))
            .await
            .unwrap();
        let secret = issued.token.reveal().to_owned();
        needles.push(secret.clone());
        needles.extend(forms(issued.token.digest().as_bytes()));
        let wrong = Token::generate().unwrap();
        needles.push(wrong.reveal().to_owned());
        needles.extend(forms(wrong.digest().as_bytes()));

        let settings = settings(Tolerance::DEFAULT);
        let gate = ConnectionAuthenticator::new(tenancy, settings.clone());
        let server = Watched::new(Server::new(store, settings).with_authentication(gate));
        for scenario in &corpus {
            let scenario = std::slice::from_ref(scenario);
            let modes = [Mode::Both, Mode::Compat];
            let replay = Replay::new(&server).with_modes(modes);
            replay.with_token(&secret).run(scenario).await;
            let replay = Replay::new(&server).with_modes(modes);
            replay.with_token(wrong.reveal()).run(scenario).await;
        }
        let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        assert!(count(&server.sent) > 500, "{name}: {server:?}");
        assert!(count(&server.hooks.guarded) > 100, "{name}: {server:?}");
        for counters in [&server.had, &server.hooks.taken] {
            assert!(counters.iter().all(|c| count(c) > 0), "{name}: {server:?}");
        }
    }
    let text = String::from_utf8(std::mem::take(&mut *logged.0.lock().unwrap())).unwrap();
    assert!(text.lines().count() > 1_000, "the corpus was not logged");
    for said in ["a change", "a secret"] {
        assert!(text.contains(said), "{said} was not logged");
    }
    for line in text.lines() {
        let found = needles.iter().find(|needle| line.contains(needle.as_str()));
        assert_eq!(found, None, "{line}");
    }
}
