//! The cost limits of requests, over every store: sizes that multiply lead to a response, and the runtime thread stays
//! free meanwhile.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use scimkit_registry::{Budget, Exhausted, ResourceId, ResourceType, Tolerance};
use scimkit_server::{BearerTokens, Server, Token};
use scimkit_store::{
    BoxFuture, Page, Query, ReadOptions, RequestContext, Store, StoreError, StoredResource,
};
use scimkit_testkit::replay::HttpTarget;
use serde_json::{Value, json};

use crate::servers::{STORES, TOKEN, settings};

/// Creates a server with this limit on the work of requests.
pub(crate) fn server(store: Arc<dyn Store>, work: u64) -> Server {
    let mut settings = settings(Tolerance::DEFAULT);
    settings.limits.work = work;
    let token = Token::from_secret(TOKEN).unwrap();
    Server::new(store, settings).with_authentication(BearerTokens::new([token.digest()]))
}

pub(crate) fn request(method: &str, path: &str, body: &Value) -> Request<Bytes> {
    let request = Request::builder().method(method).uri(path);
    let request = request.header("authorization", format!("Bearer {TOKEN}"));
    request.body(body.to_string().into()).unwrap()
}

async fn ask(server: &Server, method: &str, path: &str, body: &Value) -> Response<Bytes> {
    server.send(request(method, path, body)).await.unwrap()
}

async fn created(server: &Server, body: &Value) -> String {
    let answer = ask(server, "POST", "/Users", body).await;
    assert_eq!(answer.status(), StatusCode::CREATED, "{answer:?}");
    let body: Value = serde_json::from_slice(answer.body()).unwrap();
    format!("/Users/{}", body["id"].as_str().unwrap())
}

fn user(emails: usize, bytes: usize) -> Value {
    let filling = "a".repeat(bytes);
    let email = |n: usize| json!({"value": format!("{n}{filling}"), "type": "work"});
    json!({"userName": "target", "emails": (0..emails).map(email).collect::<Vec<_>>()})
}

/// Returns a filter with this many terms, of which only the last one holds.
fn filter(terms: usize) -> String {
    format!(
        r#"{}type eq "work""#,
        r#"value co ".." or "#.repeat(terms - 1)
    )
}

pub(crate) fn patch(operations: usize, path: &str, value: &str) -> Value {
    let operation = json!({"op": "replace", "path": path, "value": value});
    let schema = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
    json!({"schemas": [schema], "Operations": vec![operation; operations]})
}

fn search(filter: &str) -> Value {
    let schema = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
    json!({"schemas": [schema], "filter": filter})
}

fn problem(answer: &Response<Bytes>) -> (u16, Value, String) {
    let body: Value = serde_json::from_slice(answer.body()).unwrap();
    let detail = body["detail"].as_str().unwrap_or_default().to_owned();
    (answer.status().as_u16(), body["scimType"].clone(), detail)
}

/// Returns the nanoseconds that this thread waited for a processor, which other programs used meanwhile.
fn waited() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let waited = stat.split_whitespace().nth(1);
    waited.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Runs a request, and returns its status with the longest delay of a parallel task that wants to run every
/// millisecond.
pub(crate) async fn watched(server: &Server, request: Request<Bytes>) -> (StatusCode, Duration) {
    let done = Arc::new(AtomicBool::new(false));
    let idle = {
        let done = Arc::clone(&done);
        tokio::spawn(async move {
            let mut longest = Duration::ZERO;
            while !done.load(Ordering::Relaxed) {
                let before = Instant::now();
                let waiting = waited();
                tokio::time::sleep(Duration::from_millis(1)).await;
                let waiting = Duration::from_nanos(waited() - waiting);
                longest = longest.max(before.elapsed().saturating_sub(waiting));
            }
            longest
        })
    };
    // The other task begins first.
    tokio::time::sleep(Duration::from_millis(5)).await;
    let server = server.clone();
    let request = async move { server.send(request).await.unwrap().status() };
    let status = tokio::spawn(request).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    done.store(true, Ordering::Relaxed);
    (status, idle.await.unwrap())
}

