//! What redaction preserves and what it replaces, in single exchanges.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use proptest::prelude::*;
use scimkit_store::BoxFuture;
use scimkit_testkit::{
    record::{RecordedBody, Recorder, RecordingLimits},
    replay::{HttpTarget, Replay, Scenario, TransportError},
};
use serde_json::{Map, Value, json};
use tower_layer::Layer;
use tower_service::Service;

/// Reads each request, and responds to all of them in the same way.
#[derive(Clone)]
struct Constant(u16, Bytes);

impl Service<Request<RecordedBody<Full<Bytes>>>> for Constant {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RecordedBody<Full<Bytes>>>) -> Self::Future {
        let Constant(status, answer) = self.clone();
        Box::pin(async move {
            let _ = request.into_body().collect().await?;
            let answer = Response::builder().status(status).body(Full::new(answer));
            Ok(answer.unwrap())
        })
    }
}

impl HttpTarget for Constant {
    fn send(&self, _: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        let answer = Response::builder().status(self.0).body(self.1.clone());
        let answer: Ready<Result<_, TransportError>> = ready(Ok(answer.unwrap()));
        Box::pin(answer)
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future)
}

/// Passes these requests through a recorder, and returns the recording.
fn recorded(
    recorder: &Recorder,
    service: Constant,
    requests: Vec<Request<Full<Bytes>>>,
) -> Scenario {
    let mut service = recorder.layer(service);
    for request in requests {
        let answer = wait(service.call(request)).unwrap();
        let _ = wait(answer.into_body().collect()).unwrap();
    }
    recorder.scenario()
}

fn request(method: &str, target: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let request = Request::builder().method(method).uri(target);
    request.body(Full::new(body.into())).unwrap()
}

/// Returns the only recorded step of a request. A replay must know its placeholders.
fn step(method: &str, target: &str, body: impl Into<Bytes>) -> Value {
    let service = Constant(204, Bytes::new());
    let requests = vec![request(method, target, body)];
    let scenario = recorded(&Recorder::new("a", "b"), service.clone(), requests);
    let report = wait(Replay::new(&service).run(std::slice::from_ref(&scenario)));
    assert!(report.holds(), "{report:#}");
    let scenario: Value = serde_json::from_str(&scenario.to_json()).unwrap();
    scenario["steps"][0]["request"].clone()
}

#[test]
fn paths_and_filters_keep_their_spelling() {
    let table = [
        ("/Users/2819c223", "/Users/anon1-{{run}}"),
        (
            "/Users/42?count=5&startIndex=1",
            "/Users/11?count=5&startIndex=1",
        ),
        (
            "/Users?filter=userName%20Eq+%22BJensen%40corp.example%22",
            "/Users?filter=userName%20Eq+%22ANon1-{{run}}%40anon1.example%22",
        ),
        (
            "/Users?filter=emails%5btype+eq+%22work%22+and+value+co+%22@corp%22%5d",
            "/Users?filter=emails%5btype+eq+%22work%22+and+value+co+%22@anon1.example%22%5d",
        ),
        (
            "/Users?filter=userName%20eq%20%22o'br%5C%22ien%22&attributes=userName,%20emails.value",
            "/Users?filter=userName%20eq%20%22anon1-{{run}}%27anon2%5C%22anon3%22&attributes=userName,%20emails.value",
        ),
        (
            "/Users?filter=userName+eq+bjensen",
            "/Users?filter=userName+eq+anon1-{{run}}",
        ),
        (
            "/Users?filter=userName+eq+%22b.jensen%40corp.com%22+and+babs",
            "/Users?filter=userName+eq+%22anon1-{{run}}.anon2%40anon1.example%22+and+anon3-{{run}}",
        ),
        (
            "/Users?access_token=x&sortOrder=descending",
            "/Users?anon1-{{run}}_anon2=anon3-{{run}}&sortOrder=descending",
        ),
        ("/Users?filter=a+eq+%ff", "/Users?filter=%FF"),
        (
            "/Users?filter=meta.lastModified+gt+%222024-05-06T07:08:09.123Z%22",
            "/Users?filter=meta.lastModified+gt+%222001-01-02T00%3A00%3A00.000Z%22",
        ),
        (
            "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User",
            "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User",
        ),
    ];
    for (sent, expected) in table {
        assert_eq!(step("GET", sent, "")["path"], expected, "{sent}");
    }
}

