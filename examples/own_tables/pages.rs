//! The pages of the product.

use axum::{
    Form, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::{get, post},
};
use serde::Deserialize;

use crate::database::Database;

/// How many people can use the product at the same time.
pub(crate) const SEATS: u64 = 25;

pub(crate) type Page = Result<String, (StatusCode, String)>;

pub(crate) fn router(database: Database) -> Router {
    Router::new()
        .route("/", get(people))
        .route("/audit", get(audit))
        .route("/me", get(me))
        .route("/people", post(invite))
        .route("/sessions", post(sign_in).delete(sign_out))
        .with_state(database)
}

async fn people(State(database): State<Database>) -> Page {
    let people = database.people().await.map_err(failed)?;
    let lines = people
        .iter()
        .map(|(login, team)| format!("{login}  {team}\n"));
    Ok(lines.collect())
}

async fn audit(State(database): State<Database>) -> Page {
    Ok(database.audit().await.map_err(failed)?.join("\n") + "\n")
}

#[derive(Deserialize)]
struct Invitation {
    family_name: String,
    given_name: String,
    login: String,
}

async fn invite(State(database): State<Database>, Form(person): Form<Invitation>) -> Page {
    let in_use = database.seats_in_use().await.map_err(failed)?;
    if u64::try_from(in_use).is_ok_and(|in_use| in_use >= SEATS) {
        let detail = format!("all {SEATS} seats are taken");
        return Err((StatusCode::CONFLICT, detail));
    }
    let id = random()?;
    database
        .add_person(&id, &person.login, &person.given_name, &person.family_name)
        .await
        .map_err(failed)?;
    let entry = format!("{} was invited", person.login);
    database.add_to_audit(&entry).await.map_err(failed)?;
    Ok(id)
}

#[derive(Deserialize)]
struct SignIn {
    login: String,
}

/// Starts a session. What proves that it is this person is left out.
async fn sign_in(State(database): State<Database>, Form(form): Form<SignIn>) -> Page {
    let user = database.enabled_person(&form.login).await.map_err(failed)?;
    let Some(user) = user else {
        return Err((StatusCode::FORBIDDEN, "ask your administrator".to_owned()));
    };
    let secret = random()?;
    database
        .start_session(&secret, &user)
        .await
        .map_err(failed)?;
    Ok(secret)
}

async fn me(State(database): State<Database>, headers: HeaderMap) -> Page {
    Ok(person(&database, &headers).await?.1)
}

async fn sign_out(State(database): State<Database>, headers: HeaderMap) -> Page {
    let (user, login) = person(&database, &headers).await?;
    database.end_sessions(&user).await.map_err(failed)?;
    Ok(format!("{login} is signed out everywhere"))
}

/// The id and the login of the person whose session it is.
pub(crate) async fn person(
    database: &Database,
    headers: &HeaderMap,
) -> Result<(String, String), (StatusCode, String)> {
    let secret = headers
        .get("x-session")
        .and_then(|value| value.to_str().ok());
    let person = database.session(secret.unwrap_or_default()).await;
    let person = person.map_err(failed)?;
    person.ok_or((StatusCode::UNAUTHORIZED, "sign in".to_owned()))
}

fn random() -> Result<String, (StatusCode, String)> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(failed)?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

pub(crate) fn failed(error: impl std::fmt::Display) -> (StatusCode, String) {
    tracing::error!(%error, "a page failed");
    (
        StatusCode::INTERNAL_SERVER_ERROR,
        "try again later".to_owned(),
    )
}
