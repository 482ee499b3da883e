//! Runs the cases of the folder `cases` with a server in this process, over every store, and with a server elsewhere.
//!
//! `must` rows hold under the strict profile, and under the default one except for those that are marked as strict. The
//! results of `choice` rows are in `cases/choices.jsonl`, so that a change of them is detected.

mod filters;
mod patch;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response};
use scimkit_registry::Tolerance;
use scimkit_store::{BoxFuture, Store};
use scimkit_testkit::replay::{HttpTarget, TransportError};
use serde_json::Value;

use crate::servers::{STORES, TOKEN, server};

const PROFILES: [(&str, Tolerance); 2] = [
    ("default", Tolerance::DEFAULT),
    ("strict", Tolerance::STRICT),
];

/// The result of a row.
struct Scored {
    /// The response and its effect, in a few words.
    answer: String,
    choice: bool,
    id: String,
    /// The fault, from the view of the row.
    problem: Option<String>,
}

#[tokio::test]
async fn patch_cases_hold() {
    let mut problems = Vec::new();
    for (store, make) in STORES {
        for (profile, tolerance) in PROFILES {
            let client = Client::in_process(make(), tolerance);
            let scored = patch::score(&client, profile).await;
            assert_eq!(scored.len(), if profile == "strict" { 134 } else { 131 });
            problems.extend(judge(store, profile, &scored));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[tokio::test]
async fn failed_patch_changes_no_byte() {
    for (store, make) in STORES {
        for (profile, tolerance) in PROFILES {
            let client = Client::in_process(make(), tolerance);
            let problems = patch::failing(&client).await;
            assert!(problems.is_empty(), "{store}, {profile}: {problems:#?}");
        }
    }
}

#[tokio::test]
async fn filter_cases_hold() {
    let mut problems = Vec::new();
    for (store, make) in STORES {
        for (profile, tolerance) in PROFILES {
            let client = Client::in_process(make(), tolerance);
            let scored = filters::score(&client, profile).await;
            assert_eq!(scored.len(), if profile == "strict" { 353 } else { 352 });
            problems.extend(judge(store, profile, &scored));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Run by `.ci/over-http`, with an empty server at `SCIMKIT_URL` that accepts `SCIMKIT_TOKEN` and has the profile
/// `SCIMKIT_PROFILE`.
#[tokio::test]
#[ignore = "needs a server that runs"]
async fn running_server_passes_the_cases() {
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let profile = variable("SCIMKIT_PROFILE");
    assert!(
        PROFILES.iter().any(|(known, _)| *known == profile),
        "{profile}"
    );
    let target = Remote::new(variable("SCIMKIT_URL"));
    let client = Client::new(Box::new(target), variable("SCIMKIT_TOKEN"));
    for endpoint in ["/Users", "/Groups"] {
        let answer = client
            .ask("GET", &format!("{endpoint}?count=0"), None)
            .await;
        assert_eq!(answer.body["totalResults"], 0, "{endpoint} must be empty");
    }
    let patched = patch::score(&client, &profile).await;
    client.remove_all().await;
    let filtered = filters::score(&client, &profile).await;
    client.remove_all().await;
    assert!(patched.len() > 130 && filtered.len() > 350);
    let mut problems = judge("over HTTP", &profile, &patched);
    problems.extend(judge("over HTTP", &profile, &filtered));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_choice_has_a_reason() {
    let decided = choices();
    let rows = rows(include_str!("../../cases/patch.jsonl"))
        .into_iter()
        .chain(rows(include_str!("../../cases/filters.jsonl")));
    let open = rows
        .filter(|row| row["class"] == "choice")
        .map(|row| text(&row, "id"));
    assert_eq!(decided.keys().cloned().collect::<Vec<_>>(), {
        let mut open: Vec<_> = open.collect();
        open.sort();
        open
    });
    for (id, row) in decided {
        assert!(
            row["reason"]
                .as_str()
                .is_some_and(|reason| !reason.is_empty()),
            "{id}"
        );
    }
}

/// Returns every row that does not hold, and every choice that differs from the one on file.
fn judge(store: &str, profile: &str, scored: &[Scored]) -> Vec<String> {
    let decided = choices();
    let problem = |row: &Scored| {
        let Scored {
            answer,
            choice,
            id,
            problem,
        } = row;
        let kept = decided.get(id).and_then(|kept| kept[profile].as_str());
        match choice {
            false => problem.clone(),
            true if kept == Some(answer) => None,
            true => Some(format!("answered `{answer}`, on file {kept:?}")),
        }
    };
    let named = |row: &Scored| Some(format!("{store}, {profile}: {}: {}", row.id, problem(row)?));
    scored.iter().filter_map(named).collect()
}

fn choices() -> BTreeMap<String, Value> {
    let rows = rows(include_str!("../../cases/choices.jsonl"));
    rows.into_iter()
        .map(|row| (text(&row, "id"), row))
        .collect()
}

fn rows(lines: &str) -> Vec<Value> {
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn text(row: &Value, name: &str) -> String {
    row[name].as_str().unwrap().to_owned()
}

/// Sends requests like an identity provider.
struct Client {
    /// The paths of created resources, oldest first.
    created: Mutex<Vec<String>>,
    target: Box<dyn HttpTarget>,
    token: String,
}

/// A server at a base URL.
struct Remote {
    agent: ureq::Agent,
    base: String,
}

impl Remote {
    fn new(base: String) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None);
        let agent = config.build().new_agent();
        Remote { agent, base }
    }

    fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let (mut head, body) = request.into_parts();
        head.uri = format!("{}{}", self.base, head.uri).parse()?;
        let answer = if body.is_empty() {
            self.agent.run(Request::from_parts(head, ()))?
        } else {
            self.agent.run(Request::from_parts(head, &body[..]))?
        };
        let (head, mut body) = answer.into_parts();
        Ok(Response::from_parts(head, body.read_to_vec()?.into()))
    }
}

impl HttpTarget for Remote {
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        Box::pin(std::future::ready(self.exchange(request)))
    }
}

/// A response, with `null` instead of a body that is not JSON.
struct Answer {
    body: Value,
    status: u16,
}

impl Client {
    fn new(target: Box<dyn HttpTarget>, token: String) -> Self {
        Client {
            created: Mutex::default(),
            target,
            token,
        }
    }

    fn in_process(store: Arc<dyn Store>, tolerance: Tolerance) -> Self {
        Client::new(Box::new(server(store, tolerance)), TOKEN.to_owned())
    }

    /// Deletes the created resources that still exist.
    async fn remove_all(&self) {
        let created = std::mem::take(&mut *self.created.lock().unwrap());
        for path in created.iter().rev() {
            self.ask("DELETE", path, None).await;
        }
    }

    async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let answer = self.bytes(method, path, body).await;
        let body = serde_json::from_slice(answer.body()).unwrap_or_default();
        Answer {
            body,
            status: answer.status().as_u16(),
        }
    }

    async fn bytes(&self, method: &str, path: &str, body: Option<&Value>) -> Response<Bytes> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/scim+json")
            .body(
                body.map(|body| Bytes::from(body.to_string()))
                    .unwrap_or_default(),
            );
        self.target.send(request.unwrap()).await.unwrap()
    }

    /// Creates a resource and returns its id.
    async fn create(&self, endpoint: &str, body: &Value) -> Result<String, String> {
        let answer = self.ask("POST", endpoint, Some(body)).await;
        match (answer.status, answer.body["id"].as_str()) {
            (201, Some(id)) => {
                self.created
                    .lock()
                    .unwrap()
                    .push(format!("{endpoint}/{id}"));
                Ok(id.to_owned())
            }
            _ => Err(answer.words()),
        }
    }
}

impl Answer {
    fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    fn scim_type(&self) -> &str {
        self.body["scimType"].as_str().unwrap_or_default()
    }

    /// Returns status and error: `400 invalidValue`.
    fn words(&self) -> String {
        let words = format!("{} {}", self.status, self.scim_type());
        words.trim_end().to_owned()
    }
}

/// Returns a resource as a client sends it: without what the server assigns.
fn sent(resource: &Value) -> Value {
    let mut resource = resource.clone();
    let members = resource.as_object_mut().unwrap();
    members.remove("id");
    members.remove("meta");
    resource
}
