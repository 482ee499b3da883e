//! Simulated identity providers, against our server and against servers with faults.

mod faults;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header::RETRY_AFTER};
use scimkit_registry::Tolerance;
use scimkit_server::Server;
use scimkit_store::{BoxFuture, MemoryStore};
use scimkit_testkit::{
    idp::{DivergenceKind, IdentityProvider, Simulation, SimulationError, SimulationReport},
    replay::{HttpTarget, TransportError},
};
use serde_json::Value;

use crate::servers::{STORES, TOKEN, server};

/// The tolerance with which such a connection is created.
fn tolerance(provider: IdentityProvider) -> Tolerance {
    match provider {
        IdentityProvider::Entra => Tolerance::ENTRA,
        IdentityProvider::EntraAadOptScim062020 => Tolerance::ENTRA_AAD_OPT_SCIM_062020,
        IdentityProvider::JumpCloud => Tolerance::JUMPCLOUD,
        IdentityProvider::Okta | IdentityProvider::OktaOin => Tolerance::OKTA,
        IdentityProvider::OneLogin => Tolerance::ONELOGIN,
        other => panic!("{other:?}"),
    }
}

fn ours(provider: IdentityProvider) -> Server {
    server(Arc::new(MemoryStore::new()), tolerance(provider))
}

/// A simulation that does not wait.
fn simulation(provider: IdentityProvider, target: &dyn HttpTarget) -> Simulation<'_> {
    Simulation::new(provider, target, |_| Box::pin(tokio::task::yield_now()))
        .with_token(TOKEN)
        .with_users(60)
        .with_groups(6)
}

/// The list of users and groups that a server has.
async fn rest(server: &dyn HttpTarget) -> Vec<Value> {
    let mut all = Vec::new();
    for path in ["/Users?count=1000", "/Groups?count=1000"] {
        let request = Request::get(path).header("authorization", format!("Bearer {TOKEN}"));
        let answer = server
            .send(request.body(Bytes::new()).unwrap())
            .await
            .unwrap();
        let list: Value = serde_json::from_slice(answer.body()).unwrap();
        all.extend(list["Resources"].as_array().into_iter().flatten().cloned());
    }
    all
}

#[tokio::test]
async fn our_server_never_diverges_over_every_store() {
    for (store, make) in STORES {
        for provider in IdentityProvider::ALL {
            for (seed, parallel) in [(7, 8), (8, 1), (9, 16)] {
                let server = server(make(), tolerance(provider));
                let simulation = simulation(provider, &server).with_seed(seed).with_rounds(5);
                let report = simulation
                    .with_parallel(parallel)
                    .with_lost_percent(5)
                    .run()
                    .await;
                let report = report.unwrap();
                assert!(
                    report.holds(),
                    "{store}, {provider:?}, seed {seed}:\n{report}"
                );
                let lost: u64 = report.rounds.iter().map(|round| round.lost).sum();
                assert!(lost > 10, "{report}");
                let left = rest(&server).await;
                assert!(left.is_empty(), "{store}, {provider:?}: {left:?}");
            }
        }
    }
}

/// Remembers requests, with the ids of the server replaced by the order of their creation.
struct Notebook {
    ids: Mutex<BTreeMap<String, String>>,
    lines: Mutex<Vec<String>>,
    server: Server,
}

impl Notebook {
    fn new(provider: IdentityProvider) -> Self {
        Notebook {
            ids: Mutex::default(),
            lines: Mutex::default(),
            server: ours(provider),
        }
    }
}

impl HttpTarget for Notebook {
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        Box::pin(async move {
            let body = String::from_utf8_lossy(request.body()).into_owned();
            let mut line = format!("{} {} {body}", request.method(), request.uri());
            let is_create = request.method() == http::Method::POST;
            let answer = self.server.send(request).await?;
            let mut ids = self.ids.lock().unwrap();
            for (id, name) in &*ids {
                line = line.replace(id, name);
            }
            if is_create && answer.status() == StatusCode::CREATED {
                let made: Value = serde_json::from_slice(answer.body()).unwrap();
                let number = ids.len();
                ids.insert(
                    made["id"].as_str().unwrap().to_owned(),
                    format!("#{number}"),
                );
            }
            self.lines.lock().unwrap().push(line);
            Ok(answer)
        })
    }
}

