//! The bodies of the fuzz targets: plain functions over bytes. The fuzzer calls them with generated inputs, and `cargo
//! test` with those in the corpus.
//!
//! Each function panics if a property does not hold, and ignores input that it can't read.
//!
//! ```
//! scimkit_testkit::fuzz::filter(br#"userName eq "bjensen""#);
//! scimkit_testkit::fuzz::http(b"GET /Users?count=1\n\n");
//! ```

mod archive;
mod grammar;
mod mapping;

use std::sync::{Arc, OnceLock};

use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use scimkit_core::message::PatchRequest;
use scimkit_filter::{Filter, ParseLimits, ParseOptions, Path};
use scimkit_patch::{CurrentState, Patch};
use scimkit_registry::{
    AttributeRole, Budget, Meter, Predicate, Registry, Resource, ResourceId, ResourceType,
    ResourceView, Tolerance,
};
use scimkit_server::{BearerTokens, Body, Server, Token};
use scimkit_store::{MemoryStore, Settings};
use serde_json::{Value, json};

pub use self::{archive::archive, grammar::nom, mapping::mapping};
use crate::contract::block_on;

/// The body of a fuzz target.
pub type Target = fn(&[u8]);

/// The targets, each with its name, which is also the folder of its corpus.
pub const TARGETS: [(&str, Target); 11] = [
    ("admit", admit),
    ("archive", archive),
    ("bulk", bulk),
    ("cursor", cursor),
    ("evaluate", evaluate),
    ("filter", filter),
    ("http", http),
    ("mapping", mapping),
    ("nom", nom),
    ("patch", patch),
    ("path", path),
];

/// Checks filter text: printing and parsing agree, limits hold, and a strict parser accepts no more than a lenient one.
///
/// # Panics
/// If a property does not hold.
pub fn filter(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let lenient = Filter::parse_with(text, &options(&Tolerance::DEFAULT));
    if let Ok(strict) = Filter::parse(text) {
        assert_eq!(Ok(&strict), lenient.as_ref(), "strict and lenient differ");
    }
    let Ok(filter) = lenient else { return };
    assert!(
        text.len() <= ParseLimits::default().length,
        "longer than the limit"
    );
    let printed = filter.to_string();
    let again = Filter::parse(&printed);
    assert_eq!(again.as_ref(), Ok(&filter), "printed as {printed}");
    assert_eq!(
        filter.into_owned().to_string(),
        printed,
        "owned prints otherwise"
    );
}

/// Checks PATCH path text: printing and parsing agree, and a path that can be bound can be bound again.
///
/// # Panics
/// If a property does not hold.
pub fn path(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for tolerance in [Tolerance::DEFAULT, Tolerance::STRICT] {
        let Ok(path) = Path::parse_with(text, &options(&tolerance)) else {
            continue;
        };
        let printed = path.to_string();
        assert_eq!(
            Path::parse(&printed).as_ref(),
            Ok(&path),
            "printed as {printed}"
        );
        for kind in registry().resource_types() {
            let bound = kind.bind_path(&path, &tolerance);
            assert_eq!(kind.bind_path(&path, &tolerance), bound, "bound otherwise");
        }
    }
}

/// Checks a filter in the first line with a resource in the rest: a filter and its negation exclude each other, and
/// binding does not depend on the spelling of the filter.
///
/// # Panics
/// If a property does not hold.
pub fn evaluate(data: &[u8]) {
    let Some((text, body)) = lines(data) else {
        return;
    };
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return;
    };
    let tolerance = Tolerance::DEFAULT;
    let Ok(filter) = Filter::parse_with(text, &options(&tolerance)) else {
        return;
    };
    for kind in registry().resource_types() {
        let Ok(predicate) = kind.bind_filter(&filter, &tolerance) else {
            continue;
        };
        let printed = filter.to_string();
        let spelled = Filter::parse(&printed).map(|f| kind.bind_filter(&f, &tolerance));
        assert_eq!(
            spelled.as_ref(),
            Ok(&Ok(predicate.clone())),
            "bound otherwise: {printed}"
        );
        let Ok(resource) = kind.admit(body.clone(), &tolerance) else {
            continue;
        };
        let meter = Meter::unlimited();
        let holds = kind.matches(&predicate, ResourceView::new(&resource), &meter);
        let not = Predicate::Not(Box::new(predicate));
        assert_ne!(
            holds,
            kind.matches(&not, ResourceView::new(&resource), &meter),
            "{not:?}"
        );
    }
}