#[test]
fn operations_keep_their_grammar() {
    let patch = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
    let keyed = r#"emails[type eq "home" and value eq "B@x"].primary"#;
    let body = json!({"schemas": [patch], "Operations": [
        {"op": "Replace", "path": r#"emails[type eq "work"].value"#, "value": "b.jensen@corp.example"},
        {"op": "remove", "path": r#"members[value eq "2819c223-7f76-453a-919d-413861904646"]"#},
        {"op": "add", "value": {"active": "False", "name.givenName": "Babs"}},
        {"op": "add", "value": {keyed: true}},
        {"op": "poke", "path": "@babs", "value": [{"type": "Babs"}, 70, null, 10.55]},
    ]});
    let keyed = r#"emails[type eq "home" and value eq "Anon1-{{run}}@anon2.example"].primary"#;
    let expected = json!({"schemas": [patch], "Operations": [
        {"op": "Replace", "path": r#"emails[type eq "work"].value"#,
         "value": "anon1-{{run}}.anon2@anon1.example"},
        {"op": "remove", "path": r#"members[value eq "abcdef00-0001-4000-8000-0000{{run}}"]"#},
        {"op": "add", "value": {"active": "False", "name.givenName": "Anon3-{{run}}"}},
        {"op": "add", "value": {keyed: true}},
        {"op": "anon4-{{run}}", "path": "@anon3-{{run}}",
         "value": [{"type": "Anon3-{{run}}"}, 11, null, 12.13]},
    ]});
    assert_eq!(
        step("PATCH", "/Users/1", body.to_string())["body"],
        expected
    );
}

#[test]
fn numbers_are_anonymised() {
    let secrets = ["701984", "12345678", "90210", "80.75"];
    let filter =
        "/Users?filter=employeeNumber%20eq%20701984%20and%20(title%20lt%20-80.75)&count=25";
    let body = r#"{"employeeNumber": 701984, "password": 12345678, "zip": [90210, 80.75]}"#;
    let sent = step("POST", filter, body.to_owned());
    for secret in secrets {
        assert!(!sent.to_string().contains(secret), "{secret} in {sent}");
    }
    let path = "/Users?filter=employeeNumber%20eq%20100001%20and%20(title%20lt%20-11.12)&count=25";
    assert_eq!(sent["path"], path);
    assert_eq!(sent["body"]["employeeNumber"], 100_001);
    let search = r#"{"filter": "active eq true", "count": 25, "startIndex": 101}"#;
    let sent = step("POST", "/Users/.search", search.to_owned());
    assert_eq!(
        (&sent["body"]["count"], &sent["body"]["startIndex"]),
        (&json!(25), &json!(101))
    );
}

#[test]
fn invalid_json_is_redacted_as_text() {
    let table: [(&[u8], Value); 6] = [
        (
            br#"{"userName": "bjensen"#,
            json!(r#"{"aNon1-{{run}}": "anon2"#),
        ),
        (
            b"userName=bjensen&x=1",
            json!("aNon1-{{run}}=anon2&anon3=2"),
        ),
        (
            br#"{"title":"bjensen","title":"bjensen"}"#,
            json!(r#"{"title":"anon1-{{run}}","title":"anon1-{{run}}"}"#),
        ),
        (
            b"{{bjensen}} {{{{guid:x}}}}",
            json!("{(anon1-{{run}}}) {(((anon2:anon3})))"),
        ),
        ("Müller MÜLLER".as_bytes(), json!("Ånon1-{{run}} ÅNON1")),
        (
            b"https://host.corp:8443/scim/v2/Users/bj?x=y",
            json!("https://anon1.example/scim/v2/Users/anon1-{{run}}?anon2=anon3"),
        ),
    ];
    for (body, expected) in table {
        let sent = step("POST", "/Users", body.to_vec());
        assert_eq!(
            sent["raw_body"],
            expected,
            "{}",
            String::from_utf8_lossy(body)
        );
    }
    let deep = "[".repeat(100_000) + "\"bjensen\"" + &"]".repeat(100_000);
    assert!(!step("POST", "/Users", deep).to_string().contains("bjensen"));
    let mut nested = json!("bjensen");
    for _ in 0..6 {
        for _ in 0..100 {
            nested = json!([nested]);
        }
        nested = json!(nested.to_string());
    }
    let nested = json!([nested]).to_string();
    assert!(
        !step("POST", "/Users", nested)
            .to_string()
            .contains("bjensen")
    );
    let sent = step("POST", "/Users", r#"{"password": "t1ger! $"}"#);
    assert_eq!(sent["body"]["password"], "anon1-{{run}}");
    let inside = json!({"roles": json!([{"value": "bjensen"}]).to_string()}).to_string();
    let sent = step("POST", "/Users", inside);
    assert_eq!(sent["body"]["roles"], r#"[{"value":"anon1-{{run}}"}]"#);
}

/// Returns the bytes that a replay of the only step sends.
fn replayed(scenario: &Scenario) -> Bytes {
    #[derive(Default)]
    struct Keeps(std::sync::Mutex<Bytes>);
    impl HttpTarget for Keeps {
        fn send(
            &self,
            request: Request<Bytes>,
        ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
            if !request.body().is_empty() {
                *self.0.lock().unwrap() = request.into_body();
            }
            let answer = Response::builder().status(204).body(Bytes::new());
            Box::pin(ready(Ok(answer.unwrap())))
        }
    }
    let target = Keeps::default();
    let report = wait(Replay::new(&target).run(std::slice::from_ref(scenario)));
    assert!(report.holds(), "{report:#}");
    target.0.into_inner().unwrap()
}

#[test]
fn byte_order_mark_and_other_charsets_replay_as_such() {
    let record = |body: &[u8]| {
        let requests = vec![request("POST", "/Users", body.to_vec())];
        let service = Constant(204, Bytes::new());
        let scenario = recorded(&Recorder::new("a", "b"), service, requests);
        assert!(
            !scenario.to_json().contains("ensen"),
            "{}",
            scenario.to_json()
        );
        let again = Scenario::from_json(&scenario.to_json()).unwrap();
        replayed(&again)
    };
    let marked = record("\u{feff}{\"userName\": \"bjensen\"}".as_bytes());
    let json = marked.strip_prefix(b"\xef\xbb\xbf").unwrap();
    let json: Value = serde_json::from_slice(json).unwrap();
    assert!(json["userName"].as_str().unwrap().starts_with("anon1-"));
    for body in [
        &b"{\"userName\": \"bj\xf8rn.jensen\"}"[..],
        b"\xff\xfe bjensen",
        b"{\"title\": \"jensen\"}\xa0",
    ] {
        let sent = record(body);
        assert!(std::str::from_utf8(&sent).is_err(), "{sent:?}");
        let ascii: String = sent
            .iter()
            .filter(|b| b.is_ascii())
            .map(|b| char::from(*b))
            .collect();
        assert_eq!(ascii.starts_with('{'), body.starts_with(b"{"), "{sent:?}");
    }
}

#[test]
fn base_url_without_a_slash_replays_as_such() {
    for target in ["/scim/v2", "/scim/v2?startIndex=1"] {
        let recorder = Recorder::new("a", "b").with_prefix("/scim/v2");
        let requests = vec![request("GET", target, "")];
        let scenario = recorded(&recorder, Constant(204, Bytes::new()), requests);
        let path = target.strip_prefix("/scim/v2").unwrap();
        assert_eq!(scenario.steps[0].request.path, path);
        let service = Constant(204, Bytes::new());
        let report = wait(Replay::new(&service).run(std::slice::from_ref(&scenario)));
        assert!(report.holds(), "{report:#}");
    }
}

#[test]
fn unknown_version_becomes_an_unreal_one() {
    for tag in ["\"3\"", "W/\"17\"", "3", "W/\"3\", 42"] {
        let mut sent = request("PUT", "/Users/1", "{}");
        sent.headers_mut().insert("If-Match", tag.parse().unwrap());
        let scenario = recorded(
            &Recorder::new("a", "b"),
            Constant(412, Bytes::new()),
            vec![sent],
        );
        let shown = &scenario.steps[0].request.headers["If-Match"];
        let numbers = shown.split(|c: char| !c.is_alphanumeric());
        assert!(
            numbers.into_iter().all(|word| word.parse::<u64>().is_err()),
            "{shown}"
        );
        assert_eq!(shown.contains('"'), tag.contains('"'), "{shown}");
    }
}

#[test]
fn protocol_words_are_kept_only_in_their_place() {
    let search = json!({"count": "bjensen", "startIndex": {"x": "bjensen"}, "filter": "bjensen pr",
        "attributes": ["bjensen", "userName"], "sortBy": "bjensen"});
    let patch = json!({"failOnErrors": "bjensen", "schemas": ["urn:ietf:params:scim:schemas:bjensen"],
        "Operations": [{"op": "bjensen", "path": "bjensen.jensen", "value": [{"type": "bjensen"}]}]});
    let user = json!({"locale": "jen", "preferredLanguage": "xx-Jensen", "bjensen": true,
        "urn:ietf:params:scim:schemas:extension:bjensen:2.0:User": {"jensen": 1},
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Bjensen", "urn:jensen:x"],
        "emails": [{"type": "jensen", "value": "urn:ietf:params:scim:bjensen"}]});
    for (method, target, body) in [
        ("POST", "/Users/.search", search),
        ("PATCH", "/Users/1", patch.clone()),
        ("POST", "/Bulk", patch),
        ("POST", "/Users", user),
        (
            "BJENSEN",
            "/Users?count=bjensen&bjensen=1&attributes=bjensen",
            json!({}),
        ),
    ] {
        let service = Constant(400, Bytes::new());
        let scenario = recorded(
            &Recorder::new("a", "b"),
            service,
            vec![request(method, target, body.to_string())],
        );
        let text = scenario.to_json();
        assert!(
            !text.to_lowercase().contains("jen"),
            "{method} {target}: {text}"
        );
    }
}

#[test]
fn language_tags_and_known_names_stay() {
    let user = json!({"locale": "en-US", "preferredLanguage": "de", "name": {"givenName": "x"},
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"]});
    let sent = step("POST", "/Users", user.to_string());
    assert_eq!(sent["body"]["locale"], "en-US");
    assert_eq!(sent["body"]["preferredLanguage"], "de");
    assert_eq!(sent["body"]["schemas"], user["schemas"]);
}

#[test]
fn only_negotiation_headers_are_recorded() {
    let mut sent = request("POST", "/Users", "{}");
    for (name, value) in [
        ("Authorization", "Bearer top-secret"),
        ("Cookie", "session=top-secret"),
        (
            "Content-Type",
            "application/scim+json; charset=utf-8; x=top-secret",
        ),
        ("If-Match", "W/\"top-secret\", \"b\""),
        ("X-Forwarded-For", "203.0.113.7"),
    ] {
        sent.headers_mut().insert(name, value.parse().unwrap());
    }
    let answer = Bytes::from_static(br#"{"detail": "no top-secret", "token": "top-secret"}"#);
    let scenario = recorded(&Recorder::new("a", "b"), Constant(401, answer), vec![sent]);
    let text = scenario.to_json();
    assert!(!text.contains("secret") && !text.contains("203"), "{text}");
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["requires"], json!(["auth"]));
    let step = &document["steps"][0];
    assert_eq!(
        (&step["auth"], &step["expect"]),
        (&json!("bad"), &json!({"status": 401}))
    );
    let headers = json!({
        "Content-Type": "application/scim+json; charset=utf-8; x=anon1-{{run}}-anon2-{{run}}",
        "If-Match": "W/\"anon3-{{run}}\", \"anon4-{{run}}\"",
    });
    assert_eq!(step["request"]["headers"], headers);
}

#[test]
fn exchanges_over_a_limit_are_left_out_and_counted() {
    let mut limits = RecordingLimits::default();
    (limits.body, limits.steps) = (10, 3);
    let recorder = Recorder::new("a", "b")
        .with_limits(limits)
        .with_prefix("/scim/");
    let requests = vec![
        request("POST", "/scim/Users", "[1,2,3,4,5,6]"),
        request("GET", "/scimmer", ""),
        request("GET", "/scim", ""),
        request("GET", "/scim/Users", ""),
        request("GET", "/scim/Groups", ""),
    ];
    let answer = Bytes::from_static(b"{\"schemas\": [\"urn:x\"]}");
    let scenario = recorded(&recorder, Constant(200, answer), requests);
    let paths: Vec<_> = scenario
        .steps
        .iter()
        .map(|step| step.request.path.as_str())
        .collect();
    assert_eq!(paths, ["", "/Users"]);
    assert!(
        scenario
            .steps
            .iter()
            .all(|step| step.expect.body_subset.is_none())
    );
    let expected = BTreeMap::from([
        ("beyond the limit on exchanges", 1),
        ("with a longer body than is recorded", 1),
    ]);
    assert_eq!(recorder.left_out(), expected);
    assert!(
        scenario
            .quirk
            .contains("; left out: 1 beyond the limit on exchanges"),
        "{}",
        scenario.quirk
    );
}

#[test]
fn recording_is_saved_in_the_given_folder() {
    let folder = std::env::temp_dir().join(format!("scimkit-{}", uuid::Uuid::new_v4()));
    let recorder = Recorder::new("entra", "../first sync");
    assert_eq!(recorder.save(&folder).unwrap(), None);
    assert!(!folder.exists());
    let requests = vec![request("GET", "/Users", "")];
    recorded(&recorder, Constant(204, Bytes::new()), requests);
    // The earlier recording is not lost.
    for name in ["entra----first-sync.json", "entra----first-sync-2.json"] {
        let file = recorder.save(&folder).unwrap().unwrap();
        assert_eq!(file, folder.join(name));
        assert_eq!(Scenario::load(&file).unwrap().len(), 1);
    }
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(recorder.save(std::path::Path::new("/dev/null/x")).is_err());
}

/// Texts that carry information, in many forms.
fn secret() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{4,9}",
        "[A-Z]{4,9}",
        "[A-Z][a-z]{3,8}",
        "[a-z]{2,5}[A-Z]{2,5}",
        "[a-z]{4,6}\\.[a-z]{4,6}@[a-z]{4,6}\\.(org|net)",
        "\\+[1-9][0-9]{6,12}",
        "[1-9][0-9]{5,8}",
        "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}",
        "https://[a-z]{4,6}\\.corp/[a-z]{4,6}",
        "[A-Za-z]{4,6} [A-Za-zäöüß]{4,6}('[a-z]{4})?",
        "\\{\\{[a-z]{4,6}\\}\\}",
        "[a-z]{4,6}[ \\-_.,;:+&%#\"\\\\/<>\t]{1,2}[a-z]{4,6}",
    ]
}

const NAMES: [&str; 6] = [
    "userName",
    "emails",
    "value",
    "display",
    "costCenter",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
];

fn body() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<i32>().prop_map(Value::from),
        4 => secret().prop_map(Value::from),
    ];
    let inner = leaf.prop_recursive(4, 40, 5, |inner| {
        let members =
            prop::collection::btree_map(prop::sample::select(&NAMES[..]), inner.clone(), 0..5);
        prop_oneof![
            prop::collection::vec(inner, 0..5).prop_map(Value::from),
            members.prop_map(|members| {
                let members = members
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value));
                Value::Object(members.collect::<Map<_, _>>())
            }),
        ]
    });
    prop::collection::vec(inner, 1..5).prop_map(|all| json!({ "userName": all }))
}

/// Walks two values of the same shape, and pairs their strings.
fn pair<'v>(one: &'v Value, other: &'v Value, pairs: &mut Vec<(&'v str, &'v str)>) {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            assert_eq!(one.len(), other.len());
            one.iter()
                .zip(other)
                .for_each(|(one, other)| pair(one, other, pairs));
        }
        (Value::Object(one), Value::Object(other)) => {
            assert!(one.keys().eq(other.keys()), "{one:?} {other:?}");
            one.values()
                .zip(other.values())
                .for_each(|(one, other)| pair(one, other, pairs));
        }
        (Value::String(one), Value::String(other)) => pairs.push((one, other)),
        (Value::Number(one), Value::Number(other)) => assert_eq!(one.is_i64(), other.is_i64()),
        _ => assert_eq!(one, other),
    }
}

