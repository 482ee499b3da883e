//! Events that are given up.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use scimkit_provision::events::{EventConsumer, Resent};
use scimkit_store::{DeadLetter, JournalPosition, TenantId};

use super::site::{Seen, Site, now};

fn position(number: u64, part: u32) -> JournalPosition {
    JournalPosition { number, part }
}

#[tokio::test]
async fn dead_letters_are_listed_in_order_replaced_and_removed() {
    let (acme, globex) = (TenantId::from("acme"), TenantId::from("globex"));
    for site in Site::all() {
        let store = &site.store;
        let first = position(1, 0);
        for (tenant, consumer, position) in [
            (&acme, "webhook", position(9, 0)),
            (&acme, "webhook", position(2, 1)),
            (&acme, "webhook", position(2, 0)),
            (&acme, "other", first),
            (&globex, "webhook", first),
        ] {
            let letter = DeadLetter::new(consumer, position, now(), 3, "status 500");
            store.put_dead_letter(tenant, &letter).await.unwrap();
        }
        let list = async |after, limit| {
            let letters = store
                .dead_letters(&acme, "webhook", after, limit)
                .await
                .unwrap();
            letters
                .iter()
                .map(|letter| letter.position)
                .collect::<Vec<_>>()
        };
        let all = [position(2, 0), position(2, 1), position(9, 0)];
        assert_eq!(list(position(0, 0), 10).await, all);
        assert_eq!(list(position(0, 0), 2).await, all[..2]);
        assert_eq!(list(all[0], 10).await, all[1..]);

        let at = "2026-01-01T00:00:00.123Z".parse().unwrap();
        let letter = DeadLetter::new("webhook", all[1], at, 4, "status 404");
        store.put_dead_letter(&acme, &letter).await.unwrap();
        let found = store
            .dead_letters(&acme, "webhook", all[0], 1)
            .await
            .unwrap();
        assert_eq!(found, [letter]);

        store
            .remove_dead_letter(&acme, "webhook", all[0])
            .await
            .unwrap();
        store
            .remove_dead_letter(&acme, "webhook", all[0])
            .await
            .unwrap();
        assert_eq!(list(position(0, 0), 10).await, all[1..]);

        site.user("a").await;
        store.erase_tenant(&acme).await.unwrap();
        assert_eq!(list(position(0, 0), 10).await, []);
        let others = store
            .dead_letters(&globex, "webhook", position(0, 0), 10)
            .await;
        assert_eq!(others.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn an_event_that_keeps_failing_is_given_up_and_can_be_sent_again() {
    let acme = TenantId::from("acme");
    for site in Site::all() {
        for name in ["a", "b", "c"] {
            site.user(name).await;
        }
        let seen = Seen::default();
        let problem: Arc<Mutex<Option<String>>> = Arc::new(Mutex::new(Some("x".repeat(5_000))));
        let consumer = {
            let (seen, problem) = (seen.clone(), problem.clone());
            EventConsumer::new("events", move |event| {
                let fails = event.position().number != 1;
                seen.push(event);
                let problem = problem.lock().unwrap().clone().filter(|_| fails);
                async move { problem.map_or(Ok(()), |problem| Err(problem.into())) }
            })
        };
        let millisecond = Duration::from_millis(1);
        let consumer = consumer
            .with_retry_delays(millisecond, millisecond)
            .with_dead_letters(3, site.store.clone());
        site.drain(consumer.clone()).await;
        assert_eq!(seen.numbers()["acme"], [1, 2, 2, 2, 3, 3, 3]);
        let start = position(0, 0);
        let letters = site
            .store
            .dead_letters(&acme, "events", start, 10)
            .await
            .unwrap();
        let [second, third] = letters.try_into().unwrap();
        assert_eq!((second.position, second.attempts), (position(2, 0), 3));
        assert_eq!(second.problem.len(), 500);
        assert_eq!(third.position, position(3, 0));

        // It fails again, and stays.
        assert!(consumer.resend(&*site.store, &acme, &second).await.is_err());
        *problem.lock().unwrap() = None;
        consumer.resend(&*site.store, &acme, &second).await.unwrap();
        assert_eq!(seen.numbers()["acme"].last(), Some(&2));
        let left = site
            .store
            .dead_letters(&acme, "events", start, 10)
            .await
            .unwrap();
        assert_eq!(left, std::slice::from_ref(&third));

        let hour = chrono::TimeDelta::hours(1);
        site.store.trim(&acme, now() + hour).await.unwrap();
        let trimmed = consumer.resend(&*site.store, &acme, &third).await;
        assert_eq!(trimmed.unwrap(), Resent::Trimmed);
        let left = site.store.dead_letters(&acme, "events", start, 10).await;
        assert_eq!(left.unwrap(), []);
        assert_eq!(seen.numbers()["acme"].len(), 9);
    }
}
