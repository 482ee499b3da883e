//! Tests of accepted and rejected tokens.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use axum::{body::Body, http::Request};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::*;

/// An RSA key for tests only.
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

/// The published keys of an issuer, and the number of requests for them.
#[derive(Clone, Default)]
struct Published {
    asked: Arc<AtomicUsize>,
    fails: Arc<AtomicBool>,
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

    fn fetch(&self) -> Fetch {
        let here = self.clone();
        Box::new(move |uri| {
            assert_eq!(uri, "https://login.acme.example/keys");
            here.asked.fetch_add(1, Ordering::Relaxed);
            let keys = here.keys.lock().unwrap().clone();
            let fails = here.fails.load(Ordering::Relaxed);
            Box::pin(async move {
                if fails {
                    Err("the issuer is away".into())
                } else {
                    Ok(JwkSet { keys })
                }
            })
        })
    }

    async fn server(&self) -> Server {
        let fetched = service("https://app.example/scim/v2", self.fetch());
        fetched.await.unwrap()
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
async fn only_signatures_of_the_issuer_are_accepted() {
    let elliptic = Signer::es256("a").unwrap();
    let rsa = rs256("b");
    let server = Published::of(&[&elliptic, &rsa]).server().await;
    for signer in [&elliptic, &rsa] {
        let token = signer.sign(&claims()).unwrap();
        assert_eq!(ask(&server, "GET", &token).await, 200);
        // The scope allows only reading.
        assert_eq!(ask(&server, "POST", &token).await, 403);
    }
    let mut writing = claims();
    writing["scope"] = "openid scim.users".into();
    let token = elliptic.sign(&writing).unwrap();
    assert_eq!(ask(&server, "POST", &token).await, 201);

    // Keys of others under these key ids, and the right key under the id of another.
    let others = [Signer::es256("a").unwrap(), Signer::es256("b").unwrap()];
    for forger in others.into_iter().chain([rs256("a")]) {
        let token = forger.sign(&claims()).unwrap();
        assert_eq!(ask(&server, "GET", &token).await, 401);
    }
}

#[tokio::test]
async fn every_claim_is_checked() {
    let signer = Signer::es256("a").unwrap();
    let server = Published::of(&[&signer]).server().await;
    let now = get_current_timestamp();
    for (claim, value, status) in [
        ("aud", json!("https://app.example/scim"), 200),
        (
            "aud",
            json!(["https://app.example/other", "https://app.example/scim"]),
            200,
        ),
        ("aud", json!(["https://app.example/other"]), 401),
        ("aud", json!([]), 401),
        ("aud", json!(7), 401),
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
async fn other_algorithms_are_rejected() {
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
async fn new_keys_are_fetched_but_not_for_every_unknown_key_id() {
    let old = Signer::es256("old").unwrap();
    let new = Signer::es256("new").unwrap();
    let published = Published::of(&[&old]);
    let server = published.server().await;
    let before = old.sign(&claims()).unwrap();
    let after = new.sign(&claims()).unwrap();
    assert_eq!(ask(&server, "GET", &before).await, 200);
    assert_eq!(ask(&server, "GET", &before).await, 200);
    assert_eq!(published.asked.load(Ordering::Relaxed), 1);
    // During the pause, no client can make this service fetch keys again.
    published.publish(&[&old, &new]);
    for _ in 0..10 {
        assert_eq!(ask(&server, "GET", &after).await, 401);
    }
    assert_eq!(published.asked.load(Ordering::Relaxed), 1);
    // A service without a recent request fetches them.
    let server = published.server().await;
    assert_eq!(ask(&server, "GET", &after).await, 200);
    assert_eq!(published.asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn unknown_keys_are_unavailable_while_the_issuer_does_not_respond() {
    let old = Signer::es256("old").unwrap();
    let new = Signer::es256("new").unwrap();
    let published = Published::of(&[&old]);
    let store = Arc::new(MemoryStore::new());
    let settings = Settings::new("https://app.example/scim/v2");
    let jwt = jwt(&store, &settings, published.fetch()).await.unwrap();
    let check = async |signer: &Signer| {
        let token = signer.sign(&claims()).unwrap();
        let request = Request::get("/Users").header("authorization", format!("Bearer {token}"));
        let (head, ()) = request.body(()).unwrap().into_parts();
        jwt.check(&head).await.map(drop)
    };
    let after_the_pause = || {
        let issuer = &jwt.issuers["https://login.acme.example"];
        issuer.keys.lock().unwrap().asked = None;
    };
    published.fails.store(true, Ordering::Relaxed);
    for _ in 0..3 {
        assert!(matches!(check(&old).await, Err(AuthError::Unavailable)));
    }
    after_the_pause();
    published.fails.store(false, Ordering::Relaxed);
    assert!(check(&old).await.is_ok());
    assert!(matches!(check(&new).await, Err(AuthError::Unauthorized(_))));

    // The old key remains valid, and the new one is not known yet.
    after_the_pause();
    published.publish(&[&new]);
    published.fails.store(true, Ordering::Relaxed);
    for _ in 0..3 {
        assert!(matches!(check(&new).await, Err(AuthError::Unavailable)));
        assert!(check(&old).await.is_ok());
    }
    after_the_pause();
    published.fails.store(false, Ordering::Relaxed);
    assert!(check(&new).await.is_ok());
    assert!(matches!(check(&old).await, Err(AuthError::Unauthorized(_))));
    assert_eq!(published.asked.load(Ordering::Relaxed), 4);
}
