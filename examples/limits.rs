//! Limits around an endpoint: requests at a time, requests per connection, failed sign-ins per address, and time for slow
//! clients, with responses that identity providers understand.
//!
//! ```text
//! cargo run --example limits
//! ```

#[path = "serve/mod.rs"]
mod serve;

use std::{
    collections::HashMap,
    error::Error,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Router,
    error_handling::HandleErrorLayer,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock};
use scimkit::{BearerTokens, MemoryStore, Server, Settings, Token, TokenDigest, core};
use serve::Timeouts;
use tower::{BoxError, ServiceBuilder, limit::ConcurrencyLimitLayer, load_shed::LoadShedLayer};

/// The maximum number of requests in progress at a time, from all connections.
const AT_A_TIME: usize = 64;
/// The requests per second and credential, and the number of them that may arrive at once.
const RATE: NonZeroU32 = NonZeroU32::new(25).unwrap();
const BURST: NonZeroU32 = NonZeroU32::new(100).unwrap();
/// The failed sign-ins per address in [`PENALTY`]; after one more, the address has to wait until that time is over.
const FAILURES: u32 = 20;
const PENALTY: Duration = Duration::from_secs(60);
/// The time after which a rejected client may try again.
const BUSY: Duration = Duration::from_secs(2);
/// The number of remembered addresses and credentials beyond which old ones are dropped.
const REMEMBERED: usize = 10_000;

#[derive(Clone)]
struct Limiter {
    failures: Arc<Failures>,
    rates: Arc<DefaultKeyedRateLimiter<[u8; 32]>>,
}

fn app(server: Server) -> Router {
    let limiter = Limiter {
        failures: Arc::default(),
        rates: Arc::new(RateLimiter::keyed(
            Quota::per_second(RATE).allow_burst(BURST),
        )),
    };
    let places = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(no_place))
        .layer(LoadShedLayer::new())
        .layer(ConcurrencyLimitLayer::new(AT_A_TIME));
    // The layer that is added last runs first, so that too fast clients take no place.
    scimkit::axum::router("/scim/v2", server)
        .layer(places)
        .layer(middleware::from_fn_with_state(limiter, limited))
}

async fn limited(State(limiter): State<Limiter>, request: Request, next: Next) -> Response {
    // Guesses are counted by address, because each invented credential is new and would never reach a limit of its own.
    // With a proxy, take the address from the header that your proxy sets.
    let peer = request.extensions().get::<SocketAddr>();
    let peer = peer.map(|peer| network(peer.ip()));
    if let Some(wait) = peer.and_then(|peer| limiter.failures.wait(peer)) {
        let detail = "too many failed sign-ins from this address".to_owned();
        return refusal(StatusCode::TOO_MANY_REQUESTS, detail, wait);
    }
    // Requests are counted by credential, because all tenants of an identity provider share its addresses. It is
    // hashed, so that a long one takes no more memory than another.
    let credential = request.headers().get(header::AUTHORIZATION);
    let credential = credential.map_or(&b""[..], HeaderValue::as_bytes);
    if let Err(early) = limiter
        .rates
        .check_key(TokenDigest::new(credential).as_bytes())
    {
        let wait = early.wait_time_from(governor::clock::DefaultClock::default().now());
        let detail = format!("more than {RATE} requests per second");
        return refusal(StatusCode::TOO_MANY_REQUESTS, detail, wait);
    }
    if limiter.rates.len() > REMEMBERED {
        // Credentials without recent requests need no entry.
        limiter.rates.retain_recent();
    }
    let answer = next.run(request).await;
    if let Some(peer) = peer
        && answer.status() == StatusCode::UNAUTHORIZED
    {
        limiter.failures.count(peer);
    }
    answer
}

/// Failed sign-ins by network, and the start of their period.
#[derive(Default)]
struct Failures {
    counts: Mutex<HashMap<IpAddr, (u32, Instant)>>,
}

impl Failures {
    /// Returns the time that the network has to wait, if it failed too often.
    fn wait(&self, peer: IpAddr) -> Option<Duration> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, since) = counts.get(&peer)?;
        let left = PENALTY.checked_sub(since.elapsed())?;
        (*count > FAILURES).then_some(left)
    }

    fn count(&self, peer: IpAddr) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= REMEMBERED {
            counts.retain(|_, (_, since)| since.elapsed() < PENALTY);
        }
        let now = Instant::now();
        let entry = counts.entry(peer).or_insert((0, now));
        if entry.1.elapsed() >= PENALTY {
            *entry = (0, now);
        }
        entry.0 += 1;
    }
}

/// Returns the network of one subscriber: an IPv4 address, or the /64 of an IPv6 address.
fn network(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V6(peer) => match peer.to_ipv4_mapped() {
            Some(peer) => peer.into(),
            None => Ipv6Addr::from_bits(peer.to_bits() >> 64 << 64).into(),
        },
        IpAddr::V4(_) => peer,
    }
}

async fn no_place(_: BoxError) -> Response {
    let detail = "the service is busy: try again in a moment".to_owned();
    refusal(StatusCode::SERVICE_UNAVAILABLE, detail, BUSY)
}

