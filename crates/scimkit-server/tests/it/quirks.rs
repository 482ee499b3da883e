//! QuirkSet that requests need are counted, by profile and name.

use scimkit_registry::Tolerance;
use scimkit_server::QUIRKS_TOTAL;
use scimkit_store::Settings;

use crate::{
    recorder::Recorded,
    web::{request, send, with_settings},
};

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
    let recorded = Recorded::while_running(async {
        let mut settings = Settings::new("https://app.example/scim/v2");
        settings.tolerance = tolerance;
        let server = with_settings(settings);
        for (method, path, body) in requests {
            send(&server, request(method, path, &[], body)).await;
        }
    });
    let quirks = recorded.into_iter();
    let quirks = quirks.filter(|(key, _)| key.starts_with(QUIRKS_TOTAL));
    quirks.map(|(key, each)| (key, each.len() as u64)).collect()
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
    let key = |quirk: &str| format!(r#"{QUIRKS_TOTAL}{{profile="default",quirk="{quirk}"}}"#);
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
    let key = |quirk: &str| format!(r#"{QUIRKS_TOTAL}{{profile="default",quirk="{quirk}"}}"#);
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
