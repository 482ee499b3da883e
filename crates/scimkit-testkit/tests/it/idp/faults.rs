//! Servers with planted faults, and what is reported of each.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use scimkit_core::builtin::USER;
use scimkit_registry::Registry;
use scimkit_server::{BearerTokens, Server, Token};
use scimkit_store::{BoxFuture, MemoryStore};
use scimkit_testkit::{
    idp::IdentityProvider,
    replay::{HttpTarget, TransportError},
};
use serde_json::{Value, json};

use super::{simulation, tolerance};
use crate::servers::{TOKEN, settings};

/// A fault of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// User names are compared with their case.
    CaseSensitive,
    /// A PUT keeps attributes that it does not have.
    KeepsRemoved,
    /// Of several PATCHes of one group at a time, only the first is carried out.
    LosesParallel,
    /// A page of a list lacks its last resource.
    LosesLast,
    /// `"False"` is stored as true.
    StringIsTrue,
}

const FAULTS: [Fault; 5] = [
    Fault::CaseSensitive,
    Fault::KeepsRemoved,
    Fault::LosesParallel,
    Fault::LosesLast,
    Fault::StringIsTrue,
];

struct Faulty {
    /// The groups that are being changed.
    busy: Mutex<BTreeSet<String>>,
    faults: Vec<Fault>,
    server: Server,
}

impl Faulty {
    fn new(provider: IdentityProvider, faults: &[Fault]) -> Self {
        let mut settings = settings(tolerance(provider));
        if faults.contains(&Fault::CaseSensitive) {
            let registry = Registry::builder()
                .characteristics(&format!("{USER}:userName"), |name| name.case_exact = true)
                .and_then(|builder| builder.build());
            settings.registry = Arc::new(registry.unwrap());
        }
        let token = Token::from_secret(TOKEN).unwrap();
        let server = Server::new(Arc::new(MemoryStore::new()), settings);
        Faulty {
            busy: Mutex::default(),
            faults: faults.to_vec(),
            server: server.with_authentication(BearerTokens::new([token.digest()])),
        }
    }

    fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }

    async fn answer(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let (method, path) = (request.method().clone(), request.uri().to_string());
        if self.has(Fault::StringIsTrue) && method == Method::PATCH {
            let body = String::from_utf8(request.body().to_vec()).unwrap();
            *request.body_mut() = body.replace("\"False\"", "true").into();
        }
        if self.has(Fault::KeepsRemoved) && method == Method::PUT {
            self.keep_removed(&mut request).await?;
        }
        if self.has(Fault::LosesParallel) && method == Method::PATCH && path.starts_with("/Groups/")
        {
            return self.one_at_a_time(request, path).await;
        }
        let mut answer = self.server.send(request).await?;
        if self.has(Fault::LosesLast) && method == Method::GET && path.contains("?startIndex=") {
            let mut list: Value = serde_json::from_slice(answer.body()).unwrap();
            list["Resources"].as_array_mut().unwrap().pop();
            *answer.body_mut() = list.to_string().into();
        }
        Ok(answer)
    }

    async fn keep_removed(&self, request: &mut Request<Bytes>) -> Result<(), TransportError> {
        let stored =
            Request::get(request.uri().clone()).header("authorization", format!("Bearer {TOKEN}"));
        let stored = self.server.send(stored.body(Bytes::new()).unwrap()).await?;
        let stored: BTreeMap<String, Value> = serde_json::from_slice(stored.body()).unwrap();
        let mut body: BTreeMap<String, Value> = serde_json::from_slice(request.body()).unwrap();
        body.retain(|_, value| !value.is_null());
        for (name, value) in stored {
            body.entry(name).or_insert(value);
        }
        *request.body_mut() = json!(body).to_string().into();
        Ok(())
    }

    async fn one_at_a_time(
        &self,
        request: Request<Bytes>,
        path: String,
    ) -> Result<Response<Bytes>, TransportError> {
        if !self.busy.lock().unwrap().insert(path.clone()) {
            let mut answer = Response::new(Bytes::new());
            *answer.status_mut() = StatusCode::NO_CONTENT;
            return Ok(answer);
        }
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        let answer = self.server.send(request).await;
        self.busy.lock().unwrap().remove(&path);
        answer
    }
}

impl HttpTarget for Faulty {
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        Box::pin(self.answer(request))
    }
}

/// The kinds and attributes of everything that is reported.
async fn found(provider: IdentityProvider, faults: &[Fault]) -> BTreeSet<String> {
    let server = Faulty::new(provider, faults);
    let report = simulation(provider, &server)
        .with_rounds(6)
        .run()
        .await
        .unwrap();
    let named = report
        .divergences()
        .map(|divergence| match &divergence.attribute {
            Some(attribute) => format!("{}: {attribute}", divergence.kind.as_str()),
            None => divergence.kind.as_str().to_owned(),
        });
    named.collect()
}

/// What is reported of a fault. Not every identity provider sends what shows it.
fn signs(provider: IdentityProvider, fault: Fault) -> &'static [&'static str] {
    use IdentityProvider::{Entra, EntraAadOptScim062020, JumpCloud, Okta, OktaOin, OneLogin};
    match (fault, provider) {
        (Fault::CaseSensitive, Okta | OktaOin) => &[],
        (Fault::CaseSensitive, _) => &["duplicate"],
        (Fault::KeepsRemoved, JumpCloud | Okta | OktaOin | OneLogin) => &["attribute: title"],
        (Fault::LosesParallel, Entra | EntraAadOptScim062020 | JumpCloud | OneLogin) => {
            &["membership: members"]
        }
        (Fault::LosesLast, _) => &["unlisted"],
        (Fault::StringIsTrue, Entra) => &["attribute: active"],
        _ => &[],
    }
}

#[tokio::test]
async fn each_fault_is_reported_by_its_name() {
    for provider in IdentityProvider::ALL {
        for fault in FAULTS {
            let signs = signs(provider, fault);
            let found = found(provider, &[fault]).await;
            let all = signs.iter().all(|sign| found.contains(*sign));
            assert!(
                all && found.is_empty() == signs.is_empty(),
                "{provider:?}, {fault:?}: {found:?}"
            );
        }
    }
}

#[tokio::test]
async fn all_five_faults_at_once_are_reported() {
    let mut reported = BTreeSet::new();
    for provider in [IdentityProvider::Entra, IdentityProvider::OneLogin] {
        let found = found(provider, &FAULTS).await;
        for fault in FAULTS {
            let signs = signs(provider, fault);
            assert!(
                signs.iter().all(|sign| found.contains(*sign)),
                "{provider:?}, {fault:?}: {found:?}"
            );
            reported.extend(signs.first().map(|_| format!("{fault:?}")));
        }
    }
    assert_eq!(reported.len(), FAULTS.len(), "{reported:?}");
}
