//! Delivery: at least once, in order, and without delaying anybody.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use chrono::TimeDelta;
use scimkit_provision::{
    Clock,
    events::{ChangeSignal, EventConsumer, EventError},
};
use scimkit_store::{JournalPosition, LeaseAnswer, LeaseRequest, TenantId};
use serde_json::json;
use tokio::sync::{Notify, mpsc};

use super::site::{Running, Seen, Site, now};

/// Returns a consumer that adds each event, and fails for some.
fn failing(
    seen: &Seen,
    fails: impl Fn(JournalPosition) -> bool + Send + Sync + 'static,
) -> EventConsumer {
    let seen = seen.clone();
    let consumer = EventConsumer::new("events", move |event| {
        let failed = fails(event.position());
        seen.push(event);
        async move {
            if failed {
                return Err("not now".into());
            }
            Ok(())
        }
    });
    consumer.with_retry_delays(Duration::from_millis(2), Duration::from_millis(10))
}

#[tokio::test]
async fn an_event_comes_again_after_a_crash() {
    for site in Site::all() {
        for name in ["a", "b", "c"] {
            site.user(name).await;
        }
        let seen = Seen::default();
        let reached = Arc::new(Notify::new());
        let consumer = {
            let (seen, reached) = (seen.clone(), reached.clone());
            EventConsumer::new("events", move |event| {
                let is_second = event.position().number == 2;
                seen.push(event);
                let reached = reached.clone();
                async move {
                    if is_second {
                        reached.notify_one();
                        std::future::pending::<()>().await;
                    }
                    Ok(())
                }
            })
        };
        let running = Running::start(site.events().with_consumer(consumer));
        reached.notified().await;
        running.crash().await;
        assert_eq!(seen.numbers()["acme"], [1, 2]);

        // Later, as the lease has to lapse first.
        let later = Clock::of(|| now() + TimeDelta::minutes(5));
        let events = site.events().with_clock(later);
        let events = events.with_consumer(seen.consumer("events"));
        events.run(site.wait_for("events")).await;
        assert_eq!(seen.numbers()["acme"], [1, 2, 1, 2, 3]);
    }
}

#[tokio::test]
async fn a_failed_event_comes_again_before_the_next_one() {
    for site in Site::all() {
        for name in ["a", "b", "c"] {
            site.user(name).await;
            site.user_of("globex", name).await;
        }
        let seen = Seen::default();
        let left = AtomicU32::new(3);
        let consumer = failing(&seen, move |position| {
            let fails = |left: u32| left.checked_sub(1);
            position.number == 2
                && left
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, fails)
                    .is_ok()
        });
        site.drain(consumer).await;
        let numbers = seen.numbers();
        let mut all = [&numbers["acme"][..], &numbers["globex"][..]].concat();
        for numbers in numbers.values() {
            assert!(numbers.is_sorted(), "{numbers:?}");
        }
        all.sort_unstable();
        assert_eq!(all, [1, 1, 2, 2, 2, 2, 2, 3, 3]);
    }
}

#[tokio::test]
async fn a_tenant_whose_events_fail_delays_no_other() {
    for site in Site::all() {
        for tenant in ["acme", "globex"] {
            site.user_of(tenant, "a").await;
            site.user_of(tenant, "b").await;
        }
        let (sender, mut received) = mpsc::unbounded_channel();
        let consumer = EventConsumer::new("events", move |event| {
            let sender = sender.clone();
            async move {
                if event.tenant().as_str() == "acme" {
                    return Err("never".into());
                }
                sender.send(event.position().number)?;
                Ok(())
            }
        });
        let running = Running::start(site.events().with_consumer(consumer));
        assert_eq!(received.recv().await, Some(1));
        assert_eq!(received.recv().await, Some(2));
        running.stop().await;
        assert_eq!(
            site.store.pending("events").await.unwrap(),
            [TenantId::from("acme")]
        );
    }
}

#[tokio::test]
async fn an_event_comes_again_after_a_panic_and_after_the_timeout() {
    for site in Site::all() {
        site.user("a").await;
        let seen = Seen::default();
        let consumer = {
            let seen = seen.clone();
            EventConsumer::new("events", move |event| {
                seen.push(event);
                let attempt = seen.all().len();
                async move {
                    match attempt {
                        1 => panic!("a bug of the application"),
                        2 => std::future::pending().await,
                        3 => Err(EventError::from("not now")),
                        _ => Ok(()),
                    }
                }
            })
        };
        let consumer = consumer
            .with_timeout(Duration::from_millis(20))
            .with_retry_delays(Duration::from_millis(2), Duration::from_millis(10));
        site.drain(consumer).await;
        assert_eq!(seen.numbers()["acme"], [1, 1, 1, 1]);
    }
}

