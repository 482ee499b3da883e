//! The metrics of a runner.

use std::time::Duration;

use chrono::TimeDelta;
use scimkit_provision::{Clock, events::EventConsumer};

use super::{
    recorder::Recorded,
    site::{Site, now},
};

#[test]
fn a_runner_counts_calls_and_gaps_and_measures_its_lag() {
    for site in Site::all() {
        let recorded = Recorded::while_running(async {
            for (policy, name) in [
                ("off", "a"),
                ("", "b"),
                ("notice", "c"),
                ("", "d"),
                ("", "e"),
            ] {
                let body = format!(r#"{{"userName": "{name}"}}"#);
                let call = site.call(("acme", policy), "POST", "/Users", &body);
                assert_eq!(call.await.0, 201);
            }
            let consumer = EventConsumer::new("events", |event| async move {
                if event.position().number == 4 {
                    return Err("never".into());
                }
                Ok(())
            });
            let delay = Duration::from_millis(100);
            let consumer = consumer
                .with_dead_letters(2, site.store.clone())
                .with_retry_delays(delay, delay);
            let later = Clock::of(|| now() + TimeDelta::minutes(5));
            let events = site.events().with_clock(later).with_consumer(consumer);
            events.run(site.wait_for("events")).await;
        });
        let count = |name: &str, label: &str| {
            let key = format!("{name}{{consumer=\"events\",{label}}}");
            recorded.get(&key).map_or(0, Vec::len)
        };
        let events = |outcome| count("scimkit_events_total", &format!("outcome={outcome:?}"));
        assert_eq!(
            ["handled", "failed", "given-up"].map(events),
            [4, 1, 1],
            "{recorded:?}"
        );
        let gaps = |reason| count("scimkit_event_gaps_total", &format!("reason={reason:?}"));
        assert_eq!(["missing", "without-values"].map(gaps), [1, 1]);
        let lags = &recorded["scimkit_event_lag_seconds{consumer=\"events\"}"];
        let largest = lags.iter().copied().fold(0.0, f64::max);
        assert!((300.0..400.0).contains(&largest), "{lags:?}");
    }
}
