//! Requests over HTTP or HTTPS.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use clap::Args;
use http::{HeaderValue, Method, Request, Response, Uri, header::CONNECTION, request::Parts};
use indicatif::ProgressBar;
use scimkit::store::BoxFuture;
use scimkit_testkit::replay::{HttpTarget, NoSlash, TransportError};
use ureq::{
    Agent, Error,
    tls::{RootCerts, TlsConfig},
};

/// Limit on the length of a response, in bytes.
const RESPONSE_LIMIT: u64 = 64 << 20;

/// How to send requests.
#[derive(Debug, Args)]
pub(crate) struct Access {
    /// Time limit of a request, to the last byte of its response
    #[arg(long, default_value = "20", value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Duration,

    /// Bearer token to send; other users of the machine may see arguments, so prefer the environment variable
    #[arg(
        long,
        env = "SCIMKIT_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    pub(crate) token: Option<String>,
}

/// A client for the server at one URL.
///
/// It uses no proxy, trusts the certificates that the system trusts, sends paths as the scenario writes them and does
/// not follow redirects.
#[derive(Debug)]
pub(crate) struct Client {
    agent: Agent,
    base: String,
    /// Whether the last exchange left its connection open.
    is_connected: AtomicBool,
    progress: ProgressBar,
    repeated: AtomicU64,
    timeout: Duration,
}

impl Client {
    /// # Errors
    /// The base URL is not an HTTP URL.
    pub(crate) fn new(url: &str, access: &Access, progress: ProgressBar) -> Result<Self, String> {
        let base = url.trim_end_matches('/');
        let bad =
            || format!("invalid URL `{url}`: expected a URL such as https://app.example/scim/v2");
        let uri: Uri = base.parse().map_err(|_| bad())?;
        let web = matches!(uri.scheme_str(), Some("http" | "https"));
        if !web || uri.authority().is_none() || uri.query().is_some() || url.contains('#') {
            return Err(bad());
        }
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier);
        let config = Agent::config_builder()
            .allow_non_standard_methods(true)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .timeout_global(Some(access.timeout))
            .tls_config(tls.build())
            .user_agent(concat!("scimkit/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Client {
            agent: config.new_agent(),
            base: base.to_owned(),
            is_connected: AtomicBool::new(false),
            progress,
            repeated: AtomicU64::new(0),
            timeout: access.timeout,
        })
    }

    /// What was unusual but no failure, and how often it happened.
    pub(crate) fn warnings(&self) -> BTreeMap<String, u64> {
        let what =
            "the server closed a kept-alive connection during a request, which was sent again";
        let times = self.repeated.load(Ordering::Relaxed);
        let seen = (times > 0).then(|| (what.to_owned(), times));
        seen.into_iter().collect()
    }

    fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Error> {
        let (mut head, body) = request.into_parts();
        // Joined as text, so that the path stays as the scenario writes it.
        let target = head.uri.to_string();
        let target = match head.extensions.get::<NoSlash>() {
            Some(NoSlash) => target.trim_start_matches('/'),
            None => &target,
        };
        let uri = format!("{}{target}", self.base);
        head.uri = uri.parse().map_err(|_| Error::BadUri(uri))?;
        let was_connected = self.is_connected.swap(false, Ordering::Relaxed);
        match self.send_once(head.clone(), &body) {
            Err(error) if was_connected && is_hang_up(&error) => {
                self.repeated.fetch_add(1, Ordering::Relaxed);
                self.send_once(head, &body)
            }
            outcome => outcome,
        }
    }

    fn answer(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        self.progress.inc(1);
        self.exchange(request).map_err(|error| match error {
            Error::Timeout(_) => {
                let seconds = self.timeout.as_secs_f64();
                format!("timed out after {seconds} s").into()
            }
            Error::BodyExceedsLimit(_) => {
                format!("the response is longer than {RESPONSE_LIMIT} bytes").into()
            }
            other => other.into(),
        })
    }

    fn send_once(&self, head: Parts, body: &[u8]) -> Result<Response<Bytes>, Error> {
        let bodiless =
            body.is_empty() && ![Method::PATCH, Method::POST, Method::PUT].contains(&head.method);
        let response = if bodiless {
            self.agent.run(Request::from_parts(head, ()))?
        } else {
            self.agent.run(Request::from_parts(head, body))?
        };
        let (head, mut body) = response.into_parts();
        let body = body.with_config().limit(RESPONSE_LIMIT).read_to_vec()?;
        let closes = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"close");
        let closing = head.headers.get(CONNECTION).is_some_and(closes);
        self.is_connected.store(!closing, Ordering::Relaxed);
        Ok(Response::from_parts(head, body.into()))
    }
}

impl HttpTarget for Client {
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        Box::pin(std::future::ready(self.answer(request)))
    }
}

/// A client that sends each request on a thread of its own.
#[derive(Debug)]
pub(crate) struct ParallelClient(pub(crate) Arc<Client>);

impl HttpTarget for ParallelClient {
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        let client = Arc::clone(&self.0);
        Box::pin(async move { tokio::task::spawn_blocking(move || client.answer(request)).await? })
    }
}

/// Whether the server closed the connection without a response.
fn is_hang_up(error: &Error) -> bool {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof,
    };
    match error {
        Error::Io(error) => matches!(
            error.kind(),
            BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof
        ),
        _ => false,
    }
}

/// A number of seconds above 0.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| *seconds > 0.0);
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "expected a number of seconds above 0".to_owned())
}
