//! Recordings of the corpus, which must be anonymous and replay, and of unusual requests.

mod passing;
mod redaction;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use scimkit_registry::{Registry, Tolerance};
use scimkit_server::Server;
use scimkit_store::{BoxFuture, Store};
use scimkit_testkit::{
    record::{Recorded, Recorder},
    replay::{HttpTarget, Mode, Replay, Scenario, TransportError},
};
use serde_json::Value;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    corpus::UNDER_DEFAULT,
    protocol,
    servers::{STORES, TOKEN, server, settings},
};

/// A recorded server, with its requests and responses.
struct Listened {
    seen: Arc<Mutex<Vec<(String, Bytes)>>>,
    service: Recorded<Server>,
}

impl HttpTarget for Listened {
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        let mut service = self.service.clone();
        Box::pin(async move {
            let target = request.uri().to_string();
            self.seen
                .lock()
                .unwrap()
                .push((target.clone(), request.body().clone()));
            let answer = service.call(request.map(Full::new)).await?;
            let (head, body) = answer.into_parts();
            let body = body.collect().await?.to_bytes();
            self.seen.lock().unwrap().push((target, body.clone()));
            Ok(Response::from_parts(head, body))
        })
    }
}

/// Cases with recordings that fail in a replay, and the reasons.
const EXPECTED: [(&str, &str); 14] = [
    (
        "field/manager-by-relative-reference",
        "the endpoint does not stay in a `$ref`",
    ),
    (
        "field/member-ref-of-another-type",
        "the endpoint does not stay in a `$ref`",
    ),
    (
        "field/manager-ref-of-another-system",
        "the base URL of the server does not stay in a `$ref`",
    ),
    (
        "protocol/membership/manager-by-reference",
        "the base URL of the server does not stay in a `$ref`",
    ),
    (
        "protocol/membership/members-by-reference",
        "the base URL of the server does not stay in a `$ref`",
    ),
    (
        "protocol/patch/members-in-one-body",
        "the base URL of the server does not stay in a `$ref`",
    ),
    (
        "field/datetime-filter-with-offset",
        "two spellings of one instant do not stay equal",
    ),
    (
        "protocol/cursor/root-writes",
        "the order of texts does not stay",
    ),
    (
        "protocol/bulk/every-method",
        "the version of a resource stays in a header, not in a body",
    ),
    (
        "protocol/devices/wrong-types",
        "an endpoint stays only once it has answered with success",
    ),
    (
        "protocol/discovery/resource-types",
        "the name of a type that is not the RFC's does not stay in a path",
    ),
    (
        "protocol/encoding/paths",
        "the length of a text does not stay",
    ),
    (
        "protocol/quirks/bare-words-rejected",
        "a word without quotes becomes another one",
    ),
    (
        "protocol/filter/limits",
        "the length of a text does not stay",
    ),
];

#[tokio::test]
async fn recordings_of_the_corpus_are_anonymous_and_replay() {
    let mut scenarios = Scenario::corpus().unwrap();
    scenarios.retain(|one| UNDER_DEFAULT.iter().all(|(known, _)| *known != one.name()));
    let registry = settings(Tolerance::DEFAULT).registry;
    record_and_replay(&scenarios, &registry, |store, tolerance, _| {
        server(store, tolerance)
    })
    .await;
}

#[tokio::test]
async fn recordings_of_the_protocol_are_anonymous_and_replay() {
    record_and_replay(&protocol::cases(), &protocol::registry(), protocol::server).await;
}

/// Records each scenario, checks that it contains no secrets, and replays it over every store.
async fn record_and_replay(
    scenarios: &[Scenario],
    registry: &Registry,
    serve: impl Fn(Arc<dyn Store>, Tolerance, &Scenario) -> Server,
) {
    let mut problems = Vec::new();
    let profiles = [
        (Tolerance::DEFAULT, &[Mode::Both, Mode::Compat][..]),
        (Tolerance::STRICT, &[Mode::Rfc]),
    ];
    for (tolerance, modes) in profiles {
        for scenario in scenarios.iter().filter(|one| modes.contains(&one.mode)) {
            let name = scenario.name();
            let listened = serve((STORES[0].1)(), tolerance, scenario);
            let (text, secrets) = record(listened, registry, scenario).await;
            let told = secrets.iter().filter(|secret| text.contains(*secret));
            problems.extend(told.map(|secret| format!("{name}: `{secret}` is in the recording")));

            let recorded = Scenario::from_json(&text).unwrap();
            for (store, make) in STORES {
                let server = serve(make(), tolerance, scenario);
                let replay = Replay::new(&server).with_token(TOKEN);
                let report = replay.run(std::slice::from_ref(&recorded)).await;
                let known = EXPECTED.iter().any(|(failing, _)| *failing == name);
                match report.holds() {
                    false if !known => problems.push(format!("{name} over {store}: {report}")),
                    true if known => problems.push(format!("{name}: take it off the list")),
                    _ => {}
                }
            }
        }
    }
    assert!(
        problems.is_empty(),
        "{} problems:\n{}",
        problems.len(),
        problems.join("\n")
    );
}

