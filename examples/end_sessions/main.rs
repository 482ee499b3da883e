//! Ends the sessions of a user as soon as an identity provider deactivates or deletes the account.
//!
//! ```text
//! cargo run --example end_sessions
//! ```
//!
//! The sessions are in memory here, and usually in a table. The request of the identity provider does not wait for them,
//! and if ending them fails, it is tried again.

use std::{
    collections::BTreeMap,
    error::Error,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, post},
};
use scimkit::{
    BearerTokens, MemoryStore, Server, Settings, TenantId, Token,
    core::User,
    provision::events::{Event, EventConsumer, EventError, Events},
    registry::ResourceId,
    store::{JournalLevel, JournalPolicy, ReadOptions, RequestContext, Store, StoreError},
};
use tokio::sync::Notify;

/// The sessions of the application: their users by session id.
#[derive(Debug, Default)]
struct Sessions {
    ended: Notify,
    users: Mutex<BTreeMap<String, ResourceId>>,
}

impl Sessions {
    fn users(&self) -> MutexGuard<'_, BTreeMap<String, ResourceId>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self, session: &str, user: &ResourceId) {
        self.users().insert(session.to_owned(), user.clone());
    }

    fn end_all_of(&self, user: &ResourceId) {
        self.users().retain(|_, owner| owner != user);
        self.ended.notify_waiters();
    }
}

/// What the consumer needs.
#[derive(Debug)]
struct EndSessions {
    sessions: Arc<Sessions>,
    settings: Arc<Settings>,
    store: Arc<MemoryStore>,
}

impl EndSessions {
    async fn handle(&self, event: &Event) -> Result<(), EventError> {
        if let Some(user) = event.user_lost_access() {
            self.sessions.end_all_of(user);
        }
        if event.gap().is_some() {
            self.compare(event.tenant()).await?;
        }
        Ok(())
    }

    /// Ends the sessions of all users that are not active: changes are missing from the journal.
    async fn compare(&self, tenant: &TenantId) -> Result<(), EventError> {
        let context = RequestContext::new(tenant.clone(), Arc::clone(&self.settings));
        let kind = context.settings.registry.resource_type("User");
        let kind = kind.ok_or("there are no users")?;
        let options = ReadOptions::document();
        let users: Vec<_> = self.sessions.users().values().cloned().collect();
        for id in users {
            let read = self.store.read(&context, kind, &id, &options);
            let is_active = match read.await {
                Ok(stored) => {
                    let user: User = serde_json::from_slice(stored.document.text())?;
                    user.is_active()
                }
                Err(StoreError::NotFound) => false,
                Err(error) => return Err(error.into()),
            };
            if !is_active {
                self.sessions.end_all_of(&id);
            }
        }
        Ok(())
    }
}

/// Returns the server and the runner of its events.
fn service(base_url: &str, token: &Token, sessions: &Arc<Sessions>) -> (Server, Events) {
    let mut settings = Settings::new(base_url);
    // Events need the values of changes.
    settings.policy.journal = JournalPolicy::new(JournalLevel::Full);
    let store = Arc::new(MemoryStore::new());
    let handler = Arc::new(EndSessions {
        sessions: Arc::clone(sessions),
        settings: Arc::new(settings.clone()),
        store: store.clone(),
    });
    let consumer = EventConsumer::new("sessions", move |event| {
        let handler = Arc::clone(&handler);
        async move { handler.handle(&event).await }
    });
    let events = Events::new(store.clone()).with_consumer(consumer);
    let server = Server::new(store, settings)
        .with_authentication(BearerTokens::new([token.digest()]))
        .with_change_listener(events.signal());
    (server, events)
}

async fn count(State(sessions): State<Arc<Sessions>>) -> String {
    sessions.users().len().to_string()
}

/// Starts a session. An application checks a password or an assertion first, and that the user is active.
async fn sign_in(
    State(sessions): State<Arc<Sessions>>,
    Path(user): Path<String>,
) -> Result<String, StatusCode> {
    let session = Token::generate().map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    sessions.start(session.reveal(), &ResourceId::from(user));
    Ok(session.reveal().to_owned())
}

/// Resolves at Ctrl-C.
async fn stopped() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "this is the program's output")]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let token = Token::generate()?;
    let sessions = Arc::new(Sessions::default());
    let (server, events) = service(&format!("http://{address}/scim/v2"), &token, &sessions);
    println!(
        "SCIM:     http://{address}/scim/v2, bearer token {}",
        token.reveal()
    );
    println!("sessions: http://{address}/sessions");

    let app = Router::new()
        .route("/sessions", get(count))
        .route("/sessions/{user}", post(sign_in))
        .with_state(sessions);
    let app = app.merge(scimkit::axum::router("/scim/v2", server));
    let events = tokio::spawn(events.run(stopped()));
    axum::serve(listener, app)
        .with_graceful_shutdown(stopped())
        .await?;
    Ok(events.await?)
}

#[cfg(test)]
mod tests;
