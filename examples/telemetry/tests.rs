//! Sends requests over HTTP and looks at what reaches a collector.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, trace::v1::Span,
};
use prost::Message;
use scimkit::{BearerTokens, Server, Settings, SqliteStore, Token};
use tokio::{net::TcpListener, task};

use crate::{metrics, serve, serve::Timeouts, spans};

type Exports = Arc<Mutex<Vec<Bytes>>>;

async fn collect(State(exports): State<Exports>, headers: HeaderMap, body: Bytes) {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    exports.lock().unwrap().push(body);
}

/// Serves on a free port of this machine; returns the URL.
async fn start(app: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let served = serve::serve(listener, app, Timeouts::default(), std::future::pending());
    tokio::spawn(served);
    url
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(20)));
    config.http_status_as_error(false).build().new_agent()
}

fn create(url: &str, token: &str) -> u16 {
    let user =
        r#"{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "bjensen"}"#;
    let request = agent()
        .post(format!("{url}/scim/v2/Users"))
        .header("authorization", format!("Bearer {token}"))
        .content_type("application/scim+json");
    request.send(user).unwrap().status().as_u16()
}

fn list(url: &str, token: &str) -> u16 {
    let request = agent()
        .get(format!("{url}/scim/v2/Users"))
        .header("authorization", format!("Bearer {token}"));
    request.call().unwrap().status().as_u16()
}

/// The attribute of a span as text.
fn attribute(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|found| found.key == key)?;
    Some(format!("{:?}", found.value.as_ref()?.value.as_ref()?))
}

/// The spans of one trace whose root has this operation: their names, each with the name of its parent.
fn tree<'s>(spans: &'s [Span], operation: &str) -> Vec<(&'s str, Option<&'s str>)> {
    let root = spans
        .iter()
        .find(|span| attribute(span, "operation").is_some_and(|found| found.contains(operation)))
        .unwrap();
    let trace = spans.iter().filter(|span| span.trace_id == root.trace_id);
    let names: BTreeMap<_, _> = trace
        .clone()
        .map(|span| (&span.span_id, span.name.as_str()))
        .collect();
    let mut tree: Vec<_> = trace
        .map(|span| (span.name.as_str(), names.get(&span.parent_span_id).copied()))
        .collect();
    tree.sort_unstable();
    tree
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_reach_the_collector_as_children_of_their_request() {
    let exports = Exports::default();
    let collector = Router::new()
        .route("/v1/traces", post(collect))
        .with_state(exports.clone());
    let collector = start(collector).await;
    let exported = spans::install(Some(&format!("{collector}/v1/traces"))).unwrap();
    let recorded = metrics::install().unwrap();

    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("scim.sqlite")).unwrap();
    let token = Token::generate().unwrap();
    let settings = Settings::new("https://app.example/scim/v2");
    let server = Server::new(Arc::new(store), settings)
        .with_authentication(BearerTokens::new([token.digest()]));
    let url = start(scimkit::axum::router("/scim/v2", server)).await;
    let monitoring = start(metrics::app(recorded)).await;

    let secret = token.reveal().to_owned();
    let text = task::spawn_blocking(move || {
        assert_eq!(create(&url, &secret), 201);
        assert_eq!(list(&url, &secret), 200);
        assert_eq!(list(&url, "wrong"), 401);
        // Sends what is left, or fails after five seconds.
        exported.shutdown().unwrap();
        let metrics = agent().get(format!("{monitoring}/metrics")).call();
        metrics.unwrap().into_body().read_to_string().unwrap()
    });
    let text = text.await.unwrap();

    let bodies = exports.lock().unwrap().clone();
    let decoded = bodies
        .iter()
        .map(|body| ExportTraceServiceRequest::decode(&**body).unwrap());
    let spans: Vec<Span> = decoded
        .flat_map(|export| export.resource_spans)
        .flat_map(|resource| resource.scope_spans)
        .flat_map(|scope| scope.spans)
        .collect();
    let request = Some("request");
    assert_eq!(
        tree(&spans, "create"),
        [
            ("encode", request),
            ("request", None),
            ("sign-in", request),
            ("write", request)
        ]
    );
    assert_eq!(
        tree(&spans, "list"),
        [
            ("encode", request),
            ("request", None),
            ("sign-in", request),
            ("store", request)
        ]
    );
    for body in bodies {
        let body = String::from_utf8_lossy(&body);
        assert!(!body.contains(token.reveal()) && !body.contains("bjensen"));
    }
    let line = r#"scimkit_requests_total{operation="create",status="201"} 1"#;
    assert!(text.lines().any(|found| found == line), "{text}");
}
