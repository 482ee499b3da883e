//! The replay itself, against a target that only records its requests.

use std::sync::Mutex;

use bytes::Bytes;
use http::{Request, Response};
use scimkit_store::BoxFuture;
use scimkit_testkit::replay::{
    Failure, HttpTarget, Mode, Replay, ReplayReport, Scenario, ScenarioVerdict, TransportError,
};
use serde_json::{Value, json};

/// Records requests and answers them with a function.
struct Record<F> {
    answer: F,
    seen: Mutex<Vec<Request<Bytes>>>,
}

impl<F: Fn(&Request<Bytes>) -> Response<Bytes> + Send + Sync> HttpTarget for Record<F> {
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        if request.uri().path() == "/broken" {
            return Box::pin(async { Err("the line is dead".into()) });
        }
        let answer = (self.answer)(&request);
        self.seen.lock().unwrap().push(request);
        Box::pin(async move { Ok(answer) })
    }
}

/// Returns two schemas, resources with ids that need encoding, and echoes.
fn answer(request: &Request<Bytes>) -> Response<Bytes> {
    let method = request.method().as_str();
    let path = request.uri().path();
    let sent: Value = serde_json::from_slice(request.body()).unwrap_or_default();
    let (status, body) = match (method, path) {
        ("GET", "/Schemas") => (200, json!({"Resources": [{"id": "urn:Known"}]})),
        ("GET", "/Users" | "/Groups") => (200, json!({"totalResults": 0})),
        ("POST", "/Users" | "/Users/") => (
            201,
            json!({"id": format!("{} /1", sent["userName"]), "name": sent}),
        ),
        ("POST", _) => (200, json!({"sent": sent})),
        ("DELETE", _) | ("PATCH", "/quiet") => (204, Value::Null),
        ("GET", "/text") => (200, json!("not JSON")),
        ("PATCH", "/bare") => (200, Value::Null),
        _ => (
            200,
            json!({"path": path, "at": {"urn:x:2.0:Y": {"list": [1, 2]}}, "none": []}),
        ),
    };
    let body = match body {
        Value::Null => String::new(),
        Value::String(text) => text,
        body => body.to_string(),
    };
    let builder = Response::builder().status(status).header("ETag", "W/\"7\"");
    builder
        .header("Content-Type", "application/scim+json")
        .body(body.into())
        .unwrap()
}

/// Returns the report on one scenario, and its requests.
async fn replay(document: Value) -> (ReplayReport, Vec<Request<Bytes>>) {
    let target = Record {
        answer,
        seen: Mutex::default(),
    };
    let scenario = Scenario::from_json(&document.to_string()).unwrap();
    let report = Replay::new(&target)
        .with_token("secret")
        .run(&[scenario])
        .await;
    let mut seen = target.seen.into_inner().unwrap();
    assert_eq!(seen.remove(0).uri(), "/Schemas");
    (report, seen)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the steps are written at each call"
)]
fn scenario(steps: Value) -> Value {
    json!({"idp": "none", "scenario": "made-up", "steps": steps})
}

/// Returns the only failure of a scenario with a single step.
async fn failure(step: Value) -> Failure {
    let (report, _) = replay(scenario(json!([step]))).await;
    assert!(!report.holds(), "{report}");
    let (_, failure) = report.failures().next().unwrap();
    failure.clone()
}

#[test]
fn former_key_of_proven_requirements_is_accepted() {
    let mut body = scenario(json!([]));
    body["ledger"] = json!(["7644-3.3-01"]);
    let read: Scenario = serde_json::from_value(body).unwrap();
    assert_eq!(read.proves, ["7644-3.3-01"]);
    let text = serde_json::to_value(&read).unwrap();
    assert_eq!(text["proves"], json!(["7644-3.3-01"]));
}

#[tokio::test]
async fn placeholders_are_replaced_everywhere() {
    let (report, seen) = replay(scenario(json!([
        {
            "request": {"method": "POST", "path": "/Users?x={{guid:a}}",
                        "body": {"userName": "{{run}}&", "{{guid:a}}": ["{{guid:a}}"]}},
            "expect": {"status": 201},
            "repeat": 2,
            "capture": {"u{{i}}.id": "$.id", "tag": "header:ETag"}
        },
        {
            "request": {"method": "PUT", "path": "/Users/{{u{{i}}.id}}",
                        "headers": {"If-Match": "{{tag}}"}, "raw_body": "{\"a\": {{ i }}}"},
            "expect": {"status": [200, 204], "body_subset": {"path": {"$re": "^/Users/.*{{run}}"}},
                       "headers": {"etag": "^W/.{{n}}.$"}, "count": {"$.at['urn:x:2.0:Y'].list": 2},
                       "absent": ["$.none", "$.gone", "$.at[0]"]},
            "repeat": 2
        }
    ])))
    .await;
    // Nothing was captured as `n`.
    let (name, failure) = report.failures().next().unwrap();
    assert_eq!((name, failure.step, failure.of), ("none/made-up", 2, 2));
    assert!(
        failure.reason.contains("no value captured for {{n}}"),
        "{failure}"
    );

    let sent: Value = serde_json::from_slice(seen[0].body()).unwrap();
    let run = sent["userName"]
        .as_str()
        .unwrap()
        .strip_suffix('&')
        .unwrap();
    assert_eq!(run.len(), 8);
    let guid = seen[0].uri().query().unwrap().strip_prefix("x=").unwrap();
    assert_eq!(sent[guid], json!([guid]));
    assert_eq!(seen[1].uri(), seen[0].uri());

    assert_eq!(
        seen[2].uri(),
        format!("/Users/%22{run}%26%22%20%2F1").as_str()
    );
    assert_eq!(seen[2].headers()["if-match"], "W/\"7\"");
    assert_eq!(seen[2].body(), "{\"a\": 1}");
}

