//! Spans of `tracing` as OpenTelemetry spans.

use std::{error::Error, time::Duration};

use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};
use ureq::Agent;

/// Time limit of one export.
const PATIENCE: Duration = Duration::from_secs(5);

/// Installs the log and the export of spans.
///
/// Spans are sent in batches by a thread of their own. A collector that does not answer costs spans, never a request;
/// the log then has a warning. Without an `endpoint`, the variables `OTEL_EXPORTER_OTLP_*` name the collector.
pub(crate) fn install(endpoint: Option<&str>) -> Result<SdkTracerProvider, Box<dyn Error>> {
    let mut exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Client::new())
        .with_timeout(PATIENCE);
    if let Some(endpoint) = endpoint {
        exporter = exporter.with_endpoint(endpoint);
    }
    let resource = Resource::builder().with_service_name("scim").build();
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter.build()?)
        .with_resource(resource)
        .build();

    // The spans of the server have level `DEBUG`, whatever the log shows. Its events become events of the spans.
    let spans = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("scimkit"))
        .with_filter(Targets::new().with_target("scimkit_server", LevelFilter::DEBUG));
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_filter(filter);
    tracing_subscriber::registry()
        .with(spans)
        .with(log)
        .try_init()?;
    Ok(provider)
}

/// A blocking HTTP client, since the exporter has a thread and no runtime.
#[derive(Debug)]
struct Client(Agent);

impl Client {
    fn new() -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE));
        Client(config.build().new_agent())
    }
}

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = self.0.run(request.map(Vec::from))?.into_parts();
        let body = body.into_with_config().limit(1 << 20).read_to_vec()?;
        Ok(Response::from_parts(head, body.into()))
    }
}
