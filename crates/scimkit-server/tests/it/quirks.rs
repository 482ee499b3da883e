//! QuirkSet that requests need are counted, by profile and name.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    with_local_recorder,
};
use scimkit_registry::Tolerance;
use scimkit_server::QUIRKS_TOTAL;
use scimkit_store::Settings;

use crate::web::{request, send, with_settings};

/// Counters by their key's text.
#[derive(Default)]
struct Counters(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

impl Recorder for Counters {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let mut counters = self.0.lock().unwrap();
        let counter = counters.entry(key.to_string()).or_default();
        Counter::from_arc(Arc::clone(counter))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

/// Sends bodies to `/Users` and tells what was counted.
fn counted(tolerance: Tolerance, bodies: &[&str]) -> Vec<(String, u64)> {
    let posts: Vec<_> = bodies
        .iter()
        .map(|body| ("POST", "/Users", *body))
        .collect();
    counted_of(tolerance, &posts)
}

/// Sends requests and tells what was counted.
fn counted_of(tolerance: Tolerance, requests: &[(&str, &str, &str)]) -> Vec<(String, u64)> {
    let counters = Counters::default();
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    with_local_recorder(&counters, || {
        runtime.unwrap().block_on(async {
            let mut settings = Settings::new("https://app.example/scim/v2");
            settings.tolerance = tolerance;
            let server = with_settings(settings);
            for (method, path, body) in requests {
                send(&server, request(method, path, &[], body)).await;
            }
        });
    });
    let counters = counters.0.into_inner().unwrap();
    let value = |(key, counter): (String, Arc<AtomicU64>)| (key, counter.load(Ordering::Relaxed));
    counters.into_iter().map(value).collect()
}

const SCHEMAS: &str = r#""schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"]"#;

#[test]
fn what_a_request_needed_is_counted_once_for_each_request() {
    let plain = format!(r#"{{{SCHEMAS}, "userName": "a", "active": true}}"#);
    let text = format!(r#"{{{SCHEMAS}, "userName": "b", "active": "True"}}"#);
    let both = r#"{"userName": "c", "active": "True", "title": ["t"], "nickName": ["n"]}"#;
    // Refused in the end, and seen all the same.
    let refused = format!(r#"{{{SCHEMAS}, "active": "True"}}"#);
    let counted = counted(Tolerance::DEFAULT, &[&plain, &text, both, &refused]);
    let key = |quirk: &str| format!("Key({QUIRKS_TOTAL}, [profile = default, quirk = {quirk}])");
    let expected = [
        ("any_schemas", 1),
        ("array_of_one", 1),
        ("boolean_strings", 3),
    ];
    assert_eq!(counted, expected.map(|(quirk, times)| (key(quirk), times)));
}

#[test]
fn what_is_refused_is_not_counted() {
    let text = format!(r#"{{{SCHEMAS}, "userName": "b", "active": "True"}}"#);
    assert_eq!(counted(Tolerance::STRICT, &[&text]), []);
}

#[test]
fn what_queries_and_bodies_needed_is_counted() {
    let mark = format!("\u{feff}{{{SCHEMAS}, \"userName\": \"a\"}}");
    let schemas = r#""schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]"#;
    let search = format!("{{{schemas}, \"filter\": \"userName eq a\"}}");
    let requests = [
        ("POST", "/Users", mark.as_str()),
        ("GET", "/Users?Filter=userName%20pr&Count=1", ""),
        ("GET", "/Users?filter=userName%20eq%20%22a+b%22", ""),
        // Read only with spaces, so that no plus was meant.
        ("GET", "/Users?filter=userName+eq+%22a%20b%22", ""),
        ("GET", "/Users?filter=userName%20eq%20a+b", ""),
        ("POST", "/Users/.search", search.as_str()),
        ("GET", "/Users?filter=userName%20eq%20%22a%22&count=1", ""),
    ];
    let key = |quirk: &str| format!("Key({QUIRKS_TOTAL}, [profile = default, quirk = {quirk}])");
    let expected = [
        ("bare_words", 2),
        ("byte_order_mark", 1),
        ("parameter_case", 1),
        ("raw_plus", 2),
    ];
    let expected = expected.map(|(quirk, times)| (key(quirk), times));
    assert_eq!(counted_of(Tolerance::DEFAULT, &requests), expected);
    assert_eq!(counted_of(Tolerance::STRICT, &requests), []);
}
