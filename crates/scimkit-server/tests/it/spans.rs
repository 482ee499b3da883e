//! The spans of a request, by their documented names.

use std::sync::{Arc, Mutex};

use tracing::{
    Level, Metadata, Subscriber,
    span::{Attributes, Id},
    subscriber::with_default,
};
use tracing_subscriber::{
    Layer, Registry,
    filter::LevelFilter,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
};

use crate::web::{request, send, server};

/// The path of each span that was made, such as `request/sign-in`.
#[derive(Debug, Default, Clone)]
struct Paths(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Paths {
    fn on_new_span(&self, _: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        let names: Vec<_> = span.scope().from_root().map(|span| span.name()).collect();
        self.0.lock().unwrap().push(names.join("/"));
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target().starts_with("scimkit_server")
    }
}

/// The spans of a create and a list, at that level.
fn spans(level: Level) -> Vec<String> {
    let paths = Paths::default();
    let subscriber = Registry::default()
        .with(LevelFilter::from_level(level))
        .with(paths.clone());
    // Another test may have found out that nobody listens.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    with_default(subscriber, || {
        tracing::callsite::rebuild_interest_cache();
        runtime.block_on(async {
            let server = server();
            let body = r#"{"userName":"a"}"#;
            send(&server, request("POST", "/Users", &[], body)).await;
            send(&server, request("GET", "/Users", &[], "")).await;
        });
    });
    let paths = paths.0.lock().unwrap();
    paths.clone()
}

#[test]
fn spans_of_a_request_are_nested_under_it() {
    let spans = spans(Level::DEBUG);
    let expected = [
        "request",
        "request/sign-in",
        "request/write",
        "request/encode",
        "request",
        "request/sign-in",
        "request/store",
        "request/encode",
    ];
    assert_eq!(spans, expected);
}

#[test]
fn level_info_makes_no_spans() {
    assert_eq!(spans(Level::INFO), [""; 0]);
}