/// Returns whether a text has small letters and capitals.
fn case_of(text: &str) -> (bool, bool) {
    let letters = text.replace("{{run}}", "");
    (
        letters.chars().any(char::is_lowercase),
        letters.chars().any(char::is_uppercase),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn equal_originals_become_equal_and_anonymous(body in body()) {
        let sent = step("POST", "/Users", body.to_string());
        let text = sent.to_string();
        let redacted = &sent["body"];
        let mut pairs = Vec::new();
        pair(&body, redacted, &mut pairs);
        let (mut there, mut back) = (BTreeMap::new(), BTreeMap::new());
        for (original, shown) in pairs {
            prop_assert!(!text.contains(original), "`{}` in {}", original, text);
            prop_assert_eq!(*there.entry(original).or_insert(shown), shown);
            prop_assert_eq!(*back.entry(shown).or_insert(original), original);
            let cased = original.chars().all(|c| c.is_alphabetic());
            prop_assert!(!cased || case_of(original) == case_of(shown), "{} {}", original, shown);
        }
    }
}

#[test]
fn scenario_can_not_leave_the_base_path_or_name_a_host() {
    let service = Constant(204, Bytes::new());
    let run = |path: &str, headers: Value| {
        let step = json!({"request": {"method": "GET", "path": path, "headers": headers}, "expect": {"status": 204}});
        let scenario = json!({"idp": "a", "scenario": "b", "steps": [step]}).to_string();
        let scenario = Scenario::from_json(&scenario).unwrap();
        wait(Replay::new(&service).run(&[scenario])).holds()
    };
    for path in [
        "/../admin",
        "/Users/../../x",
        "/%2e%2e/x",
        "/Users/..%2f..%2fx",
        "/..\\x",
        "x",
        "@evil.example",
    ] {
        assert!(!run(path, json!({})), "{path}");
    }
    for path in [
        "",
        "?count=1",
        "/Users/..",
        "/Users/../Groups",
        "/Users/a..b",
        "//Users",
    ] {
        assert!(run(path, json!({})), "{path}");
    }
    assert!(!run("/Users", json!({"hOst": "evil.example"})));
}
