//! Gaps: changes that the journal does not have.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use futures_util::StreamExt as _;
use scimkit_provision::events::{Event, EventConsumer, GapReason};
use scimkit_store::{RequestContext, TenantId, archive::numbered};

use super::site::{Seen, Site, now, settings};

fn context() -> RequestContext {
    RequestContext::new(TenantId::from("acme"), Arc::new(settings("")))
}

/// Returns the bounds of gaps, and the numbers of changes.
fn lines(seen: &Seen) -> Vec<String> {
    let line = |event: &Event| match event.gap() {
        Some(gap) => {
            assert_eq!(gap.reason, GapReason::Missing);
            format!("{}..{}", gap.after, gap.up_to)
        }
        None => event.position().number.to_string(),
    };
    seen.all().iter().map(|event| line(event)).collect()
}

#[tokio::test]
async fn trimmed_changes_are_a_gap() {
    for site in Site::all() {
        let seen = Seen::default();
        site.user("a").await;
        site.drain(seen.consumer("events")).await;
        site.user("b").await;
        site.user("c").await;
        let acme = TenantId::from("acme");
        let trimmed = site.store.trim(&acme, now() + TimeDelta::hours(1)).await;
        assert_eq!(trimmed.unwrap(), 3);
        site.user("d").await;
        site.drain(seen.consumer("events")).await;
        assert_eq!(lines(&seen), ["1", "1..3", "4"]);
        // A new consumer begins with the gap.
        let new = Seen::default();
        site.drain(new.consumer("new")).await;
        assert_eq!(lines(&new), ["0..3", "4"]);
    }
}

#[tokio::test]
async fn changes_without_a_journal_are_a_gap() {
    for site in Site::all() {
        site.user("a").await;
        let off = site.call(("acme", "off"), "POST", "/Users", r#"{"userName": "b"}"#);
        assert_eq!(off.await.0, 201);
        site.user("c").await;
        let seen = Seen::default();
        site.drain(seen.consumer("events")).await;
        assert_eq!(lines(&seen), ["0..2", "3"]);
    }
}

#[tokio::test]
async fn an_imported_tenant_begins_with_a_gap() {
    let [source, _] = Site::all();
    source.user("a").await;
    source.user("b").await;
    let context = context();
    let records = source.store.export_records(&context.tenant);
    let records: Vec<_> = records.map(Result::unwrap).collect().await;
    for site in Site::all() {
        let imported = site
            .store
            .import_records(&context, numbered(records.clone()));
        imported.await.unwrap();
        site.user("c").await;
        let seen = Seen::default();
        site.drain(seen.consumer("events")).await;
        assert_eq!(lines(&seen), ["0..2", "3"]);
    }
}

#[tokio::test]
async fn a_gap_comes_again_until_it_is_handled() {
    for site in Site::all() {
        site.user("a").await;
        let acme = TenantId::from("acme");
        site.store
            .trim(&acme, now() + TimeDelta::hours(1))
            .await
            .unwrap();
        let seen = Seen::default();
        let consumer = {
            let seen = seen.clone();
            EventConsumer::new("events", move |event| {
                seen.push(event);
                let attempts = seen.all().len();
                async move {
                    if attempts < 3 {
                        return Err("not now".into());
                    }
                    Ok(())
                }
            })
        };
        let millisecond = Duration::from_millis(1);
        site.drain(consumer.with_retry_delays(millisecond, millisecond))
            .await;
        assert_eq!(lines(&seen), ["0..1", "0..1", "0..1"]);
    }
}