#[tokio::test]
async fn a_slow_consumer_delays_neither_requests_nor_other_consumers() {
    for site in Site::all() {
        let gate = Arc::new(Notify::new());
        let slow = {
            let gate = gate.clone();
            EventConsumer::new("slow", move |_| {
                let gate = gate.clone();
                async move {
                    gate.notified().await;
                    Ok(())
                }
            })
        };
        let seen = Seen::default();
        let events = site
            .events()
            .with_consumer(slow.with_timeout(Duration::from_secs(600)));
        let events = events.with_consumer(seen.consumer("fast"));
        let site = site.with_signal(events.signal());
        let running = Running::start(events);
        for name in ["a", "b", "c"] {
            site.user(name).await;
        }
        site.wait_for("fast").await;
        assert_eq!(seen.numbers()["acme"], [1, 2, 3]);
        assert_eq!(site.store.pending("slow").await.unwrap().len(), 1);
        for _ in 0..3 {
            gate.notify_one();
            tokio::task::yield_now().await;
            while site.store.pending("slow").await.unwrap().len() == 1 {
                gate.notify_one();
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        running.stop().await;
    }
}

#[tokio::test]
async fn a_signal_wakes_the_runner() {
    for site in Site::all() {
        let signal = Arc::new(Notify::new());
        let consumer = {
            let signal = signal.clone();
            EventConsumer::new("events", move |_| {
                let signal = signal.clone();
                async move {
                    signal.notify_one();
                    Ok(())
                }
            })
        };
        let events = site.events().with_poll_interval(Duration::from_secs(3_600));
        let events = events.with_consumer(consumer);
        let site = site.with_signal(events.signal());
        let running = Running::start(events);
        // The first may come by the first poll.
        for name in ["a", "b", "c"] {
            site.user(name).await;
            signal.notified().await;
        }
        running.stop().await;
    }
}

#[tokio::test]
async fn a_request_that_changes_nothing_gives_no_signal() {
    #[derive(Debug, Clone, Default)]
    struct Count(Arc<AtomicU32>);

    impl scimkit_server::ChangeListener for Count {
        fn changed(&self, tenant: &TenantId) {
            assert_eq!(tenant.as_str(), "acme");
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    for mut site in Site::all() {
        let count = Count::default();
        site.server = site.server.with_change_listener(count.clone());
        let id = site.user("a").await;
        let path = format!("/Users/{id}");
        let acme = ("acme", "");
        let body = json!({"userName": "a"}).to_string();
        assert_eq!(site.call(acme, "PUT", &path, &body).await.0, 200);
        assert_eq!(site.call(acme, "POST", "/Users", &body).await.0, 409);
        assert_eq!(site.call(acme, "GET", &path, "").await.0, 200);
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        assert_eq!(site.call(acme, "DELETE", &path, "").await.0, 204);
        assert_eq!(count.0.load(Ordering::SeqCst), 2);
        // A signal for many tenants stays small, and wakes the runner as well.
        let signal = ChangeSignal::default();
        for number in 0..5_000 {
            let tenant = TenantId::from(format!("t{number}").as_str());
            scimkit_server::ChangeListener::changed(&signal, &tenant);
        }
        assert!(format!("{signal:?}").contains("has_more: true"));
    }
}

#[tokio::test]
async fn a_stopped_runner_confirms_what_it_has_handled_and_ends_its_lease() {
    for site in Site::all() {
        for name in ["a", "b", "c"] {
            site.user(name).await;
        }
        let seen = Seen::default();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let stop = std::sync::Mutex::new(Some(stop));
        let consumer = {
            let seen = seen.clone();
            EventConsumer::new("events", move |event| {
                if event.position().number == 2 {
                    drop(stop.lock().unwrap().take());
                }
                seen.push(event);
                async {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    Ok(())
                }
            })
        };
        let events = site.events().with_consumer(consumer);
        events
            .run(async move { stopped.await.unwrap_or_default() })
            .await;
        assert_eq!(seen.numbers()["acme"], [1, 2]);
        let request = LeaseRequest::new("events", "other", now(), Duration::from_secs(1));
        let lease = site
            .store
            .lease(&TenantId::from("acme"), &request)
            .await
            .unwrap();
        assert!(
            matches!(&lease, LeaseAnswer::Granted(lease) if lease.cursor == 2),
            "{lease:?}"
        );
    }
}

#[tokio::test]
async fn changes_before_the_start_of_a_consumer_are_skipped() {
    for site in Site::all() {
        site.user("a").await;
        tokio::time::sleep(Duration::from_millis(2)).await;
        let start = now();
        site.user("b").await;
        let seen = Seen::default();
        site.drain(seen.consumer("events").with_start(start)).await;
        assert_eq!(seen.numbers()["acme"], [2]);
    }
}

#[tokio::test]
async fn a_long_change_continues_where_it_failed() {
    for site in Site::all() {
        let id = site.user("a").await;
        for first in [0, 65] {
            let groups: Vec<_> = (first..first + 65)
                .map(|number| {
                    let members = json!([{"value": id}]);
                    let group = json!({"displayName": format!("g{number}"), "members": members});
                    json!({"method": "POST", "path": "/Groups", "bulkId": "g", "data": group})
                })
                .enumerate()
                .map(|(index, mut operation)| {
                    operation["bulkId"] = json!(format!("g{index}"));
                    operation
                })
                .collect();
            let schema = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
            let body = json!({"schemas": [schema], "Operations": groups});
            let (status, _) = site
                .call(("acme", ""), "POST", "/Bulk", &body.to_string())
                .await;
            assert_eq!(status, 200);
        }
        let path = format!("/Users/{id}");
        assert_eq!(site.call(("acme", ""), "DELETE", &path, "").await.0, 204);
        let seen = Seen::default();
        let left = AtomicU32::new(1);
        let consumer = failing(&seen, move |position| {
            position.number == 132 && position.part == 120 && left.swap(0, Ordering::SeqCst) == 1
        });
        site.drain(consumer).await;
        let parts: Vec<_> = seen.all().iter().map(|event| event.position()).collect();
        let parts = parts.into_iter().filter(|position| position.number == 132);
        let parts: Vec<_> = parts.map(|position| position.part).collect();
        let expected: Vec<_> = (0..=120).chain(120..=130).collect();
        assert_eq!(parts, expected);
    }
}
