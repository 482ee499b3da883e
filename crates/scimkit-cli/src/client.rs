//! Requests over HTTP or HTTPS, one after the other.

use std::{
    collections::BTreeMap,
    io,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use bytes::Bytes;
use clap::Args;
use http::{HeaderValue, Method, Request, Response, Uri, header::CONNECTION, request::Parts};
use scimkit::store::BoxFuture;
use scimkit_testkit::replay::{NoSlash, Target, TransportError};
use ureq::{
    Agent, Error,
    tls::{RootCerts, TlsConfig},
};

/// The longest answer that is read.
const ANSWER_LIMIT: u64 = 64 << 20;

/// How a server is spoken to.
#[derive(Debug, Args)]
pub(crate) struct Access {
    /// Seconds that a request may take, until the last byte of its answer.
    #[arg(long, default_value = "20", value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Duration,

    /// Bearer token to send. In the environment other users of the machine can't see it.
    #[arg(
        long,
        env = "SCIMKIT_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    pub(crate) token: Option<String>,
}

/// A server behind a URL.
///
/// It is spoken to directly, not through a proxy, and trusts the certificates that the system
/// trusts. Paths go out as the scenario writes them, and a redirect is an answer.
#[derive(Debug)]
pub(crate) struct Client {
    agent: Agent,
    base: String,
    /// Whether a connection was left open by the last exchange.
    kept: AtomicBool,
    repeated: AtomicU64,
    timeout: Duration,
}

impl Client {
    /// # Errors
    /// A base URL that is not one of HTTP.
    pub(crate) fn new(url: &str, timeout: Duration) -> Result<Self, String> {
        let base = url.trim_end_matches('/');
        let bad = || format!("`{url}` is not a URL such as https://app.example/scim/v2");
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
            .timeout_global(Some(timeout))
            .tls_config(tls.build())
            .user_agent(concat!("scimkit/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Client {
            agent: config.new_agent(),
            base: base.to_owned(),
            kept: AtomicBool::new(false),
            repeated: AtomicU64::new(0),
            timeout,
        })
    }

    /// What was odd but no failure, and how often.
    pub(crate) fn warnings(&self) -> BTreeMap<String, u64> {
        let what = "a kept-alive connection was closed under a request, which was sent again";
        let times = self.repeated.load(Ordering::Relaxed);
        let seen = (times > 0).then(|| (what.to_owned(), times));
        seen.into_iter().collect()
    }

    fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Error> {
        let (mut head, body) = request.into_parts();
        // Joined as text: what the scenario writes is not to be normalised.
        let target = head.uri.to_string();
        let target = match head.extensions.get::<NoSlash>() {
            Some(NoSlash) => target.trim_start_matches('/'),
            None => &target,
        };
        let uri = format!("{}{target}", self.base);
        head.uri = uri.parse().map_err(|_| Error::BadUri(uri))?;
        let kept = self.kept.swap(false, Ordering::Relaxed);
        match self.once(head.clone(), &body) {
            Err(error) if kept && hung_up(&error) => {
                self.repeated.fetch_add(1, Ordering::Relaxed);
                self.once(head, &body)
            }
            outcome => outcome,
        }
    }

    fn once(&self, head: Parts, body: &[u8]) -> Result<Response<Bytes>, Error> {
        let bodiless =
            body.is_empty() && ![Method::PATCH, Method::POST, Method::PUT].contains(&head.method);
        let answer = match bodiless {
            true => self.agent.run(Request::from_parts(head, ()))?,
            false => self.agent.run(Request::from_parts(head, body))?,
        };
        let (head, mut body) = answer.into_parts();
        let body = body.with_config().limit(ANSWER_LIMIT).read_to_vec()?;
        let closes = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"close");
        let closing = head.headers.get(CONNECTION).is_some_and(closes);
        self.kept.store(!closing, Ordering::Relaxed);
        Ok(Response::from_parts(head, body.into()))
    }
}

impl Target for Client {
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        let answer = self.exchange(request).map_err(|error| match error {
            Error::Timeout(_) => {
                let seconds = self.timeout.as_secs_f64();
                format!("it did not come within {seconds} s").into()
            }
            Error::BodyExceedsLimit(_) => format!("it is longer than {ANSWER_LIMIT} bytes").into(),
            other => other.into(),
        });
        Box::pin(std::future::ready(answer))
    }
}

/// Whether the other end closed the connection without an answer.
fn hung_up(error: &Error) -> bool {
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

/// How long a request may take, as an option gives it.
///
/// # Errors
/// What is not a number above 0.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| *seconds > 0.0);
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "this is not a number of seconds".to_owned())
}
