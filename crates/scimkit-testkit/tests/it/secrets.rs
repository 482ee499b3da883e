//! No secret is ever logged: the whole corpus through a gate, and what was logged searched.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use scimkit_provision::{Administration, Gate, NewToken, Rules};
use scimkit_registry::Tolerance;
use scimkit_server::{Server, Token};
use scimkit_sqlite::Sqlite;
use scimkit_store::{Memory, Store, Tenancy};
use scimkit_testkit::replay::{Mode, Replay, Scenario};

use crate::servers::settings;

/// What is logged, to be searched.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl Write for Logged {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What every form of a token's digest starts with.
fn forms(digest: &[u8; 32]) -> [String; 2] {
    let head = &digest[..6];
    let hex = head.iter().map(|byte| format!("{byte:02x}")).collect();
    let numbers: Vec<_> = head.iter().map(u8::to_string).collect();
    [hex, numbers.join(", ")]
}

/// Both sides of one store.
type Kept = (&'static str, Arc<dyn Store>, Arc<dyn Tenancy>);

fn stores() -> [Kept; 2] {
    let memory = Arc::new(Memory::new());
    let sqlite = Arc::new(Sqlite::in_memory().unwrap());
    [
        ("memory", memory.clone(), memory),
        ("sqlite", sqlite.clone(), sqlite),
    ]
}

#[tokio::test]
async fn the_log_of_the_whole_corpus_tells_no_token_and_no_password() {
    let logged = Logged::default();
    let (writer, filter) = (logged.clone(), tracing::level_filters::LevelFilter::TRACE);
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(filter)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    let _listening = tracing::subscriber::set_default(subscriber);
    // With a single listener, `tracing` takes what the thread that first comes along listens to for
    // what everybody does: another test would switch the log off.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let corpus = Scenario::corpus().unwrap();
    let mut needles = vec!["1mz050nq".to_owned(), "N3w-pass".to_owned()];
    let mut requests = 0;
    for (name, store, tenancy) in stores() {
        let administration = Administration::new(Arc::clone(&tenancy));
        let tenant = administration.create_tenant("acme", "Acme").await.unwrap();
        let rules = Rules::default();
        let connection = administration
            .create_connection(&tenant.id, "okta", "Okta", &rules)
            .await
            .unwrap();
        let issued = administration
            .issue(&tenant.id, &connection.id, &NewToken::new("corpus"))
            .await
            .unwrap();
        let secret = issued.token.reveal().to_owned();
        needles.push(secret.clone());
        needles.extend(forms(issued.token.digest().as_bytes()));
        let wrong = Token::generate().unwrap();
        needles.push(wrong.reveal().to_owned());
        needles.extend(forms(wrong.digest().as_bytes()));

        let settings = settings(Tolerance::DEFAULT);
        let server =
            Server::new(store, settings.clone()).with_authentication(Gate::new(tenancy, settings));
        for scenario in &corpus {
            let scenario = std::slice::from_ref(scenario);
            let modes = [Mode::Both, Mode::Compat];
            let replay = Replay::of(&server).with_modes(modes);
            let report = replay.with_token(&secret).run(scenario).await;
            requests += report.outcomes.len();
            let replay = Replay::of(&server).with_modes(modes);
            replay.with_token(wrong.reveal()).run(scenario).await;
        }
        assert!(requests > 90, "{name}");
    }
    let text = String::from_utf8(std::mem::take(&mut *logged.0.lock().unwrap())).unwrap();
    assert!(text.lines().count() > 1_000, "the corpus was not logged");
    for line in text.lines() {
        let found = needles.iter().find(|needle| line.contains(needle.as_str()));
        assert_eq!(found, None, "{line}");
    }
}
