//! That no secret gets into the log, whichever thread writes it.

use std::{
    io::Write,
    sync::{Mutex, MutexGuard, OnceLock},
    thread,
    time::Duration,
};

use chrono::TimeDelta;
use http::Request;
use http_body_util::Full;
use scimkit_provision::{ConnectionSettings, NewToken};
use scimkit_server::Token;
use scimkit_store::{Connection, ConnectionId, TenantEntry, TenantId, TenantStore};
use tracing::Instrument;

use crate::world::{Mood, World};

/// What any thread logs, those of other tests among them.
fn log() -> MutexGuard<'static, Vec<u8>> {
    static LOGGED: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    LOGGED.lock().unwrap()
}

struct Everybody;

impl Write for Everybody {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        log().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Collects everything that is logged from here on.
fn listen() {
    static LISTENING: OnceLock<()> = OnceLock::new();
    LISTENING.get_or_init(|| {
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(|| Everybody)
            .finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
        // Another test may have found out that nobody listens.
        tracing::callsite::rebuild_interest_cache();
    });
}

fn logged() -> String {
    String::from_utf8(log().clone()).unwrap()
}

/// Whether a line has all of these.
fn has_line(logged: &str, parts: &[&str]) -> bool {
    let mut lines = logged.lines();
    lines.any(|line| parts.iter().all(|part| line.contains(part)))
}

#[tokio::test]
async fn no_secret_digest_or_password_is_logged() {
    listen();
    thread::spawn(|| tracing::info!("another thread is heard"))
        .join()
        .unwrap();
    assert!(has_line(&logged(), &["another thread is heard"]));
    let folder = tempfile::tempdir().unwrap();
    let file = World::in_file(&folder.path().join("scim.sqlite"));
    for (world, of) in [(World::in_memory(), "in_memory"), (file, "in_file")] {
        // Names the lines of this test.
        let span = tracing::info_span!("secrets", of);
        provision(&world, of).instrument(span).await;
    }
}

async fn provision(world: &World, of: &str) {
    let issued = world.customer("acme").await;
    let acme = issued.record.tenant.clone();
    let id = issued.record.id.clone();
    let next = world
        .administration
        .rotate_token(&acme, &id, Duration::ZERO)
        .await;
    let next = next.unwrap();
    let create = Request::post("/scim/v2/Users")
        .header("authorization", format!("Bearer {}", next.token.reveal()))
        .body(Full::from(
            r#"{"userName": "bjensen", "password": "hush-1"}"#,
        ))
        .unwrap();
    assert_eq!(world.send(create).await.status(), 201);
    for (mood, status) in [
        (Mood::UsesFail, 200),
        (Mood::UsesHang, 200),
        (Mood::Busy, 503),
        (Mood::Good, 200),
    ] {
        world.hands.forward(TimeDelta::minutes(1));
        world.tenancy.be(mood);
        assert_eq!(world.status(&next.token).await, status);
    }
    assert_eq!(world.status(&issued.token).await, 401);
    assert_eq!(world.get("/scim/v2/Users", "hush-2").await.status(), 401);
    world
        .administration
        .revoke_token(&acme, &next.record.id)
        .await
        .unwrap();
    assert_eq!(world.status(&next.token).await, 401);

    let logged = logged();
    for line in ["recording token use failed", "looking up a token failed"] {
        assert!(has_line(&logged, &["secrets{", of, line]), "{logged}");
    }
    for made in [&issued, &next] {
        let digest = made.record.digest;
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let list: Vec<_> = digest.iter().map(u8::to_string).collect();
        let secret = made.token.reveal().trim_start_matches("scim_");
        for hidden in [secret, &hex, &list.join(", ")] {
            assert!(!logged.contains(hidden), "{hidden}: {logged}");
        }
    }
    assert!(!logged.contains("hush-"), "{logged}");
}

#[tokio::test]
async fn reason_of_a_rejection_is_in_the_log_and_not_in_the_response() {
    listen();
    let world = World::at("https://app.example/t/{tenant}/scim/v2");
    let acme = world.customer("acme").await;
    let tenant = acme.record.tenant.clone();
    let entra = acme.record.connection.clone();
    let admin = &world.administration;
    let create = async |new: NewToken| admin.create_token(&tenant, &entra, &new).await.unwrap();
    let revoked = create(NewToken::new("")).await;
    admin
        .revoke_token(&tenant, &revoked.record.id)
        .await
        .unwrap();
    let end = *world.hands.at() + TimeDelta::seconds(1);
    let expired = create(NewToken::new("").with_expiry(end)).await;
    let replaced = create(NewToken::new("")).await;
    let rotated = admin.rotate_token(&tenant, &replaced.record.id, Duration::from_secs(1));
    rotated.await.unwrap();
    let theirs = world.customer("other").await;
    let disabled = world.customer("disabled").await;
    let done = admin.disable_connection(&disabled.record.tenant, &disabled.record.connection);
    done.await.unwrap();
    world.hands.forward(TimeDelta::seconds(1));
    let here = "/t/acme/scim/v2/Users";
    let there = "/t/disabled/scim/v2/Users";
    for (token, path, status, reason) in [
        (&revoked.token, here, 401, "token revoked"),
        (&expired.token, here, 401, "token expired"),
        (&replaced.token, here, 401, "token replaced"),
        (&theirs.token, here, 401, "token of another tenant"),
        (&Token::generate().unwrap(), here, 401, "unknown token"),
        (&disabled.token, there, 403, "connection disabled"),
    ] {
        let answer = world.get(path, token.reveal()).await;
        assert_eq!(answer.status(), status, "{reason}");
        let id = answer.headers["x-request-id"].to_str().unwrap();
        let logged = logged();
        let line = [id, &format!("reason={reason:?}")];
        assert!(has_line(&logged, &line), "{line:?}: {logged}");
        assert!(!logged.contains(token.reveal()), "{reason}");
        assert!(!format!("{answer:?}").contains(reason), "{answer:?}");
    }
}

#[tokio::test]
async fn rules_that_can_not_be_read_are_logged_once_for_each_text() {
    listen();
    let world = World::in_memory();
    let issued = world.customer("garbled").await;
    let tenant = TenantId::from("garbled");
    let id = ConnectionId::from("entra");
    let lines = || {
        let logged = logged();
        let of = |line: &&str| line.contains("tenant=garbled");
        logged.lines().filter(of).count()
    };
    let put = async |rules: &str| {
        let mut kept = connection(&world, &tenant, &id).await;
        kept.settings = rules.to_owned();
        let entry = vec![TenantEntry::Connection(kept)];
        world
            .tenancy
            .put(entry, chrono::DateTime::UNIX_EPOCH.into())
            .await
            .unwrap();
    };
    let unfit = r#"{"mapping": "[user]\nnothing = \"nothing\""}"#;
    for (n, rules) in (1..).zip(["{", unfit, r#"{"create_policy": "adoptt"}"#]) {
        put(rules).await;
        for _ in 0..3 {
            assert_eq!(world.status(&issued.token).await, 503, "{rules}");
            assert_eq!(lines(), n, "{rules}: {}", logged());
        }
    }
    put(&ConnectionSettings::default().to_json().unwrap()).await;
    assert_eq!(world.status(&issued.token).await, 200);
}

async fn connection(world: &World, tenant: &TenantId, id: &ConnectionId) -> Connection {
    let found = world.tenancy.connection(tenant, id).await.unwrap();
    found.unwrap().1
}
