//! That no secret gets into the log.

use std::{cell::RefCell, io::Write, time::Duration};

use chrono::TimeDelta;
use http::Request;
use http_body_util::Full;

use crate::world::{Mood, World};

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
        .with_ansi(false)
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    // Another test may have found out that nobody listens.
    tracing::callsite::rebuild_interest_cache();
}

#[tokio::test]
async fn no_secret_digest_or_password_is_logged() {
    listen();
    let folder = tempfile::tempdir().unwrap();
    for world in [
        World::in_memory(),
        World::in_file(&folder.path().join("scim.sqlite")),
    ] {
        let issued = world.customer("acme").await;
        let (acme, id) = (issued.record.tenant.clone(), issued.record.id.clone());
        let next = world
            .administration
            .rotate(&acme, &id, Duration::ZERO)
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
            .revoke(&acme, &next.record.id)
            .await
            .unwrap();
        assert_eq!(world.status(&next.token).await, 401);

        let logged = LOGGED.with_borrow(|logged| String::from_utf8(logged.clone()).unwrap());
        assert!(
            logged.contains("the use of a token is not noted"),
            "{logged}"
        );
        assert!(logged.contains("tokens can't be looked up"));
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
}
