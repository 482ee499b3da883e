//! Several runners over one store.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::TimeDelta;
use scimkit_provision::{Clock, events::EventConsumer};
use tokio::sync::Notify;

use super::site::{Running, Seen, Site, now};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_runners_share_the_work_without_loss_and_in_order() {
    for site in Site::all() {
        let seen = Seen::default();
        let busy: Arc<Mutex<BTreeSet<String>>> = Arc::default();
        let consumer = {
            let (seen, busy) = (seen.clone(), busy.clone());
            EventConsumer::new("events", move |event| {
                let (seen, busy) = (seen.clone(), busy.clone());
                async move {
                    let tenant = event.tenant().to_string();
                    assert!(busy.lock().unwrap().insert(tenant.clone()), "two at once");
                    seen.push(event);
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    assert!(busy.lock().unwrap().remove(&tenant));
                    Ok(())
                }
            })
        };
        let first = site.events().with_consumer(consumer.clone());
        let second = site.events().with_consumer(consumer);
        // Only one of the two hears of changes at once.
        let site = site.with_signal(first.signal());
        let runners = [Running::start(first), Running::start(second)];
        let tenants = ["acme", "globex", "initech"];
        for number in 0..20 {
            for tenant in tenants {
                site.user_of(tenant, &format!("u{number}")).await;
            }
        }
        site.wait_for("events").await;
        for runner in runners {
            runner.stop().await;
        }
        let all: Vec<_> = (1..=20).collect();
        let expected = tenants.map(|tenant| (tenant.to_owned(), all.clone()));
        assert_eq!(seen.numbers(), BTreeMap::from(expected));
    }
}

#[tokio::test]
async fn a_runner_that_lost_its_lease_confirms_nothing() {
    for site in Site::all() {
        for name in ["a", "b", "c"] {
            site.user(name).await;
        }
        let (reached, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let paused = Seen::default();
        let consumer = {
            let (seen, reached, go_on) = (paused.clone(), reached.clone(), go_on.clone());
            EventConsumer::new("events", move |event| {
                seen.push(event);
                let (reached, go_on) = (reached.clone(), go_on.clone());
                async move {
                    reached.notify_one();
                    go_on.notified().await;
                    Ok(())
                }
            })
        };
        let first = Running::start(site.events().with_consumer(consumer));
        reached.notified().await;

        // For the other node the lease has lapsed.
        let seen = Seen::default();
        let later = |minutes| Clock::of(move || now() + TimeDelta::minutes(minutes));
        let fails = Arc::new(Notify::new());
        let other = {
            let (seen, fails) = (seen.clone(), fails.clone());
            EventConsumer::new("events", move |event| {
                let is_third = event.position().number == 3;
                seen.push(event);
                let fails = fails.clone();
                async move {
                    if is_third {
                        fails.notify_one();
                        return Err("not now".into());
                    }
                    Ok(())
                }
            })
        };
        let second = Running::start(site.events().with_clock(later(5)).with_consumer(other));
        fails.notified().await;

        // The first one continues, and neither confirms nor gets another event.
        go_on.notify_one();
        first.stop().await;
        assert_eq!(paused.numbers()["acme"], [1]);
        assert_eq!(seen.numbers()["acme"], [1, 2, 3]);
        second.stop().await;
        assert_eq!(site.store.pending("events").await.unwrap().len(), 1);
        let last = Seen::default();
        let events = site.events().with_clock(later(10));
        let events = events.with_consumer(last.consumer("events"));
        events.run(site.wait_for("events")).await;
        assert_eq!(last.numbers()["acme"], [3]);
    }
}

#[tokio::test]
async fn consumers_with_the_same_name_share_the_events() {
    for site in Site::all() {
        let tenants = ["acme", "globex", "initech"];
        for tenant in tenants {
            for name in ["a", "b", "c"] {
                site.user_of(tenant, name).await;
            }
        }
        let seen = Seen::default();
        let [first, second] = [seen.consumer("events"), seen.consumer("events")];
        let events = site.events().with_consumer(first).with_consumer(second);
        events.run(site.wait_for("events")).await;
        let expected = tenants.map(|tenant| (tenant.to_owned(), vec![1, 2, 3]));
        assert_eq!(seen.numbers(), BTreeMap::from(expected));
    }
}