#[tokio::test]
async fn created_resources_are_deleted_in_reverse_order() {
    let make = |name: &str| {
        json!({
            "request": {"method": "POST", "path": "/Users/?a", "body": {"userName": name}},
            "expect": {"status": 201}
        })
    };
    let fail = json!({"request": {"method": "GET", "path": "/x"}, "expect": {"status": 404}});
    let (report, seen) = replay(scenario(json!([make("a"), make("b"), fail]))).await;
    assert_eq!(report.failures().count(), 1);
    let deleted: Vec<_> = seen
        .iter()
        .skip(3)
        .map(|r| format!("{} {}", r.method(), r.uri()))
        .collect();
    assert_eq!(
        deleted,
        [
            "DELETE /Users/%22b%22%20%2F1",
            "DELETE /Users/%22a%22%20%2F1"
        ]
    );
}

#[tokio::test]
async fn each_step_sends_its_token() {
    let step = |auth: &str| json!({"request": {"method": "GET", "path": "/x"}, "expect": {"status": 200}, "auth": auth});
    let own = json!({
        "request": {"method": "GET", "path": "/x", "headers": {"authorization": "own"}},
        "expect": {"status": 200}
    });
    let steps = json!([step("token"), step("none"), step("bad"), own]);
    let (report, seen) = replay(scenario(steps)).await;
    assert!(report.holds(), "{report}");
    let sent: Vec<_> = seen
        .iter()
        .map(|r| {
            r.headers()
                .get("authorization")
                .map(|h| h.to_str().unwrap())
        })
        .collect();
    assert_eq!(
        (sent[0], sent[1], sent[3]),
        (Some("Bearer secret"), None, Some("own"))
    );
    assert!(sent[2].unwrap().starts_with("Bearer not-the-token-"));
}

#[tokio::test]
async fn missing_headers_are_added() {
    let (_, seen) = replay(scenario(json!([
        {"request": {"method": "POST", "path": "/x", "body": null}, "expect": {"status": 200}},
        {"request": {"method": "GET", "path": "/x", "headers": {"Accept": "*/*"}},
         "expect": {"status": 200}}
    ])))
    .await;
    assert_eq!(seen[0].body(), "null");
    assert_eq!(seen[0].headers()["content-type"], "application/scim+json");
    assert_eq!(seen[0].headers()["accept"], "application/scim+json");
    assert_eq!(seen[1].headers()["accept"], "*/*");
    assert!(!seen[1].headers().contains_key("content-type"));
}

#[tokio::test]
async fn unexpected_response_fails_its_step() {
    let step = |method: &str, path: &str, mut expect: Value| {
        expect["status"] = json!([200, 204]);
        json!({"request": {"method": method, "path": path}, "expect": expect})
    };
    let mut created = step("GET", "/x", json!({}));
    created["expect"]["status"] = json!(201);
    let text = json!({"request": {"method": "GET", "path": "/text"}, "expect": {"status": 204}});
    let mut nothing = step("GET", "/x", json!({}));
    nothing["capture"] = json!({"a": "$.none"});
    let cases = [
        (created, "status 200, expected 201; body {"),
        (text, "status 200, expected 204; body not JSON"),
        (nothing, "nothing to capture at $.none"),
        (
            step("GET", "/broken", json!({})),
            "no answer: the line is dead",
        ),
        (step("GET", "/not a path", json!({})), "is not a path"),
        (
            step("GET", "@elsewhere.example", json!({})),
            "does not begin with a slash",
        ),
        (
            step("GET", "/x", json!({"absent": ["$.path"]})),
            "$.path: expected absent, got \"/x\"",
        ),
        (
            step("GET", "/x", json!({"count": {"$.path": 2}})),
            "$.path: expected 2 elements, got 1",
        ),
        (
            step("GET", "/x", json!({"count": {"$.gone": 1}})),
            "$.gone: expected 1 elements, got 0",
        ),
        (
            step("GET", "/x", json!({"headers": {"etag": "8"}})),
            "header etag: `W/\"7\"` !~ /8/",
        ),
        (
            step("GET", "/x", json!({"headers": {"age": "."}})),
            "response header age is missing",
        ),
        (
            step("GET", "/x", json!({"body_subset": {"id": "1"}})),
            "$.id: missing",
        ),
        (
            step("PATCH", "/bare", json!({})),
            "PATCH 200 without the resource in the body",
        ),
    ];
    for (step, reason) in cases {
        let failure = failure(step).await;
        assert!(failure.reason.contains(reason), "{failure}");
        assert_eq!((failure.step, failure.of), (1, 1));
    }
}

