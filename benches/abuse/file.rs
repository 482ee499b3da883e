//! One file under two schemas, and the traces of erased users in it.

use std::{
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{Method, Request, StatusCode};
use scimkit::{
    BearerTokens, Server, Settings, SqliteStore, TenantId, Token, registry::Registry,
    store::Archive,
};
use serde_json::json;

use super::{
    Row,
    world::{FILE, TOKEN, World, call},
};

const SQLITE: &[&str] = &["sqlite"];
/// A word in the name of every user.
const MARK: &str = "Zyxwvut";

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row {
            act: |world| Box::pin(two_schemas(world, false)),
            name: "file: two schemas in turns, attribute added",
            prepare: |world| Box::pin(users(world, 100_000)),
            stores: SQLITE,
        },
        Row {
            act: |world| Box::pin(two_schemas(world, true)),
            name: "file: two schemas in turns, index added",
            prepare: |world| Box::pin(users(world, 100_000)),
            stores: SQLITE,
        },
        Row {
            act: |world| Box::pin(erased(world)),
            name: "file: names left after erasing 50,000 users",
            prepare: |world| Box::pin(users(world, 50_000)),
            stores: SQLITE,
        },
        Row {
            act: |world| Box::pin(deleted(world, 2_000)),
            name: "file: names left after 2,000 DELETEs",
            prepare: |world| Box::pin(users(world, 2_000)),
            stores: SQLITE,
        },
    ]
}

async fn users(world: &World, count: usize) {
    world
        .seed("User", count, |n| {
            json!({
                "userName": format!("{MARK}{n}"),
                "displayName": format!("{MARK} {n}"),
                "title": format!("title {n}"),
                "emails": [{"value": format!("{MARK}{n}@example.com")}],
            })
        })
        .await;
}

fn path(world: &World) -> PathBuf {
    world.folder.as_ref().unwrap().path().join(FILE)
}

/// Simulates another process with an additional attribute or index. Returns the longest first request after a switch
/// between the two, of five each.
async fn two_schemas(world: &World, is_indexed: bool) -> String {
    let extension = r#"{"id": "urn:example:2.0:More", "name": "More", "attributes": [
        {"name": "badge", "type": "string"}]}"#;
    let user = r#"{"name": "User", "endpoint": "/Users",
        "schema": "urn:ietf:params:scim:schemas:core:2.0:User",
        "schemaExtensions": [{"schema": "urn:example:2.0:More", "required": false}]}"#;
    let builder = Registry::builder().schemas_json(extension).unwrap();
    let mut builder = builder.resource_types_json(user).unwrap();
    if is_indexed {
        builder = builder.index("User", "title");
    }
    let mut settings = Settings::new("https://scim.example/v2");
    settings.registry = Arc::new(builder.build().unwrap());
    let tokens = BearerTokens::new([Token::from_secret(TOKEN).unwrap().digest()]);
    let store = Arc::new(SqliteStore::open(path(world)).unwrap());
    let other = Server::new(store, settings).with_authentication(tokens);
    let mut longest = 0.0_f64;
    for n in 0..10 {
        let server = if n % 2 == 0 { &other } else { &world.server };
        let before = Instant::now();
        let filter = format!("/Users?filter=userName%20eq%20%22{MARK}{n}%22");
        let (status, _) = call(server.clone(), Method::GET, filter, String::new()).await;
        assert_eq!(status, StatusCode::OK);
        longest = longest.max(before.elapsed().as_secs_f64() * 1e3);
        let body = json!({"userName": format!("new{n}"), "title": "new"}).to_string();
        let (status, _) = call(server.clone(), Method::POST, "/Users".into(), body).await;
        assert_eq!(status, StatusCode::CREATED);
    }
    format!("first {longest:.1} ms")
}

async fn erased(world: &World) -> String {
    let before = occurrences(world);
    let store = SqliteStore::open(path(world)).unwrap();
    let began = Instant::now();
    store.erase_tenant(&TenantId::default()).await.unwrap();
    let took = began.elapsed().as_secs_f64();
    format!("{before} to {} in {took:.1} s", occurrences(world))
}

async fn deleted(world: &World, count: usize) -> String {
    let before = occurrences(world);
    let began = Instant::now();
    for n in 0..count {
        let request = Request::builder()
            .method(Method::DELETE)
            .uri(format!("/Users/{n}"))
            .header("authorization", format!("Bearer {TOKEN}"))
            .body(axum::body::Body::empty())
            .unwrap();
        let answer = world.server.handle(request).await;
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    }
    let took = began.elapsed().as_secs_f64();
    // Copies are overwritten in short turns once nothing has been written for a second.
    let ended = Instant::now();
    let mut left = before;
    while left > 0 && ended.elapsed() < Duration::from_secs(30) {
        tokio::time::sleep(Duration::from_millis(500)).await;
        left = occurrences(world);
    }
    let later = ended.elapsed().as_secs_f64();
    format!("{before} to {left} in {took:.1} s, {later:.0} s later")
}

/// Returns how often the mark is in the file and its write-ahead log, ignoring case.
fn occurrences(world: &World) -> usize {
    let mark = MARK.to_ascii_lowercase();
    let mut count = 0;
    for suffix in ["", "-wal"] {
        let mut name = path(world).into_os_string();
        name.push(suffix);
        let mut bytes = fs::read(name).unwrap_or_default();
        bytes.make_ascii_lowercase();
        count += memchr::memmem::find_iter(&bytes, &mark).count();
    }
    count
}
