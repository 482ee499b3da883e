//! CPU: products of operations, elements, terms and bytes, and queries on both stores.

use std::{fmt::Write as _, time::Duration};

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    BOTH, Row,
    world::{World, call},
};

/// The number of users in the rows about queries.
const USERS: usize = 100_000;
const EMAILS: usize = 950;

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row {
            act: |world| Box::pin(patches(world, 1, 8, filter(500), "x")),
            name: "patch: 8 operations, 500 terms, 950 e-mails",
            prepare: |world| Box::pin(mailbox(world, 20)),
            stores: BOTH,
        },
        Row {
            act: |world| Box::pin(patches(world, 2, 8, filter(500), "x")),
            name: "patch: two of them at once",
            prepare: |world| Box::pin(mailbox(world, 20)),
            stores: BOTH,
        },
        Row {
            act: |world| Box::pin(patches(world, 1, 1_000, "type pr".to_owned(), "x")),
            name: "patch: 1,000 operations on 950 e-mails",
            prepare: |world| Box::pin(mailbox(world, 20)),
            stores: BOTH,
        },
        Row {
            act: |world| Box::pin(patches(world, 1, 60, "type pr".to_owned(), &LONG)),
            name: "patch: 60 operations write 60 kB into each",
            prepare: |world| Box::pin(mailbox(world, 20)),
            stores: BOTH,
        },
        Row {
            act: |world| Box::pin(bulk(world)),
            name: "bulk: 50 PATCHes of 500 terms, 950 e-mails",
            prepare: |world| Box::pin(mailbox(world, 20)),
            stores: BOTH,
        },
        Row {
            act: |world| Box::pin(found(world, "title co \"engineer\"".to_owned())),
            name: "query: 1 term over 100,000 users",
            prepare: |world| Box::pin(crowd(world)),
            stores: BOTH,
        },
        Row {
            act: |world| Box::pin(found(world, titles(512))),
            name: "query: 512 terms over 100,000 users",
            prepare: |world| Box::pin(crowd(world)),
            stores: BOTH,
        },
        Row {
            act: |world| Box::pin(sorted(world)),
            name: "query: sortBy=title over 100,000 users",
            prepare: |world| Box::pin(crowd(world)),
            stores: BOTH,
        },
        Row {
            act: |world| Box::pin(hung_up(world)),
            name: "query: 512 terms, hung up after 100 ms",
            prepare: |world| Box::pin(crowd(world)),
            stores: BOTH,
        },
    ]
}

static LONG: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| "x".repeat(60_000));

/// Creates a user with many e-mail addresses and the id `0`.
async fn mailbox(world: &World, length: usize) {
    let address = "a".repeat(length);
    let email = |n: usize| json!({"value": format!("{address}{n}@example.com"), "type": "work"});
    let emails: Vec<Value> = (0..EMAILS).map(email).collect();
    let body = |_| json!({"userName": "target", "emails": emails});
    world.seed("User", 1, body).await;
}

pub(crate) async fn crowd(world: &World) {
    let body = |n: usize| {
        json!({
            "userName": format!("user{n}@example.com"),
            "name": {"givenName": format!("Given{n}"), "familyName": format!("Family{}", n % 977)},
            "title": format!("Engineer {}", (n * 7_919) % USERS),
            "emails": [{"value": format!("user{n}@example.com"), "type": "work", "primary": true}],
            "active": true,
        })
    };
    world.seed("User", USERS, body).await;
}

fn filter(terms: usize) -> String {
    let mut text = r#"value co "..""#.to_owned();
    for _ in 1..terms {
        text.push_str(r#" or value co "..""#);
    }
    text.push_str(r#" or type eq "work""#);
    text
}

pub(crate) fn titles(terms: usize) -> String {
    let mut text = r#"title co "zz""#.to_owned();
    for _ in 1..terms {
        text.push_str(r#" or title co "zz""#);
    }
    text
}

fn patch(operations: usize, filter: &str, value: &str) -> Value {
    let path = format!("emails[{filter}].display");
    let operation = json!({"op": "replace", "path": path, "value": value});
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": vec![operation; operations],
    })
}

async fn patches(
    world: &World,
    at_once: usize,
    operations: usize,
    filter: String,
    value: &str,
) -> String {
    let body = patch(operations, &filter, value).to_string();
    let one = || {
        call(
            world.server.clone(),
            Method::PATCH,
            "/Users/0".into(),
            body.clone(),
        )
    };
    let running: Vec<_> = (0..at_once).map(|_| tokio::spawn(one())).collect();
    let mut statuses = Vec::new();
    for one in running {
        statuses.push(one.await.unwrap().0);
    }
    shown(&statuses)
}

async fn bulk(world: &World) -> String {
    let data = patch(1, &filter(500), "x");
    let operation = json!({"method": "PATCH", "path": "/Users/0", "data": data});
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": vec![operation; 50],
    });
    let (status, _) = world.call(Method::POST, "/Bulk", body.to_string()).await;
    shown(&[status])
}

async fn found(world: &World, filter: String) -> String {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
        "filter": filter,
        "count": 10,
    });
    let path = "/Users/.search";
    let (status, _) = world.call(Method::POST, path, body.to_string()).await;
    shown(&[status])
}

async fn sorted(world: &World) -> String {
    shown(&[world.get("/Users?sortBy=title&count=10").await])
}

/// Measures the work that continues after the client has disconnected.
async fn hung_up(world: &World) -> String {
    let patience = Duration::from_millis(100);
    let answered = tokio::time::timeout(patience, found(world, titles(512))).await;
    let before = super::cpu();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let behind = super::cpu() - before;
    match answered {
        Ok(status) => status,
        Err(_) => format!("{behind:.0} ms CPU after"),
    }
}

/// Returns each distinct status with its count.
pub(crate) fn shown(statuses: &[StatusCode]) -> String {
    let mut text = String::new();
    let mut rest = statuses.to_vec();
    while let Some(first) = rest.first().copied() {
        let count = rest.extract_if(.., |status| *status == first).count();
        let _ = match count {
            1 => write!(text, " {}", first.as_u16()),
            _ => write!(text, " {count}x{}", first.as_u16()),
        };
    }
    text.trim_start().to_owned()
}