fn refusal(status: StatusCode, detail: String, wait: Duration) -> Response {
    let error = core::ErrorResponse::new(status.as_u16(), detail);
    let body = serde_json::to_string(&error).unwrap_or_default();
    let seconds = wait.as_secs().max(1).to_string();
    let headers = [
        (header::CONTENT_TYPE, "application/scim+json".to_owned()),
        (header::RETRY_AFTER, seconds),
    ];
    (status, headers, body).into_response()
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "this is the program's output")]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let base_url = format!("http://{}/scim/v2", listener.local_addr()?);
    let token = Token::generate()?;
    println!(
        "curl -i -H 'Authorization: Bearer {}' '{base_url}/Users'",
        token.reveal()
    );
    let server = Server::new(Arc::new(MemoryStore::new()), Settings::new(base_url))
        .with_authentication(BearerTokens::new([token.digest()]));
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    serve::serve(listener, app(server), Timeouts::default(), stop).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use tower::ServiceExt;

    use super::*;

    async fn ask(app: &Router, token: &str) -> Response {
        let request =
            Request::get("/scim/v2/Users").header("authorization", format!("Bearer {token}"));
        app.clone()
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn fast_credential_gets_429_with_retry_after() {
        let fast = Token::generate().unwrap();
        let slow = Token::generate().unwrap();
        let settings = Settings::new("https://app.example/scim/v2");
        let server = Server::new(Arc::new(MemoryStore::new()), settings)
            .with_authentication(BearerTokens::new([fast.digest(), slow.digest()]));
        let app = app(server);
        let mut refused = None;
        for _ in 0..=2 * BURST.get() {
            let answer = ask(&app, fast.reveal()).await;
            if answer.status() == 429 {
                refused = Some(answer);
                break;
            }
        }
        let (head, body) = refused.unwrap().into_parts();
        assert_eq!(head.headers["retry-after"], "1");
        assert_eq!(head.headers["content-type"], "application/scim+json");
        let body = to_bytes(body, 1_000).await.unwrap();
        let error: core::ErrorResponse = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            (error.status, &*error.detail),
            (429, "more than 25 requests per second")
        );
        // Another credential is not affected.
        assert_eq!(ask(&app, slow.reveal()).await.status(), 200);
    }

    #[tokio::test]
    async fn guesses_with_changing_credentials_block_their_address_only() {
        let token = Token::generate().unwrap();
        let settings = Settings::new("https://app.example/scim/v2");
        let server = Server::new(Arc::new(MemoryStore::new()), settings)
            .with_authentication(BearerTokens::new([token.digest()]));
        let app = app(server);
        let ask = async |peer: &str, token: &str| {
            let peer: SocketAddr = peer.parse().unwrap();
            let request = Request::get("/scim/v2/Users")
                .header("authorization", format!("Bearer {token}"))
                .extension(peer);
            let answer = app.clone().oneshot(request.body(Body::empty()).unwrap());
            answer.await.unwrap()
        };
        for guess in 0..=FAILURES {
            let peer = format!("[2001:db8::{guess:x}]:443");
            let answer = ask(&peer, &format!("guess-{guess}")).await;
            assert_eq!(answer.status(), 401);
        }
        let blocked = ask("[2001:db8::ffff]:443", token.reveal()).await;
        assert_eq!(blocked.status(), 429);
        let wait = blocked.headers()["retry-after"].to_str().unwrap();
        assert!(wait.parse::<u64>().unwrap() <= PENALTY.as_secs());
        let other = ask("192.0.2.1:443", token.reveal()).await;
        assert_eq!(other.status(), 200);
    }

    mod slow {
        use std::time::Instant;

        use tokio::{
            io::{AsyncReadExt, AsyncWriteExt},
            net::{TcpListener, TcpStream},
        };

        use super::*;

        const SHORT: Timeouts = Timeouts {
            connections: 2,
            head: Duration::from_millis(300),
            request: Duration::from_millis(600),
            silence: Duration::from_secs(5),
        };

        async fn start() -> SocketAddr {
            let settings = Settings::new("https://app.example/scim/v2");
            let token = Token::from_secret("a-token-of-these-tests").unwrap();
            let server = Server::new(Arc::new(MemoryStore::new()), settings)
                .with_authentication(BearerTokens::new([token.digest()]));
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(serve::serve(
                listener,
                app(server),
                SHORT,
                std::future::pending(),
            ));
            address
        }

        /// Returns what the server sends until it closes the connection.
        async fn rest(stream: &mut TcpStream) -> String {
            let mut text = Vec::new();
            let read = stream.read_to_end(&mut text);
            let read = tokio::time::timeout(Duration::from_secs(20), read).await;
            drop(read.expect("the server closes the connection"));
            String::from_utf8(text).unwrap()
        }

        #[tokio::test]
        async fn unfinished_head_and_idle_connection_are_closed() {
            let address = start().await;
            let mut silent = TcpStream::connect(address).await.unwrap();
            let mut unfinished = TcpStream::connect(address).await.unwrap();
            let head = b"GET /scim/v2/Users HTTP/1.1\r\nhost: app.example\r\nx-slow: ";
            unfinished.write_all(head).await.unwrap();
            rest(&mut silent).await;
            rest(&mut unfinished).await;
            // Both places are free again.
            let mut idle = TcpStream::connect(address).await.unwrap();
            let whole = b"GET /scim/v2/Users HTTP/1.1\r\nhost: app.example\r\n\r\n";
            idle.write_all(whole).await.unwrap();
            assert!(rest(&mut idle).await.starts_with("HTTP/1.1 401"));
        }

        #[tokio::test]
        async fn dripping_body_is_answered_408() {
            let address = start().await;
            let mut stream = TcpStream::connect(address).await.unwrap();
            let head = "POST /scim/v2/Users HTTP/1.1\r\nhost: app.example\r\n\
                        authorization: Bearer a-token-of-these-tests\r\n\
                        content-type: application/scim+json\r\ncontent-length: 1000\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            let (mut read, mut write) = stream.into_split();
            let dripping = tokio::spawn(async move {
                while write.write_all(b" ").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            });
            let started = Instant::now();
            let mut first = [0; 12];
            read.read_exact(&mut first).await.unwrap();
            assert_eq!(&first, b"HTTP/1.1 408");
            assert!(started.elapsed() < Duration::from_secs(20));
            dripping.abort();
        }
    }
}
