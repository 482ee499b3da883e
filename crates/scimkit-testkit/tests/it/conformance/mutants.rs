//! Servers that break one requirement each, and are detected.

use bytes::Bytes;
use http::{
    HeaderName, Method, Request, Response, StatusCode,
    header::{ETAG, IF_MATCH, IF_NONE_MATCH, LOCATION, WWW_AUTHENTICATE},
};
use scimkit_registry::Tolerance;
use scimkit_server::Server;
use scimkit_store::BoxFuture;
use scimkit_testkit::{
    conformance::{self, ConformanceCheck, RequirementVerdict},
    replay::{HttpTarget, TransportError},
};
use serde_json::{Value, json};

use crate::servers::{STORES, TOKEN, server};

/// Changes a request before the server sees it.
type Hear = fn(&mut Request<Bytes>);
/// Changes the response to that method, path and query.
type Say = fn(&Method, &str, &mut Response<Bytes>);

const ALL_EARS: Hear = |_| {};
const AS_IT_IS: Say = |_, _, _| {};

/// The fault, and the requirement that it breaks.
const MUTANTS: &[(&str, &str, Hear, Say)] = &[
    (
        "attributes are ignored",
        "7644-3.9-02",
        |r| forget(r, "attributes"),
        AS_IT_IS,
    ),
    (
        "exclusions are ignored",
        "7644-3.9-03",
        |r| forget(r, "excludedAttributes"),
        AS_IT_IS,
    ),
    (
        "filters are ignored",
        "7644-3.4.2.2-02",
        |r| forget(r, "filter"),
        AS_IT_IS,
    ),
    (
        "the count is ignored",
        "7644-3.4.2.4-03",
        |r| forget(r, "count"),
        AS_IT_IS,
    ),
    (
        "the start is ignored",
        "7644-3.4.2.4-05",
        |r| forget(r, "startIndex"),
        AS_IT_IS,
    ),
    (
        "the order is ignored",
        "7644-3.4.2.3-05",
        |r| forget(r, "sortOrder"),
        AS_IT_IS,
    ),
    (
        "sorting is ignored",
        "7644-3.4.2.3-04",
        |r| forget(r, "sortBy"),
        AS_IT_IS,
    ),
    (
        "If-Match is ignored",
        "7644-3.14-05",
        |r| drop_header(r, &IF_MATCH),
        AS_IT_IS,
    ),
    (
        "If-None-Match is ignored",
        "7644-3.14-04",
        |r| drop_header(r, &IF_NONE_MATCH),
        AS_IT_IS,
    ),
    (
        "only the first operation is done",
        "7644-3.5.2-16",
        first_operation,
        AS_IT_IS,
    ),
    (
        "a POST keeps duplicates",
        "7643-2.4-04",
        |r| tell_apart(r, &Method::POST, ""),
        AS_IT_IS,
    ),
    (
        "a PUT keeps duplicates",
        "7643-2.4-04",
        |r| tell_apart(r, &Method::PUT, ""),
        AS_IT_IS,
    ),
    (
        "an add keeps duplicates",
        "7643-2.4-04",
        |r| tell_apart(r, &Method::PATCH, "add"),
        AS_IT_IS,
    ),
    (
        "a replace keeps duplicates",
        "7643-2.4-04",
        |r| tell_apart(r, &Method::PATCH, "replace"),
        AS_IT_IS,
    ),
    (
        "nothing is deleted",
        "7644-3.6-02",
        delete_nothing,
        deleted_nothing,
    ),
    ("created is 200", "7644-3.3-04", ALL_EARS, |_, _, a| {
        swap(a, 201, 200)
    }),
    ("a conflict is 400", "7644-3.3-07", ALL_EARS, |_, _, a| {
        swap(a, 409, 400)
    }),
    (
        "no match is 404",
        "7644-3.4.2-07",
        ALL_EARS,
        |_, path, a| {
            if path.contains("nobody") {
                swap(a, 200, 404);
            }
        },
    ),
    (
        "a filter on discovery is 200",
        "7644-4-05",
        ALL_EARS,
        |_, _, a| swap(a, 403, 200),
    ),
    ("Location is missing", "7644-3.3-06", ALL_EARS, |_, _, a| {
        a.headers_mut().remove(LOCATION);
    }),
    ("ETag is missing", "7644-3.14-02", ALL_EARS, |_, _, a| {
        a.headers_mut().remove(ETAG);
    }),
    (
        "nobody learns how to get in",
        "7644-2-01",
        ALL_EARS,
        |_, _, a| {
            a.headers_mut().remove(WWW_AUTHENTICATE);
        },
    ),
    (
        "the status is a number",
        "7644-3.12-02",
        ALL_EARS,
        |_, _, a| {
            let status = a.status().as_u16();
            edit(a, |body| set(body, "status", json!(status)));
        },
    ),
    (
        "a list says no schema",
        "7644-3.4.2-03",
        ALL_EARS,
        |_, _, a| {
            edit(a, |body| {
                if body.get("totalResults").is_some() {
                    body["schemas"] = json!([]);
                }
            });
        },
    ),
    (
        "the total is that of the page",
        "7644-3.4.2.4-07",
        ALL_EARS,
        |_, _, a| {
            edit(a, |body| {
                let page = body["itemsPerPage"].clone();
                set(body, "totalResults", page);
            });
        },
    ),
    (
        "the size of the page is what was asked",
        "7644-3.4.2.4-06",
        ALL_EARS,
        |_, _, a| {
            edit(a, |body| set(body, "itemsPerPage", json!(100)));
        },
    ),
    (
        "every answer is a new modification",
        "7644-3.5.2.1-08",
        ALL_EARS,
        |method, _, a| {
            let at = if method == Method::GET {
                "2001-01-01T00:00:00Z"
            } else {
                "2002-01-01T00:00:00Z"
            };
            let ticks = uuid::Uuid::new_v4();
            edit(a, |body| {
                if let Some(meta) = body.get_mut("meta") {
                    set(meta, "lastModified", json!(format!("{at}{ticks}")));
                }
            });
        },
    ),
    (
        "a password is shown",
        "7643-4.1.1-12",
        ALL_EARS,
        |method, _, a| {
            if method == Method::POST {
                edit(a, |body| body["password"] = json!("*****"));
            }
        },
    ),
    (
        "an externalId is made up",
        "7643-3.1-08",
        ALL_EARS,
        |_, _, a| {
            edit(a, |body| {
                let id = body["id"].clone();
                body["externalId"] = id;
            });
        },
    ),
    (
        "everything is application/json",
        "7644-8.1-01",
        ALL_EARS,
        |_, _, a| {
            let plain = http::HeaderValue::from_static("application/json");
            a.headers_mut().insert("content-type", plain);
        },
    ),
    (
        "discovery says no types",
        "7644-4-07",
        ALL_EARS,
        |_, path, a| {
            if path.starts_with("/Schemas") {
                edit(a, |body| body["Resources"][0]["meta"] = json!({}));
            }
        },
    ),
    (
        "cursors are ignored",
        "9865-2-01",
        |r| forget(r, "cursor"),
        AS_IT_IS,
    ),
    (
        "a bulk request goes on after failures",
        "7644-3.7-12",
        |r| bulk(r, |body| drop(body.remove("failOnErrors"))),
        AS_IT_IS,
    ),
    (
        "a bulk request ends with the first failure",
        "7644-3.7-11",
        |r| bulk(r, |body| drop(body.insert("failOnErrors".into(), json!(1)))),
        AS_IT_IS,
    ),
    (
        "references of a bulk request stay text",
        "7644-3.7.2-01",
        |r| {
            let text = String::from_utf8_lossy(r.body()).replace("bulkId:", "bulkid-");
            *r.body_mut() = text.into();
        },
        AS_IT_IS,
    ),
    (
        "results of a bulk request lack their bulkId",
        "7644-3.7-14",
        ALL_EARS,
        |_, path, a| {
            if path == "/Bulk" {
                edit(a, |body| {
                    for result in body["Operations"].as_array_mut().unwrap() {
                        result.as_object_mut().unwrap().remove("bulkId");
                    }
                });
            }
        },
    ),
];

