//! The baseline: an axum server that stores the final bytes of each user and knows nothing about SCIM.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{Path, RawQuery, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::Value;
use tokio::net::TcpListener;

#[derive(Default)]
struct Users {
    by_id: BTreeMap<String, String>,
    by_name: HashMap<String, String>,
}

type Shared = Arc<Mutex<Users>>;

#[tokio::main]
pub(crate) async fn serve() {
    let app = Router::new()
        .route("/scim/v2/Users", get(list).post(create))
        .route("/scim/v2/Users/{id}", get(read).patch(update))
        .with_state(Shared::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("http://{}/scim/v2", listener.local_addr().unwrap());
    let stopped = async {
        let kind = tokio::signal::unix::SignalKind::terminate();
        tokio::signal::unix::signal(kind).unwrap().recv().await;
    };
    axum::serve(listener, app)
        .with_graceful_shutdown(stopped)
        .await
        .unwrap();
}

fn json(status: StatusCode, text: String) -> Response {
    let media_type = [(header::CONTENT_TYPE, "application/scim+json")];
    (status, media_type, text).into_response()
}

async fn read(State(users): State<Shared>, Path(id): Path<String>) -> Response {
    let text = users.lock().unwrap().by_id[&id].clone();
    json(StatusCode::OK, text)
}

async fn list(State(users): State<Shared>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let query: HashMap<_, _> = form_urlencoded::parse(query.as_bytes()).collect();
    let users = users.lock().unwrap();
    let found: Vec<&str> = match query.get("filter") {
        Some(filter) => {
            let name = filter.trim_start_matches("userName eq ").trim_matches('"');
            let id = &users.by_name[name];
            vec![&users.by_id[id]]
        }
        None => {
            let count = query["count"].parse().unwrap();
            users
                .by_id
                .values()
                .take(count)
                .map(String::as_str)
                .collect()
        }
    };
    let bytes: usize = found.iter().map(|text| text.len() + 1).sum();
    let mut text = String::with_capacity(bytes + 160);
    write!(
        text,
        r#"{{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":{},"itemsPerPage":{},"startIndex":1,"Resources":["#,
        users.by_id.len(),
        found.len()
    )
    .unwrap();
    for (at, one) in found.into_iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        text.push_str(one);
    }
    text.push_str("]}");
    json(StatusCode::OK, text)
}

async fn create(State(users): State<Shared>, text: String) -> Response {
    let mut user: Value = serde_json::from_str(&text).unwrap();
    let mut users = users.lock().unwrap();
    let id = format!("{:036}", users.by_id.len());
    user["id"] = id.as_str().into();
    user["meta"] = meta(&id);
    let name = user["userName"].as_str().unwrap().to_owned();
    let text = user.to_string();
    users.by_name.insert(name, id.clone());
    users.by_id.insert(id, text.clone());
    json(StatusCode::CREATED, text)
}

async fn update(State(users): State<Shared>, Path(id): Path<String>, patch: String) -> Response {
    let patch: Value = serde_json::from_str(&patch).unwrap();
    let mut users = users.lock().unwrap();
    let kept = users.by_id.get_mut(&id).unwrap();
    let mut user: Value = serde_json::from_str(kept).unwrap();
    for operation in patch["Operations"].as_array().unwrap() {
        let path = operation["path"].as_str().unwrap();
        user[path] = operation["value"].clone();
    }
    user["meta"] = meta(&id);
    *kept = user.to_string();
    json(StatusCode::OK, kept.clone())
}

fn meta(id: &str) -> Value {
    serde_json::json!({
        "resourceType": "User", "created": "2026-01-01T00:00:00.000Z",
        "lastModified": "2026-01-01T00:00:00.000Z", "version": "W/\"1\"",
        "location": format!("http://127.0.0.1:8080/scim/v2/Users/{id}")
    })
}
