//! The metrics of requests, by their documented names.

use crate::{
    recorder::Recorded,
    web::{request, send, server},
};

#[test]
fn each_request_is_counted_and_timed_by_operation_and_status() {
    let recorded = Recorded::while_running(async {
        let server = server();
        let wrong = [("authorization", "Bearer wrong")];
        let requests = [
            request("POST", "/Users", &[], r#"{"userName":"a"}"#),
            request("POST", "/Users", &[], r#"{"userName":"a"}"#),
            request("GET", "/Users/nobody", &[], ""),
            request("GET", "/Users", &[], ""),
            request("HEAD", "/Users", &[], ""),
            request("GET", "/Schemas", &[], ""),
            request("GET", "/Users", &wrong, ""),
            request("GET", "/Nowhere", &[], ""),
        ];
        for request in requests {
            send(&server, request).await;
        }
    });
    let times = |key: &str| recorded.get(key).map_or(0, Vec::len);
    for (operation, status, expected) in [
        ("create", 201, 1),
        ("create", 409, 1),
        ("read", 404, 1),
        ("list", 200, 2),
        ("discover", 200, 1),
        ("none", 401, 1),
        ("none", 404, 1),
    ] {
        let key = format!(r#"scimkit_requests_total{{operation="{operation}",status="{status}"}}"#);
        assert_eq!(times(&key), expected, "{key}: {recorded:?}");
    }
    for (operation, expected) in [("create", 2), ("read", 1), ("list", 2), ("none", 2)] {
        let key = format!(r#"scimkit_request_duration_seconds{{operation="{operation}"}}"#);
        assert_eq!(times(&key), expected, "{key}: {recorded:?}");
    }
    assert_eq!(times("scimkit_sign_in_duration_seconds{}"), 8);
    for call in ["query", "read", "write"] {
        let key = format!(r#"scimkit_store_duration_seconds{{call="{call}"}}"#);
        assert!(times(&key) > 0, "{key}: {recorded:?}");
    }
    let seconds = recorded
        .iter()
        .filter(|(key, _)| key.contains("_seconds"))
        .flat_map(|(_, values)| values);
    for value in seconds {
        assert!((0.0..60.0).contains(value), "{value}");
    }
}

#[test]
fn work_on_the_lane_reports_the_length_of_its_queue() {
    let recorded = Recorded::while_running(async {
        let title = "t".repeat(40 << 10);
        let body = format!(r#"{{"userName":"a","title":"{title}"}}"#);
        let answer = send(&server(), request("POST", "/Users", &[], &body)).await;
        assert_eq!(answer.status, 201);
    });
    let lengths = &recorded[r#"scimkit_queue_length{lane="work"}"#];
    assert!(lengths.iter().all(|length| *length >= 1.0), "{lengths:?}");
}
