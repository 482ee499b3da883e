//! scimkit in an application whose own tables are reached through sqlx, in one SQLite library.

use std::sync::Arc;

use axum::body::Body;
use http_body_util::BodyExt;
use scimkit::{BearerTokens, Server, Settings, SqliteStore, Token};
use sqlx::{Row, sqlite::SqlitePoolOptions};
use tower::ServiceExt;

#[tokio::test]
async fn user_is_provisioned_next_to_a_table_of_the_application() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.sqlite");
    let pool = SqlitePoolOptions::new()
        .connect(&format!("sqlite:{}?mode=rwc", file.display()))
        .await
        .unwrap();
    sqlx::query("CREATE TABLE invoice (number INTEGER PRIMARY KEY)").execute(&pool).await.unwrap();
    sqlx::query("INSERT INTO invoice VALUES (7)").execute(&pool).await.unwrap();

    let token = Token::generate().unwrap();
    let store = SqliteStore::open(folder.path().join("directory.sqlite")).unwrap();
    let server = Server::new(Arc::new(store), Settings::new("https://app.example/scim/v2"))
        .with_authentication(BearerTokens::new([token.digest()]));
    let app = scimkit::axum::router("/scim/v2", server);
    let request = axum::http::Request::post("/scim/v2/Users")
        .header("authorization", format!("Bearer {}", token.reveal()))
        .header("content-type", "application/scim+json")
        .body(Body::from(r#"{"userName":"bjensen"}"#))
        .unwrap();
    let response = app.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 201);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let user: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(user["userName"], "bjensen");

    let row = sqlx::query("SELECT number FROM invoice").fetch_one(&pool).await.unwrap();
    assert_eq!(row.get::<i64, _>(0), 7);
}