/// Asserts that a request gets one of these statuses and meanwhile leaves the runtime thread to others. A machine that
/// is busy with other programs gets several attempts.
pub(crate) async fn assert_stays_free(
    server: &Server,
    request: impl Fn() -> Request<Bytes>,
    statuses: [StatusCode; 2],
    name: &str,
) {
    assert_stays_free_once(server, request, statuses, (name, 5)).await;
}

/// Asserts the same with this many attempts.
pub(crate) async fn assert_stays_free_once(
    server: &Server,
    request: impl Fn() -> Request<Bytes>,
    statuses: [StatusCode; 2],
    (name, attempts): (&str, usize),
) {
    const AT_MOST: Duration = Duration::from_millis(50);
    let mut longest = Duration::MAX;
    for _ in 0..attempts {
        let (status, wait) = watched(server, request()).await;
        assert!(statuses.contains(&status), "{name}: {status}");
        longest = longest.min(wait);
        if longest < AT_MOST {
            return;
        }
    }
    panic!("{name}: the thread was kept for {longest:?}");
}

/// Waits until nothing more is charged to a budget, and returns the total charge.
async fn spent_at_rest(budget: &Budget) -> u64 {
    loop {
        let spent = budget.spent();
        tokio::time::sleep(Duration::from_millis(200)).await;
        if budget.spent() == spent {
            return spent;
        }
    }
}

/// Returns each pair of sizes at the limits of both.
fn pairs() -> Vec<(&'static str, Value, Value)> {
    const LONGEST: usize = 60_000;
    let long = "x".repeat(LONGEST);
    let every = |terms: usize| format!("emails[{}].display", filter(terms));
    vec![
        (
            "operations and elements",
            user(1_000, 20),
            patch(1_000, "emails[type pr].display", "x"),
        ),
        (
            "operations and terms",
            user(1, 20),
            patch(700, &every(500), "x"),
        ),
        (
            "operations and bytes",
            user(1, 20),
            patch(120, "title", &long),
        ),
        (
            "elements and terms",
            user(1_000, 20),
            patch(1, &every(511), "x"),
        ),
        (
            "elements and bytes",
            user(1_000, 20),
            patch(1, "emails.display", &long),
        ),
        (
            "terms and bytes",
            user(15, LONGEST),
            patch(1, &every(511), "x"),
        ),
        (
            "operations, elements, terms and bytes",
            user(950, 900),
            patch(8, &every(500), "x"),
        ),
    ]
}

/// Returns the work that a request may cause: the default limit.
///
/// A debug build is about 20 times slower, so that only the heaviest pair has the default limit there, over one store,
/// and the others a twelfth of it. The length of a slice does not depend on the limit; a release build (`cargo test
/// --release`) shows this for all pairs.
fn work_of(pair: &str, store: &str) -> u64 {
    let default = settings(Tolerance::DEFAULT).limits.work;
    assert_eq!(default, 500_000_000);
    match (pair, store) {
        ("elements and terms", "memory") => default,
        _ if cfg!(debug_assertions) => default / 12,
        _ => default,
    }
}

#[tokio::test]
async fn runtime_thread_stays_free_while_sizes_multiply() {
    const STATUSES: [StatusCode; 2] = [StatusCode::OK, StatusCode::PAYLOAD_TOO_LARGE];
    for (store, make) in STORES {
        for (name, user, patch) in pairs() {
            let server = server(make(), work_of(name, store));
            let path = created(&server, &user).await;
            let request = || request("PATCH", &path, &patch);
            assert_stays_free(&server, request, STATUSES, &format!("{name} over {store}")).await;
        }
    }
}

