//! HTTP Basic authentication (RFC 7617) instead of bearer tokens, for identity providers with forms for a user name and
//! a password.
//!
//! ```text
//! cargo run --example basic --features basic
//! ```
//!
//! A wrong password costs a slow hash. This example limits the number of hashes computed at a time; also limit failed
//! sign-ins per address, as in the example `limits`.

use std::{
    collections::HashMap,
    error::Error,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use scimkit::{
    AuthError, Authenticate, ConnectionId, Identity, MemoryStore, Server, Settings, TenantId,
    Token, TokenDigest, TokenScopes,
    core::AuthenticationScheme,
    credentials,
    http::request::Parts,
    provision::{ConnectionAuthenticator, ConnectionSettings, TenantAdmin},
    store::BoxFuture,
};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

/// The time for which a correct password need not be hashed again.
const REMEMBERED: Duration = Duration::from_secs(300);

/// The maximum number of passwords that are checked at a time: each takes a processor for about 20 ms and 19 MiB of
/// memory.
const CHECKS: usize = 2;
/// The time that a request waits for its check before the response is 503.
const PATIENCE: Duration = Duration::from_secs(2);

/// The account of a user name.
struct Account {
    connection: ConnectionId,
    /// The password as an Argon2id hash, which is slow to guess even for someone who can read it.
    password: String,
    tenant: TenantId,
}

/// Authenticates requests with the password of an account.
struct Basic {
    accounts: HashMap<String, Account>,
    checks: Semaphore,
    gate: ConnectionAuthenticator,
    /// The hash of a random password, so that an unknown user takes as long as a wrong password.
    nobody: String,
    /// Digests of correct credentials by user, and the time of their check. Hashing passwords is slow by design, and an
    /// identity provider sends thousands of requests.
    seen: Mutex<HashMap<String, (TokenDigest, Instant)>>,
}

impl Basic {
    fn new(
        accounts: HashMap<String, Account>,
        gate: ConnectionAuthenticator,
    ) -> Result<Self, Box<dyn Error>> {
        Ok(Basic {
            accounts,
            checks: Semaphore::new(CHECKS),
            gate,
            nobody: hash(Token::generate()?.reveal())?,
            seen: Mutex::default(),
        })
    }

    async fn check(&self, head: &Parts) -> Result<Identity, AuthError> {
        let sent = BASE64_STANDARD.decode(credentials(head, "Basic")?);
        let sent = sent.ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let sent = sent.ok_or(AuthError::Unauthorized("malformed credentials"))?;
        let parts = sent.split_once(':');
        let (user, password) = parts.ok_or(AuthError::Unauthorized("malformed credentials"))?;
        let account = self.accounts.get(user);
        let digest = TokenDigest::new(sent.as_bytes());
        if !self.remembers(user, digest) {
            let kept = account.map_or(&self.nobody, |account| &account.password);
            let turn = tokio::time::timeout(PATIENCE, self.checks.acquire()).await;
            let turn = turn.map_err(|_| AuthError::Unavailable)?;
            let right = is_right(password.to_owned(), kept.clone()).await?;
            drop(turn);
            if !right || account.is_none() {
                return Err(AuthError::Unauthorized("wrong user name or password"));
            }
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.insert(user.to_owned(), (digest, Instant::now()));
        }
        let account = account.ok_or(AuthError::Unauthorized("unknown user name"))?;
        let (tenant, connection) = (&account.tenant, &account.connection);
        self.gate
            .identity_for(head, tenant, connection, TokenScopes::ALL)
            .await
    }

    fn remembers(&self, user: &str, sent: TokenDigest) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let known = seen
            .get(user)
            .filter(|(_, since)| since.elapsed() < REMEMBERED);
        known.is_some_and(|(known, _)| known.as_bytes().ct_eq(sent.as_bytes()).into())
    }
}

impl Authenticate for Basic {
    fn authenticate<'a>(&'a self, head: &'a Parts) -> BoxFuture<'a, Result<Identity, AuthError>> {
        Box::pin(self.check(head))
    }

    fn schemes(&self) -> Vec<AuthenticationScheme> {
        let mut scheme = AuthenticationScheme::http_basic();
        scheme.primary = true;
        vec![scheme]
    }
}

impl fmt::Debug for Basic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Basic").finish_non_exhaustive()
    }
}