#[tokio::test]
async fn same_seed_sends_the_same_requests() {
    for provider in IdentityProvider::ALL {
        let mut runs = Vec::new();
        for seed in [7, 7, 8] {
            let notebook = Notebook::new(provider);
            let simulation = simulation(provider, &notebook)
                .with_seed(seed)
                .with_parallel(1);
            assert!(simulation.with_rounds(4).run().await.unwrap().holds());
            let mut lines = notebook.lines.into_inner().unwrap();
            // The clean-up is in the order of ids, which are random.
            let end = lines
                .iter()
                .rposition(|line| !line.starts_with("DELETE"))
                .unwrap();
            lines.truncate(end);
            runs.push(lines);
        }
        for (at, (one, other)) in runs[0].iter().zip(&runs[1]).enumerate() {
            assert_eq!(one, other, "{provider:?}, request {at}");
        }
        assert_eq!(runs[0].len(), runs[1].len());
        assert_ne!(runs[0], runs[2]);
    }
}

/// The forms that the guides and scenarios show.
#[tokio::test]
async fn each_provider_speaks_its_dialect() {
    let patch = r#""op":"Replace","path":"active","value":"False""#;
    let table: [(IdentityProvider, &[&str], &[&str]); 6] = [
        (
            IdentityProvider::Entra,
            &[
                "GET /Users?filter=userName+eq+%22",
                "GET /Groups?excludedAttributes=members&filter=displayName+eq+%22",
                patch,
                r#"[{"op":"Remove","path":"members","value":[{"$ref":null,"value":"#,
                r#""path":"emails[type eq \"work\"].value""#,
                r#""op":"Remove","path":"title""#,
                "DELETE /Users/",
            ],
            &["PUT ", r#""op":"replace""#],
        ),
        (
            IdentityProvider::EntraAadOptScim062020,
            &[
                r#""op":"replace","value":{"active":false}"#,
                r#"[{"op":"remove","path":"members[value eq \"#,
                r#""name.familyName":"#,
                "DELETE /Users/",
            ],
            &["PUT ", r#""op":"Replace""#, r#""False""#],
        ),
        (
            IdentityProvider::JumpCloud,
            &[
                "GET /Users ",
                r#"{"op":"replace","path":"active","value":false}"#,
                r#"{"op":"remove","path":"members","value":[{"value":"#,
                "PUT /Users/",
                "DELETE /Users/",
            ],
            &["$ref"],
        ),
        (
            IdentityProvider::Okta,
            &[
                "GET /Users?startIndex=1&count=2 ",
                "GET /Users?startIndex=1&count=100 ",
                "&startIndex=1&count=100 ",
                "PUT /Users/",
                r#""op":"replace","path":"members","value":[{"display":"#,
                r#""password":"#,
            ],
            &["PATCH /Users/", "DELETE /Users/"],
        ),
        (
            IdentityProvider::OktaOin,
            &[
                r#"{"op":"replace","value":{"active":false}}"#,
                "PUT /Users/",
            ],
            &["DELETE /Users/"],
        ),
        (
            IdentityProvider::OneLogin,
            &[
                r#"{"op":"replace","path":"active","value":false}"#,
                r#""title":null"#,
                "PUT /Users/",
                "DELETE /Users/",
            ],
            &["/Groups?filter"],
        ),
    ];
    for (provider, present, absent) in table {
        let notebook = Notebook::new(provider);
        // The accounts remain, so that no clean-up deletes them.
        let report = simulation(provider, &notebook)
            .with_rounds(5)
            .keep()
            .run()
            .await
            .unwrap();
        assert!(report.holds(), "{report}");
        let lines = notebook.lines.into_inner().unwrap();
        let is_sent = |part: &&&str| lines.iter().any(|line| line.contains(**part));
        let missing: Vec<_> = present.iter().filter(|part| !is_sent(part)).collect();
        let wrong: Vec<_> = absent.iter().filter(is_sent).collect();
        assert!(
            missing.is_empty() && wrong.is_empty(),
            "{provider:?}: {missing:?}, {wrong:?}"
        );
    }
}

/// Answers every n-th request without carrying it out.
struct Busy {
    answers: AtomicU64,
    every: u64,
    retry_after: Option<&'static str>,
    server: Server,
    status: StatusCode,
}

impl HttpTarget for Busy {
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        if !self
            .answers
            .fetch_add(1, Relaxed)
            .is_multiple_of(self.every)
        {
            return self.server.send(request);
        }
        let mut answer = Response::new(Bytes::new());
        *answer.status_mut() = self.status;
        if let Some(seconds) = self.retry_after {
            answer
                .headers_mut()
                .insert(RETRY_AFTER, seconds.parse().unwrap());
        }
        Box::pin(async { Ok(answer) })
    }
}

#[tokio::test]
async fn throttled_requests_are_repeated_after_the_time_that_the_server_names() {
    let table = [
        (429, Some("17"), Duration::from_secs(17)),
        (503, Some("3600"), Duration::from_secs(60)),
        (503, None, Duration::from_millis(250)),
        (500, None, Duration::from_millis(250)),
    ];
    for (status, retry_after, first) in table {
        let provider = IdentityProvider::Entra;
        let busy = Busy {
            answers: AtomicU64::new(1),
            every: 9,
            retry_after,
            server: ours(provider),
            status: StatusCode::from_u16(status).unwrap(),
        };
        let waits = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&waits);
        let simulation = Simulation::new(provider, &busy, move |time| {
            noted.lock().unwrap().push(time);
            Box::pin(async {})
        });
        let simulation = simulation.with_token(TOKEN).with_users(30).with_groups(3);
        let report = simulation.with_lost_percent(0).run().await.unwrap();
        assert!(report.holds(), "{status}: {report}");
        let waits = waits.lock().unwrap();
        assert!(waits.contains(&first), "{status}: {waits:?}");
        assert!(waits.len() > 20, "{status}: {waits:?}");
        let repeated: u64 = report.rounds.iter().map(|round| round.repeated).sum();
        let throttled: u64 = report.rounds.iter().map(|round| round.throttled).sum();
        assert!(repeated > 20, "{report}");
        assert_eq!(throttled > 0, status != 500, "{report}");
    }
}

