//! Requests at the same time, over every store: what one is told must not be made untrue by another.

use std::{sync::Barrier, thread};

use bytes::Bytes;
use http::{Request, Response};
use scimkit_registry::Tolerance;
use scimkit_server::Server;
use scimkit_testkit::replay::Target;
use serde_json::{Value, json};

use crate::servers::{STORES, TOKEN, server};

const THREADS: usize = 8;

fn request(method: &str, path: &str, body: &Value) -> Request<Bytes> {
    let builder = Request::builder().method(method).uri(path);
    builder
        .header("authorization", format!("Bearer {TOKEN}"))
        .body(body.to_string().into())
        .unwrap()
}

/// Sends as many requests as there are threads, all at once.
fn at_once(server: &Server, request_of: impl Fn(usize) -> Request<Bytes>) -> Vec<Response<Bytes>> {
    let barrier = Barrier::new(THREADS);
    thread::scope(|scope| {
        let mut threads = Vec::with_capacity(THREADS);
        for number in 0..THREADS {
            let (barrier, request) = (&barrier, request_of(number));
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

/// A new resource and its path.
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
fn of_many_who_take_a_name_at_once_one_gets_it() {
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
fn patches_at_once_are_all_carried_out() {
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
fn of_many_writes_for_one_version_one_succeeds() {
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
fn of_many_deletes_at_once_one_succeeds() {
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
fn a_member_deleted_while_it_is_added_is_in_no_group() {
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
