//! The number of durable commits for bulk requests.

use std::{fs, path::Path, sync::Arc};

use bytes::Bytes;
use http::Request;
use rusqlite::Connection;
use scimkit_server::{BearerTokens, Server, Token};
use scimkit_sqlite::SqliteStore;
use scimkit_store::{RequestContext, Settings, TenantId};
use scimkit_testkit::replay::HttpTarget;
use serde_json::{Value, json};

use crate::{
    consistent::check_file,
    support::{file, wait},
};

const TOKEN: &str = "a-token-for-tests";
const URL: &str = "https://sqlite.test/v2";

/// Returns the statuses of a bulk request's operations.
fn bulk(server: &Server, operations: &[Value]) -> Vec<String> {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": operations,
    });
    let request = Request::post("/Bulk").header("authorization", format!("Bearer {TOKEN}"));
    let request = request.body(Bytes::from(body.to_string())).unwrap();
    let answer = wait(server.send(request)).unwrap();
    let body: Value = serde_json::from_slice(answer.body()).unwrap();
    let results = body["Operations"].as_array().unwrap().iter();
    results
        .map(|result| result["status"].as_str().unwrap().to_owned())
        .collect()
}

fn user(n: usize, name: &str) -> Value {
    json!({
        "method": "POST", "path": "/Users", "bulkId": format!("u{n}"),
        "data": {"userName": name, "title": "x".repeat(200)},
    })
}

/// Returns the commits in the write-ahead log: the frames with the size of the database in their header.
fn commits(file: &Path) -> usize {
    const FILE_HEADER: usize = 32;
    const FRAME_HEADER: usize = 24;
    let log = fs::read(file.with_extension("db-wal")).unwrap();
    let page = u32::from_be_bytes(log[8..12].try_into().unwrap());
    let frames = log[FILE_HEADER..].chunks_exact(FRAME_HEADER + page as usize);
    frames.filter(|frame| frame[4..8] != [0; 4]).count()
}

#[test]
fn thousand_creates_take_few_commits() {
    let (_directory, path) = file();
    let store = Arc::new(SqliteStore::open(&path).unwrap());
    let token = Token::from_secret(TOKEN).unwrap();
    let server = Server::new(store, Settings::new(URL))
        .with_authentication(BearerTokens::new([token.digest()]));
    assert_eq!(bulk(&server, &[user(0, "first")]), ["201"]);
    // While the file is read in an older state, the log does not restart.
    let reader = Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    let count = "SELECT count(*) FROM resource";
    let seen = || reader.query_row(count, [], |row| row.get::<_, u32>(0));
    assert_eq!(seen(), Ok(1));

    let before = commits(&path);
    let users: Vec<_> = (0..1_000).map(|n| user(n, &format!("user{n}"))).collect();
    let made = bulk(&server, &users);
    assert_eq!(made.len(), 1_000);
    assert!(made.iter().all(|status| status == "201"));
    let after = commits(&path);
    assert!((1..=8).contains(&(after - before)), "{}", after - before);

    // One in three is rejected, without effect on the others.
    let users: Vec<_> = (0..900)
        .map(|n| {
            user(
                n,
                &format!("user{}", if n % 3 == 0 { n } else { n + 1_000 }),
            )
        })
        .collect();
    let made = bulk(&server, &users);
    assert_eq!(made.iter().filter(|status| *status == "201").count(), 600);
    assert_eq!(made.iter().filter(|status| *status == "409").count(), 300);
    assert!((1..=8).contains(&(commits(&path) - after)));

    assert_eq!(seen(), Ok(1));
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(seen(), Ok(1_601));
    drop((reader, server));
    let context = RequestContext::new(TenantId::default(), Arc::new(Settings::new(URL)));
    check_file(&path, &context);
}
