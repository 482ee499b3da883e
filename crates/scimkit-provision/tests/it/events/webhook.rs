//! Webhooks, against a receiver on this machine.

use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{Request, StatusCode};
use scimkit_provision::{
    events::{EventConsumer, EventError},
    webhook::{Webhook, WebhookClient, WebhookKey},
};
use scimkit_store::{BoxFuture, JournalPosition, TenantId};
use serde_json::{Value, json};
use sha2::Sha256;

use super::site::Site;

/// The reaction of the receiver to a request.
#[derive(Debug, Clone, Copy)]
enum Reaction {
    /// It accepts the message.
    Accept,
    /// It closes the connection.
    Close,
    /// It answers with more than anybody reads.
    Huge,
    /// It sends the client elsewhere.
    Redirect,
    Status(u16),
}

#[derive(Debug, Clone)]
struct Received {
    body: String,
    headers: Vec<(String, String)>,
}

impl Received {
    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Returns whether one of the signatures is that of this key.
    fn is_signed_by(&self, key: &WebhookKey) -> bool {
        let secret = key.reveal();
        let secret = STANDARD
            .decode(secret.strip_prefix("whsec_").unwrap())
            .unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&secret).unwrap();
        let (id, at) = (self.header("webhook-id"), self.header("webhook-timestamp"));
        mac.update(format!("{id}.{at}.{}", self.body).as_bytes());
        let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        self.header("webhook-signature")
            .split(' ')
            .any(|one| one == expected)
    }
}

/// A receiver on a free port. It accepts all messages after the given reactions.
#[derive(Debug)]
struct Receiver {
    received: Arc<Mutex<Vec<Received>>>,
    url: String,
}

impl Receiver {
    fn start(reactions: &[Reaction]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let mut reactions: VecDeque<_> = reactions.iter().copied().collect();
        let log = received.clone();
        // It ends with the process.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let Some(request) = read(&stream) else {
                    continue;
                };
                log.lock().unwrap().push(request);
                react(stream, reactions.pop_front().unwrap_or(Reaction::Accept));
            }
        });
        Receiver { received, url }
    }

    fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    fn consumer(&self, keys: &[&WebhookKey]) -> EventConsumer {
        let keys: Vec<_> = keys.iter().copied().cloned().collect();
        let webhook = Webhook::new(&self.url, keys).unwrap();
        let millisecond = Duration::from_millis(1);
        webhook
            .consumer("webhook")
            .with_retry_delays(millisecond, millisecond)
    }
}

fn read(stream: &TcpStream) -> Option<Received> {
    let mut reader = BufReader::new(stream);
    let mut line = || {
        let mut line = String::new();
        reader
            .read_line(&mut line)
            .ok()
            .map(|_| line.trim_end().to_owned())
    };
    let first = line()?;
    assert_eq!(first, "POST /hook HTTP/1.1");
    let mut headers = Vec::new();
    let mut length = 0;
    while let Some((name, value)) = line()?.split_once(": ") {
        let name = name.to_ascii_lowercase();
        if name == "content-length" {
            length = value.parse().unwrap();
        }
        headers.push((name, value.to_owned()));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).unwrap();
    Some(Received { body, headers })
}

fn react(mut stream: TcpStream, reaction: Reaction) {
    let status = match reaction {
        Reaction::Accept => "204 No Content\r\n".to_owned(),
        Reaction::Close => return,
        Reaction::Huge => "200 OK\r\ncontent-length: 100000000\r\n".to_owned(),
        Reaction::Redirect => {
            "302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n".to_owned()
        }
        Reaction::Status(status) => format!("{status} No\r\ncontent-length: 0\r\n"),
    };
    let head = format!("HTTP/1.1 {status}connection: close\r\n\r\n");
    let _ = stream.write_all(head.as_bytes());
    if matches!(reaction, Reaction::Huge) {
        let piece = [b'x'; 1 << 16];
        let all = (0..1_600).take_while(|_| stream.write_all(&piece).is_ok());
        // The client closes the connection long before the end.
        assert!(all.count() < 1_500);
    }
}

fn keys() -> [WebhookKey; 3] {
    [(); 3].map(|()| WebhookKey::generate().unwrap())
}

