//! JSON Web Tokens instead of tokens of ours: each organisation's identity provider signs its own, so that
//! provisioning hangs on the trust that single sign-on hangs on already.
//!
//! ```text
//! cargo run --example jwt --features jwt
//! ```
//!
//! What is checked, in that order: the algorithm (RS256 or ES256, whatever the token says it is), the issuer
//! (one that is known, which decides the organisation before a key is chosen), the key (by `kid`, among
//! those of that issuer), the signature, and the claims `aud`, `exp`, `nbf`, `iss` and `sub`.

use std::{
    collections::HashMap,
    error::Error,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::http::request::Parts;
use getrandom::fill;
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation,
    dangerous::insecure_decode_claims,
    decode, decode_header, encode, get_current_timestamp,
    jwk::{Jwk, JwkSet, PublicKeyUse},
};
use p256::pkcs8::EncodePrivateKey;
use scimkit::{
    Authenticate, ConnectionId, Denied, Identity, Memory, Scopes, Server, Settings, TenantId,
    core::AuthenticationScheme,
    credentials,
    provision::{Administration, Gate, Rules},
    store::BoxFuture,
};
use serde::{Deserialize, Serialize};

/// What tokens may be signed with, and nothing else.
const ALGORITHMS: [Algorithm; 2] = [Algorithm::ES256, Algorithm::RS256];
/// Seconds that clocks may differ by.
const LEEWAY: u64 = 60;
/// How long an issuer is not asked for its keys again, whatever `kid` somebody makes up.
const PAUSE: Duration = Duration::from_secs(60);

/// Fetches the keys of an issuer from its `jwks_uri`: in an application, with its HTTPS client.
type Fetch = Box<dyn Fn(&str) -> BoxFuture<'static, Result<JwkSet, Box<dyn Error>>> + Send + Sync>;

/// Whom an issuer may speak for.
#[derive(Debug)]
struct Issuer {
    /// The `sub` of its tokens: the one client that provisions, and not whoever signs in there.
    client: String,
    connection: ConnectionId,
    jwks_uri: String,
    keys: Mutex<Keys>,
    organisation: TenantId,
}

#[derive(Debug)]
struct Keys {
    asked: Option<Instant>,
    known: JwkSet,
}

/// What a token says; all of it is checked but `scope`, which says what it may do.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    aud: String,
    exp: u64,
    iss: String,
    scope: String,
    sub: String,
}

/// Lets in whom the identity provider of an organisation sends.
struct Jwt {
    /// What the tokens must be made for: this service.
    audience: String,
    fetch: Fetch,
    gate: Gate,
    /// By the `iss` of their tokens.
    issuers: HashMap<String, Issuer>,
}

impl Jwt {
    async fn check(&self, head: &Parts) -> Result<Identity, Denied> {
        /// What is read before the signature is checked, to look it up and for nothing else.
        #[derive(Deserialize)]
        struct Claimed {
            iss: String,
        }
        let refused = |_| Denied::Unauthorized;
        let token = credentials(head, "Bearer")?;
        let header = decode_header(token).map_err(refused)?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(Denied::Unauthorized);
        }
        let claimed: Claimed = insecure_decode_claims(token).map_err(refused)?;
        let issuer = self.issuers.get(&claimed.iss);
        let issuer = issuer.ok_or(Denied::Unauthorized)?;
        let kid = header.kid.ok_or(Denied::Unauthorized)?;
        let key = self.key(issuer, &kid).await?;
        if !is_for(&key, header.alg) {
            return Err(Denied::Unauthorized);
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
        self.gate.identify(head, tenant, connection, scopes).await
    }

    /// A key of an issuer. One that is not known yet may be new, so the issuer is asked, now and then.
    async fn key(&self, issuer: &Issuer, kid: &str) -> Result<Jwk, Denied> {
        {
            let mut keys = issuer.keys.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(key) = keys.known.find(kid) {
                return Ok(key.clone());
            }
            if keys.asked.is_some_and(|asked| asked.elapsed() < PAUSE) {
                // Without any key there is no telling; a provider comes again then.
                return Err(match keys.known.keys.is_empty() {
                    true => Denied::Unavailable,
                    false => Denied::Unauthorized,
                });
            }
            keys.asked = Some(Instant::now());
        }
        let fetched = (self.fetch)(&issuer.jwks_uri).await;
        let fetched = fetched.map_err(|_| Denied::Unavailable)?;
        let key = fetched.find(kid).cloned();
        let mut keys = issuer.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.known = fetched;
        key.ok_or(Denied::Unauthorized)
    }
}