/// Runs a scenario on a recorded server, and returns the recording and what it must not contain.
async fn record(
    server: Server,
    registry: &Registry,
    scenario: &Scenario,
) -> (String, BTreeSet<String>) {
    let recorder = Recorder::new("recorded", "again").with_registry(registry);
    let target = Listened {
        seen: Arc::default(),
        service: recorder.layer(server),
    };
    let replay = Replay::new(&target)
        .with_settings_met()
        .with_modes([scenario.mode])
        .with_token(TOKEN);
    let report = replay.run(std::slice::from_ref(scenario)).await;
    assert!(report.holds(), "{report}");
    let secrets = secrets(&target.seen.lock().unwrap());
    (recorder.scenario().to_json(), secrets)
}

/// Returns the texts of an exchange that carry information, by other rules than those of the recorder.
fn secrets(seen: &[(String, Bytes)]) -> BTreeSet<String> {
    let mut secrets = BTreeSet::from([TOKEN.to_owned(), "scim.test".to_owned()]);
    for (target, body) in seen {
        let target = percent_encoding::percent_decode_str(target).decode_utf8_lossy();
        if ["/Schemas", "/ResourceTypes", "/Service"]
            .iter()
            .any(|path| target.starts_with(path))
        {
            continue;
        }
        secrets.extend(target.split('"').skip(1).step_by(2).map(str::to_owned));
        // Words without quotes are values, too; short ones such as `work` are in every schema.
        let spaced = target.replace('+', " ");
        let words = spaced.split(" eq ").skip(1);
        let words = words.filter_map(|rest| rest.split([' ', ')', ']', '&', '"']).next());
        secrets.extend(words.filter(|word| word.len() > 9).map(str::to_owned));
        let path = target.split('?').next().unwrap_or_default();
        secrets.extend(path.split('/').nth(2).map(str::to_owned));
        let document: Value = serde_json::from_slice(body).unwrap_or_default();
        leaves("", &document, &mut secrets);
    }
    let public = |text: &str| PUBLIC.contains(&text) || text.starts_with("urn:");
    secrets.retain(|text| text.len() > 3 && !public(text));
    secrets
}

fn leaves(name: &str, value: &Value, secrets: &mut BTreeSet<String>) {
    const NAMES: [&str; 3] = ["attributes", "excludedAttributes", "sortBy"];
    match value {
        _ if NAMES.contains(&name) => {}
        Value::Array(elements) => elements.iter().for_each(|one| leaves(name, one, secrets)),
        Value::Object(members) => {
            for (name, value) in members {
                leaves(name, value, secrets);
            }
        }
        Value::String(text) if ["filter", "path"].contains(&name) => {
            secrets.extend(text.split('"').skip(1).step_by(2).map(str::to_owned));
        }
        Value::String(text)
            if ![
                "locale",
                "method",
                "op",
                "preferredLanguage",
                "scimType",
                "type",
                "resourceType",
                "schemas",
            ]
            .contains(&name) =>
        {
            let named = text.strip_prefix("bulkId:");
            secrets.insert(named.unwrap_or(text).to_owned());
        }
        _ => {}
    }
}

/// Common words, and attribute names that cases also use as values.
const PUBLIC: [&str; 22] = [
    ".search",
    "2024",
    "Cert",
    "False",
    "Group",
    "True",
    "User",
    "Users",
    "descending",
    "fALSE",
    "false",
    "group",
    "home",
    "mobile",
    "nick",
    "nonsense",
    "other",
    "password",
    "secret",
    "true",
    "user",
    "work",
];
