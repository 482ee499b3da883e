//! The answer of a guard is valid for the version that it saw, and for no other.

use std::{
    sync::{
        Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use scimkit_server::ChangeVerb;
use scimkit_store::CreatePolicy;

use super::*;

/// A guard that sends a request to another server over the same store before it answers for the first time.
#[derive(Debug)]
struct Interposer {
    body: Value,
    call: &'static str,
    has_sent: AtomicBool,
    other: Server,
    recorder: Recorder,
    versions: Arc<Mutex<Vec<Option<String>>>>,
}

impl ChangeGuard for Interposer {
    fn check<'a>(
        &'a self,
        context: &'a RequestContext,
        proposed: &'a ProposedChange,
    ) -> BoxFuture<'a, Result<(), ErrorResponse>> {
        Box::pin(async move {
            let version = proposed.version.as_ref().map(ToString::to_string);
            self.versions.lock().unwrap().push(version);
            if !self.has_sent.swap(true, Ordering::Relaxed) {
                let (status, body) = send(&self.other, self.call, self.body.clone()).await;
                assert!(status < 300, "{body}");
            }
            self.recorder.check(context, proposed).await
        })
    }
}

/// A request, the request of another client between guard and write, and the calls of the guard.
type Race = (
    (&'static str, Value),
    (&'static str, Value),
    u16,
    &'static [&'static str],
);

fn races() -> Vec<Race> {
    let user = |name: &str| json!({"userName": name});
    let title = || replace("title", json!("Dr."));
    let rename = || replace("userName", json!("anne"));
    let add = json!({"op": "add", "path": "members", "value": [{"value": "u1"}]});
    let add = json!({"Operations": [add]});
    let one = |operation: Value| bulk(json!([operation]));
    vec![
        (
            ("PATCH /Users/u1", title()),
            ("PATCH /Users/u1", rename()),
            200,
            &["Update User anna -> anna", "Update User anne -> anne"],
        ),
        (
            ("PUT /Users/u1", user("anka")),
            ("PATCH /Users/u1", rename()),
            200,
            &["Update User anna -> anka", "Update User anne -> anka"],
        ),
        (
            ("DELETE /Users/u1", Value::Null),
            ("PATCH /Users/u1", rename()),
            204,
            &["Delete User anna -> none", "Delete User anne -> none"],
        ),
        (
            ("DELETE /Users/u1", Value::Null),
            ("DELETE /Users/u1", Value::Null),
            404,
            &["Delete User anna -> none"],
        ),
        (
            ("PATCH /Groups/g1", add),
            ("PATCH /Groups/g1", replace("displayName", json!("club"))),
            200,
            &[
                "Update Group guides -> guides +1 -0",
                "Update Group club -> club +1 -0",
            ],
        ),
        // The other request makes the change itself, so that nothing is left to do.
        (
            ("PATCH /Users/u1", rename()),
            ("PATCH /Users/u1", rename()),
            200,
            &["Update User anna -> anne"],
        ),
        // Another version of the user that is adopted, another user, and one where there was none.
        (
            ("POST /Users", user("anna")),
            ("PATCH /Users/u1", title()),
            201,
            &["Adopt User anna -> anna", "Adopt User anna -> anna"],
        ),
        (
            ("POST /Users", user("anna")),
            ("PATCH /Users/u1", rename()),
            201,
            &["Adopt User anna -> anna", "Create User none -> anna"],
        ),
        (
            ("POST /Users", user("anne")),
            ("PATCH /Users/u1", rename()),
            201,
            &["Create User none -> anne", "Adopt User anne -> anne"],
        ),
        (
            (
                "POST /Bulk",
                one(json!({"method": "PATCH", "path": "/Users/u1", "data": title()})),
            ),
            ("PATCH /Users/u1", rename()),
            200,
            &["Update User anna -> anna", "Update User anne -> anne"],
        ),
        (
            (
                "POST /Bulk",
                one(json!({"method": "DELETE", "path": "/Users/u1"})),
            ),
            ("PATCH /Users/u1", rename()),
            200,
            &["Delete User anna -> none", "Delete User anne -> none"],
        ),
        (
            (
                "POST /Bulk",
                one(
                    json!({"method": "POST", "path": "/Users", "bulkId": "a", "data": user("anne")}),
                ),
            ),
            ("PATCH /Users/u1", rename()),
            200,
            &["Create User none -> anne", "Adopt User anne -> anne"],
        ),
    ]
}

#[tokio::test]
async fn a_write_between_guard_and_write_calls_the_guard_again() {
    for (store_name, new) in stores() {
        for ((call, body), (other_call, other_body), expected, calls) in races() {
            let name = format!("{store_name}: {call} {body}, and {other_call} {other_body}");
            let store = new();
            make(&store, "User", "u1", json!({"userName": "anna"})).await;
            make(&store, "Group", "g1", json!({"displayName": "guides"})).await;
            let settings = settings(|settings| settings.create_policy = CreatePolicy::Adopt);
            let recorder = Recorder::default();
            let versions = Arc::default();
            let guard = Interposer {
                body: other_body,
                call: other_call,
                has_sent: AtomicBool::new(false),
                other: server(&store, &settings),
                recorder: recorder.clone(),
                versions: Arc::clone(&versions),
            };
            let guarded = server(&store, &settings).with_guard(guard);
            let (status, answer) = send(&guarded, call, body).await;
            assert_eq!(status, expected, "{name}: {answer}");
            if call == "POST /Bulk" {
                assert!(statuses(&answer)[0] < "300", "{name}: {answer}");
            }
            assert_eq!(recorder.take(), calls, "{name}");
            // Each call is for another version, or for another resource.
            let mut seen = versions.lock().unwrap().clone();
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen.len(), calls.len(), "{name}: {seen:?}");
        }
    }
}