/// Whether a key is for that: issuers also publish keys for other purposes.
fn is_for(key: &Jwk, algorithm: Algorithm) -> bool {
    let named = key.common.key_algorithm.map(|named| named.to_string());
    let purpose = key.common.public_key_use.as_ref();
    named.is_none_or(|named| named.parse() == Ok(algorithm))
        && purpose.is_none_or(|purpose| *purpose == PublicKeyUse::Signature)
}

/// What a token may do (RFC 8693 section 4.2).
fn scopes(claim: &str) -> Scopes {
    let mut scopes = Scopes::NONE;
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
    fn authenticate<'a>(&'a self, head: &'a Parts) -> BoxFuture<'a, Result<Identity, Denied>> {
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

/// A service that knows one organisation, with an identity provider that has these keys.
async fn service(base_url: &str, fetch: Fetch) -> Result<Server, Box<dyn Error>> {
    let (store, settings) = (Arc::new(Memory::new()), Settings::new(base_url));
    let administration = Administration::new(store.clone());
    let acme = administration.create_tenant("acme", "Acme Inc.").await?;
    let sso = administration
        .create_connection(&acme.id, "sso", "Single sign-on", &Rules::default())
        .await?;
    let issuer = Issuer {
        client: "provisioning".to_owned(),
        connection: sso.id,
        jwks_uri: "https://login.acme.example/keys".to_owned(),
        keys: Mutex::new(Keys {
            asked: None,
            known: JwkSet { keys: Vec::new() },
        }),
        organisation: acme.id,
    };
    let jwt = Jwt {
        audience: "https://app.example/scim".to_owned(),
        fetch,
        gate: Gate::new(store.clone(), settings.clone()),
        issuers: HashMap::from([("https://login.acme.example".to_owned(), issuer)]),
    };
    Ok(Server::new(store, settings).with_authentication(jwt))
}

/// What the identity provider of the organisation signs with: its side of the contract.
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
    // Both sides are in this program, so that there is something to try.
    let signer = Signer::es256("2026")?;
    let keys = JwkSet {
        keys: vec![signer.public()?],
    };
    let fetch: Fetch = Box::new(move |_| {
        let keys = keys.clone();
        Box::pin(async move { Ok(keys) })
    });
    let token = signer.sign(&Claims {
        aud: "https://app.example/scim".to_owned(),
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
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::{body::Body, http::Request};
    use base64::{Engine, prelude::BASE64_STANDARD};
    use serde_json::{Value, json};

    use super::*;

    /// An RSA key that opens nothing.
    const RSA: &str = "\
MIIEowIBAAKCAQEA9DFJ+UtDI10dEeoJ9nUhAqNP5kverp92u+9hJ8CEwdEBONvenwvLhvBoqDfxDHHlFnbHyggmcaAN\
KMm2jKGlKkuHohotQeYJw9xSpq4w8CuUnCgT26mOTTR2S9bi7ev5hiyTFtcxt4tMVTQ9yfRDTMadwW52iLQ3/7hRZOPS\
8Ov+nYAM+ennSGo9l3qo0ItjRlWLZwF1j7MudR/UBoP8NFPkB448IpvTxVl0GW9qJabU1xtyTJYmYIC7GZUdyT02dNRl\
Bzzycln4jlcMBroHjspyWiV2+i9/QF2SE3BOgHqhYtxxraIcgvf1PhWvSnzMnsOs1BjDGlLF/7yOGfZnEwIDAQABAoIB\
AGQMKbW060364WUskWZjuOGezaaaYSMEfJ4lRpYF356VJj4If16Ec5/WsdpyCRXDOEwK4HJbAn09SQb0FhHqTIRWq7xz\
oyVDva58f3SBG9Xa1SlhljlCb+Yb33fVE+bM7s/VRXJvOpRrwxuJquMqa8Rx/8J3oqMBy4u/FcITQaKpESb4gAJ3RZcx\
gmMAVl+xAaTIdONnWaI7agolyXnMgJyvhue06AkkYhQt4AEor38yoZtiveQDzzgJe7QAqTyRKs8FT5Di2kvz01sfIrty\
xxLMudsyYP8i3mydk4BhG5z6Aj3NeJ3p+Kx1DDX5iyYmD5XZoE5lw6c7cBGK74LMHPkCgYEA/Bj49g6InYiXxL5+AEjs\
P+rlNE9Myzzzr7XXlzlSKTdJjHjb8g+wGnNC7qkIIVZeugde4MtsT4rpqQeifezyk/us0Nz89slyCbXra0DX62IWSlkZ\
NQD/6EFRE5qj5NTIyhxbnWGGjitzsvxUX/OZPJ8VaaUizkO2FrcVgzi7ey0CgYEA9/j9b7rZSw+B1jDpusSqMcjGXpZ1\
kX2riaOp3se9x+Eh/ZAXGIZWKRLvP6FOiYTKYWbZQ2ww9+27uN1OeUE5pC2WEsakq78yDsGq2Zmj4rUGLm5JjPHRPC3t\
jgW8NuQrMsaiewuCL1l+K3EJe1oK7mpulS0q7WbaPlVj2H6h0z8CgYEAlobiwSlUcZwJ4zRLUCg6yL+dNGrVU9WFPDm8\
DVPwtyOICxRvYE31vRVttcvASwejcDjOcjOE7MnpU0B3yfEdtzbjraMGeOU37oxtkZEaXDYpUSN6Zae/JhM6MhZ4Hj7f\
1a6xFXwSN/nCD/GS/+gYa5Yh1v7/lWHg7BdOBRhu+dECgYABDj9N9XatWiCMX+Lu15193sPxbSSM/QL48AhuGV2Wdz/k\
y3M9uHyvahQ4qiAid71A0uZD4jcHJyzwaYjG/V8YctU7uTrEPGkjJPHsQTowYeLn2bJYdkMUxYFIZH/bn/cLHUtdyLvC\
JdhiqPWIX+bCAxP7cJjJL/Hn6Acnyco4kwKBgBj0P8SkoyzgAmT6tV7j3QwRhslsbRrZ+G6DDNFNeuJGehkXg3SW7NEu\
D4YoCOEDtMPLHMySAy0vdHYPppI2/aMKbEszNro1IBnZ/7s0fl+6O11X7y/gN3eNOMJRckLtcMEf/AqX2UTmGsmiJTFT\
I5kP8TacH8+/0hDkN8sLBk3h";

    fn rs256(kid: &'static str) -> Signer {
        Signer {
            algorithm: Algorithm::RS256,
            key: EncodingKey::from_rsa_der(&BASE64_STANDARD.decode(RSA).unwrap()),
            kid,
        }
    }

    fn claims() -> Value {
        json!({
            "aud": "https://app.example/scim",
            "exp": get_current_timestamp() + 600,
            "iss": "https://login.acme.example",
            "scope": "scim.read",
            "sub": "provisioning",
        })
    }

    /// What an issuer publishes, and how often it was asked.
    #[derive(Clone, Default)]
    struct Published {
        asked: Arc<AtomicUsize>,
        keys: Arc<Mutex<Vec<Jwk>>>,
    }

    impl Published {
        fn of(signers: &[&Signer]) -> Self {
            let published = Published::default();
            published.publish(signers);
            published
        }

        fn publish(&self, signers: &[&Signer]) {
            let keys = signers.iter().map(|signer| signer.public().unwrap());
            *self.keys.lock().unwrap() = keys.collect();
        }

        async fn server(&self) -> Server {
            let here = self.clone();
            let fetch: Fetch = Box::new(move |uri| {
                assert_eq!(uri, "https://login.acme.example/keys");
                here.asked.fetch_add(1, Ordering::Relaxed);
                let keys = here.keys.lock().unwrap().clone();
                Box::pin(async move { Ok(JwkSet { keys }) })
            });
            service("https://app.example/scim/v2", fetch).await.unwrap()
        }
    }

    async fn ask(server: &Server, method: &str, token: &str) -> u16 {
        let request = Request::builder()
            .method(method)
            .uri("/Users")
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/scim+json")
            .body(Body::from(r#"{"userName": "bjensen"}"#));
        let answer = server.handle(request.unwrap()).await;
        answer.status().as_u16()
    }

    #[tokio::test]
    async fn the_issuers_own_signatures_open_its_organisation_alone() {
        let (elliptic, rsa) = (Signer::es256("a").unwrap(), rs256("b"));
        let server = Published::of(&[&elliptic, &rsa]).server().await;
        for signer in [&elliptic, &rsa] {
            let token = signer.sign(&claims()).unwrap();
            assert_eq!(ask(&server, "GET", &token).await, 200);
            // Its scope is to read.
            assert_eq!(ask(&server, "POST", &token).await, 403);
        }
        let mut writing = claims();
        writing["scope"] = "openid scim.users".into();
        let token = elliptic.sign(&writing).unwrap();
        assert_eq!(ask(&server, "POST", &token).await, 201);

        // Keys of others under these names, and a right key under the name of another.
        let others = [Signer::es256("a").unwrap(), Signer::es256("b").unwrap()];
        for forger in others.into_iter().chain([rs256("a")]) {
            let token = forger.sign(&claims()).unwrap();
            assert_eq!(ask(&server, "GET", &token).await, 401);
        }
    }

    #[tokio::test]
    async fn every_claim_counts() {
        let signer = Signer::es256("a").unwrap();
        let server = Published::of(&[&signer]).server().await;
        let now = get_current_timestamp();
        for (claim, value, status) in [
            ("aud", json!("https://app.example/scim"), 200),
            ("aud", json!(["https://app.example/other"]), 401),
            ("aud", Value::Null, 401),
            ("iss", json!("https://login.other.example"), 401),
            ("iss", Value::Null, 401),
            ("sub", json!("bjensen"), 401),
            ("sub", Value::Null, 401),
            ("scope", json!(""), 403),
            ("exp", json!(now - LEEWAY + 10), 200),
            ("exp", json!(now - LEEWAY - 10), 401),
            ("exp", Value::Null, 401),
            ("nbf", json!(now + LEEWAY - 10), 200),
            ("nbf", json!(now + LEEWAY + 10), 401),
        ] {
            let mut claims = claims();
            match &value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(claim)),
                value => claims[claim] = value.clone(),
            }
            let token = signer.sign(&claims).unwrap();
            assert_eq!(
                ask(&server, "GET", &token).await,
                status,
                "{claim}: {value}"
            );
        }
    }

    #[tokio::test]
    async fn no_other_algorithm_is_taken() {
        let rsa = rs256("a");
        let server = Published::of(&[&rsa]).server().await;
        let public = rsa.public().unwrap();
        let public = serde_json::to_vec(&public).unwrap();
        for (algorithm, key) in [
            (Algorithm::HS256, EncodingKey::from_secret(&public)),
            (Algorithm::RS512, rsa.key.clone()),
            (Algorithm::PS256, rsa.key.clone()),
        ] {
            let signer = Signer {
                algorithm,
                key,
                kid: "a",
            };
            let token = signer.sign(&claims()).unwrap();
            assert_eq!(ask(&server, "GET", &token).await, 401, "{algorithm:?}");
        }
        let good = rsa.sign(&claims()).unwrap();
        let (head, _) = good.rsplit_once('.').unwrap();
        let (_, body) = head.split_once('.').unwrap();
        let none = "eyJhbGciOiJub25lIiwia2lkIjoiYSJ9";
        for token in [
            format!("{none}.{body}."),
            format!("{head}."),
            head.to_owned(),
            String::new(),
        ] {
            assert_eq!(ask(&server, "GET", &token).await, 401, "{token}");
        }
    }

    #[tokio::test]
    async fn a_new_key_is_fetched_and_made_up_ones_are_not() {
        let (old, new) = (Signer::es256("old").unwrap(), Signer::es256("new").unwrap());
        let published = Published::of(&[&old]);
        let server = published.server().await;
        let (before, after) = (old.sign(&claims()).unwrap(), new.sign(&claims()).unwrap());
        assert_eq!(ask(&server, "GET", &before).await, 200);
        assert_eq!(ask(&server, "GET", &before).await, 200);
        assert_eq!(published.asked.load(Ordering::Relaxed), 1);
        // Within the pause nobody makes this service ask again.
        published.publish(&[&old, &new]);
        for _ in 0..10 {
            assert_eq!(ask(&server, "GET", &after).await, 401);
        }
        assert_eq!(published.asked.load(Ordering::Relaxed), 1);
        // A service that did not just ask does.
        let server = published.server().await;
        assert_eq!(ask(&server, "GET", &after).await, 200);
        assert_eq!(published.asked.load(Ordering::Relaxed), 2);
    }
}
