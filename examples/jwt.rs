//! JSON Web Tokens instead of scimkit's tokens: each organisation's identity provider signs its own, so that
//! provisioning relies on the same trust as single sign-on.
//!
//! ```text
//! cargo run --example jwt --features jwt
//! ```
//!
//! The checks, in this order: the algorithm (RS256 or ES256, whatever the token claims), the issuer (a known one, which
//! determines the organisation before a key is chosen), the key (by `kid`, among those of that issuer), the signature,
//! and the claims `aud`, `exp`, `nbf`, `iss` and `sub`.

use std::{
    collections::HashMap,
    error::Error,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use getrandom::fill;
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation,
    dangerous::insecure_decode_claims,
    decode, decode_header, encode,
    errors::ErrorKind,
    get_current_timestamp,
    jwk::{Jwk, JwkSet, PublicKeyUse},
};
use p256::pkcs8::EncodePrivateKey;
use scimkit::{
    AuthError, Authenticate, ConnectionId, Identity, MemoryStore, Server, Settings, TenantId,
    TokenScopes,
    core::AuthenticationScheme,
    credentials,
    http::request::Parts,
    provision::{ConnectionAuthenticator, ConnectionSettings, TenantAdmin},
    store::BoxFuture,
};
use serde::{Deserialize, Serialize};

/// The only allowed algorithms of signatures.
const ALGORITHMS: [Algorithm; 2] = [Algorithm::ES256, Algorithm::RS256];
/// The allowed difference between clocks, in seconds.
const LEEWAY: u64 = 60;
/// The minimum time between two requests for an issuer's keys, whatever `kid` a client invents.
const PAUSE: Duration = Duration::from_secs(60);

/// Fetches the keys of an issuer from its `jwks_uri`; in an application, with its HTTPS client.
type Fetch = Box<dyn Fn(&str) -> BoxFuture<'static, Result<JwkSet, Box<dyn Error>>> + Send + Sync>;

/// An issuer, and the organisation for which it may sign.
#[derive(Debug)]
struct Issuer {
    /// The `sub` of its tokens: the client that provisions, in contrast to users who sign in.
    client: String,
    connection: ConnectionId,
    jwks_uri: String,
    keys: Mutex<Keys>,
    organisation: TenantId,
}

#[derive(Debug)]
struct Keys {
    asked: Option<Instant>,
    /// Whether the issuer responded to the last request.
    is_answered: bool,
    known: JwkSet,
}

/// The claims of a token. All of them are checked, except for `scope`, which limits the token.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    aud: Audience,
    exp: u64,
    iss: String,
    scope: String,
    sub: String,
}

/// One audience, or several that include this service (RFC 7519 section 4.1.3).
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// Authenticates requests by the tokens of an organisation's identity provider.
struct Jwt {
    /// The required audience of the tokens: this service.
    audience: String,
    fetch: Fetch,
    gate: ConnectionAuthenticator,
    /// The issuers, by the `iss` of their tokens.
    issuers: HashMap<String, Issuer>,
}

impl Jwt {
    async fn check(&self, head: &Parts) -> Result<Identity, AuthError> {
        /// The claim that is read before the signature is checked, only to find the issuer.
        #[derive(Deserialize)]
        struct Claimed {
            iss: String,
        }
        let refused = |error: jsonwebtoken::errors::Error| {
            AuthError::Unauthorized(match error.kind() {
                ErrorKind::ExpiredSignature => "token expired",
                ErrorKind::InvalidSignature => "invalid signature",
                _ => "invalid token",
            })
        };
        let token = credentials(head, "Bearer")?;
        let header = decode_header(token).map_err(refused)?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(AuthError::Unauthorized("algorithm not allowed"));
        }
        let claimed: Claimed = insecure_decode_claims(token).map_err(refused)?;
        let issuer = self.issuers.get(&claimed.iss);
        let issuer = issuer.ok_or(AuthError::Unauthorized("unknown issuer"))?;
        let kid = header
            .kid
            .ok_or(AuthError::Unauthorized("token without key id"))?;
        let key = self.key(issuer, &kid).await?;
        if !is_for(&key, header.alg) {
            return Err(AuthError::Unauthorized("key for another use"));
        }
        let key = DecodingKey::from_jwk(&key).map_err(refused)?;
        let mut rules = Validation::new(header.alg);
        rules.leeway = LEEWAY;
        rules.sub = Some(issuer.client.clone());
        rules.validate_nbf = true;
        rules.set_audience(&[&self.audience]);
        rules.set_issuer(&[&claimed.iss]);
        rules.set_required_spec_claims(&["aud", "exp", "iss", "sub"]);
        let token = decode::<Claims>(token, &key, &rules).map_err(refused)?;
        let (tenant, connection) = (&issuer.organisation, &issuer.connection);
        let scopes = scopes(&token.claims.scope);
        self.gate
            .identity_for(head, tenant, connection, scopes)
            .await
    }

    /// Returns a key of an issuer. An unknown key may be new, so the issuer is asked for its keys, but not too often.
    async fn key(&self, issuer: &Issuer, kid: &str) -> Result<Jwk, AuthError> {
        {
            let mut keys = issuer.keys.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(key) = keys.known.find(kid) {
                return Ok(key.clone());
            }
            if keys.asked.is_some_and(|asked| asked.elapsed() < PAUSE) {
                // Without a response the key can't be checked; the identity provider tries again then.
                return Err(if keys.is_answered {
                    AuthError::Unauthorized("unknown key")
                } else {
                    AuthError::Unavailable
                });
            }
            (keys.asked, keys.is_answered) = (Some(Instant::now()), false);
        }
        let fetched = (self.fetch)(&issuer.jwks_uri).await;
        let fetched = fetched.map_err(|_| AuthError::Unavailable)?;
        let key = fetched.find(kid).cloned();
        let mut keys = issuer.keys.lock().unwrap_or_else(PoisonError::into_inner);
        (keys.is_answered, keys.known) = (true, fetched);
        key.ok_or(AuthError::Unauthorized("unknown key"))
    }
}