/// Works until a flag is set, and then fails.
struct Failing {
    is_down: AtomicBool,
    requests: AtomicU64,
    server: Server,
}

impl HttpTarget for Failing {
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        self.requests.fetch_add(1, Relaxed);
        if self.is_down.load(Relaxed) && request.method() != http::Method::GET {
            let mut answer = Response::new(Bytes::from_static(b"{\"detail\":\"down\"}"));
            *answer.status_mut() = StatusCode::FORBIDDEN;
            return Box::pin(async { Ok(answer) });
        }
        self.server.send(request)
    }
}

#[tokio::test]
async fn quarantine_ends_the_cycle_of_a_server_that_rejects_everything() {
    let provider = IdentityProvider::Entra;
    let failing = Failing {
        is_down: AtomicBool::new(false),
        requests: AtomicU64::new(0),
        server: ours(provider),
    };
    let simulation = simulation(provider, &failing)
        .with_users(400)
        .with_rounds(5);
    let report = simulation
        .run_watched(|round| failing.is_down.store(round.number == 3, Relaxed))
        .await
        .unwrap();
    assert!(!report.holds());
    let quarantined: Vec<_> = report
        .rounds
        .iter()
        .map(|round| round.quarantined)
        .collect();
    assert_eq!(quarantined, [false, false, false, true, false], "{report}");
    let fourth = &report.rounds[3];
    let rejected = fourth
        .divergences
        .iter()
        .filter(|one| one.kind == DivergenceKind::Rejected);
    assert!((6..40).contains(&rejected.count()), "{report}");
    // The next round also delivers what this one could not.
    assert!(report.rounds[4].divergences.is_empty(), "{report}");
}

#[tokio::test]
async fn stopped_simulation_deletes_what_it_created() {
    let provider = IdentityProvider::Okta;
    let server = ours(provider);
    let stop = Arc::new(AtomicBool::new(false));
    let simulation = simulation(provider, &server)
        .with_rounds(1_000)
        .with_stop(Arc::clone(&stop));
    let report = simulation
        .run_watched(|round| stop.store(round.number == 2, Relaxed))
        .await
        .unwrap();
    assert!(report.stopped && !report.holds());
    assert_eq!(report.rounds.len(), 2, "{report}");
    assert!(rest(&server).await.is_empty());
}

#[tokio::test]
async fn server_must_accept_the_token_and_have_no_leftovers() {
    let provider = IdentityProvider::OneLogin;
    let server = ours(provider);
    let wrong = simulation(provider, &server)
        .with_token("another")
        .run()
        .await
        .unwrap_err();
    assert!(matches!(wrong, SimulationError::Connection(_)), "{wrong}");
    assert!(wrong.to_string().contains("status 401"), "{wrong}");
    let kept = simulation(provider, &server)
        .with_rounds(1)
        .keep()
        .run()
        .await
        .unwrap();
    assert!(kept.holds(), "{kept}");
    let again = simulation(provider, &server).run().await.unwrap_err();
    assert!(matches!(again, SimulationError::Leftovers(60)), "{again}");
    // Another company does not mind.
    let other = simulation(provider, &server)
        .with_seed(8)
        .with_rounds(2)
        .run()
        .await
        .unwrap();
    assert!(other.holds(), "{other}");
    assert_eq!(rest(&server).await.len(), 66);
}

#[test]
fn simulation_can_be_sent_to_another_thread() {
    fn is_send(_: impl Send) {}
    let server = ours(IdentityProvider::Entra);
    is_send(simulation(IdentityProvider::Entra, &server).run());
}

#[test]
fn report_without_rounds_does_not_hold() {
    let report = SimulationReport::default();
    assert!(!report.holds());
    assert_eq!(report.to_string(), "0 rounds, 0 requests, 0 divergences");
}
