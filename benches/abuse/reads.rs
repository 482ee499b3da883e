//! Slow reads: their effect on others, and the work that continues after their clients have disconnected.

use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use serde_json::json;

use super::{
    BOTH, Row,
    work::{crowd, shown, titles},
    world::{OTHER_TOKEN, TOKEN, World, call_as},
};

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row {
            act: |world| Box::pin(beside(world, 4, search(512), by_id())),
            name: "reads: another's by id, 4 of 512 terms",
            prepare: |world| Box::pin(two_tenants(world)),
            stores: BOTH,
        },
        Row {
            act: |world| Box::pin(beside(world, 16, sort(), by_id())),
            name: "reads: another's by id, 16 of sortBy=title",
            prepare: |world| Box::pin(two_tenants(world)),
            stores: BOTH,
        },
        Row {
            act: |world| Box::pin(beside(world, 16, search(512), sort())),
            name: "reads: another's query, 16 of 512 terms",
            prepare: |world| Box::pin(two_tenants(world)),
            stores: BOTH,
        },
        Row {
            act: |world| Box::pin(hung_up(world, 4, search(512))),
            name: "reads: 4 of 512 terms, hung up after 300 ms",
            prepare: |world| Box::pin(two_tenants(world)),
            stores: BOTH,
        },
        Row {
            act: |world| Box::pin(hung_up(world, 16, sort())),
            name: "reads: 16 of sortBy=title, hung up",
            prepare: |world| Box::pin(two_tenants(world)),
            stores: BOTH,
        },
    ]
}

/// The method, path and body of a request.
type Asked = (Method, &'static str, String);

/// Creates a crowd in one tenant, and one user in the other.
async fn two_tenants(world: &World) {
    crowd(world).await;
    let method = Method::POST;
    let body = json!({"userName": "other"}).to_string();
    let server = world.server.clone();
    let (status, _) = call_as(OTHER_TOKEN, server, method, "/Users".into(), body).await;
    assert_eq!(status, StatusCode::CREATED);
}

fn search(terms: usize) -> Asked {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
        "filter": titles(terms),
        "count": 10,
    });
    (Method::POST, "/Users/.search", body.to_string())
}

fn sort() -> Asked {
    (Method::GET, "/Users?sortBy=title&count=10", String::new())
}

/// Reads an id that does not exist, which is looked up like any other.
fn by_id() -> Asked {
    (Method::GET, "/Users/nobody", String::new())
}

/// Returns the longest time of one tenant's requests while those of another are in progress.
async fn beside(world: &World, count: usize, heavy: Asked, light: Asked) -> String {
    let ask = |token, (method, path, body): Asked| {
        tokio::spawn(call_as(
            token,
            world.server.clone(),
            method,
            path.into(),
            body,
        ))
    };
    let running: Vec<_> = (0..count).map(|_| ask(TOKEN, heavy.clone())).collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut longest = Duration::ZERO;
    let mut answered = 0;
    loop {
        let before = Instant::now();
        ask(OTHER_TOKEN, light.clone()).await.unwrap();
        longest = longest.max(before.elapsed());
        answered += 1;
        if running.iter().all(|one| one.is_finished()) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut statuses = Vec::new();
    for one in running {
        statuses.push(one.await.unwrap().0);
    }
    let longest = longest.as_secs_f64() * 1e3;
    format!("max {longest:.1} ms of {answered},{}", shown(&statuses))
}

/// Measures the work that continues after the clients have disconnected.
async fn hung_up(world: &World, count: usize, (method, path, body): Asked) -> String {
    let one = || {
        let method = method.clone();
        let body = body.clone();
        let asked = call_as(TOKEN, world.server.clone(), method, path.into(), body);
        tokio::spawn(tokio::time::timeout(Duration::from_millis(300), asked))
    };
    let running: Vec<_> = (0..count).map(|_| one()).collect();
    for one in running {
        drop(one.await.unwrap());
    }
    let before = super::cpu();
    tokio::time::sleep(Duration::from_secs(4)).await;
    format!("{:.0} ms CPU behind", super::cpu() - before)
}
