//! What the log tells of a request, and what it must not.

use std::{cell::RefCell, io::Write};

use crate::web::{TOKEN, request, send, server};

thread_local! {
    /// What this thread logs; each test has a thread of its own.
    static LOGGED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

struct ThisThread;

impl Write for ThisThread {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        LOGGED.with_borrow_mut(|logged| logged.extend_from_slice(text));
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Collects everything that is logged from here on.
fn listen() {
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(|| ThisThread)
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    // Another test may have found out that nobody listens.
    tracing::callsite::rebuild_interest_cache();
}

#[tokio::test]
async fn one_line_a_request_and_no_token_body_or_query() {
    listen();
    let server = server();
    let patch = r#"{"Operations":[{"op":"replace","path":"password","value":"hush-3"}]}"#;
    let requests = [
        request(
            "POST",
            "/Users",
            &[],
            r#"{"userName":"hush-1","password":"hush-2"}"#,
        ),
        request("GET", "/Users?filter=userName+eq+%22hush-4%22", &[], ""),
        request("GET", "/Users?filter=hush-5", &[], ""),
        request("PATCH", "/Users/1", &[], patch),
        request(
            "POST",
            "/.search",
            &[],
            r#"{"filter":"title eq \"hush-6\""}"#,
        ),
        request("POST", "/Users", &[], r#"{"userName":"hush-1"}"#),
        request("POST", "/Users", &[], r#"{"hush-7":"#),
        request("GET", "/Users", &[("authorization", "Bearer hush-8")], ""),
        request("GET", "/Users", &[("if-none-match", "hush-9")], ""),
        request("GET", "/Users/a%0D%0Ab", &[], ""),
        request(
            "POST",
            "/Bulk",
            &[],
            r#"{"Operations":[
                {"method":"POST","path":"/Users","bulkId":"hush-a","data":{"userName":"hush-b"}},
                {"method":"DELETE","path":"/Users/hush-c"},
                {"method":"hush-d"}
            ]}"#,
        ),
    ];
    let quirks = "quirks=any_schemas ";
    let mut answers = Vec::new();
    for request in requests {
        answers.push(send(&server, request).await);
    }

    let text = String::from_utf8(LOGGED.take()).unwrap();
    assert!(!text.contains("hush"), "{text}");
    assert!(!text.contains(TOKEN), "{text}");
    assert_eq!(text.lines().count(), answers.len(), "{text}");
    for (line, answer) in text.lines().zip(&answers) {
        assert!(line.contains(answer.header("x-request-id")), "{line}");
        assert!(
            line.contains(&format!("status={}", answer.status.as_u16())),
            "{line}"
        );
        assert!(
            line.contains("method=") && line.contains("path=/"),
            "{line}"
        );
    }
    // A rejection has its reason, and nothing else has one.
    for (line, answer) in text.lines().zip(&answers) {
        let is_rejected = !answer.status.is_success();
        assert_eq!(line.contains(" reason="), is_rejected, "{line}");
    }
    for (at, reason) in [
        (2, "invalidFilter"),
        (5, "uniqueness"),
        (7, "unknown token"),
    ] {
        let line = text.lines().nth(at).unwrap();
        assert!(line.contains(&format!("reason={reason:?}")), "{line}");
    }
    // What was tolerated is on the line of its request, and on no other.
    let tolerated: Vec<_> = text.lines().map(|line| line.contains(quirks)).collect();
    let expected = [0, 3, 4, 5, 10];
    let found: Vec<_> = (0..tolerated.len()).filter(|at| tolerated[*at]).collect();
    assert_eq!(found, expected, "{text}");
}