#[tokio::test]
async fn a_message_is_signed_by_each_key() {
    let [old, new, other] = keys();
    for site in Site::all() {
        let id = site.user("bjensen").await;
        let receiver = Receiver::start(&[]);
        site.drain(receiver.consumer(&[&old, &new])).await;
        let [message] = receiver.received().try_into().unwrap();
        assert!(message.is_signed_by(&old) && message.is_signed_by(&new));
        assert!(!message.is_signed_by(&other));
        assert_eq!(message.header("content-type"), "application/json");
        let mut body = message.json();
        let at = body["timestamp"].take();
        assert!(at.as_str().unwrap().ends_with('Z'));
        let expected = json!({
            "type": "user.created",
            "timestamp": null,
            "data": {
                "tenant": "acme",
                "connection": "default",
                "number": 1,
                "resource": {"type": "User", "id": id},
                "changes": [{"path": "userName", "after": "bjensen"}],
            },
        });
        assert_eq!(body, expected);
    }
}

/// The test vector of the specification.
#[tokio::test]
async fn a_signature_is_that_of_standard_webhooks() {
    let key: WebhookKey = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
    let message = Received {
        body: r#"{"test": 2432232314}"#.to_owned(),
        headers: [
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("webhook-timestamp", "1614265330"),
            (
                "webhook-signature",
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec(),
    };
    assert!(message.is_signed_by(&key));
}

#[tokio::test]
async fn a_message_is_sent_until_it_is_accepted() {
    let [key, ..] = keys();
    let reactions = [
        Reaction::Status(500),
        Reaction::Close,
        Reaction::Redirect,
        Reaction::Status(404),
        Reaction::Huge,
        Reaction::Accept,
    ];
    for site in Site::all() {
        site.user("a").await;
        site.user("b").await;
        let receiver = Receiver::start(&reactions);
        site.drain(receiver.consumer(&[&key])).await;
        // The huge response has a good status.
        let received = receiver.received();
        let numbers: Vec<_> = received
            .iter()
            .map(|one| one.json()["data"]["number"].clone())
            .collect();
        assert_eq!(numbers, [1, 1, 1, 1, 1, 2]);
        let ids: Vec<_> = received
            .iter()
            .map(|one| one.header("webhook-id"))
            .collect();
        assert!(
            ids[..5].iter().all(|id| *id == ids[0]) && ids[5] != ids[0],
            "{ids:?}"
        );
        assert!(received.iter().all(|one| one.is_signed_by(&key)));
    }
}

#[tokio::test]
async fn a_change_has_a_message_for_each_meaning_and_no_masked_values() {
    let [key, ..] = keys();
    let acme = ("acme", "masked");
    for site in Site::all() {
        let user = json!({"userName": "secret-a", "password": "secret-b", "emails": [{"value": "secret-c@x.example"}]});
        let (_, user) = site.call(acme, "POST", "/Users", &user.to_string()).await;
        let id = user["id"].as_str().unwrap();
        let group = json!({"displayName": "Guides", "members": [{"value": id}]});
        assert_eq!(
            site.call(acme, "POST", "/Groups", &group.to_string())
                .await
                .0,
            201
        );
        let change = json!({"Operations": [
            {"op": "replace", "path": "active", "value": false},
            {"op": "replace", "path": "title", "value": "Dr"},
            {"op": "replace", "path": "emails", "value": [{"value": "secret-d@x.example"}]},
        ]});
        let path = format!("/Users/{id}");
        assert_eq!(
            site.call(acme, "PATCH", &path, &change.to_string()).await.0,
            200
        );
        assert_eq!(site.call(acme, "DELETE", &path, "").await.0, 204);
        let receiver = Receiver::start(&[]);
        site.drain(receiver.consumer(&[&key])).await;
        let received = receiver.received();
        let types: Vec<_> = received
            .iter()
            .map(|one| one.json()["type"].clone())
            .collect();
        let expected = [
            "user.created",
            "group.created",
            "group.member_added",
            "user.updated",
            "user.deactivated",
            "user.deleted",
            "group.member_removed",
        ];
        assert_eq!(types, expected);
        assert_eq!(received[2].json()["data"]["members"], json!([id]));
        let changes = &received[3].json()["data"]["changes"];
        let mut changes = changes.as_array().unwrap().clone();
        changes.sort_by_key(|change| change["path"].to_string());
        let expected = json!([
            {"path": "active", "after": false},
            {"path": "emails"},
            {"path": "title", "after": "Dr"},
        ]);
        assert_eq!(Value::from(changes), expected);
        for one in received {
            assert!(!one.body.contains("secret"), "{}", one.body);
        }
    }
}

#[tokio::test]
async fn a_gap_has_a_message() {
    let [key, ..] = keys();
    for site in Site::all() {
        for (policy, name) in [("off", "x"), ("notice", "y")] {
            let body = json!({"userName": name}).to_string();
            assert_eq!(
                site.call(("acme", policy), "POST", "/Users", &body).await.0,
                201
            );
        }
        let receiver = Receiver::start(&[]);
        site.drain(receiver.consumer(&[&key])).await;
        let [missing, without_values] = receiver.received().try_into().unwrap();
        let data = json!({"tenant": "acme", "after": 0, "number": 1});
        assert_eq!(missing.json(), json!({"type": "journal.gap", "data": data}));
        assert_eq!(without_values.json()["data"]["resource"]["type"], "User");
    }
}

/// A client of the application that fails or hangs.
#[derive(Debug)]
struct OwnClient {
    hangs: bool,
}

impl WebhookClient for OwnClient {
    fn send<'a>(
        &'a self,
        tenant: &'a TenantId,
        request: Request<String>,
    ) -> BoxFuture<'a, Result<StatusCode, EventError>> {
        Box::pin(async move {
            assert_eq!(tenant.as_str(), "acme");
            assert_eq!(request.uri(), "https://app.example/hook");
            if self.hangs {
                std::future::pending::<()>().await;
            }
            Ok(StatusCode::GONE)
        })
    }
}