/// Returns whether a key is for signatures with the algorithm, because issuers also publish keys for other purposes.
fn is_for(key: &Jwk, algorithm: Algorithm) -> bool {
    let named = key.common.key_algorithm.map(|named| named.to_string());
    let purpose = key.common.public_key_use.as_ref();
    named.is_none_or(|named| named.parse() == Ok(algorithm))
        && purpose.is_none_or(|purpose| *purpose == PublicKeyUse::Signature)
}

/// Returns the scopes of a token (RFC 8693 section 4.2).
fn scopes(claim: &str) -> TokenScopes {
    let mut scopes = TokenScopes::NONE;
    for word in claim.split(' ') {
        match word {
            "scim.groups" => scopes.groups = true,
            "scim.read" => scopes.read = true,
            "scim.users" => scopes.users = true,
            _ => {}
        }
    }
    scopes
}

impl Authenticate for Jwt {
    fn authenticate<'a>(&'a self, head: &'a Parts) -> BoxFuture<'a, Result<Identity, AuthError>> {
        Box::pin(self.check(head))
    }

    fn schemes(&self) -> Vec<AuthenticationScheme> {
        let mut scheme = AuthenticationScheme::oauth_bearer_token();
        scheme.primary = true;
        vec![scheme]
    }
}

impl fmt::Debug for Jwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwt")
            .field("issuers", &self.issuers)
            .finish_non_exhaustive()
    }
}

/// Creates a service with one organisation, whose identity provider has these keys.
async fn service(base_url: &str, fetch: Fetch) -> Result<Server, Box<dyn Error>> {
    let store = Arc::new(MemoryStore::new());
    let settings = Settings::new(base_url);
    let jwt = jwt(&store, &settings, fetch).await?;
    Ok(Server::new(store, settings).with_authentication(jwt))
}

/// Creates the authenticator for the clients of that organisation.
async fn jwt(
    store: &Arc<MemoryStore>,
    settings: &Settings,
    fetch: Fetch,
) -> Result<Jwt, Box<dyn Error>> {
    let administration = TenantAdmin::new(store.clone());
    let acme = administration.create_tenant("acme", "Acme Inc.").await?;
    let sso = administration
        .create_connection(
            &acme.id,
            "sso",
            "Single sign-on",
            &ConnectionSettings::default(),
        )
        .await?;
    let issuer = Issuer {
        client: "provisioning".to_owned(),
        connection: sso.id,
        jwks_uri: "https://login.acme.example/keys".to_owned(),
        keys: Mutex::new(Keys {
            asked: None,
            is_answered: false,
            known: JwkSet { keys: Vec::new() },
        }),
        organisation: acme.id,
    };
    Ok(Jwt {
        audience: "https://app.example/scim".to_owned(),
        fetch,
        gate: ConnectionAuthenticator::new(store.clone(), settings.clone()),
        issuers: HashMap::from([("https://login.acme.example".to_owned(), issuer)]),
    })
}

/// The identity provider's side of the contract: its key and algorithm.
struct Signer {
    algorithm: Algorithm,
    key: EncodingKey,
    kid: &'static str,
}

impl Signer {
    fn es256(kid: &'static str) -> Result<Self, Box<dyn Error>> {
        let mut random = [0; 32];
        fill(&mut random)?;
        let key = p256::SecretKey::from_slice(&random)?.to_pkcs8_der()?;
        Ok(Signer {
            algorithm: Algorithm::ES256,
            key: EncodingKey::from_ec_der(key.as_bytes()),
            kid,
        })
    }

    fn public(&self) -> Result<Jwk, Box<dyn Error>> {
        let mut public = Jwk::from_encoding_key(&self.key, self.algorithm)?;
        public.common.key_id = Some(self.kid.to_owned());
        Ok(public)
    }

    fn sign<C: Serialize>(&self, claims: &C) -> Result<String, Box<dyn Error>> {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.kid.to_owned());
        Ok(encode(&header, claims, &self.key)?)
    }
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "this is the program's output")]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let base_url = format!("http://{}/scim/v2", listener.local_addr()?);
    // This program plays both sides, so that there is something to try.
    let signer = Signer::es256("2026")?;
    let keys = JwkSet {
        keys: vec![signer.public()?],
    };
    let fetch: Fetch = Box::new(move |_| {
        let keys = keys.clone();
        Box::pin(async move { Ok(keys) })
    });
    let token = signer.sign(&Claims {
        aud: Audience::One("https://app.example/scim".to_owned()),
        exp: get_current_timestamp() + 3_600,
        iss: "https://login.acme.example".to_owned(),
        scope: "scim.groups scim.read scim.users".to_owned(),
        sub: "provisioning".to_owned(),
    })?;
    println!("curl -i -H 'Authorization: Bearer {token}' '{base_url}/Users'");
    let app = scimkit::axum::router("/scim/v2", service(&base_url, fetch).await?);
    Ok(axum::serve(listener, app).await?)
}

#[cfg(test)]
#[path = "jwt/tests.rs"]
mod tests;
