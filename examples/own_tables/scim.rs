//! SCIM for the users and teams of the product.

use std::{future::pending, sync::Arc};

use axum::{Router, http::HeaderMap, routing::post};
use scimkit::{
    ConnectionId, Mapping, Server, Settings, TableStore, TenantId,
    provision::{
        CapacitySetting, NewToken, TenantAdmin,
        events::{Event, EventConsumer, EventError, Events},
    },
    store::JournalLevel,
    tables::Driver,
};

use crate::{
    database::Database,
    flags::{Problem, ScimFlags},
    pages::{self, Page},
};

pub(crate) async fn router(
    driver: impl Driver,
    database: &Database,
    settings: Settings,
    flags: &ScimFlags,
) -> Result<Router, Problem> {
    let mapping = Mapping::builder().text(include_str!("scim.toml"));
    let store = TableStore::builder(driver, mapping);
    let (store, mut settings) = store.open(settings).await?;
    let seats = CapacitySetting::new("seats", "User", pages::SEATS).with_filter("active eq true");
    settings.policy.capacities.push(seats.capacity(&settings)?);
    settings.policy.journal.level = JournalLevel::Full;

    let (admins, database) = (database.clone(), database.clone());
    let sessions = EventConsumer::new("sessions", move |event| sign_out(database.clone(), event));
    let events = Events::new(store.clone()).with_consumer(sessions);
    let tokens = TenantAdmin::new(store.clone());
    let authenticator = flags.authenticator(store.clone(), settings.clone(), false);
    let server = Server::new(store, settings)
        .with_authentication(authenticator.await?)
        .with_change_listener(events.signal());
    tokio::spawn(events.run(pending()));
    let page = async move |headers| token(tokens, admins, headers).await;
    Ok(scimkit::axum::router("/scim/v2", server).route("/tokens", post(page)))
}

/// Ends the sessions of a user who was deactivated or deleted.
async fn sign_out(database: Database, event: Arc<Event>) -> Result<(), EventError> {
    if let Some(user) = event.user_lost_access() {
        database.end_sessions(user.as_str()).await?;
        let entry = format!("{user} was signed out, because the directory disabled the account");
        database.add_to_audit(&entry).await?;
    }
    if event.gap().is_some() {
        // Changes are missing, so nobody who is disabled may have a session.
        let delete = "DELETE FROM sessions
            WHERE user_id IN (SELECT id FROM users WHERE disabled_at IS NOT NULL)";
        on!(&database, pool => sqlx::query(delete).execute(pool).await.map(drop))?;
    }
    Ok(())
}

/// Creates a token for the identity provider. A real product first checks that the person is an administrator.
async fn token(tokens: TenantAdmin, database: Database, headers: HeaderMap) -> Page {
    pages::person(&database, &headers).await?;
    let (tenant, connection) = (TenantId::default(), ConnectionId::default());
    let new = NewToken::new("from the page");
    let created = tokens.create_token(&tenant, &connection, &new).await;
    let created = created.map_err(pages::failed)?;
    Ok(created.token.reveal().to_owned())
}
