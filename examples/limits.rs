//! How many requests there are at a time, and from whom: `tower` and `governor` around an endpoint, with
//! refusals that identity providers understand.
//!
//! ```text
//! cargo run --example limits
//! ```

use std::{error::Error, num::NonZeroU32, sync::Arc, time::Duration};

use axum::{
    Router,
    error_handling::HandleErrorLayer,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock};
use scimkit::{BearerTokens, Digest, Memory, Server, Settings, Token, core};
use tower::{BoxError, ServiceBuilder, limit::ConcurrencyLimitLayer, load_shed::LoadShedLayer};

/// Requests that are worked on at a time, from all connections.
const AT_A_TIME: usize = 64;
/// Requests of one connection in a second, and how many it may save up.
const A_SECOND: NonZeroU32 = NonZeroU32::new(25).unwrap();
const SAVED_UP: NonZeroU32 = NonZeroU32::new(100).unwrap();
/// After how long an identity provider whose request found no place comes again.
const BUSY: Duration = Duration::from_secs(2);

/// How often each credential has been here.
type Rates = Arc<DefaultKeyedRateLimiter<[u8; 32]>>;

fn app(server: Server) -> Router {
    let quota = Quota::per_second(A_SECOND).allow_burst(SAVED_UP);
    let rates: Rates = Arc::new(RateLimiter::keyed(quota));
    let places = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(no_place))
        .layer(LoadShedLayer::new())
        .layer(ConcurrencyLimitLayer::new(AT_A_TIME));
    // What is added last is asked first: a connection that is too fast takes no place.
    scimkit::axum::router("/scim/v2", server)
        .layer(places)
        .layer(middleware::from_fn_with_state(rates, at_its_rate))
}

async fn at_its_rate(State(rates): State<Rates>, request: Request, next: Next) -> Response {
    // By the credential, since all of a provider's tenants share its addresses. Hashed, so that a
    // long one takes no more memory than another.
    let credential = request.headers().get(header::AUTHORIZATION);
    let credential = credential.map_or(&b""[..], HeaderValue::as_bytes);
    if let Err(early) = rates.check_key(Digest::of(credential).as_bytes()) {
        let wait = early.wait_time_from(governor::clock::DefaultClock::default().now());
        let detail = format!("more than {A_SECOND} requests a second");
        return refusal(StatusCode::TOO_MANY_REQUESTS, detail, wait);
    }
    if rates.len() > 10_000 {
        // Those that have not been here for a while are as good as new.
        rates.retain_recent();
    }
    next.run(request).await
}

async fn no_place(_: BoxError) -> Response {
    let detail = "the service is busy: try again in a moment".to_owned();
    refusal(StatusCode::SERVICE_UNAVAILABLE, detail, BUSY)
}

fn refusal(status: StatusCode, detail: String, wait: Duration) -> Response {
    let error = core::Error::new(status.as_u16(), detail);
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
    let server = Server::new(Arc::new(Memory::new()), Settings::new(base_url))
        .with_authentication(BearerTokens::new([token.digest()]));
    Ok(axum::serve(listener, app(server)).await?)
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
    async fn who_is_too_fast_is_told_when_to_come_again() {
        let (fast, slow) = (Token::generate().unwrap(), Token::generate().unwrap());
        let settings = Settings::new("https://app.example/scim/v2");
        let server = Server::new(Arc::new(Memory::new()), settings)
            .with_authentication(BearerTokens::new([fast.digest(), slow.digest()]));
        let app = app(server);
        let mut refused = None;
        for _ in 0..=2 * SAVED_UP.get() {
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
        let error: core::Error = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            (error.status, &*error.detail),
            (429, "more than 25 requests a second")
        );
        // Another connection is not held up by that one.
        assert_eq!(ask(&app, slow.reveal()).await.status(), 200);
    }
}
