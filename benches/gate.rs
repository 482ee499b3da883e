//! The cost of authenticating every request through the store: `GET /Users/{id}` with a connection authenticator,
//! compared with the same request with a token that the process knows, in CPU time of the process.
//!
//! ```text
//! cargo bench -p scimkit-benches --bench gate
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops at the first surprise"
)]

use std::{sync::Arc, time::Duration};

use axum::{body::Body, http::Request};
use rustix::time::{ClockId, clock_gettime};
use scimkit::{
    BearerTokens, MemoryStore, Server, Settings, SqliteStore, Store, TenantStore,
    provision::{ConnectionAuthenticator, ConnectionSettings, NewToken, TenantAdmin},
};

const ROUNDS: u32 = 20_000;
/// The number of other tenants, each with a connection.
const OTHERS: u32 = 1_000;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let memory = Arc::new(MemoryStore::new());
    measure("memory", memory.clone(), memory).await;
    let sqlite = Arc::new(SqliteStore::open(folder.path().join("bench.sqlite")).unwrap());
    measure("SQLite", sqlite.clone(), sqlite).await;
}

async fn measure(name: &str, store: Arc<dyn Store>, tenancy: Arc<dyn TenantStore>) {
    let administration = TenantAdmin::new(Arc::clone(&tenancy));
    for number in 0..OTHERS {
        tenant(&administration, &format!("t{number}")).await;
    }
    let issued = tenant(&administration, "acme").await;
    let settings = Settings::new("http://bench.example/scim/v2");
    let gate = ConnectionAuthenticator::new(tenancy, settings.clone());
    let gated = Server::new(Arc::clone(&store), settings.clone()).with_authentication(gate);
    let tokens = BearerTokens::default().with_token(issued.token.digest(), "acme".into());
    let known = Server::new(store, settings).with_authentication(tokens);

    let token = format!("Bearer {}", issued.token.reveal());
    let made = Request::post("/Users").header("authorization", &token);
    let made = made.body(Body::from(r#"{"userName":"bjensen"}"#)).unwrap();
    let place = gated.handle(made).await.headers()["location"].clone();
    let path = place
        .to_str()
        .unwrap()
        .rsplit_once("/v2")
        .unwrap()
        .1
        .to_owned();

    // The runs alternate, so that noise affects both.
    let mut with = Duration::ZERO;
    let mut without = Duration::ZERO;
    for _ in 0..10 {
        without += run(&known, &path, &token).await;
        with += run(&gated, &path, &token).await;
    }
    let each = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(ROUNDS);
    println!(
        "{name}, {OTHERS} other tenants: {:.1} µs with a known token, {:.1} µs through the store: {:.2}",
        each(without),
        each(with),
        each(with) / each(without)
    );
}

async fn tenant(administration: &TenantAdmin, id: &str) -> scimkit::provision::CreatedToken {
    let tenant = administration.create_tenant(id, id).await.unwrap();
    let connection = administration
        .create_connection(
            &tenant.id,
            "entra",
            "Entra ID",
            &ConnectionSettings::default(),
        )
        .await
        .unwrap();
    let new = NewToken::new("bench");
    administration
        .create_token(&tenant.id, &connection.id, &new)
        .await
        .unwrap()
}

/// Returns the CPU time of a tenth of the rounds.
async fn run(server: &Server, path: &str, token: &str) -> Duration {
    let before = now();
    for _ in 0..ROUNDS / 10 {
        let request = Request::get(path).header("authorization", token);
        let answer = server.handle(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status(), 200);
    }
    now() - before
}

fn now() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}
