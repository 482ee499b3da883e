//! Parallel requests over every store: no response is made wrong by another request.

use std::{collections::BTreeSet, sync::Barrier, thread};

use bytes::Bytes;
use http::{Request, Response};
use scimkit_registry::Tolerance;
use scimkit_server::Server;
use scimkit_testkit::replay::HttpTarget;
use serde_json::{Value, json};

use crate::servers::{STORES, TOKEN, server};

const THREADS: usize = 10;

fn request(method: &str, path: &str, body: &Value) -> Request<Bytes> {
    let builder = Request::builder().method(method).uri(path);
    builder
        .header("authorization", format!("Bearer {TOKEN}"))
        .body(body.to_string().into())
        .unwrap()
}

/// Sends as many requests as there are threads, all at the same time.
fn at_once(server: &Server, request_of: impl Fn(usize) -> Request<Bytes>) -> Vec<Response<Bytes>> {
    let barrier = Barrier::new(THREADS);
    thread::scope(|scope| {
        let mut threads = Vec::with_capacity(THREADS);
        for number in 0..THREADS {
            let barrier = &barrier;
            let request = request_of(number);
            threads.push(scope.spawn(move || {
                barrier.wait();
                one(server, request)
            }));
        }
        let answers = threads.into_iter().map(|thread| thread.join().unwrap());
        answers.collect()
    })
}

fn one(server: &Server, request: Request<Bytes>) -> Response<Bytes> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(server.send(request)).unwrap()
}

fn read(server: &Server, path: &str) -> Value {
    let answer = one(server, request("GET", path, &Value::Null));
    serde_json::from_slice(answer.body()).unwrap()
}

/// Creates a resource and returns its path.
fn create(server: &Server, endpoint: &str, body: &Value) -> String {
    let answer = one(server, request("POST", endpoint, body));
    let created: Value = serde_json::from_slice(answer.body()).unwrap();
    format!("{endpoint}/{}", created["id"].as_str().unwrap())
}

fn count(answers: &[Response<Bytes>], status: u16) -> usize {
    answers.iter().filter(|a| a.status() == status).count()
}

fn servers() -> impl Iterator<Item = Server> {
    let stores = STORES.into_iter();
    stores.map(|(_, make)| server(make(), Tolerance::DEFAULT))
}

#[test]
fn one_of_parallel_requests_for_a_name_wins() {
    for server in servers() {
        for round in 0..10 {
            let answers = at_once(&server, |number| {
                let name = if number % 2 == 0 {
                    "Straße"
                } else {
                    "STRASSE"
                };
                request(
                    "POST",
                    "/Users",
                    &json!({ "userName": format!("{name}{round}") }),
                )
            });
            assert_eq!(
                (count(&answers, 201), count(&answers, 409)),
                (1, THREADS - 1)
            );
        }
        assert_eq!(read(&server, "/Users")["totalResults"], 10);
    }
}

#[test]
fn parallel_patches_are_all_applied() {
    for server in servers() {
        let path = create(&server, "/Users", &json!({ "userName": "bjensen" }));
        let answers = at_once(&server, |number| {
            let email =
                json!({ "value": format!("{number}@x.example"), "type": number.to_string() });
            let operation = json!({ "op": "add", "path": "emails", "value": [email] });
            request("PATCH", &path, &json!({ "Operations": [operation] }))
        });
        assert_eq!(count(&answers, 200), THREADS);
        let emails = read(&server, &path)["emails"].as_array().map(Vec::len);
        assert_eq!(emails, Some(THREADS));
    }
}

#[test]
fn parallel_patches_of_members_lose_nothing() {
    for server in servers() {
        let user = |name: String| {
            let path = create(&server, "/Users", &json!({ "userName": name }));
            path.trim_start_matches("/Users/").to_owned()
        };
        for round in 0..5 {
            let ids = |what: &str| -> Vec<_> {
                let name = |n| format!("{what}{round}.{n}");
                (0..THREADS).map(|n| user(name(n))).collect()
            };
            let coming = ids("coming");
            let leaving = ids("leaving");
            let staying = ids("staying");
            let members = leaving.iter().chain(&staying);
            let members: Vec<_> = members.map(|id| json!({ "value": id })).collect();
            let body = json!({ "displayName": "crew", "members": members });
            let group = create(&server, "/Groups", &body);
            let answers = at_once(&server, |n| {
                let comes = &coming[n];
                let leaves = &leaving[n];
                let by_path = format!(r#"members[value eq "{leaves}"]"#);
                let by_path = json!({ "op": "remove", "path": by_path });
                let listed = json!([{ "value": leaves }]);
                let listed = json!({ "op": "remove", "path": "members", "value": listed });
                let add = json!([{ "value": comes }]);
                let add = json!({ "op": "add", "path": "members", "value": add });
                let rename = json!({ "op": "replace", "path": "displayName", "value": "Crew" });
                let operations = match n % 4 {
                    0 => json!([add, by_path]),
                    1 => json!([listed, add]),
                    2 => {
                        json!([{ "op": "add", "value": { "members": [{ "value": comes }] } }, by_path])
                    }
                    _ => json!([rename, add, listed]),
                };
                request("PATCH", &group, &json!({ "Operations": operations }))
            });
            assert_eq!(count(&answers, 200), THREADS);
            let after = read(&server, &group);
            let after_all = after["members"].as_array().unwrap().iter();
            let left: BTreeSet<_> = after_all.map(|m| m["value"].as_str().unwrap()).collect();
            let expected: BTreeSet<_> = coming.iter().chain(&staying).map(String::as_str).collect();
            assert_eq!(left, expected);
            assert_eq!(after["displayName"], "Crew");
        }
    }
}

#[test]
fn one_of_parallel_writes_for_a_version_succeeds() {
    for server in servers() {
        let path = create(&server, "/Users", &json!({ "userName": "bjensen" }));
        let version = read(&server, &path)["meta"]["version"].clone();
        let answers = at_once(&server, |number| {
            let body = json!({ "userName": "bjensen", "title": number.to_string() });
            let mut put = request("PUT", &path, &body);
            let version = version.as_str().unwrap().parse().unwrap();
            put.headers_mut().insert("if-match", version);
            put
        });
        assert_eq!(
            (count(&answers, 200), count(&answers, 412)),
            (1, THREADS - 1)
        );
    }
}

#[test]
fn one_of_parallel_deletes_succeeds() {
    for server in servers() {
        let path = create(&server, "/Users", &json!({ "userName": "bjensen" }));
        let answers = at_once(&server, |_| request("DELETE", &path, &Value::Null));
        assert_eq!(
            (count(&answers, 204), count(&answers, 404)),
            (1, THREADS - 1)
        );
    }
}

#[test]
fn member_deleted_during_its_addition_is_in_no_group() {
    for server in servers() {
        for _ in 0..10 {
            let user = create(&server, "/Users", &json!({ "userName": "bjensen" }));
            let group = create(&server, "/Groups", &json!({ "displayName": "crew" }));
            let id = user.trim_start_matches("/Users/");
            let answers = at_once(&server, |number| {
                let operation =
                    json!({ "op": "add", "path": "members", "value": [{ "value": id }] });
                match number {
                    0 => request("DELETE", &user, &Value::Null),
                    _ => request("PATCH", &group, &json!({ "Operations": [operation] })),
                }
            });
            assert_eq!(count(&answers, 204), 1);
            assert_eq!(count(&answers, 200) + count(&answers, 400), THREADS - 1);
            assert_eq!(read(&server, &group)["members"], Value::Null);
        }
    }
}