/// Checks a resource body: admitting an admitted resource again does not change it.
///
/// # Panics
/// If the property does not hold.
pub fn admit(data: &[u8]) {
    let Ok(body) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    for kind in registry().resource_types() {
        for tolerance in [Tolerance::DEFAULT, Tolerance::STRICT] {
            if let Ok(resource) = kind.admit(body.clone(), &tolerance) {
                assert_admitted(kind, &resource);
            }
        }
    }
}

/// Checks a resource in the first line with a PATCH request in the rest: the result is a valid resource, and applying
/// the change twice equals applying it once.
///
/// # Panics
/// If a property does not hold.
pub fn patch(data: &[u8]) {
    let Some((before, request)) = lines(data) else {
        return;
    };
    let Ok(before) = serde_json::from_str::<Value>(before) else {
        return;
    };
    let Ok(request) = serde_json::from_slice::<Value>(request) else {
        return;
    };
    for kind in registry().resource_types() {
        for tolerance in [Tolerance::DEFAULT, Tolerance::STRICT] {
            let Ok(before) = kind.admit(before.clone(), &tolerance) else {
                continue;
            };
            let Ok(request) = PatchRequest::from_value(request.clone(), 1_000) else {
                return;
            };
            let Ok(patch) = Patch::decode(kind, request, ParseLimits::default(), &tolerance) else {
                continue;
            };
            let known = CurrentState {
                document: &before,
                edges: &[],
            };
            let Ok(change) = patch.apply(
                &ResourceId::from("1"),
                &known,
                &tolerance,
                &Budget::unlimited(),
            ) else {
                continue;
            };
            let mut after = before.clone();
            change.apply(&mut after);
            let once = after.clone();
            change.apply(&mut after);
            assert_eq!(after, once, "applied twice");
            assert_admitted(kind, &after);
        }
    }
}

/// Checks the body of a bulk request: each operation has its own result, reported creations exist, and no membership
/// contains an unresolved reference.
///
/// # Panics
/// If a property does not hold.
pub fn bulk(data: &[u8]) {
    block_on(Box::pin(async move {
        let server = server().await;
        let before = resources(&server).await.len();
        let mut text = b"POST /Bulk\n\n".to_vec();
        text.extend_from_slice(data);
        let Some(request) = request(&text) else {
            return;
        };
        let (status, answer) = sent(&server, request).await;
        assert!(matches!(status, 200 | 400 | 413), "{status}");
        let results = answer.get("Operations").and_then(Value::as_array);
        let mut balance = before;
        for result in results.into_iter().flatten() {
            let said = |name: &str| result.get(name).and_then(Value::as_str).unwrap_or_default();
            let error = result.get("response").and_then(|error| error.get("status"));
            match said("status") {
                "200" => assert_eq!(error, None, "{result}"),
                "201" => balance += 1,
                "204" => balance -= 1,
                status => assert_eq!(error.and_then(Value::as_str), Some(status), "{result}"),
            }
        }
        let after = resources(&server).await;
        assert_eq!(after.len(), balance, "{answer}");
        let members = after
            .iter()
            .filter_map(|one| one.get("members")?.as_array());
        for member in members.flatten() {
            let value = member.get("value").and_then(Value::as_str);
            assert!(
                !value.is_some_and(|id| id.starts_with("bulkId:")),
                "{member}"
            );
            // Its type is known, so the member exists.
            assert!(member.get("$ref").is_some(), "{member}");
        }
    }));
}

/// Checks a request: `METHOD PATH` in the first line, `name: value` lines, an empty line, and the body.
///
/// # Panics
/// If the response is a server error, or an error without a SCIM body.
pub fn http(data: &[u8]) {
    let Some(request) = request(data) else { return };
    block_on(Box::pin(async move {
        let server = server().await;
        let is_head = request.method() == Method::HEAD;
        let (status, body) = sent(&server, request).await;
        assert!(status < 500 || matches!(status, 501 | 503), "{status}");
        if status >= 400 && !is_head {
            let said = body.get("status").and_then(Value::as_str);
            assert_eq!(said, Some(status.to_string().as_str()), "{body}");
        }
    }));
}

/// Checks the server's cursor combined with these bytes by exclusive or: it is a valid cursor only if they change
/// nothing.
///
/// # Panics
/// If the server accepts another text as a cursor, or rejects its own cursor.
pub fn cursor(data: &[u8]) {
    block_on(Box::pin(async move {
        let server = server().await;
        let (_, first) = searched(&server, "").await;
        let real = first.get("nextCursor").and_then(Value::as_str);
        let real = real.unwrap_or_default();
        let (over, beyond) = data.split_at(data.len().min(real.len()));
        let mut sent = real.as_bytes().to_vec();
        sent.iter_mut()
            .zip(over)
            .for_each(|(byte, mask)| *byte ^= mask);
        sent.extend(beyond);
        let Ok(sent) = String::from_utf8(sent) else {
            return;
        };
        let (status, answer) = searched(&server, &sent).await;
        let kind = answer.get("scimType").and_then(Value::as_str);
        let expected = if sent == real {
            (200, None)
        } else {
            (400, Some("invalidCursor"))
        };
        assert_eq!((status, kind), expected, "{sent}");
    }));
}

