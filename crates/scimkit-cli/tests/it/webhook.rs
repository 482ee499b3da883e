//! Messages that were given up.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    sync::{Arc, mpsc},
    thread,
};

use axum::{body::Body, http::Request};
use scimkit::{
    BearerTokens, Server, Settings, SqliteStore, TenantId, Token,
    provision::{Clock, webhook::WebhookKey},
    store::{DeadLetter, DeadLetters as _, JournalLevel, JournalPolicy, JournalPosition},
};
use serde_json::{Value, json};

use crate::store::File;

/// Creates users by SCIM, and dead letters for these changes.
async fn given_up(file: &File, numbers: &[u64]) {
    let store = Arc::new(SqliteStore::open(file.path()).unwrap());
    let token = Token::generate().unwrap();
    let mut settings = Settings::new("https://app.example/scim/v2");
    settings.policy.journal = JournalPolicy::new(JournalLevel::Full);
    let server = Server::new(store.clone(), settings);
    let server = server.with_authentication(BearerTokens::new([token.digest()]));
    for number in 1..=3 {
        let body = json!({"userName": format!("user-{number}")}).to_string();
        let request = Request::post("/Users");
        let request = request.header("authorization", format!("Bearer {}", token.reveal()));
        let response = server.handle(request.body(Body::from(body)).unwrap()).await;
        assert_eq!(response.status(), 201);
    }
    for number in numbers {
        let position = JournalPosition {
            number: *number,
            part: 0,
        };
        let now = Clock::default().now();
        let letter = DeadLetter::new("webhook", position, now, 12, "status \u{1b}[2J500");
        let tenant = TenantId::default();
        let put = store.put_dead_letter(&tenant, &letter);
        put.await.unwrap();
    }
}

/// Answers requests with these statuses, and returns its URL and the names of the users that it was sent.
fn receiver(statuses: &'static [u16]) -> (String, mpsc::Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (sender, received) = mpsc::channel();
    thread::spawn(move || {
        for (status, stream) in statuses.iter().zip(listener.incoming()) {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(&stream);
            let mut length = 0;
            let mut line = String::new();
            while reader.read_line(&mut line).unwrap() > 2 {
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap();
            let name = body["data"]["changes"][0]["after"].clone();
            write!(
                stream,
                "HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            )
            .unwrap();
            sender.send(name).unwrap();
        }
    });
    (url, received)
}

fn numbers(file: &File) -> Vec<u64> {
    let list = file.json("webhook list");
    let messages = list["messages"].as_array().unwrap();
    messages
        .iter()
        .map(|one| one["number"].as_u64().unwrap())
        .collect()
}

#[tokio::test]
async fn messages_are_listed_and_sent_again() {
    let file = File::new();
    given_up(&file, &[1, 2, 3, 99]).await;
    let table = file.done("webhook list");
    assert!(table.contains("NUMBER  PART  LAST ATTEMPT"), "{table}");
    assert!(table.contains("status \\u{1b}[2J500"), "{table}");
    assert_eq!(numbers(&file), [1, 2, 3, 99]);

    let key = WebhookKey::generate().unwrap().reveal();
    let (url, received) = receiver(&[204, 500, 200, 200]);
    let resend = format!("webhook resend --keys {key} --url {url}");
    let (status, _, error) = file.run(&resend);
    assert_eq!(status, 1);
    assert!(
        error.contains("sending change 2 failed: status 500"),
        "{error}"
    );
    assert_eq!(numbers(&file), [2, 3, 99]);

    assert_eq!(file.done(&format!("{resend} --number 3")), "1 sent\n");
    assert_eq!(numbers(&file), [2, 99]);
    assert_eq!(file.done(&resend), "1 sent, 1 no longer in the journal\n");
    assert_eq!(numbers(&file), [] as [u64; 0]);
    let names: Vec<_> = received.iter().collect();
    assert_eq!(names, ["user-1", "user-2", "user-3", "user-2"]);

    let (status, _, error) = file.run(&format!("{resend} --number 3"));
    assert_eq!(
        (
            status,
            error.contains("no message of change 3 was given up")
        ),
        (1, true),
        "{error}"
    );
    let (status, _, error) = file.run("webhook resend --url https://app.example/");
    assert_eq!(
        (status, error.contains("a webhook needs a key")),
        (1, true),
        "{error}"
    );
    let (status, _, error) = file.run("webhook resend --keys secret --url https://app.example/");
    assert_eq!(
        (status, error.contains("invalid webhook key")),
        (2, true),
        "{error}"
    );
    assert!(!error.contains("`secret`"), "{error}");
}