/// A server that deviates in one way.
struct Mutant(Server, Hear, Say);

impl HttpTarget for Mutant {
    fn send(
        &self,
        mut request: Request<Bytes>,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        Box::pin(async move {
            let method = request.method().clone();
            let path = request.uri().to_string();
            (self.1)(&mut request);
            let mut answer = self.0.send(request).await?;
            (self.2)(&method, &path, &mut answer);
            Ok(answer)
        })
    }
}

#[tokio::test]
async fn each_broken_requirement_is_found() {
    let mut missed = Vec::new();
    for (what, id, hear, say) in MUTANTS {
        let mutant = Mutant(server(STORES[0].1(), Tolerance::DEFAULT), *hear, *say);
        let mut cases = conformance::cases().unwrap();
        cases.retain(|case| case.proves.iter().any(|proven| proven == id));
        let check = ConformanceCheck::new(&mutant)
            .with_token(TOKEN)
            .with_cases(cases);
        let report = check.run().await.unwrap();
        let of = |outcome: &&conformance::RequirementResult| outcome.requirement.id == *id;
        let outcome = report.outcomes.iter().find(of).unwrap();
        if !matches!(outcome.verdict, RequirementVerdict::Failed(_)) {
            missed.push(format!("{what}: {outcome}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

/// Removes a parameter from the query.
fn forget(request: &mut Request<Bytes>, name: &str) {
    let uri = request.uri().to_string();
    if let Some((path, query)) = uri.split_once('?') {
        let other = |part: &&str| part.split('=').next() != Some(name);
        let kept: Vec<_> = query.split('&').filter(other).collect();
        *request.uri_mut() = format!("{path}?{}", kept.join("&")).parse().unwrap();
    }
}

fn drop_header(request: &mut Request<Bytes>, name: &HeaderName) {
    request.headers_mut().remove(name);
}

fn first_operation(request: &mut Request<Bytes>) {
    if request.method() == Method::PATCH {
        let mut body: Value = serde_json::from_slice(request.body()).unwrap();
        body["Operations"].as_array_mut().unwrap().truncate(1);
        *request.body_mut() = body.to_string().into();
    }
}

/// Gives the last e-mail of a body another type, so that it is not a duplicate; of a PATCH, if it has that operation.
fn tell_apart(request: &mut Request<Bytes>, method: &Method, op: &str) {
    let Ok(mut body) = serde_json::from_slice::<Value>(request.body()) else {
        return;
    };
    let emails = match body.pointer("/Operations/0/op") {
        Some(found) if found == op => body.pointer_mut("/Operations/0/value"),
        Some(_) => None,
        None => body.get_mut("emails"),
    };
    let last = emails
        .and_then(Value::as_array_mut)
        .and_then(|all| all.last_mut());
    if let Some(email) = last.filter(|_| request.method() == *method) {
        email["type"] = json!("other");
        *request.body_mut() = body.to_string().into();
    }
}

fn bulk(request: &mut Request<Bytes>, change: fn(&mut serde_json::Map<String, Value>)) {
    if request.uri().path() == "/Bulk" {
        let mut body: Value = serde_json::from_slice(request.body()).unwrap();
        change(body.as_object_mut().unwrap());
        *request.body_mut() = body.to_string().into();
    }
}

fn delete_nothing(request: &mut Request<Bytes>) {
    if request.method() == Method::DELETE {
        *request.method_mut() = Method::GET;
    }
}

fn deleted_nothing(method: &Method, _: &str, answer: &mut Response<Bytes>) {
    if method == Method::DELETE {
        *answer.status_mut() = StatusCode::NO_CONTENT;
        *answer.body_mut() = Bytes::new();
    }
}

fn swap(answer: &mut Response<Bytes>, from: u16, to: u16) {
    if answer.status().as_u16() == from {
        *answer.status_mut() = StatusCode::from_u16(to).unwrap();
    }
}

fn edit(answer: &mut Response<Bytes>, change: impl FnOnce(&mut Value)) {
    if let Ok(mut body @ Value::Object(_)) = serde_json::from_slice(answer.body()) {
        change(&mut body);
        *answer.body_mut() = body.to_string().into();
    }
}

/// Sets an existing member.
fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(member) = object.get_mut(name) {
        *member = value;
    }
}