#[tokio::test]
async fn runtime_thread_stays_free_while_a_query_is_evaluated() {
    const STATUSES: [StatusCode; 2] = [StatusCode::OK, StatusCode::BAD_REQUEST];
    for (store, make) in STORES {
        let server = server(make(), 40_000_000);
        for n in 0..40 {
            let mut user = user(100, 20);
            user["userName"] = json!(format!("u{n}"));
            created(&server, &user).await;
        }
        // The first one evaluates all terms on all e-mail addresses, until the budget is exhausted.
        for filter in [
            format!("emails[{}]", any_of(r#"value co "..""#, 500)),
            format!("emails[{}]", filter(500)),
            r#"emails.value co "..""#.to_owned(),
        ] {
            let request = || request("POST", "/Users/.search", &search(&filter));
            assert_stays_free(&server, request, STATUSES, store).await;
        }
    }
}

#[tokio::test]
async fn runtime_thread_stays_free_while_one_long_document_is_evaluated() {
    const STATUSES: [StatusCode; 2] = [StatusCode::OK, StatusCode::BAD_REQUEST];
    for (store, make) in STORES {
        let server = server(make(), 150_000_000);
        created(&server, &user(900, 900)).await;
        for filter in [
            format!("emails[{}]", any_of(r#"value co "..""#, 500)),
            any_of(r#"emails.value co "..""#, 500),
        ] {
            let request = || request("POST", "/Users/.search", &search(&filter));
            assert_stays_free(&server, request, STATUSES, store).await;
        }
    }
}

#[tokio::test]
async fn patch_that_costs_too_much_is_answered_413_and_changes_nothing() {
    for (store, make) in STORES {
        let server = server(make(), 20_000_000);
        let path = created(&server, &user(950, 100)).await;
        let body = patch(8, &format!("emails[{}].display", filter(500)), "x");
        let answer = ask(&server, "PATCH", &path, &body).await;
        let (status, scim_type, detail) = problem(&answer);
        assert_eq!(
            (status, &scim_type),
            (413, &Value::Null),
            "{store}: {detail}"
        );
        assert!(
            detail.contains("send fewer operations"),
            "{store}: {detail}"
        );
        let shown = ask(&server, "GET", &path, &Value::Null).await;
        let shown: Value = serde_json::from_slice(shown.body()).unwrap();
        assert_eq!(shown["emails"][0]["display"], Value::Null, "{store}");
        let small = patch(1, "title", "Dr");
        let answer = ask(&server, "PATCH", &path, &small).await;
        assert_eq!(answer.status(), StatusCode::OK, "{store}: {answer:?}");
    }
}

#[tokio::test]
async fn filter_and_sort_that_cost_too_much_are_answered_too_many() {
    for (store, make) in STORES {
        let seeding = make();
        let seeder = server(Arc::clone(&seeding), u64::MAX);
        for n in 0..300 {
            let body = json!({"userName": format!("u{n}"), "title": format!("t{n}")});
            created(&seeder, &body).await;
        }
        let server = server(seeding, 2_000);
        let asked = [
            ask(
                &server,
                "POST",
                "/Users/.search",
                &search(&any_of(r#"title co "..""#, 100)),
            )
            .await,
            ask(&server, "GET", "/Users?sortBy=title", &Value::Null).await,
        ];
        for answer in asked {
            let (status, scim_type, detail) = problem(&answer);
            assert_eq!(
                (status, scim_type),
                (400, json!("tooMany")),
                "{store}: {detail}"
            );
            assert!(detail.contains("userName"), "{store}: {detail}");
        }
        let path = "/Users?filter=userName%20eq%20%22u7%22&attributes=id";
        let answer = ask(&server, "GET", path, &Value::Null).await;
        assert_eq!(answer.status(), StatusCode::OK, "{store}");
    }
}

fn any_of(term: &str, times: usize) -> String {
    vec![term; times].join(" or ")
}

#[tokio::test]
async fn operations_of_a_bulk_request_share_one_budget() {
    for (store, make) in STORES {
        let server = server(make(), 20_000_000);
        let path = created(&server, &user(200, 20)).await;
        let heavy = patch(1, &format!("emails[{}].display", filter(400)), "x");
        let operation = |data: &Value| json!({"method": "PATCH", "path": path, "data": data});
        let mut operations = vec![operation(&heavy); 20];
        operations[0] = operation(&patch(1, "title", "first"));
        operations.push(json!({"method": "DELETE", "path": path}));
        let schema = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
        let body = json!({"schemas": [schema], "Operations": operations});
        let answer = ask(&server, "POST", "/Bulk", &body).await;
        assert_eq!(answer.status(), StatusCode::OK, "{store}: {answer:?}");
        let answer: Value = serde_json::from_slice(answer.body()).unwrap();
        let results = answer["Operations"].as_array().unwrap();
        let statuses: Vec<_> = results
            .iter()
            .map(|r| r["status"].as_str().unwrap())
            .collect();
        let done = statuses
            .iter()
            .take_while(|status| **status == "200")
            .count();
        assert!((2..20).contains(&done), "{store}: {statuses:?}");
        let rest = statuses.iter().skip(done);
        assert!(
            rest.clone().all(|status| *status == "413"),
            "{store}: {statuses:?}"
        );
        let shown = ask(&server, "GET", &path, &Value::Null).await;
        let shown: Value = serde_json::from_slice(shown.body()).unwrap();
        assert_eq!(shown["title"], "first", "{store}");
        assert_eq!(shown["emails"][0]["display"], "x", "{store}");
    }
}

/// A store that remembers the budget of the last reading request.
#[derive(Debug)]
struct Budgets {
    last: Mutex<Option<Budget>>,
    store: Arc<dyn Store>,
}

impl Store for Budgets {
    pass_on!(store: support edges write);

    fn query<'a>(
        &'a self,
        context: &'a RequestContext,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        *self.last.lock().unwrap() = Some(context.budget.clone());
        self.store.query(context, query)
    }

    fn read<'a>(
        &'a self,
        context: &'a RequestContext,
        kind: &'a Arc<ResourceType>,
        id: &'a ResourceId,
        want: &'a ReadOptions,
    ) -> BoxFuture<'a, Result<StoredResource, StoreError>> {
        *self.last.lock().unwrap() = Some(context.budget.clone());
        self.store.read(context, kind, id, want)
    }
}

#[tokio::test]
async fn work_stops_when_the_client_hangs_up() {
    // A fraction of the cost of each complete request.
    const AT_MOST: u64 = 100_000_000;
    for (name, make) in STORES {
        let store = Arc::new(Budgets {
            last: Mutex::default(),
            store: make(),
        });
        let server = server(Arc::clone(&store) as Arc<dyn Store>, u64::MAX);
        let path = created(&server, &user(950, 900)).await;
        for n in 0..60 {
            let mut user = user(300, 20);
            user["userName"] = json!(format!("u{n}"));
            created(&server, &user).await;
        }
        let heavy = patch(60, &format!("emails[{}].display", filter(500)), "x");
        // No e-mail address matches, so all are evaluated: user by user, except those of the large one, which the
        // memory store evaluates at once.
        let terms = any_of(r#"value co "..""#, 500);
        let query = search(&format!(r#"userName ne "target" and emails[{terms}]"#));
        for (method, path, body) in [
            ("PATCH", path.as_str(), heavy),
            ("POST", "/Users/.search", query),
        ] {
            *store.last.lock().unwrap() = None;
            let server = server.clone();
            let request = request(method, path, &body);
            let running = tokio::spawn(async move { server.send(request).await.map(drop) });
            let budget = loop {
                tokio::time::sleep(Duration::from_millis(1)).await;
                let budget = store.last.lock().unwrap().clone();
                if budget.is_some() || running.is_finished() {
                    break budget.unwrap();
                }
            };
            running.abort();
            let ended = running.await;
            assert!(ended.is_err(), "{name}: {method} ended too early");
            assert_eq!(budget.check(), Err(Exhausted::Cancelled), "{name}");
            let spent = spent_at_rest(&budget).await;
            assert!(spent < AT_MOST, "{method} over {name}: {spent} units");
        }
    }
}