#[tokio::test]
async fn body_is_not_checked_for_204() {
    let (report, _) = replay(scenario(json!([{
        "request": {"method": "PATCH", "path": "/quiet"},
        "expect": {"status": [200, 204], "body_subset": {"id": "1"}, "count": {"$.a": 1}}
    }])))
    .await;
    assert!(report.holds(), "{report}");
}

#[tokio::test]
async fn requirements_of_a_scenario_are_checked_first() {
    let step = json!([{"request": {"method": "GET", "path": "/x"}, "expect": {"status": 200}}]);
    let with = |name: &str, value: Value| {
        let mut scenario = scenario(step.clone());
        scenario[name] = value;
        scenario
    };
    for (scenario, passes) in [
        (with("requires_schema", json!(["URN:known"])), true),
        (
            with("requires_schema", json!(["urn:known", "urn:other"])),
            false,
        ),
        (with("requires", json!(["auth", "empty"])), true),
    ] {
        let (report, _) = replay(scenario).await;
        assert_eq!(report.holds(), passes, "{report}");
        let not_run = matches!(report.outcomes[0].verdict, ScenarioVerdict::NotRun(_));
        assert_eq!(not_run, !passes, "{report}");
    }

    let full = |_: &Request<Bytes>| Response::new(Bytes::from(r#"{"totalResults": 2}"#));
    let target = Record {
        answer: full,
        seen: Mutex::default(),
    };
    let empty = with("requires", json!(["empty"])).to_string();
    let auth = with("requires", json!(["auth"])).to_string();
    let scenarios = [empty, auth].map(|text| Scenario::from_json(&text).unwrap());
    let report = Replay::new(&target).run(&scenarios).await;
    let text = report.to_string();
    assert!(
        text.contains("FAIL none/made-up: step 1/1 GET /x: the directory must be empty"),
        "{text}"
    );
    assert!(text.contains("but contains /Users 2, /Groups 2"), "{text}");
    assert!(
        text.contains("not run none/made-up: it needs a token"),
        "{text}"
    );
    assert!(
        text.ends_with("1 not run, 0 of another mode; 0/1 steps passed before a first failure"),
        "{text}"
    );
}

#[tokio::test]
async fn only_selected_modes_are_run() {
    let target = Record {
        answer,
        seen: Mutex::default(),
    };
    let scenarios = ["both", "compat", "info", "rfc"].map(|mode| {
        let mut scenario = scenario(json!([]));
        scenario["mode"] = json!(mode);
        Scenario::from_json(&scenario.to_string()).unwrap()
    });
    let replay = Replay::new(&target);
    for (replay, skipped) in [
        (replay.clone(), [Mode::Info, Mode::Rfc]),
        (
            replay.with_modes([Mode::Both, Mode::Info]),
            [Mode::Compat, Mode::Rfc],
        ),
    ] {
        let report = replay.run(&scenarios).await;
        let other = |v: &ScenarioVerdict| matches!(v, ScenarioVerdict::OtherMode);
        let left_out = report
            .outcomes
            .iter()
            .filter(|o| other(&o.verdict))
            .map(|o| o.mode);
        assert_eq!(left_out.collect::<Vec<_>>(), skipped);
        assert!(report.holds(), "{report}");
    }
    assert!(
        !Replay::new(&target)
            .with_modes([])
            .run(&scenarios)
            .await
            .holds()
    );
}

#[tokio::test]
async fn odd_responses_cause_warnings() {
    let odd = |request: &Request<Bytes>| {
        let made = request.method() == "POST";
        let status = if made { 201 } else { 500 };
        Response::builder()
            .status(status)
            .body(Bytes::from(r#"{"id": "1"}"#))
            .unwrap()
    };
    let target = Record {
        answer: odd,
        seen: Mutex::default(),
    };
    let make = scenario(json!([
        {"request": {"method": "POST", "path": "/Users"}, "expect": {"status": 201}}
    ]));
    let scenario = Scenario::from_json(&make.to_string()).unwrap();
    let report = Replay::new(&target).run(&[scenario]).await;
    assert!(report.holds(), "{report}");
    let text = report.to_string();
    assert!(
        text.contains("warning, 1 times: the content type is not application/scim+json"),
        "{text}"
    );
    assert!(
        text.contains("warning, 1 times: a clean-up DELETE answered 500"),
        "{text}"
    );
}

#[test]
fn misspelled_expectation_is_rejected() {
    let step = json!({
        "request": {"method": "GET", "path": "/x"},
        "expect": {"status": 200, "body_subest": {}}
    });
    assert!(Scenario::from_json(&scenario(json!([step])).to_string()).is_err());
}