/// Requests the first resource after a cursor.
async fn searched(server: &Server, cursor: &str) -> (u16, Value) {
    let schema = scimkit_core::message::SEARCH_REQUEST;
    let body = json!({"schemas": [schema], "count": 1, "cursor": cursor});
    let request = Request::post("/.search").header("authorization", format!("Bearer {TOKEN}"));
    let Ok(request) = request.body(Full::new(bytes::Bytes::from(body.to_string()))) else {
        return Default::default();
    };
    let (head, body) = server.handle(request).await.into_parts();
    let body = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes);
    let body = serde_json::from_slice(&body.unwrap_or_default());
    (head.status.as_u16(), body.unwrap_or_default())
}

fn options(tolerance: &Tolerance) -> ParseOptions {
    ParseOptions::default().with_leniency(tolerance.leniency())
}

fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(Registry::standard)
}

/// Returns the first line as text, and the rest.
fn lines(data: &[u8]) -> Option<(&str, &[u8])> {
    let end = data.iter().position(|b| *b == b'\n')?;
    let (first, rest) = data.split_at_checked(end)?;
    Some((std::str::from_utf8(first).ok()?, rest.get(1..)?))
}

fn assert_admitted(kind: &ResourceType, resource: &Resource) {
    let again = kind.admit(Value::Object(resource.as_map().clone()), &Tolerance::STRICT);
    let again = again.map(Resource::into_map);
    let mut expected = resource.as_map().clone();
    // The `$ref` that identified a member is redundant next to the resolved `value`.
    let memberships = kind.attributes().iter();
    for attr in
        memberships.filter(|a| a.role() == AttributeRole::Membership && a.parent().is_none())
    {
        let members = expected.get_mut(attr.name()).and_then(Value::as_array_mut);
        for member in members.into_iter().flatten() {
            member.as_object_mut().map(|member| member.remove("$ref"));
        }
    }
    assert_eq!(again, Ok(expected), "not as admission returns it");
}

fn request(data: &[u8]) -> Option<Request<Full<bytes::Bytes>>> {
    let (first, mut rest) = lines(data)?;
    let (method, target) = first.split_once(' ')?;
    let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).ok()?);
    request = request
        .uri(target)
        .header("authorization", format!("Bearer {TOKEN}"));
    loop {
        let (line, next) = lines(rest)?;
        rest = next;
        match line.split_once(':') {
            Some((name, value)) => request = request.header(name, value.trim()),
            None => {
                return request
                    .body(Full::new(bytes::Bytes::copy_from_slice(rest)))
                    .ok();
            }
        }
    }
}

async fn sent(server: &Server, request: Request<Full<bytes::Bytes>>) -> (u16, Value) {
    let (head, body) = server.handle(request).await.into_parts();
    let body = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes);
    let body = serde_json::from_slice(&body.unwrap_or_default());
    (head.status.as_u16(), body.unwrap_or_default())
}

/// Returns all resources.
async fn resources(server: &Server) -> Vec<Value> {
    let Some(all) = request(b"GET /?count=1000\n\n") else {
        return Vec::new();
    };
    let (_, list) = sent(server, all).await;
    let resources = list.get("Resources").and_then(Value::as_array);
    resources.cloned().unwrap_or_default()
}

const TOKEN: &str = "fuzz";

/// Creates a server with one user and one group, so that runs do not depend on each other.
async fn server() -> Server {
    let store = Arc::new(MemoryStore::new());
    let server = Server::new(store, Settings::new("https://app.example/scim/v2"));
    let Ok(token) = Token::from_secret(TOKEN) else {
        return server;
    };
    let server = server.with_authentication(BearerTokens::new([token.digest()]));
    for (path, body) in [
        (
            "/Users",
            r#"{"userName":"bjensen","emails":[{"value":"b@x","type":"work"}]}"#,
        ),
        ("/Groups", r#"{"displayName":"Crew"}"#),
    ] {
        let text = format!("POST {path}\n\n{body}");
        if let Some(request) = request(text.as_bytes()) {
            let _: Response<Body> = server.handle(request).await;
        }
    }
    server
}