/// Returns whether a password matches a hash. It runs on a thread for blocking work, because it is slow.
async fn is_right(password: String, kept: String) -> Result<bool, AuthError> {
    let checked = tokio::task::spawn_blocking(move || {
        let kept = PasswordHash::new(&kept).map_err(|_| AuthError::Unavailable)?;
        let right = Argon2::default().verify_password(password.as_bytes(), &kept);
        Ok(right.is_ok())
    });
    checked.await.map_err(|_| AuthError::Unavailable)?
}

/// Returns the hash of a password.
fn hash(password: &str) -> Result<String, Box<dyn Error>> {
    let hash = Argon2::default().hash_password(password.as_bytes());
    Ok(hash.map_err(|e| e.to_string())?.to_string())
}

/// Creates a service with one account.
async fn service(base_url: &str, user: &str, password: &str) -> Result<Server, Box<dyn Error>> {
    let store = Arc::new(MemoryStore::new());
    let settings = Settings::new(base_url);
    let administration = TenantAdmin::new(store.clone());
    let acme = administration.create_tenant("acme", "Acme Inc.").await?;
    let okta = administration
        .create_connection(&acme.id, "okta", "Okta", &ConnectionSettings::default())
        .await?;
    let account = Account {
        connection: okta.id,
        password: hash(password)?,
        tenant: acme.id,
    };
    let accounts = HashMap::from([(user.to_owned(), account)]);
    let gate = ConnectionAuthenticator::new(store.clone(), settings.clone());
    let basic = Basic::new(accounts, gate)?;
    Ok(Server::new(store, settings).with_authentication(basic))
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "this is the program's output")]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let base_url = format!("http://{}/scim/v2", listener.local_addr()?);
    let password = Token::generate()?;
    let server = service(&base_url, "okta", password.reveal()).await?;
    println!("curl -i -u 'okta:{}' '{base_url}/Users'", password.reveal());
    let app = scimkit::axum::router("/scim/v2", server);
    Ok(axum::serve(listener, app).await?)
}

#[cfg(test)]
mod tests {
    use axum::{
        body::Body,
        http::{Request, Response},
    };

    use super::*;

    async fn ask(server: &Server, credentials: &str) -> Response<scimkit::Body> {
        let credentials = BASE64_STANDARD.encode(credentials);
        let request =
            Request::get("/Users").header("authorization", format!("Basic {credentials}"));
        server.handle(request.body(Body::empty()).unwrap()).await
    }

    #[tokio::test]
    async fn only_the_password_of_the_account_is_accepted() {
        let server = service("https://app.example/scim/v2", "okta", "pass:wörd")
            .await
            .unwrap();
        let start = Instant::now();
        assert_eq!(ask(&server, "okta:pass:wörd").await.status(), 200);
        let slow = start.elapsed();
        // A remembered password is not hashed again.
        let start = Instant::now();
        for _ in 0..10 {
            assert_eq!(ask(&server, "okta:pass:wörd").await.status(), 200);
        }
        assert!(start.elapsed() < slow * 5);
        for wrong in [
            "okta:pass",
            "okta:",
            "okta",
            "",
            ":pass:wörd",
            "Okta:pass:wörd",
            "entra:x",
        ] {
            let refused = ask(&server, wrong).await;
            assert_eq!(refused.status(), 401, "{wrong}");
            assert_eq!(
                refused.headers()["www-authenticate"],
                "Basic realm=\"scim\""
            );
        }
        for header in [
            "Basic",
            "Basic !",
            "Basic /w==",
            "Bearer b2t0YTpwYXNzOnfDtnJk",
        ] {
            let request = Request::get("/Users").header("authorization", header);
            let refused = server.handle(request.body(Body::empty()).unwrap()).await;
            assert_eq!(refused.status(), 401, "{header}");
        }
    }

    #[test]
    fn hash_does_not_reveal_the_password() {
        let kept = hash("secret").unwrap();
        let again = hash("secret").unwrap();
        assert!(kept.starts_with("$argon2id$") && !kept.contains("secret"));
        assert_ne!(kept, again);
    }

    #[tokio::test]
    async fn checks_beyond_the_limit_wait_and_then_get_503() {
        let server = service("https://app.example/scim/v2", "okta", "right");
        let server = server.await.unwrap();
        // More than can be checked while a request waits: all get a response, either 401 or 503.
        let guesses = (0..400).map(|n| {
            let server = server.clone();
            tokio::spawn(async move { ask(&server, &format!("okta:{n}")).await.status() })
        });
        for guess in guesses.collect::<Vec<_>>() {
            let status = guess.await.unwrap();
            assert!(status == 401 || status == 503, "{status}");
        }
        assert_eq!(ask(&server, "okta:right").await.status(), 200);
    }
}