#[tokio::test]
async fn a_message_that_is_not_accepted_becomes_a_dead_letter() {
    let [key, ..] = keys();
    let acme = TenantId::from("acme");
    for (hangs, problem) in [(false, "status 410"), (true, "the handler took too long")] {
        for site in Site::all() {
            site.user("a").await;
            let webhook = Webhook::new("https://app.example/hook", [key.clone()]).unwrap();
            let consumer = webhook.with_client(OwnClient { hangs }).consumer("webhook");
            let millisecond = Duration::from_millis(1);
            let consumer = consumer
                .with_timeout(Duration::from_millis(20))
                .with_retry_delays(millisecond, millisecond)
                .with_dead_letters(2, site.store.clone());
            site.drain(consumer).await;
            let start = JournalPosition::default();
            let [letter] = site
                .store
                .dead_letters(&acme, "webhook", start, 9)
                .await
                .unwrap()
                .try_into()
                .unwrap();
            assert_eq!((letter.attempts, &*letter.problem), (2, problem));

            let receiver = Receiver::start(&[Reaction::Status(500)]);
            let consumer = receiver.consumer(&[&key]);
            let again = consumer.resend(&*site.store, &acme, &letter).await;
            assert_eq!(again.unwrap_err().to_string(), "status 500");
            consumer.resend(&*site.store, &acme, &letter).await.unwrap();
            assert_eq!(receiver.received().len(), 2);
            let left = site
                .store
                .dead_letters(&acme, "webhook", start, 9)
                .await
                .unwrap();
            assert_eq!(left, []);
        }
    }
}

#[test]
fn a_webhook_needs_a_key_and_a_safe_url() {
    let [key, ..] = keys();
    for (url, expected) in [
        ("https://app.example/hook", None),
        ("http://localhost:8080/hook", None),
        ("http://127.0.0.1/hook", None),
        ("http://[::1]:80/", None),
        ("http://app.example/hook", Some("use `https`")),
        ("http://127.0.0.1.app.example/", Some("use `https`")),
        ("http://localhost.app.example/", Some("use `https`")),
        ("ftp://app.example/", Some("use `https`")),
        (
            "https://user:password@app.example/",
            Some("remove the user name"),
        ),
        (
            "http://app.example@127.0.0.1/",
            Some("remove the user name"),
        ),
        ("/hook", Some("expected an absolute URL")),
        ("app.example", Some("use `https`")),
        ("", Some("expected an absolute URL")),
    ] {
        let found = Webhook::new(url, [key.clone()])
            .err()
            .map(|error| error.to_string());
        // Without a password.
        let shown = url.rsplit('@').next().unwrap();
        let expected = expected.map(|problem| format!("invalid webhook URL `{shown}`: {problem}"));
        assert_eq!(found, expected);
    }
    let error = Webhook::new("https://app.example/hook", []).unwrap_err();
    assert_eq!(error.to_string(), "a webhook needs a key");
    assert_eq!(format!("{key:?}"), "WebhookKey(…)");
    for text in [
        "",
        "whsec_",
        "whsec_AAAA",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_!",
    ] {
        assert!(text.parse::<WebhookKey>().is_err(), "{text}");
    }
}
