//! The server by a clock that the test turns.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use http::StatusCode;
use scimkit_server::{Clock, Server};
use scimkit_store::RequestLimits;
use serde_json::json;

use crate::web::{create, get, request, send, server};

/// A clock that shows so many seconds after a certain date.
#[derive(Clone, Default)]
struct Hands(Arc<AtomicU64>);

impl Hands {
    fn turn(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }

    fn at(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::Relaxed))
    }

    fn now(&self) -> DateTime<Utc> {
        let start = DateTime::from_timestamp(1_900_000_000, 0).unwrap();
        start + TimeDelta::from_std(self.at()).unwrap()
    }

    fn clock(&self) -> Clock {
        let now = self.clone();
        let elapsed = self.clone();
        Clock::of(move || now.now()).with_elapsed(move || elapsed.at())
    }

    fn server(&self) -> Server {
        server().with_clock(self.clock())
    }
}

#[tokio::test]
async fn times_and_ids_of_resources_follow_the_clock() {
    let hands = Hands::default();
    let server = hands.server();
    let created = create(&server, "ann").await.json();
    assert_eq!(created["meta"]["created"], "2030-03-17T17:46:40.000Z");
    // The first 48 bits of a version 7 UUID are milliseconds. Ids of one process never go back in time, and
    // other tests may be ahead.
    let id = created["id"].as_str().unwrap();
    let milliseconds: String = id.replace('-', "").chars().take(12).collect();
    let milliseconds = u64::from_str_radix(&milliseconds, 16).unwrap();
    assert!(milliseconds >= 1_900_000_000_000, "{id}");

    hands.turn(60);
    let patch = r#"{"Operations":[{"op":"add","path":"title","value":"Dr."}]}"#;
    let patch = request("PATCH", &format!("/Users/{id}"), &[], patch);
    let patched = send(&server, patch).await.json();
    assert_eq!(patched["meta"]["lastModified"], "2030-03-17T17:47:40.000Z");
    let bulk = json!({"Operations": [
        {"method": "POST", "path": "/Users", "bulkId": "b", "data": {"userName": "bob"}},
    ]});
    let bulk = send(&server, request("POST", "/Bulk", &[], &bulk.to_string())).await;
    assert_eq!(bulk.status, StatusCode::OK);
    let path = "/Users?filter=meta.created%20gt%20%222030-03-17T17:47:00Z%22";
    let found = get(&server, path, &[]).await.json();
    assert_eq!(found["totalResults"], 1, "{found}");
}

#[cfg(feature = "cursors")]
#[tokio::test]
async fn a_cursor_expires_by_the_clock() {
    let hands = Hands::default();
    let server = hands.server();
    for name in ["ann", "bob", "cid"] {
        create(&server, name).await;
    }
    let first = get(&server, "/Users?count=1&cursor=", &[]).await.json();
    let cursor = first["nextCursor"].as_str().unwrap();
    let next = format!("/Users?count=1&cursor={cursor}");
    let timeout = RequestLimits::default().cursor_timeout.as_secs();
    hands.turn(timeout - 1);
    let second = get(&server, &next, &[]).await;
    assert_eq!(second.status, StatusCode::OK, "{second:?}");
    hands.turn(2);
    let rejected = get(&server, &next, &[]).await;
    rejected.is_error(400);
    assert_eq!(rejected.json()["scimType"], "expiredCursor");
}

#[tokio::test]
async fn a_request_has_until_its_deadline_by_the_clock() {
    let hands = Hands::default();
    let late = hands.clone();
    // Each look at this clock takes as long as a request may.
    let duration = RequestLimits::default().duration.as_secs();
    let slow = hands.clock().with_elapsed(move || {
        late.turn(duration);
        late.at()
    });
    let user = || request("POST", "/Users", &[], r#"{"userName":"ann"}"#);
    send(&server().with_clock(slow), user()).await.is_error(503);
    assert_eq!(
        send(&hands.server(), user()).await.status,
        StatusCode::CREATED
    );
}