#[tokio::test]
async fn a_client_that_names_a_version_is_answered_412_after_one_call() {
    for (name, new) in stores() {
        let store = new();
        make(&store, "User", "u1", json!({"userName": "anna"})).await;
        let settings = settings(|_| ());
        let recorder = Recorder::default();
        let guard = Interposer {
            body: replace("title", json!("Dr.")),
            call: "PATCH /Users/u1",
            has_sent: AtomicBool::new(false),
            other: server(&store, &settings),
            recorder: recorder.clone(),
            versions: Arc::default(),
        };
        let guarded = server(&store, &settings).with_guard(guard);
        let (_, user) = send(&guarded, "GET /Users/u1", Value::Null).await;
        let version = &user["meta"]["version"];
        let operation = json!({"method": "DELETE", "path": "/Users/u1", "version": version});
        let (_, response) = send(&guarded, "POST /Bulk", bulk(json!([operation]))).await;
        assert_eq!(statuses(&response), ["412"], "{name}");
        assert_eq!(recorder.take(), ["Delete User anna -> none"], "{name}");
        assert_eq!(
            send(&guarded, "GET /Users/u1", Value::Null).await.0,
            200,
            "{name}"
        );
    }
}

/// A guard that accepts at most five addresses of one user.
#[derive(Debug, Default)]
struct FewAddresses {
    calls: Arc<Mutex<usize>>,
}

impl ChangeGuard for FewAddresses {
    fn check<'a>(
        &'a self,
        _: &'a RequestContext,
        proposed: &'a ProposedChange,
    ) -> BoxFuture<'a, Result<(), ErrorResponse>> {
        *self.calls.lock().unwrap() += 1;
        let emails = proposed.kind.attribute_id("emails").unwrap();
        let after = proposed.after.as_deref();
        let emails = after.and_then(|after| after.get(&proposed.kind, emails)?.as_array());
        let is_full = emails.is_some_and(|emails| emails.len() > 5);
        assert_eq!(proposed.verb, ChangeVerb::Update);
        Box::pin(async move {
            if is_full {
                Err(ErrorResponse::forbidden("five addresses are enough"))
            } else {
                Ok(())
            }
        })
    }
}

#[test]
fn a_limit_on_one_resource_holds_among_writers_at_once() {
    const WRITERS: usize = 10;
    for (name, new) in STORES {
        let store = new();
        runtime().block_on(make(&store, "User", "u1", json!({"userName": "anna"})));
        let guard = FewAddresses::default();
        let calls = Arc::clone(&guard.calls);
        let server = server(&store, &settings(|_| ())).with_guard(guard);
        let barrier = Barrier::new(WRITERS);
        let statuses = thread::scope(|scope| {
            let mut writers = Vec::with_capacity(WRITERS);
            for number in 0..WRITERS {
                let barrier = &barrier;
                let server = &server;
                writers.push(scope.spawn(move || {
                    let email = json!([{"value": format!("{number}@x.example")}]);
                    let operation = json!({"op": "add", "path": "emails", "value": email});
                    let body = json!({"Operations": [operation]});
                    barrier.wait();
                    runtime().block_on(send(server, "PATCH /Users/u1", body)).0
                }));
            }
            let statuses = writers.into_iter().map(|writer| writer.join().unwrap());
            statuses.collect::<Vec<_>>()
        });
        let count = |status| statuses.iter().filter(|one| **one == status).count();
        assert_eq!((count(200), count(403)), (5, 5), "{name}: {statuses:?}");
        assert!(*calls.lock().unwrap() >= WRITERS, "{name}");
        let (_, user) = runtime().block_on(send(&server, "GET /Users/u1", Value::Null));
        assert_eq!(user["emails"].as_array().unwrap().len(), 5, "{name}");
    }
}
